/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - read a JSON text (RFC 8259) that anyone may have made.
 *
 * Nodes are numbers; 0 is "there is none", which every function takes.
 * Memory: 16 bytes for each value and key, so at most 8 times the text.
 */
#ifndef OH_TOOLS_JSON_H
#define OH_TOOLS_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tools/input.h"
#include "tools/mem.h"

#define OH_JSON_DEPTH 64 /* arrays and objects inside each other */

enum oh_json_type {
	OH_JSON_NONE,
	OH_JSON_NULL,
	OH_JSON_FALSE,
	OH_JSON_TRUE,
	OH_JSON_NUMBER,
	OH_JSON_STRING,
	OH_JSON_ARRAY,
	OH_JSON_OBJECT,
};

struct oh_json_node {
	uint32_t type;  /* enum oh_json_type */
	uint32_t next;  /* of an array: the next element; of a key: the next key */
	uint32_t at;    /* in text; of an array or object its first element or key */
	uint32_t count; /* of elements or keys */
};

struct oh_json {
	char *text;                 /* strings are decoded in place and end with a NUL */
	struct oh_json_node *nodes; /* [1] is the whole; the value of a key follows it */
	size_t count, cap;
};

/* Parse all that is left of an input.  False with the reason in *err; oh_json_free in either case.
 */
void oh_json_free(struct oh_json *j);
bool oh_json_read(struct oh_json *ret, struct oh_input *in, struct oh_error *err);

/* The value of a key; of several equal ones the first. */
uint32_t oh_json_member(const struct oh_json *j, uint32_t object, const char *key);

/* The elements of an array one after the other. */
uint32_t oh_json_first(const struct oh_json *j, uint32_t array);
uint32_t oh_json_next(const struct oh_json *j, uint32_t element);
size_t oh_json_count(const struct oh_json *j, uint32_t array);

enum oh_json_type oh_json_type(const struct oh_json *j, uint32_t node);

/* NULL, or false, if it is none.  A NUL in a string ends it early. */
const char *oh_json_string(const struct oh_json *j, uint32_t node);
bool oh_json_number(const struct oh_json *j, uint32_t node, double *ret);

/* The nearest integer; beyond 64 bits the largest and smallest. */
bool oh_json_int(const struct oh_json *j, uint32_t node, int64_t *ret);

#endif
