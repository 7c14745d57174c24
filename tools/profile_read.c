/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_read.c - read a pprof profile into flat arrays.
 *
 * Answers: "what does this file say?", for bytes that may have been made by
 * anyone.  The top-level message is walked field by field as it is unpacked
 * and never held as a whole; there is no tree of messages.
 *
 * Shape
 *	input window -> field -> add_<message>() -> arrays of struct oh_profile
 *	then check(): what the arrays refer to is really there
 *
 * Ids are turned into indices while reading, also before the thing they name
 * has come (samples are usually written before locations): `defined` says
 * which indices have.
 *
 * Invariants
 *	I1  When oh_profile_read() returns a profile, every index in it is in
 *	    range and every array has the length its count says.
 *	I2  Memory is bounded by the bytes read: each field of n bytes adds at
 *	    most 16 n.
 *
 * Limits   4095 MiB unpacked, so that 32-bit indices and offsets suffice (each
 *	    frame, string or label takes at least one byte of the file);
 *	    line numbers beyond 32 bits and columns are not kept.
 * Sources  profile.proto of google/pprof for the meaning of the fields.
 */
#include "tools/profile.h"

#include <stdlib.h>
#include <string.h>

#include "tools/input.h"
#include "tools/profile_reader.h"

#define TYPES_MAX 1000 /* sample types; real profiles have 1 to 9 */
/*
 * Lines of one location: inlined calls, below 100 in real programs.  Each
 * frame that refers to it by one byte multiplies them.
 */
#define LINES_MAX 1024

enum {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING_TABLE = 6,
	PROFILE_DROP_FRAMES = 7,
	PROFILE_KEEP_FRAMES = 8,
	PROFILE_TIME_NANOS = 9,
	PROFILE_DURATION_NANOS = 10,
	PROFILE_PERIOD_TYPE = 11,
	PROFILE_PERIOD = 12,
	PROFILE_COMMENT = 13,
	PROFILE_DEFAULT_SAMPLE_TYPE = 14,
	PROFILE_DOC_URL = 15,
};

static uint32_t
line_of(uint64_t value)
{
	return value > UINT32_MAX ? 0 : (uint32_t)value;
}

/* Make ids->defined long enough for `index`; new entries are 0. */
static void
ids_reserve(struct oh_reader_ids *ids, uint32_t index)
{
	size_t had = ids->cap;

	ids->defined = oh_xgrow(ids->defined, &ids->cap, (size_t)index + 1, 1);
	memset(ids->defined + had, 0, ids->cap - had);
}

/* The index of the thing called `id` that is being defined now. */
static bool
ids_define(struct oh_reader *r, struct oh_reader_ids *ids, uint64_t id, uint32_t *ret)
{
	uint32_t i;

	if (id == 0)
		return oh_error_set(r->err, "damaged profile: a %s without an id", ids->what);
	i = oh_idmap_add(&ids->map, id);
	ids_reserve(ids, i);
	if (ids->defined[i])
		return oh_error_set(r->err, "damaged profile: two %ss with the id %llu", ids->what,
		    (unsigned long long)id);
	ids->defined[i] = 1;
	ids->defined_count++;
	*ret = i;
	return true;
}

static bool
ids_check(struct oh_reader *r, const struct oh_reader_ids *ids)
{
	if (ids->defined_count == ids->map.count)
		return true;
	return oh_error_set(
	    r->err, "damaged profile: a %s is referred to that is not there", ids->what);
}

static bool
add_value_type(struct oh_reader *r, struct oh_wire w, struct oh_value_type *t)
{
	struct oh_wire_field f;
	int rc;

	memset(t, 0, sizeof(*t));
	while ((rc = oh_wire_next(&w, &f)) > 0) {
		if (f.number <= 2 && !oh_reader_is_varint(&f))
			return oh_reader_malformed(r, "value type");
		if (f.number == 1)
			t->type = oh_reader_index(f.value);
		else if (f.number == 2)
			t->unit = oh_reader_index(f.value);
	}
	return rc == 0 || oh_reader_malformed(r, "value type");
}

