/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_pprof.c - what a reader finds is what the snapshot held.
 *
 * One file because all tests need the same made-up snapshots and decoder.
 */
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/layout.h"
#include "core/sys.h"
#include "proto/pprof.h"
#include "proto/profile.pb-c.h"
#include "tests/unit/proto/readback.h"
#include "tests/unit/suite.h"

typedef Perftools__Profiles__Profile Profile;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* What reached the process's heap (not counted under a sanitizer). */
static unsigned long heap_calls;

#if !SANITIZED

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);

void *
malloc(size_t size)
{
	heap_calls++;
	return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	heap_calls++;
	return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t size)
{
	heap_calls++;
	return __libc_realloc(p, size);
}
#endif

/* ---- a small snapshot that has one of everything ------------------------- */

static const uint8_t build_id[20] = { 0x00, 0x01, 0xab, 0xCD, 0xef, 0x10 };

static const struct oh_snap_module modules[] = {
	{ 0x400000, 0x500000, 0x1000, "/usr/bin/prog", build_id, sizeof(build_id) },
	{ 0x7f0000000000, 0x7f0000100000, 0, "/usr/lib/libunused.so", NULL, 0 },
	{ 0x7f0000200000, 0x7f0000300000, 0x2000, "/usr/lib/libc.so.6", build_id, 4 },
};

static const char *const thread_names[] = { "", "main", "worker \xff" };

static const oh_frame stack_a[] = {
	(oh_frame)3 << 48 | 0x7f0000200101,
	(oh_frame)1 << 48 | 0x400201,
	(oh_frame)1 << 48 | 0x400301,
};
static const oh_frame stack_b[] = {
	(oh_frame)1 << 48 | 0x400201, /* shared with stack_a */
	(oh_frame)0 << 48 | 0x400201, /* the same pc, file unknown */
	(oh_frame)9 << 48 | 0x12345,  /* a module that does not exist */
	0,
};

static struct oh_snap_site sites[] = {
	{ .frames = stack_a,
	    .depth = 3,
	    .alloc_objects = 10.4,
	    .alloc_bytes = 1000.5,
	    .live_objects = 2.5,
	    .live_bytes = 250.49 },
	{ .frames = stack_a,
	    .depth = 3,
	    .thread_name = 1,
	    .alloc_objects = 1,
	    .alloc_bytes = 4096,
	    .live_objects = 1,
	    .live_bytes = 4096 },
	{ .frames = stack_b,
	    .depth = 4,
	    .thread_name = 2,
	    .alloc_objects = 3,
	    .alloc_bytes = 0,
	    .live_objects = 0,
	    .live_bytes = 0 },
	{ .frames = stack_b,
	    .depth = 4,
	    .alloc_objects = 0.09,
	    .alloc_bytes = 0.09,
	    .live_objects = 0,
	    .live_bytes = 0.005 },
	{ .frames = NULL,
	    .depth = 0,
	    .alloc_objects = 7,
	    .alloc_bytes = 700,
	    .live_objects = 7,
	    .live_bytes = 700 },
	{ .frames = NULL,
	    .depth = 0,
	    .thread_name = 77, /* out of range */
	    .alloc_objects = 1,
	    .alloc_bytes = 100 },
};

static struct oh_snapshot snap;
static struct oh_scratch scratch;

static void
setup(void)
{
	snap = (struct oh_snapshot){
		.interval_bytes = 524288,
		.time_ns = 1700000000000000001,
		.duration_ns = 60000000000,
		.modules = modules,
		.module_count = OH_ARRAY_LEN(modules),
		.sites = sites,
		.site_count = OH_ARRAY_LEN(sites),
		.thread_names = thread_names,
		.thread_name_count = OH_ARRAY_LEN(thread_names),
		.total_alloc_bytes = UINT64_MAX,
		.total_alloc_calls = 12345,
		.samples_live = 99,
		.own_memory_bytes = 4194304,
		.program = "prog",
		.pid = 4242,
	};
}

static void
teardown(void)
{
	oh_scratch_release(&scratch);
}

/* ---- read it back -------------------------------------------------------- */

static Profile *
encode_and_decode(size_t *ret_bytes)
{
	struct oh_sink sink;
	size_t len;
	int fd = memory_file();

	ck_assert_int_eq(oh_sink_init(&sink, fd, &scratch), 0);
	ck_assert_int_eq(oh_pprof_encode(&snap, &sink, &scratch), 0);
	ck_assert_int_eq(oh_sink_end(&sink), 0);
	if (ret_bytes != NULL)
		*ret_bytes = sink.written_bytes;
	uint8_t *raw = gunzip_fd(fd, &len);
	ck_assert_uint_eq(len, sink.appended_bytes);
	close(fd);
	Profile *p = perftools__profiles__profile__unpack(NULL, len, raw);
	ck_assert_ptr_nonnull(p);
	free(raw);
	return p;
}

static void
done(Profile *p)
{
	perftools__profiles__profile__free_unpacked(p, NULL);
}

static const char *
str(const Profile *p, int64_t index)
{
	ck_assert_int_ge(index, 0);
	ck_assert_uint_lt((size_t)index, p->n_string_table);
	return p->string_table[index];
}

