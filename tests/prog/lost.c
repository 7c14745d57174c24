/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lost.c MODE - loses blocks, and keeps pointers to others: what a leak check
 * must find (blocks.h).  hidden.c has more places for pointers.
 *
 *	plain	 what every leak checker judges by the same rules
 *	sizes	 lost blocks of many sizes, with free memory behind them
 *	memory	 pointers in all kinds of memory
 *	odd	 pointers that checkers do not agree about
 *	register	 a pointer in a register of the thread that ends the process
 *	threads	 pointers that other threads have, two of them in registers
 *	fiber	 ends on a stack that is a block itself
 *	watch	 asks for two leak checks and looks whether it can see the child
 *	share	 many blocks of two sizes, every other one lost
 *	MODE drop	 the same, having become another user
 *	leader MODE	 the same, but the first thread is gone at the end
 *	big N [wait]	N MiB of live memory, some lost; waits for the end of its
 *		 standard input
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "blocks.h"

static void *
zeroed(size_t size)
{
	return hide(calloc(1, size));
}

/* ---- plain ------------------------------------------------------------------- */

static void *volatile global;
static void *volatile *volatile table;
static __thread void *volatile local;
static pthread_key_t key;
static char *volatile inside;
static uintptr_t volatile masked;

ALLOCATE(site_lost, SIZE)
ALLOCATE(site_lost_large, 3000004)
ALLOCATE(site_ring, SIZE)
ALLOCATE(site_head, SIZE)
ALLOCATE(site_tail, SIZE)
ALLOCATE(site_global, SIZE)
ALLOCATE(site_table, SIZE)
ALLOCATE(site_in_table, SIZE)
ALLOCATE(site_local, SIZE)
ALLOCATE(site_specific, SIZE)
ALLOCATE(site_xored, SIZE)

static SITE void
lose(void)
{
	for (int i = 0; i < 10; i++)
		(void)site_lost();
	class("site_lost", "lost", 10);
}

static SITE void
lose_large(void)
{
	(void)site_lost_large();
}

static SITE void
lose_ring(void)
{
	void **a = site_ring(), **b = site_ring();

	a[5] = b;
	b[5] = a;
	class("site_ring", "lost", 1);
	class("site_ring", "indirect", 1);
}

static SITE void
lose_chain(void)
{
	void **a = site_head(), **b = site_tail();

	a[7] = b;
	b[7] = site_tail();
	class("site_head", "lost", 1);
	class("site_tail", "indirect", 2);
}

static SITE void
keep(void)
{
	global = site_global();
	table = site_table();
	for (int i = 2; i < 6; i++)
		table[i] = site_in_table();
	local = site_local();
	CHECK(
	    pthread_key_create(&key, NULL) == 0 && pthread_setspecific(key, site_specific()) == 0);
	class("site_global", "reached", 1);
	class("site_table", "reached", 1);
	class("site_in_table", "reached", 4);
	class("site_local", "reached", 1);
	class("site_specific", "reached", 1);
}

static SITE void
keep_hidden(void)
{
	masked = (uintptr_t)site_xored() ^ MASK;
	class("site_xored", "lost", 1);
}

static SITE void
plain(void)
{
	lose();
	lose_large();
	class("site_lost_large", "lost", 1);
	lose_ring();
	lose_chain();
	keep();
	keep_hidden();
}

/* ---- sizes -------------------------------------------------------------------- */

/*
 * The allocator's lists of free memory point to where it begins: behind these
 * blocks, or, as glibc's do, to a header that overlaps their last bytes.
 */
static SITE void *
site_before(size_t size)
{
	return hide(memset(hide(malloc(size)), 0, size));
}

