/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_data.c - what otheap report tells: the series, the last profile, what grew.
 *
 * A series may be long, so each profile is read, added up and let go.  Two are
 * read again, with names: the last one, and the first of the same process, which
 * its growth is measured from.
 */
#include "tools/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/compare.h"
#include "tools/mem.h"

#define FALSE_DISCOVERY_RATE 0.05

static const char *const class_names[OH_REPORT_CLASSES] = { "lost", "interior", "indirect" };

/* ---- one profile ---------------------------------------------------------------- */

static char *
copy(const char *s)
{
	size_t len = s != NULL ? strlen(s) : 0;
	char *to = oh_xcalloc(len + 1, 1);

	if (len > 0)
		memcpy(to, s, len);
	return to;
}

/* "12 bytes in 3 allocations" */
static void
read_exact(struct oh_report_dump *d, const char *comment)
{
	d->allocated_bytes = d->allocations = -1;
	if (comment != NULL && sscanf(comment, "%18" SCNd64 " bytes in %18" SCNd64,
				   &d->allocated_bytes, &d->allocations) != 2)
		d->allocated_bytes = d->allocations = -1;
}

static void
add_up(struct oh_report_dump *d, const struct oh_profile *p, unsigned type, bool *ret_exact)
{
	struct oh_estimator est;
	int objects = oh_profile_find_type(p, "inuse_objects");

	oh_estimator_init(&est, p, type);
	*ret_exact = est.kind == OH_ESTIMATE_EXACT;
	d->variance = est.kind == OH_ESTIMATE_NONE ? -1 : 0;
	d->objects = objects >= 0 ? 0 : -1;
	for (size_t s = 0; s < p->sample_count; s++) {
		int64_t value = oh_profile_value(p, s, type);
		double v = oh_estimator_variance(&est, p->label_set[s], value);

		d->total = oh_add_saturated(d->total, value);
		if (v < 0)
			d->variance = -1;
		else if (d->variance >= 0)
			d->variance += v;
		if (objects >= 0)
			d->objects =
			    oh_add_saturated(d->objects, oh_profile_value(p, s, (unsigned)objects));
	}
	oh_estimator_free(&est);
}

static void
note(struct oh_report_dump *d, const struct oh_profile *p, unsigned type, bool *ret_exact)
{
	d->time_ns = p->time_ns;
	d->duration_ns = p->duration_ns;
	d->trigger = copy(oh_profile_comment(p, "trigger: "));
	d->pid = copy(oh_profile_comment(p, "pid: "));
	read_exact(d, oh_profile_comment(p, "exact totals: "));
	add_up(d, p, type, ret_exact);
}

/* ---- the series ----------------------------------------------------------------- */

