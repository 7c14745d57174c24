/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_write.h - write a profile in pprof format.
 */
#ifndef OH_TOOLS_PROFILE_WRITE_H
#define OH_TOOLS_PROFILE_WRITE_H

#include <stdio.h>

#include "core/base.h"
#include "tools/profile.h"

/*
 * Write `p` as a gzipped pprof profile.
 *
 * Samples, labels, types, times, comments and drop_frames are as they are in
 * `p`.  Of locations, functions and strings only those are written that a
 * sample, a mapping or the header refers to.  Whether a mapping has function
 * names, files, lines and inlined calls is said by what its locations have.
 *
 * Errors of `to` are left to who closes it.  False, after one line on stderr,
 * if there is no memory.
 */
bool oh_profile_write(const struct oh_profile *p, FILE *to);

#endif
