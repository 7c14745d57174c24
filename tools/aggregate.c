/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aggregate.c - add up samples by function, by source line or by whole stack.
 *
 * Shape
 *	location -> its places, innermost first (worked out once each)
 *	sample   -> frames -> places -> rows (functions, lines)
 *	                             -> one row per distinct list (stacks)
 *
 * The inner loop runs once for each frame of each sample: it touches one row,
 * whose last_sample tells whether this sample was counted there already, so
 * that no set of seen rows has to be kept or cleared.
 */
#include "tools/aggregate.h"

#include <stdlib.h>
#include <string.h>

#include "tools/estimate.h"
#include "tools/intern.h"
#include "tools/lists.h"
#include "tools/mem.h"
#include "tools/prune.h"

struct work {
	struct oh_table *t;
	struct oh_profile *p;
	enum oh_view view;
	bool all;               /* rows and samples, also those that are 0 */
	const double *variance; /* [sample], or NULL: worked out */
	struct oh_intern strings;
	uint32_t *name_of, *file_of; /* [function]: canonical strings */

	uint32_t *same_as; /* [location]: equal for those that show the same places */

	size_t place_cap;
	struct oh_lists place_keys; /* place i is list i */

	size_t row_cap;
	uint32_t *row_slots; /* of OH_VIEW_STACKS: row + 1 */
	size_t row_slot_cap;
	uint32_t no_stack; /* place + 1 */
};

/* ---- places ----------------------------------------------------------------- */

static uint32_t
add_place(struct work *w, const struct oh_place *pl)
{
	/* The line of a function's start belongs to the row, not to its key. */
	uint32_t line = w->view == OH_VIEW_FUNCTIONS ? 0 : pl->line;
	const uint64_t key[] = { (uint64_t)pl->name << 32 | pl->file,
		(uint64_t)pl->mapping << 32 | line, pl->address };
	struct oh_table *t = w->t;
	bool is_new;
	uint32_t i = oh_lists_intern(&w->place_keys, key, OH_ARRAY_LEN(key), &is_new);

	if (is_new) {
		t->places =
		    oh_xgrow(t->places, &w->place_cap, t->place_count + 1, sizeof(*t->places));
		t->places[t->place_count++] = *pl;
	}
	return i;
}

static void
canonical_strings(struct work *w)
{
	struct oh_profile *p = w->p;

	w->name_of = oh_xcalloc(p->function_count, sizeof(*w->name_of));
	w->file_of = oh_xcalloc(p->function_count, sizeof(*w->file_of));
	for (size_t i = 0; i < p->function_count; i++) {
		const struct oh_function *f = &p->functions[i];
		uint32_t name = *oh_profile_string(p, f->name) ? f->name : f->system_name;

		if (*oh_profile_string(p, name) == '\0')
			w->name_of[i] = oh_intern_text(&w->strings, "?");
		else
			w->name_of[i] = oh_intern_index(&w->strings, name);
		w->file_of[i] = *oh_profile_string(p, f->filename)
				    ? oh_intern_index(&w->strings, f->filename)
				    : 0;
	}
}

static void
location_places(struct work *w, const struct oh_prune *pr)
{
	struct oh_profile *p = w->p;
	size_t cap = 0, n = 0;

	w->t->place_at = oh_xcalloc(p->location_count + 1, sizeof(*w->t->place_at));
	for (size_t l = 0; l < p->location_count; l++) {
		const struct oh_line *lines = p->lines + p->line_at[l];
		uint32_t from = pr->what ? pr->first_line[l] : 0, count = p->line_count[l];

		w->t->place_ids =
		    oh_xgrow(w->t->place_ids, &cap, n + count - from + 1, sizeof(*w->t->place_ids));
		for (uint32_t i = from; i < count; i++) {
			const struct oh_function *f = &p->functions[lines[i].function];
			struct oh_place pl = {
				.name = w->name_of[lines[i].function],
				.file = w->file_of[lines[i].function],
				.line =
				    w->view == OH_VIEW_FUNCTIONS ? f->start_line : lines[i].line,
			};

			if (pl.file == 0)
				pl.mapping = p->location_mapping[l];
			w->t->place_ids[n++] = add_place(w, &pl);
		}
		if (count == 0) {
			struct oh_place pl = {
				.mapping = p->location_mapping[l],
				.address = p->address[l],
			};

			w->t->place_ids[n++] = add_place(w, &pl);
		}
		w->t->place_at[l + 1] = (uint32_t)n;
	}
}

