/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach_inside.h - what the worker and its child share in a leak check.
 *
 * Memory ordering	[P1] see reach_worker.c.
 */
#ifndef OH_CORE_REACH_INSIDE_H
#define OH_CORE_REACH_INSIDE_H

#include <linux/futex.h>
#include <time.h>

#include "core/atomic.h"
#include "core/base.h"
#include "core/freed.h"
#include "core/maps.h"
#include "core/points.h"
#include "core/reach.h"
#include "core/sort.h"
#include "core/sys.h"

#define OH_REACH_PAGE ((uintptr_t)4096)
#define OH_REACH_MISSING_MAX 512u
#define OH_REACH_WORDS_MAX 8192u /* pointers kept for the program by the kernel */
#define OH_REACH_TEXT ((size_t)16 * 1024)
#define OH_REACH_LG_OLD 20

enum oh_reach_state { OH_REACH_BEGUN, OH_REACH_LISTED, OH_REACH_READ, OH_REACH_DONE };

struct oh_reach_region {
	uint32_t state;                     /* [P1] */
	const char *failed, *failed_worker; /* why there is no verdict */
	struct oh_reach_result result;      /* the child's */
	uint64_t scanned_worker;            /* bytes */
	uint32_t count;                     /* blocks */
	uint32_t map_count;
	uint32_t missing_count;
	struct oh_map missing[OH_REACH_MISSING_MAX];
	uint32_t word_count;
	uint64_t words[OH_REACH_WORDS_MAX];
	char text[OH_REACH_TEXT];
	/* A bit, chosen by its address, for each word in free memory that points to a block. */
	uint64_t old[(size_t)1 << (OH_REACH_LG_OLD - 6)];
};

struct oh_reach_check {
	const struct oh_reach_ask *ask;
	struct oh_reach_region *region;
	size_t region_bytes;
	/* Behind it: */
	struct oh_reach_block *blocks;
	struct oh_sort_item *order; /* also 2 words a block for oh_points_doubt() */
	uint8_t *marks, *marks_worker, *leak;
	uint32_t *todo;
	uint64_t *filter, *filter_worker;
	struct oh_map *maps;   /* the child's */
	struct oh_map *mapped; /* the worker's, before the clone */
	uint32_t mapped_count;
	uint32_t room, map_room;

	const struct oh_sort_item *before; /* lost or indirect in the first scan: ~start, birth */
	uint32_t before_count;
	const uint64_t *before_old; /* region->old of the first scan */
	bool second;

	uint32_t unseen; /* threads whose registers nobody sees */
	pid_t parent, worker;
	int64_t until_ms;
	int64_t cpu_us; /* of the children that were reaped */
	int pagemap;
	bool fault;            /* the child met memory that cannot be read */
	struct oh_freed freed; /* the child's */
	struct oh_points points;
};

static inline void
oh_reach_set_state(struct oh_reach_region *r, enum oh_reach_state s)
{
	oh_store_release(&r->state, (uint32_t)s); /* [P1] */
	(void)OH_SYS(futex, &r->state, FUTEX_WAKE, INT32_MAX, 0, 0, 0);
}

static inline void
oh_reach_wait_state(struct oh_reach_region *r, uint32_t seen, int64_t ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)OH_SYS(futex, &r->state, FUTEX_WAIT, seen, &ts, 0, 0);
}

static const char oh_reach_no_proc[] = "/proc/self cannot be read";

/* ---- reach_kernel.c, the worker only ---- */

/* Number of threads of the process; 0 = not known. */
uint32_t oh_reach_threads(void);

/* Add to r->words pointers of the program that only the kernel has. */
void oh_reach_kept_words(struct oh_reach_region *r);

/* NULL, or why this process is not to be forked.  Uses r->text. */
const char *oh_reach_why_no_fork(struct oh_reach_region *r, uint64_t max_memory_bytes);

/* ---- reach_child.c ---- */

/* The child's whole life. */
_Noreturn void oh_reach_child(struct oh_reach_check *c);

#endif
