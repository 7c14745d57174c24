/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_views.c - what is hidden, put together otherwise, shortened and written again.
 */
#include "tests/unit/tools/wirebuild.h"

#include <stdlib.h>

#include "tools/aggregate.h"
#include "tools/filter.h"
#include "tools/group.h"
#include "tools/place.h"
#include "tools/profile_write.h"
#include "tools/wire.h"

static struct oh_profile *
example(void)
{
	struct wb w;

	wb_example(&w);
	return wb_profile(&w);
}

/* The names on the stack of a sample, leaf first, with ' ' after each. */
static const char *
stack(const struct oh_profile *p, size_t s)
{
	static char text[256];
	size_t n = 0;

	text[0] = '\0';
	for (uint32_t f = p->frame_at[s]; f < p->frame_at[s + 1]; f++) {
		uint32_t l = p->frames[f];

		for (uint32_t i = 0; i < p->line_count[l]; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s ",
			    oh_profile_string(
				p, p->functions[p->lines[p->line_at[l] + i].function].name));
	}
	return text;
}

START_TEST(hidden_frames_leave_their_values)
{
	struct oh_profile *p = example();

	ck_assert_str_eq(stack(p, 0), "alloc grow parse parse main ");
	oh_filter_hide(p, "^grow$|c\\.c");
	ck_assert_uint_eq(p->sample_count, 4);
	ck_assert_str_eq(stack(p, 0), "parse parse main ");
	ck_assert_int_eq(oh_profile_value(p, 0, 1), 1000);
	oh_filter_hide(p, ".");
	ck_assert_str_eq(stack(p, 0), "");
	ck_assert_uint_eq(p->frame_at[4], 0);
	oh_profile_free(p);
}
END_TEST

START_TEST(frames_that_the_profile_drops_go_before_hidden_ones)
{
	struct oh_profile *p = example();

	/* alloc is called by grow: without grow it would not be dropped any more. */
	p->drop_frames = oh_profile_add_string(p, "grow", 4);
	oh_filter_hide(p, "grow");
	ck_assert_str_eq(stack(p, 0), "parse parse main ");
	oh_profile_free(p);
}
END_TEST

START_TEST(samples_by_size)
{
	static const struct {
		int64_t size;
		const char *name;
	} cases[] = {
		{ 0, "0 - 16 B" },
		{ 16, "0 - 16 B" },
		{ 17, "17 - 32 B" },
		{ 1024, "513 - 1024 B" },
		{ 1025, "1 - 2 KiB" },
		{ 524289, "512 KiB - 1 MiB" },
		{ INT64_MAX, "4 - 8 EiB" },
	};
	char buf[OH_GROUP_NAME_MAX];
	struct oh_profile *p = example();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_str_eq(oh_group_size_class(buf, cases[i].size), cases[i].name);
	oh_group_samples(p, OH_GROUP_SIZE, NULL);
	ck_assert_str_eq(stack(p, 0), "65 - 128 B ");
	ck_assert_str_eq(stack(p, 2), "0 - 16 B ");
	ck_assert_str_eq(stack(p, 3), "0 - 16 B ");
	oh_profile_free(p);
	p = example();
	oh_group_samples(p, OH_GROUP_THREAD, NULL);
	ck_assert_str_eq(stack(p, 1), "(no thread) ");
	oh_profile_free(p);
	p = example();
	oh_group_samples(p, OH_GROUP_LABEL, "bytes");
	ck_assert_str_eq(stack(p, 1), "50 ");
	oh_profile_free(p);
	p = example();
	oh_group_samples(p, OH_GROUP_MODULE, NULL);
	ck_assert_str_eq(stack(p, 0), "/bin/app ");
	oh_profile_free(p);
}
END_TEST

