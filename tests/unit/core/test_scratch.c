/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_scratch.c - memory for one dump: grab, use, release all at once.
 */
#include "unit.h"

#include "core/scratch.h"

START_TEST(memory_is_zeroed_aligned_and_disjoint)
{
	struct oh_scratch s = OH_SCRATCH_INIT;
	static unsigned char *at[3000];
	static size_t len[3000];
	uint64_t rng = 5;

	for (int i = 0; i < 3000; i++) {
		len[i] = oh_rng_next(&rng) % (i % 100 == 0 ? 400000 : 900);
		at[i] = oh_scratch_alloc(&s, len[i]);
		ck_assert_ptr_nonnull(at[i]);
		ck_assert_uint_eq((uintptr_t)at[i] % 16, 0);
		for (size_t k = 0; k < len[i]; k++)
			if (at[i][k] != 0)
				ck_abort_msg("byte %zu of block %d is not zero", k, i);
		memset(at[i], i % 255 + 1, len[i]);
	}
	for (int i = 0; i < 3000; i++)
		for (size_t k = 0; k < len[i]; k++)
			if (at[i][k] != i % 255 + 1)
				ck_abort_msg("block %d was overwritten", i);
	ck_assert_uint_ge(s.total_bytes, s.size_bytes);
	oh_scratch_release(&s);
}
END_TEST

START_TEST(nothing_asked_for_is_a_valid_pointer)
{
	struct oh_scratch s = OH_SCRATCH_INIT;

	ck_assert_ptr_nonnull(oh_scratch_alloc(&s, 0));
	ck_assert_ptr_nonnull(oh_scratch_array(&s, 0, 100));
	ck_assert_ptr_nonnull(oh_scratch_array(&s, 100, 0));
	oh_scratch_release(&s);
}
END_TEST

START_TEST(products_and_sums_that_overflow_give_null)
{
	struct oh_scratch s = OH_SCRATCH_INIT;

	ck_assert_ptr_null(oh_scratch_array(&s, SIZE_MAX / 2, 3));
	ck_assert_ptr_null(oh_scratch_array(&s, SIZE_MAX, SIZE_MAX));
	ck_assert_ptr_null(oh_scratch_alloc(&s, SIZE_MAX));
	ck_assert_ptr_null(oh_scratch_alloc(&s, SIZE_MAX / 2));
	ck_assert_uint_eq(s.total_bytes, 0);
	oh_scratch_release(&s);
}
END_TEST

START_TEST(a_refusal_leaves_what_was_handed_out)
{
	struct oh_scratch s = OH_SCRATCH_INIT;
	char *a = oh_scratch_alloc(&s, 100);

	strcpy(a, "still here");
	oh_sys_fail_at(1);
	ck_assert_ptr_null(oh_scratch_alloc(&s, UNIT_MIB));
	ck_assert_ptr_nonnull(oh_scratch_alloc(&s, 100));
	oh_sys_fail_at(0);
	ck_assert_str_eq(a, "still here");
	ck_assert_ptr_nonnull(oh_scratch_alloc(&s, UNIT_MIB));
	oh_scratch_release(&s);
}
END_TEST

START_TEST(release_gives_everything_back_and_starts_over)
{
	struct oh_scratch s = OH_SCRATCH_INIT;
	char *a = oh_scratch_alloc(&s, 1000), *b = oh_scratch_alloc(&s, 3 * UNIT_MIB);

	ck_assert(unit_readable(a) && unit_readable(b));
	oh_scratch_release(&s);
	ck_assert(!unit_readable(a) && !unit_readable(b));
	ck_assert_ptr_null(s.chunks);
	ck_assert_uint_eq(s.total_bytes, 0);
	ck_assert_ptr_nonnull(oh_scratch_alloc(&s, 10));
	oh_scratch_release(&s);
	oh_scratch_release(&s);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, memory_is_zeroed_aligned_and_disjoint);
	tcase_add_test(tc, nothing_asked_for_is_a_valid_pointer);
	tcase_add_test(tc, products_and_sums_that_overflow_give_null);
	tcase_add_test(tc, a_refusal_leaves_what_was_handed_out);
	tcase_add_test(tc, release_gives_everything_back_and_starts_over);
}

int
main(void)
{
	return unit_run("scratch", add);
}
