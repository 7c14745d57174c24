/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_data.c - what lives, what grew, how fast is it allocated?
 *
 * Each look gives sums for each site.  Some looks are kept (`past`), so that
 * growth and rates are differences over a window that is long enough to say
 * something: at one sample in 512 KiB, one second of 1 MiB is two samples.
 *
 * Variances  A site's n estimated blocks of s bytes have the variance
 *	n (w - 1) s^2 (core/DESIGN.md).  Of growth, only what came or went
 *	counts, as what stayed is in both looks; that may be more blocks than
 *	both looks show, then these bound it.
 */
#include "tools/watch.h"

#include <stdlib.h>
#include <string.h>

#include "tools/estimate.h"

#define RATE_WINDOW_NS INT64_C(10000000000)
#define PAST_BYTES ((size_t)64 << 20) /* for all looks that are kept */

const char *const oh_watch_sort_names[OH_WATCH_SORTS] = {
	[OH_WATCH_BY_LIVE] = "live",
	[OH_WATCH_BY_GROWTH] = "growth",
	[OH_WATCH_BY_RATE] = "rate",
	[OH_WATCH_BY_BLOCKS] = "blocks",
};

void
oh_watch_init(struct oh_watch *w)
{
	memset(w, 0, sizeof(*w));
	w->growth_window_ns = INT64_C(60000000000);
	w->root = "";
}

void
oh_watch_free(struct oh_watch *w)
{
	if (w->p != NULL)
		oh_watch_names_free(w);
	for (unsigned v = 0; v < OH_WATCH_VIEWS; v++)
		free(w->rows[v]);
	for (size_t i = 0; i < w->past_count; i++)
		free(w->past[i].values);
	free(w->sites);
	oh_idmap_free(&w->site_ids);
}

void
oh_watch_reset(struct oh_watch *w)
{
	int64_t window = w->growth_window_ns;
	bool no_symbols = w->no_symbols;
	const char *root = w->root;

	oh_watch_free(w);
	oh_watch_init(w);
	w->growth_window_ns = window;
	w->no_symbols = no_symbols;
	w->root = root;
}

/* ---- the past ------------------------------------------------------------------------ */

/* Where a window of this length begins: the newest look that is old enough, or the oldest. */
static const struct oh_watch_past *
begin_of(const struct oh_watch *w, int64_t window_ns)
{
	const struct oh_watch_past *found = NULL;

	for (size_t i = 0; i < w->past_count; i++)
		if (found == NULL || w->time_ns - w->past[i].time_ns >= window_ns)
			found = &w->past[i];
	return found;
}

static void
drop_oldest(struct oh_watch *w)
{
	free(w->past[0].values);
	memmove(w->past, w->past + 1, --w->past_count * sizeof(w->past[0]));
}

static void
keep(struct oh_watch *w)
{
	size_t most = PAST_BYTES / (sizeof(double[4]) * (w->site_count + 1));
	struct oh_watch_past *p;

	if (most > OH_WATCH_PASTS_MAX)
		most = OH_WATCH_PASTS_MAX;
	if (most < 4)
		most = 4;
	if (w->past_count > 0 && w->time_ns - w->past[w->past_count - 1].time_ns <
				     w->growth_window_ns / (int64_t)(most - 2))
		return;
	/* One that is older than the window is its begin; more are of no use. */
	while (w->past_count > 1 && w->time_ns - w->past[1].time_ns >= w->growth_window_ns)
		drop_oldest(w);
	while (w->past_count >= most)
		drop_oldest(w);
	p = &w->past[w->past_count++];
	*p = (struct oh_watch_past){
		.time_ns = w->time_ns,
		.total_bytes = w->total_bytes,
		.total_calls = w->total_calls,
		.count = w->site_count,
		.values = oh_xcalloc(w->site_count + 1, sizeof(*p->values)),
	};
	for (size_t i = 0; i < w->site_count; i++)
		memcpy(p->values[i], w->sites[i].now, sizeof(p->values[i]));
}

/* ---- sums ------------------------------------------------------------------------------ */

static void
add(struct oh_watch_values *to, const struct oh_watch_values *v)
{
	to->live_bytes += v->live_bytes;
	to->live_variance += v->live_variance;
	to->blocks += v->blocks;
	to->grown_bytes += v->grown_bytes;
	to->grown_variance += v->grown_variance;
	to->alloc_bytes += v->alloc_bytes;
	to->alloc_variance += v->alloc_variance;
	to->alloc_blocks += v->alloc_blocks;
}

/* Of the bytes of so many blocks. */
static double
variance(const struct oh_watch *w, double blocks, double size_bytes)
{
	if (w->interval_bytes <= 1 || !(blocks > 0))
		return 0;
	return oh_estimate_variance(blocks, size_bytes, (double)w->interval_bytes) * size_bytes *
	       size_bytes;
}

static double
then(const struct oh_watch_past *p, size_t site, int what)
{
	return p != NULL && site < p->count ? p->values[site][what] : 0;
}

