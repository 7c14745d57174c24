/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_live.c - is this block sampled and still allocated?
 */
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

static void
setup(void)
{
	unit_tables(64 * UNIT_MIB);
}

/* Every field follows from one number, so that halves of two do not match. */
static struct oh_live_record
record(uint32_t x)
{
	return (struct oh_live_record){ .size_bytes = (uint64_t)x << 20 | 0x77,
		.weight = 3.0 * x + 0.5,
		.site = x ^ 0x5a5a5a5a,
		.birth_cs = ~x };
}

static bool
whole(const struct oh_live_record *r)
{
	struct oh_live_record e = record((uint32_t)(r->size_bytes >> 20));

	return r->size_bytes == e.size_bytes && r->weight == e.weight && r->site == e.site &&
	       r->birth_cs == e.birth_cs;
}

static void *
block(uint64_t i)
{
	return (void *)(uintptr_t)(0x100000 + i * 16);
}

START_TEST(a_block_is_known_from_insert_to_remove)
{
	struct oh_live_record r = record(42), got;

	ck_assert(!oh_live_maybe(block(1)));
	ck_assert(!oh_live_remove(block(1), &got));
	ck_assert(oh_live_insert(block(1), &r));
	ck_assert(oh_live_maybe(block(1)));
	ck_assert_uint_eq(oh_live_count(), 1);
	ck_assert(!oh_live_remove(block(2), &got));
	ck_assert(oh_live_remove(block(1), &got));
	ck_assert(whole(&got) && got.site == r.site);
	ck_assert(!oh_live_maybe(block(1)));
	ck_assert(!oh_live_remove(block(1), NULL));
	ck_assert_uint_eq(oh_live_count(), 0);
}
END_TEST

START_TEST(no_block_at_all_is_never_known)
{
	struct oh_live_record r = record(1);

	/* Addresses that are marks inside the table. */
	(void)oh_live_insert(block(0), &r);
	ck_assert(!oh_live_remove(NULL, NULL));
	ck_assert(!oh_live_remove((void *)1, NULL));
}
END_TEST

/* I1 */
START_TEST(a_leftover_at_the_same_address_is_replaced_and_counted)
{
	struct oh_live_record a = record(1), b = record(2), got;

	ck_assert(oh_live_insert(block(7), &a));
	ck_assert(oh_live_insert(block(7), &b));
	ck_assert_uint_eq(oh_drops[OH_DROP_FREE_MISSED], 1);
	ck_assert_uint_eq(oh_live_count(), 1);
	ck_assert(oh_live_remove(block(7), &got));
	ck_assert_uint_eq(got.site, b.site);
	ck_assert(!oh_live_remove(block(7), &got));
	ck_assert(!oh_live_maybe(block(7)));
}
END_TEST

START_TEST(an_address_4_gib_away_shares_the_filter_but_not_the_record)
{
	struct oh_live_record a = record(1), b = record(2), got;
	char *near = block(7), *far = near + (UINT64_C(1) << 32);

	ck_assert(oh_live_insert(near, &a));
	ck_assert(oh_live_maybe(far));
	ck_assert(!oh_live_remove(far, &got));
	ck_assert(oh_live_insert(far, &b));
	ck_assert_uint_eq(oh_drops[OH_DROP_FREE_MISSED], 0);
	ck_assert(oh_live_remove(near, &got) && got.site == a.site);
	ck_assert(oh_live_maybe(far));
	ck_assert(oh_live_remove(far, &got) && got.site == b.site);
	ck_assert(!oh_live_maybe(far));
}
END_TEST

#define MANY 100000

static uint8_t seen[MANY];

static void
note(uintptr_t addr, const struct oh_live_record *r, void *arg)
{
	uint64_t i = (addr - (uintptr_t)block(0)) / 16;

	UNIT_CHECK(arg == seen);
	UNIT_CHECK(i < MANY);
	UNIT_CHECK(whole(r));
	UNIT_CHECK(r->size_bytes >> 20 == i);
	seen[i]++;
}

