/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_otlp.c - profiles as OTLP: exact bytes, the rules, differences, splitting.
 *
 * One file because all of it is about one profile, which the first part makes.
 */
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/tools/otlpcheck.h"
#include "tests/unit/tools/wirebuild.h"
#include "tools/symbols.h"

static struct oh_binaries *files;

/* A heap profile as otheap writes one: four values a sample. */
struct heap {
	struct wb w;
	uint64_t samples;
};

enum {
	S_ALLOC_OBJECTS = 1,
	S_COUNT,
	S_ALLOC_SPACE,
	S_BYTES,
	S_INUSE_OBJECTS,
	S_INUSE_SPACE,
	S_SPACE,
	S_LEAK,
	S_LOST,
	S_AGE,
	S_MS,
	S_VERSION,
	S_PROGRAM,
	S_PID,
	S_FUNCTION,
	S_SOURCE,
	S_DROP,
	S_THREAD,
	S_WORKER,
	S_FILE,
	S_ID,
};

#define START_NS INT64_C(1750000000000000000)
#define MS INT64_C(1000000)

static void
heap_of(struct heap *h, const char *file, const char *build_id, int64_t at_ms)
{
	const char *strings[] = { "", "alloc_objects", "count", "alloc_space", "bytes",
		"inuse_objects", "inuse_space", "space", "leak", "lost", "age", "milliseconds",
		"otheap 9", "program: /bin/app", "pid: 77", "work", "work.c", "operator new.*",
		"thread", "worker-\xff", file, build_id };

	h->w.len = 0;
	h->samples = 0;
	WB_INTS(&h->w, 1, S_ALLOC_OBJECTS, S_COUNT);
	WB_INTS(&h->w, 1, S_ALLOC_SPACE, S_BYTES);
	WB_INTS(&h->w, 1, S_INUSE_OBJECTS, S_COUNT);
	WB_INTS(&h->w, 1, S_INUSE_SPACE, S_BYTES);
	WB_INTS(&h->w, 11, S_SPACE, S_BYTES);
	wb_int(&h->w, 12, 524288);
	wb_int(&h->w, 9, (uint64_t)(START_NS + at_ms * MS));
	wb_int(&h->w, 10, (uint64_t)(at_ms * MS));
	wb_int(&h->w, 14, S_INUSE_SPACE);
	wb_int(&h->w, 7, S_DROP);
	WB_INTS(&h->w, 3, 1, 0x7f0000001000, 0x7f0000003000, 0x1000, S_FILE, S_ID);
	for (uint64_t i = 1; i <= 9; i++)
		wb_location(&h->w, i, 1, 0x7f0000001000 + 16 * i, 0, 0, 0, 0);
	wb_location(&h->w, 10, 0, 0, 1, 33, 0, 0); /* by name alone */
	WB_INTS(&h->w, 5, 1, S_FUNCTION, S_FUNCTION, S_SOURCE, 30);
	for (size_t i = 0; i < OH_ARRAY_LEN(strings); i++)
		wb_string(&h->w, strings[i]);
	for (uint64_t c = S_VERSION; c <= S_PID; c++)
		wb_int(&h->w, 13, c);
}

static void
heap_begin(struct heap *h, int64_t at_ms)
{
	heap_of(h, "/nowhere/app", "ab12", at_ms);
}

/* Labels: bytes (0 = none), and those whose bit is set in `more`: leak, ages, thread. */
static void
heap_sample(struct heap *h, const uint64_t *ids, size_t depth, const uint64_t values[4],
    uint64_t bytes, unsigned more)
{
	struct wb m = { .len = 0 };

	wb_packed(&m, 1, ids, depth);
	wb_packed(&m, 2, values, 4);
	if (bytes != 0)
		WB_INTS(&m, 3, S_BYTES, 0, bytes, S_BYTES);
	if (more & 1)
		WB_INTS(&m, 3, S_LEAK, S_LOST);
	for (uint64_t age = 5; (more & 2) && age < 8; age++)
		WB_INTS(&m, 3, S_AGE, 0, age, S_MS);
	if (more & 4)
		WB_INTS(&m, 3, S_THREAD, S_WORKER);
	wb_bytes(&h->w, 2, m.b, m.len);
	h->samples++;
}
#define IDS(...) \
	(const uint64_t[]){ __VA_ARGS__ }, \
	    sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t)
#define VALUES(...) ((const uint64_t[4]){ __VA_ARGS__ })

/* A profile of one call stack, with blocks of 100 bytes. */
static struct oh_profile *
one_stack(int64_t at_ms, const uint64_t values[4])
{
	struct heap h;

	heap_begin(&h, at_ms);
	heap_sample(&h, IDS(1, 2), values, 100, 0);
	return wb_profile(&h.w);
}

static void
setup(void)
{
	files = oh_binaries_create();
}

static void
teardown(void)
{
	oh_binaries_free(files);
}

