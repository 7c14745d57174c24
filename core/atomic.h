/* SPDX-License-Identifier: Apache-2.0 */
/*
 * atomic.h - the only place that spells memory orders.
 *
 * The order is in the name, so that a search for one name lists every use.
 * Relaxed operations order nothing: they are for statistics and for values
 * that another, tagged, operation publishes.
 */
#ifndef OH_CORE_ATOMIC_H
#define OH_CORE_ATOMIC_H

#define oh_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define oh_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define oh_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define oh_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* For two threads that each write one word and then read the other's. */
#define oh_load_seq_cst(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define oh_store_seq_cst(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)

#define oh_add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define oh_sub_relaxed(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_RELAXED)
#define oh_add_acq_rel(p, v) __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)
#define oh_or_acq_rel(p, v) __atomic_fetch_or((p), (v), __ATOMIC_ACQ_REL)
#define oh_exchange_acq_rel(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)

/* On failure *expected holds the value seen, read with the second order. */
#define oh_cas_relaxed(p, expected, v) \
	__atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define oh_cas_acq_rel(p, expected, v) \
	__atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)

/*
 * There are no fences: ThreadSanitizer does not know them.  Where a reader
 * compares a number around what it copies (seqlock), the copy is loaded with
 * acquire and stored with release, which costs x86-64 nothing.
 */

#endif