/* Through growth by many levels, in an order that mixes them. */
START_TEST(a_hundred_thousand_blocks_come_and_go)
{
	struct oh_live_record r, got;

	for (uint32_t i = 0; i < MANY; i++) {
		r = record(i);
		UNIT_CHECK(oh_live_insert(block(i), &r));
	}
	ck_assert_uint_eq(oh_live_count(), MANY);
	memset(seen, 0, sizeof(seen));
	oh_live_each(note, seen);
	for (uint32_t i = 0; i < MANY; i++)
		UNIT_CHECK(seen[i] == 1);
	for (uint32_t k = 0; k < MANY; k++) {
		uint32_t i = (uint32_t)((uint64_t)k * 61 % MANY);
		UNIT_CHECK(oh_live_maybe(block(i)));
		UNIT_CHECK(oh_live_remove(block(i), &got));
		UNIT_CHECK(whole(&got));
		UNIT_CHECK(got.size_bytes >> 20 == i);
	}
	ck_assert_uint_eq(oh_live_count(), 0);
	memset(seen, 0, sizeof(seen));
	oh_live_each(note, seen);
	for (uint32_t i = 0; i < MANY; i++)
		UNIT_CHECK(seen[i] == 0);
	/* I4; 256 blocks to a page saturate their byte, which is then kept. */
	for (size_t i = 0; i < OH_FILTER_SIZE; i++)
		UNIT_CHECK(oh_live_filter[i] == 0 || oh_live_filter[i] == UINT8_MAX);
}
END_TEST

/* A full arena: what is in stays in, what is not is told, nothing leaks into the filter. */
START_TEST(full_arena_refuses_and_forgets_nothing)
{
	struct oh_live_record r, got;
	uint32_t n = 0;

	unit_tables(UNIT_MIB);
	/* One block to a page, so that the filter counts exactly. */
	for (;; n++) {
		r = record(n);
		if (!oh_live_insert((char *)0x10000000 + (size_t)n * 4096, &r))
			break;
	}
	ck_assert_uint_gt(n, 1000);
	ck_assert_uint_eq(oh_live_count(), n);
	ck_assert(!oh_live_maybe((char *)0x10000000 + (size_t)n * 4096));
	for (uint32_t i = 0; i < n; i++) {
		UNIT_CHECK(oh_live_remove((char *)0x10000000 + (size_t)i * 4096, &got));
		UNIT_CHECK(got.size_bytes >> 20 == i);
	}
	for (size_t i = 0; i < OH_FILTER_SIZE; i++)
		UNIT_CHECK(oh_live_filter[i] == 0);
	/* Freed slots are used again, those of the newest level and not too full buckets. */
	uint32_t again = 0;
	for (uint32_t i = 0; i < n / 2; i++)
		again += oh_live_insert((char *)0x10000000 + (size_t)i * 4096, &r);
	ck_assert_uint_gt(again, n / 3);
	ck_assert_uint_eq(oh_live_count(), again);
}
END_TEST

START_TEST(always_sends_a_range_to_the_slow_path_for_ever)
{
	struct oh_live_record r = record(3);
	char *start = (char *)0x7f0000000ff0;

	oh_live_always(start, 4096 + 32);
	ck_assert(oh_live_maybe(start));
	ck_assert(oh_live_maybe(start + 4096 + 31));
	ck_assert(!oh_live_maybe(start + 2 * 4096 + 32));
	ck_assert(oh_live_insert(start, &r));
	ck_assert(oh_live_remove(start, NULL));
	ck_assert(oh_live_maybe(start));
	ck_assert(!oh_live_remove(start, NULL));
}
END_TEST

START_TEST(a_fork_during_growth_does_not_stop_growth)
{
	ck_assert_int_eq(oh_live_count(), 0);
	oh_live_after_fork();
	struct oh_live_record r = record(3);
	for (uint32_t i = 0; i < 20000; i++)
		UNIT_CHECK(oh_live_insert(block(i), &r));
	ck_assert_uint_eq(oh_live_count(), 20000);
}
END_TEST

/*
 * Churn: writers own disjoint addresses that all fall into a few buckets, so
 * that slots pass from one to the other all the time; a reader looks on.
 */
#define WRITERS 3
#define OWNED 2
#define RUN_NS 250000000

static uintptr_t owned[WRITERS][OWNED];
static uint32_t stop; /* relaxed */
static uint32_t torn, foreign, visits;