static uint32_t
no_stack(struct work *w)
{
	if (w->no_stack == 0) {
		struct oh_place pl = { .name = oh_intern_text(&w->strings, "(no stack)") };

		w->no_stack = add_place(w, &pl) + 1;
	}
	return w->no_stack - 1;
}

/*
 * Locations often differ in nothing but the address; for whole stacks those
 * that show the same places are one.
 */
static void
same_locations(struct work *w)
{
	const struct oh_table *t = w->t;
	struct oh_lists seen = { 0 };
	uint64_t *key = NULL;
	size_t cap = 0;
	bool is_new;

	w->same_as = oh_xcalloc(w->p->location_count, sizeof(*w->same_as));
	for (size_t l = 0; l < w->p->location_count; l++) {
		uint32_t at = t->place_at[l], len = t->place_at[l + 1] - at;

		key = oh_xgrow(key, &cap, (size_t)len + 1, sizeof(*key));
		for (uint32_t k = 0; k < len; k++)
			key[k] = t->place_ids[at + k];
		w->same_as[l] = oh_lists_intern(&seen, key, len, &is_new);
	}
	free(key);
	oh_lists_free(&seen);
}

/* ---- rows ------------------------------------------------------------------- */

static struct oh_row *
row_of_place(struct work *w, uint32_t place)
{
	struct oh_table *t = w->t;

	if (place >= t->row_count) { /* rows are places, until the empty ones are removed */
		t->rows = oh_xgrow(t->rows, &w->row_cap, (size_t)place + 1, sizeof(*t->rows));
		memset(t->rows + t->row_count, 0,
		    ((size_t)place + 1 - t->row_count) * sizeof(*t->rows));
		for (; t->row_count <= place; t->row_count++)
			t->rows[t->row_count].place = (uint32_t)t->row_count;
	}
	return &t->rows[place];
}

static void
add_flat(struct oh_row *row, int64_t value, double variance)
{
	row->flat = oh_add_saturated(row->flat, value);
	row->flat_variance += variance;
}

static void
add_cum(struct oh_row *row, int64_t value, double variance, uint32_t sample_plus1)
{
	if (row->last_sample == sample_plus1)
		return;
	row->last_sample = sample_plus1;
	row->cum = oh_add_saturated(row->cum, value);
	row->cum_variance += variance;
}

static size_t
row_slot(const struct work *w, uint32_t at, uint32_t len)
{
	const uint32_t *frames = w->p->frames;
	uint64_t h = len;
	size_t i;

	for (uint32_t k = 0; k < len; k++)
		h = oh_lists_mix(h, w->same_as[frames[at + k]]);
	for (i = (size_t)h & (w->row_slot_cap - 1); w->row_slots[i] != 0;
	     i = (i + 1) & (w->row_slot_cap - 1)) {
		const struct oh_row *row = &w->t->rows[w->row_slots[i] - 1];
		uint32_t k = 0;

		if (row->stack_len != len)
			continue;
		while (
		    k < len && w->same_as[frames[row->stack_at + k]] == w->same_as[frames[at + k]])
			k++;
		if (k == len)
			break;
	}
	return i;
}

