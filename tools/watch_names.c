/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_names.c - which function or call stack is a site?
 *
 * A stack of the library never changes and its id stays, so each is looked at
 * once: its frames become locations of a profile that holds no samples, and
 * what names and prunes the frames of profiles does so for these.
 *
 * Invariants
 *	I1  stacks[i] is row i of OH_WATCH_STACKS.
 *	I2  Module n of the library is mapping n - 1.
 */
#include "tools/watch.h"

#include <stdlib.h>
#include <string.h>

#include "proto/hidden.h"
#include "tools/place.h"

void
oh_watch_names_init(struct oh_watch *w)
{
	struct oh_profile *p = oh_xcalloc(1, sizeof(*p));

	w->p = p;
	(void)oh_profile_add_string(p, "", 0);
	p->drop_frames = oh_profile_add_string(p, OH_HIDDEN_FRAMES, strlen(OH_HIDDEN_FRAMES));
	oh_intern_init(&w->strings, p);
	oh_prune_init(&w->prune, p);
	w->symbols = w->no_symbols ? NULL : oh_symbols_create(p, true);
}

void
oh_watch_names_free(struct oh_watch *w)
{
	oh_symbols_free(w->symbols);
	oh_intern_free(&w->strings);
	oh_prune_free(&w->prune);
	oh_profile_free(w->p);
	oh_idmap_free(&w->frame_ids);
	oh_idmap_free(&w->stack_ids);
	oh_idmap_free(&w->place_ids);
	free(w->stacks);
	free(w->stack_rows);
}

static void
add_modules(struct oh_watch *w, const struct oh_tables *t)
{
	struct oh_profile *p = w->p;
	char path[sizeof(((struct oh_seen_module *)0)->path) + 64];

	for (; w->module_count < t->module_count; w->module_count++) {
		struct oh_seen_module m;
		int len;

		oh_tables_module(t, w->module_count, &m);
		len = snprintf(path, sizeof(path), "%s%s", m.path[0] == '/' ? w->root : "", m.path);
		p->mappings = oh_xgrow(
		    p->mappings, &w->mapping_cap, p->mapping_count + 1, sizeof(*p->mappings));
		p->mappings[p->mapping_count++] = (struct oh_mapping){
			.start = m.start,
			.limit = m.limit,
			.offset = m.offset,
			.filename = oh_profile_add_string(p, path, (size_t)len),
			.build_id = oh_profile_add_string(p, m.build_id, strlen(m.build_id)),
		};
	}
}

static uint32_t
add_location(struct oh_watch *w, oh_frame frame)
{
	struct oh_profile *p = w->p;
	uint32_t known = w->frame_ids.count, l = oh_idmap_add(&w->frame_ids, frame);
	unsigned module = oh_frame_module(frame);
	size_t cap = w->location_cap;

	if (l != known)
		return l;
	if (p->location_count == cap) {
		/* Four arrays that grow together. */
		w->location_cap = cap = cap ? 2 * cap : 1024;
		p->address = oh_xrealloc(p->address, cap, sizeof(*p->address));
		p->location_mapping =
		    oh_xrealloc(p->location_mapping, cap, sizeof(*p->location_mapping));
		p->line_at = oh_xrealloc(p->line_at, cap, sizeof(*p->line_at));
		p->line_count = oh_xrealloc(p->line_count, cap, sizeof(*p->line_count));
	}
	/* Onto the call, as in profiles. */
	p->address[l] = oh_frame_pc(frame) == 0 ? 0 : oh_frame_pc(frame) - 1;
	p->location_mapping[l] = module <= w->module_count ? module : 0;
	p->line_at[l] = p->line_count[l] = 0;
	p->location_count++;
	return l;
}

bool
oh_watch_place(const struct oh_watch *w, uint32_t location, uint32_t i, struct oh_watch_place *ret)
{
	const struct oh_profile *p = w->p;
	uint32_t mapping = p->location_mapping[location];

	memset(ret, 0, offsetof(struct oh_watch_place, buf));
	ret->file = ret->module = "";
	if (mapping != 0)
		ret->module = oh_base_name(oh_profile_string(p, p->mappings[mapping - 1].filename));
	if (p->line_count[location] == 0) {
		oh_location_name(ret->buf, sizeof(ret->buf), p, mapping, p->address[location]);
		ret->name = ret->buf;
		return i == 0;
	}
	if (i >= p->line_count[location])
		return false;
	const struct oh_line *line = &p->lines[p->line_at[location] + i];
	const struct oh_function *f = &p->functions[line->function];
	ret->name = oh_profile_string(p, f->name);
	ret->file = oh_profile_string(p, f->filename);
	ret->line = line->line;
	return true;
}

