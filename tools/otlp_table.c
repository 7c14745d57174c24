/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_table.c - encoded messages that go into one repeated field, each once.
 */
#include "tools/otlp_table.h"

#include <stdlib.h>

#include "tools/mem.h"

#define FIRST_SLOTS 64u

/* ---- bytes ------------------------------------------------------------------- */

void
oh_bytes_reserve(struct oh_bytes *to, size_t more)
{
	if (OH_UNLIKELY(to->cap - to->len < more))
		to->b = oh_xgrow(to->b, &to->cap, to->len + more, 1);
}

void
oh_bytes_add(struct oh_bytes *to, const void *data, size_t len)
{
	if (len == 0)
		return;
	oh_bytes_reserve(to, len);
	memcpy(to->b + to->len, data, len);
	to->len += len;
}

void
oh_bytes_varint(struct oh_bytes *to, uint64_t v)
{
	oh_bytes_reserve(to, 10);
	for (; v >= 0x80; v >>= 7)
		to->b[to->len++] = (uint8_t)(v | 0x80);
	to->b[to->len++] = (uint8_t)v;
}

/* Length of the well-formed UTF-8 character at s; 0 if it is none. */
static size_t
character(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (s[0] >= 0x80 && (s[0] < 0xc2 || s[0] > 0xf4))
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if (n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)))
		return 0; /* too long for what it says; half of a pair */
	if (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)))
		return 0;
	return n;
}

void
oh_bytes_text(struct oh_bytes *to, const char *s)
{
	const unsigned char *at = (const unsigned char *)s;

	while (*at != '\0') {
		size_t run = 0, n;

		while (at[run] != '\0' && (n = character(at + run)) != 0)
			run += n;
		oh_bytes_add(to, at, run);
		at += run;
		if (*at != '\0') {
			oh_bytes_add(to, "\xef\xbf\xbd", 3);
			at++;
		}
	}
}

void
oh_bytes_field(struct oh_bytes *to, unsigned field, size_t len)
{
	oh_bytes_varint(to, field << 3 | 2);
	oh_bytes_varint(to, len);
}

static size_t
varint_len(uint64_t v)
{
	size_t n = 1;

	for (; v >= 0x80; v >>= 7)
		n++;
	return n;
}

size_t
oh_field_head(unsigned field, size_t len)
{
	return varint_len(field << 3 | 2) + varint_len(len);
}

/* ---- tables ------------------------------------------------------------------ */

static void
append(struct oh_otlp_table *t, const void *content, size_t len, uint32_t hash)
{
	oh_bytes_field(&t->bytes, t->field, len);
	t->entries = oh_xgrow(t->entries, &t->cap, t->count + 1, sizeof(*t->entries));
	t->entries[t->count++] =
	    (struct oh_otlp_entry){ (uint32_t)t->bytes.len, (uint32_t)len, hash };
	oh_bytes_add(&t->bytes, content, len);
}

static void
fill_slots(struct oh_otlp_table *t)
{
	memset(t->slots, 0, t->slot_count * sizeof(*t->slots));
	for (size_t e = 0; e < t->count; e++) {
		size_t i = t->entries[e].hash & (t->slot_count - 1);

		while (t->slots[i] != 0)
			i = (i + 1) & (t->slot_count - 1);
		t->slots[i] = (uint32_t)e + 1;
	}
}

void
oh_otlp_table_init(struct oh_otlp_table *t, unsigned field)
{
	*t = (struct oh_otlp_table){ .field = (uint8_t)field, .slot_count = FIRST_SLOTS };
	t->slots = oh_xcalloc(t->slot_count, sizeof(*t->slots));
	append(t, "", 0, (uint32_t)oh_hash_bytes("", 0, 0));
	fill_slots(t);
}

void
oh_otlp_table_release(struct oh_otlp_table *t)
{
	free(t->bytes.b);
	free(t->entries);
	free(t->slots);
}

uint32_t
oh_otlp_table_add(struct oh_otlp_table *t, const void *content, size_t len)
{
	uint32_t hash = (uint32_t)oh_hash_bytes(content, len, 0);
	size_t i = hash & (t->slot_count - 1);

	for (uint32_t e; (e = t->slots[i]) != 0; i = (i + 1) & (t->slot_count - 1)) {
		const struct oh_otlp_entry *entry = &t->entries[e - 1];

		if (entry->hash == hash && entry->len == len &&
		    (len == 0 || memcmp(t->bytes.b + entry->at, content, len) == 0))
			return e - 1;
	}
	append(t, content, len, hash);
	t->slots[i] = (uint32_t)t->count;
	if (2 * (t->count + 1) > t->slot_count) {
		free(t->slots);
		t->slot_count *= 2;
		t->slots = oh_xcalloc(t->slot_count, sizeof(*t->slots));
		fill_slots(t);
	}
	return (uint32_t)t->count - 1;
}

void
oh_otlp_table_cut(struct oh_otlp_table *t, size_t count)
{
	const struct oh_otlp_entry *last = &t->entries[count - 1];

	if (count >= t->count)
		return;
	t->count = count;
	t->bytes.len = (size_t)last->at + last->len;
	fill_slots(t);
}
