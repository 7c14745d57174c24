/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_reach.c - a leak check of this very process.
 *
 * The blocks are recorded here by hand; their addresses are kept inverted,
 * where this test does not want them to be found.
 */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "core/reach.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* their runtime has its own copies, and ideas of forks */
#else
#define SANITIZED 0
#endif

static struct oh_reach reach;
static uintptr_t hidden[8]; /* inverted */
static void *volatile shown;
static struct oh_live_record records[8];

static OH_NOINLINE struct oh_reach_ask
ask(void)
{
	struct oh_reach_ask a = { .limit_ms = 60000, .own_count = 2 };

	oh_arena_range(&a.own[0].start, &a.own[0].limit);
	/* What the caller calls does not count; in the library that is the worker's stack. */
	a.own[1].limit = (uintptr_t)__builtin_frame_address(0);
	a.own[1].start = a.own[1].limit - UNIT_MIB / 2;
	return a;
}

static OH_NOINLINE void
record(int i)
{
	struct oh_regs regs = unit_caller_regs();
	void *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	oh_profiler_record(&oh_self, p, 5000, &regs);
	hidden[i] = ~(uintptr_t)p;
	ck_assert(oh_live_remove(p, &records[i]));
	oh_profiler_restore(p, &records[i]);
}

static OH_NOINLINE void
setup(void)
{
	unit_profiler(1, 1);
	for (int i = 0; i < 8; i++)
		record(i);
	shown = (void *)~hidden[3];
	*(uintptr_t *)shown = ~hidden[4] + 24;
}

/* What was left in registers by making them. */
static OH_NOINLINE void
scrub(void)
{
	__asm__ volatile("xorl %%ebx, %%ebx\n\txorl %%r12d, %%r12d\n\txorl %%r13d, %%r13d\n\t"
			 "xorl %%r14d, %%r14d\n\txorl %%r15d, %%r15d\n\t" ::
			     : "rbx", "r12", "r13", "r14", "r15", "memory");
}

static enum oh_leak
verdict(int i)
{
	return oh_reach_verdict(&reach, ~hidden[i], &records[i]);
}

START_TEST(reached_and_not)
{
	struct oh_reach_ask a;

	if (SANITIZED)
		return;
	setup();
	a = ask();
	scrub();
	oh_reach_check(&reach, &a);
	ck_assert_msg(reach.result.made, "%s", reach.result.why_not);
	ck_assert(reach.result.asked && reach.result.why_not == NULL);
	ck_assert_uint_eq(reach.result.blocks, 8);
	ck_assert_uint_eq(reach.result.scans, 1);
	ck_assert_uint_gt(reach.result.scanned_bytes, 8192);
	for (int i = 0; i < 8; i++)
		ck_assert_uint_eq(verdict(i), i == 3   ? OH_LEAK_NONE
					      : i == 4 ? OH_LEAK_INTERIOR
						       : OH_LEAK_LOST);
	ck_assert_uint_eq(reach.result.found[OH_LEAK_LOST], 6);
	/* Another block, which came to that address since. */
	records[0].birth_cs++;
	ck_assert_uint_eq(verdict(0), OH_LEAK_NONE);
	oh_reach_release(&reach);
	ck_assert_uint_eq(verdict(1), OH_LEAK_NONE);
	ck_assert(reach.result.made);
	/* The child is gone, and was taken care of. */
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	ck_assert_int_eq(errno, ECHILD);
}
END_TEST

static bool
at_once(void)
{
	return true;
}

/* Wherever it ends early: a reason, no verdict, no child. */
START_TEST(where_it_is_not_made)
{
	struct oh_reach_ask a[4];
	static const char *const why[] = {
		"the process is larger than OTHEAP_LEAK_MAX_MEMORY",
		"it would have taken too long",
		"the process ends",
		"the program has confined itself",
	};

	if (SANITIZED)
		return;
	setup();
	/* So much that the child is not done before the first look at the clock. */
	size_t bytes = 256 * UNIT_MIB;
	char *much = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(much, MAP_FAILED);
	for (size_t i = 0; i < bytes; i += 4096)
		much[i] = 1;
	for (int i = 0; i < 4; i++)
		a[i] = ask();
	a[0].max_memory_bytes = 4096;
	a[1].limit_ms = 0;
	a[2].stop = at_once;
	for (int i = 0; i < 4; i++) {
		oh_sys_forbid(i == 3);
		oh_reach_check(&reach, &a[i]);
		oh_sys_forbid(false);
		ck_assert(reach.result.asked && !reach.result.made);
		ck_assert_str_eq(reach.result.why_not, why[i]);
		ck_assert_uint_eq(reach.count, 0);
		ck_assert_uint_eq(verdict(0), OH_LEAK_NONE);
		ck_assert_int_eq(waitpid(-1, NULL, WNOHANG | __WALL), -1);
		oh_reach_release(&reach);
	}
	munmap(much, bytes);
}
END_TEST

static volatile bool end_thread;

static void *
stand_by(void *arg)
{
	(void)arg;
	while (!end_thread)
		usleep(1000);
	return NULL;
}

/* With another thread: two looks, and one block of a kind may be in its registers. */
START_TEST(other_threads)
{
	struct oh_reach_ask a;
	pthread_t t;

	if (SANITIZED)
		return;
	setup();
	a = ask();
	ck_assert_int_eq(pthread_create(&t, NULL, stand_by, NULL), 0);
	scrub();
	oh_reach_check(&reach, &a);
	ck_assert_msg(reach.result.made, "%s", reach.result.why_not);
	ck_assert_uint_eq(reach.result.scans, 2);
	/* Six of one call stack: too many for one thread. */
	ck_assert_uint_eq(reach.result.found[OH_LEAK_LOST], 6);
	oh_reach_release(&reach);
	for (int i = 0; i < 8; i++)
		if (i != 7)
			ck_assert(oh_live_remove((void *)~hidden[i], NULL));
	oh_reach_check(&reach, &a);
	ck_assert_uint_eq(reach.result.found[OH_LEAK_LOST], 0);
	ck_assert_uint_eq(reach.result.unsure, 1);
	oh_reach_release(&reach);
	/* One that waits where it is seen. */
	a.waiting = 1;
	oh_reach_check(&reach, &a);
	ck_assert_uint_eq(reach.result.scans, 1);
	ck_assert_uint_eq(reach.result.found[OH_LEAK_LOST], 1);
	oh_reach_release(&reach);
	end_thread = true;
	ck_assert_int_eq(pthread_join(t, NULL), 0);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, reached_and_not);
	tcase_add_test(tc, where_it_is_not_made);
	tcase_add_test(tc, other_threads);
}

int
main(void)
{
	return unit_run("reach", add);
}
