/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_thread.c - exact totals over all threads that live or lived.
 */
#include "unit.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#include "core/threadname.h"

/*
 * Interval of the profiler in these tests: threads take the slow path often,
 * and often do not.
 */
#define INTERVAL 1000

static void
setup(void)
{
	unit_profiler(INTERVAL, 11);
}

static void
spend(struct oh_thread *t, uint64_t *rng, int calls, uint64_t *ret_bytes)
{
	for (int i = 0; i < calls; i++) {
		size_t n = oh_rng_next(rng) % 300;
		(void)unit_decide(t, n);
		*ret_bytes += n == 0 ? 1 : n;
	}
}

START_TEST(the_first_thread_is_counted)
{
	uint64_t rng = 1, bytes = 0, got, calls;

	oh_threads_totals(&got, &calls);
	ck_assert_uint_eq(got, 0);
	ck_assert_uint_eq(calls, 0);
	for (int i = 1; i <= 100; i++) {
		spend(&oh_self, &rng, 10, &bytes);
		oh_threads_totals(&got, &calls);
		ck_assert_uint_eq(got, bytes);
		ck_assert_uint_eq(calls, 10 * i);
	}
}
END_TEST

#define THREADS 50

static uint64_t spent[THREADS];
static pthread_barrier_t at_work, go_home;

static void *
work_and_wait(void *arg)
{
	uint64_t *mine = arg, rng = (uint64_t)(mine - spent) + 7;

	spend(&oh_self, &rng, 2000 + (int)(rng % 7), mine);
	pthread_barrier_wait(&at_work);
	pthread_barrier_wait(&go_home);
	return NULL;
}

static uint64_t
sum(const uint64_t *v, size_t n)
{
	uint64_t s = 0;

	while (n > 0)
		s += v[--n];
	return s;
}

START_TEST(totals_are_exact_while_threads_live_and_after)
{
	pthread_t t[THREADS];
	uint64_t got, calls, before_calls;

	memset(spent, 0, sizeof(spent));
	/* Three generations: records are used again. */
	for (int round = 0; round < 3; round++) {
		pthread_barrier_init(&at_work, NULL, THREADS + 1);
		pthread_barrier_init(&go_home, NULL, THREADS + 1);
		for (int i = 0; i < THREADS; i++)
			ck_assert_int_eq(pthread_create(&t[i], NULL, work_and_wait, &spent[i]), 0);
		pthread_barrier_wait(&at_work);
		oh_threads_totals(&got, &before_calls);
		ck_assert_uint_eq(got, sum(spent, THREADS));
		pthread_barrier_wait(&go_home);
		for (int i = 0; i < THREADS; i++)
			pthread_join(t[i], NULL);
		oh_threads_totals(&got, &calls);
		ck_assert_uint_eq(got, sum(spent, THREADS));
		ck_assert_uint_eq(calls, before_calls);
		pthread_barrier_destroy(&at_work);
		pthread_barrier_destroy(&go_home);
	}
	ck_assert_uint_eq(oh_drops[OH_DROP_THREADS_UNCOUNTED], 0);
}
END_TEST

/*
 * Threads come and go all the time.  Whatever the reader finds lies between
 * what had been counted for certain before it looked and what may have been
 * counted after; no thread is missing or there twice.
 */
#define SHORT_CALLS 20
#define SHORT_BYTES ((uint64_t)1 << 20)

static uint64_t surely, perhaps; /* bytes */
static uint32_t stop;

