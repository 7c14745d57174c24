/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_seen.c - what has been sent of a process: alloc_* of each stack.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/mem.h"
#include "tools/otlp.h"
#include "tools/otlp_rows.h"

#define FIRST_SLOTS 64u
#define PERIOD_LEAST 16 /* below, half of it is not clearly more than rounding makes */
#define SECOND_NS INT64_C(1000000000)

struct oh_otlp_seen *
oh_otlp_seen_create(void)
{
	return oh_xcalloc(1, sizeof(struct oh_otlp_seen));
}

static void
forget(struct oh_otlp_seen *s)
{
	free(s->items);
	free(s->slots);
	free(s->program);
	free(s->pid);
	free(s->process);
	*s = (struct oh_otlp_seen){ .items = NULL };
}

void
oh_otlp_seen_free(struct oh_otlp_seen *s)
{
	if (s == NULL)
		return;
	forget(s);
	free(s);
}

int
oh_seen_type(const struct oh_profile *p, size_t type)
{
	int found = -1;

	for (size_t t = 0; t <= type; t++) {
		if (strncmp(oh_profile_string(p, p->types[t].type), "alloc_", 6) != 0)
			continue;
		if (++found >= OH_SEEN_TYPES)
			return -1;
		if (t == type)
			return found;
	}
	return -1;
}

void
oh_seen_bytes_of(struct oh_seen_bytes *ret, const struct oh_profile *p)
{
	*ret = (struct oh_seen_bytes){ .least = 0 };
	for (size_t t = 0; t < p->type_count; t++) {
		if (strcmp(oh_profile_string(p, p->types[t].type), "alloc_space") != 0)
			continue;
		ret->type = t;
		ret->which = oh_seen_type(p, t);
		if (ret->which >= 0 && p->period >= PERIOD_LEAST)
			ret->least = p->period / 2;
		return;
	}
}

bool
oh_seen_fits(const struct oh_otlp_seen *s, const struct oh_profile *p)
{
	const char *program = oh_profile_comment(p, "program: ");
	const char *pid = oh_profile_comment(p, "pid: ");
	const char *process = oh_profile_comment(p, "process: ");
	int64_t apart;

	if (s == NULL || s->program == NULL || program == NULL || pid == NULL ||
	    strcmp(s->program, program) != 0 || strcmp(s->pid, pid) != 0)
		return false;
	if (process != NULL || s->process != NULL)
		return process != NULL && s->process != NULL && strcmp(process, s->process) == 0;
	/* The start: unsigned, as a damaged file may have any numbers. */
	apart = (int64_t)((uint64_t)p->time_ns - (uint64_t)p->duration_ns -
			  ((uint64_t)s->time_ns - (uint64_t)s->duration_ns));
	return apart > -SECOND_NS && apart < SECOND_NS;
}

/* ---- items ------------------------------------------------------------------- */

/* The slot of the item with this key, or where it would go. */
static size_t
slot_of(const struct oh_otlp_seen *s, const uint64_t key[2])
{
	size_t i = key[0] & (s->slot_count - 1);

	for (uint32_t e; (e = s->slots[i]) != 0; i = (i + 1) & (s->slot_count - 1))
		if (s->items[e - 1].key[0] == key[0] && s->items[e - 1].key[1] == key[1])
			break;
	return i;
}

const struct oh_seen_item *
oh_seen_find(const struct oh_otlp_seen *s, const uint64_t key[2])
{
	uint32_t e = s->slot_count == 0 ? 0 : s->slots[slot_of(s, key)];

	return e == 0 ? NULL : &s->items[e - 1];
}

static void
reserve(struct oh_otlp_seen *s)
{
	if (2 * (s->count + 1) <= s->slot_count)
		return;
	free(s->slots);
	s->slot_count = s->slot_count == 0 ? FIRST_SLOTS : 2 * s->slot_count;
	s->slots = oh_xcalloc(s->slot_count, sizeof(*s->slots));
	for (size_t i = 0; i < s->count; i++)
		s->slots[slot_of(s, s->items[i].key)] = (uint32_t)i + 1;
}

static struct oh_seen_item *
item_of(struct oh_otlp_seen *s, const uint64_t key[2])
{
	size_t i;

	reserve(s);
	i = slot_of(s, key);
	if (s->slots[i] == 0) {
		s->items = oh_xgrow(s->items, &s->cap, s->count + 1, sizeof(*s->items));
		s->items[s->count] = (struct oh_seen_item){ .key = { key[0], key[1] } };
		s->slots[i] = (uint32_t)++s->count;
	}
	return &s->items[s->slots[i] - 1];
}

static char *
copy(const char *s)
{
	size_t len = strlen(s) + 1;

	return memcpy(oh_xcalloc(len, 1), s, len);
}

void
oh_otlp_seen_advance(struct oh_otlp_seen *s, const struct oh_profile *p, const struct oh_rows *rows)
{
	const char *program = oh_profile_comment(p, "program: ");
	const char *pid = oh_profile_comment(p, "pid: ");
	const char *process = oh_profile_comment(p, "process: ");
	size_t types = p->type_count;
	struct oh_rows own = { .rows = NULL };

	if (rows == NULL) {
		oh_rows_make(&own, p, false);
		rows = &own;
	}
	if (!oh_seen_fits(s, p) || oh_profile_trouble(p) != NULL)
		forget(s);
	if (program == NULL || pid == NULL || oh_profile_trouble(p) != NULL ||
	    (s->program != NULL && p->duration_ns < s->duration_ns)) {
		oh_rows_release(&own);
		return;
	}
	s->count = 0;
	if (s->slot_count > 0)
		memset(s->slots, 0, s->slot_count * sizeof(*s->slots));
	if (s->program == NULL) {
		s->program = copy(program);
		s->pid = copy(pid);
		s->process = process != NULL ? copy(process) : NULL;
	}
	s->time_ns = p->time_ns;
	s->duration_ns = p->duration_ns;
	for (size_t t = 0; t < types; t++) {
		int which = oh_seen_type(p, t);

		for (size_t row = 0; which >= 0 && row < rows->count; row++) {
			int64_t value = rows->values[row * types + t];

			if (value > 0)
				item_of(s, rows->rows[row].key)->values[which] = value;
		}
	}
	oh_rows_release(&own);
}
