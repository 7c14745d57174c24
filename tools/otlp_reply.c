/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_reply.c - what a server answered to an OTLP request.
 *
 * Read field by field, as a profile is: the bytes may be anybody's.
 */
#include "tools/otlp_reply.h"

#include <string.h>

#include "tools/print.h"
#include "tools/wire.h"

enum {
	RESPONSE_PARTIAL_SUCCESS = 1,
	PARTIAL_SUCCESS_REJECTED = 1,
	PARTIAL_SUCCESS_MESSAGE = 2,
	STATUS_MESSAGE = 2, /* of google.rpc.Status: 1 code, 2 message, 3 details */
	STATUS_LAST = 3,
};

/* Take over text; what a terminal should not see becomes a blank. */
static void
set_text(struct oh_reply *r, const uint8_t *text, size_t len)
{
	size_t n = 0, one;

	for (size_t i = 0; i<len; i += one> 0 ? one : 1) {
		one = oh_printable(text + i, len - i);
		if (n + one + (one == 0) >= sizeof(r->text))
			break;
		if (one > 0 && text[i] != ' ') {
			memcpy(r->text + n, text + i, one);
			n += one;
		} else if (n > 0 && r->text[n - 1] != ' ') {
			r->text[n++] = ' ';
		}
	}
	while (n > 0 && r->text[n - 1] == ' ')
		n--;
	r->text[n] = '\0';
}

static bool
read_partial(struct oh_reply *r, struct oh_wire w)
{
	struct oh_wire_field f;
	int rc;

	while ((rc = oh_wire_next(&w, &f)) > 0) {
		if (f.number == PARTIAL_SUCCESS_REJECTED && f.type == OH_WIRE_VARINT)
			r->rejected = (int64_t)f.value;
		if (f.number == PARTIAL_SUCCESS_MESSAGE && f.type == OH_WIRE_BYTES)
			set_text(r, f.bytes.at, (size_t)(f.bytes.end - f.bytes.at));
	}
	return rc == 0;
}

bool
oh_reply_read(const void *body, size_t len, struct oh_reply *ret)
{
	struct oh_wire w = { body, (const uint8_t *)body + len };
	struct oh_wire_field f;
	int rc = 0;

	memset(ret, 0, sizeof(*ret));
	while (len != 0 && (rc = oh_wire_next(&w, &f)) > 0)
		if (f.number == RESPONSE_PARTIAL_SUCCESS &&
		    (f.type != OH_WIRE_BYTES || !read_partial(ret, f.bytes))) {
			rc = -1;
			break;
		}
	if (rc < 0)
		memset(ret, 0, sizeof(*ret));
	return rc == 0;
}

/* Is it google.rpc.Status?  Then its message, which may be empty. */
static bool
read_status(struct oh_wire w, struct oh_wire *ret)
{
	struct oh_wire_field f;
	int rc;

	ret->at = ret->end = w.at;
	if (w.at == w.end)
		return false;
	while ((rc = oh_wire_next(&w, &f)) > 0) {
		if (f.number > STATUS_LAST ||
		    f.type != (f.number == 1 ? OH_WIRE_VARINT : OH_WIRE_BYTES))
			return false;
		if (f.number == STATUS_MESSAGE)
			*ret = f.bytes;
	}
	return rc == 0;
}

/* The string after "message": of a JSON object, or NULL. */
static const uint8_t *
json_message(const uint8_t *body, size_t len, size_t *ret_len)
{
	static const char key[] = "\"message\"";
	const uint8_t *end = body + len, *at;
	size_t n = 0;

	if (len == 0 || body[0] != '{')
		return NULL;
	at = memmem(body, len, key, sizeof(key) - 1);
	if (at == NULL)
		return NULL;
	for (at += sizeof(key) - 1; at < end && (*at == ' ' || *at == ':'); at++)
		;
	if (at == end || *at++ != '"')
		return NULL;
	while (at + n < end && at[n] != '"')
		n += at[n] == '\\' ? 2 : 1;
	*ret_len = at + n < end ? n : (size_t)(end - at);
	return at;
}

void
oh_reply_read_failure(const void *body, size_t len, struct oh_reply *ret)
{
	struct oh_wire w = { body, (const uint8_t *)body + len }, message;
	const uint8_t *text;
	size_t text_len;

	memset(ret, 0, sizeof(*ret));
	if (len == 0)
		return;
	text = json_message(body, len, &text_len);
	if (text != NULL)
		set_text(ret, text, text_len);
	else if (read_status(w, &message))
		set_text(ret, message.at, (size_t)(message.end - message.at));
	else
		set_text(ret, body, len);
}
