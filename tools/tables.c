/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables.c - the library's tables, read from outside while they change.
 *
 * Shape	root, then the records of live blocks, then one copy of the whole
 *	arena, in which stacks, sites and modules are walked; last the words of
 *	the threads.
 *
 * What another process writes meanwhile is seen half done unless something
 * tells.  The kernel copies the pieces of one read in order (process_vm_readv(2)),
 * and x86-64 shows stores in the order they were made.  So:
 *
 *	records   each page of buckets is copied twice in a row.  A slot whose
 *		  key and content are the same in both is whole: the key is
 *		  cleared before a slot is filled anew, and set after.
 *	stacks, sites, modules  do not change once they are linked; an id that
 *		  points behind what was copied is younger than the copy.
 *	sums      one word each.  They are read after the records, and were added
 *		  before, so that no site shows more live than allocated.
 *	threads   the number that tells that words belong together ([T4], [T5] of
 *		  core/thread.c) is copied before and after them.
 *
 * A hostile program can make all this lie, but no more: every id is looked up
 * within the copy, an entry is visited once (`seen`), and what is gathered of
 * each kind never exceeds what fits in the arena.
 */
#include "tools/tables.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/tables_root.h"

#define PAGE ((size_t)4096)
#define TRIES 8u /* at a thread that is in the middle of something */

/* ---- the arena ------------------------------------------------------------------------ */

/* `bytes` bytes of the copy by id, or NULL if they are not all in it. */
static const void *
at(const struct oh_tables *t, uint32_t id, uint64_t bytes)
{
	uint64_t offset = (uint64_t)id * OH_ARENA_UNIT;

	if (id == 0 || offset > t->copy_len || bytes > t->copy_len - offset)
		return NULL;
	return t->copy + offset;
}

/* True for the first visit of an id that lies within what is used. */
static bool
first_visit(struct oh_tables *t, uint32_t id)
{
	uint64_t bit = UINT64_C(1) << (id & 63);

	if (id == 0 || (uint64_t)id * OH_ARENA_UNIT >= t->root.arena_used ||
	    (t->seen[id / 64] & bit) != 0)
		return false;
	t->seen[id / 64] |= bit;
	return true;
}

static void
prepare(struct oh_tables *t)
{
	size_t words = (size_t)(t->root.arena_used / OH_ARENA_UNIT / 64 + 1);

	t->seen = oh_xgrow(t->seen, &t->seen_cap, words, sizeof(*t->seen));
	memset(t->seen, 0, words * sizeof(*t->seen));
	t->stack_count = t->frame_count = t->site_count = t->block_count = 0;
	t->module_count = 0;
	t->copy_len = 0;
	t->threads = t->threads_unsure = t->skipped = 0;
	oh_idmap_free(&t->site_ids);
	memset(&t->site_ids, 0, sizeof(t->site_ids));
}

static enum oh_tables_result
copy_arena(struct oh_tables *t, const struct oh_memory *m)
{
	enum oh_tables_result rc;

	/* What is not committed cannot be read, and holds nothing. */
	t->copy_len =
	    (size_t)(t->root.arena_used < t->root.arena_committed ? t->root.arena_used
								  : t->root.arena_committed);
	t->copy = oh_xgrow(t->copy, &t->copy_cap, t->copy_len + 1, 1);
	rc = oh_tables_read_at(m, t->root.arena_base, t->copy, t->copy_len);
	if (rc != OH_TABLES_OK)
		t->copy_len = 0;
	return rc;
}

/* ---- records of live blocks -------------------------------------------------------------- */

/* Buckets to read as pairs, and their two copies. */
struct batch {
	const struct oh_memory *m;
	struct oh_piece pieces[OH_TABLES_PIECES_MAX]; /* each page or bucket twice */
	size_t count;
	uint8_t bytes[OH_TABLES_PIECES_MAX * PAGE];
	uint32_t *overflow; /* ids still to be read */
	size_t overflow_count, overflow_cap;
};

