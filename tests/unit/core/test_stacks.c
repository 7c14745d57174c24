/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_stacks.c - one id per stack, one site per stack and size.
 */
#include "unit.h"

#include <pthread.h>

#define DEPTH_MOST 128

/* Stack number `k` of a family in which many share a hash bucket and a tail. */
static unsigned
fabricate(uint32_t k, oh_frame *frames)
{
	unsigned depth = 1 + k % DEPTH_MOST;

	for (unsigned i = 0; i < depth; i++)
		frames[i] = oh_frame_make(0x400000 + (i == 0 ? k : i) * 16, 1 + i % 3);
	return depth;
}

static int
by_id(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
setup(void)
{
	unit_tables(64 * UNIT_MIB);
}

START_TEST(equal_stacks_share_an_id_and_different_ones_do_not)
{
	enum { N = 20000 };
	static uint32_t id[N];
	oh_frame f[DEPTH_MOST];

	for (uint32_t k = 0; k < N; k++) {
		id[k] = oh_stacks_intern(f, fabricate(k, f));
		UNIT_CHECK(id[k] > 0);
	}
	for (uint32_t k = 0; k < N; k++) {
		unsigned depth = fabricate(k, f);
		UNIT_CHECK(oh_stacks_intern(f, depth) == id[k]);
		const struct oh_stack *s = oh_arena_at(id[k]);
		UNIT_CHECK(s->depth == depth);
		UNIT_CHECK(memcmp(s->frames, f, depth * sizeof(*f)) == 0);
	}
	qsort(id, N, sizeof(id[0]), by_id);
	for (uint32_t k = 1; k < N; k++)
		UNIT_CHECK(id[k] != id[k - 1]);
}
END_TEST

START_TEST(a_prefix_is_another_stack)
{
	oh_frame f[DEPTH_MOST] = { 0 };
	uint32_t seen[DEPTH_MOST + 1];

	for (unsigned d = 0; d <= DEPTH_MOST; d++) {
		seen[d] = oh_stacks_intern(f, d);
		for (unsigned e = 0; e < d; e++)
			UNIT_CHECK(seen[d] != seen[e]);
	}
}
END_TEST

START_TEST(module_is_part_of_a_frame)
{
	oh_frame a = oh_frame_make(0x7fff00001234, 1), b = oh_frame_make(0x7fff00001234, 2);

	ck_assert_uint_ne(oh_stacks_intern(&a, 1), oh_stacks_intern(&b, 1));
	ck_assert_uint_eq(oh_frame_pc(b), 0x7fff00001234);
	ck_assert_uint_eq(oh_frame_module(b), 2);
	/* A pc beyond 47 bits loses its high bits, never its module. */
	ck_assert_uint_eq(oh_frame_module(oh_frame_make(UINT64_MAX, 5)), 5);
}
END_TEST

START_TEST(full_arena_gives_none_and_old_ids_live_on)
{
	oh_frame f[DEPTH_MOST];
	uint32_t k = 0, first, last;

	unit_tables(UNIT_MIB);
	first = last = oh_stacks_intern(f, fabricate(0, f));
	uint32_t site = oh_sites_get(first, 10, 0);
	for (uint32_t id = first; id != OH_STACK_NONE; id = oh_stacks_intern(f, fabricate(++k, f)))
		last = id;
	ck_assert_uint_gt(k, 100);
	ck_assert_uint_eq(oh_stacks_intern(f, fabricate(0, f)), first);
	ck_assert_uint_eq(oh_stacks_intern(f, fabricate(k - 1, f)), last);
	while (oh_sites_get(first, k++, 0) != 0)
		;
	ck_assert_uint_eq(oh_sites_get(first, 10, 0), site);
	oh_site_add(site, 2.5, 10);
	const struct oh_site *s = oh_arena_at(site);
	ck_assert(oh_site_sum(&s->objects) == 2.5 && oh_site_sum(&s->bytes) == 25);
}
END_TEST

START_TEST(sites_are_told_apart_by_size_and_thread)
{
	oh_frame f = oh_frame_make(0x1000, 1);
	uint32_t st = oh_stacks_intern(&f, 1);
	uint32_t a = oh_sites_get(st, 64, 0);

	ck_assert_uint_ne(a, 0);
	ck_assert_uint_eq(oh_sites_get(st, 64, 0), a);
	ck_assert_uint_ne(oh_sites_get(st, 65, 0), a);
	ck_assert_uint_ne(oh_sites_get(st, 64, 1), a);
	ck_assert_uint_ne(oh_sites_get(st, 0, 0), 0);
	const struct oh_site *s = oh_arena_at(a);
	ck_assert_uint_eq(s->stack, st);
	ck_assert_uint_eq(s->size_key, 64);
	ck_assert_uint_eq(oh_sites_count(), 4);
}
END_TEST

static unsigned
sites_of(uint32_t stack)
{
	const struct oh_stack *st = oh_arena_at(stack);
	unsigned n = 0;

	for (uint32_t id = st->sites; id != 0; n++)
		id = ((const struct oh_site *)oh_arena_at(id))->next;
	return n;
}

/* 24 sizes, then at most eight classes for each of 63 powers of two. */
START_TEST(a_stack_has_a_bounded_number_of_sites)
{
	oh_frame f = oh_frame_make(0x1000, 1);
	uint32_t st = oh_stacks_intern(&f, 1);
	uint64_t rng = 3;

	for (uint64_t size = 0; size < 100000; size++)
		UNIT_CHECK(oh_sites_get(st, size, 0) != 0);
	ck_assert_uint_le(sites_of(st), OH_SITE_SIZES + 16 + 13 * 8);
	for (int i = 0; i < 200000; i++) {
		uint64_t size = oh_rng_next(&rng) >> (1 + oh_rng_next(&rng) % 62);
		UNIT_CHECK(oh_sites_get(st, size, 0) != 0);
	}
	ck_assert_uint_le(sites_of(st), OH_SITE_SIZES + 63 * 8);
	ck_assert_uint_eq(sites_of(st), oh_sites_count());
}
END_TEST

START_TEST(sizes_of_one_class_lie_within_an_eighth)
{
	oh_frame f = oh_frame_make(0x1000, 1);
	uint32_t st = oh_stacks_intern(&f, 1);

	for (uint64_t size = 0; size < OH_SITE_SIZES; size++)
		(void)oh_sites_get(st, UINT64_C(1) << 40 | size, 0);
	for (uint64_t size = 1; size < 1 << 16; size++) {
		const struct oh_site *s = oh_arena_at(oh_sites_get(st, size, 0));
		uint64_t least = s->size_key & ~(UINT64_C(1) << 63);
		UNIT_CHECK(s->size_key >> 63 != 0);
		UNIT_CHECK(least <= size);
		UNIT_CHECK((size - least) * 8 < size);
	}
}
END_TEST

static uint32_t each_seen;

static void
count_stack(uint32_t id, const struct oh_stack *s, void *arg)
{
	oh_frame f[DEPTH_MOST];
	uint32_t k = (uint32_t)((oh_frame_pc(s->frames[0]) - 0x400000) / 16);

	UNIT_CHECK(arg == &each_seen);
	UNIT_CHECK(s->depth == fabricate(k, f));
	UNIT_CHECK(memcmp(s->frames, f, s->depth * sizeof(*f)) == 0);
	UNIT_CHECK(oh_arena_at(id) == s);
	each_seen++;
}

START_TEST(each_calls_once_for_every_stack)
{
	oh_frame f[DEPTH_MOST];

	for (uint32_t k = 0; k < 30000; k++)
		(void)oh_stacks_intern(f, fabricate(k, f));
	each_seen = 0;
	oh_stacks_each(count_stack, &each_seen);
	ck_assert_uint_eq(each_seen, 30000);
}
END_TEST

#define THREADS 8
#define STACKS 3000
#define SIZES 3

static uint32_t by_thread[THREADS][STACKS], site_by_thread[THREADS][STACKS][SIZES];
static pthread_barrier_t together;

static void *
intern_all(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	oh_frame f[DEPTH_MOST];

	for (uint32_t k = 0; k < STACKS; k++) {
		if (k % 100 == 0)
			pthread_barrier_wait(&together);
		uint32_t id = by_thread[me][k] = oh_stacks_intern(f, fabricate(k, f));
		if (id == 0)
			continue;
		for (unsigned i = 0; i < SIZES; i++) {
			site_by_thread[me][k][i] = oh_sites_get(id, 8 * i, 0);
			if (site_by_thread[me][k][i] != 0)
				oh_site_add(site_by_thread[me][k][i], 1.5, 8 * i);
		}
	}
	return NULL;
}

/* I3, and: no addition is lost. */
START_TEST(threads_at_the_same_stacks_never_make_two_of_one)
{
	pthread_t t[THREADS];

	pthread_barrier_init(&together, NULL, THREADS);
	for (uintptr_t i = 0; i < THREADS; i++)
		UNIT_CHECK(pthread_create(&t[i], NULL, intern_all, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	pthread_barrier_destroy(&together);
	for (int i = 1; i < THREADS; i++) {
		UNIT_CHECK(memcmp(by_thread[i], by_thread[0], sizeof(by_thread[0])) == 0);
		UNIT_CHECK(
		    memcmp(site_by_thread[i], site_by_thread[0], sizeof(site_by_thread[0])) == 0);
	}
	each_seen = 0;
	oh_stacks_each(count_stack, &each_seen);
	ck_assert_uint_eq(each_seen, STACKS);
	for (int k = 0; k < STACKS; k++) {
		UNIT_CHECK(sites_of(by_thread[0][k]) == SIZES);
		for (unsigned i = 0; i < SIZES; i++) {
			const struct oh_site *s = oh_arena_at(site_by_thread[0][k][i]);
			UNIT_CHECK(s->samples == THREADS);
			UNIT_CHECK(oh_site_sum(&s->objects) == 1.5 * THREADS);
			UNIT_CHECK(oh_site_sum(&s->bytes) == 1.5 * THREADS * 8 * i);
			UNIT_CHECK(s->index < oh_sites_count());
		}
	}
}
END_TEST

static void *
add_many(void *arg)
{
	uint32_t site = (uint32_t)(uintptr_t)arg;

	for (int i = 1; i <= 20000; i++)
		oh_site_add(site, 1, (uint64_t)i);
	return NULL;
}

START_TEST(sums_of_whole_numbers_are_exact)
{
	oh_frame f = oh_frame_make(0x1000, 1);
	uint32_t site = oh_sites_get(oh_stacks_intern(&f, 1), 1, 0);
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, add_many, (void *)(uintptr_t)site);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	const struct oh_site *s = oh_arena_at(site);
	ck_assert_uint_eq(s->samples, 80000);
	ck_assert(oh_site_sum(&s->objects) == 80000);
	ck_assert(oh_site_sum(&s->bytes) == 4.0 * 20000 * 20001 / 2);
}
END_TEST

/* How many of a site were freed in each bin; NULL if none is counted. */
static const uint32_t *
lives(uint32_t site)
{
	const struct oh_site *s = oh_arena_at(site);

	return s->lives == 0 ? NULL : ((const struct oh_lives *)oh_arena_at(s->lives))->count;
}

START_TEST(lifetimes_of_freed_blocks_double_from_bin_to_bin)
{
	oh_frame f = oh_frame_make(0x1000, 1);
	uint32_t site = oh_sites_get(oh_stacks_intern(&f, 1), 1, 0), other;
	uint32_t want[OH_LIFE_BINS] = { 2, 1 };

	ck_assert(oh_site_freed(site, 0) && oh_site_freed(site, OH_LIFE_LEAST_MS - 1));
	ck_assert_ptr_null(lives(site));
	ck_assert(oh_site_freed(site, 40) && oh_site_freed(site, 79) && oh_site_freed(site, 80));
	for (unsigned i = 2; i < OH_LIFE_BINS; i++, want[i - 1] = 2)
		ck_assert(oh_site_freed(site, UINT64_C(40) << i) &&
			  oh_site_freed(site, (UINT64_C(80) << i) - 1));
	ck_assert(oh_site_freed(site, UINT64_MAX));
	want[OH_LIFE_BINS - 1]++;
	ck_assert_mem_eq(lives(site), want, sizeof(want));
	/* Where no memory is left, who has some goes on, and who has none is told. */
	other = oh_sites_get(oh_stacks_intern(&f, 1), 2, 0);
	while (oh_arena_alloc(OH_ARENA_UNIT, OH_ARENA_UNIT) != 0)
		;
	ck_assert(oh_site_freed(site, 80) && lives(site)[1] == 2);
	ck_assert(oh_site_freed(other, 1) && !oh_site_freed(other, 100));
	ck_assert_ptr_null(lives(other));
}
END_TEST

#define FREED 2000

static uint32_t first_freed[FREED];

static void *
free_all(void *arg)
{
	(void)arg;
	for (int i = 0; i < FREED; i++) {
		if (i % 100 == 0)
			pthread_barrier_wait(&together);
		(void)oh_site_freed(first_freed[i], 50);
	}
	return NULL;
}

/* All at once at sites of which none was freed before. */
START_TEST(threads_that_free_at_one_site_are_all_counted)
{
	oh_frame f = oh_frame_make(0x1000, 1);
	pthread_t t[THREADS];

	for (uint32_t i = 0; i < FREED; i++)
		first_freed[i] = oh_sites_get(oh_stacks_intern(&f, 1), i % 20, i);
	pthread_barrier_init(&together, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		UNIT_CHECK(pthread_create(&t[i], NULL, free_all, NULL) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	pthread_barrier_destroy(&together);
	for (int i = 0; i < FREED; i++)
		UNIT_CHECK(lives(first_freed[i])[0] == THREADS);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, equal_stacks_share_an_id_and_different_ones_do_not);
	tcase_add_test(tc, a_prefix_is_another_stack);
	tcase_add_test(tc, module_is_part_of_a_frame);
	tcase_add_test(tc, full_arena_gives_none_and_old_ids_live_on);
	tcase_add_test(tc, sites_are_told_apart_by_size_and_thread);
	tcase_add_test(tc, a_stack_has_a_bounded_number_of_sites);
	tcase_add_test(tc, sizes_of_one_class_lie_within_an_eighth);
	tcase_add_test(tc, each_calls_once_for_every_stack);
	tcase_add_test(tc, threads_at_the_same_stacks_never_make_two_of_one);
	tcase_add_test(tc, sums_of_whole_numbers_are_exact);
	tcase_add_test(tc, lifetimes_of_freed_blocks_double_from_bin_to_bin);
	tcase_add_test(tc, threads_that_free_at_one_site_are_all_counted);
}

int
main(void)
{
	return unit_run("stacks", add);
}
