/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan.c MIB TURNS - how long does a fork, and how long a leak check, hold up a
 * program with MIB of live memory?
 *
 * One thread does what needs the page tables all the time (maps, writes and
 * unmaps a page) and notes its longest turn, while
 *	quiet	nothing happens
 *	fork	another thread forks a child that ends at once
 *	check	the library is asked for a leak check, and answers
 * Prints for each `NAME MICROSECONDS`, TURNS times.  `check` needs the library
 * and BENCH_DUMP, the profile it will write.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void *volatile list;
static atomic_int stop;
static const char *file;

static double
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void *
work(void *arg)
{
	double *longest = arg, before = now_us(), now;

	while (!stop) {
		char *p =
		    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			abort();
		*p = 1;
		munmap(p, 4096);
		now = now_us();
		if (now - before > *longest)
			*longest = now - before;
		before = now;
	}
	return NULL;
}

static void
be_quiet(void)
{
	usleep(300000);
}

static void
make_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
}

static void
ask_for_check(void)
{
	unlink(file);
	sigqueue(getpid(), SIGUSR2, (union sigval){ .sival_int = 4 });
	while (access(file, F_OK) != 0)
		usleep(1000);
}

static void
measure(const char *name, void (*fn)(void))
{
	double longest = 0;
	pthread_t t;

	stop = 0;
	if (pthread_create(&t, NULL, work, &longest) != 0)
		abort();
	usleep(20000);
	fn();
	stop = 1;
	pthread_join(t, NULL);
	printf("%s %.0f\n", name, longest);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	long mib = argc > 1 ? atol(argv[1]) : 64;
	int turns = argc > 2 ? atoi(argv[2]) : 3;

	file = getenv("BENCH_DUMP");
	for (long i = 0; i < mib * 262; i++) {
		void **p = malloc(4000);
		for (int k = 1; k < 500; k++)
			p[k] = (void *)(i * 500 + k);
		p[0] = list;
		list = p;
	}
	for (int i = 0; i < turns; i++) {
		measure("quiet", be_quiet);
		measure("fork", make_fork);
		if (file != NULL)
			measure("check", ask_for_check);
	}
	return 0;
}