/* All that the format asks of a profile; what pprof's CheckValid looks at and more. */
static void
check_valid(const Profile *p)
{
	ck_assert_uint_gt(p->n_string_table, 0);
	ck_assert_str_eq(p->string_table[0], "");
	ck_assert_uint_eq(p->n_sample_type, 4);
	for (size_t i = 0; i < p->n_sample_type; i++) {
		str(p, p->sample_type[i]->type);
		str(p, p->sample_type[i]->unit);
	}
	ck_assert_ptr_nonnull(p->period_type);
	str(p, p->period_type->type);
	str(p, p->period_type->unit);
	str(p, p->default_sample_type);
	str(p, p->drop_frames);
	ck_assert_int_eq(p->keep_frames, 0);
	for (size_t i = 0; i < p->n_comment; i++)
		str(p, p->comment[i]);
	for (size_t i = 0; i < p->n_mapping; i++) {
		const Perftools__Profiles__Mapping *m = p->mapping[i];
		ck_assert_uint_eq(m->id, i + 1);
		str(p, m->filename);
		str(p, m->build_id);
		ck_assert(!m->has_functions && !m->has_filenames && !m->has_line_numbers &&
			  !m->has_inline_frames);
	}
	for (size_t i = 0; i < p->n_function; i++) {
		ck_assert_uint_eq(p->function[i]->id, i + 1);
		ck_assert_str_ne(str(p, p->function[i]->name), "");
		str(p, p->function[i]->system_name);
		str(p, p->function[i]->filename);
	}
	for (size_t i = 0; i < p->n_location; i++) {
		const Perftools__Profiles__Location *l = p->location[i];
		if (l->id != i + 1) /* dense and in order, hence unique */
			ck_abort_msg("location %zu has id %lu", i, (unsigned long)l->id);
		ck_assert_uint_le(l->mapping_id, p->n_mapping);
		for (size_t k = 0; k < l->n_line; k++) {
			ck_assert_uint_ge(l->line[k]->function_id, 1);
			ck_assert_uint_le(l->line[k]->function_id, p->n_function);
		}
	}
	for (size_t i = 0; i < p->n_sample; i++) {
		const Perftools__Profiles__Sample *s = p->sample[i];
		ck_assert_uint_eq(s->n_value, p->n_sample_type);
		int64_t any = 0;
		for (size_t k = 0; k < s->n_value; k++) {
			ck_assert_int_ge(s->value[k], 0);
			any |= s->value[k];
		}
		ck_assert_int_ne(any, 0);
		ck_assert_uint_gt(s->n_location_id, 0);
		for (size_t k = 0; k < s->n_location_id; k++) {
			if (s->location_id[k] < 1 || s->location_id[k] > p->n_location)
				ck_abort_msg("sample %zu: no location %lu", i,
				    (unsigned long)s->location_id[k]);
		}
		for (size_t k = 0; k < s->n_label; k++) {
			ck_assert_str_ne(str(p, s->label[k]->key), "");
			str(p, s->label[k]->str);
			str(p, s->label[k]->num_unit);
			ck_assert(s->label[k]->str == 0 || s->label[k]->num == 0);
		}
	}
}

static const Perftools__Profiles__Label *
label(const Profile *p, size_t sample, const char *key)
{
	const Perftools__Profiles__Sample *s = p->sample[sample];

	for (size_t k = 0; k < s->n_label; k++) {
		if (strcmp(str(p, s->label[k]->key), key) == 0)
			return s->label[k];
	}
	return NULL;
}

static void
expect_values(const Profile *p, size_t sample, int64_t a, int64_t b, int64_t c, int64_t d)
{
	ck_assert_int_eq(p->sample[sample]->value[0], a);
	ck_assert_int_eq(p->sample[sample]->value[1], b);
	ck_assert_int_eq(p->sample[sample]->value[2], c);
	ck_assert_int_eq(p->sample[sample]->value[3], d);
}

/* ---- tests --------------------------------------------------------------- */

START_TEST(head_says_what_was_measured)
{
	static const char *const want[4][2] = {
		{ "alloc_objects", "count" },
		{ "alloc_space", "bytes" },
		{ "inuse_objects", "count" },
		{ "inuse_space", "bytes" },
	};
	Profile *p = encode_and_decode(NULL);

	check_valid(p);
	for (int i = 0; i < 4; i++) {
		ck_assert_str_eq(str(p, p->sample_type[i]->type), want[i][0]);
		ck_assert_str_eq(str(p, p->sample_type[i]->unit), want[i][1]);
	}
	ck_assert_str_eq(str(p, p->default_sample_type), "inuse_space");
	ck_assert_str_eq(str(p, p->period_type->type), "space");
	ck_assert_str_eq(str(p, p->period_type->unit), "bytes");
	ck_assert_int_eq(p->period, 524288);
	ck_assert_int_eq(p->time_nanos, 1700000000000000001);
	ck_assert_int_eq(p->duration_nanos, 60000000000);
	done(p);
}
END_TEST

START_TEST(values_are_rounded_and_empty_sites_left_out)
{
	Profile *p = encode_and_decode(NULL);

	ck_assert_uint_eq(p->n_sample, 5); /* of six sites: one rounds to nothing */
	expect_values(p, 0, 10, 1001, 3, 250);
	expect_values(p, 1, 1, 4096, 1, 4096);
	expect_values(p, 2, 3, 0, 0, 0);
	expect_values(p, 3, 7, 700, 7, 700);
	expect_values(p, 4, 1, 100, 0, 0);
	done(p);
}
END_TEST

