/* SPDX-License-Identifier: Apache-2.0 */
/*
 * speedscope.c - the JSON of speedscope.app, read and written.
 *
 * Sources  the types in src/lib/file-format-spec.ts of jlfwong/speedscope.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/aggregate.h"
#include "tools/build.h"
#include "tools/convert.h"
#include "tools/escape.h"
#include "tools/json.h"
#include "tools/place.h"

#define PROFILES_MAX 1000 /* each is a sample type, as in profile_read.c */

struct reader {
	struct oh_json j;
	struct oh_build b;
	struct oh_error *err;
	uint32_t *frames; /* [number in the file] -> location */
	size_t frame_count;
	int64_t *values; /* one for each type */
	uint32_t *stack; /* of the sample at hand, leaf first */
	size_t stack_cap;
	uint64_t bytes, max_bytes; /* of the stacks of evented profiles */
};

/* ---- reading ------------------------------------------------------------------- */

static bool
bad(struct reader *r, size_t profile, const char *what)
{
	return oh_error_set(
	    r->err, "not a speedscope file, or damaged: profile %zu %s", profile, what);
}

static uint32_t
string_member(struct reader *r, uint32_t object, const char *key)
{
	const char *s = oh_json_string(&r->j, oh_json_member(&r->j, object, key));

	return s != NULL ? oh_build_string(&r->b, s, strlen(s)) : 0;
}

static bool
read_frames(struct reader *r, uint32_t list)
{
	size_t n = oh_json_count(&r->j, list);
	uint32_t f = oh_json_first(&r->j, list);

	if (oh_json_type(&r->j, list) != OH_JSON_ARRAY)
		return oh_error_set(r->err, "not a speedscope file: it has no shared.frames");
	r->frames = oh_xcalloc(n, sizeof(*r->frames));
	for (; f != 0; f = oh_json_next(&r->j, f)) {
		uint32_t name = string_member(r, f, "name");
		int64_t line = 0;

		if (name == 0)
			name = oh_build_string(&r->b, "?", 1);
		(void)oh_json_int(&r->j, oh_json_member(&r->j, f, "line"), &line);
		r->frames[r->frame_count++] =
		    oh_build_named(&r->b, name, string_member(r, f, "file"),
			line > 0 && line <= UINT32_MAX ? (uint32_t)line : 0);
	}
	return true;
}

/* The location of the frame whose number is at `node`. */
static bool
frame_of(struct reader *r, uint32_t node, uint32_t *ret)
{
	int64_t i;

	if (!oh_json_int(&r->j, node, &i) || i < 0 || (uint64_t)i >= r->frame_count)
		return false;
	*ret = r->frames[i];
	return true;
}

static bool
read_sampled(struct reader *r, uint32_t profile, size_t type)
{
	uint32_t s = oh_json_first(&r->j, oh_json_member(&r->j, profile, "samples"));
	uint32_t w = oh_json_first(&r->j, oh_json_member(&r->j, profile, "weights"));

	for (; s != 0; s = oh_json_next(&r->j, s), w = oh_json_next(&r->j, w)) {
		size_t n = oh_json_count(&r->j, s), i = n;
		uint32_t f = oh_json_first(&r->j, s);

		if (!oh_json_int(&r->j, w, &r->values[type]))
			return bad(r, type, "has not a weight for each sample");
		r->stack = oh_xgrow(r->stack, &r->stack_cap, n, sizeof(*r->stack));
		for (; f != 0; f = oh_json_next(&r->j, f)) /* root first */
			if (!frame_of(r, f, &r->stack[--i]))
				return bad(r, type, "refers to a frame that is not there");
		oh_build_sample(&r->b, r->stack, n, r->values, OH_BUILD_NO_SIZE);
	}
	r->values[type] = 0;
	return true;
}

/* What passed since the last event goes to the stack that was open. */
static bool
add_interval(
    struct reader *r, size_t type, const uint32_t *open, size_t depth, double from, double to)
{
	double d = round(to - from);

