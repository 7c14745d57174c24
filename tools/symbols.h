/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symbols.h - give the addresses of a profile names, files and lines.
 */
#ifndef OH_TOOLS_SYMBOLS_H
#define OH_TOOLS_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tools/profile.h"

/*
 * Give each location without lines the functions and lines its mapping's file
 * has for it: from DWARF with inlined calls, else from the symbol table, else
 * none (oh_location_name() then names it by module and offset).
 *
 *   wanted  [location]: nonzero for those that matter; NULL = all
 *
 * Locations that have lines stay as they are.  Each mapping whose file cannot
 * be used is told on stderr, once; nothing fails.
 */
void oh_symbols_resolve(struct oh_profile *p, const uint8_t *wanted);

/*
 * The same in several steps, for a profile that grows: files stay open and
 * known from one run to the next.
 *
 *   quiet  say nothing of files that cannot be used
 *
 * oh_symbols_free takes NULL.
 */
struct oh_symbols;
struct oh_symbols *oh_symbols_create(struct oh_profile *p, bool quiet);
void oh_symbols_run(struct oh_symbols *s, const uint8_t *wanted);
void oh_symbols_free(struct oh_symbols *s);

/*
 * Have `progress` called by oh_symbols_run() for each location: so many are
 * done, of so many.  NULL: not any more.
 */
void oh_symbols_progress(struct oh_symbols *s, void (*progress)(size_t done, size_t of));

/* Demangle functions that the writer left mangled, as pprof does. */
void oh_symbols_demangle(struct oh_profile *p);

/* Mark the locations of samples whose value of `type` is not 0.  Returns what free() takes. */
uint8_t *oh_symbols_wanted(const struct oh_profile *p, unsigned type);

/*
 * "libfoo.so+0x1234", the offset being that in the file; "0x7f..." where no
 * mapping is known.  Writes at most `room` bytes.
 */
void oh_location_name(
    char *buf, size_t room, const struct oh_profile *p, uint32_t mapping_plus1, uint64_t address);

#endif
