/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live.c - is this block sampled and still allocated?
 *
 * Shape
 *	levels of buckets, each level twice the one before; a bucket is four
 *	cache lines, the first of which answers a lookup:
 *
 *	[ overflow, seq | key key key key key key key ]  [ seven records ]
 *
 *	A full bucket links to an overflow bucket from the arena.  Inserts go
 *	to the newest level; a lookup tries all, newest first.  A new level is
 *	added when the records outnumber what all were made for.
 *	key = address of the block; 0 = free; 1 = being filled.
 *
 * Invariants
 *	I1  An address is in the table at most once: it belongs to one block,
 *	    and insert() removes a leftover first.
 *	I2  A record is complete before its key is set, and does not change
 *	    until the key is cleared.
 *	I3  Buckets are never moved or freed, so a lookup needs no lock, no
 *	    retry and leaves no tombstone: clearing the key frees the slot.
 *	I4  filter[page] != 0 while a record of that page is in the table: it is
 *	    counted up before insertion and down after removal.  255 stays for
 *	    ever.
 *
 * Who may run with whom	everything with everything, but that one block is
 *	inserted or removed by one thread at a time: the one that allocates or
 *	frees it.
 *
 * Memory ordering
 *	[L1] key: insert() stores the address with release after the record;
 *	     remove() and each() load it with acquire before reading it.
 *	[L2] bucket.seq: insert() adds one with acq_rel when it claims a slot;
 *	     put() stores the words with release after it; get() loads them with
 *	     acquire before each() looks at seq again.  So a slot that was freed
 *	     and filled again is not read half old, half new.
 *	[L3] level_count and bucket.overflow: stored with release (or acq_rel)
 *	     after what they lead to is zeroed memory; loaded with acquire.
 *	[L4] growing: taken with acq_rel and given back with release, so that
 *	     the next thread to grow sees the level that was added.
 *
 * Why the filter may be read relaxed by a free: the block came to the freeing
 * thread through some hand-over of the host's own, which orders the two.
 */
#include "core/live.h"

#include <errno.h>
#include <string.h>

#include "core/arena.h"
#include "core/atomic.h"
#include "core/drops.h"
#include "core/layout.h"
#include "core/rng.h"

#define FILL 5u /* records a bucket, on average, when a level is added */

uint8_t oh_live_filter[OH_FILTER_SIZE] __attribute__((aligned(4096)));

static struct oh_live_table *tab;

static unsigned
lg_of(unsigned level)
{
	return OH_LIVE_LG_FIRST + level;
}

static bool
add_level(unsigned level)
{
	uint32_t id = oh_arena_alloc(sizeof(struct oh_live_bucket) << lg_of(level), 4096);

	if (id == 0)
		return false;
	oh_store_relaxed(&tab->level[level], id);
	oh_store_release(&tab->level_count, level + 1); /* [L3] */
	return true;
}

int
oh_live_init(void)
{
	uint32_t id = oh_arena_alloc(sizeof(*tab), 64);

	if (id == 0)
		return -ENOMEM;
	tab = oh_arena_at(id);
	oh_root.live = id;
	return add_level(0) ? 0 : -ENOMEM;
}

static void
grow_if_full(void)
{
	unsigned n = oh_load_acquire(&tab->level_count);                         /* [L3] */
	uint64_t buckets = ((uint64_t)1 << lg_of(n)) - (1u << OH_LIVE_LG_FIRST); /* of all levels */
	uint32_t idle = 0;

	if (OH_LIKELY(oh_load_relaxed(&tab->count) < FILL * buckets) || n == OH_LIVE_LEVELS_MAX)
		return;
	if (!oh_cas_acq_rel(&tab->growing, &idle, 1)) /* [L4] */
		return; /* somebody is at it; overflow buckets do meanwhile */
	if (oh_load_acquire(&tab->level_count) == n) /* [L3] */
		(void)add_level(n);
	oh_store_release(&tab->growing, 0); /* [L4] */
}

static uint8_t *
filter_byte(uintptr_t addr)
{
	return &oh_live_filter[(uint32_t)addr >> 12];
}

static void
filter_add(uintptr_t addr)
{
	uint8_t *f = filter_byte(addr);
	uint8_t v = oh_load_relaxed(f);

	while (v != UINT8_MAX && !oh_cas_relaxed(f, &v, (uint8_t)(v + 1)))
		;
}

static void
filter_sub(uintptr_t addr)
{
	uint8_t *f = filter_byte(addr);
	uint8_t v = oh_load_relaxed(f);

	while (v != UINT8_MAX && v != 0 && !oh_cas_relaxed(f, &v, (uint8_t)(v - 1)))
		;
}

void
oh_live_always(const void *start, size_t bytes)
{
	uintptr_t end = (uintptr_t)start + bytes;

	for (uintptr_t a = (uintptr_t)start & ~(uintptr_t)4095; a < end; a += 4096)
		oh_store_relaxed(filter_byte(a), UINT8_MAX);
}

static struct oh_live_bucket *
bucket_of(unsigned level, uintptr_t addr)
{
	struct oh_live_bucket *b = oh_arena_at(oh_load_relaxed(&tab->level[level]));

	return &b[oh_mix64(addr >> 4) >> (64 - lg_of(level))];
}

static struct oh_live_bucket *
next_bucket(const struct oh_live_bucket *b)
{
	uint32_t id = oh_load_acquire(&b->overflow); /* [L3] */

	return id == 0 ? NULL : oh_arena_at(id);
}

