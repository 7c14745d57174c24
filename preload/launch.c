/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.c - the command `otheap`, started by the library.
 *
 * How	The worker clones a go-between, which clones the process that executes
 *	the command.  Both share our memory (CLONE_VM: nothing of a large
 *	program is copied, no fork handler runs) on stacks of their own, and the
 *	one who made them sleeps meanwhile (CLONE_VFORK); the program's threads go on.
 *
 * Why two: the go-between has no exit signal, so the kernel sends no SIGCHLD for
 *	it, and the program's wait() does not find it unless it asks for __WALL
 *	(wait(2)).  The command itself cannot be such a child, as exec makes
 *	SIGCHLD its exit signal.  When the go-between ends before the command,
 *	init becomes its parent.
 *
 *	Or the program itself, where that is the first process of a PID namespace
 *	or a subreaper, and a wait() for all its children would not return while
 *	the agent lives.  There the go-between stays as long as the command, a copy
 *	of the process (as after fork) that gives back all memory but two pages of
 *	code and a stack.
 *
 * Memory ordering
 *	[L1] keeper_says.done: the keeper's release orders `error` before it, the
 *	     worker's acquire reads that afterwards.
 *
 * They make raw system calls only and write to `job` alone.  The table of
 * descriptors is a copy of the worker's, which has nothing of the program's but
 * standard error.  If the program ends meanwhile, so does the go-between.
 */
#include "preload/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "core/atomic.h"
#include "core/base.h"
#include "core/modules.h"
#include "core/sys.h"

#define STACK_BYTES ((size_t)16 * 1024)
#define STEP_MS 5
#define PAGE ((uintptr_t)4096)
#define ADDRESS_END ((uintptr_t)0x7ffffffff000) /* of a process, x86-64 */
#define KEEPER_WAIT_MS 10000

static char command[PATH_MAX]; /* "" = none */
static char **environment;     /* NULL-terminated; never changed */
static char stacks[2][STACK_BYTES] __attribute__((aligned(16)));

/* One launch at a time. */
static struct {
	const char *const *argv;
	bool quiet;
	uint32_t wait_ms;
	int error;  /* why it does not run */
	int status; /* -ETIMEDOUT, or as oh_launch() returns it */
} job;

/* ---- at start ---------------------------------------------------------------- */

/* What the command must not inherit: it is no program to be profiled. */
static bool
passes(const char *variable)
{
	static const char *const dropped[] = {
		"LD_PRELOAD=", "LD_AUDIT=", "OTHEAP_SAMPLE_INTERVAL=", "OTHEAP_DEBUG="
	};

	for (size_t i = 0; i < OH_ARRAY_LEN(dropped); i++)
		if (strncmp(variable, dropped[i], strlen(dropped[i])) == 0)
			return false;
	return true;
}

static bool
ends_with(const char *s, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && memcmp(s + len - n, end, n) == 0;
}

/* How long are name and '=' of a variable with a file by a path that is not whole?  Else 0. */
static size_t
before_relative(const char *variable)
{
	static const char ours[] = "OTEL_EXPORTER_OTLP_";
	const char *eq = strchr(variable, '=');
	size_t len = eq != NULL ? (size_t)(eq - variable) : 0;

	if (strncmp(variable, ours, sizeof(ours) - 1) != 0 || eq == NULL || eq[1] == '/' ||
	    eq[1] == '\0' ||
	    !(ends_with(variable, len, "CERTIFICATE") || ends_with(variable, len, "CLIENT_KEY")))
		return 0;
	return len + 1;
}

