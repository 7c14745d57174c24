/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.c - a program that looks around itself until its input ends.
 *
 * It allocates, opens and closes files, waits for children, and says `bad` when
 * something is not as it would be if it were alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "prog.h"

static volatile sig_atomic_t children;

static void
on_child(int sig)
{
	(void)sig;
	children++;
}

SITE static void
site_watch(void)
{
	for (int i = 0; i < 100; i++)
		free(hide(malloc(100 + (size_t)i)));
}

int
main(int argc, char **argv)
{
	/* `plain`: wait as programs do; else for children of all kinds. */
	int all = argc > 1 && strcmp(argv[1], "plain") == 0 ? 0 : __WALL;
	struct pollfd in = { .fd = 0, .events = POLLIN };
	int lowest = open("/dev/null", O_RDONLY);
	char cwd[4096], now[4096];
	sigset_t before, after;
	mode_t mask = umask(022);
	long rounds = 0;

	CHECK(getcwd(cwd, sizeof(cwd)) != NULL);
	signal(SIGCHLD, on_child);
	(void)close(lowest);
	sigprocmask(SIG_SETMASK, NULL, &before);
	say("ready");
	do {
		int fds[2], a = open("/dev/null", O_RDONLY);
		CHECK(a == lowest);
		CHECK(pipe(fds) == 0 && fds[0] == lowest + 1 && fds[1] == lowest + 2);
		site_watch();
		/* The other end of a pipe is nobody's but ours. */
		char c;
		CHECK(close(fds[1]) == 0 && read(fds[0], &c, 1) == 0);
		CHECK(close(fds[0]) == 0 && close(a) == 0);
		CHECK(waitpid(-1, NULL, WNOHANG | all) == -1 && errno == ECHILD);
		CHECK(getcwd(now, sizeof(now)) != NULL && strcmp(cwd, now) == 0);
		CHECK(umask(022) == 022);
		sigprocmask(SIG_SETMASK, NULL, &after);
		CHECK(memcmp(&before, &after, sizeof(after)) == 0);
		CHECK(children == 0);
		/* A system call that a signal interrupts goes on, or says so. */
		struct timespec t = { .tv_nsec = 100000 };
		CHECK(nanosleep(&t, NULL) == 0 || errno == EINTR);
		rounds++;
	} while (poll(&in, 1, 0) == 0 || (in.revents & POLLHUP) == 0);
	umask(mask);
	CHECK(rounds > 0);
	return bad_count != 0;
}