static int
by_time(const void *x, const void *y)
{
	const struct oh_report_dump *a = x, *b = y;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

/* Is there no reading it a second time? */
static bool
is_stream(const char *file)
{
	struct stat st;

	return strcmp(file, "-") == 0 || (stat(file, &st) == 0 && !S_ISREG(st.st_mode));
}

static bool
read_series(struct oh_report *r, char **files)
{
	struct oh_args by_name = *r->a;
	int first_type = -1;

	for (size_t i = 0; i < r->count; i++) {
		struct oh_report_dump *d = &r->dumps[i];
		struct oh_profile *p = d->p = oh_args_read(r->a, files[i]);
		int type = p != NULL ? oh_args_type(&by_name, files[i], p) : -2;

		d->file = files[i];
		d->order = i;
		if (type == -1)
			(void)fprintf(stderr, "otheap: %s: no sample types, nothing to report\n",
			    oh_file_name(files[i]));
		if (type < 0)
			return false;
		if (i == 0) { /* the name that the first file gives it, wherever it is later */
			first_type = type;
			r->type_name = copy(oh_profile_string(p, p->types[type].type));
			by_name.sample_type = r->type_name;
		} else if (!oh_compare_fits(
			       r->a, files[0], r->dumps[0].p, first_type, files[i], p, type)) {
			return false;
		}
		if (r->a->focus != NULL || r->a->ignore != NULL)
			oh_args_names(r->a, p, OH_ARGS_EVERY, NULL);
		note(d, p, (unsigned)type, &r->exact);
		if (i > 0 && r->count > 2 && !is_stream(files[i])) {
			oh_profile_free(p);
			d->p = NULL;
		}
	}
	return true;
}

/* Without process IDs, as in files of other writers, all are taken to be of one. */
static bool
follows(const struct oh_report_dump *a, const struct oh_report_dump *b)
{
	double start_a = (double)a->time_ns - (double)a->duration_ns;
	double start_b = (double)b->time_ns - (double)b->duration_ns;

	if (a->pid[0] == '\0' && b->pid[0] == '\0')
		return true;
	return strcmp(a->pid, b->pid) == 0 && fabs(start_a - start_b) < 1e9;
}

static void
order_series(struct oh_report *r)
{
	qsort(r->dumps, r->count, sizeof(*r->dumps), by_time);
	r->base = 0;
	for (size_t i = 1; i < r->count; i++) {
		r->dumps[i].follows = follows(&r->dumps[i - 1], &r->dumps[i]);
		if (!r->dumps[i].follows)
			r->base = i;
	}
	r->timed = r->dumps[0].time_ns > 0 && r->dumps[r->count - 1].time_ns > r->dumps[0].time_ns;
}

static struct oh_profile *
again(struct oh_report *r, size_t i)
{
	struct oh_report_dump *d = &r->dumps[i];

	if (d->p == NULL)
		d->p = oh_args_read(r->a, d->file);
	return d->p;
}

/* ---- the last one ---------------------------------------------------------------- */

static const char *
leak_class(const struct oh_profile *p, uint32_t set)
{
	for (uint32_t i = p->label_at[set]; i < p->label_at[set + 1]; i++)
		if (strcmp(oh_profile_string(p, p->labels[i].key), "leak") == 0)
			return oh_profile_string(p, p->labels[i].str);
	return NULL;
}

static void
add_class(struct oh_report_class *k, int64_t value, double variance)
{
	k->bytes = oh_add_saturated(k->bytes, value);
	k->variance = variance < 0 || k->variance < 0 ? -1 : k->variance + variance;
}

/* The sums by class of leak, and the call stacks of what is lost. */
static void
add_classes(struct oh_report *r)
{
	struct oh_profile *p = r->last;
	const char *said = oh_profile_comment(p, "leak check: ");
	int64_t *all = p->values;
	struct oh_estimator est;

	/* For a while the profile holds the lost blocks alone. */
	p->values = oh_xcalloc(p->sample_count * p->type_count, sizeof(*all));
	oh_estimator_init(&est, p, r->type);
	for (size_t s = 0; s < p->sample_count; s++) {
		const char *class = leak_class(p, p->label_set[s]);
		size_t at = s * p->type_count + r->type;
		double v = oh_estimator_variance(&est, p->label_set[s], all[at]);

		if (est.kind == OH_ESTIMATE_NONE)
			v = -1;
		for (int c = 0; class != NULL && c < OH_REPORT_CLASSES; c++)
			if (strcmp(class, class_names[c]) == 0) {
				r->checked = true;
				add_class(&r->classes[c], all[at], v);
				if (c == OH_REPORT_LOST)
					p->values[at] = all[at];
			}
	}
	oh_estimator_free(&est);
	if (said != NULL && strncmp(said, "not made: ", 10) == 0)
		r->not_checked = said + 10;
	else if (said != NULL)
		r->checked = true;
	oh_aggregate(&r->lost, p, r->type, OH_VIEW_STACKS);
	oh_table_sort(&r->lost, p, false);
	free(p->values);
	p->values = all;
}

static bool
take_last(struct oh_report *r)
{
	struct oh_report_dump *d = &r->dumps[r->count - 1];
	struct oh_args by_name = *r->a;
	int type;

	r->last = again(r, r->count - 1);
	by_name.sample_type = r->type_name;
	type = r->last != NULL ? oh_args_type(&by_name, d->file, r->last) : -2;
	if (type < 0)
		return false;
	r->type = (unsigned)type;
	return true;
}

static void
add_last(struct oh_report *r)
{
	struct oh_profile *p = r->last;

	oh_args_names(r->a, p, OH_ARGS_EVERY, NULL);
	oh_aggregate(&r->functions, p, r->type, OH_VIEW_FUNCTIONS);
	oh_table_sort(&r->functions, p, false);
	oh_aggregate(&r->stacks, p, r->type, OH_VIEW_STACKS);
	oh_table_sort(&r->stacks, p, false);
	r->unit = oh_profile_string(p, p->types[r->type].unit);
	add_classes(r);
}

/* ---- what grew -------------------------------------------------------------------- */

static void
find_growth(struct oh_report *r)
{
	struct oh_table *t = &r->grown;
	double *q;
	size_t kept = 0;

	for (size_t i = 0; i < t->row_count; i++)
		if (t->rows[i].flat != 0)
			t->rows[kept++] = t->rows[i];
	t->row_count = kept;
	oh_table_sort(t, r->merge.p, false);
	q = oh_xcalloc(kept, sizeof(*q));
	for (size_t i = 0; i < kept; i++)
		q[i] = oh_estimate_p_value((double)t->rows[i].flat, t->rows[i].flat_variance);
	oh_estimate_adjust(q, kept);
	r->growth = oh_xcalloc(kept, sizeof(*r->growth));
	for (size_t i = 0; i < kept; i++)
		if (t->rows[i].flat > 0 && (!r->growth_known || q[i] < FALSE_DISCOVERY_RATE))
			r->growth[r->growth_count++] = (struct oh_report_growth){
				.row = (uint32_t)i,
				.q = q[i],
			};
	free(q);
}

static bool
compare(struct oh_report *r)
{
	struct oh_args by_name = *r->a;
	struct oh_profile *first = again(r, r->base), *pair[2];
	int types[2];

	if (first == NULL)
		return false;
	by_name.sample_type = r->type_name;
	types[0] = oh_args_type(&by_name, r->dumps[r->base].file, first);
	types[1] = (int)r->type;
	if (types[0] < 0)
		return false;
	if (r->a->focus != NULL || r->a->ignore != NULL) { /* one of them may have names by now */
		oh_args_names(r->a, first, OH_ARGS_EVERY, NULL);
		oh_args_names(r->a, r->last, OH_ARGS_EVERY, NULL);
	}
	pair[0] = first;
	pair[1] = r->last;
	oh_merge(&r->merge, pair, types, 2);
	r->has_growth = true;
	r->growth_known = r->merge.has_variance || r->merge.exact;
	oh_args_names(r->a, r->merge.p, OH_ARGS_EVERY, r->merge.variance);
	oh_aggregate_all(&r->grown, r->merge.p, 0, OH_VIEW_STACKS, r->merge.variance);
	oh_aggregate_all(&r->before, r->merge.p, 1, OH_VIEW_STACKS, NULL);
	find_growth(r);
	return true;
}

/* ---- all of it -------------------------------------------------------------------- */

bool
oh_report_make(struct oh_report *r, const struct oh_args *a, char **files, size_t count)
{
	memset(r, 0, sizeof(*r));
	r->a = a;
	r->count = count;
	r->dumps = oh_xcalloc(count, sizeof(*r->dumps));
	if (!read_series(r, files))
		return false;
	order_series(r);
	if (!take_last(r) || (r->base + 1 < r->count && !compare(r)))
		return false;
	add_last(r);
	return true;
}

void
oh_report_free(struct oh_report *r)
{
	for (size_t i = 0; i < r->count; i++) {
		oh_profile_free(r->dumps[i].p);
		free(r->dumps[i].trigger);
		free(r->dumps[i].pid);
	}
	free(r->dumps);
	oh_table_free(&r->functions);
	oh_table_free(&r->stacks);
	oh_table_free(&r->lost);
	oh_table_free(&r->grown);
	oh_table_free(&r->before);
	oh_merge_free(&r->merge);
	free(r->growth);
	free(r->type_name);
	memset(r, 0, sizeof(*r));
}