/* Pointers, then texts, in one mapping that stays. */
static void
copy_environment(char *const *envp)
{
	/* Also where the library comes by /etc/ld.so.preload. */
	static char off[] = "OTHEAP_SAMPLE_INTERVAL=0";
	size_t count = 0, bytes = 0, n = 0, folder_len = 0;
	static char folder[PATH_MAX];

	/* The command starts in "/", and later than now. */
	long got = OH_SYS(getcwd, folder, sizeof(folder), 0, 0, 0, 0);
	if (got > 1 && folder[0] == '/') {
		folder_len = (size_t)got;
		folder[got - 1] = '/';
	}
	for (char *const *e = envp; e != NULL && *e != NULL; e++) {
		count++;
		bytes += strlen(*e) + 1 + (before_relative(*e) > 0 ? folder_len : 0);
	}
	long at = oh_sys_map((count + 2) * sizeof(char *) + bytes, PROT_READ | PROT_WRITE, 0);
	if (oh_sys_failed(at))
		return;
	char **copy = (char **)at;
	char *text = (char *)(copy + count + 2);
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(envp[i]) + 1, head = before_relative(envp[i]);
		if (!passes(envp[i]))
			continue;
		copy[n++] = text;
		memcpy(text, envp[i], head);
		text += head;
		memcpy(text, folder, head > 0 ? folder_len : 0);
		text += head > 0 ? folder_len : 0;
		memcpy(text, envp[i] + head, len - head);
		text += len - head;
	}
	copy[n] = off;
	environment = copy;
}

char *const *
oh_launch_environment(void)
{
	return environment;
}

const char *
oh_launch_variable(const char *name)
{
	for (char *const *e = environment; e != NULL && *e != NULL; e++)
		if (strncmp(*e, name, strlen(name)) == 0)
			return *e;
	return NULL;
}

static bool
can_run(const char *path)
{
	return OH_SYS(faccessat, AT_FDCWD, path, 1 /* X_OK */, 0, 0, 0) == 0;
}

/* The library's own file, up to and with the last slash; 0: not known. */
static size_t
own_folder(char ret[PATH_MAX])
{
	struct oh_module_at at;
	const struct oh_module *own = NULL;
	const char *slash = NULL;

	if (oh_modules_find((uintptr_t)&own_folder, &at))
		own = oh_modules_get(at.id);
	if (own != NULL)
		slash = strrchr(own->path, '/');
	if (slash == NULL || slash - own->path >= PATH_MAX - 32)
		return 0;
	memcpy(ret, own->path, (size_t)(slash + 1 - own->path));
	return (size_t)(slash + 1 - own->path);
}

static void
find_command(const char *wanted)
{
	static const char *const places[] = { "otheap", "../bin/otheap" };

	if (wanted[0] == '/') {
		memcpy(command, wanted, strlen(wanted) + 1);
		return;
	}
	size_t len = own_folder(command);
	for (size_t i = 0; len > 0 && i < OH_ARRAY_LEN(places); i++) {
		memcpy(command + len, places[i], strlen(places[i]) + 1);
		if (can_run(command))
			return;
	}
	command[0] = '\0';
}

void
oh_launch_init(const char *wanted, char *const *envp)
{
	find_command(wanted);
	copy_environment(envp);
}

/* ---- the command, before it is one
 * ------------------------------------------------------------------ */

/* 0 and, if the command is to be quiet, 1 and 2 lead nowhere; else 1 is 2. */
static void
set_descriptors(bool quiet)
{
	long null = oh_sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);

	/* The worker's 0 and 1 are closed, and 2 may be. */
	if (null > 0)
		(void)OH_SYS(dup3, null, 0, 0, 0, 0, 0);
	if (quiet || OH_SYS(dup3, 2, 1, 0, 0, 0, 0) < 0)
		(void)OH_SYS(dup3, 0, 1, 0, 0, 0, 0);
	if (quiet || OH_SYS(fcntl, 2, F_SETFD, 0, 0, 0, 0) < 0)
		(void)OH_SYS(dup3, 0, 2, 0, 0, 0, 0);
	(void)OH_SYS(close_range, 3, UINT32_MAX, 0, 0, 0, 0);
}

