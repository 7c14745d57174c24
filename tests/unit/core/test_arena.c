/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_arena.c - one capped piece of memory, given out once and for ever.
 */
#include "unit.h"

#include <errno.h>
#include <pthread.h>

START_TEST(ids_are_positive_and_lead_to_zeroed_memory)
{
	ck_assert_int_eq(oh_arena_init(4 * UNIT_MIB), 0);
	for (int i = 0; i < 1000; i++) {
		uint32_t id = oh_arena_alloc(100, 16);
		ck_assert_uint_gt(id, 0);
		char *p = oh_arena_at(id);
		for (int k = 0; k < 100; k++)
			ck_assert_int_eq(p[k], 0);
		memset(p, 0xff, 100);
	}
}
END_TEST

START_TEST(every_alignment_up_to_a_page_holds)
{
	ck_assert_int_eq(oh_arena_init(4 * UNIT_MIB), 0);
	for (size_t align = 16; align <= 4096; align *= 2) {
		(void)oh_arena_alloc(1, 16);
		uint32_t id = oh_arena_alloc(24, align);
		ck_assert_uint_gt(id, 0);
		ck_assert_uint_eq((uintptr_t)oh_arena_at(id) % align, 0);
	}
}
END_TEST

START_TEST(the_cap_is_reached_and_not_passed)
{
	size_t got = 0;

	ck_assert_int_eq(oh_arena_init(2 * UNIT_MIB), 0);
	while (oh_arena_alloc(1024, 16) != 0)
		got += 1024;
	ck_assert_uint_le(got, 2 * UNIT_MIB);
	ck_assert_uint_ge(got, 2 * UNIT_MIB - 2048);
	ck_assert_uint_eq(oh_arena_mapped_bytes(), 2 * UNIT_MIB);
	/* Small ones still fit, to the last unit; then nothing. */
	while (oh_arena_alloc(16, 16) != 0)
		got += 16;
	ck_assert_uint_eq(got, 2 * UNIT_MIB - OH_ARENA_UNIT);
	ck_assert_uint_eq(oh_arena_alloc(1, 16), 0);
}
END_TEST

START_TEST(sizes_that_cannot_be_served_give_0_and_cost_nothing)
{
	ck_assert_int_eq(oh_arena_init(UNIT_MIB), 0);
	ck_assert_uint_eq(oh_arena_alloc(SIZE_MAX, 16), 0);
	ck_assert_uint_eq(oh_arena_alloc(SIZE_MAX - 15, 4096), 0);
	ck_assert_uint_eq(oh_arena_alloc(UNIT_MIB, 16), 0);
	ck_assert_uint_ne(oh_arena_alloc(UNIT_MIB - OH_ARENA_UNIT, 16), 0);
}
END_TEST

START_TEST(a_small_cap_is_raised_and_a_huge_one_cut_to_what_ids_reach)
{
	size_t got = 0;

	ck_assert_int_eq(oh_arena_init(1), 0);
	while (oh_arena_alloc(4096, 4096) != 0)
		got += 4096;
	ck_assert_uint_eq(got, UNIT_MIB - 4096);
	ck_assert_int_eq(oh_arena_init(SIZE_MAX / 2), 0);
	ck_assert_uint_eq(oh_arena_alloc((size_t)1 << 36, 16), 0);
}
END_TEST

START_TEST(refused_reservation_is_halved_down_to_1_mib)
{
	ck_assert_int_eq(oh_arena_init(4 * UNIT_MIB), 0);
	oh_sys_fail_at(1);
	ck_assert_int_eq(oh_arena_init(4 * UNIT_MIB), 0);
	oh_sys_fail_at(0);
	ck_assert_uint_eq(oh_arena_alloc(2 * UNIT_MIB, 16), 0);
	ck_assert_uint_ne(oh_arena_alloc(UNIT_MIB, 16), 0);

	/* 1 MiB refused is the end of it. */
	oh_sys_fail_at(1);
	ck_assert_int_eq(oh_arena_init(UNIT_MIB), -ENOMEM);
	oh_sys_fail_at(0);
}
END_TEST

START_TEST(refused_memory_gives_0_and_the_next_one_may_be_lucky)
{
	ck_assert_int_eq(oh_arena_init(4 * UNIT_MIB), 0);
	uint32_t a = oh_arena_alloc(1000, 16);
	ck_assert_uint_gt(a, 0);
	memset(oh_arena_at(a), 1, 1000);
	oh_sys_fail_at(1);
	ck_assert_uint_eq(oh_arena_alloc(UNIT_MIB, 16), 0);
	uint32_t b = oh_arena_alloc(UNIT_MIB, 16);
	oh_sys_fail_at(0);
	ck_assert_uint_gt(b, a);
	memset(oh_arena_at(b), 2, UNIT_MIB);
	ck_assert_int_eq(((char *)oh_arena_at(a))[999], 1);
}
END_TEST

#define THREADS 8
#define EACH 4000

static uint32_t got[THREADS][EACH];
static char not_zero[] = "memory that is not zero";

static void *
take_many(void *arg)
{
	uint32_t *mine = arg;
	uint64_t rng = (uint64_t)(mine - got[0]);

	for (int i = 0; i < EACH; i++) {
		size_t bytes = 16 + oh_rng_next(&rng) % 240;
		mine[i] = oh_arena_alloc(bytes, (size_t)16 << (oh_rng_next(&rng) % 4));
		if (mine[i] == 0)
			break;
		uint64_t *p = oh_arena_at(mine[i]);
		if (p[0] != 0 || p[1] != 0)
			return not_zero;
		/* Everything that was given out is marked by its owner. */
		p[0] = bytes;
		for (size_t k = 8; k < bytes; k++)
			((char *)p)[k] = (char)(mine[i] % 127 + 1);
	}
	return NULL;
}

START_TEST(threads_get_disjoint_memory)
{
	pthread_t t[THREADS];

	/* I1, I2; the cap is reached on the way. */
	ck_assert_int_eq(oh_arena_init(4 * UNIT_MIB), 0);
	memset(got, 0, sizeof(got));
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, take_many, got[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		void *bad;
		pthread_join(t[i], &bad);
		ck_assert_ptr_null(bad);
	}
	for (int i = 0; i < THREADS; i++) {
		for (int k = 0; k < EACH && got[i][k] != 0; k++) {
			char *p = oh_arena_at(got[i][k]);
			uint64_t bytes;
			memcpy(&bytes, p, 8);
			for (size_t b = 8; b < bytes; b++)
				if (p[b] != (char)(got[i][k] % 127 + 1))
					ck_abort_msg("overlap at id %u", got[i][k]);
		}
	}
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, ids_are_positive_and_lead_to_zeroed_memory);
	tcase_add_test(tc, every_alignment_up_to_a_page_holds);
	tcase_add_test(tc, the_cap_is_reached_and_not_passed);
	tcase_add_test(tc, sizes_that_cannot_be_served_give_0_and_cost_nothing);
	tcase_add_test(tc, a_small_cap_is_raised_and_a_huge_one_cut_to_what_ids_reach);
	tcase_add_test(tc, refused_reservation_is_halved_down_to_1_mib);
	tcase_add_test(tc, refused_memory_gives_0_and_the_next_one_may_be_lucky);
	tcase_add_test(tc, threads_get_disjoint_memory);
}

int
main(void)
{
	return unit_run("arena", add);
}
