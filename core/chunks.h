/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunks.h - is this a pointer that glibc's malloc keeps for itself?
 *
 * glibc names a chunk by its header, which begins 16 bytes before the block
 * that the program gets, and its free lists hold such addresses.  For most
 * sizes the header of the next chunk begins within the last 8 bytes of the
 * block before it, or right behind them: without care, every block in front of
 * free memory would seem to be pointed to.
 *
 * Source: the layout in the comments of glibc's malloc/malloc.c, version 2.36:
 * a size with three flags (1 = the chunk before is in use, 2 = mapped on its
 * own, 4 = of another arena) at offset 8, and, of a free chunk, the same size
 * once more at its end; the last chunk of a heap, "top", ends with the heap.
 */
#ifndef OH_CORE_CHUNKS_H
#define OH_CORE_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Does the word at `word` say `at` because it is, or was, glibc's own: `at` is
 * the header of the chunk behind the block [start, end), and either the word
 * lies in the same heap, where all that was ever freed keeps such addresses
 * until somebody writes there, or that chunk is free or the last of its heap?
 *
 * [low, limit) is the mapping with the block, which can be read; nothing
 * outside of it is.  False with another allocator behind us, or where the
 * layout is not as expected.
 */
bool oh_chunks_is_link(
    uintptr_t start, uintptr_t end, uintptr_t at, uintptr_t word, uintptr_t low, uintptr_t limit);

#endif
