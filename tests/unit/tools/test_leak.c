/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_leak.c - the mathematics of otheap leaks against known values, and suppressions.
 */
#include "tests/unit/tools/wirebuild.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/leak_stat.h"
#include "tools/leak_suppress.h"

static void
near(double got, double expected, double relative)
{
	if (!(fabs(got - expected) <= relative * fabs(expected)))
		ck_abort_msg("got %.17g, expected %.17g", got, expected);
}

/* Whole sums of binomial coefficients over powers of two. */
START_TEST(tail_of_a_coin)
{
	near(oh_binomial_half_tail(8, 10), 56.0 / 1024, 1e-12);
	near(oh_binomial_half_tail(10, 10), 1.0 / 1024, 1e-12);
	near(oh_binomial_half_tail(5, 10), 638.0 / 1024, 1e-12);
	near(oh_binomial_half_tail(1, 10), 1023.0 / 1024, 1e-12);
	near(oh_binomial_half_tail(60, 60), exp2(-60), 1e-12);
	ck_assert_double_eq(oh_binomial_half_tail(0, 10), 1);
	ck_assert_double_eq(oh_binomial_half_tail(11, 10), 0);
	ck_assert_double_eq(oh_binomial_half_tail(0, 0), 1);
}
END_TEST

/* R: pbinom(59, 100, 0.5, lower.tail = FALSE) is 0.02844397. */
START_TEST(tail_of_many_coins)
{
	near(oh_binomial_half_tail(60, 100), 0.02844397, 1e-6);
	/* Far out it is the normal distribution: 3 standard deviations of 5000 + continuity. */
	near(oh_binomial_half_tail(5e7 + 15000, 1e8), erfc(2.9999 / sqrt(2)) / 2, 1e-3);
	near(oh_binomial_half_tail(5e7 - 15000 + 1, 1e8), 1 - erfc(2.9999 / sqrt(2)) / 2, 1e-5);
}
END_TEST

/* R: ppois(2, 8) and the like. */
START_TEST(tail_of_rare_events)
{
	near(oh_poisson_tail(0, 3), exp(-3), 1e-12);
	near(oh_poisson_tail(2, 8), .013753968, 1e-6);
	near(oh_poisson_tail(90, 100), .17138512, 1e-6);
	near(oh_poisson_tail(110, 100), .85286265, 1e-6);
	near(oh_poisson_tail(400, 1000), 1.319693e-103, 1e-6);
	near(oh_poisson_tail(1e6, 1e6), .5, 1e-3);
	ck_assert_double_eq(oh_poisson_tail(-1, 3), 0);
	ck_assert_double_eq(oh_poisson_tail(0, 0), 1);
	near(oh_poisson_tail(100, 3), 1, 1e-12);
}
END_TEST

START_TEST(only_possible_findings_are_corrected_for)
{
	const double least[] = { .0001, .0001, .04, .2, .2 };
	const double all[] = { .001, .001, .001 };

	ck_assert_uint_eq(oh_tarone(least, 5, .05), 2);
	ck_assert_uint_eq(oh_tarone(all, 3, .05), 3);
	ck_assert_uint_eq(oh_tarone(least + 3, 2, .05), 1);
	ck_assert_uint_eq(oh_tarone(NULL, 0, .05), 1);
}
END_TEST

/* M. G. Kendall, Rank Correlation Methods, table 1: P(S >= s). */
START_TEST(trend_of_few)
{
	static const double up3[] = { 1, 2, 3 }, up4[] = { 1, 2, 3, 4 }, up5[] = { 1, 2, 3, 4, 5 };
	static const double s8[] = { 1, 2, 3, 5, 4 }, s6[] = { 1, 2, 5, 3, 4 };
	static const double s21[] = { 1, 2, 3, 4, 9, 5, 8, 10, 7, 6 };
	double variance;

	near(oh_kendall_p(up3, 3), 1.0 / 6, 1e-12);
	near(oh_kendall_p(up4, 4), 1.0 / 24, 1e-12);
	near(oh_kendall_p(up5, 5), 1.0 / 120, 1e-12);
	ck_assert_double_eq(oh_kendall_s(s8, 5, &variance), 8);
	near(variance, 5 * 4 * 15 / 18.0, 1e-12);
	near(oh_kendall_p(s8, 5), 0.0416667, 1e-5);
	ck_assert_double_eq(oh_kendall_s(s6, 5, NULL), 6);
	near(oh_kendall_p(s6, 5), 0.1166667, 1e-5);
	ck_assert_double_eq(oh_kendall_s(s21, 10, NULL), 27);
	near(oh_kendall_p(s21, 10), 0.0083, 1e-2);
}
END_TEST

