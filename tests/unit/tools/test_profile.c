/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_profile.c - what the reader promises, for honest and hostile bytes.
 */
#include "tests/unit/tools/wirebuild.h"

#include <stdlib.h>

#include "tools/aggregate.h"
#include "tools/symbols.h"

/* Everything an index can reach is there (I1), and every view can be made of it. */
static void
assert_consistent(struct oh_profile *p)
{
	static const enum oh_view views[] = { OH_VIEW_FUNCTIONS, OH_VIEW_LINES, OH_VIEW_STACKS };

	ck_assert_uint_gt(p->string_count, 0);
	ck_assert_str_eq(oh_profile_string(p, 0), "");
	for (size_t s = 0; s < p->sample_count; s++) {
		ck_assert_uint_le(p->frame_at[s], p->frame_at[s + 1]);
		ck_assert_uint_lt(p->label_set[s], p->label_set_count);
		for (uint32_t f = p->frame_at[s]; f < p->frame_at[s + 1]; f++)
			ck_assert_uint_lt(p->frames[f], p->location_count);
	}
	for (size_t l = 0; l < p->location_count; l++) {
		ck_assert_uint_le(p->location_mapping[l], p->mapping_count);
		ck_assert_uint_le(p->line_at[l] + (size_t)p->line_count[l], p->lines_len);
		for (uint32_t i = 0; i < p->line_count[l]; i++)
			ck_assert_uint_lt(p->lines[p->line_at[l] + i].function, p->function_count);
	}
	for (size_t f = 0; f < p->function_count; f++) {
		ck_assert_uint_lt(p->functions[f].name, p->string_count);
		ck_assert_uint_lt(p->functions[f].filename, p->string_count);
	}
	oh_symbols_demangle(p);
	for (unsigned t = 0; t < p->type_count; t++)
		for (size_t v = 0; v < OH_ARRAY_LEN(views); v++) {
			struct oh_table table;

			oh_aggregate(&table, p, t, views[v]);
			oh_table_sort(&table, p, false);
			oh_table_free(&table);
		}
}

static void
assert_refused(const struct wb *w, const char *why)
{
	struct oh_error err = { "" };
	struct oh_profile *p = wb_read(w, &err);

	ck_assert_ptr_null(p);
	ck_assert_msg(strstr(err.text, why) != NULL, "%s: %s", why, err.text);
}

START_TEST(reads_what_was_written)
{
	struct oh_profile *p;
	struct wb w;

	wb_example(&w);
	p = wb_profile(&w);
	ck_assert_uint_eq(p->sample_count, 4);
	ck_assert_uint_eq(p->type_count, 2);
	ck_assert_uint_eq(p->location_count, 4);
	ck_assert_uint_eq(p->function_count, 4);
	ck_assert_uint_eq(p->mapping_count, 1);
	ck_assert_int_eq(oh_profile_value(p, 0, 0), 10);
	ck_assert_int_eq(oh_profile_value(p, 0, 1), 1000);
	ck_assert_int_eq(oh_profile_value(p, 2, 1), 14);
	ck_assert_uint_eq(p->frame_at[1] - p->frame_at[0], 4);
	ck_assert_uint_eq(p->address[p->frames[0]], 0x400040);
	ck_assert_uint_eq(p->mappings[0].start, 0x400000);
	ck_assert_uint_eq(p->mappings[0].offset, 0x1000);
	ck_assert_str_eq(oh_profile_string(p, p->mappings[0].build_id), "ab12");
	ck_assert_int_eq(p->period, 524288);
	ck_assert_uint_eq(p->comment_count, 1);
	ck_assert_str_eq(oh_profile_string(p, p->comments[0]), "hello");
	assert_consistent(p);
	oh_profile_free(p);
}
END_TEST

START_TEST(equal_label_lists_are_kept_once)
{
	struct oh_profile *p;
	struct wb w;

	wb_example(&w);
	p = wb_profile(&w);
	/* none, bytes 100, bytes 50, bytes 7 */
	ck_assert_uint_eq(p->label_set_count, 4);
	ck_assert_uint_eq(p->label_set[2], p->label_set[3]);
	ck_assert_int_eq(p->labels[p->label_at[p->label_set[0]]].num, 100);
	ck_assert_str_eq(
	    oh_profile_string(p, p->labels[p->label_at[p->label_set[0]]].key), "bytes");
	oh_profile_free(p);
}
END_TEST

