/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_chunks.c - is this a pointer that glibc's malloc keeps for itself?
 *
 * On memory laid out by hand as glibc lays it out.
 */
#include "unit.h"

#include "core/chunks.h"

enum { WORDS = 1024 };

/* Two pages: a chunk of 112 bytes at 16 (block of 100 bytes at 32), one of 64 behind it, the rest.
 */
static uint64_t *
heap(bool is_free)
{
	uint64_t *h = aligned_alloc(4096, WORDS * sizeof(*h));

	ck_assert_ptr_nonnull(h);
	memset(h, 0, WORDS * sizeof(*h));
	h[3] = 112 | 1;
	h[17] = 64 | 1; /* at 128 */
	h[24] = is_free ? 64 : 0;
	h[25] = (WORDS * 8 - 192) | (is_free ? 0 : 1); /* at 192: the last */
	return h;
}

static bool
is_link(const uint64_t *h, size_t bytes, size_t at, const uint64_t *word)
{
	uintptr_t low = (uintptr_t)h, start = low + 32;

	return oh_chunks_is_link(
	    start, start + bytes, low + at, (uintptr_t)word, low, low + WORDS * sizeof(*h));
}

START_TEST(header_of_a_free_chunk_is_the_allocators)
{
	uint64_t *h = heap(true), elsewhere;

	ck_assert(is_link(h, 100, 128, &elsewhere));
	for (size_t at = 32; at <= 32 + 100; at++)
		if (at != 128)
			ck_assert(!is_link(h, 100, at, &elsewhere));
	free(h);
}
END_TEST

START_TEST(header_of_a_used_chunk_is_so_only_in_its_heap)
{
	uint64_t *h = heap(false), elsewhere;

	ck_assert(!is_link(h, 100, 128, &elsewhere));
	ck_assert(is_link(h, 100, 128, &h[0]));
	ck_assert(is_link(h, 100, 128, &h[WORDS - 1]));
	ck_assert(!is_link(h, 100, 128, &h[WORDS]));
	ck_assert(!is_link(h, 100, 120, &h[40]));
	free(h);
}
END_TEST

START_TEST(header_of_the_last_chunk_is_the_allocators)
{
	uint64_t *h = heap(false), elsewhere;

	h[3] = 176 | 1;
	ck_assert(is_link(h, 164, 192, &elsewhere));
	h[25] &= ~UINT64_C(1);
	ck_assert(!is_link(h, 164, 192, &elsewhere));
	h[25] = (WORDS * 8 - 192 - 16) | 1; /* does not end with a page */
	ck_assert(!is_link(h, 164, 192, &elsewhere));
	free(h);
}
END_TEST

START_TEST(other_layouts_are_nobodys)
{
	static const uint64_t heads[] = { 0, 1, 16 | 1, 112 | 2 | 1, 120 | 1, 128 | 1, UINT64_MAX,
		UINT64_MAX - 15, (uint64_t)1 << 63 };
	static const uint64_t next[] = { 0, 16, 63, 72, WORDS * 8, UINT64_MAX, UINT64_MAX - 7,
		(uint64_t)INT64_MAX };
	uint64_t *h = heap(true), elsewhere;

	for (size_t i = 0; i < OH_ARRAY_LEN(heads); i++) {
		h[3] = heads[i];
		ck_assert(!is_link(h, 100, 128, &elsewhere));
		ck_assert(!is_link(h, 100, 128, &h[50]));
	}
	h[3] = 112 | 1;
	for (size_t i = 0; i < OH_ARRAY_LEN(next); i++) {
		h[17] = next[i];
		ck_assert(!is_link(h, 100, 128, &elsewhere));
	}
	h[17] = 64 | 1;
	h[24] = 48; /* what a free chunk says at its end */
	ck_assert(!is_link(h, 100, 128, &elsewhere));
	free(h);
}
END_TEST

/* Neither the header of a block that begins its mapping, nor anything behind its end. */
START_TEST(reads_nothing_outside)
{
	uint64_t *h = heap(true), elsewhere;
	uintptr_t low = (uintptr_t)h;

	ck_assert(
	    !oh_chunks_is_link(low, low + 100, low + 96, (uintptr_t)&elsewhere, low, low + 8192));
	ck_assert(!oh_chunks_is_link(
	    low + 32, low + 132, low + 128, (uintptr_t)&elsewhere, low, low + 132));
	ck_assert(!oh_chunks_is_link(
	    low + 32, low + 132, low + 128, (uintptr_t)&elsewhere, low, low + 136));
	ck_assert(!oh_chunks_is_link(
	    low + 32, low + 132, low + 128, (uintptr_t)&elsewhere, low, low + 200));
	free(h);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, header_of_a_free_chunk_is_the_allocators);
	tcase_add_test(tc, header_of_a_used_chunk_is_so_only_in_its_heap);
	tcase_add_test(tc, header_of_the_last_chunk_is_the_allocators);
	tcase_add_test(tc, other_layouts_are_nobodys);
	tcase_add_test(tc, reads_nothing_outside);
}

int
main(void)
{
	return unit_run("chunks", add);
}
