/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.c - what the heap looked like at one moment.
 *
 * The live table is read first, then the sums of what was allocated, which
 * were added before a block went live: so no site shows more live than
 * allocated.
 *
 * Memory ordering	[S2] see stacks.c: who sees a site sees what it is.
 */
#include "core/snapshot.h"

#include <errno.h>
#include <string.h>

#include "core/arena.h"
#include "core/atomic.h"
#include "core/live.h"
#include "core/modules.h"
#include "core/profiler.h"
#include "core/stacks.h"
#include "core/sys.h"
#include "core/thread.h"
#include "core/threadname.h"

/* What lives of a site; indexed as the sites are. */
struct alive {
	double objects, bytes;
};

struct work {
	struct alive *alive;
	struct oh_snap_site *sites; /* stack by stack */
	uint32_t count, filled;
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
		};
	}
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
oh_snapshot_take(struct oh_snapshot *ret, struct oh_scratch *scratch)
{
	struct oh_snapshot s = { 0 };
	struct work w = { .count = oh_sites_count() };
	struct oh_unrecorded pause;

	w.alive = oh_scratch_array(scratch, w.count, sizeof(*w.alive));
	w.sites = oh_scratch_array(scratch, w.count, sizeof(*w.sites));
	if (w.alive == NULL || w.sites == NULL)
		return -ENOMEM;
	oh_live_each(add_live, &w);
	oh_stacks_each(add_stack, &w);
	s.sites = w.sites;
	s.site_count = w.filled;
	if (copy_modules(&s, scratch) != 0)
		return -ENOMEM;
	oh_profiler_describe(&s.interval_bytes, &s.time_ns, &s.duration_ns);
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
	*ret = s;
	return 0;
}
