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

#define SERIES_MAX 64                      /* profiles that are looked at for suspects */
#define FALSE_DISCOVERY_RATE 0.05          /* of these */
#define LEAST_GROWTH (UINT64_C(256) << 10) /* as otheap leaks */

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
}

/* ---- suspects --------------------------------------------------------------------- */

/* Does it say what is in use? */
static bool
has_inuse(const struct oh_profile *p)
{
	return oh_profile_find_type(p, "inuse_space") >= 0 ||
	       oh_profile_find_type(p, "inuse-space") >= 0 || oh_profile_find_type(p, "space") >= 0;
}

/* Some of the dumps of the last process, evenly, the first and the last among them. */
static size_t
choose_series(struct oh_report *r)
{
	size_t all = r->count - r->base, n = all < SERIES_MAX ? all : SERIES_MAX;

	r->leak_names = oh_xcalloc(n, sizeof(*r->leak_names));
	for (size_t i = 0; i < n; i++) {
		size_t at = r->base + (n > 1 ? i * (all - 1) / (n - 1) : 0);

		if (is_stream(r->dumps[at].file))
			r->not_judged =
			    "a profile was read from a pipe; keep it in a file for that";
		r->leak_names[i] = (char *)(uintptr_t)r->dumps[at].file;
	}
	return n;
}

/* What the user does not want to see of otheap leaks he does not want to see here. */
static bool
read_suppressions(struct oh_report *r)
{
	const char *file = getenv("OTHEAP_LEAK_SUPPRESSIONS");
	struct oh_error err = { "" };

	if (file == NULL || *file == '\0' || strcmp(file, "none") == 0 ||
	    oh_suppressions_read(&r->leaks.suppressions, file, &err))
		return true;
	(void)fprintf(stderr, "otheap: %s\n", err.text);
	return false;
}

static bool
judge(struct oh_report *r)
{
	size_t count;

	if (!has_inuse(r->last)) {
		r->not_judged = "the profiles do not say what is in use";
		return true;
	}
	count = choose_series(r);
	if (r->not_judged != NULL)
		return true;
	r->leaks.a = r->a;
	r->leaks.level = FALSE_DISCOVERY_RATE;
	r->leaks.min_bytes = LEAST_GROWTH;
	r->leaks.prefix = "";
	r->judged = true; /* from here on there is something to free */
	if (!read_suppressions(r) || !oh_leak_read(&r->leaks, r->leak_names, count))
		return false;
	oh_leak_sites(&r->leaks, true);
	oh_leak_judge(&r->leaks);
	oh_leak_suppress(&r->leaks);
	return true;
}

struct oh_leak_part
oh_report_lost(const struct oh_report *r)
{
	struct oh_leak_part sum = { 0 };

	for (size_t i = 0; r->judged && i < r->leaks.site_count; i++)
		if (oh_leak_is(&r->leaks.sites[i], OH_LEAK_IS_LOST)) {
			struct oh_leak_part part = oh_leak_lost_part(&r->leaks.sites[i]);

			sum.bytes += part.bytes;
			sum.blocks += part.blocks;
			sum.variance += part.variance;
		}
	return sum;
}

size_t
oh_report_count(const struct oh_report *r, enum oh_leak_verdict v)
{
	size_t n = 0;

	for (size_t i = 0; r->judged && i < r->leaks.site_count; i++)
		n += oh_leak_is(&r->leaks.sites[i], v);
	return n;
}

/* ---- what changed ------------------------------------------------------------------ */

static void
add_variance(struct oh_report *r, const struct oh_merge *m)
{
	r->growth_variance = m->has_variance || m->exact ? 0 : -1;
	for (size_t s = 0; r->growth_variance >= 0 && s < m->p->sample_count; s++)
		r->growth_variance += m->variance[s];
}

/* The first and the last of the process, merged. */
static bool
compare(struct oh_report *r)
{
	bool filtered = r->a->focus != NULL || r->a->ignore != NULL || r->a->hide != NULL;
	const struct oh_leaks *l = &r->leaks;
	struct oh_args by_name = *r->a;
	struct oh_profile *pair[2];
	int types[2];

	r->has_growth = true;
	r->changed_types[1] = 1;
	if (r->judged && !filtered && l->types[l->count - 1] == (int)r->type) {
		r->changed = l->merge.p;
		r->changed_types[0] = (unsigned)l->count;
		add_variance(r, &l->merge);
		return true;
	}
	pair[0] = again(r, r->base);
	pair[1] = r->last;
	by_name.sample_type = r->type_name;
	types[0] = pair[0] ? oh_args_type(&by_name, r->dumps[r->base].file, pair[0]) : -2;
	types[1] = (int)r->type;
	if (types[0] < 0)
		return false;
	if (filtered) { /* one of them may have names by now */
		oh_args_names(r->a, pair[0], OH_ARGS_EVERY, NULL);
		oh_args_names(r->a, pair[1], OH_ARGS_EVERY, NULL);
	}
	oh_merge(&r->merge, pair, types, 2);
	oh_args_names(r->a, r->merge.p, OH_ARGS_EVERY, r->merge.variance);
	r->changed = r->merge.p;
	r->changed_types[0] = 2;
	add_variance(r, &r->merge);
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
	if (!take_last(r) || !judge(r) || (r->base + 1 < r->count && !compare(r)))
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
	oh_merge_free(&r->merge);
	oh_leaks_free(&r->leaks);
	free(r->leak_names);
	free(r->type_name);
	memset(r, 0, sizeof(*r));
}
