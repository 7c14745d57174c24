/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leak_sites.c - from profiles to call stacks, with what came and went at each.
 *
 * Shape
 *	merge.c makes the profiles one, so that a stack is the same in all;
 *	aggregate.c finds the distinct stacks of that, and each sample of each file
 *	is then added to the site of its stack: blocks of all sizes, threads and
 *	verdicts of a leak check.
 *
 * What came and went
 *	A block that is in the first profile and in the last is one sample, not two:
 *	what is counted is the samples that are in one of them alone.  The last
 *	profile's ages say which of its blocks are younger than the first profile;
 *	the others were in it.  Between those that the profile has (newest, quartiles,
 *	oldest) ages are taken to lie evenly.  Without ages, blocks that were
 *	certainly in both are counted by what was allocated, as in merge.h: fewer
 *	than there were, so that the test is on the safe side.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/estimate.h"
#include "tools/leak.h"
#include "tools/mem.h"

#define AGES_MAX 64                 /* points that stand for the ages of one sample's blocks */
#define LIVES (OH_LEAK_SETTLED - 1) /* bin i from oh_leak_settled_ms(i + 1) on */
#define LABELS_MAX 16               /* `age` labels of one sample that are looked at */

struct point {
	uint32_t row;
	enum oh_lost lost;
	struct oh_age age;
};

struct work {
	struct oh_leaks *l;
	uint32_t *row_of;     /* [merged sample]: its row, OH_MERGE_NONE = filtered out */
	struct point *points; /* of the last file */
	size_t point_count, point_cap;
	/* [merged sample]: sampled blocks in the first and the last file; allocated between */
	struct pair {
		double before, now, allocated;
	} * pairs;
	double
	    *freed; /* [row * LIVES + bin]: sampled blocks freed between, by how long they lived */
	double *old_before; /* [row]: of the first file, older than guard_ms */
};

/* ---- one sample ------------------------------------------------------------------- */