/* Encode one profile alone; check it. */
static Request *
encode(const struct oh_profile *p, const struct oh_otlp_options *options,
    const struct oh_otlp_seen *seen)
{
	struct oh_otlp *o = oh_otlp_create(options, files);
	struct oh_resource *resource = oh_resource_create();
	struct oh_otlp_source from = { .resource = resource, .seen = seen };
	size_t row = 0, len;
	Request *r = NULL;
	uint8_t *bytes;

	oh_resource_set(resource, "service.name", "shop");
	ck_assert_int_eq(oh_otlp_add(o, p, &from, &row), OH_OTLP_ADDED);
	bytes = oh_otlp_finish_flat(o, &len);
	if (bytes != NULL)
		r = oh_otlp_check(bytes, len);
	else
		ck_assert_uint_eq(oh_otlp_profiles(o), 0);
	free(bytes);
	oh_resource_free(resource);
	oh_otlp_free(o);
	return r;
}

static void
drop(Request *r)
{
	protobuf_c_message_free_unpacked(&r->base, NULL);
}

/* ---- exact bytes --------------------------------------------------------------- */

/* Counted by hand from the tables of field numbers. */
START_TEST(smallest_request_has_these_bytes)
{
	static const char *const strings[] = { "", "inuse_space", "bytes", "space", "f" };
	static const uint8_t want[] = { /* ResourceProfiles: the resource, {"k": "v"} */
		0x0a, 0xa7, 0x01, 0x0a, 0x0a, 0x0a, 0x08, 0x0a, 0x01, 'k', 0x12, 0x03, 0x0a, 0x01,
		'v',
		/* its schema */
		0x1a, 0x27, 'h', 't', 't', 'p', 's', ':', '/', '/', 'o', 'p', 'e', 'n', 't', 'e',
		'l', 'e', 'm', 'e', 't', 'r', 'y', '.', 'i', 'o', '/', 's', 'c', 'h', 'e', 'm', 'a',
		's', '/', '1', '.', '4', '4', '.', '0',
		/* ScopeProfiles: scope "s", version */
		0x12, 0x70, 0x0a, 0x0a, 0x0a, 0x01, 's', 0x12, 0x05, '0', '.', '1', '.', '0',
		/* its schema */
		0x1a, 0x27, 'h', 't', 't', 'p', 's', ':', '/', '/', 'o', 'p', 'e', 'n', 't', 'e',
		'l', 'e', 'm', 'e', 't', 'r', 'y', '.', 'i', 'o', '/', 's', 'c', 'h', 'e', 'm', 'a',
		's', '/', '1', '.', '4', '4', '.', '0',
		/* Profile: inuse_space (2) in bytes (3) */
		0x12, 0x39, 0x0a, 0x04, 0x08, 0x02, 0x10, 0x03,
		/* time 0x1122334455667788, no duration */
		0x19, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
		/* period type space (4) in bytes (3), period 512 */
		0x2a, 0x04, 0x08, 0x04, 0x10, 0x03, 0x30, 0x80, 0x04,
		/* id: 16 bytes */
		0x3a, 0x10, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
		/* samples: stack 1, 300 bytes; stack 2, 7 bytes */
		0x12, 0x06, 0x08, 0x01, 0x22, 0x02, 0xac, 0x02, 0x12, 0x05, 0x08, 0x02, 0x22, 0x01,
		0x07
	};
	struct wb w = { .len = 0 };
	struct oh_otlp_options options = { .scope_name = "s" };
	struct oh_otlp *o = oh_otlp_create(&options, files);
	struct oh_resource *resource = oh_resource_create();
	struct oh_otlp_source from = { .resource = resource };
	struct oh_profile *p;
	size_t row = 0, len;
	uint8_t *bytes;

	WB_INTS(&w, 1, 1, 2);
	wb_location(&w, 1, 0, 0x10, 1, 5, 0, 0);
	wb_location(&w, 2, 0, 0x20, 0, 0, 0, 0);
	WB_INTS(&w, 5, 1, 4);
	wb_bytes(&w, 2, "\x0a\x02\x01\x02\x12\x02\xac\x02", 8);
	wb_bytes(&w, 2, "\x0a\x01\x02\x12\x01\x07", 6);
	for (size_t i = 0; i < OH_ARRAY_LEN(strings); i++)
		wb_string(&w, strings[i]);
	wb_int(&w, 9, UINT64_C(0x1122334455667788));
	WB_INTS(&w, 11, 3, 2);
	wb_int(&w, 12, 512);
	p = wb_profile(&w);
	oh_resource_set(resource, "k", "v");
	ck_assert_int_eq(oh_otlp_add(o, p, &from, &row), OH_OTLP_ADDED);
	ck_assert_uint_eq(oh_otlp_profiles(o), 1);
	ck_assert_uint_eq(oh_otlp_samples(o), 2);
	bytes = oh_otlp_finish_flat(o, &len);
	drop(oh_otlp_check(bytes, len));

	/* The id is a hash: only that it is there and not 0 can be told beforehand. */
	for (size_t i = 0; i + 17 < len && i < sizeof(want); i++)
		if (bytes[i] == 0x3a && bytes[i + 1] == 0x10 && want[i] == 0x3a) {
			memset(bytes + i + 2, 1, 16);
			break;
		}
	for (size_t i = 0; i < sizeof(want); i++)
		ck_assert_msg(i < len && bytes[i] == want[i], "byte %zu is %02x, not %02x", i,
		    bytes[i], want[i]);

	/* And the dictionary. */
	{
		static const uint8_t dictionary[] = { 0x12, 0x49,
			/* mappings: none */
			0x0a, 0x00,
			/* locations: none; 0x10 with a line 5 of function 1; 0x20 */
			0x12, 0x00, 0x12, 0x08, 0x10, 0x10, 0x1a, 0x04, 0x08, 0x01, 0x10, 0x05,
			0x12, 0x02, 0x10, 0x20,
			/* functions: none, "f" */
			0x1a, 0x00, 0x1a, 0x02, 0x08, 0x01,
			/* links: none */
			0x22, 0x00,
			/* strings */
			0x2a, 0x00, 0x2a, 0x01, 'f', 0x2a, 0x0b, 'i', 'n', 'u', 's', 'e', '_', 's',
			'p', 'a', 'c', 'e', 0x2a, 0x05, 'b', 'y', 't', 'e', 's', 0x2a, 0x05, 's',
			'p', 'a', 'c', 'e',
			/* attributes: none */
			0x32, 0x00,
			/* stacks: none; 1, 2; 2 */
			0x3a, 0x00, 0x3a, 0x04, 0x0a, 0x02, 0x01, 0x02, 0x3a, 0x03, 0x0a, 0x01,
			0x02 };

		ck_assert_uint_eq(len, sizeof(want) + sizeof(dictionary));
		ck_assert_mem_eq(bytes + sizeof(want), dictionary, sizeof(dictionary));
	}
	free(bytes);
	oh_profile_free(p);
	oh_resource_free(resource);
	oh_otlp_free(o);
}
END_TEST

