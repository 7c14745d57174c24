/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge.c - several profiles of one program as one, to compare them.
 *
 * Shape
 *	Everything is interned as a list of 64-bit words: a mapping, a function, a
 *	location {mapping, address, lines}, a label set, a sample {labels, stack}.
 *	The last file goes first, so that merged addresses are those of its process.
 */
#include "tools/merge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/estimate.h"
#include "tools/intern.h"
#include "tools/lists.h"
#include "tools/mem.h"

#define SECOND_NS INT64_C(1000000000)

struct work {
	struct oh_merge *m;
	struct oh_profile *p;
	size_t file_count;
	struct oh_intern strings;
	struct oh_lists mappings, functions, locations, label_sets, samples;
	size_t mapping_cap, location_cap, line_at_cap, line_count_cap, location_mapping_cap;
	size_t comment_cap;
	/* of the file being added: its index -> the merged one */
	uint32_t *string_to, *mapping_to, *function_to, *location_to, *label_set_to;
	uint64_t *key;
	size_t key_cap;
	/* [merged sample] */
	int64_t *values; /* file_count for each */
	size_t value_cap;
	struct detail {
		double var_a, var_b;
		int64_t alloc_a, alloc_b;
	} * detail;
	size_t detail_cap;
};

/* Room for a key of `len` words. */
static uint64_t *
key_of(struct work *w, size_t len)
{
	w->key = oh_xgrow(w->key, &w->key_cap, len, sizeof(*w->key));
	return w->key;
}

/* ---- what samples refer to --------------------------------------------------- */

static uint32_t
merge_string(struct work *w, const struct oh_profile *from, uint32_t i)
{
	const char *s = oh_profile_string(from, i);

	if (*s == '\0')
		return 0;
	if (w->string_to[i] == 0)
		w->string_to[i] = oh_intern_text(&w->strings, s);
	return w->string_to[i];
}

static void
merge_mappings(struct work *w, const struct oh_profile *from)
{
	struct oh_profile *p = w->p;

	w->mapping_to = oh_xcalloc(from->mapping_count, sizeof(*w->mapping_to));
	for (size_t i = 0; i < from->mapping_count; i++) {
		struct oh_mapping m = from->mappings[i];
		uint64_t key[5];
		bool is_new, unnamed;

		m.filename = merge_string(w, from, m.filename);
		m.build_id = merge_string(w, from, m.build_id);
		unnamed = m.filename == 0 && m.build_id == 0;
		key[0] = m.build_id;
		key[1] = m.build_id ? 0 : m.filename;
		key[2] = m.offset;
		key[3] = unnamed ? m.start : 0;
		key[4] = unnamed ? m.limit : 0;
		w->mapping_to[i] = oh_lists_intern(&w->mappings, key, OH_ARRAY_LEN(key), &is_new);
		if (!is_new)
			continue;
		p->mappings = oh_xgrow(
		    p->mappings, &w->mapping_cap, p->mapping_count + 1, sizeof(*p->mappings));
		p->mappings[p->mapping_count++] = m;
	}
}

static void
merge_functions(struct work *w, const struct oh_profile *from)
{
	w->function_to = oh_xcalloc(from->function_count, sizeof(*w->function_to));
	for (size_t i = 0; i < from->function_count; i++) {
		struct oh_function f = from->functions[i];
		uint64_t key[4];
		bool is_new;

		f.name = merge_string(w, from, f.name);
		f.system_name = merge_string(w, from, f.system_name);
		f.filename = merge_string(w, from, f.filename);
		key[0] = f.name;
		key[1] = f.system_name;
		key[2] = f.filename;
		key[3] = f.start_line;
		w->function_to[i] = oh_lists_intern(&w->functions, key, OH_ARRAY_LEN(key), &is_new);
		if (is_new)
			(void)oh_profile_add_function(w->p, &f);
	}
}

static void
add_location(struct work *w, const uint64_t *key)
{
	struct oh_profile *p = w->p;
	uint32_t l = (uint32_t)p->location_count, count = (uint32_t)key[2];
	struct oh_line *lines;

	p->address = oh_xgrow(p->address, &w->location_cap, l + 1, sizeof(*p->address));
	p->location_mapping = oh_xgrow(
	    p->location_mapping, &w->location_mapping_cap, l + 1, sizeof(*p->location_mapping));
	p->line_at = oh_xgrow(p->line_at, &w->line_at_cap, l + 1, sizeof(*p->line_at));
	p->line_count = oh_xgrow(p->line_count, &w->line_count_cap, l + 1, sizeof(*p->line_count));
	p->location_mapping[l] = (uint32_t)key[0];
	p->address[l] = key[1];
	p->line_at[l] = p->line_count[l] = 0;
	p->location_count++;
	lines = oh_xcalloc(count, sizeof(*lines));
	for (uint32_t i = 0; i < count; i++)
		lines[i] = (struct oh_line){ (uint32_t)key[3 + 2 * i], (uint32_t)key[4 + 2 * i] };
	oh_profile_set_lines(p, l, lines, count);
	free(lines);
}

