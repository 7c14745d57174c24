/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leak_stat.h - the mathematics of `otheap leaks`: pure functions of numbers.
 *
 * Which test answers which question, and why these, is told in leak_judge.c.
 */
#ifndef OH_TOOLS_LEAK_STAT_H
#define OH_TOOLS_LEAK_STAT_H

#include <stddef.h>

#include "core/base.h"

/*
 * P(X >= k) for X binomial(n, 1/2): how probable are `k` heads or more of `n`?
 *
 *   k, n  whole numbers of any size; k <= 0 gives 1, k > n gives 0
 * Exact but for the rounding of lgamma, about 1e-12 of the result for n = 1000.
 * Check: n = 10, k = 8 -> 56 / 1024 = 0.0546875.
 */
double oh_binomial_half_tail(double k, double n);

/*
 * P(X <= k) for X Poisson of mean `mean` >= 0; k < 0 gives 0.
 * Check (R): ppois(2, 8) -> 0.013753968, ppois(90, 100) -> 0.17138512.
 */
double oh_poisson_tail(double k, double mean);

/*
 * Which hypotheses can be tested at all?  Of discrete tests, one whose least
 * possible p-value is above the level cannot be a finding, and need not count
 * among those that are corrected for.
 *
 *   least  [count]: the least p-value that test i could have given, which must
 *          not depend on what it gave
 * Returns K, the number of tests to correct for: the least K >= 1 such that at
 * most K of them have least <= level / K.
 *
 * R. E. Tarone, Biometrics 46(2), 1990, pp. 515-522; for the false discovery
 * rate P. B. Gilbert, Applied Statistics 54(1), 2005, pp. 143-158.
 * Check: least = .0001 .0001 .04 .2 .2, level .05 -> 2.
 */
size_t oh_tarone(const double *least, size_t count, double level);

/*
 * Kendall's S of a series: pairs that go up less pairs that go down, in order
 * of time.  Ties count 0.  *ret_variance (NULL: not wanted) is Var(S) if there
 * is no trend, corrected for ties.
 */
double oh_kendall_s(const double *y, size_t n, double *ret_variance);

/*
 * P(S >= s) if there is no trend (Mann 1945).  Exact up to 40 values if no two
 * are equal, else by the normal distribution with correction for continuity
 * and ties.  1 for fewer than 3 values.
 * Check: five values that rise -> 1 / 120 = 0.008333; S = 6 of five -> 0.1167.
 * Source: M. G. Kendall, Rank Correlation Methods, 1975, table 1.
 */
double oh_kendall_p(const double *y, size_t n);

struct oh_slope {
	double value, low, high; /* per unit of time; 95 % interval */
};

/*
 * The median of the slopes of all pairs of points (Theil 1950, Sen 1968), with
 * Sen's interval from Kendall's distribution.  That is the range of all slopes
 * where n is below 6: no smaller one reaches 95 %.  Points at the same time
 * make no pair; without any pair all three are 0.
 *
 *   n <= OH_SLOPE_POINTS_MAX
 * Check: t = 1 2 3 4, y = 1 3 4 9 -> slopes 1 2 2 2.667 3 5, median 2.333.
 * P. K. Sen, Journal of the American Statistical Association 63, 1968, pp. 1379-1389.
 */
#define OH_SLOPE_POINTS_MAX 256
struct oh_slope oh_sen_slope(const double *t, const double *y, size_t n);

/* A block, or several: its age and how many it stands for. */
struct oh_age {
	double age_ms, count;
};

/* Of `n` ages, the youngest first, the one below which the share q in [0, 1] of the blocks is; 0 of
 * none. */
double oh_ages_quantile(const struct oh_age *a, size_t n, double q);

/*
 * The width of the shortest interval that holds half of the blocks, the youngest first
 * (the shorth: D. F. Andrews and others, Robust Estimates of Location, 1972); 0 of none.
 */
double oh_ages_shorth_ms(const struct oh_age *a, size_t n);

#endif