static void
take_slot(struct oh_tables *t, const struct oh_live_slot *s)
{
	struct oh_live_block b = { .site = s->site };

	memcpy(&b.objects, &s->weight_bits, sizeof(b.objects));
	/* Written to be false for NaN. */
	if (!(b.objects >= 1 && b.objects <= 0x1p64)) {
		t->skipped++;
		return;
	}
	b.bytes = b.objects * (double)s->size_bytes;
	t->blocks = oh_xgrow(t->blocks, &t->block_cap, t->block_count + 1, sizeof(*t->blocks));
	t->blocks[t->block_count++] = b;
}

static void
take_bucket(struct oh_tables *t, struct batch *b, const uint8_t *first, const uint8_t *second)
{
	struct oh_live_bucket x, y;

	memcpy(&x, first, sizeof(x));
	memcpy(&y, second, sizeof(y));
	for (unsigned i = 0; i < OH_LIVE_SLOTS; i++) {
		if (x.key[i] <= OH_LIVE_KEY_BUSY || x.key[i] != y.key[i])
			continue;
		if (memcmp(&x.slot[i], &y.slot[i], sizeof(x.slot[i])) == 0)
			take_slot(t, &x.slot[i]);
	}
	if (y.overflow != 0 && first_visit(t, y.overflow)) {
		b->overflow = oh_xgrow(
		    b->overflow, &b->overflow_cap, b->overflow_count + 1, sizeof(*b->overflow));
		b->overflow[b->overflow_count++] = y.overflow;
	}
}

/* Read what was gathered. */
static enum oh_tables_result
flush(struct oh_tables *t, struct batch *b)
{
	size_t want = 0, from = 0;
	ssize_t n;

	for (size_t i = 0; i < b->count; i++)
		want += b->pieces[i].bytes;
	if (want == 0)
		return OH_TABLES_OK;
	n = b->m->read(b->m->arg, b->pieces, b->count, b->bytes);
	if (n != (ssize_t)want)
		return oh_tables_failed(n);
	for (size_t i = 0; i < b->count; i += 2) {
		size_t bytes = b->pieces[i].bytes;

		for (size_t k = 0; k + sizeof(struct oh_live_bucket) <= bytes;
		     k += sizeof(struct oh_live_bucket))
			take_bucket(t, b, b->bytes + from + k, b->bytes + from + bytes + k);
		from += 2 * bytes;
	}
	b->count = 0;
	return OH_TABLES_OK;
}

static enum oh_tables_result
gather(struct oh_tables *t, struct batch *b, uint64_t offset, size_t bytes)
{
	struct oh_piece piece = { t->root.arena_base + offset, bytes };

	b->pieces[b->count++] = piece;
	b->pieces[b->count++] = piece;
	return b->count + 2 > OH_TABLES_PIECES_MAX ? flush(t, b) : OH_TABLES_OK;
}

/* Do `bytes` bytes by this id lie within what can be read? */
static bool
within(const struct oh_tables *t, uint32_t id, uint64_t bytes)
{
	uint64_t end = t->root.arena_used < t->root.arena_committed ? t->root.arena_used
								    : t->root.arena_committed;
	uint64_t offset = (uint64_t)id * OH_ARENA_UNIT;

	return id != 0 && offset <= end && bytes <= end - offset;
}

static enum oh_tables_result
read_levels(struct oh_tables *t, struct batch *b, const struct oh_live_table *live)
{
	unsigned n =
	    live->level_count < OH_LIVE_LEVELS_MAX ? live->level_count : OH_LIVE_LEVELS_MAX;
	enum oh_tables_result rc = OH_TABLES_OK;

	for (unsigned level = 0; level < n; level++) {
		uint64_t bytes = sizeof(struct oh_live_bucket) << (OH_LIVE_LG_FIRST + level);
		uint64_t offset = (uint64_t)live->level[level] * OH_ARENA_UNIT;

		if (!within(t, live->level[level], bytes) || !first_visit(t, live->level[level])) {
			t->skipped++;
			continue;
		}
		for (uint64_t done = 0; done < bytes && rc == OH_TABLES_OK; done += PAGE)
			rc = gather(t, b, offset + done, PAGE);
		if (rc != OH_TABLES_OK)
			return rc;
	}
	return flush(t, b);
}

