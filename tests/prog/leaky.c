/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leaky.c - a program with traffic, caches and, if asked, a leak.
 *
 *   leaky KIND BYTES TIMES
 *
 * KIND is what becomes of the blocks of leak_here(), BYTES in all: `none` does not
 * make any, `lost` forgets them, `kept` keeps them in a list that only grows, `among`
 * does so with one of 50 that it makes.
 *
 * KIND with `child-` before it does it in a child, as a server that goes into the background;
 * it is forked after one more line of input.
 *
 * Each of TIMES lines of standard input is a time in milliseconds to work for;
 * `done N` is said after it.  The leak goes by the clock, so that a machine that
 * stops for a while does not change its course.  Traffic, a cache of fixed size and
 * buffers run beside it all the time.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "prog.h"

#define LEAK_SIZE 1000
#define CACHE_ENTRIES 2000
#define CACHE_SIZE 512

struct kept {
	struct kept *next;
};

static struct kept *list;
static void *cache[CACHE_ENTRIES];
static uint64_t state = 88172645463325252;

static uint64_t
next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static double
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

SITE void *
leak_here(void)
{
	return hide(malloc(LEAK_SIZE));
}

SITE void
traffic_here(void)
{
	void *some[50];

	for (int i = 0; i < 50; i++)
		some[i] = hide(malloc(100 + (size_t)(next_random() % 4000)));
	for (int i = 0; i < 50; i++)
		free(some[i]);
}

SITE void
cache_here(void)
{
	void **entry = &cache[next_random() % CACHE_ENTRIES];

	free(*entry);
	*entry = hide(malloc(CACHE_SIZE));
}

SITE void
buffer_here(void)
{
	free(hide(malloc((size_t)1 << (16 + next_random() % 4))));
}

int
main(int argc, char **argv)
{
	long blocks, leaked = 0, times, made = 1;
	bool keep;
	char line[32];

	if (argc != 4)
		return 2;
	if (strncmp(argv[1], "child-", 6) == 0) {
		int status = 0;

		if (fgets(line, sizeof(line), stdin) == NULL)
			return 2;
		if (fork() > 0)
			return wait(&status) > 0 && status == 0 ? 0 : 1;
		argv[1] += 6;
	}
	if (strcmp(argv[1], "among") == 0)
		made = 50;
	keep = made > 1 || strcmp(argv[1], "kept") == 0;
	blocks = strcmp(argv[1], "none") == 0 ? 0 : atol(argv[2]) / LEAK_SIZE;
	times = atol(argv[3]);
	/* The first turn is there to fill the cache, by the same calls. */
	for (long begun = -1; begun < 0 || fgets(line, sizeof(line), stdin) != NULL; begun++) {
		double length = begun < 0 ? 1 : atof(line), start = now_ms(), share;

		do {
			share = fmin((now_ms() - start) / length, 1);
			for (double due = (double)blocks * ((double)begun + share) / (double)times;
			     (double)leaked < due; leaked++) {
				for (long i = 0; i < made; i++) {
					struct kept *k = leak_here();

					if (i > 0) {
						free(k);
					} else if (keep) {
						k->next = list;
						list = k;
					}
				}
			}
			for (int i = begun < 0 ? 20 * CACHE_ENTRIES : 1; i > 0; i--)
				cache_here();
			traffic_here();
			buffer_here();
			(void)nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
		} while (share < 1);
		if (begun < 0)
			say("ready");
		else
			say("done %ld", begun + 1);
	}
	return 0;
}