/* ---- what samples refer to -------------------------------------------------- */

static bool
add_mapping(struct oh_reader *r, struct oh_wire w)
{
	struct oh_profile *p = r->p;
	struct oh_mapping m = { 0 };
	struct oh_wire_field f;
	uint64_t id = 0;
	uint32_t i;
	int rc;

	while ((rc = oh_wire_next(&w, &f)) > 0) {
		if (f.number <= 10 && !oh_reader_is_varint(&f))
			return oh_reader_malformed(r, "mapping");
		switch (f.number) {
		case 1:
			id = f.value;
			break;
		case 2:
			m.start = f.value;
			break;
		case 3:
			m.limit = f.value;
			break;
		case 4:
			m.offset = f.value;
			break;
		case 5:
			m.filename = oh_reader_index(f.value);
			break;
		case 6:
			m.build_id = oh_reader_index(f.value);
			break;
		case 7:
			m.has_functions = f.value != 0;
			break;
		default:
			break;
		}
	}
	if (rc < 0)
		return oh_reader_malformed(r, "mapping");
	if (!ids_define(r, &r->mappings, id, &i))
		return false;
	if (r->mappings.defined_count == 1)
		p->main_mapping = i;
	/* ids->cap is the array's capacity too: both grow by the same index. */
	p->mappings = oh_xrealloc(p->mappings, r->mappings.cap, sizeof(*p->mappings));
	p->mappings[i] = m;
	return true;
}

static bool
add_function(struct oh_reader *r, struct oh_wire w)
{
	struct oh_profile *p = r->p;
	struct oh_function fn = { 0 };
	struct oh_wire_field f;
	uint64_t id = 0;
	uint32_t i;
	int rc;

	while ((rc = oh_wire_next(&w, &f)) > 0) {
		if (f.number <= 5 && !oh_reader_is_varint(&f))
			return oh_reader_malformed(r, "function");
		switch (f.number) {
		case 1:
			id = f.value;
			break;
		case 2:
			fn.name = oh_reader_index(f.value);
			break;
		case 3:
			fn.system_name = oh_reader_index(f.value);
			break;
		case 4:
			fn.filename = oh_reader_index(f.value);
			break;
		case 5:
			fn.start_line = line_of(f.value);
			break;
		default:
			break;
		}
	}
	if (rc < 0)
		return oh_reader_malformed(r, "function");
	if (!ids_define(r, &r->functions, id, &i))
		return false;
	p->functions =
	    oh_xgrow(p->functions, &p->function_cap, (size_t)i + 1, sizeof(*p->functions));
	p->functions[i] = fn;
	return true;
}

static bool
add_line(struct oh_reader *r, struct oh_wire w)
{
	struct oh_profile *p = r->p;
	struct oh_line line = { 0 };
	struct oh_wire_field f;
	uint64_t function = 0;
	int rc;

	while ((rc = oh_wire_next(&w, &f)) > 0) {
		if (f.number <= 3 && !oh_reader_is_varint(&f))
			return oh_reader_malformed(r, "line");
		if (f.number == 1)
			function = f.value;
		else if (f.number == 2)
			line.line = line_of(f.value);
	}
	if (rc < 0)
		return oh_reader_malformed(r, "line");
	if (function == 0)
		return oh_error_set(r->err, "damaged profile: a line without a function");
	line.function = oh_idmap_add(&r->functions.map, function);
	p->lines = oh_xgrow(p->lines, &p->lines_cap, p->lines_len + 1, sizeof(*p->lines));
	p->lines[p->lines_len++] = line;
	return true;
}