START_TEST(reads_gzip_of_one_and_of_several_members)
{
	uint8_t packed[2 * 16384];
	struct oh_error err = { "" };
	struct oh_profile *p;
	struct wb w, tail = { .len = 0 };
	size_t len;

	wb_example(&w);
	len = wb_gzip(&w, packed, sizeof(packed));
	p = oh_profile_read_mem(packed, len, OH_PROFILE_MAX_DEFAULT, &err);
	ck_assert_msg(p != NULL, "%s", err.text);
	oh_profile_free(p);

	/* Encodings concatenate, and so do gzip members. */
	WB_SAMPLE(&tail, 1, 8, 8, 1);
	len += wb_gzip(&tail, packed + len, sizeof(packed) - len);
	p = oh_profile_read_mem(packed, len, OH_PROFILE_MAX_DEFAULT, &err);
	ck_assert_msg(p != NULL, "%s", err.text);
	ck_assert_uint_eq(p->sample_count, 5);
	oh_profile_free(p);
}
END_TEST

START_TEST(unknown_fields_and_unpacked_numbers_are_fine)
{
	struct wb w, m = { .len = 0 };
	struct oh_profile *p;

	wb_example(&w);
	wb_bytes(&w, 100, "unknown", 7);
	wb_int(&w, 101, UINT64_MAX);
	wb_int(&m, 1, 4); /* location ids and values one by one, not in order */
	wb_int(&m, 2, 3);
	wb_int(&m, 1, 1);
	wb_int(&m, 2, 300);
	wb_int(&m, 9, 1);
	wb_bytes(&w, 2, m.b, m.len);
	p = wb_profile(&w);
	ck_assert_uint_eq(p->sample_count, 5);
	ck_assert_int_eq(oh_profile_value(p, 4, 1), 300);
	ck_assert_uint_eq(p->frame_at[5] - p->frame_at[4], 2);
	oh_profile_free(p);
}
END_TEST

START_TEST(ids_need_not_be_small_or_in_order)
{
	struct oh_profile *p;
	struct wb w = { .len = 0 };

	WB_INTS(&w, 1, 0, 0);
	WB_INTS(&w, 1, 0, 0);
	WB_SAMPLE(&w, 1, 2, 0, UINT64_MAX, UINT64_C(1) << 40, 3);
	WB_SAMPLE(&w, 1, 2, 0, OH_IDMAP_DIRECT, OH_IDMAP_DIRECT - 1, 3);
	for (uint64_t i = 0; i < 200; i++)
		wb_location(&w, (i << 32) + 3, 0, i, 0, 0, 0, 0);
	wb_location(&w, UINT64_MAX, 0, 77, 0, 0, 0, 0);
	wb_location(&w, UINT64_C(1) << 40, 0, 78, 0, 0, 0, 0);
	wb_location(&w, OH_IDMAP_DIRECT, 0, 79, 0, 0, 0, 0);
	wb_location(&w, OH_IDMAP_DIRECT - 1, 0, 80, 0, 0, 0, 0);
	p = wb_profile(&w);
	ck_assert_uint_eq(p->location_count, 204);
	ck_assert_uint_eq(p->address[p->frames[0]], 77);
	ck_assert_uint_eq(p->address[p->frames[1]], 78);
	ck_assert_uint_eq(p->address[p->frames[3]], 79);
	ck_assert_uint_eq(p->address[p->frames[4]], 80);
	assert_consistent(p);
	oh_profile_free(p);
}
END_TEST

START_TEST(a_profile_without_samples_is_fine)
{
	struct oh_profile *p;
	struct wb w = { .len = 0 };

	wb_string(&w, "");
	p = wb_profile(&w);
	ck_assert_uint_eq(p->sample_count, 0);
	ck_assert_int_eq(oh_profile_find_type(p, NULL), -1);
	oh_profile_free(p);
}
END_TEST

START_TEST(sample_types_are_found_by_name_index_and_default)
{
	struct oh_profile *p;
	struct wb w;

	wb_example(&w);
	p = wb_profile(&w);
	ck_assert_int_eq(oh_profile_find_type(p, NULL), 1);
	ck_assert_int_eq(oh_profile_find_type(p, "objects"), 0);
	ck_assert_int_eq(oh_profile_find_type(p, "0"), 0);
	ck_assert_int_eq(oh_profile_find_type(p, "2"), -1);
	ck_assert_int_eq(oh_profile_find_type(p, ""), -1);
	ck_assert_int_eq(oh_profile_find_type(p, "-1"), -1);
	ck_assert_int_eq(oh_profile_find_type(p, "99999999999999999999999"), -1);
	oh_profile_free(p);

	wb_int(&w, 14, 1);
	p = wb_profile(&w);
	ck_assert_int_eq(oh_profile_find_type(p, NULL), 0);
	oh_profile_free(p);

	wb_int(&w, 14, 15); /* names no type: the last one, as pprof does */
	p = wb_profile(&w);
	ck_assert_int_eq(oh_profile_find_type(p, NULL), 1);
	oh_profile_free(p);
}
END_TEST

