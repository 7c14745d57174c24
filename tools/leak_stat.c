/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leak_stat.c - the mathematics of `otheap leaks`: pure functions of numbers.
 */
#include "tools/leak_stat.h"

#include <math.h>
#include <stdlib.h>

#include "tools/mem.h"

#define EXACT_MAX 40

/* ---- counts ------------------------------------------------------------------ */

/* The tail from k > n / 2 on: the terms fall at least as fast as a geometric series. */
static double
upper_tail(double k, double n)
{
	double term = exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * M_LN2), sum = 0;

	while (k <= n && term > sum * 1e-17) {
		sum += term;
		term *= (n - k) / (k + 1);
		k++;
	}
	return fmin(sum, 1);
}

double
oh_binomial_half_tail(double k, double n)
{
	if (k <= 0)
		return 1;
	if (k > n)
		return 0;
	/* By symmetry P(X <= k - 1) = P(X >= n - k + 1). */
	return 2 * k > n ? upper_tail(k, n) : 1 - upper_tail(n - k + 1, n);
}

double
oh_poisson_tail(double k, double mean)
{
	double term, sum = 0;

	if (k < 0)
		return 0;
	if (mean <= 0)
		return 1;
	k = floor(k);
	/* The largest terms are those nearest to the mean: from there down. */
	for (double i = k > mean ? floor(mean) : k; i >= 0; i--) {
		term = exp(i * log(mean) - mean - lgamma(i + 1));
		sum += term;
		if (term < sum * 1e-17)
			break;
	}
	for (double i = floor(mean) + 1; i <= k; i++) {
		term = exp(i * log(mean) - mean - lgamma(i + 1));
		sum += term;
		if (term < sum * 1e-17)
			break;
	}
	return fmin(sum, 1);
}

size_t
oh_tarone(const double *least, size_t count, double level)
{
	size_t k = 0, can;

	do {
		k++;
		can = 0;
		for (size_t i = 0; i < count; i++)
			can += least[i] <= level / (double)k;
	} while (can > k);
	return k;
}

/* ---- trend --------------------------------------------------------------------- */

static int
compare_doubles(const void *x, const void *y)
{
	const double *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

double
oh_kendall_s(const double *y, size_t n, double *ret_variance)
{
	double s = 0, m = (double)n, ties = 0, *sorted;

	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			s += (y[j] > y[i]) - (y[j] < y[i]);
	if (ret_variance == NULL)
		return s;
	sorted = oh_xcalloc(n, sizeof(*sorted));
	for (size_t i = 0; i < n; i++)
		sorted[i] = y[i];
	qsort(sorted, n, sizeof(*sorted), compare_doubles);
	for (size_t i = 0, run; i < n; i += run) {
		double t;

		for (run = 1; i + run < n && sorted[i + run] == sorted[i];)
			run++;
		t = (double)run;
		ties += t * (t - 1) * (2 * t + 5);
	}
	free(sorted);
	*ret_variance = (m * (m - 1) * (2 * m + 5) - ties) / 18;
	return s;
}

/*
 * P(S >= s) of n distinct values.  The number of orders with d pairs that go
 * down is that of permutations with d inversions; S = n (n - 1) / 2 - 2 d.
 */
static double
exact_p(double s, size_t n)
{
	static double p[EXACT_MAX * (EXACT_MAX - 1) / 2 + 1],
	    q[EXACT_MAX * (EXACT_MAX - 1) / 2 + 1];
	size_t most = 0;
	double sum = 0;

	p[0] = 1;
	for (size_t m = 2; m <= n; m++) {
		/* The m-th value goes to one of m places, making 0 to m - 1 inversions. */
		size_t next = most + m - 1;

		for (size_t d = 0; d <= next; d++) {
			q[d] = 0;
			for (size_t k = 0; k < m && k <= d; k++)
				q[d] += d - k <= most ? p[d - k] : 0;
		}
		for (size_t d = 0; d <= next; d++)
			p[d] = q[d] / (double)m;
		most = next;
	}
	for (size_t d = 0; d <= most && (double)most - 2 * (double)d >= s; d++)
		sum += p[d];
	return fmin(sum, 1);
}

double
oh_kendall_p(const double *y, size_t n)
{
	double m = (double)n, variance, s;

	if (n < 3)
		return 1;
	s = oh_kendall_s(y, n, &variance);
	if (variance <= 0)
		return 1;
	if (n <= EXACT_MAX && variance == m * (m - 1) * (2 * m + 5) / 18)
		return exact_p(s, n);
	return erfc((s - 1) / sqrt(2 * variance)) / 2;
}

struct oh_slope
oh_sen_slope(const double *t, const double *y, size_t n)
{
	struct oh_slope r = { 0, 0, 0 };
	double *slopes = oh_xcalloc(n * n / 2 + 1, sizeof(*slopes)), variance, c, low, high;
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			if (t[j] != t[i])
				slopes[count++] = (y[j] - y[i]) / (t[j] - t[i]);
	if (count > 0) {
		qsort(slopes, count, sizeof(*slopes), compare_doubles);
		r.value = (slopes[(count - 1) / 2] + slopes[count / 2]) / 2;
		(void)oh_kendall_s(y, n, &variance);
		c = 1.96 * sqrt(variance);
		/* Sen: the M1-th smallest and the (M2 + 1)-th, M = (count -+ c) / 2. */
		low = floor(((double)count - c) / 2) - 1;
		high = ceil(((double)count + c) / 2);
		if (n < 6 || low < 0)
			low = 0;
		if (n < 6 || high > (double)count - 1)
			high = (double)count - 1;
		r.low = slopes[(size_t)low];
		r.high = slopes[(size_t)high];
	}
	free(slopes);
	return r;
}

/* ---- ages ---------------------------------------------------------------------- */

double
oh_ages_quantile(const struct oh_age *a, size_t n, double q)
{
	double total = 0, below = 0;
	size_t i;

	for (i = 0; i < n; i++)
		total += a[i].count;
	for (i = 0; i < n; i++) {
		below += a[i].count;
		if (below >= q * total)
			return a[i].age_ms;
	}
	return n > 0 ? a[n - 1].age_ms : 0;
}

double
oh_ages_shorth_ms(const struct oh_age *a, size_t n)
{
	double total = 0, held = 0, least = INFINITY;

	for (size_t i = 0; i < n; i++)
		total += a[i].count;
	/* From a[i] to a[to - 1] is held: as few as are half. */
	for (size_t i = 0, to = 0; i < n; i++) {
		while (to < n && held < total / 2)
			held += a[to++].count;
		if (held < total / 2)
			break;
		least = fmin(least, a[to - 1].age_ms - a[i].age_ms);
		held -= a[i].count;
	}
	return isfinite(least) ? least : 0;
}
