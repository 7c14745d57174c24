/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.c live N          N blocks of 4 KiB from some 640 call stacks, kept
 * mem.c distinct N      the same, each from a call stack of its own
 * mem.c threads N       N threads that each allocate, all alive at once
 *
 * Prints `rss KIB` and, where USR2 brings a profile (its name is in BENCH_DUMP),
 * `dump MILLISECONDS BYTES PEAK_KIB`.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096

static void *volatile escape;
static void **kept;
static long kept_count;
static pthread_barrier_t all_here, may_go;

static long
status_kib(const char *key)
{
	char line[256];
	long v = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			v = atol(line + strlen(key));
	if (f != NULL)
		(void)fclose(f);
	return v;
}

static double
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

#define LEAF(n) \
	static void __attribute__((noinline)) leaf##n(void) \
	{ \
		kept[kept_count++] = malloc(BLOCK); \
	}
LEAF(0);
LEAF(1);
LEAF(2);
LEAF(3);
LEAF(4);
LEAF(5);
LEAF(6);
LEAF(7);

static void (*const leaves[])(void) = { leaf0, leaf1, leaf2, leaf3, leaf4, leaf5, leaf6, leaf7 };

static int __attribute__((noinline)) down(int depth, unsigned which)
{
	volatile int r;

	if (depth == 0) {
		leaves[which % 8]();
		return 0;
	}
	r = down(depth - 1, which) + 1;
	return r;
}

/* A path of 20 calls that spells `bits`. */
static int right(int left_over, unsigned long bits);

static int __attribute__((noinline)) left(int left_over, unsigned long bits)
{
	volatile int r = 0;

	if (left_over == 0)
		leaf0();
	else if (bits & 1)
		r = right(left_over - 1, bits >> 1);
	else
		r = left(left_over - 1, bits >> 1);
	return r + 1;
}

static int __attribute__((noinline)) right(int left_over, unsigned long bits)
{
	volatile int r = 1;

	if (left_over == 0)
		leaf1();
	else if (bits & 1)
		r = right(left_over - 1, bits >> 1);
	else
		r = left(left_over - 1, bits >> 1);
	return r + 2;
}

static void *
thread(void *arg)
{
	void *p = NULL;

	(void)arg;
	for (int i = 0; i < 8; i++) {
		p = malloc(BLOCK);
		escape = p;
		if (i < 7)
			free(p);
	}
	(void)pthread_barrier_wait(&all_here);
	(void)pthread_barrier_wait(&may_go);
	free(p);
	return NULL;
}

static void
dump(const char *file)
{
	struct stat st;
	double start = now_ms();

	(void)unlink(file);
	(void)raise(SIGUSR2);
	while (stat(file, &st) != 0) {
		if (now_ms() - start > 60e3)
			return;
		(void)usleep(100);
	}
	printf("dump %.2f %ld %ld\n", now_ms() - start, (long)st.st_size, status_kib("VmHWM:"));
}

int
main(int argc, char **argv)
{
	long n = argc == 3 ? atol(argv[2]) : 0;
	const char *file = getenv("BENCH_DUMP");

	if (n <= 0)
		return 2;
	if (strcmp(argv[1], "threads") != 0) {
		int distinct = strcmp(argv[1], "distinct") == 0;
		kept = calloc((size_t)n, sizeof(*kept));
		for (long i = 0; i < n; i++)
			(void)(distinct ? left(20, (unsigned long)i)
					: down((int)(i / 8 % 80), (unsigned)i));
		printf("rss %ld\n", status_kib("VmRSS:"));
	} else {
		pthread_t *id = calloc((size_t)n, sizeof(*id));
		pthread_attr_t attr;
		(void)pthread_attr_init(&attr);
		(void)pthread_attr_setstacksize(&attr, 65536);
		(void)pthread_barrier_init(&all_here, NULL, (unsigned)n + 1);
		(void)pthread_barrier_init(&may_go, NULL, (unsigned)n + 1);
		for (long i = 0; i < n; i++)
			if (pthread_create(&id[i], &attr, thread, NULL) != 0)
				return 1;
		(void)pthread_barrier_wait(&all_here);
		printf("rss %ld\n", status_kib("VmRSS:"));
		if (file != NULL)
			dump(file);
		(void)pthread_barrier_wait(&may_go);
		for (long i = 0; i < n; i++)
			(void)pthread_join(id[i], NULL);
		return 0;
	}
	if (file != NULL)
		dump(file);
	return 0;
}
