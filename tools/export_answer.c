/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_answer.c - what a collector's answer means.
 */
#include "tools/export_answer.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/export_config.h"
#include "tools/otlp_reply.h"
#include "tools/wire.h"

/* No server may ask for more than this, or a slip of its own would be forever. */
#define WISH_MAX_MS INT64_C(3600000)

/* Codes of gRPC (doc/statuscodes.md). */
enum {
	GRPC_OK,
	GRPC_CANCELLED,
	GRPC_UNKNOWN,
	GRPC_INVALID_ARGUMENT,
	GRPC_DEADLINE_EXCEEDED,
	GRPC_NOT_FOUND,
	GRPC_ALREADY_EXISTS,
	GRPC_PERMISSION_DENIED,
	GRPC_RESOURCE_EXHAUSTED,
	GRPC_FAILED_PRECONDITION,
	GRPC_ABORTED,
	GRPC_OUT_OF_RANGE,
	GRPC_UNIMPLEMENTED,
	GRPC_INTERNAL,
	GRPC_UNAVAILABLE,
	GRPC_DATA_LOSS,
	GRPC_UNAUTHENTICATED,
};

static const char *const grpc_names[] = { "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT",
	"DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED" };

static void
begin(struct oh_answer *a, long http)
{
	memset(a, 0, sizeof(*a));
	a->http = http;
	a->grpc = -1;
	a->after_ms = -1;
}

static void OH_PRINTF(2, 3) say(struct oh_answer *a, const char *fmt, ...)
{
	size_t at = strlen(a->text);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(a->text + at, sizeof(a->text) - at, fmt, ap);
	va_end(ap);
}

/* Add a server's words behind ": ", on one line; bytes that are no text become '?'. */
static void
quote(struct oh_answer *a, const uint8_t *words, size_t len)
{
	size_t at = strlen(a->text);
	bool blank = true;

	while (len > 0 && words[len - 1] <= ' ')
		len--;
	if (len == 0)
		return;
	if (at > 0)
		say(a, ": ");
	at = strlen(a->text);
	for (size_t i = 0; i < len && at + 1 < sizeof(a->text); i++) {
		bool space = words[i] <= ' ';

		if (space && blank)
			continue;
		a->text[at++] = space ? ' ' : words[i] == 127 ? '?' : (char)words[i];
		blank = space;
	}
	a->text[at] = '\0';
}

/* ---- messages ------------------------------------------------------------------------------ */

/* Field `number` of a message, the last one; false if there is none or the message is damaged. */
static bool
field(struct oh_wire w, uint32_t number, uint32_t type, struct oh_wire_field *ret)
{
	struct oh_wire_field f;
	bool found = false;
	int rc;

	while ((rc = oh_wire_next(&w, &f)) > 0) {
		if (f.number == number && f.type == type) {
			*ret = f;
			found = true;
		}
	}
	return found && rc == 0;
}

/* An Export...ServiceResponse: the partial success in it, if any. */
static void
read_response(struct oh_answer *a, const uint8_t *body, size_t len)
{
	struct oh_reply r;

	if (!oh_reply_read(body, len, &r))
		return;
	a->rejected = r.rejected;
	quote(a, (const uint8_t *)r.text, strlen(r.text));
}

/* A google.protobuf.Duration in milliseconds, at least 0. */
static int64_t
read_duration(struct oh_wire w)
{
	struct oh_wire_field f;
	int64_t s = 0, ns = 0;

	if (field(w, 1, OH_WIRE_VARINT, &f))
		s = (int64_t)f.value;
	if (field(w, 2, OH_WIRE_VARINT, &f))
		ns = (int64_t)f.value;
	if (s < 0 || ns < 0)
		return 0;
	return s > WISH_MAX_MS / 1000 ? WISH_MAX_MS : s * 1000 + ns / 1000000;
}

