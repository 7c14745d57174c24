/* SPDX-License-Identifier: Apache-2.0 */
/*
 * freed.c MODE - loses blocks whose only pointers are in memory that was freed,
 * and keeps others beside such memory: what a leak check must find (blocks.h).
 *
 *	shapes	 structures of many sizes, freed before what they point to
 *	thread	 the same in another thread, which waits, and one that has ended
 *	moved	 pointers in what realloc left behind
 *	beside	 pointers in live memory that looks like, or is beside, freed one
 *	many	 a thousand structures with two blocks each
 *	fork	 the same in a child, of structures that its parent made
 *	churn	 asks for checks while threads move all pointers all the time
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>

#include "blocks.h"

ALLOCATE(site_string, SIZE)
ALLOCATE(site_kept, SIZE)
ALLOCATE(site_early, SIZE)
ALLOCATE(site_moved, SIZE)

/* ---- what was freed ------------------------------------------------------------ */

static const size_t sizes[] = { 24, 40, 56, 72, 100, 120, 136, 200, 400, 632, 1000, 1032, 1500,
	2000, 5000, 70000, 140000 };
static const size_t places[] = { 0, 8, 16, 40 };
enum {
	SIZES = sizeof(sizes) / sizeof(*sizes),
	PLACES = sizeof(places) / sizeof(*places),
	EACH = 20
};

/* The blocks of one thread: no pointers to them outlive a call. */
static SITE int
free_shapes(void *volatile *keep_from_merging, void *(*string)(void))
{
	static __thread char *all[SIZES * EACH];
	int lost = 0, n = 0;

	for (size_t i = 0; i < SIZES; i++) {
		for (int k = 0; k < EACH; k++) {
			char *p = hide(malloc(sizes[i]));
			memset(p, 0, sizes[i]);
			for (size_t w = 0; w < PLACES && string != NULL; w++) {
				if (places[w] + 8 > sizes[i])
					break;
				*(void **)(void *)(p + places[w]) = string();
				lost++;
			}
			all[n++] = p;
			/* Between every other two, so that some merge and some do not. */
			if (k % 2 == 0) {
				void **live = hide(malloc(24));
				live[0] = *keep_from_merging;
				live[1] = live[2] = NULL;
				*keep_from_merging = live;
			}
		}
	}
	for (int i = 0; i < n; i++)
		free(all[i]);
	memset(all, 0, sizeof(all));
	return lost;
}

static void *volatile kept_list, *volatile kept_list_thread[2];

static SITE void
shapes(void)
{
	class("site_string", "lost", free_shapes(&kept_list, site_string));
}

static volatile int ready;

static void *
in_thread(void *arg)
{
	static int lost[2];
	int i = arg == &kept_list_thread[1];

	lost[i] = free_shapes(arg, site_string);
	scrub();
	__atomic_add_fetch(&ready, 1, __ATOMIC_RELEASE);
	while (i == 0)
		pause();
	return &lost[i];
}

static SITE void
thread(void)
{
	pthread_t a, b;
	void *lost;

	CHECK(pthread_create(&a, NULL, in_thread, (void *)&kept_list_thread[0]) == 0);
	while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) != 1)
		usleep(1000);
	CHECK(pthread_create(&b, NULL, in_thread, (void *)&kept_list_thread[1]) == 0);
	CHECK(pthread_join(b, &lost) == 0);
	class("site_string", "lost", 2 * *(int *)lost);
}

static SITE void
moved(void)
{
	static void **volatile now;

	for (size_t i = 0; i < SIZES; i++) {
		void **p = hide(malloc(sizes[i]));
		memset(p, 0, sizes[i]);
		p[1] = site_moved();
		void *wall = hide(malloc(24));
		p = hide(realloc(p, sizes[i] * 3));
		p[1] = NULL;
		p[2] = now;
		now = p;
		*(void **)wall = kept_list;
		kept_list = wall;
	}
	class("site_moved", "lost", SIZES);
}

/* The usual leak: what the structure points to is forgotten. */
static SITE void
many(void)
{
	struct person {
		void *name, *address;
		long age;
	};
	static struct person *all[1000];

	for (int i = 0; i < 1000; i++) {
		all[i] = hide(malloc(sizeof(*all[i])));
		*all[i] = (struct person){ site_string(), site_string(), i };
	}
	for (int i = 0; i < 1000; i++)
		free(all[i]);
	memset(all, 0, sizeof(all));
	class("site_string", "lost", 2000);
}

/* The parent ends as something else, so the profile is the child's. */
static SITE void
in_child(void)
{
	static char *all[1000];
	int status = 0;

	for (int i = 0; i < 1000; i++) {
		all[i] = hide(malloc(40));
		memset(all[i], 0, 40);
		*(void **)(void *)all[i] = site_string();
	}
	pid_t child = fork();
	CHECK(child >= 0);
	if (child > 0) {
		CHECK(waitpid(child, &status, 0) == child && status == 0);
		(void)execle("/bin/true", "true", NULL, (char *[]){ NULL });
		_exit(1);
	}
	for (int i = 0; i < 1000; i++)
		free(all[i]);
	memset(all, 0, sizeof(all));
	class("site_string", "lost", 1000);
	kept_list = site_kept();
	class("site_kept", "reached", 1);
}