/* The row of a function, made if it is new.  Strings go by index: adding one moves the others. */
static uint32_t
function_row(struct oh_watch *w, uint32_t location, uint32_t i, uint32_t stack)
{
	struct oh_profile *p = w->p;
	struct oh_watch_row row = { .stack = stack };
	struct oh_watch_place place;
	uint32_t known = w->place_ids.count, r;

	if (location == UINT32_MAX) {
		row.name = oh_intern_text(&w->strings, "(no stack)");
	} else if (p->line_count[location] == 0) {
		(void)oh_watch_place(w, location, 0, &place);
		row.name = oh_intern_text(&w->strings, place.buf);
	} else {
		uint32_t fn = p->lines[p->line_at[location] + i].function;

		row.name = oh_intern_index(&w->strings, p->functions[fn].name);
		row.line = p->functions[fn].start_line;
		if (*oh_profile_string(p, p->functions[fn].filename) != '\0') {
			row.file = oh_intern_index(&w->strings, p->functions[fn].filename);
		} else {
			(void)oh_watch_place(w, location, i, &place);
			(void)snprintf(place.buf, sizeof(place.buf), "%s", place.module);
			row.module = oh_intern_text(&w->strings, place.buf);
		}
	}
	r = oh_idmap_add(
	    &w->place_ids, (uint64_t)row.name << 32 | (row.file != 0 ? row.file : row.module));
	if (r == known) {
		struct oh_watch_row **rows = &w->rows[OH_WATCH_FUNCTIONS];

		*rows =
		    oh_xgrow(*rows, &w->row_cap[OH_WATCH_FUNCTIONS], (size_t)r + 1, sizeof(row));
		(*rows)[r] = row;
		w->row_count[OH_WATCH_FUNCTIONS] = (size_t)r + 1;
	}
	return r;
}

static void
add_to_stack(struct oh_watch *w, uint32_t s, uint32_t row)
{
	struct oh_watch_row *r = &w->rows[OH_WATCH_FUNCTIONS][row];

	if (r->last == s + 1)
		return; /* recursion */
	r->last = s + 1;
	w->stack_rows = oh_xgrow(
	    w->stack_rows, &w->stack_row_cap, w->stack_row_count + 1, sizeof(*w->stack_rows));
	w->stack_rows[w->stack_row_count++] = row;
}

static void
name_stack(struct oh_watch *w, uint32_t s)
{
	struct oh_watch_stack *st = &w->stacks[s];
	uint32_t first = st->frame_at, end = st->frame_at + st->frame_count;
	struct oh_watch_row row = { .stack = s };
	struct oh_watch_row **rows = &w->rows[OH_WATCH_STACKS];
	size_t rows_before = w->stack_row_count;

	oh_prune_sample(&w->prune, w->p, &first, end);
	st->frame_at = first;
	st->frame_count = end - first;
	for (uint32_t f = first; f < end; f++) {
		uint32_t l = w->p->frames[f];
		uint32_t i = f == first && w->prune.what != NULL ? w->prune.first_line[l] : 0;

		st->first_line = f == first ? i : st->first_line;
		do
			add_to_stack(w, s, function_row(w, l, i, s));
		while (++i < w->p->line_count[l]);
	}
	if (first == end)
		add_to_stack(w, s, function_row(w, UINT32_MAX, 0, s));
	st->rows_at = rows_before;
	st->row_count = (uint32_t)(w->stack_row_count - rows_before);
	row.name = w->rows[OH_WATCH_FUNCTIONS][w->stack_rows[rows_before]].name;
	*rows = oh_xgrow(*rows, &w->row_cap[OH_WATCH_STACKS], (size_t)s + 1, sizeof(row));
	(*rows)[s] = row;
	w->row_count[OH_WATCH_STACKS] = (size_t)s + 1;
}

bool
oh_watch_names_add(struct oh_watch *w, const struct oh_tables *t, uint32_t *ret_stack_of)
{
	struct oh_profile *p = w->p;
	size_t stacks_before = w->stack_count, locations_before = p->location_count;

	add_modules(w, t);
	for (size_t i = 0; i < t->stack_count; i++) {
		const struct oh_seen_stack *from = &t->stacks[i];
		uint32_t known = w->stack_ids.count, s = oh_idmap_add(&w->stack_ids, from->id);

		ret_stack_of[i] = s;
		if (s != known)
			continue;
		/* What the library keeps of stacks fits in its arena, over all looks. */
		if ((w->frame_count + from->depth) * sizeof(oh_frame) > t->root.arena_used)
			return false;
		w->stacks =
		    oh_xgrow(w->stacks, &w->stack_cap, w->stack_count + 1, sizeof(*w->stacks));
		p->frames = oh_xgrow(
		    p->frames, &w->frame_cap, w->frame_count + from->depth + 1, sizeof(*p->frames));
		w->stacks[w->stack_count++] = (struct oh_watch_stack){
			.frame_at = (uint32_t)w->frame_count,
			.frame_count = from->depth,
		};
		for (uint32_t f = 0; f < from->depth; f++)
			p->frames[w->frame_count++] =
			    add_location(w, t->frames[from->frame_at + f]);
	}
	if (w->stack_count == stacks_before)
		return true;
	if (p->location_count > locations_before) {
		if (w->symbols != NULL) {
			uint8_t *wanted = oh_xcalloc(p->location_count, 1);

			memset(wanted + locations_before, 1, p->location_count - locations_before);
			oh_symbols_run(w->symbols, wanted);
			free(wanted);
		}
		oh_prune_free(&w->prune);
		oh_prune_init(&w->prune, p);
	}
	for (size_t s = stacks_before; s < w->stack_count; s++)
		name_stack(w, (uint32_t)s);
	return true;
}
