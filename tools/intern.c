/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intern.c - find strings of a profile by content.
 */
#include "tools/intern.h"

#include <stdlib.h>
#include <string.h>

#include "tools/mem.h"

void
oh_intern_init(struct oh_intern *in, struct oh_profile *p)
{
	in->p = p;
	in->cap = 1024;
	in->used = 0;
	in->slots = oh_xcalloc(in->cap, sizeof(*in->slots));
}

void
oh_intern_free(struct oh_intern *in)
{
	free(in->slots);
	in->slots = NULL;
}

static size_t
find(const struct oh_intern *in, const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
	size_t i;

	for (const char *c = s; *c != '\0'; c++)
		h = (h ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
	i = (size_t)(h ^ (h >> 32)) & (in->cap - 1);
	while (in->slots[i] != 0 && strcmp(oh_profile_string(in->p, in->slots[i] - 1), s) != 0)
		i = (i + 1) & (in->cap - 1);
	return i;
}

static void
make_room(struct oh_intern *in)
{
	uint32_t *old = in->slots;
	size_t old_cap = in->cap;

	if (2 * (in->used + 1) <= in->cap)
		return;
	in->cap *= 2;
	in->slots = oh_xcalloc(in->cap, sizeof(*in->slots));
	for (size_t i = 0; i < old_cap; i++)
		if (old[i] != 0)
			in->slots[find(in, oh_profile_string(in->p, old[i] - 1))] = old[i];
	free(old);
}

uint32_t
oh_intern_index(struct oh_intern *in, uint32_t i)
{
	size_t slot;

	make_room(in);
	slot = find(in, oh_profile_string(in->p, i));
	if (in->slots[slot] == 0) {
		in->slots[slot] = i + 1;
		in->used++;
	}
	return in->slots[slot] - 1;
}

uint32_t
oh_intern_text(struct oh_intern *in, const char *s)
{
	size_t slot;

	make_room(in);
	slot = find(in, s);
	if (in->slots[slot] == 0) {
		in->slots[slot] = oh_profile_add_string(in->p, s, strlen(s)) + 1;
		in->used++;
	}
	return in->slots[slot] - 1;
}
