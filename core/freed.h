/* SPDX-License-Identifier: Apache-2.0 */
/*
 * freed.h - does this word lie in memory that glibc's malloc has taken back?
 *
 * What was freed keeps what stood there until somebody writes to it.  For the
 * leak check such old words are no pointers.
 *
 * Source: the comments and structures of glibc's malloc/malloc.c and arena.c,
 * version 2.36, tested with that.  Nothing of it is exported, so all is found
 * by its shape, and believed only where many things agree that no other memory
 * has by chance (freed.c says which).  Elsewhere the answer is no.
 */
#ifndef OH_CORE_FREED_H
#define OH_CORE_FREED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/maps.h"

/* A heap of glibc's, walked from its first chunk to its last. */
struct oh_freed_heap {
	uintptr_t start, limit; /* chunks */
	uintptr_t top;          /* the last chunk, which is free; 0 = the heap is full */
	uint16_t *first;        /* of each page, where the first chunk begins, / 16 + 1; or 0 */
	uint64_t *listed;       /* a bit for 16 bytes: a chunk in a cache or fast bin begins */
};

#define OH_FREED_CACHES_MAX 4096u

struct oh_freed {
	struct oh_freed_heap *heaps;
	uint32_t count;

	/* Inside: */
	const struct oh_map *maps;
	uint32_t map_count;
	uintptr_t main_arena;
	uintptr_t *caches; /* may be per-thread caches: where they begin */
	uint32_t cache_count;
	/* The chunk that was found last, and in which heap. */
	uint32_t at_heap;
	uintptr_t from, to;
	bool is_free;
};

/*
 * Find the heaps.  `allocator` is any function of the malloc in use; where it
 * is not glibc's, none are found.  `maps` is all memory, by address.  The
 * process must not change meanwhile, nor until the last question; memory is
 * taken by mmap and not given back: for a child that ends soon.  What memory
 * cannot be read is not touched, if `maps` is right.
 */
void oh_freed_find(
    struct oh_freed *f, uintptr_t allocator, const struct oh_map *maps, uint32_t map_count);

/* Quick if asked in ascending order. */
bool oh_freed_has(struct oh_freed *f, uintptr_t word);

#endif