static SITE void
lose_sizes(void)
{
	static const size_t sizes[] = { 24, 32, 40, 56, 64, 100, 104, 200, 232, 1000, 1024, 4096,
		5000, 20008 };
	enum { SIZES = sizeof(sizes) / sizeof(sizes[0]), EACH = 5 };
	void *behind[SIZES * EACH];
	void **between = site_table();

	for (size_t i = 0; i < SIZES * EACH; i++) {
		(void)site_before(sizes[i % SIZES]);
		/* Larger than what goes to caches of single sizes. */
		behind[i] = hide(malloc(2000 + i * 16));
		void **next = site_table();
		next[0] = between;
		between = next;
	}
	table = between;
	for (size_t i = 0; i < SIZES * EACH; i++)
		free(behind[i]);
	memset(behind, 0, sizeof(behind));
	class("site_before", "lost", SIZES * EACH);
	class("site_table", "reached", SIZES * EACH + 1);
}

/* ---- memory ------------------------------------------------------------------- */

ALLOCATE(site_private, SIZE)
ALLOCATE(site_sparse, SIZE)
ALLOCATE(site_shared, SIZE)
ALLOCATE(site_file, SIZE)
ALLOCATE(site_file_private, SIZE)
ALLOCATE(site_read_only, SIZE)
ALLOCATE(site_no_access, SIZE)
ALLOCATE(site_not_forked, SIZE)
ALLOCATE(site_not_forked_shared, SIZE)
ALLOCATE(site_wiped, SIZE)
ALLOCATE(site_large, 5000004)
ALLOCATE(site_in_large, SIZE)