static struct oh_row *
row_of_stack(struct work *w, uint32_t at, uint32_t len)
{
	struct oh_table *t = w->t;
	size_t slot;

	if (2 * (t->row_count + 1) > w->row_slot_cap) {
		free(w->row_slots);
		w->row_slot_cap = w->row_slot_cap ? 2 * w->row_slot_cap : 1024;
		w->row_slots = oh_xcalloc(w->row_slot_cap, sizeof(*w->row_slots));
		for (size_t i = 0; i < t->row_count; i++)
			w->row_slots[row_slot(w, t->rows[i].stack_at, t->rows[i].stack_len)] =
			    (uint32_t)i + 1;
	}
	slot = row_slot(w, at, len);
	if (w->row_slots[slot] == 0) {
		t->rows = oh_xgrow(t->rows, &w->row_cap, t->row_count + 1, sizeof(*t->rows));
		t->rows[t->row_count++] = (struct oh_row){ .stack_at = at, .stack_len = len };
		w->row_slots[slot] = (uint32_t)t->row_count;
	}
	return &t->rows[w->row_slots[slot] - 1];
}

static void
add_to_places(struct work *w, uint32_t first, uint32_t end, int64_t value, double variance,
    uint32_t sample_plus1)
{
	const struct oh_profile *p = w->p;
	bool at_leaf = true;

	for (uint32_t f = first; f < end; f++) {
		uint32_t l = p->frames[f];

		for (uint32_t i = w->t->place_at[l]; i < w->t->place_at[l + 1]; i++) {
			struct oh_row *row = &w->t->rows[w->t->place_ids[i]];

			if (at_leaf)
				add_flat(row, value, variance);
			at_leaf = false;
			add_cum(row, value, variance, sample_plus1);
		}
	}
	if (at_leaf) {
		struct oh_row *row = row_of_place(w, no_stack(w));

		add_flat(row, value, variance);
		add_cum(row, value, variance, sample_plus1);
	}
}

static void
add_samples(struct work *w, unsigned type, const struct oh_prune *pr)
{
	struct oh_profile *p = w->p;
	struct oh_table *t = w->t;
	struct oh_estimator est;

	oh_estimator_init(&est, p, type);
	t->exact = est.kind == OH_ESTIMATE_EXACT;
	t->has_variance = est.kind == OH_ESTIMATE_BYTES || est.kind == OH_ESTIMATE_OBJECTS;
	for (size_t s = 0; s < p->sample_count; s++) {
		int64_t value = oh_profile_value(p, s, type);
		uint32_t first = p->frame_at[s], end = p->frame_at[s + 1];
		double variance = 0;

		if (value == 0 && !w->all)
			continue;
		t->samples += value != 0;
		t->total = oh_add_saturated(t->total, value == INT64_MIN ? INT64_MAX
						      : value < 0        ? -value
									 : value);
		if (w->variance != NULL) {
			variance = w->variance[s];
			t->total_variance += variance;
		} else if (t->has_variance) {
			variance = oh_estimator_variance(&est, p->label_set[s], value);
			if (variance < 0) {
				t->has_variance = false;
				variance = 0;
			}
			t->total_variance += variance;
		}
		oh_prune_sample(pr, p, &first, end);
		t->samples_pruned += first != p->frame_at[s];
		if (w->view == OH_VIEW_STACKS) {
			struct oh_row *row = row_of_stack(w, first, end - first);

			add_flat(row, value, variance);
			add_cum(row, value, variance, (uint32_t)s + 1);
			if (t->row_of != NULL)
				t->row_of[s] = (uint32_t)(row - t->rows);
		} else {
			add_to_places(w, first, end, value, variance, (uint32_t)s + 1);
		}
	}
	oh_estimator_free(&est);
}

