/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.c - what the heap looked like at one moment.
 *
 * The live table is read first, then the sums of what was allocated, which
 * were added before a block went live: so no site shows more live than
 * allocated.
 *
 * Memory ordering	[S2], [S3] see stacks.c: who sees a site sees what it is.
 */
#include "core/snapshot.h"

#include <errno.h>
#include <string.h>

#include "core/arena.h"
#include "core/atomic.h"
#include "core/live.h"
#include "core/modules.h"
#include "core/profiler.h"
#include "core/sort.h"
#include "core/stacks.h"
#include "core/sys.h"
#include "core/thread.h"
#include "core/threadname.h"

/*
 * What lives of a site; indexed as the sites are.  A row is one class of one
 * site, index * OH_LEAK_CLASSES + class.
 */
struct alive {
	double objects, bytes;
	uint32_t first_class, class_count; /* in work.classes */
};

struct amount {
	double objects, bytes;
};

struct work {
	struct alive *alive;
	struct oh_snap_site *sites; /* stack by stack */
	uint32_t count, filled;
	const struct oh_reach *reach;
	struct oh_sort_item *items; /* one for each live block: row and birth */
	struct amount *amounts;     /* of the block that the item's value names; NULL = one class */
	size_t room, items_filled;
	struct oh_snap_live *classes;
	uint32_t now_cs;
};

static void
add_live(uintptr_t block, const struct oh_live_record *r, void *arg)
{
	struct work *w = arg;
	const struct oh_site *site = oh_arena_at(r->site);

	/* A site younger than the snapshot: its block is, too. */
	if (site->index >= w->count)
		return;
	w->alive[site->index].objects += r->weight;
	w->alive[site->index].bytes += r->weight * (double)r->size_bytes;
	if (w->items_filled == w->room)
		return;
	enum oh_leak leak = w->reach == NULL ? OH_LEAK_NONE : oh_reach_verdict(w->reach, block, r);
	uint64_t row = (uint64_t)site->index * OH_LEAK_CLASSES + leak;
	w->items[w->items_filled] = (struct oh_sort_item){
		.key = row << 32 | r->birth_cs,
		.value = w->items_filled,
	};
	if (w->amounts != NULL)
		w->amounts[w->items_filled] =
		    (struct amount){ r->weight, r->weight * (double)r->size_bytes };
	w->items_filled++;
}

static void
take_ages(const struct work *w, struct oh_snap_live *to, const struct oh_sort_item *a, size_t n)
{
	to->ages = (uint8_t)(n < OH_SNAP_AGES ? n : OH_SNAP_AGES);
	for (size_t i = 0; i < to->ages; i++) {
		/* Ascending ages are descending births. */
		size_t rank =
		    to->ages == 1 ? 0 : (i * (n - 1) + (to->ages - 1) / 2) / (to->ages - 1);
		uint32_t birth_cs = (uint32_t)a[n - 1 - rank].key;
		int32_t age_cs = (int32_t)(w->now_cs - birth_cs);
		/* The clock of a birth is a coarse one. */
		to->age_ms[i] = age_cs < 0 ? 0 : (uint64_t)(w->now_cs - birth_cs) * 10;
	}
}

/* Sort the live blocks into classes, each with its sums and ages. */
static int
classify(struct work *w, struct oh_scratch *scratch)
{
	size_t rows = 0;

	oh_sort(w->items, w->items_filled);
	for (size_t i = 0; i < w->items_filled; i++)
		rows += i == 0 || w->items[i].key >> 32 != w->items[i - 1].key >> 32;
	w->classes = oh_scratch_array(scratch, rows, sizeof(*w->classes));
	if (w->classes == NULL)
		return -ENOMEM;
	uint32_t at = 0;
	for (size_t from = 0, to; from < w->items_filled; from = to, at++) {
		uint64_t row = w->items[from].key >> 32;
		struct oh_snap_live *class = &w->classes[at];
		*class = (struct oh_snap_live){ .leak = (uint8_t)(row % OH_LEAK_CLASSES) };
		struct alive *alive = &w->alive[row / OH_LEAK_CLASSES];
		for (to = from; to < w->items_filled && w->items[to].key >> 32 == row; to++) {
			if (w->amounts == NULL)
				continue;
			class->objects += w->amounts[w->items[to].value].objects;
			class->bytes += w->amounts[w->items[to].value].bytes;
		}
		if (w->amounts == NULL) {
			class->objects = alive->objects;
			class->bytes = alive->bytes;
		}
		take_ages(w, class, &w->items[from], to - from);
		if (alive->class_count++ == 0)
			alive->first_class = at;
	}
	return 0;
}