static void
put(struct oh_live_slot *s, const struct oh_live_record *r)
{
	uint64_t bits;

	memcpy(&bits, &r->weight, sizeof(bits));
	/* Release: who sees a new word sees the new seq. */
	oh_store_release(&s->size_bytes, r->size_bytes); /* [L2] */
	oh_store_release(&s->weight_bits, bits);         /* [L2] */
	oh_store_release(&s->site, r->site);             /* [L2] */
	oh_store_release(&s->birth_cs, r->birth_cs);     /* [L2] */
}

static void
get(const struct oh_live_slot *s, struct oh_live_record *ret)
{
	/* Acquire: seq is read again after the copy. */
	uint64_t bits = oh_load_acquire(&s->weight_bits); /* [L2] */

	memcpy(&ret->weight, &bits, sizeof(bits));
	ret->size_bytes = oh_load_acquire(&s->size_bytes); /* [L2] */
	ret->site = oh_load_acquire(&s->site);             /* [L2] */
	ret->birth_cs = oh_load_acquire(&s->birth_cs);     /* [L2] */
}

static bool
claim(struct oh_live_bucket *b, uintptr_t addr, const struct oh_live_record *r)
{
	for (unsigned i = 0; i < OH_LIVE_SLOTS; i++) {
		uint64_t key = oh_load_relaxed(&b->key[i]);
		if (key != OH_LIVE_KEY_FREE ||
		    !oh_cas_acq_rel(&b->key[i], &key, OH_LIVE_KEY_BUSY)) /* [L1] */
			continue;
		(void)oh_add_acq_rel(&b->seq, 1); /* [L2] */
		put(&b->slot[i], r);
		oh_store_release(&b->key[i], addr); /* [L1] */
		return true;
	}
	return false;
}

bool
oh_live_insert(const void *block, const struct oh_live_record *r)
{
	uintptr_t addr = (uintptr_t)block;

	if (oh_live_maybe(block) && oh_live_remove(block, NULL))
		oh_drop(OH_DROP_FREE_MISSED);
	grow_if_full();
	filter_add(addr);
	struct oh_live_bucket *b =
	    bucket_of(oh_load_acquire(&tab->level_count) - 1, addr); /* [L3] */
	while (!claim(b, addr, r)) {
		struct oh_live_bucket *next = next_bucket(b);
		if (next == NULL) {
			uint32_t id = oh_arena_alloc(sizeof(*b), 64), none = 0;
			if (id == 0) {
				filter_sub(addr);
				return false;
			}
			/* The loser's bucket stays unlinked; both go on with the winner's. */
			if (!oh_cas_acq_rel(&b->overflow, &none, id)) /* [L3] */
				id = none;
			next = oh_arena_at(id);
		}
		b = next;
	}
	(void)oh_add_relaxed(&tab->count, 1);
	return true;
}

bool
oh_live_remove(const void *block, struct oh_live_record *ret)
{
	uintptr_t addr = (uintptr_t)block;

	/* Not every free is filtered, and where nothing is recorded there is no table. */
	if (addr <= OH_LIVE_KEY_BUSY || tab == NULL)
		return false;
	for (unsigned level = oh_load_acquire(&tab->level_count); level-- > 0;) { /* [L3] */
		for (struct oh_live_bucket *b = bucket_of(level, addr); b != NULL;
		     b = next_bucket(b)) {
			for (unsigned i = 0; i < OH_LIVE_SLOTS; i++) {
				if (oh_load_acquire(&b->key[i]) != addr) /* [L1] */
					continue;
				if (ret != NULL)
					get(&b->slot[i], ret);
				oh_store_release(&b->key[i], OH_LIVE_KEY_FREE); /* [L1] */
				(void)oh_sub_relaxed(&tab->count, 1);
				filter_sub(addr);
				return true;
			}
		}
	}
	return false;
}

static void
each_in(struct oh_live_bucket *b, void (*fn)(uintptr_t, const struct oh_live_record *, void *),
    void *arg)
{
	struct oh_live_record r;

	for (unsigned i = 0; i < OH_LIVE_SLOTS; i++) {
		uint64_t key;
		uint32_t seq;
		do {
			seq = oh_load_acquire(&b->seq);    /* [L2] */
			key = oh_load_acquire(&b->key[i]); /* [L1] */
			if (key <= OH_LIVE_KEY_BUSY)
				break;
			get(&b->slot[i], &r);
		} while (oh_load_relaxed(&b->seq) != seq);
		if (key > OH_LIVE_KEY_BUSY)
			fn(key, &r, arg);
	}
}

void
oh_live_each(void (*fn)(uintptr_t, const struct oh_live_record *, void *), void *arg)
{
	unsigned n = oh_load_acquire(&tab->level_count); /* [L3] */

	for (unsigned level = 0; level < n; level++) {
		struct oh_live_bucket *b = oh_arena_at(oh_load_relaxed(&tab->level[level]));
		for (size_t i = 0; i < (size_t)1 << lg_of(level); i++)
			for (struct oh_live_bucket *o = &b[i]; o != NULL; o = next_bucket(o))
				each_in(o, fn, arg);
	}
}

void
oh_live_after_fork(void)
{
	oh_store_relaxed(&tab->growing, 0);
}

size_t
oh_live_count(void)
{
	return oh_load_relaxed(&tab->count);
}