static int64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* Addresses of bucket 0 of the first level: the hash is the table's own. */
static void
choose_addresses(void)
{
	uint64_t i = 0;

	for (int w = 0; w < WRITERS; w++)
		for (int k = 0; k < OWNED; k++) {
			while (oh_mix64((uintptr_t)block(++i) >> 4) >> (64 - 9) != 0)
				;
			owned[w][k] = (uintptr_t)block(i);
		}
}

static void *
churn(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	uint64_t rng = me + 100;
	bool in[OWNED] = { false };
	uint32_t value[OWNED], serial = 0;
	struct oh_live_record r, got;
	void *bad = NULL;

	while (!oh_load_relaxed(&stop)) {
		unsigned k = (unsigned)(oh_rng_next(&rng) % OWNED);
		void *p = (void *)owned[me][k];
		if (!in[k]) {
			/* The record names its address and its owner. */
			value[k] = (serial++ & 0xffff) << 16 | me << 8 | k;
			r = record(value[k]);
			in[k] = oh_live_insert(p, &r);
			if (!in[k] || !oh_live_maybe(p))
				bad = (void *)"insert";
		} else {
			in[k] = false;
			if (!oh_live_maybe(p) || !oh_live_remove(p, &got) || !whole(&got) ||
			    got.size_bytes >> 20 != value[k] || oh_live_remove(p, NULL))
				bad = (void *)"remove";
		}
	}
	for (unsigned k = 0; k < OWNED; k++)
		if (in[k] && !oh_live_remove((void *)owned[me][k], NULL))
			bad = (void *)"end";
	return bad;
}

static void
look(uintptr_t addr, const struct oh_live_record *r, void *arg)
{
	uint32_t x = (uint32_t)(r->size_bytes >> 20);
	unsigned w = x >> 8 & 0xff, k = x & 0xff;

	(void)arg;
	visits++;
	torn += !whole(r);
	foreign += w >= WRITERS || k >= OWNED || owned[w][k] != addr;
}

START_TEST(a_reader_never_sees_half_a_record)
{
	pthread_t t[WRITERS];

	choose_addresses();
	oh_store_relaxed(&stop, 0);
	torn = foreign = visits = 0;
	for (uintptr_t i = 0; i < WRITERS; i++)
		UNIT_CHECK(pthread_create(&t[i], NULL, churn, (void *)i) == 0);
	for (int64_t end = now() + RUN_NS; now() < end;)
		oh_live_each(look, NULL);
	oh_store_relaxed(&stop, 1);
	for (int i = 0; i < WRITERS; i++) {
		void *bad;
		pthread_join(t[i], &bad);
		ck_assert_ptr_null(bad);
	}
	ck_assert_uint_eq(torn, 0);
	ck_assert_uint_eq(foreign, 0);
	ck_assert_uint_gt(visits, 0);
	ck_assert_uint_eq(oh_live_count(), 0);
	ck_assert_uint_eq(oh_drops[OH_DROP_FREE_MISSED], 0);
	for (size_t i = 0; i < OH_FILTER_SIZE; i++)
		UNIT_CHECK(oh_live_filter[i] == 0);
}
END_TEST

/*
 * The same, with the writer in a signal handler on top of the reader: wherever
 * that stands, every slot passes from one block to another meanwhile.
 */
#define BUCKETS 512 /* of the first level */

static uintptr_t pair[BUCKETS][2];
static uint8_t current[BUCKETS];
static uint32_t turns; /* relaxed */

static void
swap_all(int sig)
{
	(void)sig;
	uint32_t turn = oh_add_relaxed(&turns, 1);
	for (uint32_t b = 0; b < BUCKETS; b++) {
		struct oh_live_record r = record(turn << 12 | b << 1 | !current[b]);
		(void)oh_live_remove((void *)pair[b][current[b]], NULL);
		current[b] = !current[b];
		(void)oh_live_insert((void *)pair[b][current[b]], &r);
	}
}

static void
look_at_pair(uintptr_t addr, const struct oh_live_record *r, void *arg)
{
	uint32_t x = (uint32_t)(r->size_bytes >> 20);

	(void)arg;
	visits++;
	torn += !whole(r);
	foreign += pair[x >> 1 & (BUCKETS - 1)][x & 1] != addr;
}

