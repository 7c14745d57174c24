/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live.h - is this block sampled and still allocated?
 *
 * Two parts: a filter that the entry points look at on every free, and the
 * table of records behind it.
 */
#ifndef OH_CORE_LIVE_H
#define OH_CORE_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"

/*
 * The filter: one byte for each 4 KiB page of the low 32 bits of an address,
 * not zero when a record may be there.  1 MiB of address space of which only
 * the touched pages cost memory; the frees of a hot page share a hot byte.
 * (Six instructions a free.  Two addresses 4 GiB apart share a byte: the
 * table then says no.)
 */
#define OH_FILTER_SIZE (1u << 20)
extern OH_HIDDEN uint8_t oh_live_filter[OH_FILTER_SIZE];

static inline bool
oh_live_maybe(const void *block)
{
	bool maybe;

	/* One byte, read once, in one instruction: the compiler takes two for an atomic load. */
	__asm__("cmpb $0, %1"
		: "=@ccne"(maybe)
		: "m"(oh_live_filter[(uint32_t)(uintptr_t)block >> 12]));
	return maybe;
}

struct oh_live_record {
	uint64_t size_bytes; /* as requested */
	double weight;       /* allocations it stands for */
	uint32_t site;       /* id, see stacks.h */
	uint32_t birth_cs;   /* centiseconds since the profile began */
};

/* Set up the empty table.  Once, after the arena.  0 or -ENOMEM. */
int oh_live_init(void);

/*
 * Remember a block that was just allocated and not yet given to the host.
 * Returns false when the arena is full.  A record for the same address, left
 * by a free that was never seen, is replaced and counted (OH_DROP_FREE_MISSED).
 * Any thread, any signal context; no lock.
 */
bool oh_live_insert(const void *block, const struct oh_live_record *r);

/*
 * Forget a block about to be freed; false if it was not sampled.  `ret` may be
 * NULL.  Any thread, any signal context; no lock.
 */
bool oh_live_remove(const void *block, struct oh_live_record *ret);

/* Make every free in [start, start + bytes) take the slow path, for ever. */
void oh_live_always(const void *start, size_t bytes);

/*
 * Call `fn` for each record.  Blocks that come or go meanwhile may be missed
 * or included; a record is never reported twice or half.
 */
void oh_live_each(
    void (*fn)(uintptr_t block, const struct oh_live_record *r, void *arg), void *arg);

/* In a forked child: whatever another thread was at, it will not finish. */
void oh_live_after_fork(void);

/* Records in the table. */
size_t oh_live_count(void);

#endif