/* ---- what a heap profile becomes ------------------------------------------------ */

START_TEST(each_sample_type_is_a_profile_and_inuse_space_is_first)
{
	struct heap h;
	struct oh_profile *p;
	const ScopeProfiles *sp;
	const Profile *x;
	Request *r;

	heap_begin(&h, 5000);
	heap_sample(&h, IDS(1, 2, 3), VALUES(10, 1000, 4, 400), 100, 0);
	heap_sample(&h, IDS(4, 2, 3), VALUES(7, 70, 0, 0), 10, 0);
	p = wb_profile(&h.w);
	r = encode(p, NULL, NULL);
	sp = r->resource_profiles[0]->scope_profiles[0];
	ck_assert_uint_eq(sp->n_profiles, 4);
	ck_assert_ptr_eq(sp->profiles[0], otlp_profile(r, 0, "inuse_space"));
	ck_assert_str_eq(sp->scope->name, "otheap");
	ck_assert_str_eq(sp->scope->version, OH_VERSION);
	ck_assert_int_eq(otlp_sum(otlp_profile(r, 0, "alloc_objects")), 17);
	ck_assert_int_eq(otlp_sum(otlp_profile(r, 0, "alloc_space")), 1070);
	ck_assert_int_eq(otlp_sum(otlp_profile(r, 0, "inuse_objects")), 4);
	ck_assert_int_eq(otlp_sum(otlp_profile(r, 0, "inuse_space")), 400);
	ck_assert_uint_eq(otlp_profile(r, 0, "alloc_space")->n_samples, 2);
	ck_assert_uint_eq(otlp_profile(r, 0, "inuse_space")->n_samples, 1);

	x = otlp_profile(r, 0, "inuse_space");
	ck_assert_uint_eq(x->time_unix_nano, (uint64_t)(START_NS + 5000 * MS));
	ck_assert_uint_eq(x->duration_nano, 0);
	ck_assert_int_eq(x->period, 524288);
	ck_assert_str_eq(otlp_attribute(r->dictionary, x->attribute_indices, x->n_attribute_indices,
			     "pprof.profile.drop_frames"),
	    "operator new.*");
	x = otlp_profile(r, 0, "alloc_space");
	ck_assert_uint_eq(x->time_unix_nano, (uint64_t)START_NS);
	ck_assert_uint_eq(x->duration_nano, (uint64_t)(5000 * MS));
	drop(r);
	oh_profile_free(p);
}
END_TEST