START_TEST(locations_are_calls_shared_and_tied_to_their_mapping)
{
	Profile *p = encode_and_decode(NULL);
	const Perftools__Profiles__Sample *a = p->sample[0], *b = p->sample[2];

	ck_assert_uint_eq(a->n_location_id, 3);
	ck_assert_uint_eq(b->n_location_id, 4);
	ck_assert_mem_eq(a->location_id, p->sample[1]->location_id, 3 * sizeof(uint64_t));
	ck_assert_uint_eq(a->location_id[1], b->location_id[0]);
	ck_assert_uint_ne(b->location_id[0], b->location_id[1]);
	const Perftools__Profiles__Location *leaf = p->location[a->location_id[0] - 1];
	ck_assert_uint_eq(leaf->address, 0x7f0000200100);
	ck_assert_uint_eq(leaf->mapping_id, 2);
	ck_assert_uint_eq(p->location[b->location_id[1] - 1]->address, 0x400200);
	ck_assert_uint_eq(p->location[b->location_id[1] - 1]->mapping_id, 0);
	ck_assert_uint_eq(p->location[b->location_id[2] - 1]->address, 0x12344);
	ck_assert_uint_eq(p->location[b->location_id[2] - 1]->mapping_id, 0);
	ck_assert_uint_eq(p->location[b->location_id[3] - 1]->address, 0);
	ck_assert_uint_eq(p->n_location, 7); /* six frames and the unknown stack */
	done(p);
}
END_TEST

START_TEST(mappings_are_the_main_program_and_what_is_used)
{
	Profile *p = encode_and_decode(NULL);

	ck_assert_uint_eq(p->n_mapping, 2);
	ck_assert_uint_eq(p->mapping[0]->id, 1);
	ck_assert_uint_eq(p->mapping[0]->memory_start, 0x400000);
	ck_assert_uint_eq(p->mapping[0]->memory_limit, 0x500000);
	ck_assert_uint_eq(p->mapping[0]->file_offset, 0x1000);
	ck_assert_str_eq(str(p, p->mapping[0]->filename), "/usr/bin/prog");
	ck_assert_str_eq(str(p, p->mapping[0]->build_id), "0001abcdef1000000000"
							  "00000000000000000000");
	ck_assert_uint_eq(p->mapping[1]->id, 2);
	ck_assert_str_eq(str(p, p->mapping[1]->build_id), "0001abcd");
	done(p);

	/* Nothing sampled: the main program is there all the same. */
	snap.site_count = 0;
	p = encode_and_decode(NULL);
	check_valid(p);
	ck_assert_uint_eq(p->n_mapping, 1);
	ck_assert_uint_eq(p->mapping[0]->id, 1);
	done(p);

	/* No module known at all. */
	setup();
	snap.modules = NULL;
	snap.module_count = 0;
	p = encode_and_decode(NULL);
	check_valid(p);
	ck_assert_uint_eq(p->n_mapping, 0);
	done(p);
}
END_TEST

START_TEST(what_is_cut_off_one_row_is_carried_to_the_next)
{
	static struct oh_snap_site many[1000];
	double truth[4] = { 0 }, sum[4] = { 0 };

	/* Lone samples of blocks about as large as the interval weigh 1.0 to 1.6. */
	for (size_t i = 0; i < OH_ARRAY_LEN(many); i++) {
		double weight = 1 + (double)(i % 61) / 100;
		bool lives = i % 3 == 0;
		many[i] = (struct oh_snap_site){
			.frames = i % 2 == 0 ? stack_a : stack_b,
			.depth = 3,
			.samples = 1,
			.alloc_objects = weight,
			.alloc_bytes = weight * 3.3,
			.live_objects = lives ? weight : 0,
			.live_bytes = lives ? weight * 3.3 : 0,
		};
		truth[0] += many[i].alloc_objects;
		truth[1] += many[i].alloc_bytes;
		truth[2] += many[i].live_objects;
		truth[3] += many[i].live_bytes;
	}
	snap.sites = many;
	snap.site_count = OH_ARRAY_LEN(many);
	Profile *p = encode_and_decode(NULL);
	check_valid(p);
	ck_assert_uint_eq(p->n_sample, OH_ARRAY_LEN(many));
	for (size_t i = 0; i < p->n_sample; i++) {
		const int64_t *v = p->sample[i]->value;
		ck_assert_int_le(v[2], v[0]);
		ck_assert_int_le(v[3], v[1]);
		if (many[i].live_objects == 0)
			ck_assert_int_eq(v[2] | v[3], 0);
		for (int t = 0; t < 4; t++)
			sum[t] += (double)v[t];
	}
	for (int t = 0; t < 4; t++)
		ck_assert_double_le(fabs(sum[t] - truth[t]), 2);
	done(p);
}
END_TEST

START_TEST(unknown_stack_shows_by_name)
{
	Profile *p = encode_and_decode(NULL);

	ck_assert_uint_eq(p->n_function, 1);
	for (size_t i = 3; i <= 4; i++) {
		ck_assert_uint_eq(p->sample[i]->n_location_id, 1);
		const Perftools__Profiles__Location *l =
		    p->location[p->sample[i]->location_id[0] - 1];
		ck_assert_uint_eq(l->mapping_id, 0);
		ck_assert_uint_eq(l->n_line, 1);
		ck_assert_str_eq(
		    str(p, p->function[l->line[0]->function_id - 1]->name), "[unknown stack]");
	}
	done(p);
}
END_TEST