	if (d == 0 || depth == 0)
		return true;
	r->bytes += 8 * (uint64_t)depth;
	if (r->bytes > r->max_bytes)
		return bad(r, type, "has stacks that are too large (--max-size allows more)");
	r->stack = oh_xgrow(r->stack, &r->stack_cap, depth, sizeof(*r->stack));
	for (size_t i = 0; i < depth; i++)
		r->stack[i] = open[depth - 1 - i];
	r->values[type] = d >= 0x1p63 ? INT64_MAX : (int64_t)d;
	oh_build_sample(&r->b, r->stack, depth, r->values, OH_BUILD_NO_SIZE);
	r->values[type] = 0;
	return true;
}

static bool
read_events(struct reader *r, uint32_t profile, size_t type, uint32_t *open)
{
	uint32_t e = oh_json_first(&r->j, oh_json_member(&r->j, profile, "events"));
	size_t depth = 0;
	double last = 0;

	(void)oh_json_number(&r->j, oh_json_member(&r->j, profile, "startValue"), &last);
	for (; e != 0; e = oh_json_next(&r->j, e)) {
		const char *kind = oh_json_string(&r->j, oh_json_member(&r->j, e, "type"));
		uint32_t frame;
		double at;

		if (kind == NULL || !oh_json_number(&r->j, oh_json_member(&r->j, e, "at"), &at) ||
		    !frame_of(r, oh_json_member(&r->j, e, "frame"), &frame))
			return bad(r, type, "has an event without type, time or frame");
		if (!(at >= last))
			return bad(r, type, "has events that go back");
		if (!add_interval(r, type, open, depth, last, at))
			return false;
		last = at;
		if (strcmp(kind, "O") == 0)
			open[depth++] = frame;
		else if (strcmp(kind, "C") == 0 && depth > 0 && open[depth - 1] == frame)
			depth--;
		else
			return bad(r, type, "closes a frame that is not the last one open");
	}
	return true;
}

static bool
read_profile(struct reader *r, uint32_t profile, size_t type)
{
	const char *kind = oh_json_string(&r->j, oh_json_member(&r->j, profile, "type"));
	uint32_t *open;
	bool good;

	if (kind != NULL && strcmp(kind, "sampled") == 0)
		return read_sampled(r, profile, type);
	if (kind == NULL || strcmp(kind, "evented") != 0)
		return bad(r, type, "is neither sampled nor evented");
	open = oh_xcalloc(
	    oh_json_count(&r->j, oh_json_member(&r->j, profile, "events")), sizeof(*open));
	good = read_events(r, profile, type, open);
	free(open);
	return good;
}

static bool
read_all(struct reader *r)
{
	uint32_t root = 1, list, p;
	size_t types = 0;
	int64_t shown;

	list = oh_json_member(&r->j, root, "profiles");
	if (oh_json_type(&r->j, list) != OH_JSON_ARRAY)
		return oh_error_set(r->err, "not a speedscope file: it has no profiles");
	if (oh_json_count(&r->j, list) > PROFILES_MAX)
		return oh_error_set(r->err, "more than %d profiles", PROFILES_MAX);
	if (!read_frames(r, oh_json_member(&r->j, oh_json_member(&r->j, root, "shared"), "frames")))
		return false;
	for (p = oh_json_first(&r->j, list); p != 0; p = oh_json_next(&r->j, p)) {
		const char *name = oh_json_string(&r->j, oh_json_member(&r->j, p, "name"));
		const char *unit = oh_json_string(&r->j, oh_json_member(&r->j, p, "unit"));

		oh_build_type(&r->b, name != NULL && *name != '\0' ? name : "samples",
		    unit == NULL || strcmp(unit, "none") == 0 ? "count" : unit);
	}
	types = oh_json_count(&r->j, list);
	r->values = oh_xcalloc(types, sizeof(*r->values));
	types = 0;
	for (p = oh_json_first(&r->j, list); p != 0; p = oh_json_next(&r->j, p))
		if (!read_profile(r, p, types++))
			return false;
	if (oh_json_int(&r->j, oh_json_member(&r->j, root, "activeProfileIndex"), &shown) &&
	    shown >= 0 && (uint64_t)shown < types)
		r->b.p->default_type = r->b.p->types[shown].type;
	return true;
}

struct oh_profile *
oh_speedscope_read(struct oh_input *in, uint64_t max_bytes, struct oh_error *err)
{
	struct reader r = { .err = err, .max_bytes = max_bytes };
	bool good;

	oh_build_init(&r.b);
	good = oh_json_read(&r.j, in, err) && read_all(&r);
	oh_json_free(&r.j);
	free(r.frames);
	free(r.values);
	free(r.stack);
	return oh_build_finish(&r.b, good);
}

