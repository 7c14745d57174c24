/* SPDX-License-Identifier: Apache-2.0 */
/*
 * estimate.h - how far may an estimate be from the truth?
 *
 * A heap profile holds estimates: each sampled block of s bytes stands for
 * w = 1 / (1 - e^(-s/T)) blocks, T being the interval.  What was sampled is a
 * matter of chance, so each sum has a variance; a profile carries enough to
 * work it out again, without the raw samples.
 */
#ifndef OH_TOOLS_ESTIMATE_H
#define OH_TOOLS_ESTIMATE_H

#include <stddef.h>

#include "core/base.h"
#include "tools/profile.h"

/*
 * The variance of `objects` blocks of `size_bytes` each, estimated at
 * `interval_bytes`; in blocks squared.
 *
 *   objects   the estimate (already scaled), n * w for n raw samples
 *   size_bytes  of one block; 0 counts as 1, as the sampler does
 *
 * n blocks sampled with probability p = 1/w each stand for n * w, with
 * variance n * w * (w - 1) = objects * (w - 1).  For bytes, times size^2.
 * Check: 1.5820 objects, size = interval -> 1.5820 * 0.5820 = 0.9207.
 */
double oh_estimate_variance(double objects, double size_bytes, double interval_bytes);

/* What value does the estimate speak of?  Decides whether error bars are known. */
enum oh_estimate_kind {
	OH_ESTIMATE_NONE,    /* not a sampled heap value, or sampled in an unknown way */
	OH_ESTIMATE_EXACT,   /* interval 1: every allocation counted */
	OH_ESTIMATE_OBJECTS, /* a number of blocks */
	OH_ESTIMATE_BYTES,   /* their bytes */
};

struct oh_estimator {
	enum oh_estimate_kind kind;
	double interval_bytes;
	const int64_t *size_bytes; /* [label set] -> block size; -1 = label missing */
};

/*
 * Prepare for sample type `type` of `p`: heap values by name and unit, period
 * type space/bytes, the numeric label `bytes` giving each sample's block size.
 * oh_estimator_free releases what it holds.
 */
void oh_estimator_init(struct oh_estimator *e, const struct oh_profile *p, unsigned type);
void oh_estimator_free(struct oh_estimator *e);

/*
 * The variance of one sample's value.  Negative when it is not known (the
 * sample has no size); 0 for OH_ESTIMATE_NONE and _EXACT.
 */
double oh_estimator_variance(const struct oh_estimator *e, uint32_t label_set, int64_t value);

/* Half the width of the 95 % interval of a sum with this variance: 1.96 standard deviations. */
double oh_estimate_half_width(double variance);

/*
 * How probable is a value at least this far from 0 if the truth is 0?  By the
 * normal distribution, both sides; with variance 0 any value but 0 is certain.
 * Check: value 1.96, variance 1 -> 0.0500.
 */
double oh_estimate_p_value(double value, double variance);

/*
 * Replace `count` p-values by adjusted ones (Benjamini and Hochberg 1995):
 * calling those below 5 % findings makes 5 % of the findings false, on average.
 * Check: 0.01 0.02 0.03 0.5 -> 0.04 0.04 0.04 0.5.
 */
void oh_estimate_adjust(double *p, size_t count);

#endif
