/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blocks.h - what the programs that lose blocks have in common.
 *
 * Lines `class FUNCTION CLASS OBJECTS` say what a leak check at exit must find,
 * CLASS being lost, interior, indirect or reached.
 */
#ifndef OTHEAP_TESTS_BLOCKS_H
#define OTHEAP_TESTS_BLOCKS_H

#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "prog.h"

/*
 * No size but the large ones is such that the header of the block behind it,
 * to which the allocator points, would lie in this one or right behind it.
 */
#define SIZE 92
#define MASK ((uintptr_t)0x5a5a5a5a5a5a5a5a)
#define MAP ((size_t)1 << 20)

#define ALLOCATE(name, size) \
	static SITE void *name(void) \
	{ \
		void *p = hide(malloc(size)); \
		memset(p, 0, size); \
		return hide(p); \
	}

static inline void class(const char *function, const char *name, int objects)
{
	say("class %s %s %d", function, name, objects);
}

/* Make sure that neither registers nor the stack below keep old pointers. */
static SITE void
scrub(void)
{
	volatile char old[64 * 1024];

	for (size_t i = 0; i < sizeof(old); i++)
		old[i] = 0;
	__asm__ volatile("xorl %%ebx, %%ebx\n\txorl %%r12d, %%r12d\n\txorl %%r13d, %%r13d\n\t"
			 "xorl %%r14d, %%r14d\n\txorl %%r15d, %%r15d\n\t" ::
			     : "rbx", "r12", "r13", "r14", "r15", "memory");
}

/* Memory of its own, where pointers are kept. */
static SITE void **
map(size_t size, int flags, int fd)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* Names in a folder that contain `with`; -1 = there is no such folder. */
static SITE int
entries(const char *folder, const char *with)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	int n = 0;

	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.' && strstr(e->d_name, with) != NULL;
	closedir(d);
	return n;
}

static inline int
profiles(void)
{
	return entries(getenv("OTHEAP_DIR"), ".pb.gz");
}

/* Ask the library for a leak check, by the dump signal. */
static inline void
ask_for_check(void)
{
	CHECK(sigqueue(getpid(), SIGUSR2, (union sigval){ .sival_int = 4 }) == 0);
}

#endif
