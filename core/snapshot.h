/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.h - what the heap looked like at one moment; the only thing that
 * leaves core/.
 *
 * Immutable once taken.  Everything it points to lives in the scratch it was
 * taken into, or in tables that only ever grow, so it stays valid until that
 * scratch is released.
 */
#ifndef OH_CORE_SNAPSHOT_H
#define OH_CORE_SNAPSHOT_H

#include <stdint.h>

#include "core/base.h"
#include "core/drops.h"
#include "core/reach.h"
#include "core/scratch.h"

/* One executable segment of a loaded file. */
struct oh_snap_module {
	uint64_t start, limit;   /* addresses in the process, page aligned, [start, limit) */
	uint64_t offset;         /* file offset that `start` maps, bytes */
	const char *path;        /* as the program knows it; "[vdso]"; never NULL */
	const uint8_t *build_id; /* NT_GNU_BUILD_ID, NULL if none */
	uint32_t build_id_len;   /* bytes */
};

/* At most: newest, first quartile, median, third quartile, oldest. */
#define OH_SNAP_AGES 5u

/* The live blocks of one site that are in one class of a leak check. */
struct oh_snap_live {
	double objects, bytes; /* estimated */
	/*
	 * How long the sampled ones have lived, ascending: of n samples min(n, 5)
	 * values, evenly spaced by rank.
	 */
	uint64_t age_ms[OH_SNAP_AGES];
	uint8_t ages;
	uint8_t leak; /* enum oh_leak */
};

/*
 * One allocation site: a stack and a size (or a narrow range of sizes, once a
 * stack has shown many).  Estimates are weighted sums; at interval 1 they are
 * exact counts.  Live never exceeds allocated.
 */
struct oh_snap_site {
	const oh_frame *frames;            /* leaf first; every pc is a return address */
	uint32_t depth;                    /* frames; 0 = stack unknown */
	uint32_t thread_name;              /* index into thread_names; 0 = not labelled */
	uint64_t samples;                  /* allocations sampled here, not scaled */
	double alloc_objects, alloc_bytes; /* estimated, since the start */
	double live_objects, live_bytes;   /* estimated, now */
	const struct oh_snap_live *live;   /* the same by class; OH_LEAK_NONE first */
	uint32_t live_count;               /* classes that have blocks */
	const struct oh_lives *lives;      /* see oh_snap_freed() */
};

/*
 * How many of a site's sampled blocks were freed that had lived OH_SNAP_LIFE_MS(bin)
 * or longer, less than OH_SNAP_LIFE_MS(bin + 1)?  The last bin has no end, and what was
 * shorter than the first is in none.  Of the time of the call, not of the snapshot.
 */
#define OH_SNAP_LIVES 24u
#define OH_SNAP_LIFE_MS(bin) (UINT64_C(40) << (bin))
uint32_t oh_snap_freed(const struct oh_snap_site *site, unsigned bin);

struct oh_snapshot {
	uint64_t interval_bytes; /* mean bytes between samples; 1 = everything */
	int64_t time_ns;         /* when taken, Unix time */
	int64_t duration_ns;     /* since the profile began */

	const struct oh_snap_module *modules; /* module id n of a frame is modules[n - 1] */
	uint32_t module_count;                /* main program first, if it is known */
	const struct oh_snap_site *sites;     /* those of one stack next to each other */
	uint32_t site_count;
	const char *const *thread_names; /* [0] is "" */
	uint32_t thread_name_count;

	/* Exact totals over all threads, sampled or not. */
	uint64_t total_alloc_bytes, total_alloc_calls;

	/* Of these, what was allocated while nothing was recorded; 0 where it always was. */
	uint64_t unrecorded_bytes, unrecorded_calls;
	int64_t unrecorded_ns;
	bool stopped; /* nothing is recorded at this time */

	const char *trigger;           /* why it was taken; NULL = not said */
	uint64_t samples_live;         /* records in the live table */
	uint64_t own_memory_bytes;     /* our tables, as mapped */
	struct oh_reach_result leaks;  /* of the leak check, if one was made */
	uint64_t drops[OH_DROP_COUNT]; /* by reason, names in oh_drop_names */
	const char *program;           /* file name of the program, no folder */
	const char *const *said;       /* further comments, NULL at the end; NULL = none */
	int32_t pid;
};

/*
 * Copy the tables as they are now into `ret`, using `scratch`; with the verdicts
 * of `reach`, or NULL.
 *
 * No stop-the-world and no lock: threads go on.  A block allocated or freed
 * meanwhile may or may not be included; sums never go negative.
 * Returns 0 or -ENOMEM (then *ret is untouched).  The worker thread only.
 */
int oh_snapshot_take(
    struct oh_snapshot *ret, struct oh_scratch *scratch, const struct oh_reach *reach);

#endif