static SITE void
keep_in_memory(void)
{
	char name[] = "/tmp/otheap-lost-XXXXXX";
	int fd = mkstemp(name);

	CHECK(fd >= 0 && unlink(name) == 0 && ftruncate(fd, MAP) == 0);
	void **m = map(MAP, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	m[1000] = site_private();
	/* 1 TiB, of which one page is used. */
	m = mmap(NULL, (size_t)1 << 40, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m != MAP_FAILED) { /* valgrind has not so much */
		m[(size_t)1 << 35] = site_sparse();
		class("site_sparse", "reached", 1);
	}
	map(MAP, MAP_SHARED | MAP_ANONYMOUS, -1)[77] = site_shared();
	map(MAP, MAP_SHARED, fd)[99] = site_file();
	map(MAP, MAP_PRIVATE, fd)[88888] = site_file_private();
	m = map(MAP, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	m[5] = site_read_only();
	CHECK(mprotect(m, MAP, PROT_READ) == 0);
	m = map(MAP, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	m[5] = site_no_access();
	CHECK(mprotect(m, MAP, PROT_NONE) == 0);
	m = map(MAP, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	m[3333] = site_not_forked();
	CHECK(madvise(m, MAP, MADV_DONTFORK) == 0);
	m = map(MAP, MAP_SHARED | MAP_ANONYMOUS, -1);
	m[3333] = site_not_forked_shared();
	CHECK(madvise(m, MAP, MADV_DONTFORK) == 0);
	m = map(MAP, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	m[4444] = site_wiped();
	CHECK(madvise(m, MAP, MADV_WIPEONFORK) == 0);
	global = site_large();
	((void **)global)[600000] = site_in_large();
	close(fd);
	class("site_private", "reached", 1);
	class("site_shared", "reached", 1);
	class("site_file", "reached", 1);
	class("site_file_private", "reached", 1);
	class("site_read_only", "reached", 1);
	class("site_no_access", "reached", 1);
	class("site_not_forked", "reached", 1);
	class("site_not_forked_shared", "reached", 1);
	class("site_wiped", "reached", 1);
	class("site_large", "reached", 1);
	class("site_in_large", "reached", 1);
}

/* ---- odd ---------------------------------------------------------------------- */

static uintptr_t volatile low_tag, high_tag;
static char *volatile behind;

ALLOCATE(site_inside, SIZE)
ALLOCATE(site_behind, SIZE)
ALLOCATE(site_low_tag, SIZE)
ALLOCATE(site_high_tag, SIZE)
ALLOCATE(site_unaligned, SIZE)
ALLOCATE(site_epoll, SIZE)
ALLOCATE(site_signal_stack, 65532)

static char packed[32] __attribute__((aligned(8)));

static SITE void
keep_oddly(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	stack_t stack = { .ss_size = 65532 };
	int pipes[2];
	void *p;

	inside = (char *)site_inside() + 40;
	behind = (char *)site_behind() + SIZE;
	low_tag = (uintptr_t)site_low_tag() | 3;
	high_tag = (uintptr_t)site_high_tag() | (uintptr_t)0x7ff4 << 48;
	p = site_unaligned();
	memcpy(packed + 3, &p, sizeof(p));
	event.data.ptr = site_epoll();
	CHECK(pipe(pipes) == 0);
	CHECK(epoll_ctl(epoll_create1(0), EPOLL_CTL_ADD, pipes[0], &event) == 0);
	stack.ss_sp = site_signal_stack();
	CHECK(sigaltstack(&stack, NULL) == 0);
	class("site_inside", "interior", 1);
	class("site_behind", "interior", 1);
	class("site_low_tag", "reached", 1);
	class("site_high_tag", "reached", 1);
	class("site_unaligned", "lost", 1);
	class("site_epoll", "reached", 1);
	class("site_signal_stack", "reached", 1);
}

/* ---- registers, threads --------------------------------------------------------- */

ALLOCATE(site_register, SIZE)
ALLOCATE(site_thread_stack, SIZE)
ALLOCATE(site_thread_local, SIZE)
ALLOCATE(site_thread_waits, SIZE)
ALLOCATE(site_thread_runs, SIZE)

static SITE void
end_with_register(void)
{
	class("site_register", "reached", 1);
	__asm__ volatile("movq %0, %%r12\n\t"
			 "xorl %%edi, %%edi\n\t"
			 "xorl %%eax, %%eax\n\t"
			 "xorl %%ebx, %%ebx\n\t"
			 "andq $-16, %%rsp\n\t"
			 "call exit\n\t"
			 :
			 : "a"(site_register())
			 : "memory");
}

static volatile int ready;

static void *
waits(void *arg)
{
	void *volatile kept = site_thread_stack();

	(void)arg;
	local = site_thread_local();
	uintptr_t p = (uintptr_t)site_thread_waits() ^ MASK; /* nor in this frame */
	scrub();
	__asm__ volatile("movq %0, %%r12\n\t"
			 "xorq %2, %%r12\n\t"
			 "xorl %%eax, %%eax\n\t"
			 "lock incl %1\n"
			 "1:\tmovl $34, %%eax\n\t" /* pause(2) */
			 "syscall\n\t"
			 "jmp 1b"
			 :
			 : "a"(p), "m"(ready), "d"(MASK)
			 : "rcx", "r11", "r12", "memory");
	return kept;
}

static void *
runs(void *arg)
{
	(void)arg;
	uintptr_t p = (uintptr_t)site_thread_runs() ^ MASK;
	scrub();
	__asm__ volatile("movq %0, %%r13\n\t"
			 "xorq %2, %%r13\n\t"
			 "xorl %%eax, %%eax\n\t"
			 "lock incl %1\n"
			 "1:\tpause\n\t"
			 "jmp 1b"
			 :
			 : "a"(p), "m"(ready), "d"(MASK)
			 : "r13", "memory");
	return NULL;
}

static SITE void
start_threads(void)
{
	pthread_t thread;

	lose();
	/* Two threads could have one in a register. */
	lose_large();
	class("site_lost_large", "reached", 1);
	CHECK(pthread_create(&thread, NULL, waits, NULL) == 0);
	CHECK(pthread_create(&thread, NULL, runs, NULL) == 0);
	while (ready != 2)
		usleep(1000);
	class("site_thread_stack", "reached", 1);
	class("site_thread_local", "reached", 1);
	class("site_thread_waits", "reached", 1);
	class("site_thread_runs", "reached", 1);
}

/* ---- fiber ---------------------------------------------------------------------- */

static ucontext_t back;

ALLOCATE(site_fiber_stack, 262144 + 12)
ALLOCATE(site_on_fiber, SIZE)

static void
fiber(void)
{
	void *volatile kept = site_on_fiber();

	scrub();
	exit(kept == NULL);
}

static SITE void
end_on_fiber(void)
{
	ucontext_t *c = zeroed(sizeof(*c));

	CHECK(getcontext(c) == 0);
	c->uc_stack.ss_sp = site_fiber_stack();
	c->uc_stack.ss_size = 262144;
	c->uc_link = &back;
	makecontext(c, fiber, 0);
	class("site_on_fiber", "reached", 1);
	/* Where the stack is stands in *c, too. */
	c->uc_stack.ss_sp = NULL;
	c->uc_stack.ss_size = 0;
	setcontext(c);
}

/* ---- watch ------------------------------------------------------------------------ */

static volatile sig_atomic_t children;

static void
on_child(int sig)
{
	(void)sig;
	children++;
}

static SITE void
watch(void)
{
	int fds = entries("/proc/self/fd", "");

	CHECK(signal(SIGCHLD, on_child) == SIG_DFL);
	for (int i = 1; i <= 2; i++) {
		ask_for_check();
		do {
			siginfo_t info;
			CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
			CHECK(waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG) == -1 &&
			      errno == ECHILD);
		} while (bad_count == 0 && profiles() < i);
	}
	/* The worker may still be there; its child is not. */
	CHECK(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD);
	CHECK(children == 0);
	CHECK(entries("/proc/self/fd", "") == fds);
}

/* ---- share ------------------------------------------------------------------------ */

ALLOCATE(site_small_lost, 1004)
ALLOCATE(site_small_kept, 1004)
ALLOCATE(site_medium_lost, 60012)
ALLOCATE(site_medium_kept, 60012)

static void *volatile kept[20500];

static SITE void
share(void)
{
	for (int i = 0; i < 20000; i++) {
		(void)site_small_lost();
		kept[i] = site_small_kept();
	}
	for (int i = 0; i < 500; i++) {
		(void)site_medium_lost();
		kept[20000 + i] = site_medium_kept();
	}
	class("site_small_lost", "lost", 20000);
	class("site_small_kept", "reached", 20000);
	class("site_medium_lost", "lost", 500);
	class("site_medium_kept", "reached", 500);
}

/* ---- big -------------------------------------------------------------------------- */

static void **list;

static SITE void *
site_big(void)
{
	return malloc(4000);
}

static SITE void *
site_big_lost(void)
{
	return malloc(1000);
}

static SITE void
grow(long mib)
{
	/* 262 blocks of 4000 bytes are one MiB; each points to the one before. */
	for (long i = 0; i < mib * 262; i++) {
		void **p = site_big();
		for (int k = 1; k < 500; k++)
			p[k] = (void *)(uintptr_t)(i * 500 + k);
		p[0] = list;
		list = p;
		if (i % 16 == 0)
			memset(hide(site_big_lost()), 0, 1000);
	}
}

static SITE int
go(char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} modes[] = { { "plain", plain }, { "sizes", lose_sizes }, { "memory", keep_in_memory },
		{ "odd", keep_oddly }, { "register", end_with_register },
		{ "threads", start_threads }, { "fiber", end_on_fiber }, { "watch", watch },
		{ "share", share } };
	const char *mode = argv[1], *how = mode != NULL ? argv[2] : NULL;
	size_t i = 0, count = sizeof(modes) / sizeof(*modes);

	while (mode != NULL && i < count && strcmp(mode, modes[i].name) != 0)
		i++;
	if (i < count)
		modes[i].fn();
	else if (strcmp(mode, "big") == 0 && how != NULL)
		grow(atol(how));
	else
		return 2;
	if (how != NULL && argv[3] != NULL) {
		say("ready");
		wait_for_eof();
	}
	if (how != NULL && strcmp(how, "drop") == 0) {
		CHECK(setresgid(65534, 65534, 65534) == 0);
		CHECK(setresuid(65534, 65534, 65534) == 0);
	}
	scrub();
	return bad_count != 0;
}

static pthread_t first;

static void *
go_alone(void *argv)
{
	CHECK(pthread_join(first, NULL) == 0);
	exit(go(argv));
}

int
main(int argc, char **argv)
{
	pthread_t second;

	if (argc < 2 || strcmp(argv[1], "leader") != 0)
		return go(argv);
	first = pthread_self();
	CHECK(pthread_create(&second, NULL, go_alone, argv + 1) == 0);
	pthread_exit(NULL);
}