static void
add_site(struct oh_watch *w, size_t i, const struct oh_watch_past *growth,
    const struct oh_watch_past *rate)
{
	const double *now = w->sites[i].now;
	double size = now[OH_WATCH_ALLOC] > 0 ? now[OH_WATCH_ALLOC_BYTES] / now[OH_WATCH_ALLOC] : 0;
	struct oh_watch_values v = {
		.live_bytes = now[OH_WATCH_LIVE_BYTES],
		.blocks = now[OH_WATCH_LIVE],
	};

	if (size < 1)
		size = 1;
	v.live_variance = variance(w, v.blocks, size);
	if (growth != NULL) {
		double live = then(growth, i, OH_WATCH_LIVE);
		double born = now[OH_WATCH_ALLOC] - then(growth, i, OH_WATCH_ALLOC);
		double died = born - (now[OH_WATCH_LIVE] - live);
		double moved = born + (died > 0 ? died : 0), most = now[OH_WATCH_LIVE] + live;

		v.grown_bytes = now[OH_WATCH_LIVE_BYTES] - then(growth, i, OH_WATCH_LIVE_BYTES);
		v.grown_variance = variance(w, moved < most ? moved : most, size);
	}
	if (rate != NULL) {
		v.alloc_blocks = now[OH_WATCH_ALLOC] - then(rate, i, OH_WATCH_ALLOC);
		v.alloc_bytes = now[OH_WATCH_ALLOC_BYTES] - then(rate, i, OH_WATCH_ALLOC_BYTES);
		v.alloc_variance = variance(w, v.alloc_blocks, size);
	}
	add(&w->stacks[w->sites[i].stack].values, &v);
	add(&w->sum, &v);
}

static void
add_up(struct oh_watch *w)
{
	const struct oh_watch_past *growth = begin_of(w, w->growth_window_ns);
	const struct oh_watch_past *rate = begin_of(w, RATE_WINDOW_NS);
	struct oh_watch_row *functions = w->rows[OH_WATCH_FUNCTIONS];

	memset(&w->sum, 0, sizeof(w->sum));
	for (unsigned v = 0; v < OH_WATCH_VIEWS; v++)
		for (size_t i = 0; i < w->row_count[v]; i++)
			w->rows[v][i].self = w->rows[v][i].cum = (struct oh_watch_values){ 0 };
	for (size_t i = 0; i < w->stack_count; i++)
		w->stacks[i].values = (struct oh_watch_values){ 0 };
	w->growth_s = growth != NULL ? (double)(w->time_ns - growth->time_ns) / 1e9 : 0;
	w->rate_s = rate != NULL ? (double)(w->time_ns - rate->time_ns) / 1e9 : 0;
	w->total_bytes_rate = w->total_calls_rate = 0;
	if (rate != NULL && w->rate_s > 0) {
		w->total_bytes_rate =
		    (double)(int64_t)(w->total_bytes - rate->total_bytes) / w->rate_s;
		w->total_calls_rate =
		    (double)(int64_t)(w->total_calls - rate->total_calls) / w->rate_s;
	}
	for (size_t i = 0; i < w->site_count; i++)
		add_site(w, i, growth, rate);
	for (size_t i = 0; i < w->stack_count; i++) {
		const struct oh_watch_stack *s = &w->stacks[i];

		w->rows[OH_WATCH_STACKS][i].self = s->values;
		for (uint32_t k = 0; k < s->row_count; k++) {
			struct oh_watch_row *row = &functions[w->stack_rows[s->rows_at + k]];

			if (k == 0)
				add(&row->self, &s->values);
			add(&row->cum, &s->values);
		}
	}
}

bool
oh_watch_add(struct oh_watch *w, const struct oh_tables *t, struct oh_error *err)
{
	uint32_t *stack_of = oh_xcalloc(t->stack_count, sizeof(*stack_of));
	bool good;

	if (w->p == NULL)
		oh_watch_names_init(w);
	good = oh_watch_names_add(w, t, stack_of);
	for (size_t i = 0; good && i < t->site_count; i++) {
		const struct oh_seen_site *from = &t->sites[i];
		uint32_t known = w->site_ids.count, s = oh_idmap_add(&w->site_ids, from->id);

		if (s == known) {
			w->sites =
			    oh_xgrow(w->sites, &w->site_cap, w->site_count + 1, sizeof(*w->sites));
			w->sites[w->site_count++].stack = stack_of[from->stack];
			good = w->site_count * sizeof(struct oh_site) <= t->root.arena_used;
		}
		w->sites[s].now[OH_WATCH_LIVE_BYTES] = from->live_bytes;
		w->sites[s].now[OH_WATCH_LIVE] = from->live_objects;
		w->sites[s].now[OH_WATCH_ALLOC_BYTES] = from->alloc_bytes;
		w->sites[s].now[OH_WATCH_ALLOC] = from->alloc_objects;
	}
	free(stack_of);
	if (!good)
		return oh_error_set(err, "its tables are damaged");
	w->looks++;
	w->time_ns = t->time_ns;
	w->start_ns = t->root.start_ns;
	w->interval_bytes = t->root.interval_bytes;
	w->total_bytes = t->total_bytes;
	w->total_calls = t->total_calls;
	w->samples = t->root.samples;
	w->samples_live = t->samples_live;
	w->own_bytes = t->own_bytes;
	memcpy(w->drops, t->drops, sizeof(w->drops));
	w->threads = t->threads;
	w->threads_unsure = t->threads_unsure;
	w->skipped = t->skipped;
	w->stopped = t->root.stopped != 0;
	add_up(w);
	keep(w);
	return true;
}