START_TEST(names_get_short)
{
	static const char *const cases[][2] = {
		{ "main", "main" },
		{ "std::vector<int, std::allocator<int> >::push_back(int const&)",
		    "std::vector<>::push_back()" },
		{ "operator<", "operator<" },
		{ "a::operator<< <char>", "a::operator<< <char>" },
		{ "a::operator-><int>", "a::operator-><int>" },
		{ "f()::{lambda(int)#1}::operator()(int) const",
		    "f()::{lambda()#1}::operator()() const" },
		{ "(anonymous namespace)::f(int)", "(anonymous namespace)::f()" },
		{ "<alloc::vec::Vec<T,A> as core::ops::Drop>::drop",
		    "<alloc::vec::Vec<> as core::ops::Drop>::drop" },
		{ "app::run::h0123456789abcdef", "app::run" },
		{ "broken<int", "broken<>" },
		{ "<", "<" },
		{ "a<", "a<>" },
		{ "", "" },
	};
	char buf[128];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		oh_place_short(buf, strlen(cases[i][0]) + 4, cases[i][0]);
		ck_assert_str_eq(buf, cases[i][1]);
	}
}
END_TEST

/* Everything a reader can see, as text. */
static char *
describe(const struct oh_profile *p)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	for (size_t i = 0; i < p->type_count; i++)
		fprintf(to, "type %s %s\n", oh_profile_string(p, p->types[i].type),
		    oh_profile_string(p, p->types[i].unit));
	for (size_t s = 0; s < p->sample_count; s++) {
		uint32_t set = p->label_set[s];

		fprintf(to, "sample %s", stack(p, s));
		for (uint32_t f = p->frame_at[s]; f < p->frame_at[s + 1]; f++)
			fprintf(to, "%llx.%u ", (unsigned long long)p->address[p->frames[f]],
			    p->location_mapping[p->frames[f]]);
		for (unsigned t = 0; t < p->type_count; t++)
			fprintf(to, "%lld ", (long long)oh_profile_value(p, s, t));
		for (uint32_t i = p->label_at[set]; i < p->label_at[set + 1]; i++)
			fprintf(to, "%s=%s/%lld ", oh_profile_string(p, p->labels[i].key),
			    oh_profile_string(p, p->labels[i].str), (long long)p->labels[i].num);
		fprintf(to, "\n");
	}
	for (size_t i = 0; i < p->mapping_count; i++)
		fprintf(to, "mapping %llx %llx %llx %s %s\n",
		    (unsigned long long)p->mappings[i].start,
		    (unsigned long long)p->mappings[i].limit,
		    (unsigned long long)p->mappings[i].offset,
		    oh_profile_string(p, p->mappings[i].filename),
		    oh_profile_string(p, p->mappings[i].build_id));
	for (size_t i = 0; i < p->comment_count; i++)
		fprintf(to, "comment %s\n", oh_profile_string(p, p->comments[i]));
	fprintf(to, "%lld %lld %lld %s %s %s %s\n", (long long)p->time_ns,
	    (long long)p->duration_ns, (long long)p->period,
	    oh_profile_string(p, p->period_type.type), oh_profile_string(p, p->period_type.unit),
	    oh_profile_string(p, p->default_type), oh_profile_string(p, p->drop_frames));
	fclose(to);
	return text;
}

static char *
write_it(const struct oh_profile *p, size_t *ret_len)
{
	char *bytes = NULL;
	FILE *to = open_memstream(&bytes, ret_len);

	ck_assert(oh_profile_write(p, to));
	ck_assert_int_eq(fclose(to), 0);
	return bytes;
}

static struct oh_profile *
written(const struct oh_profile *p)
{
	struct oh_error err = { "" };
	struct oh_profile *again;
	size_t len = 0;
	char *bytes = write_it(p, &len);

	again = oh_profile_read_mem(bytes, len, OH_PROFILE_MAX_DEFAULT, &err);
	ck_assert_msg(again != NULL, "%s", err.text);
	free(bytes);
	return again;
}

START_TEST(what_is_written_reads_the_same)
{
	struct oh_profile *p = example(), *again;
	char *before, *after;

	p->values[0] = INT64_MIN; /* ten bytes on the wire */
	before = describe(p);
	again = written(p);
	after = describe(again);
	ck_assert_str_eq(before, after);
	ck_assert(again->mappings[0].has_functions);
	oh_profile_free(again);

	/* Nothing of what no sample needs. */
	oh_filter_samples(p, "nosuch", NULL, NULL);
	again = written(p);
	ck_assert_uint_eq(again->sample_count + again->location_count + again->function_count, 0);
	ck_assert_uint_eq(again->mapping_count, 1);
	oh_profile_free(again);
	oh_profile_free(p);
	free(before);
	free(after);
}
END_TEST

