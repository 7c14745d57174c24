/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_unwind.c - who called us?
 *
 * One file because every shape of frame goes through the same two judges.
 *
 * Two judges.  Each function on the way notes its own return address, which
 * must be found in the walk in that order; and libunwind, where it is
 * installed, must agree frame by frame (it is opened at run time, or it would
 * take over the exceptions of this program).
 */
#include "unit.h"

#include <alloca.h>
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

#include "core/stackmem.h"

/* As programs are built; the Makefile keeps frame pointers in our tests. */
#pragma GCC optimize("omit-frame-pointer")

static int (*unw_backtrace)(void **, int);

static __thread struct {
	oh_frame ours[OH_UNWIND_DEPTH_MAX];
	unsigned n;
	void *theirs[OH_UNWIND_DEPTH_MAX + 50];
	int m;
	void *noted[OH_UNWIND_DEPTH_MAX + 50];
	unsigned notes;
	unsigned max;
	bool alone; /* without libunwind */
} walk;

#define NOTE() (walk.noted[walk.notes++] = __builtin_return_address(0))

/* Keeps the call before it from being the last thing a function does. */
#define NO_TAIL() __asm__ volatile("")

static OH_NOINLINE void
capture(void)
{
	struct oh_regs regs = unit_caller_regs();

	walk.n = oh_unwind(&oh_self, &regs, walk.ours, walk.max);
	walk.m = unw_backtrace != NULL && !walk.alone
		     ? unw_backtrace(walk.theirs, (int)OH_ARRAY_LEN(walk.theirs))
		     : 0;
}

static void
setup(void)
{
	unit_tables(8 * UNIT_MIB);
	oh_stackmem_main(&oh_self, (uintptr_t)getauxval(AT_RANDOM));
	memset(&walk, 0, sizeof(walk));
	walk.max = OH_UNWIND_DEPTH_MAX;
	void *h = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
	if (h == NULL)
		printf("SKIP: no libunwind.so.8 to compare with\n");
	else
		*(void **)&unw_backtrace = dlsym(h, "unw_backtrace");
	/* What it allocates at first it shall not allocate in a signal handler. */
	if (unw_backtrace != NULL)
		(void)unw_backtrace(walk.theirs, 1);
}

static uintptr_t
pc(unsigned i)
{
	return (uintptr_t)oh_frame_pc(walk.ours[i]);
}

/* NULL, or what is wrong with the walk. */
static const char *
wrong(void)
{
	unsigned i = 1;

	/* What was noted last is nearest to the leaf. */
	for (unsigned k = walk.notes; k-- > 0; i++) {
		while (i < walk.n && pc(i) != (uintptr_t)walk.noted[k])
			i++;
		if (i >= walk.n)
			return "a function on the way is missing";
	}
	if (walk.m == 0)
		return NULL;
	int t = 0;
	while (t < walk.m && (uintptr_t)walk.theirs[t] != pc(0))
		t++;
	if (t == walk.m)
		return "libunwind has no such leaf";
	for (i = 0; i < walk.n && t < walk.m; i++, t++) {
		/* What a signal interrupted is stored plus one. */
		bool interrupted = (uintptr_t)walk.theirs[t] + 1 == pc(i);
		if (!interrupted && (uintptr_t)walk.theirs[t] != pc(i))
			return "libunwind sees another frame";
	}
	/* libunwind may add a zero at the end. */
	while (t < walk.m && walk.theirs[t] == NULL)
		t++;
	if (i != walk.n || t != walk.m)
		return "libunwind goes farther, or less far";
	return NULL;
}

static void
expect_whole(void)
{
	const char *why = wrong();

	if (why != NULL) {
		for (unsigned i = 0; i < walk.n; i++)
			printf("ours %2u  %#lx\n", i, pc(i));
		for (int i = 0; i < walk.m; i++)
			printf("theirs %2d  %p\n", i, walk.theirs[i]);
		for (unsigned i = 0; i < walk.notes; i++)
			printf("noted %2u  %p\n", i, walk.noted[i]);
		fflush(stdout);
		ck_abort_msg("%s", why);
	}
	ck_assert_uint_eq(oh_drops[OH_DROP_STACK_BROKEN], 0);
	ck_assert_uint_eq(oh_drops[OH_DROP_STACK_TRUNCATED], 0);
	ck_assert_uint_gt(walk.n, walk.notes);
	/* To the very end: _start of this program, or clone of libc for a thread. */
	for (unsigned i = 0; i < walk.n; i++)
		ck_assert_uint_gt(oh_frame_module(walk.ours[i]), 0);
}