static enum oh_tables_result
read_blocks(struct oh_tables *t, const struct oh_memory *m)
{
	struct batch *b = oh_xcalloc(1, sizeof(*b));
	struct oh_live_table live;
	enum oh_tables_result rc = OH_TABLES_OK;

	b->m = m;
	if (within(t, t->root.live, sizeof(live))) {
		rc = oh_tables_read_at(m,
		    t->root.arena_base + (uint64_t)t->root.live * OH_ARENA_UNIT, &live,
		    sizeof(live));
		if (rc == OH_TABLES_OK) {
			t->samples_live = live.count;
			rc = read_levels(t, b, &live);
		}
	}
	/* Each id is in the list at most once (first_visit), so this ends. */
	while (rc == OH_TABLES_OK && (b->overflow_count > 0 || b->count > 0)) {
		uint32_t id;

		if (b->overflow_count == 0) {
			rc = flush(t, b);
			continue;
		}
		id = b->overflow[--b->overflow_count];
		if (within(t, id, sizeof(struct oh_live_bucket)))
			rc = gather(
			    t, b, (uint64_t)id * OH_ARENA_UNIT, sizeof(struct oh_live_bucket));
	}
	free(b->overflow);
	free(b);
	return rc;
}

/* ---- stacks and sites -------------------------------------------------------------------- */

static double
sum_of(uint64_t bits)
{
	double d;

	memcpy(&d, &bits, sizeof(d));
	/* Also false for NaN. */
	return d >= 0 && d <= 0x1p80 ? d : 0;
}

static void
take_sites(struct oh_tables *t, uint32_t stack, uint32_t id)
{
	size_t most = t->copy_len / sizeof(struct oh_site);

	while (id != 0 && t->site_count < most) {
		const struct oh_site *s = at(t, id, sizeof(*s));
		uint32_t number = t->site_ids.count;

		if (s == NULL || !first_visit(t, id)) {
			t->skipped++;
			return;
		}
		t->sites = oh_xgrow(t->sites, &t->site_cap, t->site_count + 1, sizeof(*t->sites));
		if (oh_idmap_add(&t->site_ids, id) == number)
			t->sites[t->site_count++] = (struct oh_seen_site){
				.id = id,
				.stack = stack,
				.samples = s->samples,
				.alloc_objects = sum_of(s->objects),
				.alloc_bytes = sum_of(s->bytes),
			};
		id = s->next;
	}
}

static void
take_stacks(struct oh_tables *t)
{
	const struct oh_stack_table *table = at(t, t->root.stacks, sizeof(*table));
	size_t most_frames = t->copy_len / sizeof(oh_frame);

	for (size_t i = 0; table != NULL && i < OH_ARRAY_LEN(table->bucket); i++) {
		for (uint32_t id = table->bucket[i]; id != 0;) {
			const struct oh_stack *s = at(t, id, sizeof(*s));

			if (s == NULL || !first_visit(t, id)) {
				t->skipped++;
				break;
			}
			if (s->depth > OH_TABLES_DEPTH_MAX ||
			    s->depth > most_frames - t->frame_count ||
			    at(t, id, sizeof(*s) + s->depth * sizeof(oh_frame)) == NULL) {
				t->skipped++;
				id = s->next;
				continue;
			}
			t->stacks = oh_xgrow(
			    t->stacks, &t->stack_cap, t->stack_count + 1, sizeof(*t->stacks));
			t->frames = oh_xgrow(t->frames, &t->frame_cap,
			    t->frame_count + s->depth + 1, sizeof(*t->frames));
			t->stacks[t->stack_count] = (struct oh_seen_stack){
				.id = id,
				.depth = s->depth,
				.frame_at = (uint32_t)t->frame_count,
			};
			memcpy(t->frames + t->frame_count, s->frames, s->depth * sizeof(oh_frame));
			t->frame_count += s->depth;
			take_sites(t, (uint32_t)t->stack_count, s->sites);
			t->stack_count++;
			id = s->next;
		}
	}
}

