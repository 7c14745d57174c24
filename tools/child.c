/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.c - run a program as if we were not there.
 *
 * While it runs, all signals that can be passed on are blocked and fetched one
 * by one with sigwaitinfo(2), so there is no handler and no race between a
 * signal and the wait.  The child starts with the mask and the dispositions
 * that we were started with.
 *
 * What comes from the kernel (si_code > 0) comes from the terminal, which
 * sends it to the whole foreground group, the child included; only SIGHUP is
 * passed on in any case, as the kernel sends it to the leader of a session
 * alone.
 *
 * Stopping: a shell sees us, not the child.  The child gets SIGTSTP from the
 * terminal and may ignore it, or tidy up the screen first; so we wait until it
 * has stopped, and then stop by the same signal.
 */
#include "tools/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base.h"

static void (*sigpipe_before)(int) = SIG_DFL;

void
oh_child_ignore_sigpipe(void)
{
	sigpipe_before = signal(SIGPIPE, SIG_IGN);
}

/* All but those that cannot be caught, or that a fault of our own raises. */
static void
set_to_wait_for(sigset_t *set)
{
	static const int not_these[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };

	(void)sigfillset(set);
	for (size_t i = 0; i < OH_ARRAY_LEN(not_these); i++)
		(void)sigdelset(set, not_these[i]);
}

static void
close_reading_end(int fd, int *ret_error)
{
	int error;
	ssize_t n;

	do
		n = read(fd, &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(error))
		*ret_error = error;
	(void)close(fd);
}

static bool
is_terminal_stop(int sig)
{
	return sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
}

/* The child has stopped.  Returns when we were continued. */
static void
stop_like(int sig, pid_t child)
{
	sigset_t one;

	(void)sigemptyset(&one);
	(void)sigaddset(&one, sig);
	(void)raise(sig);
	(void)sigprocmask(SIG_UNBLOCK, &one, NULL); /* stops here */
	(void)sigprocmask(SIG_BLOCK, &one, NULL);
	(void)kill(child, SIGCONT);
}

static void
pass_on(const siginfo_t *si, pid_t child)
{
	int sig = si->si_signo;
	bool from_process = si->si_code <= 0;

	if (sig == SIGCHLD || (!from_process && sig != SIGHUP))
		return;
	/* Of the child itself: a signal to its whole group, or to its parent, not to it. */
	if (from_process && si->si_pid == child)
		return;
	if (si->si_code == SI_QUEUE)
		(void)sigqueue(child, sig, si->si_value);
	else
		(void)kill(child, sig);
}

static int
wait_for(pid_t child, const sigset_t *set)
{
	for (;;) {
		siginfo_t si;
		int status;
		pid_t got = waitpid(child, &status, WNOHANG | WUNTRACED);

		if (got == child && WIFSTOPPED(status)) {
			if (is_terminal_stop(WSTOPSIG(status)))
				stop_like(WSTOPSIG(status), child);
		} else if (got == child) {
			return status;
		} else if (sigwaitinfo(set, &si) > 0) {
			pass_on(&si, child);
		}
	}
}

int
oh_child_run(char *const *argv, pid_t *ret_pid, int *ret_status)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL }, chld_before;
	sigset_t set, mask_before;
	int fds[2], error = 0;

	*ret_pid = -1;
	if (pipe2(fds, O_CLOEXEC) != 0)
		return errno;
	set_to_wait_for(&set);
	(void)sigprocmask(SIG_BLOCK, &set, &mask_before);
	/* Where SIGCHLD is ignored, the kernel takes the status away. */
	(void)sigaction(SIGCHLD, &dfl, &chld_before);
	*ret_pid = fork();
	if (*ret_pid < 0) {
		error = errno;
		(void)close(fds[0]);
		(void)close(fds[1]);
		(void)sigprocmask(SIG_SETMASK, &mask_before, NULL);
		return error;
	}
	if (*ret_pid == 0) {
		(void)sigaction(SIGCHLD, &chld_before, NULL);
		(void)signal(SIGPIPE, sigpipe_before);
		(void)sigprocmask(SIG_SETMASK, &mask_before, NULL);
		(void)execvp(argv[0], argv);
		error = errno;
		(void)!write(fds[1], &error, sizeof(error));
		_exit(127);
	}
	(void)close(fds[1]);
	close_reading_end(fds[0], &error);
	/* The signals stay blocked: one that came too late for the child must not end us. */
	*ret_status = wait_for(*ret_pid, &set);
	return error;
}

int
oh_child_exit_code(int status)
{
	struct rlimit none = { 0, 0 };
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t one;
	int sig;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	/* The child has left its core file if it was to; ours would tell nothing. */
	sig = WTERMSIG(status);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)sigaction(sig, &dfl, NULL);
	(void)sigemptyset(&one);
	(void)sigaddset(&one, sig);
	(void)raise(sig);
	(void)sigprocmask(SIG_UNBLOCK, &one, NULL);
	return 128 + sig;
}