START_TEST(trend_that_is_none)
{
	static const double down[] = { 3, 2, 1 }, same[] = { 5, 5, 5, 5 }, two[] = { 1, 2 };
	/* 3 pairs up, 1 down, 2 equal ones: S = 2 of Var (5 * 4 * 15 - 2 * 1 * 9 ...) / 18. */
	static const double ties[] = { 1, 2, 2, 3 };
	double variance;

	near(oh_kendall_p(down, 3), 1, 1e-12);
	ck_assert_double_eq(oh_kendall_p(same, 4), 1);
	ck_assert_double_eq(oh_kendall_p(two, 2), 1);
	ck_assert_double_eq(oh_kendall_s(ties, 4, &variance), 5);
	near(variance, (4 * 3 * 13 - 2 * 1 * 9) / 18.0, 1e-12);
	near(oh_kendall_p(ties, 4), erfc(4 / sqrt(2 * variance)) / 2, 1e-12);
}
END_TEST

/* The exact distribution and the normal one agree where one takes over from the other. */
START_TEST(trend_of_many)
{
	double y[41];

	for (int i = 0; i < 41; i++)
		y[i] = 10 * sin(5.0 * i) + .1 * i;
	for (size_t n = 40; n <= 41; n++) {
		double variance, s = oh_kendall_s(y, n, &variance);

		near(oh_kendall_p(y, n), erfc((s - 1) / sqrt(2 * variance)) / 2, .03);
	}
}
END_TEST

