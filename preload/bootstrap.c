/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bootstrap.c - memory for callers who arrive before the allocator is found.
 *
 * A pool that is only ever handed out; each block has its size before it.
 * Its pages are marked in the filter, so that frees find their way to the
 * slow path and from there to oh_bootstrap_owns().
 */
#include "preload/bootstrap.h"

#include <errno.h>
#include <stdint.h>

#include "core/atomic.h"
#include "core/live.h"

#define POOL_BYTES ((size_t)128 * 1024)

static char pool[POOL_BYTES] __attribute__((aligned(4096)));
static size_t used; /* relaxed: blocks are handed out once */

void *
oh_bootstrap_alloc(size_t n, size_t align)
{
	size_t at = oh_load_relaxed(&used), start;

	if (align < 16)
		align = 16;
	do {
		start = (at + sizeof(size_t) + align - 1) & ~(align - 1);
		if (align > 4096 || start > POOL_BYTES || n > POOL_BYTES - start) {
			errno = ENOMEM;
			return NULL;
		}
	} while (!oh_cas_relaxed(&used, &at, start + n));
	if (at == 0)
		oh_live_always(pool, sizeof(pool));
	*(size_t *)(void *)(pool + start - sizeof(size_t)) = n;
	return pool + start;
}

bool
oh_bootstrap_used(void)
{
	return oh_load_relaxed(&used) != 0;
}

bool
oh_bootstrap_owns(const void *p)
{
	return (uintptr_t)p - (uintptr_t)pool < POOL_BYTES;
}

size_t
oh_bootstrap_size(const void *p)
{
	return ((const size_t *)p)[-1];
}
