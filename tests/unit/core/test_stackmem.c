/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_stackmem.c - how far may a stack be read without a fault?
 */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "core/stackmem.h"

#define PAGE ((uintptr_t)4096)

/* Are all bytes of [from, to) there? */
static bool
all_readable(uintptr_t from, uintptr_t to)
{
	for (uintptr_t a = from; a < to; a = (a & ~(PAGE - 1)) + PAGE)
		if (!unit_readable((void *)a))
			return false;
	return to == from || unit_readable((void *)(to - 1));
}

static uintptr_t
here(void)
{
	return (uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)15;
}

/* Pages of memory with nothing before and behind them. */
static uintptr_t
island(unsigned pages)
{
	char *p = mmap(NULL, (pages + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert(p != MAP_FAILED);
	ck_assert_int_eq(mprotect(p + PAGE, pages * PAGE, PROT_READ | PROT_WRITE), 0);
	return (uintptr_t)p + PAGE;
}

static void
setup(void)
{
	unit_fresh();
}

START_TEST(first_thread_may_read_up_to_its_argument_vector)
{
	uintptr_t top = (uintptr_t)getauxval(AT_RANDOM), sp = here();

	oh_stackmem_main(&oh_self, top + 3);
	ck_assert_uint_eq(oh_stackmem_limit(&oh_self, sp), top & ~(uintptr_t)7);
	ck_assert(all_readable(sp, oh_stackmem_limit(&oh_self, sp)));
	/* Deeper, and less deep again. */
	volatile char deep[200000];
	deep[0] = 0;
	ck_assert_uint_eq(
	    oh_stackmem_limit(&oh_self, (uintptr_t)deep & ~(uintptr_t)15), top & ~(uintptr_t)7);
	ck_assert_uint_eq(oh_stackmem_limit(&oh_self, sp), top & ~(uintptr_t)7);
}
END_TEST

static void *
ask_in_thread(void *arg)
{
	uintptr_t sp = here(), limit = oh_stackmem_limit(&oh_self, sp);

	(void)arg;
	if (limit != (uintptr_t)__builtin_thread_pointer())
		return (void *)1;
	if (!all_readable(sp, limit))
		return (void *)2;
	/* Asked once: then it is known. */
	if (oh_self.stack_lo > sp || oh_stackmem_limit(&oh_self, sp + 64) != limit)
		return (void *)3;
	return NULL;
}

START_TEST(other_threads_may_read_up_to_their_control_block)
{
	pthread_attr_t a;
	pthread_t t;
	void *bad;

	pthread_attr_init(&a);
	/* A sanitizer wants more for itself. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	size_t small = 1024 * 1024;
#else
	size_t small = 16 * 1024;
#endif
	for (int i = 0; i < 3; i++) {
		/* A stack as small as glibc takes, then one that we bring. */
		if (i == 1)
			pthread_attr_setstacksize(&a, small);
		if (i == 2)
			pthread_attr_setstack(&a, (void *)island(256), 256 * PAGE);
		ck_assert_int_eq(pthread_create(&t, &a, ask_in_thread, NULL), 0);
		pthread_join(t, &bad);
		ck_assert_ptr_null(bad);
	}
	pthread_attr_destroy(&a);
}
END_TEST

START_TEST(a_foreign_stack_is_vouched_for_up_to_its_guard)
{
	oh_stackmem_main(&oh_self, (uintptr_t)getauxval(AT_RANDOM));
	for (unsigned pages = 1; pages <= 16; pages++) {
		uintptr_t lo = island(pages), sp = lo + 128;
		ck_assert_uint_eq(oh_stackmem_limit(&oh_self, sp), lo + pages * PAGE);
		ck_assert_uint_eq(
		    oh_stackmem_limit(&oh_self, lo + pages * PAGE - 8), lo + pages * PAGE);
	}
	/* Own stack again: nothing was forgotten. */
	ck_assert_uint_gt(oh_stackmem_limit(&oh_self, here()), here());
}
END_TEST

START_TEST(a_large_foreign_stack_is_vouched_for_64_kib_on)
{
	uintptr_t lo = island(100), sp = lo + 128;

	oh_stackmem_main(&oh_self, (uintptr_t)getauxval(AT_RANDOM));
	uintptr_t limit = oh_stackmem_limit(&oh_self, sp);
	ck_assert_uint_gt(limit, sp + 15 * PAGE);
	ck_assert_uint_le(limit, sp + 16 * PAGE);
	ck_assert(all_readable(sp, limit));
}
END_TEST

START_TEST(nothing_is_readable_where_nothing_is)
{
	uintptr_t lo = island(1);

	oh_stackmem_main(&oh_self, (uintptr_t)getauxval(AT_RANDOM));
	ck_assert_uint_eq(oh_stackmem_limit(&oh_self, lo - 64), lo - 64);
	ck_assert_uint_eq(oh_stackmem_limit(&oh_self, lo + PAGE), lo + PAGE);
	ck_assert_uint_eq(oh_stackmem_limit(&oh_self, 16), 16);
	/* Not of this half of the address space, or of no half at all. */
	ck_assert_uint_eq(oh_stackmem_limit(&oh_self, (uintptr_t)1 << 50), (uintptr_t)1 << 50);
	ck_assert_uint_eq(oh_stackmem_limit(&oh_self, (uintptr_t)-64), (uintptr_t)-64);
}
END_TEST

/* A page that goes away is noticed: foreign stacks are asked for each time. */
START_TEST(a_foreign_stack_is_asked_for_each_time)
{
	uintptr_t lo = island(4);

	oh_stackmem_main(&oh_self, (uintptr_t)getauxval(AT_RANDOM));
	ck_assert_uint_eq(oh_stackmem_limit(&oh_self, lo), lo + 4 * PAGE);
	munmap((void *)(lo + 2 * PAGE), PAGE);
	ck_assert_uint_eq(oh_stackmem_limit(&oh_self, lo), lo + 2 * PAGE);
}
END_TEST

START_TEST(asking_leaves_errno_and_the_signal_mask)
{
	sigset_t before, after;

	errno = 4711;
	sigemptyset(&before);
	sigaddset(&before, SIGUSR1);
	sigaddset(&before, SIGWINCH);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)oh_stackmem_limit(&oh_self, island(3));
	(void)oh_stackmem_limit(&oh_self, 64);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	ck_assert(sigismember(&after, SIGUSR1) && sigismember(&after, SIGWINCH) &&
		  !sigismember(&after, SIGUSR2));
	ck_assert_int_eq(errno, 4711);
	sigemptyset(&before);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}