START_TEST(labels_are_mean_size_and_thread)
{
	Profile *p = encode_and_decode(NULL);

	ck_assert_int_eq(label(p, 0, "bytes")->num, 96); /* 1000.5 / 10.4 = 96.2 */
	ck_assert_str_eq(str(p, label(p, 0, "bytes")->num_unit), "bytes");
	ck_assert_ptr_null(label(p, 0, "thread"));
	ck_assert_str_eq(str(p, label(p, 1, "thread")->str), "main");
	ck_assert_ptr_null(label(p, 2, "bytes")); /* malloc(0) */
	ck_assert_str_eq(str(p, label(p, 2, "thread")->str), "worker ?");
	ck_assert_ptr_null(label(p, 4, "thread")); /* index out of range */
	done(p);
}
END_TEST

/* The values of the label `age` of a sample, and how many. */
static size_t
ages(const Profile *p, size_t sample, int64_t *ret)
{
	const Perftools__Profiles__Sample *s = p->sample[sample];
	size_t n = 0;

	for (size_t k = 0; k < s->n_label; k++) {
		if (strcmp(str(p, s->label[k]->key), "age") != 0)
			continue;
		ck_assert_str_eq(str(p, s->label[k]->num_unit), "milliseconds");
		ret[n++] = s->label[k]->num;
	}
	return n;
}

START_TEST(a_sample_for_each_class_of_what_lives)
{
	static const struct oh_snap_live live[] = {
		{ 3, 300, { 0, 20, 50 }, 3, OH_LEAK_NONE },
		{ 5, 500, { 10, 20, 30, 40, 50 }, 5, OH_LEAK_LOST },
		{ 1, 100, { 99 }, 1, OH_LEAK_INDIRECT },
	};
	static const struct oh_snap_live gone[] = { { 2, 200, { 1, 2 }, 2, OH_LEAK_INTERIOR } };
	struct oh_snap_site two[] = {
		{ stack_a, 3, 1, 12, 12, 1200, 9, 900, live, 3, NULL },
		{ stack_b, 4, 0, 2, 2, 200, 2, 200, gone, 1, NULL },
	};
	static const struct {
		int64_t values[4];
		const char *leak;
		size_t ages;
		int64_t oldest;
	} want[] = {
		{ { 12, 1200, 3, 300 }, NULL, 3, 50 },
		{ { 0, 0, 5, 500 }, "lost", 5, 50 },
		{ { 0, 0, 1, 100 }, "indirect", 1, 99 },
		{ { 2, 200, 0, 0 }, NULL, 0, 0 },
		{ { 0, 0, 2, 200 }, "interior", 2, 2 },
	};
	int64_t age[OH_SNAP_AGES];

	snap.sites = two;
	snap.site_count = 2;
	Profile *p = encode_and_decode(NULL);
	ck_assert_uint_eq(p->n_sample, OH_ARRAY_LEN(want));
	for (size_t i = 0; i < OH_ARRAY_LEN(want); i++) {
		ck_assert_mem_eq(p->sample[i]->value, want[i].values, sizeof(want[i].values));
		ck_assert_int_eq(label(p, i, "bytes")->num, 100);
		ck_assert_uint_eq(p->sample[i]->n_location_id, i < 3 ? 3 : 4);
		ck_assert_ptr_eq(label(p, i, "thread") != NULL ? p : NULL, i < 3 ? p : NULL);
		if (want[i].leak == NULL)
			ck_assert_ptr_null(label(p, i, "leak"));
		else
			ck_assert_str_eq(str(p, label(p, i, "leak")->str), want[i].leak);
		ck_assert_uint_eq(ages(p, i, age), want[i].ages);
		if (want[i].ages > 0)
			ck_assert_int_eq(age[want[i].ages - 1], want[i].oldest);
	}
	ck_assert_mem_eq(
	    p->sample[1]->location_id, p->sample[0]->location_id, 3 * sizeof(uint64_t));
	done(p);
}
END_TEST

/* Parts of an object here and there are neither lost nor made in the rounding. */
/* Pairs, in the sample that tells what was allocated and in no other. */
START_TEST(lifetimes_of_what_was_freed)
{
	static const struct oh_snap_live live[] = { { 1, 100, { 0 }, 1, OH_LEAK_LOST } };
	static const struct oh_lives lives = { { [0] = 7, [3] = UINT32_MAX, [23] = 1 } };
	static const int64_t want[][2] = { { 40, 7 }, { 320, UINT32_MAX },
		{ INT64_C(40) << 23, 1 } };
	struct oh_snap_site one = { stack_a, 3, 0, 12, 12, 1200, 1, 100, live, 1, &lives };
	size_t n = 0;

	snap.sites = &one;
	snap.site_count = 1;
	Profile *p = encode_and_decode(NULL);
	ck_assert_uint_eq(p->n_sample, 2);
	const Perftools__Profiles__Sample *s = p->sample[0];
	for (size_t k = 0; k + 1 < s->n_label; k++) {
		if (strcmp(str(p, s->label[k]->key), "lived") != 0)
			continue;
		ck_assert_str_eq(str(p, s->label[k]->num_unit), "milliseconds");
		ck_assert_str_eq(str(p, s->label[k + 1]->key), "freed");
		ck_assert_str_eq(str(p, s->label[k + 1]->num_unit), "count");
		ck_assert_uint_lt(n, OH_ARRAY_LEN(want));
		ck_assert_int_eq(s->label[k]->num, want[n][0]);
		ck_assert_int_eq(s->label[k + 1]->num, want[n++][1]);
	}
	ck_assert_uint_eq(n, OH_ARRAY_LEN(want));
	ck_assert_ptr_null(label(p, 1, "lived"));
	ck_assert_ptr_null(label(p, 1, "freed"));
	done(p);
}
END_TEST

