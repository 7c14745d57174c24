/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wirebuild.h - make profiles for tests, byte by byte.
 *
 * Also a small valid profile that the tests of several files share.
 */
#ifndef OH_TESTS_WIREBUILD_H
#define OH_TESTS_WIREBUILD_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <zlib.h>

#include "tests/unit/suite.h"
#include "tools/profile.h"

struct wb {
	uint8_t b[16384];
	size_t len;
};

static inline void
wb_varint(struct wb *w, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		w->b[w->len++] = (uint8_t)(v | 0x80);
	w->b[w->len++] = (uint8_t)v;
}

static inline void
wb_int(struct wb *w, unsigned field, uint64_t v)
{
	wb_varint(w, field << 3);
	wb_varint(w, v);
}

static inline void
wb_bytes(struct wb *w, unsigned field, const void *b, size_t len)
{
	wb_varint(w, field << 3 | 2);
	wb_varint(w, len);
	ck_assert_uint_le(w->len + len, sizeof(w->b));
	memcpy(w->b + w->len, b, len);
	w->len += len;
}

static inline void
wb_string(struct wb *w, const char *s)
{
	wb_bytes(w, 6, s, strlen(s));
}

/* A message of up to six integer fields, numbered from 1; zeros are left out. */
static inline void
wb_ints(struct wb *w, unsigned field, const uint64_t *v, size_t n)
{
	struct wb m = { .len = 0 };

	for (size_t i = 0; i < n; i++)
		if (v[i] != 0)
			wb_int(&m, (unsigned)i + 1, v[i]);
	wb_bytes(w, field, m.b, m.len);
}
#define WB_INTS(w, field, ...) \
	wb_ints(w, field, (const uint64_t[]){ __VA_ARGS__ }, \
	    sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

static inline void
wb_packed(struct wb *w, unsigned field, const uint64_t *v, size_t n)
{
	struct wb m = { .len = 0 };

	for (size_t i = 0; i < n; i++)
		wb_varint(&m, v[i]);
	wb_bytes(w, field, m.b, m.len);
}

/* A sample with two values and, if bytes > 0, the label {key 5: bytes}. */
static inline void
wb_sample(
    struct wb *w, const uint64_t *ids, size_t n, uint64_t count, uint64_t space, uint64_t bytes)
{
	const uint64_t values[2] = { count, space }, label[3] = { 5, 0, bytes };
	struct wb m = { .len = 0 };

	wb_packed(&m, 1, ids, n);
	wb_packed(&m, 2, values, 2);
	if (bytes > 0)
		wb_ints(&m, 3, label, 3);
	wb_bytes(w, 2, m.b, m.len);
}
#define WB_SAMPLE(w, count, space, bytes, ...) \
	wb_sample(w, (const uint64_t[]){ __VA_ARGS__ }, \
	    sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t), count, space, bytes)

/* A location with up to two lines (function, line), innermost first; 0 = none. */
static inline void
wb_location(struct wb *w, uint64_t id, uint64_t mapping, uint64_t address, uint64_t f1, uint64_t l1,
    uint64_t f2, uint64_t l2)
{
	struct wb m = { .len = 0 };

	wb_int(&m, 1, id);
	if (mapping)
		wb_int(&m, 2, mapping);
	wb_int(&m, 3, address);
	if (f1)
		WB_INTS(&m, 4, f1, l1);
	if (f2)
		WB_INTS(&m, 4, f2, l2);
	wb_bytes(w, 4, m.b, m.len);
}

/*
 * The shared profile: types objects/count and space/bytes (default: the
 * second), interval 512 KiB, and
 *
 *	main (a.c) -> parse (a.c) -> [inlined grow (b.h) in parse] -> alloc (c.c)
 */
static inline void
wb_example(struct wb *w)
{
	static const char *const strings[] = { "", "objects", "count", "space", "bytes", "bytes",
		"main", "parse", "grow", "alloc", "a.c", "b.h", "c.c", "/bin/app", "ab12",
		"hello" };

	w->len = 0;
	WB_INTS(w, 1, 1, 2);
	WB_INTS(w, 1, 3, 4);
	WB_SAMPLE(w, 10, 1000, 100, 4, 3, 2, 1);
	WB_SAMPLE(w, 1, 50, 50, 2, 1);
	WB_SAMPLE(w, 2, 14, 7, 4, 2, 2, 1); /* parse calls itself */
	WB_SAMPLE(w, 0, 0, 7, 1);
	WB_INTS(w, 3, 1, 0x400000, 0x500000, 0x1000, 13, 14);
	wb_location(w, 1, 1, 0x400010, 1, 12, 0, 0);
	wb_location(w, 2, 1, 0x400020, 2, 34, 0, 0);
	wb_location(w, 3, 1, 0x400030, 3, 5, 2, 36);
	wb_location(w, 4, 1, 0x400040, 4, 7, 0, 0);
	WB_INTS(w, 5, 1, 6, 6, 10, 10);
	WB_INTS(w, 5, 2, 7, 7, 10, 30);
	WB_INTS(w, 5, 3, 8, 8, 11, 4);
	WB_INTS(w, 5, 4, 9, 9, 12, 6);
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		wb_string(w, strings[i]);
	wb_int(w, 9, UINT64_C(1750000000000000000));
	WB_INTS(w, 11, 3, 4);
	wb_int(w, 12, 524288);
	wb_int(w, 13, 15);
	wb_int(w, 14, 3);
}

static inline size_t
wb_gzip(const struct wb *w, uint8_t *out, size_t room)
{
	z_stream z = { 0 };

	ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)w->b;
	z.avail_in = (uInt)w->len;
	z.next_out = out;
	z.avail_out = (uInt)room;
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	(void)deflateEnd(&z);
	return room - z.avail_out;
}

static inline struct oh_profile *
wb_read(const struct wb *w, struct oh_error *err)
{
	return oh_profile_read_mem(w->b, w->len, OH_PROFILE_MAX_DEFAULT, err);
}

/* As wb_read(), of what is a profile. */
static inline struct oh_profile *
wb_profile(const struct wb *w)
{
	struct oh_error err = { "" };
	struct oh_profile *p = wb_read(w, &err);

	ck_assert_msg(p != NULL, "%s", err.text);
	return p;
}

#endif