static int
compare_doubles(const void *x, const void *y)
{
	const double *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

static enum oh_lost
lost_of(const struct oh_profile *p, uint32_t set)
{
	static const char *const names[OH_LOST_CLASSES] = {
		[OH_LOST_YES] = "lost",
		[OH_LOST_INDIRECT] = "indirect",
		[OH_LOST_INTERIOR] = "interior",
	};

	for (uint32_t i = p->label_at[set]; i < p->label_at[set + 1]; i++) {
		const struct oh_label *label = &p->labels[i];

		if (label->str == 0 || strcmp(oh_profile_string(p, label->key), "leak") != 0)
			continue;
		for (int c = OH_LOST_YES; c < OH_LOST_CLASSES; c++)
			if (strcmp(oh_profile_string(p, label->str), names[c]) == 0)
				return (enum oh_lost)c;
	}
	return OH_LOST_NOT;
}

/* Spread `samples` blocks over the ages of a label set.  How many points; 0: no ages. */
static size_t
ages_of(const struct oh_profile *p, uint32_t set, double samples, struct oh_age *to)
{
	double known[LABELS_MAX], n;
	size_t count = 0;

	for (uint32_t i = p->label_at[set]; i < p->label_at[set + 1] && count < LABELS_MAX; i++) {
		const struct oh_label *label = &p->labels[i];

		if (label->str == 0 && label->num >= 0 &&
		    strcmp(oh_profile_string(p, label->key), "age") == 0)
			known[count++] = (double)label->num;
	}
	if (count == 0)
		return 0;
	qsort(known, count, sizeof(*known), compare_doubles);
	n = fmin(fmax(round(samples), 1), AGES_MAX);
	for (size_t i = 0; i < (size_t)n; i++) {
		double at =
		    n > 1 ? (double)i / (n - 1) * (double)(count - 1) : (double)(count - 1) / 2;
		size_t below = (size_t)at;
		size_t above = below + 1 < count ? below + 1 : below;

		to[i].age_ms = known[below] + (at - (double)below) * (known[above] - known[below]);
		to[i].count = samples / n;
	}
	return (size_t)n;
}

/* Add `sign` times what a label set says of freed blocks. */
static void
add_freed(const struct oh_profile *p, uint32_t set, double sign, double *freed)
{
	const struct oh_label *lived = NULL;

	for (uint32_t i = p->label_at[set]; i < p->label_at[set + 1]; i++) {
		const struct oh_label *label = &p->labels[i];
		const char *key = oh_profile_string(p, label->key);

		if (label->str != 0)
			continue;
		if (strcmp(key, "lived") == 0) {
			lived = label;
		} else if (strcmp(key, "freed") == 0 && lived != NULL) {
			unsigned bin = 0;

			while (bin + 1 < LIVES && (double)lived->num >= oh_leak_settled_ms(bin + 2))
				bin++;
			freed[bin] += sign * (double)label->num;
			lived = NULL;
		}
	}
}

void
oh_leak_add_part(struct oh_leak_part *to, const struct oh_leak_part *from)
{
	to->bytes += from->bytes;
	to->blocks += from->blocks;
	to->variance += from->variance;
	to->samples += from->samples;
	if (from->size_least > 0)
		to->size_least =
		    to->size_least > 0 ? fmin(to->size_least, from->size_least) : from->size_least;
	to->size_most = fmax(to->size_most, from->size_most);
}

/* ---- files ------------------------------------------------------------------------- */

struct reader {
	const struct oh_profile *p;
	int type, object_type, alloc_type; /* -1 = none */
	struct oh_estimator bytes;
};

static void
open_reader(const struct oh_leaks *l, size_t file, struct reader *r)
{
	r->p = l->files[file];
	r->type = l->types[file];
	r->object_type = l->object_types[file];
	r->alloc_type = oh_profile_find_type(r->p, "alloc_space");
	oh_estimator_init(&r->bytes, r->p, (unsigned)r->type);
}

/* What a sample says is in use; `sampled` becomes false where the sampling is not known. */
static struct oh_leak_part
part_of(const struct reader *r, size_t s, double *ret_size, bool *sampled)
{
	int64_t bytes = oh_profile_value(r->p, s, (unsigned)r->type);
	struct oh_leak_part part = { .bytes = fmax((double)bytes, 0) };
	uint32_t set = r->p->label_set[s];
	double size = 0;

	if (r->bytes.size_bytes != NULL)
		size = (double)r->bytes.size_bytes[set];
	if (r->object_type >= 0)
		part.blocks = fmax((double)oh_profile_value(r->p, s, (unsigned)r->object_type), 0);
	else if (size >= 1)
		part.blocks = part.bytes / size;
	if (size <= 0 && part.blocks > 0)
		size = part.bytes / part.blocks;
	*ret_size = size;
	if (part.blocks > 0)
		part.size_least = part.size_most = size;
	if (r->bytes.kind == OH_ESTIMATE_EXACT) {
		part.samples = part.blocks;
	} else if (r->bytes.kind == OH_ESTIMATE_BYTES && (bytes == 0 || size >= 1)) {
		/* Not by the label if there is none: the mean size is as near. */
		part.variance = part.blocks * size * size / expm1(size / r->bytes.interval_bytes);
		part.samples = part.blocks * -expm1(-size / r->bytes.interval_bytes);
	} else if (bytes != 0) {
		*sampled = false;
	}
	return part;
}

static void
add_last(struct work *w, struct oh_leak_site *site, const struct reader *r, size_t s,
    const struct oh_leak_part *part, const struct oh_age *ages, size_t age_count)
{
	struct oh_leaks *l = w->l;
	enum oh_lost lost = lost_of(r->p, r->p->label_set[s]);

	oh_leak_add_part(&site->now, part);
	oh_leak_add_part(&site->part[lost], part);
	for (size_t i = 0; i < age_count; i++) {
		w->points =
		    oh_xgrow(w->points, &w->point_cap, w->point_count + 1, sizeof(*w->points));
		w->points[w->point_count++] = (struct point){
			.row = (uint32_t)(site - l->sites),
			.lost = lost,
			.age = ages[i],
		};
		if (ages[i].age_ms >= l->old_ms && part->samples > 0)
			site->old_bytes += part->bytes * ages[i].count / part->samples;
	}
}

static void
add_file(struct work *w, size_t file)
{
	struct oh_leaks *l = w->l;
	bool is_first = file == 0 && l->count > 1, is_last = file + 1 == l->count;
	struct oh_age ages[AGES_MAX];
	double guard = oh_leak_guard_ms(l, file);
	struct reader r;

	open_reader(l, file, &r);
	l->exact = l->exact && r.bytes.kind == OH_ESTIMATE_EXACT;
	for (size_t s = 0; s < r.p->sample_count; s++) {
		uint32_t merged = l->merge.merged[file][s];
		uint32_t row = merged == OH_MERGE_NONE ? merged : w->row_of[merged];
		struct oh_leak_part part;
		struct oh_leak_site *site;
		double size, old = 0;
		size_t n;

		if (row == OH_MERGE_NONE)
			continue;
		site = &l->sites[row];
		part = part_of(&r, s, &size, &l->sampled);
		if (r.alloc_type >= 0 && (is_first || is_last)) {
			double alloc = (double)oh_profile_value(r.p, s, (unsigned)r.alloc_type);

			/* In samples, as all of a merged sample has one size. */
			if (part.bytes > 0)
				alloc *= part.samples / part.bytes;
			else if (size >= 1)
				alloc *= -expm1(-size / r.bytes.interval_bytes) / size;
			w->pairs[merged].allocated += is_first ? -alloc : alloc;
		}
		if (is_first || is_last)
			add_freed(r.p, r.p->label_set[s], is_first ? -1 : 1,
			    &w->freed[(size_t)row * LIVES]);
		if (part.bytes <= 0 && part.blocks <= 0)
			continue;
		n = ages_of(r.p, r.p->label_set[s], part.samples, ages);
		site->has_ages = site->has_ages && n > 0;
		for (size_t i = 0; i < n; i++)
			if (ages[i].age_ms >= guard)
				old += ages[i].count;
		l->series[OH_LEAK_ALL][row * l->count + file] += part.bytes;
		if (part.samples > 0)
			l->series[OH_LEAK_OLD][row * l->count + file] +=
			    part.bytes * old / part.samples;
		if (is_first) {
			oh_leak_add_part(&site->before, &part);
			w->pairs[merged].before += part.samples;
			w->old_before[row] += old;
		} else if (is_last) {
			add_last(w, site, &r, s, &part, ages, n);
			w->pairs[merged].now += part.samples;
		}
	}
	oh_estimator_free(&r.bytes);
}

/* ---- what came and went ---------------------------------------------------------------- */

static int
compare_points(const void *x, const void *y)
{
	const struct point *a = x, *b = y;

	if (a->row != b->row)
		return a->row < b->row ? -1 : 1;
	return a->age.age_ms < b->age.age_ms ? -1 : a->age.age_ms > b->age.age_ms;
}

/* How many are older than `from` and, if it is not negative, younger than `to`? */
static double
aged(const struct oh_age *a, size_t n, double from, double to)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		if (a[i].age_ms >= from && (to < 0 || a[i].age_ms < to))
			sum += a[i].count;
	return sum;
}