/* ---- frames of all shapes --------------------------------------------------------- */

static OH_NOINLINE int
plain_leaf(int a)
{
	NOTE();
	capture();
	return a + 1;
}

static OH_NOINLINE int
plain(int a, int b, int c, int d)
{
	NOTE();
	/* Values that must live across the call need saved registers. */
	int r = plain_leaf(a * b);
	return r + a + b * c + d;
}

START_TEST(optimised_frames_without_frame_pointer)
{
	ck_assert_int_eq(plain(1, 2, 3, 4), 14);
	expect_whole();
	ck_assert_uint_ge(walk.n, 6);
	ck_assert_uint_eq(oh_frame_module(walk.ours[walk.n - 1]), 1);
}
END_TEST

START_TEST(the_second_walk_is_as_the_first)
{
	for (int i = 0; i < 3; i++) {
		walk.notes = 0;
		(void)plain(1, 2, 3, 4);
		expect_whole();
	}
}
END_TEST

static OH_NOINLINE int
with_alloca(size_t n)
{
	NOTE();
	char *p = alloca(n);
	memset(p, 1, n);
	int r = plain(p[0], 2, 3, 4);
	return r + p[n - 1];
}

START_TEST(frames_of_unknown_size)
{
	for (size_t n = 16; n < 100000; n *= 3) {
		walk.notes = 0;
		(void)with_alloca(n);
		expect_whole();
	}
}
END_TEST

static OH_NOINLINE int
variadic(int n, ...)
{
	va_list ap;
	int sum = 0;

	NOTE();
	va_start(ap, n);
	for (int i = 0; i < n; i++)
		sum += va_arg(ap, int);
	sum += plain(1, 2, 3, 4);
	va_end(ap);
	return sum;
}

START_TEST(variadic_functions)
{
	(void)variadic(9, 1, 2, 3, 4, 5, 6, 7, 8, 9);
	expect_whole();
}
END_TEST

/* Arguments on the stack and a realigned frame: gcc keeps the frame's address in r10. */
static OH_NOINLINE int
realigned(int a, int b, int c, int d, int e, int f, int g, int h, size_t n)
{
	volatile char big[256] __attribute__((aligned(128)));
	char *p = alloca(n);

	NOTE();
	memset(p, a, n);
	big[0] = (char)((uintptr_t)big % 128);
	int r = plain(a, b, c, d);
	return r + e + f + g + h + p[n / 2] + big[0];
}

START_TEST(realigned_frames)
{
	for (size_t n = 32; n < 400; n += 24) {
		walk.notes = 0;
		(void)realigned(1, 2, 3, 4, 5, 6, 7, 8, n);
		expect_whole();
	}
}
END_TEST

static OH_NOINLINE int
recurse(int depth)
{
	NOTE();
	int r = depth == 0 ? plain(1, 2, 3, 4) : recurse(depth - 1);
	NO_TAIL();
	return r + 1;
}

START_TEST(recursion)
{
	(void)recurse(90);
	expect_whole();
}
END_TEST

START_TEST(a_stack_too_deep_keeps_its_leaves_and_is_counted)
{
	(void)recurse(140);
	ck_assert_uint_eq(walk.n, OH_UNWIND_DEPTH_MAX);
	ck_assert_uint_eq(oh_drops[OH_DROP_STACK_TRUNCATED], 1);
	ck_assert_uint_eq(oh_drops[OH_DROP_STACK_BROKEN], 0);
	ck_assert_uint_eq(pc(1), (uintptr_t)walk.noted[walk.notes - 1]);
	/* A limit of the user's. */
	walk.max = 1;
	walk.notes = 0;
	(void)plain(1, 2, 3, 4);
	ck_assert_uint_eq(walk.n, 1);
	ck_assert_uint_eq(oh_drops[OH_DROP_STACK_TRUNCATED], 2);
}
END_TEST

START_TEST(a_stack_of_just_the_limit_is_whole)
{
	(void)plain(1, 2, 3, 4);
	walk.max = walk.n;
	walk.notes = 0;
	(void)plain(1, 2, 3, 4);
	expect_whole();
	ck_assert_uint_eq(walk.n, walk.max);
}
END_TEST

/* ---- through others' code -------------------------------------------------------------- */

static OH_NOINLINE int
compare(const void *a, const void *b)
{
	const int *x = a, *y = b;

	if (walk.n == 0) {
		NOTE();
		(void)plain(1, 2, 3, 4);
	}
	return *x - *y;
}