static void
be_the_command(void)
{
	uint64_t none = 0;

	/* The table is a copy; before any signal can come. */
	for (int sig = 1; sig <= 64; sig++)
		oh_sys_default_action(sig);
	(void)OH_SYS(setsid, 0, 0, 0, 0, 0, 0);
	set_descriptors(job.quiet);
	(void)OH_SYS(chdir, "/", 0, 0, 0, 0, 0);
	(void)OH_SYS(rt_sigprocmask, SIG_SETMASK, &none, 0, sizeof(none), 0, 0);
	job.error = (int)OH_SYS(execve, command, job.argv, environment, 0, 0, 0);
}

/* ---- the go-between ----------------------------------------------------------------- */

/* A process that shares our memory and runs fn; returns when it ended or is another program. */
static long
clone_with(long exit_signal, char *top, void (*fn)(void))
{
	long flags = CLONE_VM | CLONE_VFORK | exit_signal;
	long ret;
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;

	__asm__ volatile(
	    "syscall\n\t"
	    "testq %%rax, %%rax\n\t"
	    "jnz 1f\n\t"
	    "xorl %%ebp, %%ebp\n\t"
	    "call *%[fn]\n\t"
	    "movl $127, %%edi\n\t"
	    "movl %[exit], %%eax\n\t"
	    "syscall\n\t"
	    "hlt\n"
	    "1:"
	    : "=a"(ret)
	    : "a"((long)SYS_clone), "D"(flags), "S"(top), "d"(0L), "r"(r10),
	    "r"(r8), [fn] "b"(fn), [exit] "i"(SYS_exit_group) /* rbp is cleared before fn */
	    : "rcx", "r11", "memory");
	return ret;
}

/*
 * Asked again and again: a wait that sleeps has no limit.  When the program ends
 * nobody waits any more, and our memory is its.
 */
