/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.h - the one capped piece of memory that holds every table.
 *
 * Tables refer to each other by id (byte offset / 16), never by pointer, so
 * the arena can be mapped anywhere else and still be read.  Nothing is ever
 * given back: a structure that wants to reuse memory keeps its own free list.
 */
#ifndef OH_CORE_ARENA_H
#define OH_CORE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "core/layout.h" /* OH_ARENA_UNIT: also the alignment of everything in it */

extern OH_HIDDEN char *oh_arena_base; /* set once by oh_arena_init(), before any thread samples */

/*
 * Reserve `cap_bytes` of address space (no memory yet).  Where that much is
 * not to be had, half of it is tried, down to 1 MiB.
 * Returns 0 or -ENOMEM.  Once per process, before anything else here.
 */
int oh_arena_init(size_t cap_bytes);

/*
 * `bytes` of zeroed memory aligned to `align` (a power of two, 16 to 4096).
 * Returns an id > 0, or 0 when the cap is reached or the kernel refuses.
 * Any thread, any signal context, no lock; makes a system call once in 256 KiB.
 */
uint32_t oh_arena_alloc(size_t bytes, size_t align);

/* Bytes made usable so far; what the tables cost at most. */
size_t oh_arena_mapped_bytes(void);

/* Where it lies: [*ret_start, *ret_limit). */
void oh_arena_range(uintptr_t *ret_start, uintptr_t *ret_limit);

static inline void *
oh_arena_at(uint32_t id)
{
	return oh_arena_base + (size_t)id * OH_ARENA_UNIT;
}

#endif