static OH_NOINLINE void
sort(void)
{
	int v[100];

	NOTE();
	for (int i = 0; i < 100; i++)
		v[i] = i * 37 % 101;
	qsort(v, 100, sizeof(v[0]), compare);
	NO_TAIL();
}

static OH_NOINLINE int
look_up(void)
{
	int v[100], key = 40;

	NOTE();
	for (int i = 0; i < 100; i++)
		v[i] = i;
	/* Not the one that gcc has in line. */
	void *(*volatile search)(const void *, const void *, size_t, size_t,
	    int (*)(const void *, const void *)) = bsearch;
	return search(&key, v, 100, sizeof(v[0]), compare) == &v[40];
}

START_TEST(callbacks_from_the_c_library)
{
	sort();
	expect_whole();
	memset(&walk, 0, sizeof(walk));
	walk.max = OH_UNWIND_DEPTH_MAX;
	ck_assert(look_up());
	expect_whole();
}
END_TEST

static void *
thread_main(void *arg)
{
	for (int i = 0; i < 300; i++) {
		memset(&walk, 0, sizeof(walk));
		walk.max = OH_UNWIND_DEPTH_MAX;
#ifdef __SANITIZE_THREAD__
		/* What libunwind does at the end of a thread is too late for it. */
		walk.alone = true;
#endif
		(void)recurse(i % 40);
		(void)arg;
		if (wrong() != NULL)
			return (void *)(uintptr_t)wrong();
	}
	return NULL;
}

START_TEST(threads_walk_their_own_stacks_side_by_side)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, thread_main, NULL), 0);
	for (int i = 0; i < 4; i++) {
		void *why;
		pthread_join(t[i], &why);
		if (why != NULL)
			ck_abort_msg("%s", (char *)why);
	}
	ck_assert_uint_eq(oh_drops[OH_DROP_STACK_BROKEN], 0);
}
END_TEST

static ucontext_t outside, inside;

static void
fiber_main(void)
{
	(void)plain(1, 2, 3, 4);
}

START_TEST(fibers_on_stacks_of_their_own)
{
	size_t len = 256 * 1024;
	char *stack = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert(stack != MAP_FAILED);
	getcontext(&inside);
	inside.uc_stack.ss_sp = stack;
	inside.uc_stack.ss_size = len;
	inside.uc_link = &outside;
	makecontext(&inside, fiber_main, 0);
	swapcontext(&outside, &inside);
	expect_whole();
	ck_assert_uint_le(walk.n, 5);
	munmap(stack, len);
	/* And the thread's own stack as before. */
	walk.notes = 0;
	(void)plain(1, 2, 3, 4);
	expect_whole();
}
END_TEST

/* ---- signals -------------------------------------------------------------------------------- */

static void
handler(int sig)
{
	(void)sig;
	(void)plain(1, 2, 3, 4);
}

static OH_NOINLINE void
interrupted(int sig)
{
	NOTE();
	raise(sig);
	NO_TAIL();
}

static void
by_signal(int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags }, old;

	sigaction(SIGUSR1, &sa, &old);
	interrupted(SIGUSR1);
	sigaction(SIGUSR1, &old, NULL);
}

START_TEST(through_a_signal_frame)
{
	by_signal(0);
	expect_whole();
}
END_TEST

START_TEST(through_a_signal_frame_on_another_stack)
{
	size_t len = 128 * 1024;
	stack_t ss = { .ss_sp = mmap(
			   NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		.ss_size = len },
		old;

	ck_assert_int_eq(sigaltstack(&ss, &old), 0);
	by_signal(SA_ONSTACK);
	ck_assert_int_eq(sigaltstack(&old, NULL), 0);
	expect_whole();
	munmap(ss.ss_sp, len);
}
END_TEST

/* At whatever instruction of these functions the timer strikes. */
static volatile sig_atomic_t struck, bad;

static void
tick(int sig)
{
	struct oh_regs regs = unit_caller_regs();
	oh_frame f[OH_UNWIND_DEPTH_MAX];

	(void)sig;
	unsigned n = oh_unwind(&oh_self, &regs, f, OH_UNWIND_DEPTH_MAX);
	/* The trampoline, what was interrupted, ..., main, libc, _start. */
	bad += n < 4 || oh_frame_module(f[n - 1]) != 1;
	struck++;
}

static OH_NOINLINE int
busy_work(int depth, uint64_t *rng)
{
	char text[40];

	if (depth > 0)
		return busy_work(depth - 1, rng) + 1;
	snprintf(text, sizeof(text), "%lu", oh_rng_next(rng));
	return text[0] % 2 + (memchr(text, '7', sizeof(text)) != NULL);
}

START_TEST(interrupted_anywhere_the_walk_comes_home)
{
	struct itimerval timer = { { 0, 300 }, { 0, 300 } }, off = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = tick, .sa_flags = SA_RESTART };
	uint64_t rng = 1, sum = 0;

	struck = bad = 0;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (int i = 0; struck < 300 && i < 100000000; i++)
		sum += (uint64_t)busy_work(i % 10, &rng);
	setitimer(ITIMER_REAL, &off, NULL);
	signal(SIGALRM, SIG_DFL);
	ck_assert_uint_gt(sum, 0);
	ck_assert_int_ge(struck, 300);
	printf("%d walks interrupted somewhere, %d lost their way\n", struck, bad);
	/* Linkage stubs and epilogues without rules: a few. */
	ck_assert_int_le(bad * 20, struck);
}
END_TEST