static void
count_population(
    struct work *w, struct oh_leak_site *site, unsigned which, const struct oh_age *a, size_t n)
{
	const struct oh_leaks *l = w->l;
	struct oh_leak_count *c = &site->count[which];
	double guard = which == OH_LEAK_OLD ? l->guard_ms : 0, window = l->window_ms;
	double then = window + (which == OH_LEAK_OLD ? oh_leak_guard_ms(l, 0) : 0);
	double before =
	    which == OH_LEAK_OLD ? w->old_before[site - l->sites] : site->before.samples;
	size_t from = 0, to;

	c->before = before;
	c->now = aged(a, n, guard, -1);
	if (!l->same_process) {
		c->fresh = c->now;
		c->gone = before;
		return;
	}
	c->fresh = aged(a, n, guard, then);
	c->gone = fmax(0, before - aged(a, n, then, -1));
	/* Of those born in the window: how their births are spread over it. */
	while (from < n && a[from].age_ms < guard)
		from++;
	for (to = from; to < n && a[to].age_ms < window;)
		to++;
	c->born = aged(a, n, guard, window);
	c->older_half = aged(a, n, (guard + window) / 2, window);
	c->spread_ms = oh_ages_shorth_ms(a + from, to - from);
}

/* How long were blocks of what age in use, and how many were freed?  `a` are those in use. */
static void
count_settled(const struct work *w, struct oh_leak_site *site, const struct oh_age *a, size_t n)
{
	const double *freed = &w->freed[(size_t)(site - w->l->sites) * LIVES];
	double window = w->l->window_ms;

	for (unsigned k = 0; k < OH_LEAK_SETTLED; k++) {
		double from = oh_leak_settled_ms(k);
		struct oh_leak_hazard *h = &site->settled[k];

		for (size_t i = 0; i < n; i++)
			h->exposure_ms += a[i].count * fmin(fmax(a[i].age_ms - from, 0), window);
		for (unsigned bin = k > 0 ? k - 1 : 0; bin < LIVES; bin++) {
			/* The middle of a bin, of such as double. */
			double lived = M_SQRT2 * oh_leak_settled_ms(bin + 1);

			h->freed += fmax(freed[bin], 0);
			h->exposure_ms += fmax(freed[bin], 0) * fmin(fmax(lived - from, 0), window);
		}
	}
}