/* What lives, to the site it belongs to. */
static void
join(struct oh_tables *t)
{
	for (size_t i = 0; i < t->block_count; i++) {
		uint32_t site = oh_idmap_find(&t->site_ids, t->blocks[i].site);

		if (site == OH_IDMAP_NONE)
			continue; /* younger than the copy */
		t->sites[site].live_objects += t->blocks[i].objects;
		t->sites[site].live_bytes += t->blocks[i].bytes;
	}
	for (size_t i = 0; i < t->site_count; i++) {
		struct oh_seen_site *s = &t->sites[i];

		/* Added up in another order, all that lives may round to more. */
		if (s->live_objects > s->alloc_objects)
			s->live_objects = s->alloc_objects;
		if (s->live_bytes > s->alloc_bytes)
			s->live_bytes = s->alloc_bytes;
	}
}

/* ---- modules ------------------------------------------------------------------------------ */

static void
count_modules(struct oh_tables *t)
{
	const uint32_t *slots = at(t, t->root.modules, OH_MODULES_MAX * sizeof(*slots));

	while (slots != NULL && t->module_count < OH_MODULES_MAX && slots[t->module_count] != 0)
		t->module_count++;
}

void
oh_tables_module(const struct oh_tables *t, unsigned i, struct oh_seen_module *ret)
{
	const uint32_t *slots = at(t, t->root.modules, OH_MODULES_MAX * sizeof(*slots));
	const struct oh_module *m = at(t, slots[i], sizeof(*m));
	size_t room, len;
	uint32_t id_len;

	memset(ret, 0, sizeof(*ret));
	if (m == NULL)
		return;
	ret->start = m->start;
	ret->limit = m->limit;
	ret->offset = m->offset;
	room = (size_t)(t->copy + t->copy_len - (const uint8_t *)m->path);
	if (room > sizeof(ret->path))
		room = sizeof(ret->path);
	len = strnlen(m->path, room);
	if (len < room)
		memcpy(ret->path, m->path, len);
	id_len = m->build_id_len <= OH_BUILD_ID_MAX ? m->build_id_len : 0;
	for (uint32_t k = 0; k < id_len; k++) {
		ret->build_id[2 * k] = "0123456789abcdef"[m->build_id[k] >> 4];
		ret->build_id[2 * k + 1] = "0123456789abcdef"[m->build_id[k] & 15];
	}
}

/* ---- threads ------------------------------------------------------------------------------ */

/* What is read of a thread, in this order. */
struct thread_look {
	struct oh_thread_record before;
	uint32_t seq_before;
	struct oh_thread words;
	uint32_t seq_after;
	struct oh_thread_record after;
} __attribute__((packed));

static size_t
thread_pieces(struct oh_piece *p, uint64_t record, uint64_t self)
{
	size_t n = 0;
	uint64_t seq = self + offsetof(struct oh_thread, totals_seq);

	p[n++] = (struct oh_piece){ record, sizeof(struct oh_thread_record) };
	if (self != 0) {
		p[n++] = (struct oh_piece){ seq, sizeof(uint32_t) };
		p[n++] = (struct oh_piece){ self, sizeof(struct oh_thread) };
		p[n++] = (struct oh_piece){ seq, sizeof(uint32_t) };
	}
	p[n++] = (struct oh_piece){ record, sizeof(struct oh_thread_record) };
	return n;
}

static bool
same_thread(const struct oh_thread_record *a, const struct oh_thread_record *b)
{
	return a->self == b->self && a->moves == b->moves && a->moves % 2 == 0;
}