static void
add_stack(uint32_t id, const struct oh_stack *s, void *arg)
{
	struct work *w = arg;
	uint32_t at = oh_load_acquire(&s->sites); /* [S2] of stacks.c */

	while (at != 0) {
		const struct oh_site *site = oh_arena_at(at);
		uint64_t samples = oh_load_relaxed(&site->samples);
		at = site->next;
		if (site->index >= w->count || samples == 0)
			continue;
		const struct alive *alive = &w->alive[site->index];
		double objects = oh_site_sum(&site->objects), bytes = oh_site_sum(&site->bytes);
		uint32_t lives = oh_load_acquire(&site->lives); /* [S3] of stacks.c */
		w->sites[w->filled++] = (struct oh_snap_site){
			.frames = s->frames,
			.depth = s->depth,
			.thread_name = site->thread_name,
			.samples = samples,
			.alloc_objects = objects,
			.alloc_bytes = bytes,
			/* Added up in another order, all that lives may round to more. */
			.live_objects = alive->objects < objects ? alive->objects : objects,
			.live_bytes = alive->bytes < bytes ? alive->bytes : bytes,
			.live = &w->classes[alive->first_class],
			.live_count = alive->class_count,
			.lives = lives == 0 ? NULL : oh_arena_at(lives),
		};
	}
}

_Static_assert(OH_SNAP_LIVES == OH_LIFE_BINS && OH_SNAP_LIFE_MS(0) == OH_LIFE_LEAST_MS, "");

uint32_t
oh_snap_freed(const struct oh_snap_site *site, unsigned bin)
{
	return site->lives == NULL ? 0 : oh_load_relaxed(&site->lives->count[bin]);
}

static int
copy_modules(struct oh_snapshot *s, struct oh_scratch *scratch)
{
	unsigned n = oh_modules_count();
	struct oh_snap_module *to = oh_scratch_array(scratch, n, sizeof(*to));

	if (to == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		const struct oh_module *m = oh_modules_get(i + 1);
		to[i] = (struct oh_snap_module){
			.start = m->start,
			.limit = m->limit,
			.offset = m->offset,
			.path = m->path,
			.build_id = m->build_id_len > 0 ? m->build_id : NULL,
			.build_id_len = m->build_id_len,
		};
	}
	s->modules = to;
	s->module_count = n;
	return 0;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

int
oh_snapshot_take(struct oh_snapshot *ret, struct oh_scratch *scratch, const struct oh_reach *reach)
{
	struct oh_snapshot s = { 0 };
	/* Blocks that come meanwhile find some room; beyond it they have no age. */
	struct work w = {
		.count = oh_sites_count(), .reach = reach, .room = oh_live_count() * 17 / 16 + 256
	};
	struct oh_unrecorded pause;

	w.alive = oh_scratch_array(scratch, w.count, sizeof(*w.alive));
	w.sites = oh_scratch_array(scratch, w.count, sizeof(*w.sites));
	w.items = oh_scratch_array(scratch, w.room, sizeof(*w.items));
	/* Without verdicts the sums of a site are those of its only class. */
	bool checked = reach != NULL && reach->result.made;
	if (checked)
		w.amounts = oh_scratch_array(scratch, w.room, sizeof(*w.amounts));
	if (w.alive == NULL || w.sites == NULL || w.items == NULL || (checked && w.amounts == NULL))
		return -ENOMEM;
	oh_live_each(add_live, &w);
	oh_profiler_describe(&s.interval_bytes, &s.time_ns, &s.duration_ns);
	w.now_cs = (uint32_t)(s.duration_ns / 10000000);
	if (classify(&w, scratch) != 0)
		return -ENOMEM;
	oh_stacks_each(add_stack, &w);
	s.sites = w.sites;
	s.site_count = w.filled;
	if (copy_modules(&s, scratch) != 0)
		return -ENOMEM;
	oh_threads_totals(&s.total_alloc_bytes, &s.total_alloc_calls);
	oh_profiler_unrecorded(&pause);
	s.stopped = pause.now;
	s.unrecorded_bytes = pause.bytes;
	s.unrecorded_calls = pause.calls;
	s.unrecorded_ns = pause.ns;
	s.thread_names = oh_thread_names(&s.thread_name_count);
	s.samples_live = oh_live_count();
	s.own_memory_bytes = oh_arena_mapped_bytes() + scratch->total_bytes;
	for (unsigned i = 0; i < OH_DROP_COUNT; i++)
		s.drops[i] = oh_load_relaxed(&oh_drops[i]);
	const struct oh_module *main_module = oh_modules_get(1);
	s.program = main_module != NULL ? base_name(main_module->path) : "";
	s.pid = oh_sys_getpid();
	if (reach != NULL)
		s.leaks = reach->result;
	*ret = s;
	return 0;
}