static void
aggregate(struct oh_table *ret, struct oh_profile *p, unsigned type, enum oh_view view, bool all,
    const double *variance)
{
	struct work w = { .t = ret, .p = p, .view = view, .all = all, .variance = variance };
	struct oh_prune pr;
	size_t kept = 0;

	memset(ret, 0, sizeof(*ret));
	oh_intern_init(&w.strings, p);
	oh_prune_init(&pr, p);
	ret->drop_ignored = pr.ignored;
	canonical_strings(&w);
	location_places(&w, &pr);
	if (view != OH_VIEW_STACKS && ret->place_count > 0)
		(void)row_of_place(&w, (uint32_t)ret->place_count - 1);
	if (view == OH_VIEW_STACKS)
		same_locations(&w);
	if (view == OH_VIEW_STACKS && all)
		ret->row_of = oh_xcalloc(p->sample_count, sizeof(*ret->row_of));
	add_samples(&w, type, &pr);
	for (size_t i = 0; i < ret->row_count; i++) {
		ret->rows[i].number = (uint32_t)i;
		if (all || ret->rows[i].flat != 0 || ret->rows[i].cum != 0)
			ret->rows[kept++] = ret->rows[i];
	}
	ret->row_count = kept;

	oh_prune_free(&pr);
	oh_intern_free(&w.strings);
	free(w.name_of);
	free(w.file_of);
	free(w.same_as);
	oh_lists_free(&w.place_keys);
	free(w.row_slots);
}

void
oh_aggregate(struct oh_table *ret, struct oh_profile *p, unsigned type, enum oh_view view)
{
	aggregate(ret, p, type, view, false, NULL);
}

void
oh_aggregate_all(struct oh_table *ret, struct oh_profile *p, unsigned type, enum oh_view view,
    const double *variance)
{
	aggregate(ret, p, type, view, true, variance);
}

void
oh_table_free(struct oh_table *t)
{
	free(t->places);
	free(t->place_at);
	free(t->place_ids);
	free(t->rows);
	free(t->row_of);
	memset(t, 0, sizeof(*t));
}

/* ---- order ------------------------------------------------------------------ */

struct order {
	const struct oh_profile *p;
	const struct oh_table *t;
	bool by_cum;
};

static int
compare_size(int64_t a, int64_t b)
{
	uint64_t x = a < 0 ? -(uint64_t)a : (uint64_t)a;
	uint64_t y = b < 0 ? -(uint64_t)b : (uint64_t)b;

	return x > y ? -1 : x < y;
}

static int
compare_places(const struct order *o, const struct oh_place *a, const struct oh_place *b)
{
	int c = strcmp(oh_profile_string(o->p, a->name), oh_profile_string(o->p, b->name));

	if (c == 0)
		c = strcmp(oh_profile_string(o->p, a->file), oh_profile_string(o->p, b->file));
	if (c == 0 && a->line != b->line)
		c = a->line < b->line ? -1 : 1;
	if (c == 0 && a->mapping != b->mapping)
		c = a->mapping < b->mapping ? -1 : 1;
	if (c == 0 && a->address != b->address)
		c = a->address < b->address ? -1 : 1;
	return c;
}

/* The innermost place of a frame: enough to order stacks that weigh the same. */
static const struct oh_place *
leaf_place(const struct order *o, uint32_t frame)
{
	return &o->t->places[o->t->place_ids[o->t->place_at[o->p->frames[frame]]]];
}

static int
compare_rows(const void *x, const void *y, void *arg)
{
	const struct oh_row *a = x, *b = y;
	const struct order *o = arg;
	int c = compare_size(o->by_cum ? a->cum : a->flat, o->by_cum ? b->cum : b->flat);

	if (c == 0)
		c = compare_size(o->by_cum ? a->flat : a->cum, o->by_cum ? b->flat : b->cum);
	for (uint32_t i = 0; c == 0 && i < a->stack_len && i < b->stack_len; i++)
		c = compare_places(
		    o, leaf_place(o, a->stack_at + i), leaf_place(o, b->stack_at + i));
	if (c == 0 && a->stack_len != b->stack_len)
		c = a->stack_len < b->stack_len ? -1 : 1;
	if (c == 0 && a->stack_len == 0)
		c = compare_places(o, &o->t->places[a->place], &o->t->places[b->place]);
	return c;
}

void
oh_table_sort(struct oh_table *t, const struct oh_profile *p, bool by_cum)
{
	struct order o = { p, t, by_cum };

	if (t->row_count > 0)
		qsort_r(t->rows, t->row_count, sizeof(*t->rows), compare_rows, &o);
}