START_TEST(a_reader_interrupted_anywhere_never_sees_half_a_record)
{
	unsigned found[BUCKETS] = { 0 }, missing = 2 * BUCKETS;

	for (uint64_t i = 1; missing > 0; i++) {
		unsigned b = (unsigned)(oh_mix64((uintptr_t)block(i) >> 4) >> (64 - 9));
		if (found[b] < 2) {
			pair[b][found[b]++] = (uintptr_t)block(i);
			missing--;
		}
	}
	torn = foreign = visits = 0;
	swap_all(0);
	ck_assert_uint_eq(oh_live_count(), BUCKETS);
	signal(SIGALRM, swap_all);
	uint64_t rng = 1;
	for (int64_t end = now() + RUN_NS; now() < end;) {
		/* Once, so that a slow handler does not eat up all time. */
		uint32_t turn = oh_load_relaxed(&turns);
		struct itimerval timer = { .it_value = {
					       .tv_usec = 50 + (long)(oh_rng_next(&rng) % 100) } };
		setitimer(ITIMER_REAL, &timer, NULL);
		while (oh_load_relaxed(&turns) == turn && now() < end)
			oh_live_each(look_at_pair, NULL);
	}
	signal(SIGALRM, SIG_IGN);
	ck_assert_uint_gt(oh_load_relaxed(&turns), 10);
	ck_assert_uint_gt(visits, BUCKETS);
	ck_assert_uint_eq(torn, 0);
	ck_assert_uint_eq(foreign, 0);
	ck_assert_uint_eq(oh_live_count(), BUCKETS);
}
END_TEST

#define GROWERS 4
#define GROW_EACH 20000

static void *
grow(void *arg)
{
	uint64_t first = (uint64_t)(uintptr_t)arg * GROW_EACH;
	struct oh_live_record r, got;
	void *bad = NULL;

	for (uint64_t i = first; i < first + GROW_EACH; i++) {
		r = record((uint32_t)i);
		if (!oh_live_insert(block(i), &r))
			bad = (void *)"insert";
	}
	for (uint64_t i = first; i < first + GROW_EACH; i += 2)
		if (!oh_live_remove(block(i), &got) || !whole(&got) || got.size_bytes >> 20 != i)
			bad = (void *)"remove";
	return bad;
}

START_TEST(threads_that_make_the_table_grow_lose_nothing)
{
	pthread_t t[GROWERS];

	for (uintptr_t i = 0; i < GROWERS; i++)
		UNIT_CHECK(pthread_create(&t[i], NULL, grow, (void *)i) == 0);
	for (int i = 0; i < GROWERS; i++) {
		void *bad;
		pthread_join(t[i], &bad);
		ck_assert_ptr_null(bad);
	}
	ck_assert_uint_eq(oh_live_count(), GROWERS * GROW_EACH / 2);
	memset(seen, 0, sizeof(seen));
	oh_live_each(note, seen);
	for (uint32_t i = 0; i < GROWERS * GROW_EACH; i++)
		UNIT_CHECK(seen[i] == i % 2);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_block_is_known_from_insert_to_remove);
	tcase_add_test(tc, no_block_at_all_is_never_known);
	tcase_add_test(tc, a_leftover_at_the_same_address_is_replaced_and_counted);
	tcase_add_test(tc, an_address_4_gib_away_shares_the_filter_but_not_the_record);
	tcase_add_test(tc, a_hundred_thousand_blocks_come_and_go);
	tcase_add_test(tc, full_arena_refuses_and_forgets_nothing);
	tcase_add_test(tc, always_sends_a_range_to_the_slow_path_for_ever);
	tcase_add_test(tc, a_fork_during_growth_does_not_stop_growth);
	tcase_add_test(tc, a_reader_never_sees_half_a_record);
	tcase_add_test(tc, a_reader_interrupted_anywhere_never_sees_half_a_record);
	tcase_add_test(tc, threads_that_make_the_table_grow_lose_nothing);
}

int
main(void)
{
	return unit_run("live", add);
}
