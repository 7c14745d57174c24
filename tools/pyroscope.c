/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pyroscope.c - a profile as Pyroscope's own way in takes it.
 */
#include "tools/pyroscope.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/otlp_rows.h"
#include "tools/otlp_table.h"
#include "tools/profile_write.h"

#define NANO INT64_C(1000000000)

/* Leave out the labels that do not tell rows apart. */
static void
drop_numeric_labels(struct oh_profile *p)
{
	uint32_t at = 0, to = 0;

	for (size_t set = 0; set < p->label_set_count; set++) {
		uint32_t end = p->label_at[set + 1];

		for (; at < end; at++)
			if (oh_label_is_sent(&p->labels[at], false))
				p->labels[to++] = p->labels[at];
		p->label_at[set + 1] = to;
	}
}

/* Take off the rows' alloc_* what was there before. */
static void
subtract(struct oh_rows *rows, const struct oh_profile *p, const struct oh_otlp_seen *before)
{
	struct oh_seen_bytes bytes;

	oh_seen_bytes_of(&bytes, p);
	for (size_t row = 0; row < rows->count; row++) {
		const struct oh_seen_item *item = oh_seen_find(before, rows->rows[row].key);
		int64_t *values = rows->values + row * p->type_count;
		bool grew = item != NULL && oh_seen_grew(item, &bytes, values);

		for (size_t t = 0; t < p->type_count && item != NULL; t++) {
			int k = oh_seen_type(p, t);

			if (k >= 0)
				values[t] = grew && values[t] > item->values[k]
						? values[t] - item->values[k]
						: 0;
		}
	}
}

/*
 * One sample for each row that has a value.  Rows are in the order of their
 * first samples, so that none is overwritten before it is read.
 */
static void
put_rows(struct oh_profile *p, const struct oh_rows *rows)
{
	size_t kept = 0;

	for (size_t row = 0; row < rows->count; row++) {
		uint32_t s = rows->rows[row].sample;
		const int64_t *values = rows->values + row * p->type_count;
		bool any = false;

		for (size_t t = 0; t < p->type_count; t++)
			any = any || values[t] != 0;
		if (!any)
			continue;
		memcpy(p->values + kept * p->type_count, values, p->type_count * sizeof(*values));
		p->label_set[kept] = p->label_set[s];
		oh_profile_move_stack(p, kept, s);
		kept++;
	}
	p->sample_count = kept;
}

/*
 * Make of the profile what Pyroscope keeps of one, and what is new: it does not
 * know numbers as labels, and takes 16,000 samples at most.
 */
static void
reduce(struct oh_profile *p, struct oh_otlp_seen *seen)
{
	bool goes_on = oh_seen_fits(seen, p);
	int64_t before_ns = goes_on ? seen->time_ns : 0;
	struct oh_rows rows = { 0 };

	oh_rows_make(&rows, p, false);
	if (goes_on)
		subtract(&rows, p, seen);
	if (seen != NULL)
		oh_otlp_seen_advance(seen, p, NULL);
	put_rows(p, &rows);
	oh_rows_release(&rows);
	drop_numeric_labels(p);
	if (goes_on)
		p->duration_ns = p->time_ns > before_ns ? p->time_ns - before_ns : 0;
}

static ssize_t
take_bytes(void *to, const char *data, size_t len)
{
	oh_bytes_add(to, data, len);
	return (ssize_t)len;
}

/* Not by open_memstream(), which copies all of it each time it grows. */
static uint8_t *
write_body(const struct oh_profile *p, size_t *ret_len, struct oh_error *err)
{
	struct oh_bytes body = { .b = NULL };
	FILE *to = fopencookie(&body, "w", (cookie_io_functions_t){ .write = take_bytes });
	bool good = to != NULL && oh_profile_write(p, to);

	good = to != NULL && fclose(to) == 0 && good;
	*ret_len = body.len;
	if (good)
		return body.b;
	oh_error_set(err, "%s", strerror(ENOMEM));
	free(body.b);
	return NULL;
}

/* ---- query -------------------------------------------------------------------------------------
 */

static void
put_encoded(FILE *to, const char *s)
{
	for (; *s != '\0'; s++)
		if (isalnum((unsigned char)*s) || strchr("-._~", *s) != NULL)
			(void)fputc(*s, to);
		else
			(void)fprintf(to, "%%%02X", (unsigned char)*s);
}

/* A text in which nothing of `not` and no control character is left. */
static void
put_clean(FILE *to, const char *s, const char * not )
{
	char one[2] = "";

	for (; *s != '\0'; s++) {
		one[0] = (unsigned char)*s < ' ' || *s == 127 || strchr(not, *s) != NULL ? '_' : *s;
		put_encoded(to, one);
	}
}

/* A label's name: letters, digits, '_', and no digit first. */
static void
put_label_name(FILE *to, const char *s)
{
	if (isdigit((unsigned char)*s))
		(void)fputc('_', to);
	for (; *s != '\0'; s++)
		(void)fputc(isalnum((unsigned char)*s) ? *s : '_', to);
}

/* Is an attribute worth a label?  Those that are the same everywhere, and those of every run, are
 * not. */
static bool
is_label(const struct oh_attribute *a)
{
	static const char *const not [] = { "service.name", "telemetry.", "os.", "host.id",
		"host.arch", "process." };

	if (a->text == NULL || *a->text == '\0')
		return false;
	if (strcmp(a->key, "process.executable.name") == 0)
		return true;
	for (size_t i = 0; i < OH_ARRAY_LEN(not ); i++)
		if (strncmp(a->key, not [i], strlen(not [i])) == 0)
			return false;
	return true;
}

static char *
write_query(const struct oh_profile *p, const struct oh_resource *resource)
{
	const struct oh_attribute *service = oh_resource_get(resource, "service.name");
	int64_t until = p->time_ns / NANO, from = (p->time_ns - p->duration_ns) / NANO;
	bool first = true;
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (to == NULL)
		return NULL;
	if (p->duration_ns < 0 || from < 0 || from >= until)
		from = until - 1;
	(void)fputs("name=", to);
	put_clean(to, service != NULL && service->text != NULL ? service->text : "unknown_service",
	    "{},=\"\\");
	(void)fputs("%7B", to);
	for (size_t i = 0; i < resource->count; i++) {
		const struct oh_attribute *a = &resource->items[i];

		if (!is_label(a))
			continue;
		if (!first)
			(void)fputs("%2C", to);
		first = false;
		put_label_name(to, a->key);
		(void)fputs("%3D", to);
		put_clean(to, a->text, "{},=\"\\");
	}
	(void)fprintf(to, "%%7D&from=%" PRId64 "&until=%" PRId64 "&format=pprof", from, until);
	if (fclose(to) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

bool
oh_pyroscope_make(struct oh_pyroscope *ret, struct oh_profile *p, struct oh_otlp_seen *seen,
    const struct oh_resource *resource, struct oh_error *err)
{
	memset(ret, 0, sizeof(*ret));
	reduce(p, seen);
	if (p->sample_count == 0)
		return true;
	ret->query = write_query(p, resource);
	if (ret->query == NULL)
		return oh_error_set(err, "%s", strerror(ENOMEM));
	ret->body = write_body(p, &ret->len, err);
	return ret->body != NULL;
}

void
oh_pyroscope_free(struct oh_pyroscope *y)
{
	free(y->body);
	free(y->query);
	memset(y, 0, sizeof(*y));
}