START_TEST(each_inconsistency_is_refused_by_name)
{
	struct wb w;

	w.len = 0;
	assert_refused(&w, "empty");
	wb_example(&w);
	wb_location(&w, 4, 1, 1, 0, 0, 0, 0);
	assert_refused(&w, "two locations with the id 4");
	wb_example(&w);
	wb_location(&w, 0, 1, 1, 0, 0, 0, 0);
	assert_refused(&w, "a location without an id");
	wb_example(&w);
	wb_location(&w, 9, 1, 1, 99, 1, 0, 0);
	assert_refused(&w, "a function is referred to");
	wb_example(&w);
	wb_location(&w, 9, 7, 1, 0, 0, 0, 0);
	assert_refused(&w, "a mapping is referred to");
	wb_example(&w);
	WB_INTS(&w, 5, 0, 1);
	assert_refused(&w, "a function without an id");
	wb_example(&w);
	WB_SAMPLE(&w, 1, 1, 1, 99);
	assert_refused(&w, "a location is referred to");
	wb_example(&w);
	WB_SAMPLE(&w, 1, 1, 1, 0);
	assert_refused(&w, "location id 0");
	wb_example(&w);
	WB_INTS(&w, 2, 0, 5);
	assert_refused(&w, "a sample has 1 values");
	wb_example(&w);
	WB_INTS(&w, 1, 1, 2);
	assert_refused(&w, "there are 3 sample types");
	wb_example(&w);
	wb_int(&w, 13, 16);
	assert_refused(&w, "string 16 is referred to, there are 16");
	wb_example(&w);
	wb_int(&w, 7, UINT64_MAX);
	assert_refused(&w, "string 4294967295");
	wb_example(&w);
	wb_int(&w, 2, 5); /* a sample that is a number */
	assert_refused(&w, "malformed");
	w.len = 0;
	wb_string(&w, "not empty");
	assert_refused(&w, "first string is not empty");
	w.len = 0;
	for (int i = 0; i < 1001; i++)
		WB_INTS(&w, 1, 0, 0);
	assert_refused(&w, "sample types");
}
END_TEST

START_TEST(a_location_with_absurdly_many_lines_is_refused)
{
	struct wb w = { .len = 0 }, m = { .len = 0 };

	wb_int(&m, 1, 1);
	for (int i = 0; i < 1025; i++)
		WB_INTS(&m, 4, 1, 1);
	wb_bytes(&w, 4, m.b, m.len);
	assert_refused(&w, "more than 1024 lines");
}
END_TEST

START_TEST(other_formats_are_told_by_name)
{
	static const struct {
		const char *bytes, *why;
	} cases[] = {
		{ "heap profile: 1: 2 [3: 4] @ heap_v2/524288\n", "gperftools" },
		{ "heap_v2/524288\n  t*: 1: 2 [0: 0]\n", "jemalloc" },
		{ "{\"a\": 1}", "JSON" },
		{ "\x7f"
		  "ELF\x02\x01",
		    "a program" },
		{ "BZh91AY", "bzip2" },
	};

	for (size_t i = 0; i < OH_ARRAY_LEN(cases); i++) {
		struct wb w = { .len = strlen(cases[i].bytes) };

		memcpy(w.b, cases[i].bytes, w.len);
		assert_refused(&w, cases[i].why);
	}
}
END_TEST

START_TEST(every_truncation_is_an_error_or_consistent)
{
	struct wb w;

	wb_example(&w);
	for (size_t n = 0; n < w.len; n++) {
		struct oh_error err = { "" };
		uint8_t *exact = malloc(n + 1); /* so that ASan sees a step past the end */
		struct oh_profile *p;

		memcpy(exact, w.b, n);
		p = oh_profile_read_mem(exact, n, OH_PROFILE_MAX_DEFAULT, &err);
		ck_assert(p != NULL || err.text[0] != '\0');
		if (p != NULL)
			assert_consistent(p);
		oh_profile_free(p);
		free(exact);
	}
}
END_TEST

START_TEST(every_flipped_byte_is_an_error_or_consistent)
{
	static const uint8_t masks[] = { 0xff, 0x80, 0x01, 0x10 };
	struct wb w;

	wb_example(&w);
	for (size_t n = 0; n < w.len; n++)
		for (size_t k = 0; k < OH_ARRAY_LEN(masks); k++) {
			struct oh_error err = { "" };
			struct oh_profile *p;

			w.b[n] ^= masks[k];
			p = wb_read(&w, &err);
			w.b[n] ^= masks[k];
			ck_assert(p != NULL || err.text[0] != '\0');
			if (p != NULL)
				assert_consistent(p);
			oh_profile_free(p);
		}
}
END_TEST

