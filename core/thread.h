/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.h - what one thread of the host knows, and the list of all threads.
 *
 * The thread's own words live in initial-exec TLS, where the entry points
 * reach them with one instruction.  A small record per thread in the arena
 * outlives them and keeps the exact totals.
 */
#ifndef OH_CORE_THREAD_H
#define OH_CORE_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base.h"
#include "core/layout.h" /* struct oh_thread */

extern OH_HIDDEN __thread struct oh_thread oh_self __attribute__((tls_model("initial-exec")));

/* Bytes allocated by the thread so far, exact (an empty request counts as 1). */
static inline uint64_t
oh_thread_bytes(const struct oh_thread *t)
{
	/* Right also while the countdown is below zero: all is modulo 2^64. */
	return t->bytes_base + (t->drawn - t->countdown);
}

/*
 * Start a new stretch of `drawn` bytes, of which `spent` are gone already;
 * what was allocated before goes to the base.
 */
void oh_thread_restart(struct oh_thread *t, uint64_t bytes_before, uint64_t drawn, uint64_t spent);

/* Set up the list.  Once, after the arena.  Returns 0 or -ENOMEM. */
int oh_threads_init(void);

/*
 * Put the calling thread on the list.  When the arena is full the thread is
 * counted as OH_DROP_THREADS_UNCOUNTED and works all the same.
 * The calling thread only, `busy` set; no lock.
 */
void oh_thread_register(struct oh_thread *t);

/*
 * May the thread still go on the list?  Not once its exit hooks are nearly
 * through: nobody would take it off again.
 */
bool oh_thread_may_register(const struct oh_thread *t);

/* Count an allocation of a thread that is on no list any more. */
void oh_thread_count_late(uint64_t bytes);

/* In a forked child: only the calling thread, `t`, is left. */
void oh_threads_after_fork(struct oh_thread *t);

/*
 * Exact totals over all threads that live or lived.  Threads of which nothing
 * can be read are counted as OH_DROP_THREADS_UNCOUNTED with what they last
 * published.
 */
void oh_threads_totals(uint64_t *ret_bytes, uint64_t *ret_calls);

#endif
