/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach.h - which sampled live blocks does no word of memory point to?
 *
 * The process is not stopped: a copy-on-write child, which the program cannot
 * see, reads the memory as of its fork and leaves the verdicts in a shared
 * mapping.
 */
#ifndef OH_CORE_REACH_H
#define OH_CORE_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/live.h"
#include "core/points.h"

/* Memory that is not the program's: pointers in it do not count. */
struct oh_reach_range {
	uintptr_t start, limit;
};

#define OH_REACH_OWN_MAX 4u

struct oh_reach_ask {
	uint64_t max_memory_bytes; /* no check in a process that has more in memory; 0 = no limit */
	uint32_t limit_ms;         /* for all of it */
	/*
	 * Threads that wait in our own code with all their registers on their
	 * stacks.  Of all others but the caller they are not seen.
	 */
	uint32_t waiting;
	uintptr_t main_sp;   /* what the first thread's stack holds below is old; 0 = not known */
	uintptr_t allocator; /* a function of the malloc behind us; 0 = not known */
	bool (*stop)(void);  /* asked every few milliseconds: give up?  NULL = never */
	struct oh_reach_range own[OH_REACH_OWN_MAX];
	uint32_t own_count;
};

struct oh_reach_result {
	bool asked, made;
	const char *why_not;             /* a constant text, if asked and not made */
	uint64_t blocks;                 /* sampled live blocks that were looked at */
	uint64_t found[OH_LEAK_CLASSES]; /* of these, by class */
	/*
	 * Blocks that nothing was seen to point to, but registers of other
	 * threads may; they are counted with those that are pointed to.
	 */
	uint64_t unsure;
	uint64_t scanned_bytes; /* by all scans */
	uint32_t scans;
	uint32_t ms;
	uint32_t cpu_ms; /* of the children */
};

/* One check: its result, and the verdicts.  Zeroed = none was made. */
struct oh_reach {
	struct oh_reach_result result;
	const struct oh_reach_block *blocks; /* by address; in `region`, as is `leak` */
	const uint8_t *leak;                 /* enum oh_leak of each */
	uint64_t count;
	void *region;
	size_t region_bytes;
};

/*
 * Look.  Sets all of *ret; where no verdict can be given, ret->result says
 * why.  Makes and ends a child process with no exit signal, so that only
 * __WCLONE and __WALL waits could see it; keeps no descriptor.
 *
 * The worker only (a thread whose descriptors are not the program's, with all
 * signals blocked).
 */
void oh_reach_check(struct oh_reach *ret, const struct oh_reach_ask *ask);

/* What was found out about this record of the live table. */
enum oh_leak oh_reach_verdict(
    const struct oh_reach *r, uintptr_t block, const struct oh_live_record *rec);

/* Give the memory back; `r` is as if no check was made, but for its result. */
void oh_reach_release(struct oh_reach *r);

#endif
