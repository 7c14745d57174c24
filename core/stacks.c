/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stacks.c - intern call stacks, and the allocation sites on each.
 *
 * Answers: "have we seen exactly this stack before, and under what id?", and
 * the same for (stack, size).  The live table carries the id of a site alone.
 *
 * Shape
 *	bucket[hash & mask] -> stack -> stack -> 0	newest first
 *	stack.sites         -> site  -> site  -> 0	newest first
 *
 * Invariants
 *	I1  An entry is complete before it is linked and never changes after,
 *	    but for its sums and the head of its sites.
 *	I2  Nothing is ever unlinked or freed.  Hence readers need no lock, no
 *	    retry and no reclamation, and an id cannot dangle.
 *	I3  Two linked entries never hold the same stack or site: whoever fails
 *	    to link because another was faster looks at the new entries first.
 *
 * Who may run with whom	intern, get, add, each: together freely.
 *
 * Memory ordering
 *	[S1] bucket head: intern() links with the release half of acq_rel;
 *	     intern() and each() read it with acquire: who sees the id sees the
 *	     entry.
 *	[S2] stack.sites: the same between oh_sites_get() and its readers.
 *	[S3] site.lives: set once with acq_rel, after the memory is zeroed; read
 *	     with acquire.
 *
 * Limits	the arena.  The loser of a race leaves its entry unlinked.
 * Sources	Push onto a list by compare-and-swap: R. K. Treiber, "Systems
 *	Programming: Coping with Parallelism", IBM RJ 5118, 1986.
 */
#include "core/stacks.h"

#include <errno.h>
#include <string.h>

#include "core/arena.h"
#include "core/atomic.h"
#include "core/layout.h"
#include "core/rng.h"

static struct oh_stack_table *tab;

int
oh_stacks_init(void)
{
	uint32_t id = oh_arena_alloc(sizeof(*tab), 64);

	if (id == 0)
		return -ENOMEM;
	tab = oh_arena_at(id);
	oh_root.stacks = id;
	return 0;
}

static uint32_t
hash_of(const oh_frame *frames, unsigned depth)
{
	uint64_t h = depth;

	for (unsigned i = 0; i < depth; i++)
		h = (h ^ frames[i]) * UINT64_C(0x9e3779b97f4a7c15) + (h >> 29);
	return (uint32_t)(oh_mix64(h) >> 32);
}

/* Look from `id` up to, not including, `end`. */
static uint32_t
find(uint32_t id, uint32_t end, uint32_t hash, const oh_frame *frames, unsigned depth)
{
	while (id != end) {
		const struct oh_stack *s = oh_arena_at(id);
		if (s->hash == hash && s->depth == depth &&
		    memcmp(s->frames, frames, depth * sizeof(*frames)) == 0)
			return id;
		id = s->next;
	}
	return 0;
}

uint32_t
oh_stacks_intern(const oh_frame *frames, unsigned depth)
{
	uint32_t hash = hash_of(frames, depth);
	uint32_t *head = &tab->bucket[hash & ((1u << OH_LG_STACK_BUCKETS) - 1)];
	uint32_t first = oh_load_acquire(head); /* [S1] */
	uint32_t id = find(first, 0, hash, frames, depth);

	if (OH_LIKELY(id != 0))
		return id;
	id = oh_arena_alloc(sizeof(struct oh_stack) + depth * sizeof(*frames), OH_ARENA_UNIT);
	if (id == 0)
		return OH_STACK_NONE;
	struct oh_stack *s = oh_arena_at(id);
	s->hash = hash;
	s->depth = depth;
	memcpy(s->frames, frames, depth * sizeof(*frames));
	for (;;) {
		uint32_t seen = first;
		s->next = first;
		if (oh_cas_acq_rel(head, &first, id)) /* [S1] */
			return id;
		uint32_t theirs = find(first, seen, hash, frames, depth);
		if (theirs != 0)
			return theirs;
	}
}

/* Eight classes to a power of two, each named by its smallest size. */
static uint64_t
class_of(uint64_t size_bytes)
{
	if (size_bytes < 16)
		return size_bytes;
	unsigned shift = 60 - (unsigned)__builtin_clzll(size_bytes); /* keep 4 bits */
	return size_bytes >> shift << shift;
}

