/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slow.c - the slow halves of the fast entry points, and the entry points
 * that are rare enough to have no fast one.
 *
 * Compiled with frame pointers: a function here finds the registers of the
 * host's call in its own frame (caller_regs).  It must therefore be entered
 * directly by the host or by a jump from the entry point.
 *
 * Order: a free, and the old block of a realloc, is noted before the
 * allocator gets it, an allocation after the allocator gave it.  At no time
 * does the table hold an address that belongs to somebody else.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "core/live.h"
#include "core/profiler.h"
#include "preload/bootstrap.h"
#include "preload/hot.h"
#include "preload/next.h"

/* A frame begins with the caller's rbp and the return address. */
#define caller_regs() \
	((struct oh_regs){ .pc = (uintptr_t)__builtin_return_address(0), \
	    .sp = (uintptr_t)__builtin_frame_address(0) + 16, \
	    .fp = *(uintptr_t *)__builtin_frame_address(0) })

/* An allocation chosen by decide() has come back as `p`. */
static void *
finish(void *p, size_t n, const struct oh_regs *regs)
{
	if (OH_LIKELY(p != NULL))
		oh_profiler_record(&oh_self, p, n, regs);
	else
		oh_profiler_take_back(&oh_self, n);
	return p;
}

void *
oh_slow_malloc(size_t n)
{
	struct oh_regs regs = caller_regs();

	if (!oh_profiler_decide(&oh_self, n))
		return oh_next.malloc(n);
	return finish(oh_next.malloc(n), n, &regs);
}

void *
oh_slow_calloc(size_t n, size_t m)
{
	struct oh_regs regs = caller_regs();

	if (!oh_profiler_decide(&oh_self, n * m))
		return oh_next.calloc(n, m);
	return finish(oh_next.calloc(n, m), n * m, &regs);
}

void
oh_slow_forget(void *p)
{
	struct oh_live_record r;

	if (oh_live_remove(p, &r))
		oh_profiler_freed(&r);
}

void
oh_slow_free(void *p)
{
	if (OH_UNLIKELY(oh_bootstrap_owns(p)))
		return;
	oh_slow_forget(p);
	oh_next.free(p);
}

/* The allocator of a block from the bootstrap pool is gone: it moves. */
static void *
move_from_bootstrap(void *p, size_t n)
{
	size_t old = oh_bootstrap_size(p);
	void *q = oh_next.malloc(n);

	if (q != NULL)
		memcpy(q, p, old < n ? old : n);
	return q;
}

static void *
resize(void *p, size_t n, bool chosen, const struct oh_regs *regs)
{
	struct oh_live_record old;
	bool had = false;
	void *q;

	if (OH_UNLIKELY(oh_bootstrap_owns(p))) {
		q = move_from_bootstrap(p, n);
	} else {
		had = oh_live_maybe(p) && oh_live_remove(p, &old);
		q = oh_next.realloc(p, n);
		/* No block: freed if nothing was asked for, else untouched. */
		if (q == NULL && had && n != 0)
			oh_profiler_restore(p, &old);
		else if (had)
			oh_profiler_freed(&old);
	}
	return chosen ? finish(q, n, regs) : q;
}

void *
oh_slow_realloc(void *p, size_t n)
{
	struct oh_regs regs = caller_regs();

	return resize(p, n, oh_profiler_decide(&oh_self, n), &regs);
}

/* Count an allocation outside the fast path.  Returns whether to record it. */
static bool
count(size_t n)
{
	if (oh_hot_spent(n))
		return oh_profiler_decide(&oh_self, n);
	oh_self.calls++;
	return false;
}

void *
oh_slow_realloc_tracked(void *p, size_t n)
{
	struct oh_regs regs = caller_regs();

	return resize(p, n, count(n), &regs);
}

/* ---- C++ operators of an allocator that does not call malloc for them ------------ */

/*
 * They may throw, and then nothing was allocated: the bytes are given back
 * first and counted when the operator has returned.
 */
void *
oh_slow_new(size_t n, void *fn)
{
	struct oh_regs regs = caller_regs();

	oh_profiler_give_back(&oh_self, n);
	void *p = ((void *(*)(size_t))fn)(n);
	return count(n) ? finish(p, n, &regs) : p;
}