/* ---- code without rules ------------------------------------------------------------------------
 */

/* Assembly without tables that keeps a frame pointer, and one that does not. */
__asm__(".text\n"
	".type with_frame_pointer, @function\n"
	"with_frame_pointer:\n\tpush %rbp\n\tmov %rsp, %rbp\n\tsub $48, %rsp\n\tcall *%rdi\n"
	"\tleave\n\tret\n"
	".size with_frame_pointer, . - with_frame_pointer\n"
	".type without_frame_pointer, @function\n"
	"without_frame_pointer:\n\tsub $56, %rsp\n\tcall *%rdi\n\tadd $56, %rsp\n\tret\n"
	".size without_frame_pointer, . - without_frame_pointer\n");
void with_frame_pointer(void (*fn)(void));
void without_frame_pointer(void (*fn)(void));

static void
call_plain(void)
{
	NOTE();
	(void)plain(1, 2, 3, 4);
	NO_TAIL();
}

static OH_NOINLINE void
through(void (*stub)(void (*fn)(void)))
{
	NOTE();
	stub(call_plain);
	NO_TAIL();
}

START_TEST(assembly_without_rules_is_passed_by_its_frame_pointer)
{
	through(with_frame_pointer);
	walk.m = 0; /* libunwind guesses otherwise */
	expect_whole();
}
END_TEST

START_TEST(generated_code_is_passed_by_its_frame_pointer)
{
	/* push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret */
	static const uint8_t bytes[] = { 0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3 };
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(page, bytes, sizeof(bytes));
	ck_assert_int_eq(mprotect(page, 4096, PROT_READ | PROT_EXEC), 0);
	through((void (*)(void (*)(void)))(uintptr_t)page);
	walk.m = 0;
	ck_assert_ptr_null(wrong());
	ck_assert_uint_eq(oh_drops[OH_DROP_STACK_BROKEN], 0);
	unsigned unknown = 0;
	for (unsigned i = 0; i < walk.n; i++)
		unknown += oh_frame_module(walk.ours[i]) == 0;
	ck_assert_uint_eq(unknown, 1);
	munmap(page, 4096);
}
END_TEST

START_TEST(without_rules_and_frame_pointer_the_leaves_are_kept)
{
	through(without_frame_pointer);
	walk.m = 0;
	ck_assert_uint_ge(walk.n, 3);
	ck_assert_uint_eq(pc(1), (uintptr_t)walk.noted[walk.notes - 1]);
}
END_TEST