START_TEST(classes_round_to_the_same_sums)
{
	enum { N = 500 };
	static struct oh_snap_live live[N][4];
	static struct oh_snap_site many[N];
	double objects = 0, lost = 0;
	int64_t got = 0, got_lost = 0;

	for (int i = 0; i < N; i++) {
		for (uint8_t k = 0; k < 4; k++) {
			live[i][k].objects = 1.01 + 0.37 * k;
			live[i][k].bytes = 10 * live[i][k].objects;
			live[i][k].leak = k;
			many[i].live_objects += live[i][k].objects;
			many[i].live_bytes += live[i][k].bytes;
		}
		many[i].frames = stack_a;
		many[i].depth = 1 + (uint32_t)i % 3;
		many[i].alloc_objects = many[i].live_objects;
		many[i].alloc_bytes = many[i].live_bytes;
		many[i].live = live[i];
		many[i].live_count = 4;
		objects += many[i].live_objects;
		lost += live[i][OH_LEAK_LOST].objects;
	}
	snap.sites = many;
	snap.site_count = N;
	Profile *p = encode_and_decode(NULL);
	int64_t allocated = 0, lives = 0;
	for (size_t i = 0; i < p->n_sample; i++) {
		const Perftools__Profiles__Label *l = label(p, i, "leak");
		/* Site by site, no more lives than was allocated. */
		if (l == NULL) {
			ck_assert_int_ge(allocated, lives);
			allocated = lives = 0;
		}
		allocated += p->sample[i]->value[0];
		lives += p->sample[i]->value[2];
		got += p->sample[i]->value[2];
		if (l != NULL && strcmp(str(p, l->str), "lost") == 0)
			got_lost += p->sample[i]->value[2];
	}
	ck_assert(fabs((double)got - objects) <= 2);
	ck_assert(fabs((double)got_lost - lost) <= 2 + 0.02 * lost);
	done(p);
}
END_TEST

START_TEST(a_leak_check_is_reported)
{
	static const struct oh_reach_result results[] = {
		{ .asked = false },
		{ .asked = true, .why_not = "it rains" },
		{ .asked = true,
		    .made = true,
		    .blocks = 100,
		    .found = { 90, 4, 3, 2 },
		    .unsure = 1,
		    .scanned_bytes = 12345,
		    .scans = 2,
		    .ms = 67,
		    .cpu_ms = 60 },
	};
	static const char *const want[3][2] = {
		{ NULL, NULL },
		{ "leak check: not made: it rains", NULL },
		{ "leak check: lost 4 interior 3 indirect 2 unsure 1 of 100 samples",
		    "leak scan: 12345 bytes in 67 ms, scans 2, cpu 60 ms" },
	};

	for (int i = 0; i < 3; i++) {
		const char *got[2] = { NULL, NULL };
		size_t n = 0;
		snap.leaks = results[i];
		Profile *p = encode_and_decode(NULL);
		for (size_t k = 0; k < p->n_comment; k++)
			if (strncmp(str(p, p->comment[k]), "leak", 4) == 0 && n < 2)
				got[n++] = str(p, p->comment[k]);
		for (int k = 0; k < 2; k++)
			ck_assert(want[i][k] == NULL
				      ? got[k] == NULL
				      : got[k] != NULL && strcmp(got[k], want[i][k]) == 0);
		done(p);
	}
	snap.leaks = results[0];
}
END_TEST

static void
expect_comments(const Profile *p, const char *const *want, size_t count)
{
	ck_assert_uint_eq(p->n_comment, count);
	for (size_t i = 0; i < count; i++)
		ck_assert_str_eq(str(p, p->comment[i]), want[i]);
}

START_TEST(further_comments_are_said_as_they_are)
{
	static const char *const said[] = { "A=1", "B=", NULL };
	bool found[2] = { false, false };

	snap.said = said;
	Profile *p = encode_and_decode(NULL);
	for (size_t k = 0; k < p->n_comment; k++)
		for (int i = 0; i < 2; i++)
			found[i] = found[i] || strcmp(str(p, p->comment[k]), said[i]) == 0;
	ck_assert(found[0] && found[1]);
	done(p);
	snap.said = NULL;
}
END_TEST

