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
#include "tools/profile_write.h"

#define NANO INT64_C(1000000000)

/* Every alloc_* value becomes what is new since `seen`; the sums of stacks are what counts. */
static void
subtract(struct oh_profile *p, const struct oh_otlp_seen *seen)
{
	struct oh_rows rows = { 0 };
	struct oh_seen_bytes bytes;

	if (!oh_seen_fits(seen, p))
		return;
	oh_seen_bytes_of(&bytes, p);
	oh_rows_make(&rows, p, false);
	for (size_t type = 0; type < p->type_count; type++) {
		int k = oh_seen_type(p, type);

		if (k < 0 || k >= OH_SEEN_TYPES)
			continue;
		for (size_t i = 0; i < p->sample_count; i++)
			p->values[i * p->type_count + type] = 0;
		for (size_t r = 0; r < rows.count; r++) {
			const struct oh_seen_item *item = oh_seen_find(seen, rows.rows[r].key);
			const int64_t *values = rows.values + r * p->type_count;
			int64_t now = values[type], before = item != NULL ? item->values[k] : 0;
			bool grew = item == NULL || oh_seen_grew(item, &bytes, values);

			p->values[rows.rows[r].sample * p->type_count + type] =
			    grew && now > before ? now - before : 0;
		}
	}
	oh_rows_release(&rows);
	p->duration_ns = p->time_ns - seen->time_ns;
	if (p->duration_ns < 0)
		p->duration_ns = 0;
}

static bool
has_values(const struct oh_profile *p)
{
	for (size_t i = 0; i < p->sample_count * p->type_count; i++)
		if (p->values[i] != 0)
			return true;
	return false;
}

static uint8_t *
write_body(const struct oh_profile *p, size_t *ret_len, struct oh_error *err)
{
	char *data = NULL;
	FILE *to = open_memstream(&data, ret_len);
	bool good = to != NULL && oh_profile_write(p, to);

	good = to != NULL && fclose(to) == 0 && good;
	if (good)
		return (uint8_t *)data;
	oh_error_set(err, "%s", strerror(ENOMEM));
	free(data);
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
oh_pyroscope_make(struct oh_pyroscope *ret, struct oh_profile *p, const struct oh_otlp_seen *seen,
    const struct oh_resource *resource, struct oh_error *err)
{
	memset(ret, 0, sizeof(*ret));
	if (seen != NULL)
		subtract(p, seen);
	if (!has_values(p))
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
