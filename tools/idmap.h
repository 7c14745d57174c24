/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idmap.h - number 64-bit ids 0, 1, 2 ... in the order they are first seen.
 *
 * A pprof file names locations, functions and mappings by ids its writer chose
 * freely.  Most writers count from 1, so small ids are looked up in a plain
 * table; others (addresses, hostile files) go through a hash table.  Memory:
 * 4 bytes for each small id up to the largest seen, at most 40 bytes for each
 * other id.
 */
#ifndef OH_TOOLS_IDMAP_H
#define OH_TOOLS_IDMAP_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"

#define OH_IDMAP_NONE UINT32_MAX
#define OH_IDMAP_DIRECT (UINT64_C(1) << 22) /* ids below this are looked up directly */

struct oh_idmap {
	uint32_t *direct; /* [id] = index + 1, 0 = not seen */
	size_t direct_cap;
	struct oh_idmap_slot {
		uint64_t id;
		uint32_t index_plus1; /* 0 = empty slot */
	} * slots;
	size_t slot_cap, slot_used; /* slot_cap is 0 or a power of two */
	uint32_t count;             /* indices given out so far */
};

/* The number of `id`, a new one if it was never seen. */
uint32_t oh_idmap_add_slow(struct oh_idmap *m, uint64_t id);

uint32_t oh_idmap_find_slow(const struct oh_idmap *m, uint64_t id);

void oh_idmap_free(struct oh_idmap *m);

/* Both are inline because they run once for each frame of each sample. */
static inline uint32_t
oh_idmap_add(struct oh_idmap *m, uint64_t id)
{
	if (OH_LIKELY(id < m->direct_cap && m->direct[id] != 0))
		return m->direct[id] - 1;
	return oh_idmap_add_slow(m, id);
}

/* The number of `id`, or OH_IDMAP_NONE. */
static inline uint32_t
oh_idmap_find(const struct oh_idmap *m, uint64_t id)
{
	if (OH_LIKELY(id < m->direct_cap && m->direct[id] != 0))
		return m->direct[id] - 1;
	return oh_idmap_find_slow(m, id);
}

#endif
