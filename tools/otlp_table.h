/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_table.h - encoded messages that go into one repeated field, each once.
 *
 * A table of the OTLP dictionary: entry 0 is the empty message, further ones
 * are found by their bytes.  What is kept is the encoding itself, tags and
 * lengths included, so that the table is sent as it lies there.
 */
#ifndef OH_TOOLS_OTLP_TABLE_H
#define OH_TOOLS_OTLP_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base.h"

/* Bytes that grow by doubling. */
struct oh_bytes {
	uint8_t *b;
	size_t len, cap;
};

/* Make room for `more` bytes behind what is there. */
void oh_bytes_reserve(struct oh_bytes *to, size_t more);
void oh_bytes_add(struct oh_bytes *to, const void *data, size_t len);
void oh_bytes_varint(struct oh_bytes *to, uint64_t v);

/* A string without its NUL; each byte that is no part of well-formed UTF-8 becomes U+FFFD. */
void oh_bytes_text(struct oh_bytes *to, const char *s);

/* Tag and length of a length-delimited field; its content is added after it. */
void oh_bytes_field(struct oh_bytes *to, unsigned field, size_t len);

/* How many bytes oh_bytes_field() adds. */
size_t oh_field_head(unsigned field, size_t len);

struct oh_otlp_table {
	struct oh_bytes bytes; /* tag, length, content; again and again */
	struct oh_otlp_entry {
		uint32_t at, len; /* of the content in bytes */
		uint32_t hash;
	} * entries;
	size_t count, cap; /* entries */
	uint32_t *slots;   /* open addressing: entry + 1, 0 = empty; at most half full */
	size_t slot_count; /* a power of two */
	uint8_t field;     /* of the dictionary */
};

/* Start a table of field `field` with its empty entry 0.  All of *t is set. */
void oh_otlp_table_init(struct oh_otlp_table *t, unsigned field);
void oh_otlp_table_release(struct oh_otlp_table *t);

/* The index of the entry with this content, which is added if it is new. */
uint32_t oh_otlp_table_add(struct oh_otlp_table *t, const void *content, size_t len);

/* Cut the table back to its first `count` > 0 entries. */
void oh_otlp_table_cut(struct oh_otlp_table *t, size_t count);

/* fmix64 of MurmurHash3 (public domain): every bit of x changes about half of the result's. */
static inline uint64_t
oh_mix(uint64_t x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

/* A 64-bit hash of bytes; fast, not for keeping anybody out. */
static inline uint64_t
oh_hash_bytes(const void *data, size_t len, uint64_t seed)
{
	const uint8_t *at = data;
	uint64_t h = seed ^ (len * UINT64_C(0x9e3779b97f4a7c15)), word;

	for (; len >= 8; at += 8, len -= 8) {
		memcpy(&word, at, 8);
		h = (h ^ word) * UINT64_C(0x9fb21c651e98df25);
		h ^= h >> 32;
	}
	word = 0;
	if (len != 0)
		memcpy(&word, at, len);
	return oh_mix(h ^ word);
}

#endif
