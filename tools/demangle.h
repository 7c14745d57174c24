/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demangle.h - C++ and Rust symbol names as people write them.
 */
#ifndef OH_TOOLS_DEMANGLE_H
#define OH_TOOLS_DEMANGLE_H

#include <stddef.h>

#include "core/base.h"

#define OH_DEMANGLE_MAX 4096 /* longest demangled name, with the NUL */

/*
 * Demangle `symbol` (C++, Rust legacy and v0) into buf[OH_DEMANGLE_MAX].
 *
 *   full  with parameter types; otherwise the short form without them, as
 *         pprof shows names (template arguments stay in both).
 *
 * Returns buf, or `symbol` itself when it is not a mangled name, or one that
 * would come out longer than the buffer: symbols of hostile files can grow
 * without bound.  One thread at a time.
 */
const char *oh_demangle(char *buf, const char *symbol, bool full);

/* Does `symbol` look mangled at all?  Cheap. */
bool oh_is_mangled(const char *symbol);

#endif
