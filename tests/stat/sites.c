/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sites.c INTERVAL SAMPLES - allocate at sites of known sizes, keep every other
 * block, and tell the truth.
 *
 * Each site allocates so often that about SAMPLES of its blocks are sampled at
 * INTERVAL (fewer where that would take too long).  One line for each:
 *
 *	site NAME  ALLOC_OBJECTS ALLOC_BYTES LIVE_OBJECTS LIVE_BYTES
 *	           and the variance of the estimate of each, in the same order
 *
 * With p = 1 - exp(-size / interval) the probability of being sampled and the
 * weight 1 / p, one block contributes (1 - p) / p to the variance of the number
 * of objects and size^2 (1 - p) / p to that of the bytes.
 */
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_CALLS 4000000L

struct truth {
	double objects, bytes, live_objects, live_bytes;
	double var[4];
};

static double interval, wanted;
static void *volatile escape; /* no allocation is optimised away */
static char text[8192];
static size_t text_len;

static void
count(struct truth *t, size_t size, int live)
{
	double odds = interval > 1 ? 1 / expm1((double)size / interval) : 0; /* (1 - p) / p */
	double s2 = (double)size * (double)size;

	t->objects += 1;
	t->bytes += (double)size;
	t->var[0] += odds;
	t->var[1] += odds * s2;
	if (live) {
		t->live_objects += 1;
		t->live_bytes += (double)size;
		t->var[2] += odds;
		t->var[3] += odds * s2;
	}
}

static void
tell(const char *name, const struct truth *t)
{
	text_len += (size_t)snprintf(text + text_len, sizeof(text) - text_len,
	    "site %s %.0f %.0f %.0f %.0f %.9g %.9g %.9g %.9g\n", name, t->objects, t->bytes,
	    t->live_objects, t->live_bytes, t->var[0], t->var[1], t->var[2], t->var[3]);
}

static long
calls_for(double mean_size)
{
	double n = wanted / (interval > 1 ? -expm1(-mean_size / interval) : 1);

	return n > (double)MAX_CALLS ? MAX_CALLS : (long)n + 1;
}

#define SITE(size) \
	static void __attribute__((noinline)) site_##size(void) \
	{ \
		struct truth t = { 0 }; \
		long n = size >= 1 << 26 ? 4 : calls_for(size); \
		for (long i = 0; i < n; i++) { \
			void *p = malloc(size); \
			escape = p; \
			if (i % 2 == 0) \
				free(p); \
			count(&t, size, i % 2); \
		} \
		tell("site_" #size, &t); \
	}

SITE(1)
SITE(16)
SITE(100)
SITE(1000)
SITE(10000)
SITE(65536)
SITE(524288)
SITE(1048576)
SITE(4194304)
SITE(67108864)

static uint64_t state = 88172645463325252;

static size_t
between(size_t least, size_t most)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return least + state % (most - least + 1);
}

/* Sizes mixed at one site; another share of the large ones lives. */
static void __attribute__((noinline)) site_mixed_small(void)
{
	struct truth t = { 0 };
	long n = calls_for(1000) * 4;

	for (long i = 0; i < n; i++) {
		size_t size = between(1, i % 10 == 0 ? 20000 : 200);
		void *p = malloc(size);
		int live = size > 1000 ? i % 4 == 0 : i % 3 == 0;
		escape = p;
		if (!live)
			free(p);
		count(&t, size, live);
	}
	tell("site_mixed_small", &t);
}

/* Around the interval and above, where one weight is between 1 and 2. */
static void __attribute__((noinline)) site_mixed_large(void)
{
	struct truth t = { 0 };
	double least = interval > 1 ? interval / 2 : 1000;
	long n = calls_for(least * 2);

	for (long i = 0; i < n; i++) {
		size_t size = between((size_t)least, (size_t)(least * 6));
		void *p = malloc(size);
		int live = i % 3 != 0;
		escape = p;
		if (!live)
			free(p);
		count(&t, size, live);
	}
	tell("site_mixed_large", &t);
}

/* Threads that end long before their first sample is due, most of them. */
#define THREAD_CALLS 10
#define THREAD_SIZE 777

static void *__attribute__((noinline)) site_threads(void *arg)
{
	(void)arg;
	for (int i = 0; i < THREAD_CALLS; i++) {
		void *p = malloc(THREAD_SIZE);
		escape = p;
		if (i % 2 == 0)
			free(p);
	}
	return NULL;
}

static void
run_threads(void)
{
	struct truth t = { 0 };
	long n = interval > 1 ? (long)(calls_for(THREAD_SIZE) / THREAD_CALLS) : 5;

	if (n > 1000)
		n = 1000;
	for (long k = 0; k < n; k++) {
		pthread_t id;
		if (pthread_create(&id, NULL, site_threads, NULL) != 0)
			abort();
		(void)pthread_join(id, NULL);
		for (int i = 0; i < THREAD_CALLS; i++)
			count(&t, THREAD_SIZE, i % 2);
	}
	tell("site_threads", &t);
}

int
main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	interval = atof(argv[1]);
	wanted = atof(argv[2]);
	site_1();
	site_16();
	site_100();
	site_1000();
	site_10000();
	site_65536();
	site_524288();
	site_1048576();
	site_4194304();
	site_67108864();
	site_mixed_small();
	site_mixed_large();
	run_threads();
	return write(STDOUT_FILENO, text, text_len) == (ssize_t)text_len ? 0 : 1;
}