/* ---- order --------------------------------------------------------------------------------- */

bool
oh_watch_filter(struct oh_watch_look *l, const char *expression, struct oh_error *err)
{
	regex_t re;
	int rc;

	if (strlen(expression) >= sizeof(l->filter))
		return oh_error_set(err, "the expression is too long");
	if (*expression != '\0' && (rc = regcomp(&re, expression, REG_EXTENDED | REG_NOSUB)) != 0) {
		char why[120];

		(void)regerror(rc, &re, why, sizeof(why));
		return oh_error_set(err, "%s", why);
	}
	if (l->filter[0] != '\0')
		regfree(&l->re);
	memcpy(l->filter, expression, strlen(expression) + 1);
	if (*expression != '\0')
		l->re = re;
	return true;
}

void
oh_watch_look_free(struct oh_watch_look *l)
{
	if (l->filter[0] != '\0')
		regfree(&l->re);
	free(l->order);
}

static double
key_of(const struct oh_watch_look *l, const struct oh_watch_values *v)
{
	switch (l->sort) {
	case OH_WATCH_BY_GROWTH:
		return v->grown_bytes;
	case OH_WATCH_BY_RATE:
		return v->alloc_bytes;
	case OH_WATCH_BY_BLOCKS:
		return v->blocks;
	default:
		return v->live_bytes;
	}
}

struct order {
	const struct oh_watch_look *l;
	const struct oh_watch *w;
};

static int
compare(const void *x, const void *y, void *arg)
{
	const struct order *o = arg;
	uint32_t i = *(const uint32_t *)x, k = *(const uint32_t *)y;
	const struct oh_watch_row *rows = o->w->rows[o->l->view];
	const struct oh_watch_values *a = oh_watch_row_values(o->l, &rows[i]);
	const struct oh_watch_values *b = oh_watch_row_values(o->l, &rows[k]);
	double p = key_of(o->l, a), q = key_of(o->l, b);

	if (p == q) {
		p = a->live_bytes;
		q = b->live_bytes;
	}
	if (p != q)
		return p > q ? -1 : 1;
	return i < k ? -1 : 1; /* order of appearance: stays from look to look */
}

static bool
shows_anything(const struct oh_watch_values *v)
{
	return v->live_bytes != 0 || v->blocks != 0 || v->grown_bytes != 0 || v->alloc_bytes != 0 ||
	       v->alloc_blocks != 0;
}

/* [row of OH_WATCH_FUNCTIONS]: does it match the filter?  NULL without one. */
static uint8_t *
matching(const struct oh_watch_look *l, const struct oh_watch *w)
{
	uint8_t *ret;

	if (l->filter[0] == '\0')
		return NULL;
	ret = oh_xcalloc(w->row_count[OH_WATCH_FUNCTIONS], 1);
	for (size_t i = 0; i < w->row_count[OH_WATCH_FUNCTIONS]; i++) {
		const struct oh_watch_row *row = &w->rows[OH_WATCH_FUNCTIONS][i];
		uint32_t texts[] = { row->name, row->file, row->module };

		for (size_t k = 0; k < OH_ARRAY_LEN(texts) && !ret[i]; k++)
			ret[i] = texts[k] != 0 && regexec(&l->re, oh_profile_string(w->p, texts[k]),
						      0, NULL, 0) == 0;
	}
	return ret;
}

void
oh_watch_order(struct oh_watch_look *l, const struct oh_watch *w)
{
	uint8_t *match = matching(l, w);
	struct order o = { l, w };

	l->count = l->all = 0;
	for (size_t i = 0; i < w->row_count[l->view]; i++) {
		bool good = match == NULL;

		if (!shows_anything(oh_watch_row_values(l, &w->rows[l->view][i])))
			continue;
		l->all++;
		if (!good && l->view == OH_WATCH_FUNCTIONS)
			good = match[i];
		for (uint32_t k = 0;
		     !good && l->view == OH_WATCH_STACKS && k < w->stacks[i].row_count; k++)
			good = match[w->stack_rows[w->stacks[i].rows_at + k]];
		if (!good)
			continue;
		l->order = oh_xgrow(l->order, &l->cap, l->count + 1, sizeof(*l->order));
		l->order[l->count++] = (uint32_t)i;
	}
	if (l->count > 0)
		qsort_r(l->order, l->count, sizeof(*l->order), compare, &o);
	free(match);
}