static int
wait_for(long pid, int64_t until)
{
	long parent = OH_SYS(getppid, 0, 0, 0, 0, 0, 0);
	struct timespec step = { .tv_nsec = STEP_MS * 1000000L };
	uint32_t never = 0;
	int status = 0;

	for (;;) {
		long got = OH_SYS(wait4, pid, &status, WNOHANG, 0, 0, 0);
		if (got == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (got != 0 && got != -EINTR)
			return (int)got;
		if (oh_sys_now_ms() >= until || OH_SYS(getppid, 0, 0, 0, 0, 0, 0) != parent)
			return -ETIMEDOUT;
		(void)OH_SYS(futex, &never, FUTEX_WAIT, 0, &step, 0, 0);
	}
}

static void
go_between(void)
{
	int64_t until = oh_sys_now_ms() + job.wait_ms;

	/* Its table of actions is a copy.  An ignored SIGCHLD would leave nothing to wait for. */
	oh_sys_default_action(SIGCHLD);
	long pid = clone_with(SIGCHLD, stacks[1] + STACK_BYTES, be_the_command);
	if (pid < 0)
		job.error = (int)pid;
	else if (job.error != 0)
		(void)wait_for(pid, until + 1000);
	else if (job.wait_ms > 0)
		job.status = wait_for(pid, until);
}

/* ---- the go-between that stays --------------------------------------------------------- */

/* What it tells who made it: shared memory, as all else of it is a copy. */
struct keeper_says {
	uint32_t done; /* [L1] */
	int error;
};

static long keeper; /* the last one, perhaps still to be taken off the list; 0 = none */

/* Does the kernel make it the parent of orphans? */
static bool
is_given_orphans(void)
{
	int subreaper = 0;

	return oh_sys_getpid() == 1 ||
	       (OH_SYS(prctl, PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0, 0) == 0 && subreaper);
}

static void
unmap_between(uintptr_t from, uintptr_t to)
{
	if (from < to)
		(void)OH_SYS(munmap, from, to - from, 0, 0, 0, 0);
}

/*
 * Without memory but what this function needs: it calls nothing that is not
 * inlined and touches nothing but its stack.
 */
static _Noreturn OH_NOINLINE void
keep_child(long pid)
{
	uintptr_t code = (uintptr_t)&keep_child & -PAGE;
	uintptr_t stack = ((uintptr_t)__builtin_frame_address(0) & -PAGE) - PAGE;
	uintptr_t low = code < stack ? code : stack, high = code < stack ? stack : code;

	unmap_between(0, low);
	unmap_between(low + 2 * PAGE, high);
	unmap_between(high + 2 * PAGE, ADDRESS_END);
	while (OH_SYS(wait4, pid, 0, __WALL, 0, 0, 0) == -EINTR)
		;
	for (;;)
		(void)OH_SYS(exit_group, 0, 0, 0, 0, 0, 0);
}

static _Noreturn void
be_the_keeper(struct keeper_says *says)
{
	static const char name[] = "otheap";
	uint64_t all = UINT64_MAX;

	(void)OH_SYS(rt_sigprocmask, SIG_SETMASK, &all, 0, sizeof(all), 0, 0);
	/* Not with the terminal's signals, nor in a folder that is to be unmounted. */
	(void)OH_SYS(setsid, 0, 0, 0, 0, 0, 0);
	(void)OH_SYS(chdir, "/", 0, 0, 0, 0, 0);
	oh_sys_default_action(SIGCHLD);
	(void)OH_SYS(prctl, PR_SET_NAME, name, 0, 0, 0, 0);
	long pid = clone_with(SIGCHLD, stacks[1] + STACK_BYTES, be_the_command);
	(void)OH_SYS(close_range, 0, UINT32_MAX, 0, 0, 0, 0);
	says->error = pid < 0 ? (int)pid : job.error;
	oh_store_release(&says->done, 1); /* [L1] */
	(void)OH_SYS(futex, &says->done, FUTEX_WAKE, 1, 0, 0, 0);
	keep_child(pid);
}

/* The command, as a child of a process that stays and that nobody's wait() finds. */
static int
launch_kept(void)
{
	int64_t until = oh_sys_now_ms() + KEEPER_WAIT_MS;
	struct timespec step = { .tv_nsec = STEP_MS * 1000000L };
	int error = -ETIMEDOUT;

	long at = OH_SYS(mmap, 0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1L, 0);
	if (oh_sys_failed(at))
		return (int)at;
	struct keeper_says *says = (struct keeper_says *)at;
	long pid = OH_SYS(clone, 0, 0, 0, 0, 0, 0);
	if (pid == 0)
		be_the_keeper(says);
	if (pid < 0)
		error = (int)pid;
	/* It may be killed before it says anything. */
	while (pid > 0 && error == -ETIMEDOUT && oh_sys_now_ms() < until) {
		if (oh_load_acquire(&says->done) != 0) /* [L1] */
			error = says->error;
		else if (OH_SYS(wait4, pid, 0, WNOHANG | __WCLONE, 0, 0, 0) != 0)
			error = -ECHILD;
		else
			(void)OH_SYS(futex, &says->done, FUTEX_WAIT, 0, &step, 0, 0);
	}
	if (pid > 0)
		keeper = pid;
	(void)oh_sys_unmap(says, PAGE);
	return error;
}

/* ---- start it ------------------------------------------------------------------------- */

int
oh_launch(const char *const *argv, bool quiet, uint32_t wait_ms)
{
	if (command[0] == '\0' || environment == NULL)
		return -ENOENT;
	job.argv = argv;
	job.quiet = quiet;
	job.wait_ms = wait_ms;
	job.error = job.status = 0;
	if (keeper > 0 && OH_SYS(wait4, keeper, 0, WNOHANG | __WCLONE, 0, 0, 0) != 0)
		keeper = 0;
	if (wait_ms == 0 && is_given_orphans())
		return launch_kept();
	long pid = clone_with(0, stacks[0] + STACK_BYTES, go_between);
	if (pid < 0)
		return (int)pid;
	/* It has ended; take it off the list of processes. */
	(void)OH_SYS(wait4, pid, 0, __WCLONE, 0, 0, 0);
	return job.error != 0 ? job.error : job.status;
}