/* ---- writing -------------------------------------------------------------------- */

/* The units that speedscope knows. */
static const char *
unit_of(const struct oh_profile *p, size_t type)
{
	static const char *const known[] = { "bytes", "nanoseconds", "microseconds", "milliseconds",
		"seconds" };
	const char *unit = oh_profile_string(p, p->types[type].unit);

	for (size_t i = 0; i < OH_ARRAY_LEN(known); i++)
		if (strcmp(unit, known[i]) == 0)
			return known[i];
	return "none";
}

static void
write_frames(FILE *to, const struct oh_profile *p, const struct oh_table *t)
{
	char name[OH_PLACE_NAME_MAX];

	for (size_t i = 0; i < t->place_count; i++) {
		const struct oh_place *pl = &t->places[i];

		(void)fputs(i > 0 ? ",\n{\"name\":" : "\n{\"name\":", to);
		oh_put_json(to, oh_place_name(name, p, pl));
		if (pl->file != 0) {
			(void)fputs(",\"file\":", to);
			oh_put_json(to, oh_profile_string(p, pl->file));
		}
		if (pl->line != 0)
			(void)fprintf(to, ",\"line\":%u", pl->line);
		(void)putc('}', to);
	}
}

/* As printf, but it is called for each frame of each stack. */
static void
put_number(FILE *to, uint32_t n)
{
	char text[12];
	size_t at = sizeof(text);

	do
		text[--at] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	(void)fwrite_unlocked(text + at, 1, sizeof(text) - at, to);
}

/* The rows of one type: their stacks, root first, and their values. */
static void
write_samples(FILE *to, const struct oh_profile *p, const struct oh_table *t)
{
	int64_t sum = 0;
	bool first = true;

	(void)fputs("\"samples\":[", to);
	for (size_t i = 0; i < t->row_count; i++) {
		const struct oh_row *row = &t->rows[i];
		bool inner = true;

		sum = oh_add_saturated(sum, row->flat);
		(void)fputs(first ? "\n[" : ",\n[", to);
		first = false;
		for (uint32_t f = row->stack_at + row->stack_len; f-- > row->stack_at;) {
			uint32_t l = p->frames[f];

			for (uint32_t k = t->place_at[l + 1]; k-- > t->place_at[l];) {
				if (!inner)
					(void)putc_unlocked(',', to);
				put_number(to, t->place_ids[k]);
				inner = false;
			}
		}
		(void)putc(']', to);
	}
	(void)fputs("],\"weights\":[", to);
	for (size_t i = 0; i < t->row_count; i++)
		(void)fprintf(to, i > 0 ? ",%" PRId64 : "%" PRId64, t->rows[i].flat);
	(void)fprintf(to, "],\"startValue\":0,\"endValue\":%" PRId64 "}", sum);
}

void
oh_speedscope_write(FILE *to, struct oh_profile *p, unsigned shown, const char *name)
{
	struct oh_table t;

	(void)fputs("{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\n"
		    "\"exporter\":\"otheap " OH_VERSION "\",\"name\":",
	    to);
	oh_put_json(to, name);
	(void)fprintf(to, ",\"activeProfileIndex\":%u,\n\"shared\":{\"frames\":[", shown);
	/* The places are the same whatever is added up. */
	oh_aggregate(&t, p, 0, OH_VIEW_STACKS);
	write_frames(to, p, &t);
	oh_table_free(&t);
	(void)fputs("]},\n\"profiles\":[", to);
	for (unsigned type = 0; type < p->type_count; type++) {
		(void)fputs(type > 0 ? ",\n{\"type\":\"sampled\",\"name\":"
				     : "\n{\"type\":\"sampled\",\"name\":",
		    to);
		oh_put_json(to, oh_profile_string(p, p->types[type].type));
		(void)fprintf(to, ",\"unit\":\"%s\",", unit_of(p, type));
		oh_aggregate(&t, p, type, OH_VIEW_STACKS);
		oh_table_sort(&t, p, false);
		write_samples(to, p, &t);
		oh_table_free(&t);
	}
	(void)fputs("]}\n", to);
}
