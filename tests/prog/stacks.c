/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stacks.c - call stacks of all kinds: `stacks HOW`.
 *
 * Each allocation has a size of its own.  `chain SIZE ADDRESS...` says what
 * another unwinder saw at that place, without the innermost frame, whose
 * address is another one: it made another call.
 */
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "prog.h"

static int (*other_unwinder)(void **, int) = backtrace;

static void
say_chain(size_t size, void **at, int n)
{
	char line[4096];
	int len = snprintf(line, sizeof(line), "chain %zu", size);

	for (int i = 1; i < n && len < 4000; i++)
		len += snprintf(line + len, sizeof(line) - (size_t)len, " %p", at[i]);
	line[len] = '\n';
	CHECK(write(1, line, (size_t)len + 1) == len + 1);
}

#define ALLOCATE(size) \
	do { \
		void *at_[128]; \
		int n_ = other_unwinder(at_, 128); \
		hide(malloc(size)); \
		say_chain((size), at_, n_); \
	} while (0)

SITE static void
site_leaf(size_t size)
{
	ALLOCATE(size);
}

SITE static void
middle(size_t size)
{
	/* An array of a length unknown to the compiler: the frame needs a pointer. */
	char room[size + 1];

	hide(room);
	site_leaf(size);
	hide(room);
}

SITE static void
aligned(size_t size)
{
	alignas(64) char room[256];

	hide(room);
	CHECK((uintptr_t)room % 64 == 0);
	middle(size);
	hide(room);
}

SITE static void
very_aligned(size_t size)
{
	alignas(4096) char room[8192];

	hide(room);
	CHECK((uintptr_t)room % 4096 == 0);
	aligned(size);
	hide(room);
}

SITE static void
large_frame(size_t size)
{
	char room[200000];

	hide(room);
	site_leaf(size);
	hide(room);
}

SITE static void
recursion(int depth, size_t size)
{
	if (depth > 0)
		recursion(depth - 1, size);
	else
		hide(malloc(size));
	hide(&depth);
}

static int
compare_and_allocate(const void *a, const void *b)
{
	site_leaf(1009);
	return *(const int *)a - *(const int *)b;
}

static void *
thread(void *arg)
{
	aligned((size_t)arg);
	return NULL;
}

/* ---- signals ------------------------------------------------------------------- */

static size_t handler_size;

SITE static void
on_signal(int sig)
{
	(void)sig;
	site_leaf(handler_size);
}

SITE static void
on_signal_quietly(int sig)
{
	(void)sig;
	for (int i = 0; i < 50; i++)
		hide(malloc(handler_size));
}

SITE static void
interrupted(int flags, size_t size, void (*handler)(int))
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = handler;
	sa.sa_flags = flags;
	handler_size = size;
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
}

/* A stack with a page below that nobody may touch. */
static char *
guarded(size_t bytes)
{
	char *p =
	    mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED && mprotect(p, 4096, PROT_NONE) == 0);
	return p + 4096;
}

static void
alternate(size_t bytes)
{
	stack_t ss = { .ss_sp = guarded(bytes), .ss_size = bytes };

	CHECK(sigaltstack(&ss, NULL) == 0);
}

/* ---- fibers -------------------------------------------------------------------- */

static ucontext_t home, fibers[20];

SITE static void
fiber(int i)
{
	site_leaf(2000);
	swapcontext(&fibers[i], &home);
	aligned(2001);
}

static void
run_fibers(int n, char *(*get)(size_t), size_t bytes)
{
	for (int i = 0; i < n; i++) {
		CHECK(getcontext(&fibers[i]) == 0);
		fibers[i].uc_stack.ss_sp = get(bytes);
		fibers[i].uc_stack.ss_size = bytes;
		fibers[i].uc_link = &home;
		makecontext(&fibers[i], (void (*)(void))fiber, 1, i);
		swapcontext(&home, &fibers[i]);
	}
	for (int i = 0; i < n; i++)
		swapcontext(&home, &fibers[i]);
}

static char *
from_malloc(size_t bytes)
{
	return malloc(bytes);
}

int
main(int argc, char **argv)
{
	alignas(64) char room[128];
	const char *how = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 0;
	pthread_t t;

	hide(room);
	CHECK((uintptr_t)room % 64 == 0);
	if (getenv("TEST_UNWINDER") != NULL) {
		void *handle = dlopen(getenv("TEST_UNWINDER"), RTLD_NOW | RTLD_LOCAL);
		if (handle == NULL)
			return 77;
		*(void **)&other_unwinder = dlsym(handle, "unw_backtrace");
		if (other_unwinder == NULL)
			return 77;
	}
	if (strcmp(how, "least") == 0) {
		say("%ld", sysconf(_SC_MINSIGSTKSZ));
		return 0;
	}
	void *first[4];
	(void)other_unwinder(first, 4); /* it may have to be loaded */
	if (strcmp(how, "chains") == 0) {
		int numbers[2] = { 2, 1 };
		site_leaf(1001);
		middle(1002);
		aligned(1003);
		very_aligned(1004);
		large_frame(1005);
		interrupted(0, 1006, on_signal);
		CHECK(pthread_create(&t, NULL, thread, (void *)1007) == 0);
		pthread_join(t, NULL);
		qsort(numbers, 2, sizeof(int), compare_and_allocate);
	} else if (strcmp(how, "altstack") == 0) {
		alternate(65536);
		interrupted(SA_ONSTACK, 1100, on_signal);
	} else if (strcmp(how, "small-altstack") == 0) {
		alternate((size_t)n);
		interrupted(SA_ONSTACK, 1101, on_signal_quietly);
		truth("on_signal_quietly", 50, 50 * 1101, 50, 50 * 1101);
	} else if (strcmp(how, "fibers") == 0) {
		run_fibers(20, guarded, 65536);
	} else if (strcmp(how, "fibers-malloc") == 0) {
		run_fibers(20, from_malloc, 32768);
	} else if (strcmp(how, "deep") == 0) {
		for (int i = 0; i < 10; i++)
			recursion(n, 1200);
		truth("recursion", 10, 12000, 10, 12000);
	}
	hide(room);
	return bad_count != 0;
}
