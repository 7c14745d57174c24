/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_rows.h - the samples of a profile by stack and labels, each pair once,
 * under keys that hold from profile to profile of one process.
 */
#ifndef OH_TOOLS_OTLP_ROWS_H
#define OH_TOOLS_OTLP_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tools/profile.h"

struct oh_otlp_row {
	uint64_t key[2]; /* of the stack with the labels that are sent */
	uint32_t sample; /* the first of those that are added up here */
};

struct oh_rows {
	struct oh_otlp_row *rows; /* in the order of first appearance */
	int64_t *values;          /* [row * type_count + type] */
	size_t count, cap, value_cap;
	uint64_t digest[2]; /* of all keys and values: the content of the profile */
};

/* Is a label part of what tells samples apart? */
static inline bool
oh_label_is_sent(const struct oh_label *l, bool numeric)
{
	return l->str != 0 || (numeric && l->num != 0);
}

/*
 * Add up the samples of `p`.  Keys are hashes of 128 bits: frames by file,
 * build ID and offset in the file, or by address where no file is known, or by
 * function and line where the address is not either.  So they do not depend on
 * what symbolisation found.
 *
 *   numeric  numeric labels tell samples apart, too
 */
void oh_rows_make(struct oh_rows *r, const struct oh_profile *p, bool numeric);
void oh_rows_release(struct oh_rows *r);

/*
 * What was sent of one process: see otlp.h.
 */
#define OH_SEEN_TYPES 2 /* alloc_objects, alloc_space */

struct oh_otlp_seen {
	struct oh_seen_item {
		uint64_t key[2];
		int64_t values[OH_SEEN_TYPES];
	} * items;
	size_t count, cap;
	uint32_t *slots; /* item + 1, 0 = empty; at most half full */
	size_t slot_count;
	char *program, *pid; /* NULL: nothing was seen yet */
	char *process;       /* the number by which it names itself; NULL: it has none */
	int64_t time_ns, duration_ns;
};

/* Is `p` of the process that *s is of? */
bool oh_seen_fits(const struct oh_otlp_seen *s, const struct oh_profile *p);

/* The item with this key, or NULL. */
const struct oh_seen_item *oh_seen_find(const struct oh_otlp_seen *s, const uint64_t key[2]);

/*
 * Which of `seen`'s values is this sample type?  Types called alloc_* are
 * numbered in the order of the file; -1 for any other.
 */
int oh_seen_type(const struct oh_profile *p, size_t type);

/*
 * A sample stands for `period` bytes at least: w s >= T, by the weights of
 * core/DESIGN.md.  So where a row has less than half of that more bytes than
 * before, nothing was allocated there, and what differs is rounding.
 */
struct oh_seen_bytes {
	size_t type;   /* column of the profile: alloc_space */
	int which;     /* of the values of an item */
	int64_t least; /* growth that counts; 0 = any does */
};

void oh_seen_bytes_of(struct oh_seen_bytes *ret, const struct oh_profile *p);

/* Was anything allocated, by the values of a row, since `before`? */
static inline bool
oh_seen_grew(
    const struct oh_seen_item *before, const struct oh_seen_bytes *b, const int64_t *values)
{
	return b->least == 0 || values[b->type] - before->values[b->which] >= b->least;
}

#endif
