/* SPDX-License-Identifier: Apache-2.0 */
/*
 * estimate.c - how far may an estimate be from the truth?
 *
 * Sources  Variance of the Horvitz-Thompson estimator with independent
 *	    sampling of each block; 1.96 is the normal quantile of 97.5 %.
	    Y. Benjamini and Y. Hochberg, "Controlling the False Discovery Rate",
	    Journal of the Royal Statistical Society B 57(1), 1995, pp. 289-300.
 */
#include "tools/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double
oh_estimate_variance(double objects, double size_bytes, double interval_bytes)
{
	double s = size_bytes < 1 ? 1 : size_bytes;

	/* w - 1 = 1 / (e^(s/T) - 1); for s much larger than T this is 0, as it should be. */
	return fabs(objects) / expm1(s / interval_bytes);
}

double
oh_estimate_half_width(double variance)
{
	return 1.96 * sqrt(variance);
}

static bool
one_of(const char *s, const char *const *list)
{
	while (*list != NULL && strcmp(s, *list) != 0)
		list++;
	return *list != NULL;
}

static enum oh_estimate_kind
kind_of(const struct oh_profile *p, unsigned type)
{
	static const char *const object_types[] = { "alloc_objects", "inuse_objects", "objects",
		"alloc-samples", "inuse-objects", NULL };
	static const char *const space_types[] = { "alloc_space", "inuse_space", "space",
		"alloc-space", "inuse-space", NULL };
	const char *name = oh_profile_string(p, p->types[type].type);
	const char *unit = oh_profile_string(p, p->types[type].unit);
	enum oh_estimate_kind kind = OH_ESTIMATE_NONE;

	if (strcmp(oh_profile_string(p, p->period_type.type), "space") != 0 ||
	    strcmp(oh_profile_string(p, p->period_type.unit), "bytes") != 0 || p->period < 1)
		return OH_ESTIMATE_NONE;
	if (one_of(name, object_types) && strcmp(unit, "count") == 0)
		kind = OH_ESTIMATE_OBJECTS;
	else if (one_of(name, space_types) && strcmp(unit, "bytes") == 0)
		kind = OH_ESTIMATE_BYTES;
	return kind != OH_ESTIMATE_NONE && p->period == 1 ? OH_ESTIMATE_EXACT : kind;
}

void
oh_estimator_init(struct oh_estimator *e, const struct oh_profile *p, unsigned type)
{
	int64_t *size;

	memset(e, 0, sizeof(*e));
	e->kind = kind_of(p, type);
	if (e->kind != OH_ESTIMATE_OBJECTS && e->kind != OH_ESTIMATE_BYTES)
		return;
	e->interval_bytes = (double)p->period;
	size = oh_xcalloc(p->label_set_count, sizeof(*size));
	for (size_t set = 0; set < p->label_set_count; set++) {
		size[set] = -1;
		for (uint32_t i = p->label_at[set]; i < p->label_at[set + 1]; i++) {
			const struct oh_label *l = &p->labels[i];

			if (l->str == 0 && l->num >= 0 &&
			    strcmp(oh_profile_string(p, l->key), "bytes") == 0)
				size[set] = l->num;
		}
	}
	e->size_bytes = size;
}

void
oh_estimator_free(struct oh_estimator *e)
{
	free((void *)(uintptr_t)e->size_bytes);
	e->size_bytes = NULL;
}

double
oh_estimator_variance(const struct oh_estimator *e, uint32_t label_set, int64_t value)
{
	double size, v = fabs((double)value);

	if (e->size_bytes == NULL || value == 0)
		return 0;
	if (e->size_bytes[label_set] < 0)
		return -1;
	size = (double)e->size_bytes[label_set];
	if (size < 1)
		size = 1;
	if (e->kind == OH_ESTIMATE_OBJECTS)
		return oh_estimate_variance(v, size, e->interval_bytes);
	return oh_estimate_variance(v / size, size, e->interval_bytes) * size * size;
}

double
oh_estimate_p_value(double value, double variance)
{
	if (value == 0)
		return 1;
	return variance > 0 ? erfc(fabs(value) / sqrt(2 * variance)) : 0;
}

struct ranked {
	double p;
	size_t i;
};

static int
compare_ranked(const void *x, const void *y)
{
	const struct ranked *a = x, *b = y;

	return a->p < b->p ? -1 : a->p > b->p;
}

void
oh_estimate_adjust(double *p, size_t count)
{
	struct ranked *r = oh_xcalloc(count, sizeof(*r));
	double least = 1;

	for (size_t i = 0; i < count; i++)
		r[i] = (struct ranked){ p[i], i };
	qsort(r, count, sizeof(*r), compare_ranked);
	for (size_t rank = count; rank > 0; rank--) {
		least = fmin(least, r[rank - 1].p * (double)count / (double)rank);
		p[r[rank - 1].i] = least;
	}
	free(r);
}