START_TEST(comments_are_key_and_value)
{
	static const char *const clean[] = {
		"otheap " OH_VERSION,
		"program: prog",
		"pid: 4242",
		"interval: 524288 bytes",
		"exact totals: 18446744073709551615 bytes in 12345 allocations",
		"samples: live 99",
		"lifetimes of freed samples: from 40 ms",
		"own memory: 4194304 bytes",
		"dropped: none",
	};
	static const char *const lossy[] = {
		"otheap " OH_VERSION,
		"program: ",
		"pid: 4242",
		"interval: 1 bytes",
		"exact totals: 0 bytes in 0 allocations",
		"samples: live 0",
		"lifetimes of freed samples: from 40 ms",
		"own memory: 0 bytes",
		"dropped: memory_full 17",
		"dropped: dump_failed 1",
	};
	Profile *p = encode_and_decode(NULL);

	expect_comments(p, clean, OH_ARRAY_LEN(clean));
	done(p);
	snap.program = NULL;
	snap.interval_bytes = 1;
	snap.total_alloc_bytes = snap.total_alloc_calls = 0;
	snap.samples_live = snap.own_memory_bytes = 0;
	snap.drops[OH_DROP_MEMORY_FULL] = 17;
	snap.drops[OH_DROP_DUMP_FAILED] = 1;
	p = encode_and_decode(NULL);
	expect_comments(p, lossy, OH_ARRAY_LEN(lossy));
	done(p);
}
END_TEST

START_TEST(numbers_no_program_should_have_are_clamped)
{
	struct oh_snap_site odd[] = {
		{ NULL, 0, 0, 1, 1e300, INFINITY, NAN, 9223372036854775807.0, NULL, 0, NULL },
		{ NULL, 0, 0, 1, -1, -INFINITY, -0.0, 1, NULL, 0, NULL },
		{ NULL, 0, 0, 1, NAN, NAN, NAN, NAN, NULL, 0, NULL },
		{ NULL, 0, 0, 1, 4503599627370497.0, 9007199254740993.0, 4503599627370495.5,
		    9223372036854774784.0, NULL, 0, NULL },
		{ NULL, 0, 0, 1, 0, 1e10, 0, 0, NULL, 0, NULL },
	};
	Profile *p;

	snap.sites = odd;
	snap.site_count = OH_ARRAY_LEN(odd);
	snap.interval_bytes = UINT64_MAX;
	p = encode_and_decode(NULL);
	check_valid(p);
	ck_assert_uint_eq(p->n_sample, 4);
	expect_values(p, 0, INT64_MAX, INT64_MAX, 0, INT64_MAX);
	expect_values(p, 1, 0, 0, 0, 1);
	expect_values(p, 2, 4503599627370497, (int64_t)9007199254740993.0, 4503599627370496,
	    9223372036854774784);
	expect_values(p, 3, 0, 10000000000, 0, 0);
	ck_assert_ptr_null(label(p, 3, "bytes"));
	ck_assert_int_eq(p->period, INT64_MAX);
	done(p);
}
END_TEST

/* Readers anchor the expression on both sides. */
START_TEST(drop_frames_hides_what_stands_before_malloc_and_nothing_else)
{
	static const struct {
		const char *name;
		bool hidden;
	} cases[] = {
		{ "operator new", true },
		{ "operator new[]", true },
		{ "operator new []", true },
		{ "operator new(unsigned long)", true },
		{ "operator new[](unsigned long, std::align_val_t)", true },
		{ "_Znwm", true },
		{ "_Znam", true },
		{ "_ZnwmSt11align_val_tRKSt9nothrow_t", true },
		{ "_Znaj", true },
		{ "std::__new_allocator<int>::allocate(unsigned long, void const*)", true },
		{ "std::__new_allocator::allocate", true },
		{ "__gnu_cxx::new_allocator<std::pair<int, long> >::allocate(unsigned long, void "
		  "const*)",
		    true },
		{ "std::allocator_traits<std::allocator<char> >::allocate(std::allocator<char>&, "
		  "unsigned long)",
		    true },
		{ "std::__1::allocator<char>::allocate(unsigned long)", true },
		{ "std::_Vector_base<int, std::allocator<int> >::_M_allocate(unsigned long)",
		    true },
		{ "std::__1::__libcpp_allocate(unsigned long, unsigned long)", true },
		{ "__rust_alloc", true },
		{ "__rdl_alloc_zeroed", true },
		{ "alloc::alloc::exchange_malloc", true },
		{ "<alloc::alloc::Global as core::alloc::Allocator>::allocate", true },
		{ "alloc::raw_vec::RawVec<T,A>::grow_one", true },
		{ "<alloc::raw_vec::RawVecInner>::try_allocate_in", true },
		{ "<hashbrown::raw::alloc::inner::do_alloc::<alloc::alloc::Global>>", true },
		{ "std::vector<int, std::allocator<int> >::push_back(int const&)", false },
		{ "std::allocator_of_mine::allocate()", false },
		{ "my::allocator<int>::allocate(unsigned long)", false },
		{ "void f<std::allocator<int>::allocate>()", false },
		{ "<alloc::vec::Vec<u8>>::push", false },
		{ "<app::Thing as core::clone::Clone>::clone", false },
		{ "app::alloc::alloc::take", false },
		{ "__rust_dealloc", false },
		{ "operator new_thing", false },
		{ "my_operator new", false },
		{ "operator newer(int)", false },
		{ "operator delete", false },
		{ "Pool::operator new", false },
		{ "_ZN4Pool3newEv", false },
		{ "_ZnwX", false },
		{ "main", false },
		{ "[unknown stack]", false },
	};
	char anchored[1024];
	regex_t re;
	Profile *p = encode_and_decode(NULL);

	snprintf(anchored, sizeof(anchored), "^(%s)$", str(p, p->drop_frames));
	ck_assert_int_eq(regcomp(&re, anchored, REG_EXTENDED | REG_NOSUB), 0);
	for (size_t i = 0; i < OH_ARRAY_LEN(cases); i++)
		ck_assert_msg((regexec(&re, cases[i].name, 0, NULL, 0) == 0) == cases[i].hidden,
		    "%s", cases[i].name);
	regfree(&re);
	done(p);
}
END_TEST