static void
merge_locations(struct work *w, const struct oh_profile *from)
{
	w->location_to = oh_xcalloc(from->location_count, sizeof(*w->location_to));
	for (size_t l = 0; l < from->location_count; l++) {
		const struct oh_line *lines = from->lines + from->line_at[l];
		uint32_t n = from->line_count[l], mapping = from->location_mapping[l];
		uint64_t *key = key_of(w, 3 + 2 * (size_t)n);
		bool is_new;

		key[0] = 0;
		key[1] = from->address[l];
		key[2] = n;
		if (mapping != 0) {
			uint32_t to = w->mapping_to[mapping - 1];

			key[0] = to + 1;
			key[1] += w->p->mappings[to].start - from->mappings[mapping - 1].start;
		}
		for (uint32_t i = 0; i < n; i++) {
			key[3 + 2 * i] = w->function_to[lines[i].function];
			key[4 + 2 * i] = lines[i].line;
		}
		w->location_to[l] = oh_lists_intern(&w->locations, key, 3 + 2 * (size_t)n, &is_new);
		if (is_new)
			add_location(w, key);
	}
}

/* Labels that tell of a moment, not which blocks they are. */
static bool
is_state(const char *key)
{
	static const char *const keys[] = { "age", "leak", "lived", "freed" };

	for (size_t i = 0; i < OH_ARRAY_LEN(keys); i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	return false;
}

static void
merge_label_sets(struct work *w, const struct oh_profile *from)
{
	w->label_set_to = oh_xcalloc(from->label_set_count, sizeof(*w->label_set_to));
	for (size_t s = 0; s < from->label_set_count; s++) {
		uint32_t at = from->label_at[s], n = from->label_at[s + 1] - at;
		uint64_t *key = key_of(w, 4 * (size_t)n + 1);
		size_t len = 0;
		bool is_new;

		for (uint32_t i = 0; i < n; i++) {
			const struct oh_label *label = &from->labels[at + i];

			if (is_state(oh_profile_string(from, label->key)))
				continue;
			key[len++] = merge_string(w, from, label->key);
			key[len++] = merge_string(w, from, label->str);
			key[len++] = merge_string(w, from, label->unit);
			key[len++] = (uint64_t)label->num;
		}
		w->label_set_to[s] = oh_lists_intern(&w->label_sets, key, len, &is_new);
	}
}

/* ---- samples ---------------------------------------------------------------- */

/*
 * The sample type that tells how much was ever allocated of what `type` says
 * is in use; -1 if the profile has none.
 */
static int
allocated_type(const struct oh_profile *p, int type)
{
	const char *name = oh_profile_string(p, p->types[type].type);

	if (strcmp(name, "inuse_space") == 0)
		return oh_profile_find_type(p, "alloc_space");
	if (strcmp(name, "inuse_objects") == 0)
		return oh_profile_find_type(p, "alloc_objects");
	return strncmp(name, "alloc_", 6) == 0 ? type : -1;
}

static uint32_t
merge_sample(struct work *w, const struct oh_profile *from, size_t s)
{
	uint32_t at = from->frame_at[s], n = from->frame_at[s + 1] - at, i;
	uint64_t *key = key_of(w, 1 + (size_t)n);
	size_t files = w->file_count;
	bool is_new;

	key[0] = w->label_set_to[from->label_set[s]];
	for (uint32_t f = 0; f < n; f++)
		key[1 + f] = w->location_to[from->frames[at + f]];
	i = oh_lists_intern(&w->samples, key, 1 + (size_t)n, &is_new);
	if (is_new) {
		w->values =
		    oh_xgrow(w->values, &w->value_cap, ((size_t)i + 1) * files, sizeof(*w->values));
		w->detail = oh_xgrow(w->detail, &w->detail_cap, (size_t)i + 1, sizeof(*w->detail));
		memset(w->values + i * files, 0, files * sizeof(*w->values));
		memset(w->detail + i, 0, sizeof(*w->detail));
	}
	return i;
}

static void
merge_samples(struct work *w, const struct oh_profile *from, int type, size_t file)
{
	bool is_a = file == 0, is_b = file + 1 == w->file_count;
	int alloc_type = allocated_type(from, type);
	struct oh_estimator est;

	w->m->merged[file] = oh_xcalloc(from->sample_count, sizeof(**w->m->merged));
	oh_estimator_init(&est, from, (unsigned)type);
	if (is_a || is_b) {
		w->m->exact = w->m->exact && est.kind == OH_ESTIMATE_EXACT;
		w->m->has_variance = w->m->has_variance && est.kind != OH_ESTIMATE_NONE;
	}
	for (size_t s = 0; s < from->sample_count; s++) {
		int64_t value = oh_profile_value(from, s, (unsigned)type), alloc = 0, *to;
		struct detail *d;
		double variance;
		uint32_t i;

		if (alloc_type >= 0)
			alloc = oh_profile_value(from, s, (unsigned)alloc_type);
		w->m->merged[file][s] = OH_MERGE_NONE;
		if (value == 0 && alloc == 0)
			continue;
		variance = oh_estimator_variance(&est, from->label_set[s], value);
		if (variance < 0 && (is_a || is_b))
			w->m->has_variance = false;
		w->m->merged[file][s] = i = merge_sample(w, from, s);
		to = &w->values[i * w->file_count + file];
		*to = oh_add_saturated(*to, value);
		d = &w->detail[i];
		if (is_a) {
			d->var_a += variance;
			d->alloc_a = oh_add_saturated(d->alloc_a, alloc);
		} else if (is_b) {
			d->var_b += variance;
			d->alloc_b = oh_add_saturated(d->alloc_b, alloc);
		}
	}
	oh_estimator_free(&est);
}

/* The variance of b - a, see oh_merge(). */
static double
growth_variance(const struct work *w, const struct detail *d, int64_t a, int64_t b)
{
	double both, sum = d->var_a + d->var_b;

	if (!w->m->same_process || a <= 0 || b <= 0 || d->alloc_a <= 0 || d->alloc_b < d->alloc_a)
		return sum;
	both = (double)b - ((double)d->alloc_b - (double)d->alloc_a);
	both = fmin(fmax(both, 0), fmin((double)a, (double)b));
	return sum * (1 - 2 * both / ((double)a + (double)b));
}

static void
finish_samples(struct work *w)
{
	struct oh_profile *p = w->p;
	size_t n = w->samples.count, files = w->file_count, frames = 0;

	p->sample_count = n;
	p->frame_at = oh_xcalloc(n + 1, sizeof(*p->frame_at));
	p->frames = oh_xcalloc(w->samples.word_count + 1, sizeof(*p->frames));
	p->values = oh_xcalloc(n * (files + 1), sizeof(*p->values));
	p->label_set = oh_xcalloc(n, sizeof(*p->label_set));
	w->m->variance = oh_xcalloc(n, sizeof(*w->m->variance));
	for (size_t s = 0; s < n; s++) {
		const uint64_t *key = w->samples.words + w->samples.at[s];
		size_t len = w->samples.at[s + 1] - w->samples.at[s];
		const int64_t *from = w->values + s * files;
		int64_t *to = p->values + s * (files + 1);
		int64_t a = from[0], b = from[files - 1];

		p->label_set[s] = (uint32_t)key[0];
		for (size_t f = 1; f < len; f++)
			p->frames[frames++] = (uint32_t)key[f];
		p->frame_at[s + 1] = (uint32_t)frames;
		to[0] = oh_add_saturated(b, a == INT64_MIN ? INT64_MAX : -a);
		memcpy(to + 1, from, files * sizeof(*to));
		w->m->variance[s] = growth_variance(w, &w->detail[s], a, b);
	}
}

static void
finish_label_sets(struct work *w)
{
	struct oh_profile *p = w->p;
	const struct oh_lists *l = &w->label_sets;

	p->label_set_count = l->count;
	p->label_count = l->word_count / 4;
	p->label_at = oh_xcalloc(l->count + 1, sizeof(*p->label_at));
	p->labels = oh_xcalloc(p->label_count, sizeof(*p->labels));
	for (size_t i = 0; i < l->count; i++)
		p->label_at[i + 1] = (uint32_t)(l->at[i + 1] / 4);
	for (size_t i = 0; i < p->label_count; i++)
		p->labels[i] = (struct oh_label){
			.key = (uint32_t)l->words[4 * i],
			.str = (uint32_t)l->words[4 * i + 1],
			.unit = (uint32_t)l->words[4 * i + 2],
			.num = (int64_t)l->words[4 * i + 3],
		};
}

/* ---- the whole --------------------------------------------------------------- */

static void
merge_header(struct work *w, const struct oh_profile *last, int type)
{
	struct oh_profile *p = w->p;

	p->type_count = w->file_count + 1;
	p->types = oh_xcalloc(p->type_count, sizeof(*p->types));
	for (size_t i = 0; i < p->type_count; i++) {
		p->types[i].type = merge_string(w, last, last->types[type].type);
		p->types[i].unit = merge_string(w, last, last->types[type].unit);
	}
	p->drop_frames = merge_string(w, last, last->drop_frames);
	p->keep_frames = merge_string(w, last, last->keep_frames);
	p->comments = oh_xcalloc(last->comment_count, sizeof(*p->comments));
	for (size_t i = 0; i < last->comment_count; i++)
		p->comments[p->comment_count++] = merge_string(w, last, last->comments[i]);
	p->time_ns = last->time_ns;
	p->duration_ns = last->duration_ns;
	p->period = last->period;
	p->period_type.type = merge_string(w, last, last->period_type.type);
	p->period_type.unit = merge_string(w, last, last->period_type.unit);
}

/*
 * Is `a` of a process from which that of `b` was forked, and from before that?
 * "forked from: 12 after 34 ms, 56 after 78 ms"
 */
static bool
is_from_before(const struct oh_profile *a, const struct oh_profile *b)
{
	const char *pid = oh_profile_comment(a, "pid: ");
	const char *s = oh_profile_comment(b, "forked from: ");
	size_t len = strlen(pid);

	for (; s != NULL; s = strstr(s, ", "), s += s != NULL ? 2 : 0)
		if (strncmp(s, pid, len) == 0 && strncmp(s + len, " after ", 7) == 0 &&
		    (double)a->duration_ns / 1e6 < strtod(s + len + 7, NULL) + 1)
			return true;
	return false;
}

bool
oh_merge_same_process(const struct oh_profile *a, const struct oh_profile *b)
{
	static const char *const keys[] = { "program: ", "pid: " };
	double start_a = (double)a->time_ns - (double)a->duration_ns;
	double start_b = (double)b->time_ns - (double)b->duration_ns;
	bool same[OH_ARRAY_LEN(keys)];

	for (size_t i = 0; i < OH_ARRAY_LEN(keys); i++) {
		const char *x = oh_profile_comment(a, keys[i]), *y = oh_profile_comment(b, keys[i]);

		if (x == NULL || y == NULL)
			return false;
		same[i] = strcmp(x, y) == 0;
	}
	return same[0] && (same[1] || is_from_before(a, b) || is_from_before(b, a)) &&
	       a->time_ns > 0 && b->time_ns > 0 && a->period == b->period &&
	       fabs(start_a - start_b) < SECOND_NS;
}

void
oh_merge(struct oh_merge *ret, struct oh_profile *const *profiles, const int *types, size_t count)
{
	struct work w = { .m = ret, .file_count = count };

	memset(ret, 0, sizeof(*ret));
	ret->has_variance = ret->exact = true;
	ret->same_process = oh_merge_same_process(profiles[0], profiles[count - 1]);
	ret->file_count = count;
	ret->merged = oh_xcalloc(count, sizeof(*ret->merged));
	ret->p = w.p = oh_xcalloc(1, sizeof(*w.p));
	(void)oh_profile_add_string(w.p, "", 0);
	oh_intern_init(&w.strings, w.p);
	for (size_t file = count; file-- > 0;) {
		const struct oh_profile *from = profiles[file];

		w.string_to = oh_xcalloc(from->string_count, sizeof(*w.string_to));
		merge_mappings(&w, from);
		merge_functions(&w, from);
		merge_locations(&w, from);
		merge_label_sets(&w, from);
		merge_samples(&w, from, types[file], file);
		if (file + 1 == count) {
			merge_header(&w, from, types[file]);
			if (from->mapping_count > 0)
				w.p->main_mapping = w.mapping_to[from->main_mapping];
		}
		free(w.string_to);
		free(w.mapping_to);
		free(w.function_to);
		free(w.location_to);
		free(w.label_set_to);
	}
	finish_label_sets(&w);
	finish_samples(&w);
	oh_intern_free(&w.strings);
	oh_lists_free(&w.mappings);
	oh_lists_free(&w.functions);
	oh_lists_free(&w.locations);
	oh_lists_free(&w.label_sets);
	oh_lists_free(&w.samples);
	free(w.key);
	free(w.values);
	free(w.detail);
}

void
oh_merge_free(struct oh_merge *m)
{
	oh_profile_free(m->p);
	free(m->variance);
	for (size_t i = 0; i < m->file_count; i++)
		free(m->merged[i]);
	free(m->merged);
	memset(m, 0, sizeof(*m));
}