/* One thread: add to the totals.  False: it could not be seen whole. */
static bool
look_at_thread(
    struct oh_tables *t, const struct oh_memory *m, uint32_t id, struct oh_thread_record r)
{
	uint64_t record = t->root.arena_base + (uint64_t)id * OH_ARENA_UNIT;
	bool told = false;

	for (unsigned tries = 0; tries < TRIES; tries++) {
		uint64_t self = (uintptr_t)r.self;
		struct oh_piece pieces[5];
		struct thread_look look;
		struct oh_thread_record pair[2];
		size_t n = thread_pieces(pieces, record, self);
		void *to = self != 0 ? (void *)&look : (void *)pair;
		ssize_t want = self != 0 ? (ssize_t)sizeof(look) : (ssize_t)sizeof(pair);

		if (m->read(m->arg, pieces, n, to) != want)
			break;
		if (self != 0) {
			pair[0] = look.before;
			pair[1] = look.after;
		}
		r = pair[1];
		if ((uintptr_t)r.self != self || !same_thread(&pair[0], &pair[1]))
			continue;
		if (self == 0) {
			t->total_bytes += r.past_bytes;
			t->total_calls += r.past_calls;
			return true;
		}
		if (look.seq_before != look.seq_after || look.seq_before % 2 != 0) {
			/* As fast as we are: what it published is no older than its last sample. */
			told = look.seq_before != look.seq_after;
			continue;
		}
		t->total_bytes += r.past_bytes + look.words.bytes_base +
				  (look.words.drawn - look.words.countdown);
		t->total_calls += r.past_calls + look.words.calls;
		return true;
	}
	t->total_bytes += r.past_bytes + r.bytes;
	t->total_calls += r.past_calls + r.calls;
	return told;
}

static void
read_threads(struct oh_tables *t, const struct oh_memory *m)
{
	const struct oh_thread_table *table = at(t, t->root.threads, sizeof(*table));
	size_t most = t->copy_len / sizeof(struct oh_thread_record);

	t->total_bytes = t->total_calls = 0;
	if (table == NULL)
		return;
	t->total_bytes = table->late_bytes;
	t->total_calls = table->late_calls;
	for (uint32_t id = table->head; id != 0 && most > 0; most--) {
		const struct oh_thread_record *r = at(t, id, sizeof(*r));

		if (r == NULL || !first_visit(t, id)) {
			t->skipped++;
			return;
		}
		t->threads += r->self != NULL;
		t->threads_unsure += !look_at_thread(t, m, id, *r);
		id = r->next;
	}
}

/* ---- all of it ----------------------------------------------------------------------------- */

enum oh_tables_result
oh_tables_read(struct oh_tables *t, const struct oh_memory *m, uint64_t root, struct oh_error *err)
{
	enum oh_tables_result rc = oh_tables_read_at(m, root, &t->root, sizeof(t->root));
	struct timespec now = { 0 };

	if (rc != OH_TABLES_OK)
		return rc;
	if (memcmp(t->root.magic, OH_LAYOUT_MAGIC, sizeof(t->root.magic)) != 0)
		return OH_TABLES_MOVED;
	if (!oh_tables_check_root(&t->root, err))
		return OH_TABLES_BAD;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	t->time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	prepare(t);
	rc = read_blocks(t, m);
	if (rc == OH_TABLES_OK)
		rc = copy_arena(t, m);
	if (rc == OH_TABLES_OK)
		rc = oh_tables_read_at(m, t->root.drops_at, t->drops, sizeof(t->drops));
	if (rc != OH_TABLES_OK)
		return rc;
	t->own_bytes = t->root.arena_committed;
	take_stacks(t);
	join(t);
	count_modules(t);
	read_threads(t, m);
	return OH_TABLES_OK;
}

void
oh_tables_free(struct oh_tables *t)
{
	free(t->stacks);
	free(t->frames);
	free(t->sites);
	free(t->copy);
	free(t->seen);
	free(t->blocks);
	oh_idmap_free(&t->site_ids);
	memset(t, 0, sizeof(*t));
}
