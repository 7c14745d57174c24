/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scratch.c - memory for one dump: grab, use, release all at once.
 *
 * Shape	chunk = { next, size } payload...; newest first.  A request larger
 *	than a standard chunk gets a chunk of its own size.
 */
#include "core/scratch.h"

#include <sys/mman.h>

#include "core/base.h"
#include "core/sys.h"

#define CHUNK_BYTES (256u * 1024)
#define PAGE 4096u

struct chunk {
	struct chunk *next;
	size_t size_bytes;
};

void *
oh_scratch_alloc(struct oh_scratch *s, size_t bytes)
{
	size_t need;

	if (bytes > SIZE_MAX / 2)
		return NULL;
	bytes = (bytes + 15) & ~(size_t)15;
	if (s->chunks == NULL || s->size_bytes - s->used_bytes < bytes) {
		need = bytes + sizeof(struct chunk);
		need = need < CHUNK_BYTES ? CHUNK_BYTES : (need + PAGE - 1) & ~(size_t)(PAGE - 1);
		long p = oh_sys_map(need, PROT_READ | PROT_WRITE, 0);
		if (oh_sys_failed(p))
			return NULL;
		struct chunk *c = (struct chunk *)p;
		c->next = s->chunks;
		c->size_bytes = need;
		s->chunks = c;
		s->used_bytes = sizeof(*c);
		s->size_bytes = need;
		s->total_bytes += need;
	}
	void *ret = (char *)s->chunks + s->used_bytes;
	s->used_bytes += bytes;
	return ret;
}

void *
oh_scratch_array(struct oh_scratch *s, size_t count, size_t bytes)
{
	size_t total;

	if (__builtin_mul_overflow(count, bytes, &total))
		return NULL;
	return oh_scratch_alloc(s, total);
}

void
oh_scratch_release(struct oh_scratch *s)
{
	struct chunk *c = s->chunks;

	while (c != NULL) {
		struct chunk *next = c->next;
		(void)oh_sys_unmap(c, c->size_bytes);
		c = next;
	}
	*s = (struct oh_scratch)OH_SCRATCH_INIT;
}