static bool
add_location(struct oh_reader *r, struct oh_wire w)
{
	struct oh_profile *p = r->p;
	uint64_t id = 0, mapping = 0, address = 0;
	size_t line_at = p->lines_len;
	struct oh_wire_field f;
	uint32_t i;
	int rc;

	while ((rc = oh_wire_next(&w, &f)) > 0) {
		if (f.number == 4) {
			if (f.type != OH_WIRE_BYTES)
				return oh_reader_malformed(r, "location");
			if (!add_line(r, f.bytes))
				return false;
			continue;
		}
		if (f.number <= 5 && !oh_reader_is_varint(&f))
			return oh_reader_malformed(r, "location");
		if (f.number == 1)
			id = f.value;
		else if (f.number == 2)
			mapping = f.value;
		else if (f.number == 3)
			address = f.value;
	}
	if (rc < 0)
		return oh_reader_malformed(r, "location");
	if (p->lines_len - line_at > LINES_MAX)
		return oh_error_set(
		    r->err, "damaged profile: a location with more than %d lines", LINES_MAX);
	if (!ids_define(r, &r->locations, id, &i))
		return false;
	p->address = oh_xgrow(p->address, &r->address_cap, (size_t)i + 1, sizeof(*p->address));
	p->location_mapping = oh_xgrow(p->location_mapping, &r->location_mapping_cap, (size_t)i + 1,
	    sizeof(*p->location_mapping));
	p->line_at = oh_xgrow(p->line_at, &r->line_at_cap, (size_t)i + 1, sizeof(*p->line_at));
	p->line_count =
	    oh_xgrow(p->line_count, &r->line_count_cap, (size_t)i + 1, sizeof(*p->line_count));
	p->address[i] = address;
	p->location_mapping[i] = mapping ? oh_idmap_add(&r->mappings.map, mapping) + 1 : 0;
	p->line_at[i] = (uint32_t)line_at;
	p->line_count[i] = (uint32_t)(p->lines_len - line_at);
	return true;
}

static bool
add_comments(struct oh_reader *r, const struct oh_wire_field *f)
{
	struct oh_profile *p = r->p;
	struct oh_wire w = f->bytes;
	uint64_t value = f->value;

	if (f->type != OH_WIRE_VARINT && f->type != OH_WIRE_BYTES)
		return oh_reader_malformed(r, "comment");
	while (f->type == OH_WIRE_VARINT || w.at < w.end) {
		if (f->type == OH_WIRE_BYTES && !oh_wire_varint(&w, &value))
			return oh_reader_malformed(r, "comment");
		p->comments = oh_xgrow(
		    p->comments, &p->comment_cap, p->comment_count + 1, sizeof(*p->comments));
		p->comments[p->comment_count++] = oh_reader_index(value);
		if (f->type == OH_WIRE_VARINT)
			break;
	}
	return true;
}

/* ---- the whole message ------------------------------------------------------ */

static bool
add_field(struct oh_reader *r, const struct oh_wire_field *f)
{
	struct oh_profile *p = r->p;
	bool is_message = (f->number >= PROFILE_SAMPLE_TYPE && f->number <= PROFILE_STRING_TABLE) ||
			  f->number == PROFILE_PERIOD_TYPE;

	if (f->number > PROFILE_DOC_URL)
		return true;
	if (f->number != PROFILE_COMMENT &&
	    f->type != (uint32_t)(is_message ? OH_WIRE_BYTES : OH_WIRE_VARINT))
		return oh_reader_malformed(r, "field");

	switch (f->number) {
	case PROFILE_SAMPLE_TYPE:
		if (p->type_count == TYPES_MAX)
			return oh_error_set(
			    r->err, "damaged profile: more than %d sample types", TYPES_MAX);
		p->types = oh_xgrow(p->types, &p->type_cap, p->type_count + 1, sizeof(*p->types));
		return add_value_type(r, f->bytes, &p->types[p->type_count++]);
	case PROFILE_SAMPLE:
		return oh_reader_add_sample(r, f->bytes);
	case PROFILE_MAPPING:
		return add_mapping(r, f->bytes);
	case PROFILE_LOCATION:
		return add_location(r, f->bytes);
	case PROFILE_FUNCTION:
		return add_function(r, f->bytes);
	case PROFILE_STRING_TABLE:
		(void)oh_profile_add_string(
		    p, (const char *)f->bytes.at, (size_t)(f->bytes.end - f->bytes.at));
		if (p->string_count == 1 && f->bytes.at != f->bytes.end)
			return oh_error_set(
			    r->err, "not a pprof profile: its first string is not empty");
		return true;
	case PROFILE_DROP_FRAMES:
		p->drop_frames = oh_reader_index(f->value);
		return true;
	case PROFILE_KEEP_FRAMES:
		p->keep_frames = oh_reader_index(f->value);
		return true;
	case PROFILE_TIME_NANOS:
		p->time_ns = (int64_t)f->value;
		return true;
	case PROFILE_DURATION_NANOS:
		p->duration_ns = (int64_t)f->value;
		return true;
	case PROFILE_PERIOD_TYPE:
		return add_value_type(r, f->bytes, &p->period_type);
	case PROFILE_PERIOD:
		p->period = (int64_t)f->value;
		return true;
	case PROFILE_COMMENT:
		return add_comments(r, f);
	case PROFILE_DEFAULT_SAMPLE_TYPE:
		p->default_type = oh_reader_index(f->value);
		return true;
	default: /* PROFILE_DOC_URL */
		p->doc_url = oh_reader_index(f->value);
		return true;
	}
}