START_TEST(samples_of_one_stack_are_one_whatever_their_size_and_age)
{
	struct oh_otlp_options numeric = { .numeric_labels = true };
	struct heap h;
	struct oh_profile *p;
	const Dictionary *d;
	const Profile *x;
	Request *r;

	heap_begin(&h, 5000);
	heap_sample(&h, IDS(1, 2), VALUES(1, 100, 1, 100), 100, 2);
	heap_sample(&h, IDS(1, 2), VALUES(2, 400, 2, 400), 200, 0);
	heap_sample(&h, IDS(1, 2), VALUES(0, 0, 1, 50), 50, 1 | 4);
	p = wb_profile(&h.w);
	r = encode(p, NULL, NULL);
	x = otlp_profile(r, 0, "inuse_space");
	d = r->dictionary;
	ck_assert_uint_eq(x->n_samples, 2);
	ck_assert_int_eq(x->samples[0]->values[0], 500);
	ck_assert_uint_eq(x->samples[0]->n_attribute_indices, 0);
	ck_assert_int_eq(x->samples[1]->values[0], 50);
	ck_assert_int_eq(x->samples[1]->stack_index, x->samples[0]->stack_index);
	ck_assert_uint_eq(x->samples[1]->n_attribute_indices, 2);
	ck_assert_str_eq(
	    otlp_attribute(d, x->samples[1]->attribute_indices, 2, "otheap.leak"), "lost");
	ck_assert_str_eq(otlp_attribute(d, x->samples[1]->attribute_indices, 2, "thread.name"),
	    "worker-\xef\xbf\xbd");
	drop(r);

	r = encode(p, &numeric, NULL);
	x = otlp_profile(r, 0, "inuse_space");
	ck_assert_uint_eq(x->n_samples, 3);
	ck_assert_uint_eq(x->samples[0]->n_attribute_indices, 2);
	for (size_t i = 0; i < 2; i++) {
		const Attribute *a =
		    r->dictionary->attribute_table[x->samples[0]->attribute_indices[i]];
		const char *key = r->dictionary->string_table[a->key_strindex];
		const char *unit = r->dictionary->string_table[a->unit_strindex];

		if (strcmp(key, "age") == 0) { /* several values of one key */
			ck_assert_str_eq(unit, "ms");
			ck_assert_uint_eq(a->value->array_value->n_values, 3);
			ck_assert_int_eq(a->value->array_value->values[2]->int_value, 7);
		} else {
			ck_assert_str_eq(key, "bytes");
			ck_assert_str_eq(unit, "By");
			ck_assert_int_eq(a->value->int_value, 100);
		}
	}
	drop(r);
	oh_profile_free(p);
}
END_TEST

START_TEST(nothing_but_zeros_is_not_sent)
{
	struct heap h;
	struct oh_profile *p;

	heap_begin(&h, 5000);
	p = wb_profile(&h.w);
	ck_assert_ptr_null(encode(p, NULL, NULL));
	oh_profile_free(p);
	heap_sample(&h, IDS(1, 2), VALUES(0, 0, 0, 0), 100, 0);
	p = wb_profile(&h.w);
	ck_assert_ptr_null(encode(p, NULL, NULL));
	oh_profile_free(p);
}
END_TEST

START_TEST(files_that_are_not_there_leave_addresses_of_the_process)
{
	struct heap h;
	struct oh_profile *p;
	const Dictionary *d;
	const Location *l;
	const Mapping *m;
	Request *r;

	heap_begin(&h, 5000);
	heap_sample(&h, IDS(1, 10), VALUES(1, 100, 1, 100), 100, 0);
	p = wb_profile(&h.w);
	r = encode(p, NULL, NULL);
	d = r->dictionary;
	ck_assert_uint_eq(d->n_stack_table, 2);
	l = d->location_table[d->stack_table[1]->location_indices[0]];
	ck_assert_uint_eq(l->address, 0x7f0000001010);
	ck_assert_str_eq(
	    otlp_attribute(d, l->attribute_indices, l->n_attribute_indices, "profile.frame.type"),
	    "native");
	m = d->mapping_table[l->mapping_index];
	ck_assert_uint_eq(m->memory_start, 0x7f0000001000);
	ck_assert_uint_eq(m->memory_limit, 0x7f0000003000);
	ck_assert_uint_eq(m->file_offset, 0x1000);
	ck_assert_str_eq(d->string_table[m->filename_strindex], "/nowhere/app");
	ck_assert_uint_eq(m->n_attribute_indices, 1);
	ck_assert_str_eq(
	    otlp_attribute(d, m->attribute_indices, 1, "process.executable.build_id.gnu"), "ab12");

	l = d->location_table[d->stack_table[1]->location_indices[1]];
	ck_assert_int_eq(l->mapping_index, 0);
	ck_assert_uint_eq(l->n_attribute_indices, 0);
	ck_assert_uint_eq(l->n_lines, 1);
	ck_assert_int_eq(l->lines[0]->line, 33);
	ck_assert_str_eq(
	    d->string_table[d->function_table[l->lines[0]->function_index]->filename_strindex],
	    "work.c");
	drop(r);
	oh_profile_free(p);
}
END_TEST

