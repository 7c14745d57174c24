/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debuginfo.h - which functions, inlined ones too, and which source lines are
 * at an address?  From one file's DWARF.
 */
#ifndef OH_TOOLS_DEBUGINFO_H
#define OH_TOOLS_DEBUGINFO_H

#include <stddef.h>
#include <stdint.h>

#include <elfutils/libdw.h>

#include "core/base.h"

struct oh_debuginfo;

#define OH_DEBUGINFO_DEPTH 64 /* most frames at one address; deeper inlining is cut at the root */

/* A function as DWARF has it.  Strings live as long as the Dwarf. */
struct oh_debug_function {
	const char *name; /* linkage name if there is one, so perhaps mangled; never NULL */
	const char *file; /* where it is declared; NULL if unknown */
	uint32_t line;    /* there; 0 if unknown */
};

struct oh_debug_frame {
	uint32_t function; /* for oh_debuginfo_function() */
	uint32_t line;     /* 0 if unknown */
	const char *file;  /* of that line; NULL if unknown */
};

/*
 * Prepare to answer for `dw`, whose addresses are virtual addresses minus
 * `bias`.  Only the list of units is read; functions of a unit are when the
 * first address in it is asked for.
 *
 *   low, high  where code is; ranges that DWARF gives outside are left-overs
 *              of functions the linker dropped, and ignored.
 */
struct oh_debuginfo *oh_debuginfo_create(Dwarf *dw, uint64_t bias, uint64_t low, uint64_t high);
void oh_debuginfo_free(struct oh_debuginfo *d);

/*
 * Find what is at `vaddr`: ret[0] is the innermost inlined function, the last
 * the function that the symbol table knows.  Returns how many, 0 if DWARF has
 * no function there.
 */
size_t oh_debuginfo_find(
    struct oh_debuginfo *d, uint64_t vaddr, struct oh_debug_frame ret[OH_DEBUGINFO_DEPTH]);

/* Valid until the next oh_debuginfo_find(). */
const struct oh_debug_function *oh_debuginfo_function(const struct oh_debuginfo *d, uint32_t i);

#endif