/* ---- many sites ---------------------------------------------------------- */

enum { MANY = 100000, DEPTH = 32, PCS = 8000 };

static uint64_t rng_state = 88172645463325252u; /* fixed seed, one per test process */

static uint64_t
rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

/*
 * 100,000 sites, 32 frames deep, over 8,000 call sites.  Like a program's,
 * stacks part from an earlier one near the leaf: each takes over all but its
 * last one to eight frames from a site picked at random.
 */
static void
make_many(void)
{
	oh_frame *frames = malloc((size_t)MANY * DEPTH * sizeof(*frames));
	struct oh_snap_site *many = malloc(MANY * sizeof(*many));

	for (size_t i = 0; i < MANY; i++) {
		oh_frame *f = frames + i * DEPTH;
		size_t own = i == 0 ? DEPTH : 1 + rng() % 8;

		if (i != 0)
			memcpy(f, frames + rng() % i * DEPTH, DEPTH * sizeof(*f));
		for (size_t k = 0; k < own; k++) {
			uint64_t pc = rng() % PCS;
			f[k] = oh_frame_make(
			    (pc & 1 ? 0x7f0000200001 : 0x400001) + pc * 16, pc & 1 ? 3 : 1);
		}
		double size = (double)(16 + rng() % 2000);
		bool live = rng() & 1;
		many[i] = (struct oh_snap_site){ .frames = f,
			.depth = DEPTH,
			.thread_name = (uint32_t)(rng() % 3),
			.samples = 1,
			.alloc_objects = 524288 / size,
			.alloc_bytes = 524288 + size / 2,
			.live_objects = live ? 524288 / size : 0,
			.live_bytes = live ? 524288 + size / 2 : 0 };
	}
	snap.sites = many;
	snap.site_count = MANY;
}

START_TEST(a_hundred_thousand_sites_in_flat_memory)
{
	struct oh_sink sink;
	struct timespec a, b;
	size_t bytes;

	make_many();
	Profile *p = encode_and_decode(&bytes);
	check_valid(p);
	ck_assert_uint_eq(p->n_sample, MANY);
	ck_assert_uint_eq(p->n_location, PCS);
	for (size_t i = 0; i < MANY; i++) {
		const Perftools__Profiles__Sample *s = p->sample[i];
		for (size_t k = 0; k < DEPTH; k++) {
			oh_frame f = snap.sites[i].frames[k];
			const Perftools__Profiles__Location *l = p->location[s->location_id[k] - 1];
			if (l->address != oh_frame_pc(f) - 1 || l->mapping_id == 0 ||
			    p->mapping[l->mapping_id - 1]->memory_start !=
				snap.modules[oh_frame_module(f) - 1].start)
				ck_abort_msg("sample %zu frame %zu differs", i, k);
		}
	}
	done(p);
	oh_scratch_release(&scratch);

	/* Check's own assertions allocate: none in between. */
	unsigned long heap_before = heap_calls;
	clock_gettime(CLOCK_MONOTONIC, &a);
	int began = oh_sink_init(&sink, -1, &scratch);
	int encoded = oh_pprof_encode(&snap, &sink, &scratch);
	int ended = oh_sink_end(&sink);
	clock_gettime(CLOCK_MONOTONIC, &b);
	unsigned long heap_after = heap_calls;
	ck_assert_int_eq(began, 0);
	ck_assert_int_eq(encoded, 0);
	ck_assert_int_eq(ended, 0);
	ck_assert_uint_eq(heap_after, heap_before);
	double s = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
	printf("encode: %.0f samples/s, %.1f bytes a sample (%.1f before gzip), %zu KiB scratch\n",
	    MANY / s, (double)bytes / MANY, (double)sink.appended_bytes / MANY,
	    scratch.total_bytes / 1024);
	/* The sink's 512 KiB (two chunks), at most 64 bytes a location, and ends of chunks. */
	ck_assert_uint_le(scratch.total_bytes, 2048 * 1024);
	free((void *)snap.sites[0].frames);
	free((void *)snap.sites);
}
END_TEST

/* ---- trouble ------------------------------------------------------------- */

START_TEST(no_memory_at_any_request_is_enomem_never_a_short_profile)
{
	int failed = 0;

	make_many();
	snap.site_count = 20000;
	for (uint64_t n = 1;; n++) {
		struct oh_sink sink;
		oh_sys_fail_at(n);
		(void)oh_sink_init(&sink, -1, &scratch);
		int r = oh_pprof_encode(&snap, &sink, &scratch);
		int end = oh_sink_end(&sink);
		oh_sys_fail_at(0);
		oh_scratch_release(&scratch);
		ck_assert_int_eq(r, end);
		if (r == 0)
			break;
		ck_assert_int_eq(r, -ENOMEM);
		failed++;
	}
	ck_assert_int_ge(failed, 3);
}
END_TEST

