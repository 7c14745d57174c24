/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hot.h - the few instructions that every allocation pays for, and the slow
 * halves behind them.
 */
#ifndef OH_PRELOAD_HOT_H
#define OH_PRELOAD_HOT_H

#include "core/base.h"
#include "core/thread.h"

/*
 * Count `n` bytes down; an empty request counts as one byte.  Returns true
 * when the countdown is used up: then the slow path decides (and must, as the
 * bytes are subtracted).  Otherwise the caller adds one to oh_self.calls.
 *
 * The compare leaves a carry exactly for n = 0, and the subtraction takes it
 * along.  The final borrow also catches sizes that no allocator can serve.
 */
static inline bool
oh_hot_spent(size_t n)
{
	bool borrow;

	__asm__("cmpq $1, %2\n\tsbbq %2, %0" : "+m"(oh_self.countdown), "=@ccc"(borrow) : "r"(n));
	return OH_UNLIKELY(borrow);
}

/*
 * The slow halves.  Each must be reached by a jump, not a call, from the entry
 * point itself: it takes the host's registers from its own frame.
 */
void *oh_slow_malloc(size_t n);
void *oh_slow_calloc(size_t n, size_t m);
void *oh_slow_realloc(void *p, size_t n);         /* bytes are subtracted */
void *oh_slow_realloc_tracked(void *p, size_t n); /* bytes are not subtracted */
void oh_slow_free(void *p);

/* C++: `fn` is the allocator's own operator (see cxx.c). */
void *oh_slow_new(size_t n, void *fn);
void *oh_slow_new_nothrow(size_t n, const void *tag, void *fn);
void *oh_slow_new_aligned(size_t n, size_t align, void *fn);
void *oh_slow_new_aligned_nothrow(size_t n, size_t align, const void *tag, void *fn);

/* Forget a block that passed the filter; nothing is freed. */
void oh_slow_forget(void *p);

#endif
