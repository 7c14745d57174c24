/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold.c - a program that waits: `hold [STEP...]`, then until its input ends.
 *
 * Steps, in order:
 *	alloc		100 blocks of 1,000 bytes, kept (site_hold)
 *	own SIG		install a handler, which says `handled SIG`
 *	old SIG		the same with signal(2)
 *	default SIG	set the default action
 *	block SIG	block it; unblocked when the input ends
 *	query SIG	say what sigaction and signal know: `SIG default|ignore|other`
 *	busy		allocate and free for ever in a second thread
 *	title		write over the environment, as programs do that show what they do in ps
 *	daemon		go to / and make a new session
 *	close		close every descriptor above 2
 *	quiet-exit	end by _exit instead of return
 *	exit N		with this status
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "prog.h"

static void *kept[100];

SITE static void
site_hold(void)
{
	for (int i = 0; i < 100; i++)
		kept[i] = malloc(1000);
}

static void
handler(int sig)
{
	say("handled %d", sig);
}

static void *
busy(void *arg)
{
	for (unsigned n = 1;; n = n * 1103515245 + 12345)
		free(hide(malloc(n >> 20)));
	return arg;
}

static const char *
kind(void (*h)(int))
{
	return h == SIG_DFL ? "default" : h == SIG_IGN ? "ignore" : "other";
}

int
main(int argc, char **argv)
{
	int status = 0, fast = 0;
	sigset_t blocked;

	sigemptyset(&blocked);
	for (int i = 1; i < argc; i++) {
		const char *step = argv[i];
		int sig = i + 1 < argc ? atoi(argv[i + 1]) : 0;
		struct sigaction sa;
		memset(&sa, 0, sizeof(sa));
		sa.sa_handler = handler;
		if (strcmp(step, "alloc") == 0) {
			site_hold();
		} else if (strcmp(step, "own") == 0) {
			CHECK(sigaction(sig, &sa, NULL) == 0);
			i++;
		} else if (strcmp(step, "old") == 0) {
			say("%d %s", sig, kind(signal(sig, handler)));
			i++;
		} else if (strcmp(step, "default") == 0) {
			say("%d %s", sig, kind(signal(sig, SIG_DFL)));
			i++;
		} else if (strcmp(step, "block") == 0) {
			sigaddset(&blocked, sig);
			sigprocmask(SIG_BLOCK, &blocked, NULL);
			i++;
		} else if (strcmp(step, "query") == 0) {
			CHECK(sigaction(sig, NULL, &sa) == 0);
			say("%d %s", sig, kind(sa.sa_handler));
			CHECK((sa.sa_flags & SA_SIGINFO) == 0);
			if (sa.sa_handler == SIG_DFL || sa.sa_handler == SIG_IGN)
				say("%d %s again", sig, kind(signal(sig, sa.sa_handler)));
			i++;
		} else if (strcmp(step, "busy") == 0) {
			pthread_t t;
			CHECK(pthread_create(&t, NULL, busy, NULL) == 0);
		} else if (strcmp(step, "title") == 0) {
			for (char **e = environ; *e != NULL; e++)
				memset(*e, ' ', strlen(*e));
		} else if (strcmp(step, "daemon") == 0) {
			CHECK(chdir("/") == 0);
			(void)setsid();
		} else if (strcmp(step, "close") == 0) {
			for (int fd = 3; fd < 1024; fd++)
				(void)close(fd);
		} else if (strcmp(step, "quiet-exit") == 0) {
			fast = 1;
		} else if (strcmp(step, "exit") == 0) {
			status = sig;
			i++;
		} else {
			say("bad step %s", step);
		}
	}
	say("ready");
	wait_for_eof();
	sigprocmask(SIG_UNBLOCK, &blocked, NULL);
	say("ending");
	if (fast)
		_exit(status);
	return bad_count != 0 ? 98 : status;
}
