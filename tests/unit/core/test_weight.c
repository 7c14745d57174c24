/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_weight.c - one sample stands for as many allocations as it should.
 */
#include "unit.h"

#include <math.h>

#include "core/weight.h"

#define CLOSE(a, b, relative) ck_assert_double_le(fabs((a) - (b)), (relative)*fabs(b))

START_TEST(check_values_of_the_header)
{
	CLOSE(oh_weight(1, 524288), 524288.5, 1e-9);
	CLOSE(oh_weight(524288, 524288), M_E / (M_E - 1), 1e-12);
	ck_assert_int_eq(oh_draw(UINT64_C(1) << 63, 524288), (int64_t)(524288 * M_LN2));
}
END_TEST

/* 1/x + 1/2 + x/12 for small x = size / interval; 1 + e^-x for large x. */
START_TEST(weight_follows_both_series_from_1_byte_to_1_tib)
{
	static const uint64_t intervals[] = { 2, 512, 4096, 524288, UINT64_C(1) << 30,
		UINT64_C(1) << 40 };

	for (size_t i = 0; i < OH_ARRAY_LEN(intervals); i++) {
		double last = INFINITY;
		for (uint64_t size = 1; size <= UINT64_C(1) << 40; size *= 2) {
			double w = oh_weight(size, intervals[i]);
			double x = (double)size / (double)intervals[i];
			ck_assert(isfinite(w));
			ck_assert_double_ge(w, 1.0);
			ck_assert_double_le(w, last);
			last = w;
			if (x < 1e-3)
				CLOSE(w, 1 / x + 0.5 + x / 12, 1e-12);
			else if (x > 20)
				CLOSE(w, 1 + exp(-x), 1e-12);
			else
				CLOSE(w, 1 / (1 - exp(-x)), 1e-12);
		}
	}
}
END_TEST

START_TEST(empty_is_taken_as_one_byte)
{
	ck_assert(oh_weight(0, 4096) == oh_weight(1, 4096));
}
END_TEST

START_TEST(interval_0_and_1_mean_everything)
{
	for (uint64_t size = 0; size < 100; size++) {
		ck_assert(oh_weight(size, 1) == 1.0);
		ck_assert(oh_weight(size, 0) == 1.0);
	}
	ck_assert(oh_weight(UINT64_MAX, 1) == 1.0);
}
END_TEST

START_TEST(draw_is_finite_at_both_ends)
{
	ck_assert_int_eq(oh_draw(UINT64_MAX, 524288), 0);
	ck_assert_int_gt(oh_draw(0, 524288), 30 * 524288);
	ck_assert_int_lt(oh_draw(0, 524288), 45 * 524288);
	/* The largest interval that OTHEAP_SAMPLE_INTERVAL takes. */
	ck_assert_int_gt(oh_draw(0, UINT64_C(1) << 40), UINT64_C(30) << 40);
	ck_assert_int_lt(oh_draw(0, UINT64_C(1) << 40), UINT64_C(45) << 40);
}
END_TEST

static int
by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

#define DRAWS 200000

/*
 * Kolmogorov-Smirnov: sqrt(n) D > 2.5 has probability 2 e^(-2 * 2.5^2) = 7e-6
 * (Kolmogorov's limit).  The interval is so large that the floor is not seen.
 */
START_TEST(draws_are_exponential)
{
	static int64_t x[DRAWS];
	uint64_t interval = UINT64_C(1) << 32, rng = 1;
	double worst = 0;

	for (int i = 0; i < DRAWS; i++)
		x[i] = oh_draw(oh_rng_next(&rng), interval);
	qsort(x, DRAWS, sizeof(x[0]), by_value);
	for (int i = 0; i < DRAWS; i++) {
		double cdf = -expm1(-(double)x[i] / (double)interval);
		double over = fabs(cdf - (double)i / DRAWS);
		double under = fabs(cdf - (double)(i + 1) / DRAWS);
		worst = fmax(worst, fmax(over, under));
	}
	ck_assert_double_lt(worst * sqrt(DRAWS), 2.5);
}
END_TEST

/* |z| > 4.5 has probability 7e-6 for each of 12 cases. */
START_TEST(mean_draw_is_the_interval)
{
	for (int lg = 8; lg <= 40; lg += 3) {
		uint64_t interval = UINT64_C(1) << lg, rng = (uint64_t)lg;
		double sum = 0;
		for (int i = 0; i < DRAWS; i++)
			sum += (double)oh_draw(oh_rng_next(&rng), interval);
		/* E floor(X) = 1 / (e^(1/interval) - 1), about interval - 1/2. */
		double expect = 1 / expm1(1 / (double)interval);
		double z = (sum / DRAWS - expect) / ((double)interval / sqrt(DRAWS));
		ck_assert_double_lt(fabs(z), 4.5);
	}
}
END_TEST

/*
 * "Sampled when floor(X) < size" has the probability that the weight is one
 * over: each sampled block counted with its weight gives the number of all.
 * |z| > 4.5: 7e-6 for each of the sizes.
 */
START_TEST(weight_times_chance_of_a_draw_is_one)
{
	static const uint64_t sizes[] = { 1, 2, 7, 64, 1000, 4096, 10000, 65536, 1 << 20 };
	const uint64_t interval = 4096;

	for (size_t k = 0; k < OH_ARRAY_LEN(sizes); k++) {
		uint64_t rng = 77 + k;
		int sampled = 0, n = DRAWS;
		for (int i = 0; i < n; i++)
			sampled += (uint64_t)oh_draw(oh_rng_next(&rng), interval) < sizes[k];
		double p = 1 / oh_weight(sizes[k], interval);
		double sd = sqrt(n * p * (1 - p)) + 1e-9;
		ck_assert_double_lt(fabs((sampled - n * p) / sd), 4.5);
	}
}
END_TEST

START_TEST(generator_is_splitmix64)
{
	/* First outputs for seed 1234567: Vigna's splitmix64.c, as in Rosetta Code. */
	static const uint64_t expect[] = { UINT64_C(6457827717110365317),
		UINT64_C(3203168211198807973), UINT64_C(9817491932198370423),
		UINT64_C(4593380528125082431), UINT64_C(16408922859458223821) };
	uint64_t state = 1234567;

	for (size_t i = 0; i < OH_ARRAY_LEN(expect); i++)
		ck_assert_uint_eq(oh_rng_next(&state), expect[i]);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, check_values_of_the_header);
	tcase_add_test(tc, weight_follows_both_series_from_1_byte_to_1_tib);
	tcase_add_test(tc, empty_is_taken_as_one_byte);
	tcase_add_test(tc, interval_0_and_1_mean_everything);
	tcase_add_test(tc, draw_is_finite_at_both_ends);
	tcase_add_test(tc, draws_are_exponential);
	tcase_add_test(tc, mean_draw_is_the_interval);
	tcase_add_test(tc, weight_times_chance_of_a_draw_is_one);
	tcase_add_test(tc, generator_is_splitmix64);
}

int
main(void)
{
	return unit_run("weight", add);
}
