/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modules.h - which file is mapped at this address?
 *
 * A module is one executable segment of one loaded file, with its build ID.
 * It is noted when it is first seen on a call stack, while it cannot be
 * unloaded, and stays known after it was: stacks that name it stay readable.
 */
#ifndef OH_CORE_MODULES_H
#define OH_CORE_MODULES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/layout.h" /* struct oh_module, OH_MODULES_MAX */

/* What the loader says of an address, as far as the unwinder needs it. */
struct oh_module_at {
	unsigned id;              /* 1...; 0 = no file, or no room to note it */
	const void *eh_frame_hdr; /* NULL = no unwind rules */
};

/*
 * Counts unloads: what was learned about an address under another number
 * must be looked up again.  Relaxed: it orders nothing.
 */
extern uint32_t oh_modules_generation;

/*
 * Set up the table and note the main program as module 1, at the path of its
 * executable.  Returns 0 or -ENOMEM.
 */
int oh_modules_init(void);

/*
 * Look `pc` up.  Takes no lock that the loader takes (_dl_find_object), so it
 * may be called by a thread while another is inside dlopen.
 * Returns false when no loaded file is there.
 * Any thread, any signal context.
 */
bool oh_modules_find(uintptr_t pc, struct oh_module_at *ret);

/* Modules noted so far; ids run from 1 to this. */
unsigned oh_modules_count(void);

/* The module with that id, or NULL.  It never moves or changes. */
const struct oh_module *oh_modules_get(unsigned id);

#endif