START_TEST(a_full_or_closed_descriptor_fails_the_profile)
{
	struct oh_sink sink;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int closed = memory_file();

	ck_assert_int_ge(full, 0);
	close(closed);
	ck_assert_int_eq(oh_sink_init(&sink, full, &scratch), 0);
	/* Small enough to stay in the buffer: the end tells. */
	ck_assert_int_eq(oh_pprof_encode(&snap, &sink, &scratch), 0);
	ck_assert_int_eq(oh_sink_end(&sink), -ENOSPC);
	make_many();
	ck_assert_int_eq(oh_sink_init(&sink, full, &scratch), 0);
	ck_assert_int_eq(oh_pprof_encode(&snap, &sink, &scratch), -ENOSPC);
	ck_assert_int_eq(oh_sink_end(&sink), -ENOSPC);
	ck_assert_int_eq(oh_sink_init(&sink, closed, &scratch), 0);
	ck_assert_int_eq(oh_pprof_encode(&snap, &sink, &scratch), -EBADF);
	ck_assert_int_eq(oh_sink_end(&sink), -EBADF);
}
END_TEST

#if !SANITIZED

/* ---- where the worker runs: no thread control block, 64 KiB of stack ----- */

static int encode_result;

/*
 * The thread pointer is moved to zeroed memory with nothing mapped below it:
 * a thread-local variable (errno, the locale) is a fault, as it would be a
 * wrong value in the worker.
 */
__attribute__((noinline, optimize("no-stack-protector"))) static long
encode_with_thread_pointer(unsigned long tp, int fd)
{
	static struct oh_sink sink;
	unsigned long real;

	(void)OH_SYS(arch_prctl, ARCH_GET_FS, &real, 0, 0, 0, 0);
	(void)OH_SYS(arch_prctl, ARCH_SET_FS, tp, 0, 0, 0, 0);
	encode_result = oh_sink_init(&sink, fd, &scratch);
	if (encode_result == 0) {
		(void)oh_pprof_encode(&snap, &sink, &scratch);
		encode_result = oh_sink_end(&sink);
	}
	(void)OH_SYS(arch_prctl, ARCH_SET_FS, real, 0, 0, 0, 0);
	return encode_result;
}

START_TEST(needs_no_thread_control_block)
{
	uint8_t *p = mmap(NULL, 2 * 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = memory_file();

	ck_assert_ptr_ne(p, MAP_FAILED);
	ck_assert_int_eq(mprotect(p, 65536, PROT_NONE), 0);
	/* Once as usual, so that no symbol is left for the dynamic linker to find. */
	done(encode_and_decode(NULL));
	ck_assert_int_eq(encode_with_thread_pointer((unsigned long)p + 65536, fd), 0);
	size_t len;
	free(gunzip_fd(fd, &len));
	ck_assert_uint_gt(len, 100);
}
END_TEST

static void *
encode_in_thread(void *arg)
{
	struct oh_sink sink;

	encode_result = oh_sink_init(&sink, -1, &scratch);
	(void)oh_pprof_encode(&snap, &sink, &scratch);
	encode_result = oh_sink_end(&sink);
	return arg;
}

START_TEST(stack_use_leaves_the_worker_room)
{
	static uint8_t stack[256 * 1024] __attribute__((aligned(4096)));
	pthread_attr_t attr;
	pthread_t t;
	size_t untouched = 0;

	memset(stack, 0xa5, sizeof(stack));
	pthread_attr_init(&attr);
	ck_assert_int_eq(pthread_attr_setstack(&attr, stack, sizeof(stack)), 0);
	ck_assert_int_eq(pthread_create(&t, &attr, encode_in_thread, NULL), 0);
	pthread_join(t, NULL);
	ck_assert_int_eq(encode_result, 0);
	while (stack[untouched] == 0xa5)
		untouched++;
	/* glibc's own part of the stack (TLS, pthread) is included. */
	printf("stack: %zu bytes\n", sizeof(stack) - untouched);
	ck_assert_uint_le(sizeof(stack) - untouched, 16 * 1024);
}
END_TEST
#endif

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, head_says_what_was_measured);
	tcase_add_test(tc, values_are_rounded_and_empty_sites_left_out);
	tcase_add_test(tc, what_is_cut_off_one_row_is_carried_to_the_next);
	tcase_add_test(tc, locations_are_calls_shared_and_tied_to_their_mapping);
	tcase_add_test(tc, mappings_are_the_main_program_and_what_is_used);
	tcase_add_test(tc, unknown_stack_shows_by_name);
	tcase_add_test(tc, labels_are_mean_size_and_thread);
	tcase_add_test(tc, a_sample_for_each_class_of_what_lives);
	tcase_add_test(tc, lifetimes_of_what_was_freed);
	tcase_add_test(tc, classes_round_to_the_same_sums);
	tcase_add_test(tc, a_leak_check_is_reported);
	tcase_add_test(tc, comments_are_key_and_value);
	tcase_add_test(tc, further_comments_are_said_as_they_are);
	tcase_add_test(tc, numbers_no_program_should_have_are_clamped);
	tcase_add_test(tc, drop_frames_hides_what_stands_before_malloc_and_nothing_else);
	tcase_add_test(tc, a_hundred_thousand_sites_in_flat_memory);
	tcase_add_test(tc, no_memory_at_any_request_is_enomem_never_a_short_profile);
	tcase_add_test(tc, a_full_or_closed_descriptor_fails_the_profile);
#if !SANITIZED
	tcase_add_test(tc, needs_no_thread_control_block);
	tcase_add_test(tc, stack_use_leaves_the_worker_room);
#endif
}

int
main(void)
{
	return unit_run("pprof", add);
}
