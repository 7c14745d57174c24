/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pair.c N [DEPTH] - N pairs of malloc(64) and free, called DEPTH frames deep;
 * prints the nanoseconds of CPU time per pair.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void *volatile escape;

static double
now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double __attribute__((noinline)) pairs(long n)
{
	double start = now_ns();

	for (long i = 0; i < n; i++) {
		escape = malloc(64);
		free(escape);
	}
	return (now_ns() - start) / (double)n;
}

static double __attribute__((noinline)) deep(long n, int depth)
{
	volatile double r = depth <= 1 ? pairs(n) : deep(n, depth - 1);

	return r;
}

int
main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 1000;
	int depth = argc > 2 ? atoi(argv[2]) : 1;

	(void)deep(n > 1000 ? 1000 : 10, depth); /* warm */
	double ns = deep(n, depth);
	(void)fprintf(stderr, "%.2f\n", ns);
	return 0;
}
