/* SPDX-License-Identifier: Apache-2.0 */
/*
 * empty.c - the least that a preloaded sampler can do: count bytes down in
 * thread-local storage and jump to the allocator.  Records nothing.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

static void *(*next_malloc)(size_t) = __libc_malloc;
static void *(*next_calloc)(size_t, size_t) = __libc_calloc;
static void *(*next_realloc)(void *, size_t) = __libc_realloc;
static void (*next_free)(void *) = __libc_free;

static __thread int64_t countdown __attribute__((tls_model("initial-exec"))) = INT64_MAX;

static void __attribute__((noinline, cold)) refill(void)
{
	countdown = INT64_MAX;
}

static void __attribute__((constructor)) start(void)
{
	void *p;

	if ((p = dlsym(RTLD_NEXT, "malloc")) != NULL)
		*(void **)&next_malloc = p;
	if ((p = dlsym(RTLD_NEXT, "calloc")) != NULL)
		*(void **)&next_calloc = p;
	if ((p = dlsym(RTLD_NEXT, "realloc")) != NULL)
		*(void **)&next_realloc = p;
	if ((p = dlsym(RTLD_NEXT, "free")) != NULL)
		*(void **)&next_free = p;
}

static inline void
count(size_t n)
{
	if (__builtin_expect((countdown -= (int64_t)n) < 0, 0))
		refill();
}

void *
malloc(size_t n)
{
	count(n);
	return next_malloc(n);
}

void *
calloc(size_t n, size_t m)
{
	count(n * m);
	return next_calloc(n, m);
}

void *
realloc(void *p, size_t n)
{
	count(n);
	return next_realloc(p, n);
}

void
free(void *p)
{
	next_free(p);
}