static struct oh_leak_ages
ages_told(const struct oh_age *a, size_t n)
{
	if (n == 0)
		return (struct oh_leak_ages){ 0, 0, 0 };
	return (struct oh_leak_ages){
		.newest_ms = a[0].age_ms,
		.median_ms = oh_ages_quantile(a, n, .5),
		.oldest_ms = a[n - 1].age_ms,
	};
}

static void
count_aged(struct work *w)
{
	struct oh_leaks *l = w->l;
	struct oh_age *ages = oh_xcalloc(w->point_count, sizeof(*ages));
	struct oh_age *lost = oh_xcalloc(w->point_count, sizeof(*lost));
	struct oh_age *interior = oh_xcalloc(w->point_count, sizeof(*interior));
	size_t at = 0;

	if (w->point_count > 0)
		qsort(w->points, w->point_count, sizeof(*w->points), compare_points);
	for (size_t row = 0; row < l->site_count; row++) {
		struct oh_leak_site *site = &l->sites[row];
		size_t n = 0, lost_n = 0, interior_n = 0;

		for (; at < w->point_count && w->points[at].row == row; at++) {
			const struct point *p = &w->points[at];

			ages[n++] = p->age;
			if (p->lost == OH_LOST_YES || p->lost == OH_LOST_INDIRECT)
				lost[lost_n++] = p->age;
			else if (p->lost == OH_LOST_INTERIOR)
				interior[interior_n++] = p->age;
		}
		site->ages = ages_told(ages, n);
		site->first = aged(ages, n, .95 * l->window_ms, -1);
		site->middle = aged(ages, n, .25 * l->window_ms, .95 * l->window_ms);
		site->middle_older = aged(ages, n, .6 * l->window_ms, .95 * l->window_ms);
		site->lost_ages = ages_told(lost, lost_n);
		site->interior_ages = ages_told(interior, interior_n);
		count_settled(w, site, ages, n);
		for (unsigned which = 0; which < OH_LEAK_POPULATIONS && site->has_ages; which++)
			count_population(w, site, which, ages, n);
	}
	free(ages);
	free(lost);
	free(interior);
}

/* Without ages: what was certainly in both profiles. */
static void
count_unaged(struct work *w)
{
	struct oh_leaks *l = w->l;
	size_t count = l->merge.p->sample_count;

	for (size_t s = 0; s < count; s++) {
		uint32_t row = l->table.row_of[s];
		const struct pair *pair = &w->pairs[s];
		struct oh_leak_count *c = &l->sites[row].count[OH_LEAK_ALL];
		double both = 0;

		if (l->sites[row].has_ages)
			continue;
		if (l->same_process && pair->allocated >= 0)
			both = fmin(
			    fmax(pair->now - pair->allocated, 0), fmin(pair->before, pair->now));
		c->fresh += pair->now - both;
		c->gone += pair->before - both;
	}
}