/* This very program, which every test machine can read. */
START_TEST(addresses_become_those_of_the_elf_file)
{
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const struct oh_binary *binary;
	const struct oh_load *text = NULL;
	struct heap h;
	struct oh_profile *p;
	const Dictionary *d;
	const Location *l;
	const Mapping *m;
	struct wb w = { .len = 0 };
	char build_id[129], hash[33];
	Request *r;

	ck_assert_int_gt(n, 0);
	self[n] = '\0';
	binary = oh_binaries_get(files, "", self, "");
	ck_assert_ptr_nonnull(binary);
	strcpy(build_id, binary->build_id);
	strcpy(hash, binary->htlhash);
	for (size_t i = 0; i < binary->load_count; i++)
		if (binary->loads[i].executable)
			text = &binary->loads[i];
	ck_assert_ptr_nonnull(text);
	heap_of(&h, self, build_id, 5000);
	/* As if the text had been mapped at 0x7f0000400000: another mapping, a location in it. */
	WB_INTS(&w, 3, 2, 0x7f0000400000, 0x7f0000401000, text->offset & ~UINT64_C(0xfff), S_FILE,
	    S_ID);
	memcpy(h.w.b + h.w.len, w.b, w.len);
	h.w.len += w.len;
	wb_location(&h.w, 20, 2, 0x7f0000400000 + (text->offset & 0xfff) + 8, 0, 0, 0, 0);
	heap_sample(&h, IDS(20), VALUES(1, 100, 1, 100), 100, 0);
	p = wb_profile(&h.w);
	r = encode(p, NULL, NULL);
	d = r->dictionary;
	l = d->location_table[d->stack_table[1]->location_indices[0]];
	m = d->mapping_table[l->mapping_index];
	ck_assert_uint_eq(l->address, text->vaddr + 8);
	ck_assert_uint_eq(m->memory_start, text->vaddr - (text->offset & 0xfff));
	ck_assert_uint_eq(m->memory_limit - m->memory_start, 0x1000);
	ck_assert_uint_eq(m->file_offset, text->offset & ~UINT64_C(0xfff));
	ck_assert_str_eq(otlp_attribute(d, m->attribute_indices, m->n_attribute_indices,
			     "process.executable.build_id.htlhash"),
	    hash);
	ck_assert_uint_eq(strlen(hash), 32);
	if (build_id[0] != '\0')
		ck_assert_str_eq(otlp_attribute(d, m->attribute_indices, m->n_attribute_indices,
				     "process.executable.build_id.gnu"),
		    build_id);
	drop(r);
	oh_profile_free(p);

	/* A file that was replaced since is not asked. */
	ck_assert_ptr_null(oh_binaries_get(files, "", self, "00ff"));
}
END_TEST

static void
id_of(const struct oh_profile *p, const char *type, uint8_t ret[16])
{
	Request *r = encode(p, NULL, NULL);

	memcpy(ret, otlp_profile(r, 0, type)->profile_id.data, 16);
	drop(r);
}

START_TEST(ids_are_of_the_content)
{
	struct oh_profile *p = one_stack(5000, VALUES(1, 100, 1, 100));
	struct oh_function function = { .name = p->types[0].type };
	struct oh_line line = { .line = 3 };
	uint8_t first[16], other[16];

	id_of(p, "inuse_space", first);
	id_of(p, "alloc_space", other);
	ck_assert_mem_ne(first, other, 16);
	id_of(p, "inuse_objects", other);
	ck_assert_mem_ne(first, other, 16);
	id_of(p, "inuse_space", other);
	ck_assert_mem_eq(first, other, 16);
	/* Names that symbolisation finds change nothing. */
	line.function = oh_profile_add_function(p, &function);
	oh_profile_set_lines(p, 0, &line, 1);
	id_of(p, "inuse_space", other);
	ck_assert_mem_eq(first, other, 16);
	oh_profile_free(p);

	/* One block more. */
	p = one_stack(5000, VALUES(2, 200, 2, 200));
	id_of(p, "inuse_space", other);
	ck_assert_mem_ne(first, other, 16);
	oh_profile_free(p);

	/* The same at another time. */
	p = one_stack(6000, VALUES(1, 100, 1, 100));
	id_of(p, "inuse_space", other);
	ck_assert_mem_ne(first, other, 16);
	oh_profile_free(p);
}
END_TEST

/* ---- differences ------------------------------------------------------------------ */

START_TEST(allocations_are_those_since_the_last_export)
{
	struct oh_otlp_seen *seen = oh_otlp_seen_create();
	struct heap h;
	struct oh_profile *p;
	const Profile *x;
	Request *r;

	heap_begin(&h, 5000);
	heap_sample(&h, IDS(1, 2), VALUES(10, 1000, 4, 400), 100, 0);
	heap_sample(&h, IDS(3, 2), VALUES(5, 50, 5, 50), 10, 0);
	p = wb_profile(&h.w);
	oh_otlp_seen_advance(seen, p, NULL);
	oh_profile_free(p);

	/* Less than before by one, as rounding does it; more; something new. */
	heap_begin(&h, 7500);
	heap_sample(&h, IDS(1, 2), VALUES(9, 999, 3, 300), 100, 0);
	heap_sample(&h, IDS(3, 2), VALUES(8, 80, 0, 0), 10, 0);
	heap_sample(&h, IDS(4, 2), VALUES(1, 11, 1, 11), 11, 0);
	p = wb_profile(&h.w);
	p->period = 1;
	r = encode(p, NULL, seen);
	ck_assert_int_eq(otlp_sum(otlp_profile(r, 0, "alloc_objects")), 3 + 1);
	x = otlp_profile(r, 0, "alloc_space");
	ck_assert_int_eq(otlp_sum(x), 30 + 11);
	ck_assert_uint_eq(x->n_samples, 2);
	ck_assert_uint_eq(x->time_unix_nano, (uint64_t)(START_NS + 5000 * MS));
	ck_assert_uint_eq(x->duration_nano, (uint64_t)(2500 * MS));
	ck_assert_int_eq(otlp_sum(otlp_profile(r, 0, "inuse_space")), 311);
	ck_assert_uint_eq(otlp_profile(r, 0, "inuse_space")->duration_nano, 0);
	drop(r);
	oh_otlp_seen_advance(seen, p, NULL);
	oh_profile_free(p);

	/* Back to the first values: nothing was allocated, so nothing is said of it. */
	p = one_stack(8000, VALUES(10, 1000, 4, 400));
	r = encode(p, NULL, seen);
	ck_assert_ptr_null(otlp_profile(r, 0, "alloc_space"));
	ck_assert_int_eq(otlp_sum(otlp_profile(r, 0, "inuse_space")), 400);
	drop(r);
	oh_profile_free(p);
	oh_otlp_seen_free(seen);
}
END_TEST