static bool
check_strings(struct oh_reader *r)
{
	const struct oh_profile *p = r->p;
	uint32_t most = 0;

#define SEE(index) (most = (index) > most ? (index) : most)
	for (size_t i = 0; i < p->type_count; i++) {
		SEE(p->types[i].type);
		SEE(p->types[i].unit);
	}
	for (size_t i = 0; i < p->label_count; i++) {
		SEE(p->labels[i].key);
		SEE(p->labels[i].str);
		SEE(p->labels[i].unit);
	}
	for (size_t i = 0; i < p->mapping_count; i++) {
		SEE(p->mappings[i].filename);
		SEE(p->mappings[i].build_id);
	}
	for (size_t i = 0; i < p->function_count; i++) {
		SEE(p->functions[i].name);
		SEE(p->functions[i].system_name);
		SEE(p->functions[i].filename);
	}
	for (size_t i = 0; i < p->comment_count; i++)
		SEE(p->comments[i]);
	SEE(p->drop_frames);
	SEE(p->keep_frames);
	SEE(p->default_type);
	SEE(p->doc_url);
	SEE(p->period_type.type);
	SEE(p->period_type.unit);
#undef SEE
	return most < p->string_count ||
	       oh_error_set(r->err, "damaged profile: string %u is referred to, there are %zu",
		   most, p->string_count);
}

static bool
check(struct oh_reader *r)
{
	struct oh_profile *p = r->p;

	p->location_count = r->locations.map.count;
	p->function_count = r->functions.map.count;
	p->mapping_count = r->mappings.map.count;
	if (!ids_check(r, &r->locations) || !ids_check(r, &r->functions) ||
	    !ids_check(r, &r->mappings))
		return false;
	if (p->sample_count > 0 && r->values_per_sample != p->type_count)
		return oh_error_set(r->err,
		    "damaged profile: samples have %zu values, there are %zu sample types",
		    r->values_per_sample, p->type_count);
	if (p->sample_count > 0 && p->type_count == 0)
		return oh_error_set(r->err, "damaged profile: samples without a value");
	if (p->string_count == 0)
		(void)oh_profile_add_string(p, "", 0);
	return check_strings(r);
}

/* What else people might hand us, by its first bytes; NULL if nothing known. */
static const char *
other_format(const uint8_t *b, size_t len)
{
	static const struct {
		const char *start, *what;
	} known[] = {
		{ "heap profile:",
		    "a heap profile in gperftools text form; otheap convert reads it" },
		{ "heap_v2/", "a heap profile in jemalloc text form; otheap convert reads it" },
		{ "\x28\xb5\x2f\xfd", "zstd data; unpack it first" },
		{ "\xfd"
		  "7zXZ",
		    "xz data; unpack it first" },
		{ "BZh", "bzip2 data; unpack it first" },
		{ "PK\x03\x04", "a zip archive; unpack it first" },
		{ "\x7f"
		  "ELF",
		    "a program or library" },
		{ "{", "JSON; otheap convert reads that of speedscope" },
	};

	for (size_t i = 0; i < OH_ARRAY_LEN(known); i++) {
		size_t n = strlen(known[i].start);

		if (len >= n && memcmp(b, known[i].start, n) == 0)
			return known[i].what;
	}
	return NULL;
}

