/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drops.h - everything that was lost or cut short, by reason.
 *
 * The counters travel in every profile, so that its reader knows how far to
 * trust it.  Add a reason here and it appears there; nothing else to edit.
 */
#ifndef OH_CORE_DROPS_H
#define OH_CORE_DROPS_H

#include <stdint.h>

#include "core/atomic.h"

/* X(enumerator, name in the profile, what it means) */
#define OH_DROP_LIST(X) \
	X(MEMORY_FULL, "memory_full", "samples lost: our tables reached OTHEAP_MAX_MEMORY") \
	X(REENTRANT, "reentrant", \
	    "allocations made while the profiler itself was at work, not seen") \
	X(STACK_TRUNCATED, "stack_truncated", "stacks cut at the frame limit") \
	X(STACK_BROKEN, "stack_broken", "stacks cut where no unwind rule was found") \
	X(FREE_MISSED, "free_missed", "blocks handed out again although no free was seen") \
	X(DUMP_FAILED, "dump_failed", "profiles that could not be written") \
	X(DUMP_SANDBOXED, "dump_sandboxed", \
	    "profiles not written as the program had confined itself") \
	X(DUMP_COALESCED, "dump_coalesced", "dump requests merged into one already under way") \
	X(THREADS_UNCOUNTED, "threads_uncounted", "threads missing from the exact totals")

enum oh_drop {
#define X(id, name, text) OH_DROP_##id,
	OH_DROP_LIST(X)
#undef X
	    OH_DROP_COUNT
};

extern uint64_t oh_drops[OH_DROP_COUNT]; /* relaxed: they order nothing */
extern const char *const oh_drop_names[OH_DROP_COUNT];

static inline void
oh_drop(enum oh_drop why)
{
	(void)oh_add_relaxed(&oh_drops[why], 1);
}

#endif
