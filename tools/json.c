/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.c - read a JSON text that anyone may have made.
 *
 * Sources  RFC 8259.
 */
#include "tools/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct parser {
	struct oh_json *j;
	struct oh_error *err;
	char *at;
};

static bool
fail(struct parser *p, const char *what)
{
	return oh_error_set(
	    p->err, "not JSON, or damaged: %s at byte %zu", what, (size_t)(p->at - p->j->text));
}

static uint32_t
add_node(struct parser *p, enum oh_json_type type)
{
	struct oh_json *j = p->j;

	j->nodes = oh_xgrow(j->nodes, &j->cap, j->count + 1, sizeof(*j->nodes));
	j->nodes[j->count] = (struct oh_json_node){
		.type = (uint32_t)type,
		.at = (uint32_t)(p->at - j->text),
	};
	return (uint32_t)j->count++;
}

static void
skip_space(struct parser *p)
{
	p->at += strspn(p->at, " \t\r\n");
}

/* ---- strings and numbers ------------------------------------------------------ */

static bool
hex4(const char *s, uint32_t *ret)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++) {
		static const char digits[] = "0123456789abcdefABCDEF";
		const char *d = s[i] != '\0' ? strchr(digits, s[i]) : NULL;
		uint32_t n;

		if (d == NULL)
			return false;
		n = (uint32_t)(d - digits);
		v = v << 4 | (n < 16 ? n : n - 6);
	}
	*ret = v;
	return true;
}

static char *
put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
		return to;
	}
	if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*to++ = (char)(0xe0 | c >> 12);
		} else {
			*to++ = (char)(0xf0 | c >> 18);
			*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		}
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (c & 0x3f));
	return to;
}

/* The escape at p->at, after its backslash. */
static bool
unescape(struct parser *p, char **to)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	const char *known = *p->at != '\0' ? strchr(from, *p->at) : NULL;
	uint32_t c, low;

	if (known != NULL) {
		*(*to)++ = into[known - from];
		p->at++;
		return true;
	}
	if (*p->at != 'u' || !hex4(p->at + 1, &c))
		return fail(p, "a wrong escape");
	p->at += 5;
	if (c >= 0xd800 && c < 0xdc00 && p->at[0] == '\\' && p->at[1] == 'u' &&
	    hex4(p->at + 2, &low) && low >= 0xdc00 && low < 0xe000) {
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		p->at += 6;
	} else if (c >= 0xd800 && c < 0xe000) {
		c = 0xfffd; /* half of a pair */
	}
	*to = put_utf8(*to, c);
	return true;
}

/* What a string comes to is never longer than how it is written. */
static bool
parse_string(struct parser *p)
{
	uint32_t node = add_node(p, OH_JSON_STRING);
	char *to = ++p->at;

	p->j->nodes[node].at = (uint32_t)(to - p->j->text);
	for (;;) {
		unsigned char c = (unsigned char)*p->at;

		if (c == '"')
			break;
		if (c < 0x20)
			return fail(p, "a string that does not end");
		if (c == '\\') {
			p->at++;
			if (!unescape(p, &to))
				return false;
		} else {
			*to++ = *p->at++;
		}
	}
	p->at++;
	*to = '\0';
	return true;
}

static bool
digits(struct parser *p)
{
	size_t n = strspn(p->at, "0123456789");

	p->at += n;
	return n > 0;
}

static bool
parse_number(struct parser *p)
{
	(void)add_node(p, OH_JSON_NUMBER);
	p->at += *p->at == '-';
	if (!digits(p))
		return fail(p, "neither a value");
	if (*p->at == '.') {
		p->at++;
		if (!digits(p))
			return fail(p, "a wrong number");
	}
	if (*p->at == 'e' || *p->at == 'E') {
		p->at++;
		p->at += *p->at == '-' || *p->at == '+';
		if (!digits(p))
			return fail(p, "a wrong number");
	}
	return true;
}

/* ---- values --------------------------------------------------------------------- */

static bool parse_value(struct parser *p, unsigned depth);

/* The elements of an array, or the keys and values of an object. */
static bool
parse_list(struct parser *p, unsigned depth, bool object)
{
	uint32_t list = add_node(p, object ? OH_JSON_OBJECT : OH_JSON_ARRAY), last = 0;
	char end = object ? '}' : ']';

	p->j->nodes[list].at = 0;
	if (depth == OH_JSON_DEPTH)
		return fail(p, "too many arrays inside each other");
	p->at++;
	skip_space(p);
	if (*p->at == end) {
		p->at++;
		return true;
	}
	for (;;) {
		uint32_t element = (uint32_t)p->j->count;

		if (object) {
			if (*p->at != '"')
				return fail(p, "no key");
			if (!parse_string(p))
				return false;
			skip_space(p);
			if (*p->at != ':')
				return fail(p, "no ':'");
			p->at++;
			skip_space(p);
		}
		if (!parse_value(p, depth + 1))
			return false;
		if (last == 0)
			p->j->nodes[list].at = element;
		else
			p->j->nodes[last].next = element;
		p->j->nodes[list].count++;
		last = element;
		skip_space(p);
		if (*p->at == end)
			break;
		if (*p->at != ',')
			return fail(p, "neither ',' nor an end");
		p->at++;
		skip_space(p);
	}
	p->at++;
	return true;
}

