/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wrapper.c - what many tools preload: malloc and free that count and then call
 * the next definition.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

static void *(*next_malloc)(size_t);
static void *(*next_realloc)(void *, size_t);
static void (*next_free)(void *);
long wrapper_calls;

static void
find(void)
{
	*(void **)&next_malloc = dlsym(RTLD_NEXT, "malloc");
	*(void **)&next_realloc = dlsym(RTLD_NEXT, "realloc");
	*(void **)&next_free = dlsym(RTLD_NEXT, "free");
}

void *
malloc(size_t n)
{
	if (next_malloc == NULL)
		find();
	wrapper_calls++;
	return next_malloc(n);
}

void *
realloc(void *p, size_t n)
{
	if (next_malloc == NULL)
		find();
	return next_realloc(p, n);
}

void
free(void *p)
{
	if (next_malloc == NULL)
		find();
	next_free(p);
}