/* However often it is another way, and with an agent that remembers one profile alone. */
START_TEST(rounding_is_no_allocation)
{
	struct oh_otlp_seen *seen;
	struct oh_profile *p;
	Request *r;

	for (uint64_t i = 0; i < 4; i++) {
		seen = oh_otlp_seen_create();
		p = one_stack(5000, VALUES(2 - i % 2, 1048577 - i / 2, 0, 0));
		oh_otlp_seen_advance(seen, p, NULL);
		oh_profile_free(p);
		p = one_stack(6000, VALUES(1 + i % 2, 1048576 + i / 2, 1, 1048576));
		r = encode(p, NULL, seen);
		ck_assert_ptr_null(otlp_profile(r, 0, "alloc_objects"));
		ck_assert_ptr_null(otlp_profile(r, 0, "alloc_space"));
		ck_assert_int_eq(otlp_sum(otlp_profile(r, 0, "inuse_space")), 1048576);
		drop(r);
		oh_profile_free(p);
		/* The least that a sample adds is the period. */
		p = one_stack(6000, VALUES(2, 1048576 + 524287, 0, 0));
		r = encode(p, NULL, seen);
		ck_assert_int_eq(
		    otlp_sum(otlp_profile(r, 0, "alloc_space")), 524286 + (int64_t)(i / 2));
		drop(r);
		oh_profile_free(p);
		oh_otlp_seen_free(seen);
	}
}
END_TEST

/* Another agent, which knows the last one sent alone, sends the same again. */
START_TEST(differences_are_those_to_the_last_profile)
{
	static const uint64_t bytes[] = { 1048577, 1048576, 1572864 };

	for (size_t from = 0; from < 2; from++) {
		struct oh_otlp_seen *seen = oh_otlp_seen_create();
		struct oh_profile *p;
		Request *r;

		for (size_t i = from; i < 2; i++) {
			p = one_stack(5000 + (int64_t)i, VALUES(2, bytes[i], 0, 0));
			oh_otlp_seen_advance(seen, p, NULL);
			oh_profile_free(p);
		}
		/* One that comes late is no step back. */
		p = one_stack(4000, VALUES(1, 524288, 1, 524288));
		r = encode(p, NULL, seen);
		ck_assert_ptr_null(otlp_profile(r, 0, "alloc_space"));
		drop(r);
		oh_otlp_seen_advance(seen, p, NULL);
		oh_profile_free(p);

		p = one_stack(6000, VALUES(3, bytes[2], 0, 0));
		r = encode(p, NULL, seen);
		ck_assert_int_eq(otlp_sum(otlp_profile(r, 0, "alloc_objects")), 1);
		ck_assert_int_eq(otlp_sum(otlp_profile(r, 0, "alloc_space")), 524288);
		drop(r);
		oh_profile_free(p);
		oh_otlp_seen_free(seen);
	}
}
END_TEST

START_TEST(another_process_begins_anew)
{
	struct oh_otlp_seen *seen = oh_otlp_seen_create();
	struct oh_profile *p;
	Request *r;

	p = one_stack(5000, VALUES(10, 1000, 4, 400));
	oh_otlp_seen_advance(seen, p, NULL);
	/* The same pid and program, started two seconds later. */
	p->duration_ns -= 2000 * MS;
	r = encode(p, NULL, seen);
	ck_assert_int_eq(otlp_sum(otlp_profile(r, 0, "alloc_space")), 1000);
	drop(r);
	oh_otlp_seen_advance(seen, p, NULL);
	r = encode(p, NULL, seen);
	ck_assert_ptr_null(otlp_profile(r, 0, "alloc_space"));
	drop(r);
	p->duration_ns += 2000 * MS;
	r = encode(p, NULL, seen);
	ck_assert_int_eq(otlp_sum(otlp_profile(r, 0, "alloc_space")), 1000);
	drop(r);
	oh_profile_free(p);
	oh_otlp_seen_free(seen);
}
END_TEST

static struct oh_profile *
one_stack_of(const char *process, int64_t at_ms, const uint64_t values[4])
{
	struct oh_profile *p = one_stack(at_ms, values);

	p->comments[0] = oh_profile_add_string(p, process, strlen(process));
	return p;
}

