/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_profiler.c - which allocations are sampled, and what they add up to.
 *
 * The entry points are not here: unit_decide() does what they do.  A "thread"
 * is a struct oh_thread, so that one program can have thousands, each with a
 * generator of its own.
 */
#include "unit.h"

#include <errno.h>
#include <math.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "core/weight.h"

#define FAKES 4000

static struct oh_thread fakes[FAKES];

static struct oh_thread *
fake(unsigned i)
{
	memset(&fakes[i], 0, sizeof(fakes[i]));
	return &fakes[i];
}

/* ---- accuracy ------------------------------------------------------------------- */

/* From 1 B to 64 MiB; each is a site, all on one thread, in random order. */
static const uint64_t sizes[] = { 1, 8, 24, 64, 100, 1000, 4096, 10000, 100000, 524288, 1 << 20,
	10000000, 64 << 20 };
#define SITES OH_ARRAY_LEN(sizes)
#define SEEDS 400
#define CALLS 10000

struct site_stat {
	uint64_t objects;    /* truth, of the seed at hand */
	double est, est_sq;  /* weights; their square sum is the variance estimate */
	double z_sum, truth; /* over all seeds */
};

static void
unbiased_at(uint64_t interval, uint64_t seed)
{
	struct site_stat st[SITES] = { 0 };
	unsigned covered = 0, judged = 0;

	unit_profiler(interval, seed);
	for (unsigned k = 0; k < SEEDS; k++) {
		struct oh_thread *t = fake(k);
		uint64_t order = seed * 1000 + k;
		double bytes = 0, est_bytes = 0, var_bytes = 0;
		for (unsigned i = 0; i < CALLS; i++) {
			/* Sites below are called more often, as in programs. */
			uint64_t r = oh_rng_next(&order);
			unsigned s = (unsigned)(r % SITES);
			unsigned s2 = (unsigned)(r >> 32) % SITES;
			s = s2 < s ? s2 : s;
			double size = (double)sizes[s];
			double w = oh_weight(sizes[s], interval);
			st[s].truth++;
			bytes += size;
			if (!unit_decide(t, sizes[s]))
				continue;
			st[s].est += w;
			est_bytes += w * size;
			var_bytes += w * (w - 1) * size * size;
		}
		covered += fabs(est_bytes - bytes) <= 1.96 * sqrt(var_bytes);
		judged++;
	}
	for (unsigned s = 0; s < SITES; s++) {
		double w = oh_weight(sizes[s], interval);
		/* Each is sampled independently with 1 / w: variance n (w - 1). */
		double sd = sqrt(st[s].truth * (w - 1));
		/* A normal bound means nothing for a handful of samples. */
		if (st[s].truth / w < 50 || sd < 1e-6)
			continue;
		double z = (st[s].est - st[s].truth) / sd;
		if (fabs(z) > 4.5)
			ck_abort_msg("size %lu, interval %lu: %f objects, truth %f, z %.2f",
			    sizes[s], interval, st[s].est, st[s].truth, z);
	}
	/*
	 * Of 400 intervals of 95 %, 380 hold the truth, +- 4.4 (binomial); a few
	 * less, as few large samples carry the sum.  [358, 396]: 1e-5.
	 */
	ck_assert_uint_eq(judged, SEEDS);
	if (covered < 358 || covered > 396)
		ck_abort_msg(
		    "interval %lu: %u of %u intervals hold the truth", interval, covered, judged);
}

/* |z| > 4.5 has probability 7e-6 for each of about 40 estimates. */
START_TEST(estimates_are_unbiased_and_their_intervals_hold)
{
	unbiased_at(524288, 1);
	unbiased_at(65536, 3);
	unbiased_at(4096, 4);
	unbiased_at(256, 5);
}
END_TEST

/*
 * A thread's first allocation must be sampled as any other.  4,000 threads of
 * one call each; |z| > 4.5: 7e-6.
 */
START_TEST(first_allocation_of_a_thread_is_sampled_as_any_other)
{
	const uint64_t interval = 10000;
	static const uint64_t first[] = { 100, 5000, 20000 };

	for (unsigned k = 0; k < OH_ARRAY_LEN(first); k++) {
		unit_profiler(interval, 77 + k);
		unsigned sampled = 0;
		for (unsigned i = 0; i < FAKES; i++)
			sampled += unit_decide(fake(i), first[k]);
		double p = 1 / oh_weight(first[k], interval);
		double z = (sampled - FAKES * p) / sqrt(FAKES * p * (1 - p));
		ck_assert_double_lt(fabs(z), 4.5);
	}
}
END_TEST