/* ---- what was not ---------------------------------------------------------------- */

static void *volatile early;

/* Before main, and before the library if its constructors come later. */
static __attribute__((constructor)) void
before_main(void)
{
	void **p = hide(malloc(48));

	memset(p, 0, 48);
	p[0] = site_early();
	p[5] = site_early();
	early = p;
}

static void *
gives_back(void *arg)
{
	void *p[64];

	(void)arg;
	for (int i = 0; i < 64; i++)
		p[i] = hide(malloc(24 + i % 8 * 16));
	for (int i = 0; i < 64; i++)
		free(p[i]);
	return NULL;
}

/* `n` live blocks with the pointer alone: what else stood there still does. */
static SITE int
hold_in_reused(void *volatile *list, int n)
{
	for (int i = 0; i < n; i++) {
		void **p = hide(malloc(24 + (size_t)(i % 8) * 16));
		void **node = hide(malloc(48));
		p[0] = site_kept();
		p[2] = NULL;
		memset(node, 0, 48);
		node[0] = *list;
		node[5] = p;
		*list = node;
	}
	return n;
}

static void *volatile reused, *volatile pool, *volatile aligned[64], *volatile fenced;

static SITE void
beside(void)
{
	pthread_t t;
	int kept = 0;

	(void)free_shapes(&kept_list, NULL);
	/* What threads had in their caches is given back as it was. */
	for (int i = 0; i < 4; i++) {
		CHECK(
		    pthread_create(&t, NULL, gives_back, NULL) == 0 && pthread_join(t, NULL) == 0);
		kept += hold_in_reused(&reused, 100);
	}
	/* An allocator of the program's own. */
	void **m = hide(malloc(100000));
	for (int i = 0; i < 100; i++, kept++)
		m[100 * i] = site_kept();
	pool = m;
	for (int i = 0; i < 64; i++, kept++) {
		void *p = NULL;
		CHECK(posix_memalign(&p, (size_t)16 << i % 8, 40 + (size_t)i * 16) == 0);
		memset(p, 0, 40);
		*(void **)p = site_kept();
		aligned[i] = p;
	}
	/* The last word of a block is where the next chunk begins. */
	void **last = hide(malloc(104));
	memset(last, 0, 104);
	last[12] = site_kept();
	fenced = last;
	kept++;
	/* Memory that the C library took. */
	static char *line;
	size_t room = 0;
	FILE *f = fmemopen("0123456789012345678901234567890123456789\n", 41, "r");
	CHECK(f != NULL && getline(&line, &room, f) == 41 && room >= 48);
	*(void **)(void *)(line + 8) = site_kept();
	static void *volatile *stream;
	stream = hide(malloc(BUFSIZ));
	memset((void *)stream, 0, BUFSIZ);
	stream[1] = site_kept();
	CHECK(setvbuf(f, (char *)stream, _IOFBF, BUFSIZ) == 0);
	kept += 2;
	class("site_kept", "reached", kept);
	class("site_early", "reached", 2);
}

/* ---- while it changes ------------------------------------------------------------- */

enum { NODES = 3000, THREADS = 3 };

/* Each node has the only pointer to a block; all nodes are made anew all the time. */
static void *
move_on(void *arg)
{
	void **nodes = hide(calloc(NODES, sizeof(void *)));
	unsigned r = (unsigned)(uintptr_t)&arg;

	for (int i = 0; i < NODES; i++) {
		void **node = hide(calloc(1, 24 + (size_t)(i % 40) * 48));
		node[0] = site_kept();
		nodes[i] = node;
	}
	__atomic_add_fetch(&ready, 1, __ATOMIC_RELEASE);
	for (;;) {
		r = r * 1103515245 + 12345;
		unsigned i = (r >> 8) % NODES;
		void **old = nodes[i], **node = hide(malloc(24 + (r >> 20) % 40 * 48));
		node[0] = old[0];
		node[1] = node[2] = NULL;
		nodes[i] = node;
		free(old);
	}
	return NULL;
}

static SITE void
churn(void)
{
	pthread_t t;

	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t, NULL, move_on, NULL) == 0);
	while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) != THREADS)
		usleep(1000);
	for (int i = 1; i <= 5; i++) {
		ask_for_check();
		for (int k = 0; k < 2000 && profiles() < i; k++)
			usleep(10000);
		CHECK(profiles() == i);
	}
	_exit(bad_count != 0);
}

static SITE int
go(const char *mode)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} modes[] = { { "shapes", shapes }, { "thread", thread }, { "moved", moved },
		{ "many", many }, { "fork", in_child }, { "beside", beside }, { "churn", churn } };

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (strcmp(mode, modes[i].name) == 0) {
			modes[i].fn();
			scrub();
			return bad_count != 0;
		}
	}
	return 2;
}

int
main(int argc, char **argv)
{
	return argc < 2 ? 2 : go(argv[1]);
}