END_TEST

START_TEST(a_confined_program_is_trusted_on_its_own_stack_alone)
{
	uintptr_t top = (uintptr_t)getauxval(AT_RANDOM), lo = island(2);

	oh_stackmem_main(&oh_self, top);
	oh_sys_forbid(true);
	uintptr_t own = oh_stackmem_limit(&oh_self, here());
	uintptr_t foreign = oh_stackmem_limit(&oh_self, lo);
	oh_sys_forbid(false);
	ck_assert_uint_eq(own, top & ~(uintptr_t)7);
	ck_assert_uint_eq(foreign, lo);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, first_thread_may_read_up_to_its_argument_vector);
	tcase_add_test(tc, other_threads_may_read_up_to_their_control_block);
	tcase_add_test(tc, a_foreign_stack_is_vouched_for_up_to_its_guard);
	tcase_add_test(tc, a_large_foreign_stack_is_vouched_for_64_kib_on);
	tcase_add_test(tc, nothing_is_readable_where_nothing_is);
	tcase_add_test(tc, a_foreign_stack_is_asked_for_each_time);
	tcase_add_test(tc, asking_leaves_errno_and_the_signal_mask);
	tcase_add_test(tc, a_confined_program_is_trusted_on_its_own_stack_alone);
}

int
main(void)
{
	return unit_run("stackmem", add);
}
