/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group.c - look at samples by something other than their functions.
 */
#include "tools/group.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/idmap.h"
#include "tools/intern.h"
#include "tools/print.h"
#include "tools/prune.h"

#define LEAST_CLASS 16 /* bytes: malloc of glibc gives out no less */

struct work {
	struct oh_profile *p;
	struct oh_intern strings;
	struct oh_idmap names; /* canonical string -> location made for it */
	size_t address_cap, mapping_cap, line_at_cap, line_count_cap;
	uint32_t first; /* the locations made here begin with this one */
};

const char *
oh_group_size_class(char *buf, int64_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	uint64_t top = LEAST_CLASS;
	unsigned unit = 0, low_unit = 0;
	uint64_t low;

	while (top < (uint64_t)size)
		top *= 2; /* at most 2^63, as size is below */
	low = top == LEAST_CLASS ? 0 : top / 2;
	if (top <= 1024) {
		(void)snprintf(buf, OH_GROUP_NAME_MAX, "%" PRIu64 " - %" PRIu64 " B",
		    low == 0 ? 0 : low + 1, top);
		return buf;
	}
	for (; top >= 1024; top /= 1024)
		unit++;
	for (; low >= 1024; low /= 1024)
		low_unit++;
	if (unit == low_unit)
		(void)snprintf(
		    buf, OH_GROUP_NAME_MAX, "%" PRIu64 " - %" PRIu64 " %s", low, top, units[unit]);
	else
		(void)snprintf(buf, OH_GROUP_NAME_MAX, "%" PRIu64 " %s - %" PRIu64 " %s", low,
		    units[low_unit], top, units[unit]);
	return buf;
}

/* The location whose only line is a function of this name. */
static uint32_t
location_of(struct work *w, uint32_t name)
{
	struct oh_profile *p = w->p;
	uint32_t known = w->names.count, i = oh_idmap_add(&w->names, name);
	size_t l = w->first + i;
	struct oh_line line = { 0 };

	if (i < known)
		return (uint32_t)l;
	line.function =
	    oh_profile_add_function(p, &(struct oh_function){ .name = name, .system_name = name });
	p->address = oh_xgrow(p->address, &w->address_cap, l + 1, sizeof(*p->address));
	p->location_mapping =
	    oh_xgrow(p->location_mapping, &w->mapping_cap, l + 1, sizeof(*p->location_mapping));
	p->line_at = oh_xgrow(p->line_at, &w->line_at_cap, l + 1, sizeof(*p->line_at));
	p->line_count = oh_xgrow(p->line_count, &w->line_count_cap, l + 1, sizeof(*p->line_count));
	p->address[l] = 0;
	p->location_mapping[l] = 0;
	p->line_at[l] = p->line_count[l] = 0;
	p->location_count = l + 1;
	oh_profile_set_lines(p, (uint32_t)l, &line, 1);
	return (uint32_t)l;
}

static const struct oh_label *
find_label(const struct oh_profile *p, uint32_t set, const char *key)
{
	for (uint32_t i = p->label_at[set]; i < p->label_at[set + 1]; i++)
		if (strcmp(oh_profile_string(p, p->labels[i].key), key) == 0)
			return &p->labels[i];
	return NULL;
}

/* The string that stands for a label set; may move the profile's strings. */
static uint32_t
name_of_set(struct work *w, uint32_t set, enum oh_group_by by, const char *key)
{
	const struct oh_label *l = find_label(w->p, set, key);
	char text[OH_GROUP_NAME_MAX], value[OH_VALUE_MAX];

	if (l == NULL && by == OH_GROUP_SIZE)
		return oh_intern_text(&w->strings, "(size not known)");
	if (l == NULL) {
		(void)snprintf(text, sizeof(text), "(no %s)", key);
		return oh_intern_text(&w->strings, text);
	}
	if (by == OH_GROUP_SIZE && l->str == 0 && l->num >= 0)
		return oh_intern_text(&w->strings, oh_group_size_class(text, l->num));
	if (l->str != 0)
		return oh_intern_index(&w->strings, l->str);
	oh_format_value(
	    value, (long double)l->num, oh_profile_string(w->p, l->unit), OH_BYTES_AUTO);
	return oh_intern_text(&w->strings, value);
}

static void
group_by_label(struct work *w, enum oh_group_by by, const char *key)
{
	struct oh_profile *p = w->p;
	uint32_t *of_set = oh_xcalloc(p->label_set_count, sizeof(*of_set)); /* location + 1 */

	p->frames = oh_xrealloc(p->frames, p->sample_count, sizeof(*p->frames));
	for (size_t s = 0; s < p->sample_count; s++) {
		uint32_t set = p->label_set[s];

		if (of_set[set] == 0)
			of_set[set] = location_of(w, name_of_set(w, set, by, key)) + 1;
		p->frames[s] = of_set[set] - 1;
		p->frame_at[s + 1] = (uint32_t)s + 1;
	}
	free(of_set);
}

static void
group_by_module(struct work *w)
{
	struct oh_profile *p = w->p;
	size_t old_count = p->location_count;
	uint32_t *to = oh_xcalloc(old_count, sizeof(*to));
	uint32_t at = 0, kept = 0;

	for (size_t l = 0; l < old_count; l++) {
		uint32_t m = p->location_mapping[l], name;
		const char *file = m ? oh_profile_string(p, p->mappings[m - 1].filename) : "";

		name = *file ? oh_intern_index(&w->strings, p->mappings[m - 1].filename)
			     : oh_intern_text(&w->strings, "(no module)");
		to[l] = location_of(w, name);
	}
	for (size_t s = 0; s < p->sample_count; s++) {
		uint32_t end = p->frame_at[s + 1], from = kept;

		for (; at < end; at++) {
			uint32_t l = to[p->frames[at]];

			if (kept == from || p->frames[kept - 1] != l)
				p->frames[kept++] = l;
		}
		p->frame_at[s + 1] = kept;
	}
	free(to);
}

void
oh_group_samples(struct oh_profile *p, enum oh_group_by by, const char *key)
{
	struct work w = { .p = p };

	if (by == OH_GROUP_NONE)
		return;
	oh_prune_apply(p);
	p->drop_frames = p->keep_frames = 0; /* it speaks of functions */
	w.first = (uint32_t)p->location_count;
	w.address_cap = w.mapping_cap = w.line_at_cap = w.line_count_cap = p->location_count;
	oh_intern_init(&w.strings, p);
	if (by == OH_GROUP_MODULE)
		group_by_module(&w);
	else
		group_by_label(&w, by,
		    by == OH_GROUP_THREAD ? "thread"
		    : by == OH_GROUP_SIZE ? "bytes"
					  : key);
	oh_idmap_free(&w.names);
	oh_intern_free(&w.strings);
}