/* Whatever the registers are, a walk ends, within the limit, without a fault. */
START_TEST(wild_registers_do_no_harm)
{
#ifdef __SANITIZE_ADDRESS__
	printf("SKIP: reads what AddressSanitizer guards\n");
#else
	static const void *const code[] = { (void *)qsort, (void *)printf, (void *)plain,
		(void *)realigned, (void *)with_alloca, (void *)dlopen, (void *)setup };
	uint64_t rng = 4;
	oh_frame f[OH_UNWIND_DEPTH_MAX];
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
	char *foreign =
	    mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < 65536; i += 8)
		*(uintptr_t *)(foreign + i) =
		    oh_rng_next(&rng) % 3 == 0
			? (uintptr_t)code[oh_rng_next(&rng) % OH_ARRAY_LEN(code)] + 50
			: (uintptr_t)foreign + (oh_rng_next(&rng) % 65536 & ~(uintptr_t)7);
	for (int i = 0; i < 20000; i++) {
		uint64_t r = oh_rng_next(&rng);
		uintptr_t any[] = { sp + r % 2000, (uintptr_t)foreign + r % 65600, r, r >> 17, 0,
			(uintptr_t)-8, (uintptr_t)code[0] };
		struct oh_regs regs = { .pc = (uintptr_t)code[r % OH_ARRAY_LEN(code)] + r % 90,
			.sp = any[oh_rng_next(&rng) % 3],
			.fp = any[oh_rng_next(&rng) % OH_ARRAY_LEN(any)] };
		if (i % 10 == 0)
			regs.pc = r >> (r % 50);
		unsigned n = oh_unwind(&oh_self, &regs, f, OH_UNWIND_DEPTH_MAX);
		UNIT_CHECK(n >= 1 && n <= OH_UNWIND_DEPTH_MAX);
	}
	munmap(foreign, 65536);
#endif
}
END_TEST

/* ---- files that come and go
 * ---------------------------------------------------------------------- */

/*
 * Two files in turn at one address: after any number of unloads in between
 * (65,536 here) nothing learned of the first is used for the second.
 */
START_TEST(a_rule_dies_with_its_file)
{
	char folder[] = "/tmp/otheap-unwind-XXXXXX", a[100], b[100], cmd[400];
	struct link_map *map;
	oh_frame f[2];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(a, sizeof(a), "%s/a.so", folder);
	snprintf(b, sizeof(b), "%s/b.so", folder);
	void *h = dlopen("libutil.so.1", RTLD_NOW | RTLD_LOCAL);
	ck_assert_ptr_nonnull(h);
	ck_assert_int_eq(dlinfo(h, RTLD_DI_LINKMAP, &map), 0);
	snprintf(cmd, sizeof(cmd), "cp %s %s && cp %s %s", map->l_name, a, map->l_name, b);
	dlclose(h);
	ck_assert_int_eq(system(cmd), 0);

	h = dlopen(a, RTLD_NOW | RTLD_LOCAL);
	ck_assert_int_eq(dlinfo(h, RTLD_DI_LINKMAP, &map), 0);
	uintptr_t base = map->l_addr;
	struct oh_regs regs = { .pc = base + 0x1002, .sp = 16, .fp = 16 };
	(void)oh_unwind(&oh_self, &regs, f, 1);
	ck_assert_str_eq(oh_modules_get(oh_frame_module(f[0]))->path, a);
	dlclose(h);
	oh_modules_generation += 65536;
	h = dlopen(b, RTLD_NOW | RTLD_LOCAL);
	ck_assert_int_eq(dlinfo(h, RTLD_DI_LINKMAP, &map), 0);
	if (map->l_addr != base) {
		printf("SKIP: the loader put it elsewhere\n");
	} else {
		(void)oh_unwind(&oh_self, &regs, f, 1);
		ck_assert_str_eq(oh_modules_get(oh_frame_module(f[0]))->path, b);
	}
	dlclose(h);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", folder);
	ck_assert_int_eq(system(cmd), 0);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, optimised_frames_without_frame_pointer);
	tcase_add_test(tc, the_second_walk_is_as_the_first);
	tcase_add_test(tc, frames_of_unknown_size);
	tcase_add_test(tc, variadic_functions);
	tcase_add_test(tc, realigned_frames);
	tcase_add_test(tc, recursion);
	tcase_add_test(tc, a_stack_too_deep_keeps_its_leaves_and_is_counted);
	tcase_add_test(tc, a_stack_of_just_the_limit_is_whole);
	tcase_add_test(tc, callbacks_from_the_c_library);
	tcase_add_test(tc, threads_walk_their_own_stacks_side_by_side);
	tcase_add_test(tc, fibers_on_stacks_of_their_own);
	tcase_add_test(tc, through_a_signal_frame);
	tcase_add_test(tc, through_a_signal_frame_on_another_stack);
	tcase_add_test(tc, interrupted_anywhere_the_walk_comes_home);
	tcase_add_test(tc, assembly_without_rules_is_passed_by_its_frame_pointer);
	tcase_add_test(tc, generated_code_is_passed_by_its_frame_pointer);
	tcase_add_test(tc, without_rules_and_frame_pointer_the_leaves_are_kept);
	tcase_add_test(tc, wild_registers_do_no_harm);
	tcase_add_test(tc, a_rule_dies_with_its_file);
}

int
main(void)
{
	return unit_run("unwind", add);
}
