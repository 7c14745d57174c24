/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunks.c - is this a pointer that glibc's malloc keeps for itself?
 */
#include "core/chunks.h"

#define HEADER 16u /* bytes of a chunk before the block */
#define SIZE_AT 8u
#define FLAGS 7u
#define BEFORE_IN_USE 1u
#define MAPPED 2u
#define SMALLEST 32u
#define ALIGN 16u
#define PAGE 4096u

/* The memory is the program's: no sanitizer has a say in it. */
static __attribute__((no_sanitize("address", "thread"))) uint64_t
get(uintptr_t at)
{
	return *(const volatile uint64_t *)at;
}

static bool
is_size(uint64_t size)
{
	return size >= SMALLEST && size % ALIGN == 0;
}

/* The chunk at `at`, of memory that ends at `limit`. */
static bool
is_free_or_last(uintptr_t at, uintptr_t limit)
{
	if (limit - at < HEADER)
		return false;
	uint64_t head = get(at + SIZE_AT), size = head & ~(uint64_t)FLAGS;
	if (!is_size(size) || size > limit - at)
		return false;
	if ((at + size) % PAGE == 0 && (head & BEFORE_IN_USE) != 0)
		return true; /* heaps end with a page */
	if (limit - at - size < HEADER)
		return false;
	return (get(at + size + SIZE_AT) & BEFORE_IN_USE) == 0 && get(at + size) == size;
}

bool
oh_chunks_is_link(
    uintptr_t start, uintptr_t end, uintptr_t at, uintptr_t word, uintptr_t low, uintptr_t limit)
{
	if (start % ALIGN != 0 || start - low < HEADER || end > limit)
		return false;
	uint64_t head = get(start - HEADER + SIZE_AT), size = head & ~(uint64_t)FLAGS;
	if ((head & MAPPED) != 0 || !is_size(size) || start - HEADER + size != at)
		return false;
	return (word >= low && word < limit) || is_free_or_last(at, limit);
}