int
oh_reader_field(
    struct oh_input *in, struct oh_wire_field *ret, size_t *ret_len, struct oh_error *err)
{
	/* A tag and a length take at most 20 bytes; with fewer left, oh_wire_next() decides. */
	const uint8_t *b;
	size_t have = oh_input_peek(in, 20, &b, err);
	struct oh_wire w = { b, b + have };
	uint64_t tag, len;
	int rc;

	if (have != 0 && oh_wire_varint(&w, &tag) && (tag & 7) == OH_WIRE_BYTES &&
	    oh_wire_varint(&w, &len) && len <= OH_PROFILE_MAX_LIMIT) {
		size_t whole = (size_t)(w.at - b) + (size_t)len;

		have = oh_input_peek(in, whole, &b, err);
		if (have < whole)
			oh_error_set(err, "not a pprof profile, or cut short: a field is longer "
					  "than what follows");
	}
	if (err->text[0] != '\0')
		return -1;
	w = (struct oh_wire){ b, b + have };
	rc = oh_wire_next(&w, ret);
	if (rc < 0)
		oh_error_set(err, "not a pprof profile, or damaged: malformed field");
	*ret_len = (size_t)(w.at - b);
	return rc;
}

static bool
read_fields(struct oh_reader *r, struct oh_input *in)
{
	const uint8_t *b;
	size_t have = oh_input_peek(in, 20, &b, r->err), len;
	const char *other = other_format(b, have);
	struct oh_wire_field f;
	int rc;

	if (other != NULL)
		return oh_error_set(r->err, "not a pprof profile but %s", other);
	if (have == 0)
		return oh_error_set(r->err, "the file is empty");

	while ((rc = oh_reader_field(in, &f, &len, r->err)) > 0) {
		if (!add_field(r, &f))
			return false;
		oh_input_skip(in, len);
	}
	return rc == 0;
}

struct oh_profile *
oh_reader_read(
    struct oh_input *in, size_t frames_max, struct oh_idmap *ret_locations, struct oh_error *err)
{
	struct oh_reader r = {
		.p = oh_xcalloc(1, sizeof(struct oh_profile)),
		.err = err,
		.frames_max = frames_max,
		.locations.what = "location",
		.functions.what = "function",
		.mappings.what = "mapping",
	};
	bool good;

	oh_reader_init_samples(&r);

	good = read_fields(&r, in) && check(&r);

	oh_input_free(in);
	if (good && r.frames_left) {
		free(r.p->frames);
		r.p->frames = NULL;
		*ret_locations = r.locations.map;
	} else {
		oh_idmap_free(&r.locations.map);
	}
	oh_idmap_free(&r.functions.map);
	oh_idmap_free(&r.mappings.map);
	free(r.locations.defined);
	free(r.functions.defined);
	free(r.mappings.defined);
	oh_reader_free_samples(&r);
	if (good)
		return r.p;
	oh_profile_free(r.p);
	return NULL;
}

struct oh_profile *
oh_profile_read_input(struct oh_input *in, struct oh_error *err)
{
	return oh_reader_read(in, SIZE_MAX, NULL, err);
}

struct oh_profile *
oh_profile_read(const char *path, uint64_t max_bytes, struct oh_error *err)
{
	struct oh_input *in = oh_input_open(path, max_bytes, err);

	return in ? oh_profile_read_input(in, err) : NULL;
}

struct oh_profile *
oh_profile_read_mem(const void *mem, size_t len, uint64_t max_bytes, struct oh_error *err)
{
	struct oh_input *in = oh_input_open_mem(mem, len, max_bytes, err);

	return in ? oh_profile_read_input(in, err) : NULL;
}
