/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profiler.h - the life of one sample: drawn, recorded, forgotten.
 *
 * What the entry points of preload/ call when the fast path does not do.
 */
#ifndef OH_CORE_PROFILER_H
#define OH_CORE_PROFILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "core/live.h"
#include "core/thread.h"
#include "core/unwind.h"

/*
 * Set the tables up and start sampling.  Returns 0, or -E...: then nothing is
 * ever sampled.  Once, by the first thread, whose argument vector is at
 * `stack_top`.
 */
int oh_profiler_init(const struct oh_config *c, const void *stack_top);

/* Is anything recorded at all?  Relaxed: it orders nothing. */
bool oh_profiler_on(void);

/*
 * Record new allocations, or do not.  Blocks that were recorded are followed
 * either way, exact totals go on, and so do the marks on the line of bytes: an
 * allocation after a later start is sampled with the same probability as any.
 * Threads that are at it just now may still record theirs.  The worker only,
 * and the thread that starts.
 */
void oh_profiler_set_recording(bool on);

/* What was allocated while nothing was recorded, exactly, up to now. */
struct oh_unrecorded {
	bool now; /* nothing is recorded at this time */
	uint64_t bytes, calls;
	int64_t ns;
};
void oh_profiler_unrecorded(struct oh_unrecorded *ret);

/*
 * The countdown of the calling thread went below zero by an allocation of
 * `size_bytes` (already subtracted, empty ones as 1).  Returns true when it is
 * to be recorded.  Also the place where a thread is first seen.
 */
bool oh_profiler_decide(struct oh_thread *t, size_t size_bytes);

/* Undo the subtraction of `size_bytes` that used the countdown up. */
void oh_profiler_give_back(struct oh_thread *t, size_t size_bytes);

/*
 * Record a block that decide() chose.  `block` is not NULL and not yet known
 * to anybody else; `regs` are those of the host's call.  Keeps errno.
 */
void oh_profiler_record(
    struct oh_thread *t, const void *block, size_t size_bytes, const struct oh_regs *regs);

/* The block with this record, which is not in the live table any more, was freed. */
void oh_profiler_freed(const struct oh_live_record *r);

/* The allocator had no memory for what decide() chose: it does not count. */
void oh_profiler_take_back(struct oh_thread *t, size_t size_bytes);

/* Put back what oh_live_remove() gave, for a realloc that failed. */
void oh_profiler_restore(const void *block, const struct oh_live_record *r);

/* Allocations sampled by this process since it started or was forked. */
uint64_t oh_profiler_samples(void);

/* What a snapshot says of the run: mean bytes between samples, Unix time, time since the start. */
void oh_profiler_describe(
    uint64_t *ret_interval_bytes, int64_t *ret_time_ns, int64_t *ret_duration_ns);

/* Call in a forked child. */
void oh_profiler_after_fork(struct oh_thread *t);

#endif