/* ---- the whole ---------------------------------------------------------------------------- */

void
oh_leak_sites(struct oh_leaks *l, bool symbols)
{
	struct oh_args a = *l->a;
	struct work w = { .l = l };
	size_t merged_count;
	double *at;

	oh_merge(&l->merge, l->files, l->types, l->count);
	merged_count = l->merge.p->sample_count;
	at = oh_xcalloc(merged_count, sizeof(*at));
	for (size_t i = 0; i < merged_count; i++)
		at[i] = (double)i;
	a.no_symbols = a.no_symbols || !symbols;
	oh_args_names(&a, l->merge.p, OH_ARGS_EVERY, at);
	oh_aggregate_all(&l->table, l->merge.p, 0, OH_VIEW_STACKS, l->merge.variance);

	l->site_count = l->table.row_count;
	l->sites = oh_xcalloc(l->site_count, sizeof(*l->sites));
	for (size_t i = 0; i < l->site_count; i++) {
		l->sites[i].row = (uint32_t)i;
		l->sites[i].has_ages = true;
	}
	for (int i = 0; i < OH_LEAK_POPULATIONS; i++)
		l->series[i] = oh_xcalloc(l->site_count * l->count, sizeof(double));
	l->sampled = l->exact = true;
	w.row_of = oh_xrealloc(NULL, merged_count + 1, sizeof(*w.row_of));
	memset(w.row_of, 0xff, merged_count * sizeof(*w.row_of));
	for (size_t i = 0; i < l->merge.p->sample_count; i++)
		w.row_of[(size_t)at[i]] = l->table.row_of[i];
	w.pairs = oh_xcalloc(merged_count, sizeof(*w.pairs));
	w.old_before = oh_xcalloc(l->site_count, sizeof(*w.old_before));
	w.freed = oh_xcalloc(l->site_count * LIVES, sizeof(*w.freed));
	l->lives =
	    oh_profile_comment(l->files[l->count - 1], "lifetimes of freed samples: ") != NULL;
	for (size_t file = 0; file < l->count; file++)
		add_file(&w, file);
	for (size_t i = 0; i < l->site_count; i++)
		l->sites[i].has_ages = l->sites[i].has_ages &&
				       l->sites[i].now.samples + l->sites[i].before.samples > 0;
	count_aged(&w);
	/* From here on by the samples that --focus and its like left. */
	for (size_t i = 0; i < l->merge.p->sample_count; i++) {
		w.pairs[i] = w.pairs[(size_t)at[i]];
		l->sites[l->table.row_of[i]].allocated += fmax(w.pairs[i].allocated, 0);
	}
	/* Those that lived too short for any bin, too. */
	for (size_t i = 0; i < l->site_count; i++) {
		struct oh_leak_site *site = &l->sites[i];

		site->settled[0].freed =
		    fmax(site->allocated - (site->now.samples - site->before.samples), 0);
	}
	if (l->count > 1)
		count_unaged(&w);
	l->checked = oh_profile_comment(l->files[l->count - 1], "leak check: lost") != NULL;
	for (size_t i = 0; i < l->site_count; i++)
		for (int c = OH_LOST_YES; c < OH_LOST_CLASSES; c++)
			l->checked = l->checked || l->sites[i].part[c].bytes > 0;
	for (size_t i = 0; i < l->site_count; i++)
		for (unsigned k = 0; k < OH_LEAK_POPULATIONS; k++) {
			const double *y = &l->series[k][i * l->count];

			l->sites[i].count[k].bytes_before = l->count > 1 ? y[0] : 0;
			l->sites[i].count[k].bytes_now = y[l->count - 1];
		}
	free(at);
	free(w.row_of);
	free(w.points);
	free(w.pairs);
	free(w.old_before);
	free(w.freed);
}

void
oh_leak_sites_free(struct oh_leaks *l)
{
	oh_merge_free(&l->merge);
	oh_table_free(&l->table);
	free(l->sites);
	for (int i = 0; i < OH_LEAK_POPULATIONS; i++)
		free(l->series[i]);
	l->sites = NULL;
	memset(l->series, 0, sizeof(l->series));
}
