/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lists.c - lists of 64-bit words, numbered in the order they are first seen.
 */
#include "tools/lists.h"

#include <stdlib.h>
#include <string.h>

#include "tools/mem.h"

static size_t
slot_of(const struct oh_lists *l, const uint64_t *words, size_t len)
{
	uint64_t h = len;
	size_t i;

	for (size_t k = 0; k < len; k++)
		h = oh_lists_mix(h, words[k]);
	for (i = (size_t)h & (l->slot_cap - 1); l->slots[i] != 0; i = (i + 1) & (l->slot_cap - 1)) {
		const size_t *at = &l->at[l->slots[i] - 1];

		if (at[1] - at[0] == len &&
		    memcmp(l->words + at[0], words, len * sizeof(*words)) == 0)
			break;
	}
	return i;
}

uint32_t
oh_lists_intern(struct oh_lists *l, const uint64_t *words, size_t len, bool *ret_new)
{
	size_t slot;

	if (2 * (l->count + 1) > l->slot_cap) {
		free(l->slots);
		l->slot_cap = l->slot_cap ? 2 * l->slot_cap : 256;
		l->slots = oh_xcalloc(l->slot_cap, sizeof(*l->slots));
		for (size_t i = 0; i < l->count; i++)
			l->slots[slot_of(l, l->words + l->at[i], l->at[i + 1] - l->at[i])] =
			    (uint32_t)i + 1;
	}
	slot = slot_of(l, words, len);
	*ret_new = l->slots[slot] == 0;
	if (*ret_new) {
		l->words =
		    oh_xgrow(l->words, &l->word_cap, l->word_count + len + 1, sizeof(*l->words));
		l->at = oh_xgrow(l->at, &l->at_cap, l->count + 2, sizeof(*l->at));
		memcpy(l->words + l->word_count, words, len * sizeof(*words));
		l->at[l->count] = l->word_count;
		l->word_count += len;
		l->at[++l->count] = l->word_count;
		l->slots[slot] = (uint32_t)l->count;
	}
	return l->slots[slot] - 1;
}

void
oh_lists_free(struct oh_lists *l)
{
	free(l->words);
	free(l->at);
	free(l->slots);
}