static uint32_t
find_site(uint32_t id, uint32_t end, uint64_t key, uint32_t name, unsigned *ret_exact)
{
	while (id != end) {
		const struct oh_site *s = oh_arena_at(id);
		if (s->size_key == key && s->thread_name == name)
			return id;
		*ret_exact += (s->size_key & OH_SITE_CLASS_KEY) == 0;
		id = s->next;
	}
	return 0;
}

uint32_t
oh_sites_get(uint32_t stack, uint64_t size_bytes, uint32_t thread_name)
{
	struct oh_stack *st = oh_arena_at(stack);
	uint32_t first = oh_load_acquire(&st->sites); /* [S2] */
	uint64_t key = size_bytes;
	unsigned exact = 0;
	uint32_t id = find_site(first, 0, key, thread_name, &exact);

	if (OH_LIKELY(id != 0))
		return id;
	if (exact >= OH_SITE_SIZES) {
		key = class_of(size_bytes) | OH_SITE_CLASS_KEY;
		id = find_site(first, 0, key, thread_name, &exact);
		if (id != 0)
			return id;
	}
	id = oh_arena_alloc(sizeof(struct oh_site), OH_ARENA_UNIT);
	if (id == 0)
		return 0;
	struct oh_site *s = oh_arena_at(id);
	s->stack = stack;
	s->size_key = key;
	s->thread_name = thread_name;
	s->index = UINT32_MAX;
	for (;;) {
		uint32_t seen = first;
		s->next = first;
		/* An index that is then not used leaves a gap, which is harmless. */
		if (s->index == UINT32_MAX)
			s->index = oh_add_relaxed(&tab->site_count, 1);
		if (oh_cas_acq_rel(&st->sites, &first, id)) /* [S2] */
			return id;
		uint32_t theirs = find_site(first, seen, key, thread_name, &exact);
		if (theirs != 0)
			return theirs;
	}
}

static void
add_double(uint64_t *bits, double v)
{
	uint64_t old = oh_load_relaxed(bits), new;
	double d;

	do {
		memcpy(&d, &old, sizeof(d));
		d += v;
		memcpy(&new, &d, sizeof(d));
	} while (!oh_cas_relaxed(bits, &old, new));
}

void
oh_site_add(uint32_t site, double weight, uint64_t size_bytes)
{
	struct oh_site *s = oh_arena_at(site);

	(void)oh_add_relaxed(&s->samples, 1);
	add_double(&s->objects, weight);
	add_double(&s->bytes, weight * (double)size_bytes);
}

/* The loser of a race leaves its memory unused. */
static struct oh_lives *
lives_of(struct oh_site *s)
{
	uint32_t id = oh_load_acquire(&s->lives), none = 0; /* [S3] */

	if (OH_LIKELY(id != 0))
		return oh_arena_at(id);
	id = oh_arena_alloc(sizeof(struct oh_lives), OH_ARENA_UNIT);
	if (id == 0)
		return NULL;
	if (!oh_cas_acq_rel(&s->lives, &none, id)) /* [S3] */
		id = none;
	return oh_arena_at(id);
}

bool
oh_site_freed(uint32_t site, uint64_t life_ms)
{
	struct oh_lives *lives;
	unsigned bin;

	if (life_ms < OH_LIFE_LEAST_MS)
		return true;
	lives = lives_of(oh_arena_at(site));
	if (lives == NULL)
		return false;
	bin = 63 - (unsigned)__builtin_clzll(life_ms / OH_LIFE_LEAST_MS);
	if (bin >= OH_LIFE_BINS)
		bin = OH_LIFE_BINS - 1;
	(void)oh_add_relaxed(&lives->count[bin], 1);
	return true;
}

uint32_t
oh_sites_count(void)
{
	return oh_load_relaxed(&tab->site_count);
}

void
oh_stacks_each(void (*fn)(uint32_t id, const struct oh_stack *s, void *arg), void *arg)
{
	for (uint32_t b = 0; b < 1u << OH_LG_STACK_BUCKETS; b++) {
		uint32_t id = oh_load_acquire(&tab->bucket[b]); /* [S1] */
		while (id != 0) {
			const struct oh_stack *s = oh_arena_at(id);
			fn(id, s, arg);
			id = s->next;
		}
	}
}
