/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ownmalloc.c - an allocator of the simplest kind, to link into a program.
 *
 * It lacks what such allocators lack: reallocarray, posix_memalign, valloc...
 * A block that is not its own ends the program.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char pool[64 << 20] __attribute__((aligned(64)));
static size_t used;
long own_calls;

static void
own(void *p)
{
	static const char text[] = "bad block given to the program's own malloc\n";

	if ((char *)p >= pool && (char *)p < pool + sizeof(pool))
		return;
	(void)!write(1, text, sizeof(text) - 1);
	_exit(97);
}

void *
malloc(size_t n)
{
	__atomic_fetch_add(&own_calls, 1, __ATOMIC_RELAXED);
	if (n > sizeof(pool) / 2) {
		errno = ENOMEM;
		return NULL;
	}
	size_t at = __atomic_fetch_add(&used, (n + 31) & ~(size_t)15, __ATOMIC_RELAXED);
	if (at + n + 32 > sizeof(pool)) {
		errno = ENOMEM;
		return NULL;
	}
	*(size_t *)(void *)(pool + at) = n;
	return pool + at + 16;
}

void
free(void *p)
{
	if (p != NULL)
		own(p);
}

void *
calloc(size_t n, size_t m)
{
	size_t total;

	if (__builtin_mul_overflow(n, m, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return malloc(total); /* never used before */
}

void *
realloc(void *p, size_t n)
{
	void *q = malloc(n);

	if (p != NULL && q != NULL) {
		own(p);
		size_t old = *(size_t *)(void *)((char *)p - 16);
		memcpy(q, p, old < n ? old : n);
	}
	return q;
}
