/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folded.c - folded stacks: lines `root;...;leaf VALUE`.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/aggregate.h"
#include "tools/build.h"
#include "tools/convert.h"
#include "tools/data.h"

#define NUMBER_MAX 64 /* characters of a value */

struct frames {
	uint32_t *list;
	size_t count, cap;
};

static bool
parse_value(const char *s, size_t len, int64_t *ret)
{
	char text[NUMBER_MAX], *end;
	double d;

	if (len == 0 || len >= sizeof(text))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	if (strspn(text, "-+.0123456789eE") < len)
		return false;
	*ret = strtoll(text, &end, 10);
	if (*end == '\0')
		return true;
	d = strtod(text, &end);
	if (*end != '\0' || !isfinite(d))
		return false;
	*ret = d >= 0x1p63 ? INT64_MAX : d < -0x1p63 ? INT64_MIN : (int64_t)llround(d);
	return true;
}

/* Frames come root first and are kept leaf first. */
static void
take_frames(struct oh_build *b, struct frames *f, const char *s, size_t len)
{
	static const char none[] = "(no stack)";

	f->count = 0;
	if (len == sizeof(none) - 1 && memcmp(s, none, len) == 0)
		return;
	while (len > 0) {
		const char *semicolon = memrchr(s, ';', len);
		size_t at = semicolon != NULL ? (size_t)(semicolon - s) + 1 : 0;
		uint32_t name = oh_build_string(b, s + at, len - at);

		if (name != 0) {
			f->list = oh_xgrow(f->list, &f->cap, f->count + 1, sizeof(*f->list));
			f->list[f->count++] = oh_build_named(b, name, 0, 0);
		}
		len = at > 0 ? at - 1 : 0;
	}
}

static bool
is_bytes(const char *type)
{
	size_t n = strlen(type);

	return strcmp(type, "bytes") == 0 || (n >= 5 && strcmp(type + n - 5, "space") == 0);
}

struct oh_profile *
oh_folded_read(struct oh_input *in, const char *type, struct oh_error *err)
{
	struct oh_build b;
	struct frames f = { 0 };
	const char *line;
	size_t len, number = 0;
	int64_t value;

	oh_build_init(&b);
	oh_build_type(&b, type, is_bytes(type) ? "bytes" : "count");
	while (oh_input_line(in, &line, &len, err)) {
		size_t end;

		number++;
		while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
			len--;
		if (len == 0)
			continue;
		for (end = len; end > 0 && line[end - 1] != ' ' && line[end - 1] != '\t';)
			end--;
		if (end == 0 || !parse_value(line + end, len - end, &value)) {
			oh_error_set(
			    err, "not folded stacks: no value at the end of line %zu", number);
			break;
		}
		while (end > 0 && (line[end - 1] == ' ' || line[end - 1] == '\t'))
			end--;
		take_frames(&b, &f, line, end);
		oh_build_sample(&b, f.list, f.count, &value, OH_BUILD_NO_SIZE);
	}
	free(f.list);
	return oh_build_finish(&b, err->text[0] == '\0');
}

void
oh_folded_write(FILE *to, struct oh_profile *p, unsigned type)
{
	struct oh_table t;

	oh_aggregate(&t, p, type, OH_VIEW_STACKS);
	oh_table_sort(&t, p, false);
	for (size_t i = 0; i < t.row_count; i++) {
		oh_data_folded_stack(to, p, &t, &t.rows[i], false);
		(void)fprintf(to, " %" PRId64 "\n", t.rows[i].flat);
	}
	oh_table_free(&t);
}