void *
oh_slow_new_aligned(size_t n, size_t align, void *fn)
{
	struct oh_regs regs = caller_regs();

	oh_profiler_give_back(&oh_self, n);
	void *p = ((void *(*)(size_t, size_t))fn)(n, align);
	return count(n) ? finish(p, n, &regs) : p;
}

void *
oh_slow_new_nothrow(size_t n, const void *tag, void *fn)
{
	struct oh_regs regs = caller_regs();
	bool chosen = oh_profiler_decide(&oh_self, n);
	void *p = ((void *(*)(size_t, const void *))fn)(n, tag);

	return chosen ? finish(p, n, &regs) : p;
}

void *
oh_slow_new_aligned_nothrow(size_t n, size_t align, const void *tag, void *fn)
{
	struct oh_regs regs = caller_regs();
	bool chosen = oh_profiler_decide(&oh_self, n);
	void *p = ((void *(*)(size_t, size_t, const void *))fn)(n, align, tag);

	return chosen ? finish(p, n, &regs) : p;
}

/* ---- rare entry points ----------------------------------------------------------- */

/*
 * An allocator may serve one of these by another that comes back to us; what
 * happens inside is then not counted a second time.
 */
struct muted {
	uint64_t countdown, calls;
};

static struct muted
mute(void)
{
	oh_self.busy++;
	return (struct muted){ .countdown = oh_self.countdown, .calls = oh_self.calls };
}

static void
unmute(const struct muted *m)
{
	oh_self.countdown = m->countdown;
	oh_self.calls = m->calls;
	oh_self.busy--;
}

#define SERVE(result, call) \
	do { \
		struct muted m = mute(); \
		(result) = (call); \
		unmute(&m); \
	} while (0)

OH_EXPORT int
posix_memalign(void **out, size_t align, size_t n)
{
	struct oh_regs regs = caller_regs();
	bool chosen = count(n);
	int err;

	SERVE(err, oh_next.posix_memalign(out, align, n));
	if (chosen)
		(void)finish(err == 0 ? *out : NULL, n, &regs);
	return err;
}

/* Those that return the block: (params) as declared, (args) as handed on, of n bytes. */
#define SERVED(name, params, args) \
	OH_EXPORT void *name params \
	{ \
		struct oh_regs regs = caller_regs(); \
		bool chosen = count(n); \
		void *p; \
\
		SERVE(p, oh_next.name args); \
		return chosen ? finish(p, n, &regs) : p; \
	}

SERVED(aligned_alloc, (size_t align, size_t n), (align, n))
SERVED(memalign, (size_t align, size_t n), (align, n))
SERVED(valloc, (size_t n), (n))
SERVED(pvalloc, (size_t n), (n))

/*
 * Served by realloc: not every allocator has it, and one that lacks it must
 * not get glibc's.
 */
OH_EXPORT void *
reallocarray(void *p, size_t n, size_t m)
{
	struct oh_regs regs = caller_regs();
	size_t total;

	if (__builtin_mul_overflow(n, m, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	if (OH_UNLIKELY(oh_next_shadowed()))
		return oh_outer.realloc(p, total);
	return resize(p, total, count(total), &regs);
}

/*
 * C23 (and, cfree, older than C): the size is a hint that any allocator may do
 * without, and few have these.
 */
OH_EXPORT void free_sized(void *p, size_t n);
OH_EXPORT void free_aligned_sized(void *p, size_t align, size_t n);
OH_EXPORT void cfree(void *p);

static void
free_outer(void *p)
{
	if (OH_UNLIKELY(oh_next_shadowed()))
		oh_outer.free(p);
	else
		oh_slow_free(p);
}

OH_EXPORT void
free_sized(void *p, size_t n)
{
	(void)n;
	free_outer(p);
}

OH_EXPORT void
free_aligned_sized(void *p, size_t align, size_t n)
{
	(void)align;
	(void)n;
	free_outer(p);
}

OH_EXPORT void
cfree(void *p)
{
	free_outer(p);
}
