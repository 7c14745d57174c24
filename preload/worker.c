/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c - the one thread of ours, which writes the profiles.
 *
 * It is made by the bare system call when there is something to do and ends
 * when that is done.  While something is due later it stays: always with
 * OTHEAP_DUMP_EVERY, and until the baseline if that is after a time.  Why not
 * pthread_create:
 *
 *   - it must be possible from a signal handler, which may have interrupted
 *     malloc; pthread_create allocates;
 *   - a program without threads must stay one: glibc and libstdc++ take
 *     cheaper paths in such (no locks in malloc and stdio, no atomics in
 *     shared_ptr), unshare(CLONE_NEWUSER) and setns work only there, and a
 *     program whose last thread ends by pthread_exit ends only if glibc knows
 *     of no other.
 *
 * So glibc does not know of this thread, and code that runs on it must need
 * nothing of glibc's that lives in a thread: no errno, no malloc, no stdio.
 * It gets a thread control block of its own all the same (the stack protector
 * of linked-in code reads from it), a table of descriptors of its own (no
 * descriptor of ours ever appears in the host's), and all signals blocked.
 *
 * State
 *	wanted	  what they ask for, OH_ASK_...; taken when they are answered
 *	asked	  requests so far
 *	done	  requests answered so far, and a futex to wait on
 *	running   1 while a worker exists that will look at `asked` again
 *	tid	  set and cleared by the kernel; 0 = the stack is free
 *
 * Memory ordering
 *	[W1] asked: a requester adds with acq_rel, then tries running 0 -> 1; the
 *	     worker stores running 0 with acq_rel, then reads asked: one of
 *	     the two sees the other.  (Both are read-modify-writes on running.)
 *	     What is wanted is added before: who sees the number sees the bits.
 *	[W2] done: stored with release after the profile is written.
 *	[W3] tid: cleared by the kernel after the worker's last instruction.
 *	[W4] last: stored with release by who ends the process, after its
 *	     request; loaded with acquire.  A profile begun after it would be
 *	     cut off by the end and leave its temporary file.
 */
#include "preload/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "core/atomic.h"
#include "core/base.h"
#include "core/drops.h"
#include "core/out.h"
#include "core/sys.h"
#include "preload/credentials.h"
#include "preload/stderr.h"
#include "preload/waiting.h"

#define STACK_BYTES ((size_t)128 * 1024)
#define TLS_BELOW ((size_t)16 * 1024) /* room for what code might reach below the TCB */
#define TLS_ABOVE ((size_t)4096)
#define SPAWN_WAIT_MS 50

static void (*work)(unsigned asked);
static pid_t owner;                   /* a vfork child shares our memory, and must not use it */
static bool files_shared;             /* see in_valgrind() */
static bool own_table;                /* the worker's descriptors are not the host's */
static bool stays;                    /* this worker outlives what it was made for */
static uint32_t wanted;               /* [W1] */
static uint32_t asked, done, running; /* [W1] [W2] */
static uint32_t answering;            /* the request that is being answered; the worker's */
static uint32_t given_up;             /* up to this one not answered; relaxed: see [W2] */
static uint32_t last;                 /* [W4] the last request to answer; 0 = not known */
static int32_t tid;                   /* [W3] */

/* What comes by itself; the worker's, or of who makes it. */
static struct due {
	unsigned what;
	uint32_t every_s; /* 0 = once */
	int64_t at_ms;    /* of the monotonic clock; 0 = not any more */
} dues[2];

static char stack[STACK_BYTES] __attribute__((aligned(4096)));
static char tls[TLS_BELOW + TLS_ABOVE] __attribute__((aligned(64)));

/* Sleep while *word is `seen`, at most `ms`. */
static void
futex_wait(const void *word, uint32_t seen, int64_t ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)OH_SYS(futex, word, FUTEX_WAIT, seen, &ts, 0, 0);
}

static void
futex_wake(const void *word)
{
	(void)OH_SYS(futex, word, FUTEX_WAKE, INT32_MAX, 0, 0, 0);
}

