/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start.c N PROGRAM PRELOAD... - start and end PROGRAM N times with each
 * LD_PRELOAD in turn ("-" for none); prints the median of each in milliseconds.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static int
order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

int
main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	int n = atoi(argv[1]), kinds = argc - 3;
	double *ms = calloc((size_t)n * (size_t)kinds, sizeof(*ms));
	char *args[] = { argv[2], NULL };

	for (int i = 0; i < n * kinds; i++) {
		const char *preload = argv[3 + i % kinds];
		pid_t pid;
		int status;
		if (strcmp(preload, "-") == 0)
			(void)unsetenv("LD_PRELOAD");
		else
			(void)setenv("LD_PRELOAD", preload, 1);
		double start = now_ms();
		if (posix_spawn(&pid, argv[2], NULL, NULL, args, environ) != 0 ||
		    waitpid(pid, &status, 0) != pid)
			return 1;
		ms[i % kinds * n + i / kinds] = now_ms() - start;
	}
	for (int k = 0; k < kinds; k++) {
		qsort(ms + k * n, (size_t)n, sizeof(*ms), order);
		printf("%s %.3f\n", argv[3 + k], ms[k * n + n / 2]);
	}
	return 0;
}