/* The google.rpc.RetryInfo among the details of a google.rpc.Status. */
static void
read_status_details(struct oh_answer *a, const uint8_t *body, size_t len)
{
	static const char type[] = "/google.rpc.RetryInfo";
	struct oh_wire w = { body, body + len };
	struct oh_wire_field detail, url, value, delay;
	int rc;

	while ((rc = oh_wire_next(&w, &detail)) > 0) {
		size_t n;

		if (detail.number != 3 || detail.type != OH_WIRE_BYTES ||
		    !field(detail.bytes, 1, OH_WIRE_BYTES, &url))
			continue;
		n = (size_t)(url.bytes.end - url.bytes.at);
		if (n < sizeof(type) - 1 ||
		    memcmp(url.bytes.end - (sizeof(type) - 1), type, sizeof(type) - 1) != 0)
			continue;
		a->after_ms = 0;
		if (field(detail.bytes, 2, OH_WIRE_BYTES, &value) &&
		    field(value.bytes, 1, OH_WIRE_BYTES, &delay))
			a->after_ms = read_duration(delay.bytes);
	}
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

int64_t
oh_retry_after_ms(const char *value, int64_t now_s)
{
	int64_t s;
	time_t date;

	value += strspn(value, " \t");
	if (*value == '\0')
		return -1;
	if (strspn(value, "0123456789") == strcspn(value, " \t")) {
		s = strlen(value) > 9 ? WISH_MAX_MS / 1000 : strtol(value, NULL, 10);
	} else {
		date = curl_getdate(value, NULL);
		if (date == -1)
			return -1;
		s = (int64_t)date - now_s;
	}
	if (s < 0)
		s = 0;
	return s > WISH_MAX_MS / 1000 ? WISH_MAX_MS : s * 1000;
}

static bool
is_retryable_http(long status)
{
	return status == 429 || status == 502 || status == 503 || status == 504;
}

void
oh_answer_http(struct oh_answer *a, long status, enum oh_body kind, const char *retry_after,
    const uint8_t *body, size_t len, int64_t now_s)
{
	struct oh_reply r;

	begin(a, status);
	if (status >= 200 && status < 300 && kind == OH_BODY_PAGE) {
		/* Web servers that give one to whatever they do not know, and portals before them.
		 */
		a->verdict = OH_LATER;
		a->hopeless = true;
		say(a, "HTTP status %ld with a web page: nothing there takes profiles", status);
		return;
	}
	if (status >= 200 && status < 300) {
		a->verdict = OH_SENT;
		if (kind == OH_BODY_OTLP)
			read_response(a, body, len);
		return;
	}
	say(a, "HTTP status %ld", status);
	if (status >= 300 && status < 400)
		say(a, ", a redirection, which is not followed");
	oh_reply_read_failure(body, len, &r);
	quote(a, (const uint8_t *)r.text, strlen(r.text));
	if (is_retryable_http(status)) {
		a->verdict = OH_LATER;
		if (retry_after != NULL)
			a->after_ms = oh_retry_after_ms(retry_after, now_s);
	} else {
		a->verdict = OH_REFUSED;
		a->smaller = status == 400 || status == 413 || status == 422 || status == 500;
	}
}

/* ---- gRPC ------------------------------------------------------------------------------------ */

/* The bytes of a base64 text, with or without its padding, at most as many as the text has. */
static size_t
base64_decode(const char *text, uint8_t *to)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	for (; *text != '\0' && *text != '='; text++) {
		const char *d = strchr(digits, *text);

		if (d == NULL)
			return 0;
		bits = bits << 6 | (uint32_t)(d - digits);
		have += 6;
		if (have >= 8) {
			have -= 8;
			to[n++] = (uint8_t)(bits >> have);
		}
	}
	return n;
}

/* The code for a response without one (gRPC's doc/http-grpc-status-mapping.md). */
static int
grpc_of_http(long http)
{
	switch (http) {
	case 400:
		return GRPC_INTERNAL;
	case 401:
		return GRPC_UNAUTHENTICATED;
	case 403:
		return GRPC_PERMISSION_DENIED;
	case 404:
		return GRPC_UNIMPLEMENTED;
	case 429:
	case 502:
	case 503:
	case 504:
		return GRPC_UNAVAILABLE;
	default:
		return GRPC_UNKNOWN;
	}
}

static bool
is_retryable_grpc(int status, bool has_wish)
{
	switch (status) {
	case GRPC_CANCELLED:
	case GRPC_DEADLINE_EXCEEDED:
	case GRPC_ABORTED:
	case GRPC_OUT_OF_RANGE:
	case GRPC_UNAVAILABLE:
	case GRPC_DATA_LOSS:
		return true;
	case GRPC_RESOURCE_EXHAUSTED:
		return has_wish;
	default:
		return false;
	}
}

/* The message in its frame of five bytes (gRPC's doc/PROTOCOL-HTTP2.md); we take it plain only. */
static void
read_frame(struct oh_answer *a, const uint8_t *body, size_t len)
{
	size_t n;

	if (len < 5)
		return;
	n = (size_t)body[1] << 24 | (size_t)body[2] << 16 | (size_t)body[3] << 8 | body[4];
	if (body[0] == 0 && n <= len - 5)
		read_response(a, body + 5, n);
}

void
oh_answer_grpc(struct oh_answer *a, long http, int status, const char *message, const char *details,
    const uint8_t *body, size_t len)
{
	uint8_t *bytes;
	char *words;

	begin(a, http);
	a->grpc = status;
	if (status == GRPC_OK && http == 200) {
		a->verdict = OH_SENT;
		read_frame(a, body, len);
		return;
	}
	if (status < 0 || http != 200) {
		status = grpc_of_http(http);
		say(a, "HTTP status %ld and no status of gRPC", http);
	} else if ((size_t)status < OH_ARRAY_LEN(grpc_names)) {
		say(a, "gRPC status %s", grpc_names[status]);
	} else {
		say(a, "gRPC status %d", status);
	}
	words = message != NULL ? strdup(message) : NULL;
	if (words != NULL) {
		(void)oh_percent_decode(words);
		quote(a, (const uint8_t *)words, strlen(words));
	}
	free(words);
	bytes = details != NULL ? malloc(strlen(details) + 1) : NULL;
	if (bytes != NULL)
		read_status_details(a, bytes, base64_decode(details, bytes));
	free(bytes);
	if (is_retryable_grpc(status, a->after_ms >= 0)) {
		a->verdict = OH_LATER;
	} else {
		a->verdict = OH_REFUSED;
		a->after_ms = -1;
		a->smaller = status == GRPC_INVALID_ARGUMENT || status == GRPC_RESOURCE_EXHAUSTED ||
			     status == GRPC_INTERNAL;
	}
}

/* ---- again, when? -------------------------------------------------------------------------- */

int64_t
oh_retry_wait_ms(
    unsigned failures, int64_t first_ms, int64_t most_ms, int64_t wish_ms, uint64_t random)
{
	int64_t wait = first_ms, part;

	for (unsigned i = 1; i < failures && wait < most_ms; i++)
		wait *= 2;
	if (wait > most_ms)
		wait = most_ms;
	part = wait / 2;
	wait = part + (int64_t)(random % (uint64_t)(wait - part + 1));
	/* Not all at the very moment that the server named. */
	if (wish_ms >= 0 && wait < wish_ms)
		wait = wish_ms + (int64_t)(random % (uint64_t)(wish_ms / 10 + 1));
	return wait;
}