START_TEST(slope_of_a_series)
{
	static const double t[] = { 1, 2, 3, 4 }, y[] = { 1, 3, 4, 9 };
	static const double t10[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
	static const double line[] = { 5, 7, 9, 11, 13, 15, 17, 19, 21, 1000 };
	static const double same[] = { 1, 1 };
	struct oh_slope s = oh_sen_slope(t, y, 4);

	near(s.value, 7.0 / 3, 1e-12);
	ck_assert_double_eq(s.low, 1);
	ck_assert_double_eq(s.high, 5);
	/* One wild point does not move it. */
	s = oh_sen_slope(t10, line, 10);
	ck_assert_double_eq(s.value, 2);
	ck_assert_double_eq(s.low, 2);
	s = oh_sen_slope(same, y, 2);
	ck_assert_double_eq(s.value, 0);
	s = oh_sen_slope(t, y, 0);
	ck_assert_double_eq(s.value, 0);
}
END_TEST

/*
 * Ten points, 45 slopes: Var(S) = 125, C = 1.96 * 11.18 = 21.9, so the interval is
 * from the 11th to the 35th slope (Sen's M1 = 11.5, M2 + 1 = 34.5, rounded outwards).
 */
START_TEST(interval_of_a_slope)
{
	static const double t[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
	double y[10], slopes[45];
	struct oh_slope s;
	size_t n = 0;

	for (int i = 0; i < 10; i++)
		y[i] = i + 3 * sin(7.0 * i);
	for (int i = 0; i < 10; i++)
		for (int j = i + 1; j < 10; j++)
			slopes[n++] = (y[j] - y[i]) / (j - i);
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			if (slopes[j] < slopes[i]) {
				double other = slopes[i];

				slopes[i] = slopes[j];
				slopes[j] = other;
			}
	s = oh_sen_slope(t, y, 10);
	near(s.value, slopes[22], 1e-12);
	near(s.low, slopes[10], 1e-12);
	near(s.high, slopes[34], 1e-12);
}
END_TEST

START_TEST(ages)
{
	struct oh_age a[] = { { 10, 1 }, { 20, 2 }, { 30, 1 } };

	ck_assert_double_eq(oh_ages_quantile(a, 3, 0), 10);
	ck_assert_double_eq(oh_ages_quantile(a, 3, .25), 10);
	ck_assert_double_eq(oh_ages_quantile(a, 3, .5), 20);
	ck_assert_double_eq(oh_ages_quantile(a, 3, .75), 20);
	ck_assert_double_eq(oh_ages_quantile(a, 3, 1), 30);
	ck_assert_double_eq(oh_ages_quantile(a, 0, .5), 0);
	/* Two of the four blocks are both 20 old; of all but those, none are. */
	ck_assert_double_eq(oh_ages_shorth_ms(a, 3), 0);
	a[1].count = 1;
	ck_assert_double_eq(oh_ages_shorth_ms(a, 3), 10);
	ck_assert_double_eq(oh_ages_shorth_ms(a, 1), 0);
	ck_assert_double_eq(oh_ages_shorth_ms(a, 0), 0);
}
END_TEST

START_TEST(patterns)
{
	static const struct {
		const char *pattern, *name;
		bool matches;
	} cases[] = {
		{ "foo", "foo", true },
		{ "foo", "a foo b", true },
		{ "foo", "fo", false },
		{ "foo", "", false },
		{ "", "x", true },
		{ "*", "x", true },
		{ "^foo", "foobar", true },
		{ "^foo", "a foo", false },
		{ "foo$", "a foo", true },
		{ "foo$", "foo foo", true },
		{ "foo$", "foob", false },
		{ "^foo$", "foo", true },
		{ "^foo$", "foofoo", false },
		{ "^a*c$", "abc", true },
		{ "^a*c$", "ac", true },
		{ "^a*c$", "a", false },
		{ "^a*a$", "a", false },
		{ "a*b*c", "xaybzc!", true },
		{ "a*b*c", "acb", false },
		{ "^*foo$", "a foo", true },
		{ "foo*$", "a foo b", true },
		{ "a$b", "a$b", true },
		{ "^", "x", true },
		{ "$", "x", true },
		{ "^$", "x", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (oh_suppression_matches(cases[i].pattern, cases[i].name) != cases[i].matches)
			ck_abort_msg("'%s' and '%s'", cases[i].pattern, cases[i].name);
}
END_TEST

static void
bad(const char *text, const char *why)
{
	struct oh_suppressions s = { 0 };
	struct oh_error err = { "" };

	ck_assert(!oh_suppressions_parse(&s, "file", text, strlen(text), &err));
	ck_assert_str_eq(err.text, why);
	oh_suppressions_free(&s);
}

START_TEST(files_of_suppressions)
{
	static const char text[] = "# a\n\n  leak:foo bar \r\nleak:#x\nleak:last";
	struct oh_suppressions s = { 0 };
	struct oh_error err = { "" };

	ck_assert(oh_suppressions_parse(&s, "file", text, sizeof(text) - 1, &err));
	ck_assert_uint_eq(s.count, 3);
	ck_assert_str_eq(s.rules[0].pattern, "foo bar");
	ck_assert_str_eq(s.rules[1].pattern, "#x");
	ck_assert_str_eq(s.rules[2].pattern, "last");
	ck_assert(!oh_suppressions_parse(&s, "file", "leak:a\0b", 8, &err));
	ck_assert_str_eq(err.text, "file:1: a NUL byte, so no text");
	oh_suppressions_free(&s);
	bad("leak:a\nrace:b\n", "file:2: expected 'leak:pattern' or '# comment'");
	bad("\n\nleak:  ", "file:3: no pattern after 'leak:'");
}
END_TEST

static void
add(TCase *t)
{
	tcase_add_test(t, tail_of_a_coin);
	tcase_add_test(t, tail_of_many_coins);
	tcase_add_test(t, tail_of_rare_events);
	tcase_add_test(t, only_possible_findings_are_corrected_for);
	tcase_add_test(t, trend_of_few);
	tcase_add_test(t, trend_that_is_none);
	tcase_add_test(t, trend_of_many);
	tcase_add_test(t, slope_of_a_series);
	tcase_add_test(t, interval_of_a_slope);
	tcase_add_test(t, ages);
	tcase_add_test(t, patterns);
	tcase_add_test(t, files_of_suppressions);
}

int
main(void)
{
	return unit_run("leak", add);
}