#define PICKS 5000

/* What one process of that seed samples of a thread that is its first or second. */
static void
pick(uint64_t seed, bool second, bool *picked)
{
	bool *shared = mmap(NULL, PICKS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		unit_profiler(1000, seed);
		if (second)
			(void)unit_decide(fake(1), 1);
		for (unsigned i = 0; i < PICKS; i++)
			shared[i] = unit_decide(i == 0 ? fake(0) : &fakes[0], 100);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	memcpy(picked, shared, PICKS);
	munmap(shared, PICKS);
}

/* Two seeds differ, one seed repeats itself; threads of one seed differ. */
START_TEST(a_seed_decides_what_is_sampled)
{
	static bool picked[4][PICKS];

	pick(5, false, picked[0]);
	pick(5, false, picked[1]);
	pick(5, true, picked[2]);
	pick(6, false, picked[3]);
	ck_assert_int_eq(memcmp(picked[0], picked[1], PICKS), 0);
	ck_assert_int_ne(memcmp(picked[0], picked[2], PICKS), 0);
	ck_assert_int_ne(memcmp(picked[0], picked[3], PICKS), 0);
}
END_TEST

/* ---- modes and refusals ------------------------------------------------------------ */

START_TEST(interval_1_samples_everything_and_totals_are_exact)
{
	uint64_t bytes, calls, expect = 0;

	unit_profiler(1, 1);
	for (unsigned i = 0; i < 10000; i++) {
		size_t n = i * 7 % 1000;
		UNIT_CHECK(unit_decide(&oh_self, n));
		expect += n;
	}
	oh_threads_totals(&bytes, &calls);
	ck_assert_uint_eq(calls, 10000);
	/* An empty request is one here, not one byte. */
	ck_assert_uint_eq(bytes, expect);
	ck_assert(oh_weight(123, 1) == 1.0);
}
END_TEST

START_TEST(while_stopped_nothing_is_sampled_and_everything_is_counted)
{
	struct oh_unrecorded missed;
	uint64_t bytes, calls;
	unsigned sampled = 0;

	unit_profiler(1000, 7);
	for (unsigned i = 0; i < 1000; i++)
		(void)unit_decide(&oh_self, 100);
	oh_profiler_set_recording(false);
	oh_profiler_set_recording(false);
	for (unsigned i = 0; i < 5000; i++)
		UNIT_CHECK(!unit_decide(&oh_self, 100));
	oh_profiler_unrecorded(&missed);
	ck_assert(missed.now);
	oh_profiler_set_recording(true);
	oh_profiler_set_recording(true);
	for (unsigned i = 0; i < 100000; i++)
		sampled += unit_decide(&oh_self, 100);
	/* p = 1 - exp(-0.1) = 0.09516: 9516 of them, standard error 93. */
	ck_assert_uint_ge(sampled, 9516 - 465);
	ck_assert_uint_le(sampled, 9516 + 465);
	oh_profiler_unrecorded(&missed);
	ck_assert(!missed.now);
	ck_assert_uint_eq(missed.bytes, 500000);
	ck_assert_uint_eq(missed.calls, 5000);
	ck_assert_int_ge(missed.ns, 0);
	oh_threads_totals(&bytes, &calls);
	ck_assert_uint_eq(bytes, 10600000);
	ck_assert_uint_eq(calls, 106000);
}
END_TEST

START_TEST(interval_0_records_nothing_and_makes_no_table)
{
	static struct oh_config c;

	unit_fresh();
	c.interval_bytes = 0;
	c.max_memory_bytes = UNIT_MIB;
	ck_assert_int_ne(oh_profiler_init(&c, &c), 0);
	ck_assert(!oh_profiler_on());
	for (unsigned i = 0; i < 1000; i++)
		UNIT_CHECK(!unit_decide(&oh_self, 1 << 20));
	/* The slow path set a countdown that is never used up. */
	ck_assert_uint_gt(oh_self.countdown, UINT64_C(1) << 62);
}
END_TEST

START_TEST(before_the_start_nothing_is_counted_and_all_is_after)
{
	struct oh_thread *t = fake(0);
	uint64_t bytes, calls;

	/* As at the start of a program: whatever the last test left is off. */
	static struct oh_config off;
	unit_fresh();
	(void)oh_profiler_init(&off, &off);
	unit_profiler(1, 1);
	ck_assert(unit_decide(t, 10));
	ck_assert(unit_decide(t, 20));
	oh_threads_totals(&bytes, &calls);
	ck_assert_uint_eq(bytes, 30);
	ck_assert_uint_eq(calls, 2);
}
END_TEST

/* Any number of memory requests may fail at the start: off, and no harm. */
START_TEST(a_start_without_memory_leaves_it_off)
{
	static struct oh_config c;
	unsigned failed = 0;

	c.interval_bytes = 1000;
	c.max_memory_bytes = UNIT_MIB;
	c.max_frames = 128;
	for (uint64_t n = 1; n < 20; n++) {
		unit_fresh();
		oh_sys_fail_at(n);
		int err = oh_profiler_init(&c, &c);
		oh_sys_fail_at(0);
		ck_assert(err == 0 || err == -ENOMEM);
		ck_assert(oh_profiler_on() == (err == 0));
		failed += err != 0;
		if (err != 0)
			ck_assert(!unit_decide(&oh_self, 1 << 20));
	}
	ck_assert_uint_gt(failed, 0);
}
END_TEST

START_TEST(a_size_that_nobody_can_serve_gives_its_bytes_back)
{
	uint64_t bytes, calls, countdown;

	unit_profiler(1000, 1);
	(void)unit_decide(&oh_self, 10);
	countdown = oh_self.countdown;
	for (int i = 0; i < 100; i++) {
		ck_assert(!unit_decide(&oh_self, SIZE_MAX));
		ck_assert(!unit_decide(&oh_self, (size_t)PTRDIFF_MAX + 1));
	}
	ck_assert_uint_eq(oh_self.countdown, countdown);
	oh_threads_totals(&bytes, &calls);
	ck_assert_uint_eq(bytes, 10);
	ck_assert_uint_eq(calls, 1);
	ck_assert_uint_eq(oh_drops[OH_DROP_REENTRANT], 0);
}
END_TEST

START_TEST(while_busy_the_countdown_stays_and_it_is_told)
{
	uint64_t countdown;

	unit_profiler(1000, 1);
	(void)unit_decide(&oh_self, 1);
	oh_self.busy++;
	countdown = oh_self.countdown;
	for (int i = 0; i < 10; i++)
		ck_assert(!unit_decide(&oh_self, 1 << 20));
	oh_self.busy--;
	ck_assert_uint_eq(oh_self.countdown, countdown);
	ck_assert_uint_eq(oh_drops[OH_DROP_REENTRANT], 10);
	ck_assert(unit_decide(&oh_self, 1 << 20));
}
END_TEST

START_TEST(a_thread_of_our_own_is_never_counted)
{
	struct oh_thread *t = fake(0);
	uint64_t bytes, calls;

	unit_profiler(1000, 1);
	t->own = 1;
	for (int i = 0; i < 1000; i++)
		UNIT_CHECK(!unit_decide(t, 5000));
	oh_threads_totals(&bytes, &calls);
	ck_assert_uint_eq(bytes, 0);
	ck_assert_uint_eq(calls, 0);
	ck_assert_uint_eq(oh_drops[OH_DROP_REENTRANT], 0);
}
END_TEST

START_TEST(what_the_allocator_could_not_give_is_taken_back)
{
	uint64_t bytes, calls;
	static const uint64_t intervals[] = { 1, 100 };

	for (unsigned k = 0; k < 2; k++) {
		unit_profiler(intervals[k], 1);
		ck_assert(unit_decide(&oh_self, 100000));
		ck_assert(unit_decide(&oh_self, 300000));
		oh_profiler_take_back(&oh_self, 300000);
		oh_threads_totals(&bytes, &calls);
		ck_assert_uint_eq(bytes, 100000);
		ck_assert_uint_eq(calls, 1);
	}
}
END_TEST

START_TEST(totals_count_every_byte_of_fast_and_slow_path)
{
	uint64_t bytes, calls, expect = 0, rng = 3;

	unit_profiler(3000, 9);
	for (unsigned i = 0; i < 100000; i++) {
		struct oh_thread *t = i < 10 ? fake(i) : &fakes[i % 10];
		size_t n = oh_rng_next(&rng) % 2000;
		(void)unit_decide(t, n);
		expect += n == 0 ? 1 : n;
	}
	oh_threads_totals(&bytes, &calls);
	ck_assert_uint_eq(bytes, expect);
	ck_assert_uint_eq(calls, 100000);
}
END_TEST

/* ---- recording ---------------------------------------------------------------------- */

static OH_NOINLINE void
record_here(const void *block, size_t n)
{
	struct oh_regs regs = unit_caller_regs();

	oh_profiler_record(&oh_self, block, n, &regs);
}

START_TEST(a_record_carries_size_weight_and_site_and_keeps_errno)
{
	struct oh_live_record r;

	unit_profiler(4096, 1);
	uint64_t before = oh_profiler_samples();
	(void)unit_decide(&oh_self, 100);
	errno = 4711;
	record_here((void *)0x100010, 100);
	ck_assert_int_eq(errno, 4711);
	ck_assert_uint_eq(oh_self.busy, 0);
	ck_assert_uint_eq(oh_profiler_samples(), before + 1);
	ck_assert(oh_live_remove((void *)0x100010, &r));
	ck_assert_uint_eq(r.size_bytes, 100);
	ck_assert(r.weight == oh_weight(100, 4096));
	const struct oh_site *site = oh_arena_at(r.site);
	const struct oh_stack *stack = oh_arena_at(site->stack);
	ck_assert_uint_ge(stack->depth, 3);
	ck_assert_uint_eq(oh_frame_module(stack->frames[0]), 1);
	ck_assert(oh_site_sum(&site->bytes) == r.weight * 100);
	/* A realloc that failed leaves the block as it was. */
	oh_profiler_restore((void *)0x100010, &r);
	ck_assert_uint_eq(oh_live_count(), 1);
	ck_assert_uint_eq(oh_profiler_samples(), before + 1);
}
END_TEST

START_TEST(a_full_arena_drops_samples_and_says_so)
{
	unit_profiler(1, 1);
	uint64_t before = oh_profiler_samples();
	(void)unit_decide(&oh_self, 1);
	record_here((void *)0x100010, 24);
	while (oh_arena_alloc(16, 16) != 0)
		;
	/* A new size needs a new site. */
	record_here((void *)0x200010, 25);
	ck_assert_uint_eq(oh_drops[OH_DROP_MEMORY_FULL], 1);
	ck_assert_uint_eq(oh_profiler_samples(), before + 1);
	ck_assert(!oh_live_maybe((void *)0x200010));
	ck_assert(oh_live_remove((void *)0x100010, NULL));
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, estimates_are_unbiased_and_their_intervals_hold);
	tcase_add_test(tc, first_allocation_of_a_thread_is_sampled_as_any_other);
	tcase_add_test(tc, a_seed_decides_what_is_sampled);
	tcase_add_test(tc, interval_1_samples_everything_and_totals_are_exact);
	tcase_add_test(tc, interval_0_records_nothing_and_makes_no_table);
	tcase_add_test(tc, before_the_start_nothing_is_counted_and_all_is_after);
	tcase_add_test(tc, a_start_without_memory_leaves_it_off);
	tcase_add_test(tc, a_size_that_nobody_can_serve_gives_its_bytes_back);
	tcase_add_test(tc, while_busy_the_countdown_stays_and_it_is_told);
	tcase_add_test(tc, a_thread_of_our_own_is_never_counted);
	tcase_add_test(tc, what_the_allocator_could_not_give_is_taken_back);
	tcase_add_test(tc, totals_count_every_byte_of_fast_and_slow_path);
	tcase_add_test(tc, a_record_carries_size_weight_and_site_and_keeps_errno);
	tcase_add_test(tc, while_stopped_nothing_is_sampled_and_everything_is_counted);
	tcase_add_test(tc, a_full_arena_drops_samples_and_says_so);
}

int
main(void)
{
	return unit_run("profiler", add);
}
