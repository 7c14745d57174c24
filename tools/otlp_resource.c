/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_resource.c - who sends: the attributes of a process, its host, its service.
 *
 * Sources  OpenTelemetry's specification (resource SDK, W3C Baggage) for the two
 *	    variables; RFC 9562 for the UUID.
 */
#include "tools/otlp_resource.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/otlp/resource.pb-c.h"
#include "tools/otlp_table.h"
#include "tools/sha.h"

typedef Opentelemetry__Proto__Common__V1__AnyValue AnyValue;
typedef Opentelemetry__Proto__Common__V1__KeyValue KeyValue;
typedef Opentelemetry__Proto__Resource__V1__Resource Resource;

#define ANY_VALUE_INIT OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__INIT
#define KEY_VALUE_INIT OPENTELEMETRY__PROTO__COMMON__V1__KEY_VALUE__INIT
#define RESOURCE_INIT OPENTELEMETRY__PROTO__RESOURCE__V1__RESOURCE__INIT

/* ---- attributes ---------------------------------------------------------------- */

struct oh_resource *
oh_resource_create(void)
{
	return oh_xcalloc(1, sizeof(struct oh_resource));
}

void
oh_resource_free(struct oh_resource *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->count; i++) {
		free(r->items[i].key);
		free(r->items[i].text);
	}
	free(r->items);
	free(r);
}

static struct oh_attribute *
find(const struct oh_resource *r, const char *key)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->items[i].key, key) == 0)
			return &r->items[i];
	return NULL;
}

const struct oh_attribute *
oh_resource_get(const struct oh_resource *r, const char *key)
{
	return find(r, key);
}

static char *
clean_copy(const char *s)
{
	struct oh_bytes b = { .b = NULL };

	oh_bytes_text(&b, s);
	oh_bytes_add(&b, "", 1);
	return (char *)b.b;
}

static struct oh_attribute *
attribute(struct oh_resource *r, const char *key)
{
	struct oh_attribute *a = find(r, key);

	if (a == NULL) {
		r->items = oh_xgrow(r->items, &r->cap, r->count + 1, sizeof(*r->items));
		a = &r->items[r->count++];
		*a = (struct oh_attribute){ .key = clean_copy(key) };
	}
	free(a->text);
	a->text = NULL;
	return a;
}

static void
put(struct oh_resource *r, const char *key, const char *text)
{
	char *own = clean_copy(text); /* `text` may be what is replaced */

	attribute(r, key)->text = own;
}

void
oh_resource_set(struct oh_resource *r, const char *key, const char *text)
{
	if (text != NULL && *text != '\0')
		put(r, key, text);
}

void
oh_resource_set_num(struct oh_resource *r, const char *key, int64_t num)
{
	attribute(r, key)->num = num;
}

void
oh_resource_set_new(struct oh_resource *r, const char *key, const char *text)
{
	if (find(r, key) == NULL)
		oh_resource_set(r, key, text);
}