START_TEST(a_process_is_known_by_its_number)
{
	struct oh_otlp_seen *seen = oh_otlp_seen_create();
	struct oh_profile *p;
	Request *r;

	p = one_stack_of("process: 1", 5000, VALUES(2, 2000000, 0, 0));
	oh_otlp_seen_advance(seen, p, NULL);
	oh_profile_free(p);
	/* In another container, at the same moment. */
	p = one_stack_of("process: 2", 5000, VALUES(2, 2000000, 0, 0));
	r = encode(p, NULL, seen);
	ck_assert_int_eq(otlp_sum(otlp_profile(r, 0, "alloc_space")), 2000000);
	drop(r);
	oh_profile_free(p);
	/* The clock is set by an hour. */
	p = one_stack_of("process: 1", 6000, VALUES(3, 3000000, 0, 0));
	p->time_ns += 3600000 * MS;
	r = encode(p, NULL, seen);
	ck_assert_int_eq(otlp_sum(otlp_profile(r, 0, "alloc_space")), 1000000);
	drop(r);
	oh_profile_free(p);
	oh_otlp_seen_free(seen);
}
END_TEST

/* ---- several profiles; more than fits ---------------------------------------------- */

START_TEST(profiles_share_a_dictionary_and_equal_resources)
{
	struct oh_otlp *o = oh_otlp_create(NULL, files);
	struct oh_resource *a = oh_resource_create(), *b = oh_resource_create();
	struct oh_profile *p;
	uint8_t *bytes;
	Request *r;
	size_t row, len, alone;

	oh_resource_set(a, "service.name", "a");
	oh_resource_set(b, "service.name", "b");
	p = one_stack(5000, VALUES(1, 100, 1, 100));
	for (int i = 0; i < 3; i++) {
		struct oh_otlp_source from = { .resource = i < 2 ? a : b };

		row = 0;
		ck_assert_int_eq(oh_otlp_add(o, p, &from, &row), OH_OTLP_ADDED);
		if (i == 0) {
			(void)oh_otlp_finish(o, &row, &alone);
			ck_assert_uint_gt(alone, 0);
		}
	}
	bytes = oh_otlp_finish_flat(o, &len);
	ck_assert_uint_lt(len, 3 * alone);
	r = oh_otlp_check(bytes, len);
	ck_assert_uint_eq(r->n_resource_profiles, 2);
	ck_assert_uint_eq(r->resource_profiles[0]->scope_profiles[0]->n_profiles, 8);
	ck_assert_uint_eq(r->resource_profiles[1]->scope_profiles[0]->n_profiles, 4);
	ck_assert_uint_eq(r->dictionary->n_stack_table, 2);
	ck_assert_uint_eq(oh_otlp_profiles(o), 12);
	drop(r);
	free(bytes);

	oh_otlp_reset(o);
	ck_assert_uint_eq(oh_otlp_profiles(o), 0);
	ck_assert_ptr_null(oh_otlp_finish_flat(o, &len));
	{
		struct oh_otlp_source from = { .resource = b };

		row = 0;
		ck_assert_int_eq(oh_otlp_add(o, p, &from, &row), OH_OTLP_ADDED);
	}
	bytes = oh_otlp_finish_flat(o, &len);
	ck_assert_uint_eq(len, alone);
	drop(oh_otlp_check(bytes, len));
	free(bytes);
	oh_profile_free(p);
	oh_resource_free(a);
	oh_resource_free(b);
	oh_otlp_free(o);
}
END_TEST

/* n samples, each a stack of its own. */
static struct oh_profile *
many(uint64_t n, int64_t at_ms)
{
	struct heap h;

	heap_begin(&h, at_ms);
	for (uint64_t i = 0; i < n; i++)
		heap_sample(&h, IDS(1 + i % 9, 1 + i / 9 % 9, 1 + i / 81 % 9),
		    VALUES(2, 200 + i, 1, 100 + i), 100 + i, 0);
	return wb_profile(&h.w);
}

START_TEST(what_does_not_fit_comes_in_parts_with_the_same_ids)
{
	enum { SAMPLES = 200, MAX = 6500 };
	struct oh_otlp_options options = { .max_bytes = MAX };
	struct oh_resource *resource = oh_resource_create();
	struct oh_otlp_source from = { .resource = resource };
	struct oh_profile *p = many(SAMPLES, 5000), *small = many(3, 6000);
	uint8_t ids[2][40][16];
	size_t parts[2] = { 0, 0 };

	oh_resource_set(resource, "service.name", "a");
	for (int turn = 0; turn < 2; turn++) {
		struct oh_otlp *o = oh_otlp_create(&options, files);
		enum oh_otlp_added added;
		int64_t space = 0, objects = 0;
		size_t row = 0, len;

		if (turn == 1) {
			/* Something is in the request already: the profile waits for the next. */
			ck_assert_int_eq(oh_otlp_add(o, small, &from, &row), OH_OTLP_ADDED);
			row = 0;
			ck_assert_int_eq(oh_otlp_add(o, p, &from, &row), OH_OTLP_FULL);
			ck_assert_uint_eq(row, 0);
			ck_assert_uint_eq(oh_otlp_samples(o), 12);
			oh_otlp_reset(o);
		}
		do {
			uint8_t *bytes;
			Request *r;

			added = oh_otlp_add(o, p, &from, &row);
			ck_assert_int_ne(added, OH_OTLP_FULL);
			bytes = oh_otlp_finish_flat(o, &len);
			ck_assert_uint_le(len, MAX);
			r = oh_otlp_check(bytes, len);
			space += otlp_sum(otlp_profile(r, 0, "inuse_space"));
			objects += otlp_sum(otlp_profile(r, 0, "alloc_objects"));
			memcpy(ids[turn][parts[turn]++],
			    otlp_profile(r, 0, "inuse_space")->profile_id.data, 16);
			drop(r);
			free(bytes);
			oh_otlp_reset(o);
		} while (added == OH_OTLP_PART);
		ck_assert_uint_eq(row, SAMPLES);
		ck_assert_int_eq(space, 100 * SAMPLES + SAMPLES * (SAMPLES - 1) / 2);
		ck_assert_int_eq(objects, 2 * SAMPLES);
		oh_otlp_free(o);
	}
	ck_assert_uint_gt(parts[0], 2);
	ck_assert_uint_eq(parts[0], parts[1]);
	ck_assert_mem_eq(ids[0], ids[1], parts[0] * 16);
	for (size_t i = 1; i < parts[0]; i++)
		ck_assert_mem_ne(ids[0][i - 1], ids[0][i], 16);
	oh_profile_free(p);
	oh_profile_free(small);
	oh_resource_free(resource);
}
END_TEST

