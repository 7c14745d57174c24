/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grow.c - a program that does what each line of its input says, and then says
 * `done LINE`:
 *
 *	grow N		N more blocks of 1,000 bytes, kept (site_grow)
 *	shrink N	free N of them
 *	churn N		allocate and free N blocks of 200 bytes (site_churn)
 *	threads N	N threads that each do `churn 100` and wait for the end
 *	fork		a child that waits for the end; `child PID`
 *	exec FILE	execute FILE without arguments
 *	truth		what a profile must show of the two sites
 */
#include <pthread.h>
#include <stdlib.h>

#include "prog.h"

static void *kept[100000];
static long grown, shrunk, churned;

SITE static void
site_grow(long n)
{
	for (; n > 0 && grown < 100000; n--)
		kept[grown++] = malloc(1000);
}

SITE static void
site_churn(long n)
{
	for (; n > 0; n--)
		free(hide(malloc(200)));
}

static void *
thread(void *arg)
{
	pthread_barrier_t *ready = arg;

	site_churn(100);
	pthread_barrier_wait(ready);
	for (;;)
		pause();
	return NULL;
}

static void
threads(long n)
{
	static pthread_barrier_t ready;
	pthread_t t;

	pthread_barrier_init(&ready, NULL, (unsigned)n + 1);
	for (long i = 0; i < n; i++)
		CHECK(pthread_create(&t, NULL, thread, &ready) == 0);
	pthread_barrier_wait(&ready);
	churned += 100 * n;
}

static int
next_line(char *to, int room)
{
	int n = 0;
	char c;

	while (n < room - 1 && read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
		to[n++] = c;
	to[n] = '\0';
	return n;
}

int
main(void)
{
	char line[512];

	say("ready");
	while (next_line(line, sizeof(line)) > 0) {
		char *arg = strchr(line, ' ');
		long n = arg != NULL ? atol(arg) : 0;

		if (strncmp(line, "grow", 4) == 0) {
			site_grow(n);
		} else if (strncmp(line, "shrink", 6) == 0) {
			for (; n > 0 && shrunk < grown; n--)
				free(kept[shrunk++]);
		} else if (strncmp(line, "churn", 5) == 0) {
			site_churn(n);
			churned += n;
		} else if (strncmp(line, "threads", 7) == 0) {
			threads(n);
		} else if (strncmp(line, "fork", 4) == 0) {
			pid_t child = fork();
			if (child == 0) {
				wait_for_eof();
				_exit(0);
			}
			say("child %d", (int)child);
		} else if (strncmp(line, "exec", 4) == 0 && arg != NULL) {
			execl(arg + 1, arg + 1, (char *)NULL);
			say("bad exec");
		} else if (strncmp(line, "truth", 5) == 0) {
			truth("site_grow", grown, 1000 * grown, grown - shrunk,
			    1000 * (grown - shrunk));
			truth("site_churn", churned, 200 * churned, 0, 0);
		} else {
			say("bad line %s", line);
		}
		say("done %s", line);
	}
	return bad_count != 0 ? 98 : 0;
}
