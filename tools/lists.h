/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lists.h - lists of 64-bit words, numbered 0, 1, 2 ... in the order they are
 * first seen.  Whatever is made of words can be interned so: a stack, a set of
 * labels.
 */
#ifndef OH_TOOLS_LISTS_H
#define OH_TOOLS_LISTS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"

/* A hash of a list: begin with its length. */
static inline uint64_t
oh_lists_mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio */
	return h ^ (h >> 29);
}

/* All zero at first. */
struct oh_lists {
	uint64_t *words;
	size_t word_count, word_cap;
	size_t *at; /* list i is words[at[i] .. at[i + 1]) */
	size_t count, at_cap;
	uint32_t *slots; /* open addressing: list + 1 */
	size_t slot_cap;
};

/* The number of a list, a new one if it was never seen, as *ret_new says. */
uint32_t oh_lists_intern(struct oh_lists *l, const uint64_t *words, size_t len, bool *ret_new);
void oh_lists_free(struct oh_lists *l);

#endif