/* The ids of the mappings, locations and functions are 1 .. n, as they come: how many of each. */
static void
count_ids(const char *gzip, size_t len, uint64_t counts[3])
{
	uint8_t bytes[4096];
	struct oh_wire w = { bytes, bytes };
	struct oh_wire_field f, id;
	z_stream z = { .next_in = (Bytef *)(uintptr_t)gzip,
		.avail_in = (uInt)len,
		.next_out = bytes,
		.avail_out = sizeof(bytes) };

	ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
	ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
	w.end = z.next_out;
	(void)inflateEnd(&z);
	while (oh_wire_next(&w, &f) > 0) {
		if (f.number < 3 || f.number > 5)
			continue;
		ck_assert_int_gt(oh_wire_next(&f.bytes, &id), 0);
		ck_assert_uint_eq(id.number, 1);
		ck_assert_uint_eq(id.value, ++counts[f.number - 3]);
	}
}

START_TEST(ids_are_written_in_a_row)
{
	static const char *const strings[] = { "", "objects", "count", "space", "bytes", "bytes",
		"one", "two", "three", "main", "library" };
	uint64_t counts[3] = { 0, 0, 0 };
	struct oh_profile *p, *again;
	struct wb w = { .len = 0 };
	size_t len = 0;
	char *bytes;

	/* All the other way round, with gaps and with what no sample needs. */
	WB_INTS(&w, 1, 1, 2);
	WB_INTS(&w, 1, 3, 4);
	WB_SAMPLE(&w, 1, 8, 0, 90, 50);
	WB_SAMPLE(&w, 2, 6, 0, 70);
	wb_location(&w, 50, 7, 0x500010, 30, 1, 0, 0);
	wb_location(&w, 60, 7, 0x500020, 40, 1, 0, 0);
	wb_location(&w, 70, 3, 0x400010, 20, 1, 0, 0);
	wb_location(&w, 90, 7, 0x500030, 40, 2, 0, 0);
	WB_INTS(&w, 5, 40, 8, 8, 0, 0);
	WB_INTS(&w, 5, 30, 7, 7, 0, 0);
	WB_INTS(&w, 5, 20, 6, 6, 0, 0);
	WB_INTS(&w, 3, 3, 0x400000, 0x500000, 0, 9, 0);
	WB_INTS(&w, 3, 7, 0x500000, 0x600000, 0, 10, 0);
	for (size_t i = 0; i < OH_ARRAY_LEN(strings); i++)
		wb_string(&w, strings[i]);
	p = wb_profile(&w);
	bytes = write_it(p, &len);
	count_ids(bytes, len, counts);
	free(bytes);
	ck_assert_uint_eq(counts[0], 2);
	ck_assert_uint_eq(counts[1], 3);
	ck_assert_uint_eq(counts[2], 3);

	again = written(p);
	ck_assert_str_eq(stack(again, 0), "three two ");
	ck_assert_str_eq(stack(again, 1), "one ");
	for (size_t s = 0; s < 2; s++) {
		uint32_t l = again->frames[again->frame_at[s]];
		const struct oh_mapping *m = &again->mappings[again->location_mapping[l] - 1];

		ck_assert_uint_eq(m->start, s == 0 ? 0x500000 : 0x400000);
	}
	ck_assert_str_eq(
	    oh_profile_string(again, again->mappings[again->main_mapping].filename), "main");
	oh_profile_free(again);
	oh_profile_free(p);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, hidden_frames_leave_their_values);
	tcase_add_test(tc, frames_that_the_profile_drops_go_before_hidden_ones);
	tcase_add_test(tc, samples_by_size);
	tcase_add_test(tc, names_get_short);
	tcase_add_test(tc, what_is_written_reads_the_same);
	tcase_add_test(tc, ids_are_written_in_a_row);
}

int
main(void)
{
	return unit_run("views", add);
}
