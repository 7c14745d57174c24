/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strtab.c - strings by index, as the string table of a profile wants them.
 *
 * Shape	open addressing, linear probing, at most half full; doubles.
 *	The old arrays stay in the scratch: at most as much again.
 *
 * Invariants
 *	I1  count >= 1 and strings[0] is "" (unless init failed).
 *	I2  Every slot is 0 or 1 + an index below count, and each index but 0
 *	    is in exactly one slot.
 *	I3  Every string is valid UTF-8.
 *
 * Sources  Hash: FNV-1a, 64 bits (public domain).  Well-formed byte
 *	sequences: The Unicode Standard, table 3-7.
 */
#include "proto/strtab.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define FIRST_ROOM 64u

static uint64_t
hash_of(const char *s, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)s[i]) * UINT64_C(0x100000001b3);
	return h ^ h >> 32;
}

/* Length of the well-formed character at s[0 .. len), len > 0; 0 if there is none. */
static size_t
utf8_char(const uint8_t *s, size_t len)
{
	uint8_t lo = 0x80, hi = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return s[0] != 0;
	if (s[0] >= 0xc2 && s[0] <= 0xdf) {
		n = 2;
	} else if (s[0] >= 0xe0 && s[0] <= 0xef) {
		n = 3;
		if (s[0] == 0xe0)
			lo = 0xa0;
		else if (s[0] == 0xed)
			hi = 0x9f;
	} else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		n = 4;
		if (s[0] == 0xf0)
			lo = 0x90;
		else if (s[0] == 0xf4)
			hi = 0x8f;
	} else {
		return 0;
	}
	if (len < n || s[1] < lo || s[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	}
	return n;
}

static bool
is_utf8(const char *s, size_t len)
{
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = utf8_char((const uint8_t *)s + i, len - i);
		if (n == 0)
			return false;
	}
	return true;
}

static void
make_utf8(char *s, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = utf8_char((const uint8_t *)s + i, len - i);
		if (n == 0) {
			s[i] = '?';
			n = 1;
		}
		i += n;
	}
}

/* The slot that holds s[0 .. len), or the empty one where it belongs. */
static uint32_t *
find(const struct oh_strtab *t, const char *s, size_t len)
{
	uint32_t mask = 2 * t->room - 1;

	for (uint32_t i = (uint32_t)hash_of(s, len) & mask;; i = (i + 1) & mask) {
		uint32_t at = t->slots[i];
		/* No string has a NUL inside, so strncmp stops in time. */
		if (at == 0 ||
		    (strncmp(t->strings[at - 1], s, len) == 0 && t->strings[at - 1][len] == '\0'))
			return &t->slots[i];
	}
}

static bool
grow(struct oh_strtab *t, uint32_t room)
{
	const char **strings = oh_scratch_array(t->scratch, room, sizeof(*strings));
	uint32_t *slots = oh_scratch_array(t->scratch, 2 * (size_t)room, sizeof(*slots));

	if (strings == NULL || slots == NULL)
		return false;
	if (t->count != 0)
		memcpy(strings, t->strings, t->count * sizeof(*strings));
	t->strings = strings;
	t->slots = slots;
	t->room = room;
	for (uint32_t i = 1; i < t->count; i++)
		*find(t, strings[i], strlen(strings[i])) = i + 1;
	return true;
}

int
oh_strtab_init(struct oh_strtab *t, struct oh_scratch *scratch)
{
	*t = (struct oh_strtab){ .scratch = scratch };
	if (!grow(t, FIRST_ROOM))
		return t->error = -ENOMEM;
	t->strings[0] = "";
	t->count = 1;
	return 0;
}

uint32_t
oh_strtab_add(struct oh_strtab *t, const char *s, size_t len)
{
	char *copy = NULL;

	if (len == 0 || t->error != 0)
		return 0;
	if (!is_utf8(s, len)) {
		copy = oh_scratch_alloc(t->scratch, len + 1);
		if (copy == NULL)
			goto full;
		memcpy(copy, s, len);
		make_utf8(copy, len);
		s = copy;
	}
	uint32_t *slot = find(t, s, len);
	if (*slot != 0)
		return *slot - 1;
	if (t->count == t->room) {
		if (t->room > UINT32_MAX / 8 || !grow(t, 2 * t->room))
			goto full;
		slot = find(t, s, len);
	}
	if (copy == NULL) {
		copy = oh_scratch_alloc(t->scratch, len + 1); /* zeroed: ends in NUL */
		if (copy == NULL)
			goto full;
		memcpy(copy, s, len);
	}
	t->strings[t->count] = copy;
	*slot = ++t->count;
	return t->count - 1;

full:
	t->error = -ENOMEM;
	return 0;
}

uint32_t
oh_strtab_add_str(struct oh_strtab *t, const char *s)
{
	return s == NULL ? 0 : oh_strtab_add(t, s, strlen(s));
}
