/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot.c - malloc, calloc, realloc, free: entry points of the fast path.
 *
 * Six instructions each for malloc and free beside the jump to the allocator,
 * which runs as if it had been called directly: no frame of ours is on the
 * stack.  Compiled with -O2 whatever CFLAGS say, for the jumps' sake.
 *
 * A free is noted before the block goes back to the allocator: afterwards
 * another thread may own the address.
 */
#include <malloc.h>
#include <stdlib.h>

#include "core/live.h"
#include "preload/hot.h"
#include "preload/next.h"

OH_EXPORT void *
malloc(size_t n)
{
	if (oh_hot_spent(n))
		return oh_slow_malloc(n);
	oh_self.calls++;
	return oh_next.malloc(n);
}

OH_EXPORT void *
calloc(size_t n, size_t m)
{
	size_t total;

	/* What overflows is refused by the allocator, and counts as nothing. */
	if (OH_UNLIKELY(__builtin_mul_overflow(n, m, &total)))
		return oh_next.calloc(n, m);
	if (oh_hot_spent(total))
		return oh_slow_calloc(n, m);
	oh_self.calls++;
	return oh_next.calloc(n, m);
}

OH_EXPORT void *
realloc(void *p, size_t n)
{
	if (OH_UNLIKELY(oh_live_maybe(p)))
		return oh_slow_realloc_tracked(p, n);
	if (oh_hot_spent(n))
		return oh_slow_realloc(p, n);
	oh_self.calls++;
	return oh_next.realloc(p, n);
}

OH_EXPORT void
free(void *p)
{
	if (OH_UNLIKELY(oh_live_maybe(p))) {
		oh_slow_free(p);
		return;
	}
	oh_next.free(p);
}

OH_EXPORT size_t
malloc_usable_size(void *p)
{
	return oh_usable_size(p);
}