static void *
short_life(void *arg)
{
	(void)arg;
	for (int i = 0; i < SHORT_CALLS; i++) {
		(void)__atomic_fetch_add(&perhaps, SHORT_BYTES, __ATOMIC_SEQ_CST);
		(void)unit_decide(&oh_self, SHORT_BYTES);
		(void)__atomic_fetch_add(&surely, SHORT_BYTES, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void *
keep_starting(void *arg)
{
	pthread_t t;

	while (!oh_load_relaxed(&stop)) {
		if (pthread_create(&t, NULL, short_life, NULL) != 0)
			return arg;
		pthread_join(t, NULL);
	}
	return NULL;
}

START_TEST(a_thread_that_ends_meanwhile_is_counted_once)
{
	pthread_t t[2];
	uint64_t got, calls, low = 0, high = 0;
	struct timespec now, end;

	surely = perhaps = 0;
	oh_store_relaxed(&stop, 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, keep_starting, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += 300000000;
	do {
		uint64_t least = __atomic_load_n(&surely, __ATOMIC_SEQ_CST);
		oh_threads_totals(&got, &calls);
		uint64_t most = __atomic_load_n(&perhaps, __ATOMIC_SEQ_CST);
		low += got < least;
		high += got > most;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec * 1000000000 + now.tv_nsec < end.tv_sec * 1000000000 + end.tv_nsec);
	oh_store_relaxed(&stop, 1);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	oh_threads_totals(&got, &calls);
	ck_assert_uint_eq(got, surely);
	ck_assert_uint_eq(calls, surely / SHORT_BYTES);
	ck_assert_uint_eq(low, 0);
	ck_assert_uint_eq(high, 0);
	ck_assert_uint_eq(oh_drops[OH_DROP_THREADS_UNCOUNTED], 0);
}
END_TEST

/* A hook of the program's own that allocates each time it is called. */
static pthread_key_t hook_key;
static uint64_t hook_bytes, hook_calls;

/* ThreadSanitizer takes its leave in the last iteration, before such hooks. */
#ifdef __SANITIZE_THREAD__
#define ITERATIONS 2
#else
#define ITERATIONS 6
#endif

static void
hook(void *arg)
{
	uintptr_t left = (uintptr_t)arg;

	for (int i = 0; i < 5; i++) {
		(void)unit_decide(&oh_self, 77);
		hook_bytes += 77;
		hook_calls++;
	}
	if (left > 1)
		pthread_setspecific(hook_key, (void *)(left - 1));
}

static void *
end_with_hooks(void *arg)
{
	pthread_setspecific(hook_key, arg);
	if ((uintptr_t)arg % 2 == 1)
		hook(NULL);
	return NULL;
}

START_TEST(allocations_of_exit_hooks_are_counted_however_late)
{
	pthread_t t;
	uint64_t got, calls;

	hook_bytes = hook_calls = 0;
	/* One key above ours, then one below. */
	for (int round = 0; round < 2; round++) {
		if (round == 1) {
			pthread_key_delete(hook_key);
			ck_assert_int_eq(pthread_key_create(&hook_key, hook), 0);
			pthread_key_t low = hook_key;
			unit_profiler(INTERVAL, 11);
			hook_bytes = hook_calls = 0;
			ck_assert_uint_eq(low, hook_key);
		} else {
			ck_assert_int_eq(pthread_key_create(&hook_key, hook), 0);
		}
		for (uintptr_t iterations = 1; iterations <= ITERATIONS; iterations++) {
			ck_assert_int_eq(
			    pthread_create(&t, NULL, end_with_hooks, (void *)iterations), 0);
			pthread_join(t, NULL);
			oh_threads_totals(&got, &calls);
			ck_assert_uint_eq(got, hook_bytes);
			ck_assert_uint_eq(calls, hook_calls);
		}
	}
	pthread_key_delete(hook_key);
	ck_assert_uint_eq(oh_drops[OH_DROP_THREADS_UNCOUNTED], 0);
}
END_TEST

START_TEST(a_full_arena_counts_threads_it_cannot_list_and_their_end)
{
	pthread_t t;
	uint64_t got, calls;

	unit_profiler(INTERVAL, 3);
	while (oh_arena_alloc(16, 16) != 0)
		;
	memset(spent, 0, sizeof(spent));
	pthread_barrier_init(&at_work, NULL, 2);
	pthread_barrier_init(&go_home, NULL, 2);
	ck_assert_int_eq(pthread_create(&t, NULL, work_and_wait, &spent[0]), 0);
	pthread_barrier_wait(&at_work);
	ck_assert_uint_eq(oh_drops[OH_DROP_THREADS_UNCOUNTED], 1);
	pthread_barrier_wait(&go_home);
	pthread_join(t, NULL);
	oh_threads_totals(&got, &calls);
	ck_assert_uint_eq(got, spent[0]);
	pthread_barrier_destroy(&at_work);
	pthread_barrier_destroy(&go_home);
}
END_TEST

/* The other threads exist no more, but what they allocated was allocated. */
START_TEST(a_forked_child_keeps_the_totals_and_counts_on)
{
	pthread_t t[THREADS];
	uint64_t before, calls, rng = 9, own = 0;
	int status;

	memset(spent, 0, sizeof(spent));
	pthread_barrier_init(&at_work, NULL, THREADS + 1);
	pthread_barrier_init(&go_home, NULL, THREADS + 1);
	spend(&oh_self, &rng, 100, &own);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, work_and_wait, &spent[i]), 0);
	pthread_barrier_wait(&at_work);
	oh_threads_totals(&before, &calls);
	ck_assert_uint_eq(before, own + sum(spent, THREADS));
	pid_t pid = fork();
	if (pid == 0) {
		uint64_t after, after_calls, later = 0;
		oh_profiler_after_fork(&oh_self);
		oh_threads_totals(&after, &after_calls);
		if (after != before || after_calls != calls)
			_exit(1);
		spend(&oh_self, &rng, 100, &later);
		oh_threads_totals(&after, &after_calls);
		if (after != before + later || after_calls != calls + 100)
			_exit(2);
		_exit(oh_profiler_samples() <= 100 ? 0 : 3);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	pthread_barrier_wait(&go_home);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}
END_TEST

static void *
name_of_mine(void *arg)
{
	pthread_setname_np(pthread_self(), arg);
	return (void *)(uintptr_t)oh_thread_name_current();
}

START_TEST(each_thread_name_has_one_number)
{
	static char names[3][16] = { "worker-a", "worker-b", "worker-a" };
	uintptr_t number[3];
	uint32_t count;
	pthread_t t;

	for (int i = 0; i < 3; i++) {
		pthread_create(&t, NULL, name_of_mine, names[i]);
		pthread_join(t, (void **)&number[i]);
		ck_assert_uint_gt(number[i], 0);
	}
	ck_assert_uint_eq(number[0], number[2]);
	ck_assert_uint_ne(number[0], number[1]);
	const char *const *all = oh_thread_names(&count);
	ck_assert_str_eq(all[0], "");
	ck_assert_uint_gt(count, number[1]);
	ck_assert_str_eq(all[number[0]], "worker-a");
	ck_assert_str_eq(all[number[1]], "worker-b");
}
END_TEST

START_TEST(names_beyond_the_last_number_are_not_labelled)
{
	char name[32]; /* short enough for the kernel, which has 16 */
	uint32_t count = 0;
	pthread_t t;
	void *number = NULL;

	for (int i = 0; i < OH_THREAD_NAMES_MAX + 5; i++) {
		snprintf(name, sizeof(name), "many-%d", i);
		pthread_create(&t, NULL, name_of_mine, name);
		pthread_join(t, &number);
	}
	ck_assert_ptr_null(number);
	(void)oh_thread_names(&count);
	ck_assert_uint_eq(count, OH_THREAD_NAMES_MAX);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, the_first_thread_is_counted);
	tcase_add_test(tc, totals_are_exact_while_threads_live_and_after);
	tcase_add_test(tc, a_thread_that_ends_meanwhile_is_counted_once);
	tcase_add_test(tc, allocations_of_exit_hooks_are_counted_however_late);
	tcase_add_test(tc, a_full_arena_counts_threads_it_cannot_list_and_their_end);
	tcase_add_test(tc, a_forked_child_keeps_the_totals_and_counts_on);
	tcase_add_test(tc, each_thread_name_has_one_number);
	tcase_add_test(tc, names_beyond_the_last_number_are_not_labelled);
}

int
main(void)
{
	return unit_run("thread", add);
}