static bool
parse_word(struct parser *p)
{
	static const struct {
		const char *word;
		enum oh_json_type type;
	} words[] = {
		{ "null", OH_JSON_NULL },
		{ "false", OH_JSON_FALSE },
		{ "true", OH_JSON_TRUE },
	};

	for (size_t i = 0; i < OH_ARRAY_LEN(words); i++)
		if (strncmp(p->at, words[i].word, strlen(words[i].word)) == 0) {
			(void)add_node(p, words[i].type);
			p->at += strlen(words[i].word);
			return true;
		}
	return parse_number(p);
}

/* Recursion is OH_JSON_DEPTH deep at most. */
static bool
parse_value(struct parser *p, unsigned depth)
{
	if (*p->at == '{' || *p->at == '[')
		return parse_list(p, depth, *p->at == '{');
	return *p->at == '"' ? parse_string(p) : parse_word(p);
}

/* text[0 .. len], below 4 GiB and text[len] 0; it is changed, and belongs to *j from now on. */
static bool
parse(struct oh_json *j, char *text, size_t len, struct oh_error *err)
{
	struct parser p = { .j = j, .err = err, .at = text };

	memset(j, 0, sizeof(*j));
	j->text = text;
	(void)add_node(&p, OH_JSON_NONE);
	skip_space(&p);
	if (!parse_value(&p, 0))
		return false;
	skip_space(&p);
	return p.at == text + len || fail(&p, "something after the end");
}

bool
oh_json_read(struct oh_json *ret, struct oh_input *in, struct oh_error *err)
{
	const uint8_t *bytes;
	size_t len = oh_input_peek(in, SIZE_MAX, &bytes, err);
	char *text;

	memset(ret, 0, sizeof(*ret));
	if (err->text[0] != '\0')
		return false;
	text = oh_xrealloc(NULL, len + 1, 1);
	memcpy(text, bytes, len);
	text[len] = '\0';
	return parse(ret, text, len, err);
}

void
oh_json_free(struct oh_json *j)
{
	free(j->text);
	free(j->nodes);
	memset(j, 0, sizeof(*j));
}

/* ---- looking at it ------------------------------------------------------------------ */

enum oh_json_type
oh_json_type(const struct oh_json *j, uint32_t node)
{
	return (enum oh_json_type)j->nodes[node].type;
}

uint32_t
oh_json_member(const struct oh_json *j, uint32_t object, const char *key)
{
	if (oh_json_type(j, object) != OH_JSON_OBJECT)
		return 0;
	for (uint32_t k = j->nodes[object].at; k != 0; k = j->nodes[k].next)
		if (strcmp(j->text + j->nodes[k].at, key) == 0)
			return k + 1;
	return 0;
}

uint32_t
oh_json_first(const struct oh_json *j, uint32_t array)
{
	return oh_json_type(j, array) == OH_JSON_ARRAY ? j->nodes[array].at : 0;
}

uint32_t
oh_json_next(const struct oh_json *j, uint32_t element)
{
	return j->nodes[element].next;
}

size_t
oh_json_count(const struct oh_json *j, uint32_t array)
{
	return oh_json_type(j, array) == OH_JSON_ARRAY ? j->nodes[array].count : 0;
}

const char *
oh_json_string(const struct oh_json *j, uint32_t node)
{
	return oh_json_type(j, node) == OH_JSON_STRING ? j->text + j->nodes[node].at : NULL;
}

bool
oh_json_number(const struct oh_json *j, uint32_t node, double *ret)
{
	if (oh_json_type(j, node) != OH_JSON_NUMBER)
		return false;
	*ret = strtod(j->text + j->nodes[node].at, NULL);
	return true;
}

bool
oh_json_int(const struct oh_json *j, uint32_t node, int64_t *ret)
{
	const char *s;
	char *end;
	double d;

	if (!oh_json_number(j, node, &d))
		return false;
	s = j->text + j->nodes[node].at;
	errno = 0;
	*ret = strtoll(s, &end, 10);
	if (*end != '.' && *end != 'e' && *end != 'E')
		return true; /* beyond 64 bits strtoll gives the limit */
	*ret = d >= 0x1p63 ? INT64_MAX : d < -0x1p63 ? INT64_MIN : (int64_t)llround(d);
	return true;
}
