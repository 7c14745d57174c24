/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idmap.c - number 64-bit ids 0, 1, 2 ... in the order they are first seen.
 *
 * Invariants
 *	I1  An id below OH_IDMAP_DIRECT is only ever in `direct`, any other only
 *	    ever in `slots`.
 *	I2  At most half of `slots` is in use, so a probe ends.
 * Sources  Mixing step: fmix64 of MurmurHash3 (public domain).
 */
#include "tools/idmap.h"

#include <stdlib.h>
#include <string.h>

#include "tools/mem.h"

static size_t
slot_of(const struct oh_idmap *m, uint64_t id)
{
	uint64_t h = id;
	size_t i;

	h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
	i = (size_t)(h ^ (h >> 33)) & (m->slot_cap - 1);
	while (m->slots[i].index_plus1 != 0 && m->slots[i].id != id)
		i = (i + 1) & (m->slot_cap - 1);
	return i;
}

static void
slots_grow(struct oh_idmap *m)
{
	struct oh_idmap old = *m;

	m->slot_cap = old.slot_cap ? 2 * old.slot_cap : 64;
	m->slots = oh_xcalloc(m->slot_cap, sizeof(*m->slots));
	for (size_t i = 0; i < old.slot_cap; i++)
		if (old.slots[i].index_plus1 != 0)
			m->slots[slot_of(m, old.slots[i].id)] = old.slots[i];
	free(old.slots);
}

uint32_t
oh_idmap_add_slow(struct oh_idmap *m, uint64_t id)
{
	if (id < OH_IDMAP_DIRECT) {
		size_t had = m->direct_cap;

		if (id >= had) {
			m->direct =
			    oh_xgrow(m->direct, &m->direct_cap, (size_t)id + 1, sizeof(*m->direct));
			memset(m->direct + had, 0, (m->direct_cap - had) * sizeof(*m->direct));
		}
		if (m->direct[id] == 0)
			m->direct[id] = ++m->count;
		return m->direct[id] - 1;
	}

	size_t i;

	if (2 * (m->slot_used + 1) > m->slot_cap)
		slots_grow(m);
	i = slot_of(m, id);
	if (m->slots[i].index_plus1 == 0) {
		m->slots[i].id = id;
		m->slots[i].index_plus1 = ++m->count;
		m->slot_used++;
	}
	return m->slots[i].index_plus1 - 1;
}

uint32_t
oh_idmap_find_slow(const struct oh_idmap *m, uint64_t id)
{
	uint32_t index_plus1 = 0;

	if (id < OH_IDMAP_DIRECT) {
		if (id < m->direct_cap)
			index_plus1 = m->direct[id];
	} else if (m->slot_cap != 0) {
		index_plus1 = m->slots[slot_of(m, id)].index_plus1;
	}
	return index_plus1 ? index_plus1 - 1 : OH_IDMAP_NONE;
}

void
oh_idmap_free(struct oh_idmap *m)
{
	free(m->direct);
	free(m->slots);
	memset(m, 0, sizeof(*m));
}
