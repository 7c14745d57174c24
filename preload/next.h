/* SPDX-License-Identifier: Apache-2.0 */
/*
 * next.h - the functions we stand before.
 */
#ifndef OH_PRELOAD_NEXT_H
#define OH_PRELOAD_NEXT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base.h"

/* X(return type, name, parameters): found by name behind us. */
#define OH_NEXT_LIST(X) \
	X(void *, malloc, (size_t)) \
	X(void *, calloc, (size_t, size_t)) \
	X(void *, realloc, (void *, size_t)) \
	X(void, free, (void *)) \
	X(int, posix_memalign, (void **, size_t, size_t)) \
	X(void *, aligned_alloc, (size_t, size_t)) \
	X(void *, memalign, (size_t, size_t)) \
	X(void *, valloc, (size_t)) \
	X(void *, pvalloc, (size_t)) \
	X(size_t, malloc_usable_size, (void *)) \
	X(int, dlclose, (void *)) \
	X(int, sigaction, (int, const struct sigaction *, struct sigaction *)) \
	X(sighandler_t, signal, (int, sighandler_t)) \
	X(sighandler_t, bsd_signal, (int, sighandler_t)) \
	X(sighandler_t, ssignal, (int, sighandler_t)) \
	X(sighandler_t, sysv_signal, (int, sighandler_t)) \
	X(sighandler_t, __sysv_signal, (int, sighandler_t)) \
	X(int, prctl, (int, unsigned long, unsigned long, unsigned long, unsigned long)) \
	X(long, syscall, (long, long, long, long, long, long, long)) \
	X(void, exit, (int)) \
	X(void, _exit, (int)) \
	X(void, _Exit, (int))

struct oh_next {
#define X(type, name, params) type(*name) params;
	OH_NEXT_LIST(X)
#undef X
};

/*
 * Usable at any time: before the functions are found, each entry finds them
 * all and goes on; a call that arrives while they are being looked for is
 * served from bootstrap memory.
 */
extern OH_HIDDEN struct oh_next oh_next;

/*
 * malloc_usable_size, for blocks of the allocator and of the bootstrap pool.
 * Where no block of the pool exists, as is usual, it is the allocator's own:
 * redis asks two or three times for each command.
 */
extern OH_HIDDEN size_t (*oh_usable_size)(void *);

/*
 * Who serves the program's own calls: the allocator before us, if there is
 * one, else as oh_next.  For entry points of ours that not every allocator has.
 */
struct oh_outer {
	void *(*realloc)(void *, size_t);
	void (*free)(void *);
};
extern OH_HIDDEN struct oh_outer oh_outer;

/*
 * Find them now.  Returns false while a search is under way.  The loader may
 * allocate through us meanwhile.
 */
bool oh_next_resolve(void);

/*
 * Does another malloc come before ours, so that we see only stray calls?
 * (An allocator linked into the program, or preloaded before us.)
 */
bool oh_next_shadowed(void);

/*
 * The next definition of `name` behind us; NULL if none.
 * Takes the loader's lock: at start only.
 */
void *oh_next_find(const char *name);

#endif