/* ---- settings --------------------------------------------------------------------- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decode %XX of [from, end), blanks around it removed.  NULL if it is malformed.  Free it. */
static char *
decode(const char *from, const char *end)
{
	char *text, *to;

	while (from < end && (*from == ' ' || *from == '\t'))
		from++;
	while (from < end && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	text = to = oh_xcalloc((size_t)(end - from) + 1, 1);
	for (; from < end; from++) {
		int high, low;

		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		high = end - from > 2 ? hex_digit(from[1]) : -1;
		low = end - from > 2 ? hex_digit(from[2]) : -1;
		if (high < 0 || low < 0 || high + low == 0) {
			free(text);
			return NULL;
		}
		*to++ = (char)(high << 4 | low);
		from += 2;
	}
	return text;
}

static bool
set_attributes(struct oh_resource *to, const char *list, struct oh_error *err)
{
	for (const char *at = list, *end; *at != '\0'; at = *end ? end + 1 : end) {
		const char *equals;
		char *key, *value;
		bool good;

		end = at + strcspn(at, ",");
		if (at + strspn(at, " \t") == end)
			continue; /* a comma too many */
		equals = memchr(at, '=', (size_t)(end - at));
		if (equals == NULL)
			return oh_error_set(err, "\"%.*s\" has no '='", (int)(end - at), at);
		key = decode(at, equals);
		value = decode(equals + 1, end);
		good = key != NULL && value != NULL && *key != '\0';
		if (good)
			put(to, key, value); /* an empty text is a value */
		free(key);
		free(value);
		if (!good)
			return oh_error_set(err, "\"%.*s\" is not %s", (int)(end - at), at,
			    key != NULL && *at == '=' ? "key=value" : "percent-encoded key=value");
	}
	return true;
}

bool
oh_resource_of_settings(
    struct oh_resource *r, const char *attributes, const char *service_name, struct oh_error *err)
{
	struct oh_resource *told = oh_resource_create();
	bool good = true;

	if (attributes != NULL)
		good = set_attributes(told, attributes, err);
	for (size_t i = 0; good && i < told->count; i++)
		if (*told->items[i].text != '\0' || strcmp(told->items[i].key, "service.name") != 0)
			put(r, told->items[i].key, told->items[i].text);
	oh_resource_free(told);
	oh_resource_set(r, "service.name", service_name);
	return good;
}

/* ---- the rest ---------------------------------------------------------------------- */

static void
add_part(struct oh_sha *sha, const struct oh_resource *r, const char *key)
{
	const struct oh_attribute *a = find(r, key);
	char number[24];

	if (a != NULL && a->text == NULL)
		(void)snprintf(number, sizeof(number), "%lld", (long long)a->num);
	if (a != NULL) {
		const char *text = a->text != NULL ? a->text : number;

		oh_sha_add(sha, text, strlen(text));
	}
	oh_sha_add(sha, "\n", 1);
}

/* RFC 9562, 5.5; the namespace is the one that the semantic conventions give. */
static void
set_instance(struct oh_resource *r)
{
	static const uint8_t namespace[16] = { 0x4d, 0x63, 0x00, 0x9a, 0x8d, 0x0f, 0x11, 0xee, 0xaa,
		0xd7, 0x4c, 0x79, 0x6e, 0xd8, 0xe3, 0x20 };
	static const char *const parts[] = { "service.namespace", "service.name", "host.id",
		"host.name", "container.id", "process.pid", "process.creation.time" };
	struct oh_sha sha;
	uint8_t id[20];
	char text[37], *to = text;

	oh_sha1_init(&sha);
	oh_sha_add(&sha, namespace, sizeof(namespace));
	for (size_t i = 0; i < OH_ARRAY_LEN(parts); i++)
		add_part(&sha, r, parts[i]);
	oh_sha_end(&sha, id);
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x50);
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		(void)snprintf(to, 3, "%02x", id[i]);
		to += 2;
	}
	oh_resource_set(r, "service.instance.id", text);
}

void
oh_resource_complete(struct oh_resource *r)
{
	const struct oh_attribute *name = find(r, "process.executable.name");
	char service[300];

	if (name != NULL && name->text != NULL)
		(void)snprintf(service, sizeof(service), "unknown_service:%s", name->text);
	else
		(void)snprintf(service, sizeof(service), "unknown_service");
	oh_resource_set_new(r, "service.name", service);
	if (find(r, "service.instance.id") == NULL)
		set_instance(r);
	oh_resource_set_new(r, "telemetry.sdk.name", "otheap");
	oh_resource_set_new(r, "telemetry.sdk.language", "c");
	oh_resource_set_new(r, "telemetry.sdk.version", OH_VERSION);
}

uint8_t *
oh_resource_encode(const struct oh_resource *r, size_t *ret_len)
{
	AnyValue *values = oh_xcalloc(r->count, sizeof(*values));
	KeyValue *pairs = oh_xcalloc(r->count, sizeof(*pairs));
	KeyValue **list = oh_xcalloc(r->count, sizeof(KeyValue *));
	Resource m = RESOURCE_INIT;
	uint8_t *bytes;

	for (size_t i = 0; i < r->count; i++) {
		values[i] = (AnyValue)ANY_VALUE_INIT;
		if (r->items[i].text != NULL) {
			values[i].value_case =
			    OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE;
			values[i].string_value = r->items[i].text;
		} else {
			values[i].value_case =
			    OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE;
			values[i].int_value = r->items[i].num;
		}
		pairs[i] = (KeyValue)KEY_VALUE_INIT;
		pairs[i].key = r->items[i].key;
		pairs[i].value = &values[i];
		list[i] = &pairs[i];
	}
	m.n_attributes = r->count;
	m.attributes = list;
	*ret_len = protobuf_c_message_get_packed_size(&m.base);
	bytes = oh_xcalloc(*ret_len, 1);
	(void)protobuf_c_message_pack(&m.base, bytes);
	free(values);
	free(pairs);
	free(list);
	return bytes;
}
