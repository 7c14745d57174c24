/* SPDX-License-Identifier: Apache-2.0 */
/*
 * firefox_read.c - the JSON that profiler.firefox.com writes ("processed"
 * profiles), read.
 *
 * The tables of functions, frames, stacks and strings belong to all threads
 * ("shared") or, in older versions, to each; a file name is in the function, or
 * in a table of sources.  Both are read, whatever version is claimed.
 *
 * Sources  docs-developer/CHANGELOG-formats.md and src/types/profile.ts of
 *	    firefox-devtools/profiler.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/build.h"
#include "tools/convert.h"
#include "tools/json.h"

#define TYPES_MAX 1000 /* as in profile_read.c */
#define NONE INT64_MIN /* null, or no number */

/* A column of a table. */
struct column {
	int64_t *at;
	size_t count;
};

/* Of one thread, or of all. */
struct tables {
	uint32_t *strings; /* [number in the file] -> JSON node */
	size_t string_count;
	uint32_t *frames; /* [number in the file] -> location */
	size_t frame_count;
	struct column stack_frame, stack_prefix;
};

struct reader {
	struct oh_json j;
	struct oh_build b;
	struct oh_error *err;
	uint32_t *type_of; /* [thread] */
	int64_t *values;   /* one for each type */
	uint32_t *stack;   /* of the sample at hand, leaf first */
	size_t stack_cap;
	uint64_t bytes, max_bytes; /* of all stacks */
};

static bool
bad(struct reader *r, const char *what)
{
	return oh_error_set(r->err, "not a profile of the Firefox Profiler, or damaged: %s", what);
}

static struct column
read_column(struct reader *r, uint32_t table, const char *key)
{
	uint32_t list = oh_json_member(&r->j, table, key), n = oh_json_first(&r->j, list);
	struct column c = { NULL, 0 };

	if (oh_json_type(&r->j, list) != OH_JSON_ARRAY)
		return c;
	c.at = oh_xcalloc(oh_json_count(&r->j, list), sizeof(*c.at));
	for (; n != 0; n = oh_json_next(&r->j, n), c.count++)
		if (!oh_json_int(&r->j, n, &c.at[c.count]))
			c.at[c.count] = NONE;
	return c;
}

/* What a column says in a row; NONE beyond its end. */
static int64_t
get(const struct column *c, size_t row)
{
	return row < c->count ? c->at[row] : NONE;
}

static bool
is_row(int64_t row, size_t count)
{
	return row >= 0 && (uint64_t)row < count;
}

static uint32_t
string_at(struct reader *r, const struct tables *t, int64_t row)
{
	const char *s;

	if (!is_row(row, t->string_count))
		return 0;
	s = oh_json_string(&r->j, t->strings[row]);
	return s != NULL ? oh_build_string(&r->b, s, strlen(s)) : 0;
}

static uint32_t
line_of(int64_t line)
{
	return line > 0 && line <= UINT32_MAX ? (uint32_t)line : 0;
}

static void
read_strings(struct reader *r, struct tables *t, uint32_t owner)
{
	uint32_t list = oh_json_member(&r->j, owner, "stringArray"), n;

	if (list == 0)
		list = oh_json_member(&r->j, owner, "stringTable");
	t->strings = oh_xcalloc(oh_json_count(&r->j, list), sizeof(*t->strings));
	for (n = oh_json_first(&r->j, list); n != 0; n = oh_json_next(&r->j, n))
		t->strings[t->string_count++] = n;
}

static void
read_frames(struct reader *r, struct tables *t, uint32_t owner)
{
	uint32_t functions = oh_json_member(&r->j, owner, "funcTable");
	uint32_t frames = oh_json_member(&r->j, owner, "frameTable");
	struct column name = read_column(r, functions, "name");
	struct column file = read_column(r, functions, "fileName");
	struct column source = read_column(r, functions, "source");
	struct column start = read_column(r, functions, "lineNumber");
	struct column filename =
	    read_column(r, oh_json_member(&r->j, owner, "sources"), "filename");
	struct column func = read_column(r, frames, "func"), line = read_column(r, frames, "line");

	t->frames = oh_xcalloc(func.count, sizeof(*t->frames));
	for (; t->frame_count < func.count; t->frame_count++) {
		int64_t f = func.at[t->frame_count], from = NONE;
		uint32_t called = 0, where = 0, at = line_of(get(&line, t->frame_count));

		if (is_row(f, name.count)) {
			called = string_at(r, t, name.at[f]);
			from = get(&source, (size_t)f);
			from = is_row(from, filename.count) ? filename.at[from]
							    : get(&file, (size_t)f);
			where = string_at(r, t, from);
			if (at == 0)
				at = line_of(get(&start, (size_t)f));
		}
		if (called == 0)
			called = oh_build_string(&r->b, "?", 1);
		t->frames[t->frame_count] = oh_build_named(&r->b, called, where, at);
	}
	free(name.at);
	free(file.at);
	free(source.at);
	free(start.at);
	free(filename.at);
	free(func.at);
	free(line.at);
}

static bool
read_tables(struct reader *r, struct tables *t, uint32_t owner)
{
	uint32_t stacks = oh_json_member(&r->j, owner, "stackTable");

	read_strings(r, t, owner);
	read_frames(r, t, owner);
	t->stack_frame = read_column(r, stacks, "frame");
	t->stack_prefix = read_column(r, stacks, "prefix");
	if (t->stack_prefix.count != t->stack_frame.count)
		return bad(r, "stacks without frame or prefix");
	for (size_t i = 0; i < t->stack_frame.count; i++) {
		if (!is_row(t->stack_frame.at[i], t->frame_count))
			return bad(r, "a stack refers to a frame that is not there");
		/* Those above come first, so there is no ring. */
		if (t->stack_prefix.at[i] != NONE && !is_row(t->stack_prefix.at[i], i))
			return bad(r, "a stack refers to one that is not before it");
	}
	return true;
}