/* With what flags has the host opened its standard error?  -1 = not known. */
static long
host_flags(void)
{
	struct oh_out path;
	char text[128];
	long flags = 0;

	oh_out_reset(&path);
	oh_out_str(&path, "/proc/");
	oh_out_u64(&path, (uint64_t)oh_sys_getpid());
	oh_out_str(&path, "/fdinfo/2");
	long fd = oh_sys_openat(AT_FDCWD, path.text, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	long n = oh_sys_read((int)fd, text, sizeof(text) - 1);
	(void)oh_sys_close((int)fd);
	text[n < 0 ? 0 : n] = '\0';
	const char *s = strstr(text, "flags:"); /* in octal: proc_pid_fdinfo(5) */
	if (s == NULL)
		return -1;
	for (s += sizeof("flags:") - 1; *s == '\t' || *s == ' '; s++)
		;
	for (; *s >= '0' && *s <= '7'; s++)
		flags = flags << 3 | (*s - '0');
	return flags;
}

/*
 * A staying worker does not hold the host's standard error, whose other end
 * may wait for its close; for as long as a dump takes it opens what the host
 * has there now (/proc/PID/fd is the first thread's table).
 */
static void
borrow_stderr(void)
{
	struct oh_out path;

	oh_out_reset(&path);
	oh_out_str(&path, "/proc/");
	oh_out_u64(&path, (uint64_t)oh_sys_getpid());
	oh_out_str(&path, "/fd/2");
	long fd =
	    oh_sys_openat(AT_FDCWD, path.text, O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (!oh_stderr_fits((int)fd, host_flags()))
		(void)oh_sys_close((int)fd);
	else if (fd != 2) {
		(void)OH_SYS(dup3, fd, 2, O_CLOEXEC, 0, 0, 0);
		(void)oh_sys_close((int)fd);
	}
}

/* Answer everything that was asked up to now. */
static void
answer(void)
{
	uint32_t upto = oh_load_acquire(&asked); /* [W1] */
	uint32_t before = oh_load_relaxed(&done);
	uint32_t what = oh_exchange_acq_rel(&wanted, 0); /* [W1] */

	answering = upto;
	if (upto - before > 1)
		(void)oh_add_relaxed(&oh_drops[OH_DROP_DUMP_COALESCED], upto - before - 1);
	/* Nothing: it came in time for the answer before, and its number after. */
	if (what != 0) {
		/* A short-lived worker has those of the thread that made it. */
		if (stays)
			oh_credentials_follow();
		bool borrow = stays && own_table;
		if (borrow)
			borrow_stderr();
		work(what);
		if (borrow)
			(void)oh_sys_close(2);
	}
	oh_store_release(&done, upto); /* [W2] */
	futex_wake(&done);
}

bool
oh_worker_hurried(void)
{
	uint32_t end = oh_load_acquire(&last); /* [W4] */

	return end != 0 && (int32_t)(end - answering) > 0;
}

bool
oh_worker_in_valgrind(void)
{
	return files_shared;
}

void
oh_worker_stack(uintptr_t *ret_start, uintptr_t *ret_limit)
{
	*ret_start = (uintptr_t)stack;
	*ret_limit = *ret_start + sizeof(stack);
}

/* Was the last request answered that ever will be? */
static bool
closed(void)
{
	uint32_t end = oh_load_acquire(&last); /* [W4] */

	return end != 0 && (int32_t)(oh_load_relaxed(&done) - end) >= 0;
}

static bool
anything_asked(void)
{
	return !closed() && oh_load_acquire(&asked) != oh_load_relaxed(&done); /* [W1] */
}

/*
 * The worker has a table of descriptors of its own, and of what the host has
 * in its own it keeps nothing: a pipe that the host closes must be closed.
 * Standard error stays for the messages of a short life.
 */
static void
leave_descriptors(bool shared)
{
	own_table = !shared || OH_SYS(unshare, CLONE_FILES, 0, 0, 0, 0, 0) == 0;
	if (!own_table)
		return;
	(void)OH_SYS(close_range, stays || !oh_stderr_usable() ? 2 : 3, UINT32_MAX, 0, 0, 0, 0);
	(void)OH_SYS(close_range, 0, 1, 0, 0, 0, 0);
}

/*
 * Valgrind ends the program when it sees threads with different tables being
 * made, but lets them part later.  (Its client request 0x1001, a sequence that
 * does nothing on a real machine; valgrind.h documents it.)
 */
static bool
in_valgrind(void)
{
	volatile uint64_t args[6] = { 0x1001 };
	uint64_t answer = 0;

	__asm__ volatile("rolq $3, %%rdi\n\trolq $13, %%rdi\n\t"
			 "rolq $61, %%rdi\n\trolq $51, %%rdi\n\t"
			 "xchgq %%rbx, %%rbx"
			 : "+d"(answer)
			 : "a"(args)
			 : "cc", "memory");
	return answer != 0;
}

/* The next thing that comes by itself; NULL: nothing does. */
static struct due *
next_due(void)
{
	struct due *next = NULL;

	for (size_t i = 0; i < OH_ARRAY_LEN(dues); i++)
		if (dues[i].at_ms != 0 && (next == NULL || dues[i].at_ms < next->at_ms))
			next = &dues[i];
	return next;
}

static void
fire(struct due *due)
{
	int64_t now = oh_sys_now_ms();

	(void)oh_or_acq_rel(&wanted, due->what); /* [W1] */
	(void)oh_add_relaxed(&asked, 1);
	if (due->every_s == 0) {
		due->at_ms = 0;
		return;
	}
	due->at_ms += (int64_t)due->every_s * 1000;
	/* Stopped or asleep for long: do not make up for it. */
	if (due->at_ms < now)
		due->at_ms = now + (int64_t)due->every_s * 1000;
}

/* As long as anything is due. */
static void
stay(void)
{
	struct due *due;

	while ((due = next_due()) != NULL) {
		uint32_t seen = oh_load_relaxed(&done);
		if (closed()) {
			futex_wait(&last, oh_load_relaxed(&last), 1000);
			continue;
		}
		if (anything_asked())
			answer();
		int64_t left = due->at_ms - oh_sys_now_ms();
		if (left <= 0)
			fire(due);
		else if (!anything_asked())
			futex_wait(&asked, seen, left);
	}
}

/* The worker's whole life; runs on `stack`, returns to the end of the thread. */
static void __attribute__((used)) live(void)
{
	(void)OH_SYS(prctl, PR_SET_NAME, "otheap", 0, 0, 0, 0);
	leave_descriptors(files_shared);
	stay();
	for (;;) {
		while (anything_asked())
			answer();
		(void)oh_exchange_acq_rel(&running, 0);                         /* [W1] */
		if (!anything_asked() || oh_exchange_acq_rel(&running, 1) != 0) /* [W1] */
			return;
	}
}

static long
clone_worker(void)
{
	long flags = CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
		     CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID |
		     (files_shared ? CLONE_FILES : 0);
	char *tcb = tls + TLS_BELOW;
	long ret;

	/* x86-64 thread control block: pointers to itself at 0 and 16. */
	*(void **)(void *)tcb = tcb;
	*(void **)(void *)(tcb + 16) = tcb;
	register long r10 __asm__("r10") = (long)&tid;
	register long r8 __asm__("r8") = (long)tcb;
	__asm__ volatile("syscall\n\t"
			 "testq %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xorl %%ebp, %%ebp\n\t"
			 "call *%[fn]\n\t"
			 "xorl %%edi, %%edi\n\t"
			 "movl %[exit], %%eax\n\t"
			 "syscall\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(ret)
			 : "a"((long)SYS_clone), "D"(flags), "S"(stack + sizeof(stack)), "d"(&tid),
			 "r"(r10), "r"(r8), [fn] "r"(live), [exit] "i"(SYS_exit)
			 : "rcx", "r11", "memory");
	return ret;
}

/* Called by who changed running from 0 to 1. */
static void
spawn(void)
{
	uint64_t all = UINT64_MAX, old = 0;
	int64_t until = oh_sys_now_ms() + SPAWN_WAIT_MS;
	int32_t gone;

	stays = next_due() != NULL;
	(void)OH_SYS(rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all), 0, 0);
	/* The worker before this one may still be on its last instructions. */
	while ((gone = oh_load_acquire(&tid)) != 0 && oh_sys_now_ms() < until) /* [W3] */
		futex_wait(&tid, (uint32_t)gone, 1);
	if (gone != 0 || oh_sys_failed(clone_worker())) {
		uint32_t upto = oh_load_acquire(&asked); /* [W1] */
		oh_drop(OH_DROP_DUMP_FAILED);
		oh_store_relaxed(&given_up, upto);
		oh_store_release(&done, upto);          /* [W2] */
		(void)oh_exchange_acq_rel(&running, 0); /* [W1] */
		futex_wake(&done);
	}
	(void)OH_SYS(rt_sigprocmask, SIG_SETMASK, &old, 0, sizeof(old), 0, 0);
}

static uint32_t
request(unsigned what)
{
	(void)oh_or_acq_rel(&wanted, what);            /* [W1] */
	uint32_t mine = oh_add_acq_rel(&asked, 1) + 1; /* [W1] */

	if ((what & OH_ASK_EXIT) != 0)
		oh_store_release(&last, mine); /* [W4] */

	if (oh_exchange_acq_rel(&running, 1) == 0) /* [W1] */
		spawn();
	else
		futex_wake(&asked);
	return mine;
}

/*
 * In a program that confined itself a worker would need calls that may kill
 * it; a staying worker was made before, and is as confined as its maker was.
 */
static int
usable(void)
{
	if (work == NULL || oh_load_acquire(&last) != 0) /* [W4] */
		return -ESRCH;
	if (oh_sys_forbidden()) {
		oh_drop(OH_DROP_DUMP_SANDBOXED);
		return -EPERM;
	}
	return oh_sys_getpid() == owner ? 0 : -ESRCH;
}

void
oh_worker_request(unsigned what)
{
	if (usable() == 0)
		(void)request(what);
}

struct wish {
	unsigned what;
	uint32_t timeout_ms;
	int error;
};

static void
ask_and_wait(void *arg)
{
	struct wish *w = arg;
	uint32_t mine = request(w->what), now;
	int64_t until = oh_sys_now_ms() + w->timeout_ms, left;

	w->error = -ETIMEDOUT;
	while ((int32_t)((now = oh_load_acquire(&done)) - mine) < 0) { /* [W2] */
		left = until - oh_sys_now_ms();
		if (left <= 0)
			return;
		futex_wait(&done, now, left);
	}
	w->error = (int32_t)(oh_load_relaxed(&given_up) - mine) >= 0 ? -EAGAIN : 0;
}

int
oh_worker_ask(unsigned what, uint32_t timeout_ms)
{
	struct wish w = { .what = what, .timeout_ms = timeout_ms, .error = usable() };

	if (w.error == 0)
		oh_wait(ask_and_wait, &w);
	return w.error;
}

int
oh_worker_finish(uint32_t timeout_ms)
{
	return oh_worker_ask(OH_ASK_EXIT, timeout_ms);
}

static void
begin(void)
{
	owner = oh_sys_getpid();
	if (next_due() != NULL && oh_exchange_acq_rel(&running, 1) == 0) /* [W1] */
		spawn();
}

static void
plan_due(struct due *due, unsigned what, uint32_t first_s, uint32_t every_s)
{
	*due = (struct due){ .what = what,
		.every_s = every_s,
		.at_ms = first_s == 0 ? 0 : oh_sys_now_ms() + (int64_t)first_s * 1000 };
}

void
oh_worker_init(const struct oh_worker_plan *plan)
{
	work = plan->work;
	files_shared = in_valgrind();
	plan_due(&dues[0], OH_ASK_TIMER, plan->every_s, plan->every_s);
	plan_due(&dues[1], OH_ASK_BASELINE, plan->baseline_after_s, 0);
	begin();
}

void
oh_worker_reopen(void)
{
	oh_store_release(&last, 0); /* [W4] */
}

void
oh_worker_after_fork(void)
{
	wanted = asked = done = running = given_up = last = 0;
	tid = 0;
	if (work == NULL)
		return;
	/* A baseline that is still to come is that of the child, too. */
	plan_due(&dues[0], OH_ASK_TIMER, dues[0].every_s, dues[0].every_s);
	begin();
}