START_TEST(a_limit_below_one_sample_still_sends_everything)
{
	struct oh_otlp_options options = { .max_bytes = 1 };
	struct oh_otlp *o = oh_otlp_create(&options, files);
	struct oh_resource *resource = oh_resource_create();
	struct oh_otlp_source from = { .resource = resource };
	struct oh_profile *p = many(5, 5000);
	size_t row = 0, turns = 0, len;
	enum oh_otlp_added added;

	do {
		uint8_t *bytes;

		added = oh_otlp_add(o, p, &from, &row);
		bytes = oh_otlp_finish_flat(o, &len);
		drop(oh_otlp_check(bytes, len));
		free(bytes);
		ck_assert_uint_eq(oh_otlp_samples(o), 4);
		oh_otlp_reset(o);
		turns++;
	} while (added == OH_OTLP_PART);
	ck_assert_uint_eq(turns, 5);
	oh_profile_free(p);
	oh_resource_free(resource);
	oh_otlp_free(o);
}
END_TEST

/* ---- others' profiles ---------------------------------------------------------------- */

START_TEST(profiles_of_other_writers_are_sent_as_they_are)
{
	struct wb w;
	struct oh_profile *p;
	const Profile *x;
	const Dictionary *d;
	Request *r;

	wb_example(&w);
	p = wb_profile(&w);
	p->duration_ns = 30;
	r = encode(p, NULL, NULL);
	d = r->dictionary;
	x = otlp_profile(r, 0, "space");
	ck_assert_ptr_eq(x, r->resource_profiles[0]->scope_profiles[0]->profiles[0]);
	ck_assert_uint_eq(x->time_unix_nano, UINT64_C(1750000000000000000));
	ck_assert_uint_eq(x->duration_nano, 30);
	ck_assert_int_eq(otlp_sum(x), 1064);
	ck_assert_int_eq(otlp_sum(otlp_profile(r, 0, "objects")), 13);
	/* parse with grow inlined into it: innermost first. */
	for (size_t i = 1; i < d->n_location_table; i++) {
		const Location *l = d->location_table[i];

		ck_assert_uint_eq(l->n_attribute_indices, 0);
		if (l->n_lines != 2)
			continue;
		ck_assert_str_eq(
		    d->string_table[d->function_table[l->lines[0]->function_index]->name_strindex],
		    "grow");
		ck_assert_str_eq(
		    d->string_table[d->function_table[l->lines[1]->function_index]->name_strindex],
		    "parse");
	}
	drop(r);
	oh_profile_free(p);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, smallest_request_has_these_bytes);
	tcase_add_test(tc, each_sample_type_is_a_profile_and_inuse_space_is_first);
	tcase_add_test(tc, samples_of_one_stack_are_one_whatever_their_size_and_age);
	tcase_add_test(tc, nothing_but_zeros_is_not_sent);
	tcase_add_test(tc, files_that_are_not_there_leave_addresses_of_the_process);
	tcase_add_test(tc, addresses_become_those_of_the_elf_file);
	tcase_add_test(tc, ids_are_of_the_content);
	tcase_add_test(tc, allocations_are_those_since_the_last_export);
	tcase_add_test(tc, rounding_is_no_allocation);
	tcase_add_test(tc, differences_are_those_to_the_last_profile);
	tcase_add_test(tc, another_process_begins_anew);
	tcase_add_test(tc, a_process_is_known_by_its_number);
	tcase_add_test(tc, profiles_share_a_dictionary_and_equal_resources);
	tcase_add_test(tc, what_does_not_fit_comes_in_parts_with_the_same_ids);
	tcase_add_test(tc, a_limit_below_one_sample_still_sends_everything);
	tcase_add_test(tc, profiles_of_other_writers_are_sent_as_they_are);
}

int
main(void)
{
	return unit_run("otlp", add);
}