static void
free_tables(struct tables *t)
{
	free(t->strings);
	free(t->frames);
	free(t->stack_frame.at);
	free(t->stack_prefix.at);
}

static bool
add_sample(struct reader *r, const struct tables *t, int64_t stack, int64_t weight, uint32_t type)
{
	size_t depth = 0;

	if (stack != NONE && !is_row(stack, t->stack_frame.count))
		return bad(r, "a sample refers to a stack that is not there");
	for (; stack != NONE; stack = t->stack_prefix.at[stack]) {
		r->stack = oh_xgrow(r->stack, &r->stack_cap, depth + 1, sizeof(*r->stack));
		r->stack[depth++] = t->frames[t->stack_frame.at[stack]];
	}
	r->bytes += 8 * (uint64_t)depth;
	if (r->bytes > r->max_bytes)
		return bad(r, "the stacks are too large (--max-size allows more)");
	r->values[type] = weight;
	oh_build_sample(&r->b, r->stack, depth, r->values, OH_BUILD_NO_SIZE);
	r->values[type] = 0;
	return true;
}

static bool
read_samples(struct reader *r, const struct tables *t, uint32_t samples, uint32_t type)
{
	struct column stack = read_column(r, samples, "stack");
	struct column weight = read_column(r, samples, "weight");
	bool good = true;

	/* Without weights, each is one. */
	if (weight.at != NULL && weight.count != stack.count)
		good = bad(r, "not a weight for each sample");
	for (size_t i = 0; good && i < stack.count; i++) {
		int64_t w = weight.at == NULL ? 1 : weight.at[i];

		if (w != 0 && w != NONE)
			good = add_sample(r, t, stack.at[i], w, type);
	}
	free(stack.at);
	free(weight.at);
	return good;
}

static bool
read_thread(struct reader *r, const struct tables *shared, uint32_t thread, uint32_t type)
{
	uint32_t samples = oh_json_member(&r->j, thread, "samples");
	struct tables own = { 0 };
	bool good;

	if (oh_json_member(&r->j, thread, "stackTable") == 0)
		return read_samples(r, shared, samples, type);
	good = read_tables(r, &own, thread) && read_samples(r, &own, samples, type);
	free_tables(&own);
	return good;
}

static const char *
unit_of(const char *weight_type)
{
	if (weight_type != NULL && strcmp(weight_type, "bytes") == 0)
		return "bytes";
	if (weight_type != NULL && strcmp(weight_type, "tracing-ms") == 0)
		return "milliseconds";
	return "count";
}

/* A sample type for each name of threads and unit. */
static bool
read_types(struct reader *r, uint32_t threads)
{
	uint32_t known_name[TYPES_MAX], n = 0;
	const char *known_unit[TYPES_MAX];
	size_t k = 0;

	r->type_of = oh_xcalloc(oh_json_count(&r->j, threads), sizeof(*r->type_of));
	for (uint32_t t = oh_json_first(&r->j, threads); t != 0; t = oh_json_next(&r->j, t)) {
		uint32_t samples = oh_json_member(&r->j, t, "samples"), i = 0;
		const char *name = oh_json_string(&r->j, oh_json_member(&r->j, t, "name"));
		const char *unit =
		    unit_of(oh_json_string(&r->j, oh_json_member(&r->j, samples, "weightType")));

		if (name == NULL || *name == '\0')
			name = "samples";
		uint32_t id = oh_build_string(&r->b, name, strlen(name));
		while (i < n && (known_name[i] != id || strcmp(known_unit[i], unit) != 0))
			i++;
		if (i == TYPES_MAX)
			return oh_error_set(
			    r->err, "more than %d threads of different names", TYPES_MAX);
		if (i == n) {
			known_name[n] = id;
			known_unit[n++] = unit;
			oh_build_type(&r->b, name, unit);
		}
		r->type_of[k++] = i;
	}
	r->values = oh_xcalloc(n, sizeof(*r->values));
	return true;
}

static bool
read_all(struct reader *r)
{
	uint32_t root = 1, shared = oh_json_member(&r->j, root, "shared");
	uint32_t threads = oh_json_member(&r->j, root, "threads");
	uint32_t meta = oh_json_member(&r->j, root, "meta");
	struct tables all = { 0 };
	size_t k = 0;
	bool good;

	if (oh_json_type(&r->j, threads) != OH_JSON_ARRAY ||
	    oh_json_member(&r->j, meta, "preprocessedProfileVersion") == 0)
		return bad(r, "no threads, or meta.preprocessedProfileVersion");
	if (!read_types(r, threads))
		return false;
	good = shared == 0 || read_tables(r, &all, shared);
	for (uint32_t t = oh_json_first(&r->j, threads); good && t != 0; t = oh_json_next(&r->j, t))
		good = read_thread(r, &all, t, r->type_of[k++]);
	free_tables(&all);
	return good;
}

struct oh_profile *
oh_firefox_read(struct oh_input *in, uint64_t max_bytes, struct oh_error *err)
{
	struct reader r = { .err = err, .max_bytes = max_bytes };
	bool good;

	oh_build_init(&r.b);
	good = oh_json_read(&r.j, in, err) && read_all(&r);
	oh_json_free(&r.j);
	free(r.type_of);
	free(r.values);
	free(r.stack);
	return oh_build_finish(&r.b, good);
}
