// SPDX-License-Identifier: Apache-2.0
//
// threads.cc - `threads HOW N BLOCKS`: N threads that allocate BLOCKS blocks each.
//
//	together	all live at once
//	churn		one after the other
//	small		PTHREAD_STACK_MIN stacks, all at once
//	own-stack	stacks that the program brings
//	keys		in destructors of thread keys, in all rounds
//	tls		in C++ thread_local destructors
//	exchange	blocks of one thread are freed by another
//
// Says how much memory it took: `rss KIB`.

#include <atomic>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "prog.h"

static long blocks;
static pthread_barrier_t barrier;
static bool wait_for_all;

extern "C" {
SITE void
site_thread(void)
{
	for (long i = 0; i < blocks; i++) {
		void *p = hide(malloc(1024));
		if (i % 2 != 0)
			free(p);
	}
}

SITE void
site_key(void)
{
	for (long i = 0; i < blocks; i++)
		hide(malloc(100));
}

SITE void
site_tls(void)
{
	for (long i = 0; i < blocks; i++)
		hide(malloc(200));
}

// Sampled with certainty at any interval below 10 MB: its weight is 1 then.
SITE void
site_large(void)
{
	hide(malloc(200000000));
}
}

static void *
allocate(void *)
{
	site_thread();
	if (wait_for_all)
		pthread_barrier_wait(&barrier);
	return nullptr;
}

static pthread_key_t keys[4];
static __thread int rounds[4];

template <int N>
static void
key_destructor(void *value)
{
	site_key();
	if (++rounds[N] < PTHREAD_DESTRUCTOR_ITERATIONS)
		pthread_setspecific(keys[N], value);
}

static void *
with_keys(void *)
{
	for (auto k : keys)
		pthread_setspecific(k, &barrier);
	return nullptr;
}

struct late {
	void *first = hide(malloc(10));
	~late()
	{
		free(first);
		site_tls();
	}
};
static thread_local late here;

static void *
with_tls(void *)
{
	hide(here.first);
	return nullptr;
}

static std::atomic<void *> shelf[64];

static void *
exchange(void *)
{
	static std::atomic<unsigned> seed;
	unsigned n = ++seed;

	for (long i = 0; i < blocks; i++) {
		n = n * 1103515245 + 12345;
		free(shelf[n >> 26].exchange(hide(malloc(n >> 16 & 1023))));
	}
	return nullptr;
}

static void
say_rss()
{
	char text[4096], *at;
	FILE *f = fopen("/proc/self/status", "r");

	size_t n = f != nullptr ? fread(text, 1, sizeof(text) - 1, f) : 0;
	text[n] = '\0';
	if ((at = strstr(text, "VmRSS:")) != nullptr)
		say("rss %d", atoi(at + 6));
	if (f != nullptr)
		fclose(f);
}

int
main(int argc, char **argv)
{
	if (argc < 4)
		return 90;
	const char *how = argv[1];
	long n = atol(argv[2]);
	blocks = atol(argv[3]);
	bool churn = strcmp(how, "churn") == 0;
	void *(*fn)(void *) = allocate;
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	if (strcmp(how, "small") == 0)
		pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN);
	if (strcmp(how, "keys") == 0) {
		// Ours was made before these, and some programs make many more.
		pthread_key_create(&keys[0], key_destructor<0>);
		pthread_key_create(&keys[1], key_destructor<1>);
		for (int i = 0; i < 100; i++) {
			pthread_key_t unused;
			pthread_key_create(&unused, nullptr);
		}
		pthread_key_create(&keys[2], key_destructor<2>);
		pthread_key_create(&keys[3], key_destructor<3>);
		fn = with_keys;
		churn = true;
	} else if (strcmp(how, "tls") == 0) {
		fn = with_tls;
		churn = true;
	} else if (strcmp(how, "exchange") == 0) {
		fn = exchange;
	} else {
		wait_for_all = !churn;
	}
	pthread_t *threads = static_cast<pthread_t *>(calloc(n + 1, sizeof(*threads)));
	pthread_barrier_init(&barrier, nullptr, n + 1);
	for (long i = 0; i < n; i++) {
		if (strcmp(how, "own-stack") == 0) {
			void *stack = mmap(nullptr, 65536, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			pthread_attr_setstack(&attr, stack, 65536);
		}
		CHECK(pthread_create(&threads[i], &attr, fn, nullptr) == 0);
		if (churn)
			pthread_join(threads[i], nullptr);
	}
	if (wait_for_all)
		pthread_barrier_wait(&barrier);
	for (long i = 0; i < n && !churn; i++)
		pthread_join(threads[i], nullptr);
	if (fn == exchange)
		for (auto &s : shelf)
			free(s.exchange(nullptr));
	site_large();
	say_rss();
	if (fn == allocate)
		truth("site_thread", n * blocks, n * blocks * 1024, n * ((blocks + 1) / 2),
		    n * ((blocks + 1) / 2) * 1024);
	else if (fn == with_keys)
		truth("site_key", n * 16 * blocks, n * 16 * blocks * 100, n * 16 * blocks,
		    n * 16 * blocks * 100);
	else if (fn == with_tls)
		truth("site_tls", n * blocks, n * blocks * 200, n * blocks, n * blocks * 200);
	truth("site_large", 1, 200000000, 1, 200000000);
	return bad_count != 0;
}