START_TEST(damaged_gzip_is_refused)
{
	uint8_t packed[16384];
	struct oh_error err;
	struct oh_profile *p;
	struct wb w;
	size_t len;

	wb_example(&w);
	len = wb_gzip(&w, packed, sizeof(packed));
	for (size_t n = 0; n < len; n++) {
		err.text[0] = '\0';
		p = oh_profile_read_mem(packed, n, OH_PROFILE_MAX_DEFAULT, &err);
		ck_assert_ptr_null(p);
		ck_assert_str_ne(err.text, "");
	}
	for (size_t n = 0; n < len; n++) {
		err.text[0] = '\0';
		packed[n] ^= 0x41;
		p = oh_profile_read_mem(packed, len, OH_PROFILE_MAX_DEFAULT, &err);
		packed[n] ^= 0x41;
		/* Header fields such as the time may differ; the data may not. */
		ck_assert(p != NULL || err.text[0] != '\0');
		if (p != NULL)
			assert_consistent(p);
		oh_profile_free(p);
	}
	err.text[0] = '\0';
	packed[len] = 'x';
	packed[len + 1] = 'y';
	p = oh_profile_read_mem(packed, len + 2, OH_PROFILE_MAX_DEFAULT, &err);
	ck_assert_ptr_null(p);
}
END_TEST

START_TEST(a_gzip_bomb_stops_at_the_limit)
{
	static uint8_t zeros[1 << 20], packed[1 << 18];
	struct oh_error err = { "" };
	z_stream z = { 0 };
	uint8_t head[] = { 0x32, 0xff, 0xff, 0xff, 0xff, 0x0f }; /* a string of 4 GiB */

	ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_out = packed;
	z.avail_out = sizeof(packed);
	z.next_in = head;
	z.avail_in = sizeof(head);
	ck_assert_int_eq(deflate(&z, Z_NO_FLUSH), Z_OK);
	for (int i = 0; i < 64; i++) {
		z.next_in = zeros;
		z.avail_in = sizeof(zeros);
		ck_assert_int_eq(
		    deflate(&z, i == 63 ? Z_FINISH : Z_NO_FLUSH), i == 63 ? Z_STREAM_END : Z_OK);
	}
	ck_assert_ptr_null(oh_profile_read_mem(packed, z.total_out, UINT64_C(16) << 20, &err));
	ck_assert_msg(
	    strstr(err.text, "more than 16 MiB") || strstr(err.text, "malformed"), "%s", err.text);
	(void)deflateEnd(&z);
}
END_TEST

START_TEST(sums_saturate)
{
	ck_assert_int_eq(oh_add_saturated(INT64_MAX, 1), INT64_MAX);
	ck_assert_int_eq(oh_add_saturated(INT64_MIN, -1), INT64_MIN);
	ck_assert_int_eq(oh_add_saturated(INT64_MAX, -1), INT64_MAX - 1);
}
END_TEST

START_TEST(added_strings_and_functions_can_be_read_back)
{
	struct oh_line line = { .line = 5 };
	struct oh_profile *p;
	struct wb w;

	wb_example(&w);
	p = wb_profile(&w);
	for (unsigned i = 0; i < 5000; i++) {
		char s[32];
		uint32_t at;

		(void)snprintf(s, sizeof(s), "string %u", i);
		at = oh_profile_add_string(p, s, strlen(s));
		ck_assert_str_eq(oh_profile_string(p, at), s);
		line.function = oh_profile_add_function(p, &(struct oh_function){ .name = at });
	}
	oh_profile_set_lines(p, 2, &line, 1);
	assert_consistent(p);
	oh_profile_free(p);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, reads_what_was_written);
	tcase_add_test(tc, equal_label_lists_are_kept_once);
	tcase_add_test(tc, reads_gzip_of_one_and_of_several_members);
	tcase_add_test(tc, unknown_fields_and_unpacked_numbers_are_fine);
	tcase_add_test(tc, ids_need_not_be_small_or_in_order);
	tcase_add_test(tc, a_profile_without_samples_is_fine);
	tcase_add_test(tc, sample_types_are_found_by_name_index_and_default);
	tcase_add_test(tc, each_inconsistency_is_refused_by_name);
	tcase_add_test(tc, a_location_with_absurdly_many_lines_is_refused);
	tcase_add_test(tc, other_formats_are_told_by_name);
	tcase_add_test(tc, every_truncation_is_an_error_or_consistent);
	tcase_add_test(tc, every_flipped_byte_is_an_error_or_consistent);
	tcase_add_test(tc, damaged_gzip_is_refused);
	tcase_add_test(tc, a_gzip_bomb_stops_at_the_limit);
	tcase_add_test(tc, sums_saturate);
	tcase_add_test(tc, added_strings_and_functions_can_be_read_back);
}

int
main(void)
{
	return unit_run("profile", add);
}
