/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_aggregate.c - sums with a known truth, error bars, dropped frames.
 */
#include "tests/unit/tools/wirebuild.h"

#include <math.h>
#include <stdlib.h>

#include "tools/aggregate.h"
#include "tools/estimate.h"
#include "tools/prune.h"

/* The profile of a test, as bytes; what was read of it; what was added up. */
static struct wb w;
static struct oh_profile *p;
static struct oh_table t;

static void
forget(void)
{
	oh_table_free(&t);
	oh_profile_free(p);
	p = NULL;
}

static void
look(unsigned type, enum oh_view view)
{
	forget();
	p = wb_profile(&w);
	oh_aggregate(&t, p, type, view);
}

static void
setup(void)
{
	wb_example(&w);
}

static const struct oh_row *
row(const char *name, uint32_t line)
{
	for (size_t i = 0; i < t.row_count; i++) {
		const struct oh_place *pl = &t.places[t.rows[i].place];

		if (strcmp(oh_profile_string(p, pl->name), name) == 0 &&
		    (line == 0 || pl->line == line))
			return &t.rows[i];
	}
	return NULL;
}

static void
assert_row(const char *name, uint32_t line, int64_t flat, int64_t cum)
{
	const struct oh_row *r = row(name, line);

	ck_assert_msg(r != NULL, "no row for %s:%u", name, line);
	ck_assert_int_eq(r->flat, flat);
	ck_assert_int_eq(r->cum, cum);
}

START_TEST(functions_add_up_and_recursion_counts_once)
{
	look(1, OH_VIEW_FUNCTIONS);
	ck_assert_int_eq(t.total, 1064);
	ck_assert_uint_eq(t.samples, 3);
	ck_assert_uint_eq(t.row_count, 4);
	assert_row("alloc", 0, 1014, 1014);
	assert_row("grow", 0, 0, 1000);
	assert_row("parse", 0, 50, 1064);
	assert_row("main", 0, 0, 1064);
	oh_table_sort(&t, p, false);
	ck_assert_ptr_eq(row("alloc", 0), &t.rows[0]);
	ck_assert_ptr_eq(row("parse", 0), &t.rows[1]);
	oh_table_sort(&t, p, true);
	ck_assert_ptr_eq(row("parse", 0), &t.rows[0]);

	look(0, OH_VIEW_FUNCTIONS);
	ck_assert_int_eq(t.total, 13);
	assert_row("alloc", 0, 12, 12);
}
END_TEST

START_TEST(lines_of_one_function_are_apart)
{
	look(1, OH_VIEW_LINES);
	ck_assert_uint_eq(t.row_count, 5);
	assert_row("parse", 34, 50, 1064);
	assert_row("parse", 36, 0, 1000);
	assert_row("grow", 5, 0, 1000);
}
END_TEST

START_TEST(equal_stacks_are_one_row)
{
	wb_location(&w, 40, 1, 0x400044, 4, 7, 0, 0); /* another address of the same line */
	WB_SAMPLE(&w, 5, 500, 100, 40, 3, 2, 1);
	WB_SAMPLE(&w, 1, 9, 9, 4, 3, 2);
	look(1, OH_VIEW_STACKS);
	oh_table_sort(&t, p, false);
	ck_assert_uint_eq(t.row_count, 4);
	ck_assert_int_eq(t.rows[0].flat, 1500);
	ck_assert_int_eq(t.rows[0].cum, 1500);
	ck_assert_uint_eq(t.rows[0].stack_len, 4);
	ck_assert_int_eq(t.rows[3].flat, 9);
}
END_TEST

START_TEST(strings_that_read_alike_are_one_function)
{
	wb_string(&w, "alloc"); /* 16 */
	wb_string(&w, "c.c");   /* 17 */
	WB_INTS(&w, 5, 9, 16, 16, 17, 6);
	wb_location(&w, 9, 1, 0x400090, 9, 8, 0, 0);
	WB_SAMPLE(&w, 1, 100, 100, 9, 1);
	look(1, OH_VIEW_FUNCTIONS);
	assert_row("alloc", 0, 1114, 1114);
	ck_assert_uint_eq(t.row_count, 4);
}
END_TEST

START_TEST(frames_without_names_and_samples_without_frames_count_too)
{
	static const uint64_t none[1] = { 0 };
	int64_t flat = 0;

	wb_location(&w, 9, 1, 0x400090, 0, 0, 0, 0);
	WB_SAMPLE(&w, 1, 100, 100, 9, 1);
	wb_sample(&w, none, 0, 1, 6, 6);
	look(1, OH_VIEW_FUNCTIONS);
	assert_row("", 0, 100, 100);
	assert_row("(no stack)", 0, 6, 6);
	for (size_t i = 0; i < t.row_count; i++)
		flat += t.rows[i].flat;
	ck_assert_int_eq(flat, t.total);
}
END_TEST

START_TEST(huge_and_negative_values_saturate)
{
	WB_SAMPLE(&w, UINT64_C(1) << 63, INT64_MAX, 100, 4, 1); /* INT64_MIN objects */
	WB_SAMPLE(&w, UINT64_C(1) << 63, INT64_MAX, 100, 4, 1);
	WB_SAMPLE(&w, (uint64_t)-5, (uint64_t)-5, 5, 3, 1);
	look(1, OH_VIEW_FUNCTIONS);
	assert_row("alloc", 0, INT64_MAX, INT64_MAX);
	assert_row("grow", 0, -5, 995);
	ck_assert_int_eq(t.total, INT64_MAX);
	oh_table_sort(&t, p, true);

	look(0, OH_VIEW_FUNCTIONS);
	assert_row("alloc", 0, INT64_MIN, INT64_MIN);
	oh_table_sort(&t, p, false);
}
END_TEST

/* ---- error bars ------------------------------------------------------------- */

START_TEST(variance_has_its_check_value)
{
	double weight = 1 / (1 - exp(-1.0));

	/* One raw sample of size = interval: `weight` objects, variance weight (weight - 1). */
	ck_assert_double_eq_tol(
	    oh_estimate_variance(weight, 524288, 524288), weight * (weight - 1), 1e-9);
	ck_assert_double_eq_tol(oh_estimate_variance(1.5820, 524288, 524288), 0.9207, 1e-4);
	ck_assert_double_eq_tol(oh_estimate_half_width(4), 3.92, 1e-12);
	/* Nothing is uncertain about blocks far larger than the interval. */
	ck_assert_double_eq(oh_estimate_variance(1, 1e12, 524288), 0);
}
END_TEST

START_TEST(findings_are_adjusted_for_how_many_were_looked_at)
{
	double found[] = { 0.5, 0.01, 0.03, 0.02 }, none[1];

	ck_assert_double_eq_tol(oh_estimate_p_value(1.96, 1), 0.05, 1e-4);
	ck_assert_double_eq_tol(oh_estimate_p_value(-3.92, 4), 0.05, 1e-4);
	ck_assert_double_eq(oh_estimate_p_value(0, 0), 1);
	ck_assert_double_eq(oh_estimate_p_value(1, 0), 0);
	oh_estimate_adjust(found, 4);
	ck_assert_double_eq_tol(found[0], 0.5, 1e-12);
	ck_assert_double_eq_tol(found[1], 0.04, 1e-12);
	ck_assert_double_eq_tol(found[2], 0.04, 1e-12);
	ck_assert_double_eq_tol(found[3], 0.04, 1e-12);
	oh_estimate_adjust(none, 0);
}
END_TEST

START_TEST(rows_carry_the_variance_of_their_samples)
{
	double w1, w2;

	look(1, OH_VIEW_FUNCTIONS);
	ck_assert(t.has_variance);
	w1 = 1 / (1 - exp(-100.0 / 524288));
	w2 = 1 / (1 - exp(-7.0 / 524288));
	/* Var = B (w - 1) s */
	ck_assert_double_eq_tol(
	    row("alloc", 0)->flat_variance / (1000 * (w1 - 1) * 100 + 14 * (w2 - 1) * 7), 1, 1e-9);
	ck_assert_double_eq_tol(row("grow", 0)->cum_variance / (1000 * (w1 - 1) * 100), 1, 1e-9);

	look(0, OH_VIEW_FUNCTIONS);
	ck_assert(t.has_variance);
	ck_assert_double_eq_tol(row("grow", 0)->cum_variance / (10 * (w1 - 1)), 1, 1e-9);
}
END_TEST

START_TEST(no_error_bars_without_size_or_with_interval_1)
{
	WB_SAMPLE(&w, 1, 10, 0, 1); /* no label */
	look(1, OH_VIEW_FUNCTIONS);
	ck_assert(!t.has_variance && !t.exact);

	wb_example(&w);
	wb_int(&w, 12, 1); /* the last one counts */
	look(1, OH_VIEW_FUNCTIONS);
	ck_assert(!t.has_variance && t.exact);

	wb_example(&w);
	WB_INTS(&w, 11, 1, 2); /* period of something else */
	look(1, OH_VIEW_FUNCTIONS);
	ck_assert(!t.has_variance && !t.exact);
}
END_TEST

/* ---- dropped frames --------------------------------------------------------- */

static void
drop(const char *drop_frames, const char *keep_frames)
{
	wb_example(&w);
	wb_string(&w, drop_frames); /* 16 */
	wb_int(&w, 7, 16);
	if (keep_frames != NULL) {
		wb_string(&w, keep_frames); /* 17 */
		wb_int(&w, 8, 17);
	}
	look(1, OH_VIEW_FUNCTIONS);
}

START_TEST(dropped_frames_give_their_value_to_the_caller)
{
	drop("al.*c|nothing", NULL);
	ck_assert_ptr_null(row("alloc", 0));
	assert_row("grow", 0, 1000, 1000);
	assert_row("parse", 0, 64, 1064);
	ck_assert_uint_eq(t.samples_pruned, 2);
}
END_TEST

START_TEST(an_inlined_frame_can_be_dropped_from_its_caller)
{
	drop("grow", NULL);
	ck_assert_ptr_null(row("grow", 0));
	assert_row("parse", 0, 1050, 1064);
	assert_row("alloc", 0, 14, 14);
}
END_TEST

START_TEST(a_match_is_of_the_whole_name_and_never_empties_a_stack)
{
	drop("llo|main|lloc", NULL);
	assert_row("main", 0, 0, 1064);
	assert_row("alloc", 0, 1014, 1014);
}
END_TEST

START_TEST(kept_frames_are_excepted)
{
	drop("alloc|grow", "al.*");
	assert_row("parse", 0, 1050, 1064);
	assert_row("alloc", 0, 14, 14);
}
END_TEST

START_TEST(an_expression_that_does_not_compile_drops_nothing)
{
	static const char *const bad[] = { "al(oc", "a{1000}", "\\pL+", "((a)\\1)", "[a",
		"(?i)alloc", "al\\" };

	for (size_t i = 0; i < OH_ARRAY_LEN(bad); i++) {
		drop(bad[i], NULL);
		ck_assert_msg(t.drop_ignored, "%s", bad[i]);
		assert_row("alloc", 0, 1014, 1014);
	}
}
END_TEST

static void
assert_translated(const char *go, const char *posix)
{
	char *s = oh_prune_translate(go);

	if (posix == NULL)
		ck_assert_ptr_null(s);
	else
		ck_assert_str_eq(s, posix);
	free(s);
}

START_TEST(go_syntax_is_translated)
{
	assert_translated("malloc|calloc", "^(malloc|calloc)$");
	assert_translated("(?:.*::)?operator new.*?", "^((.*::)?operator new.*)$");
	assert_translated("operator new\\[\\]", "^(operator new\\[\\])$");
	assert_translated("\\w+\\d", "^([0-9A-Za-z_]+[0-9])$");
	assert_translated("[\\w:]+", "^([0-9A-Za-z_:]+)$");
	assert_translated("[[:alpha:]]x", "^([[:alpha:]]x)$");
	assert_translated("a{b", "^(a\\{b)$");
	assert_translated("a{2}", NULL);
	assert_translated("a)", NULL);
}
END_TEST

START_TEST(names_are_simplified_before_matching)
{
	static const char *const cases[][2] = {
		{ "malloc", "malloc" },
		{ ".malloc", "malloc" },
		{ "operator new(unsigned long)", "operator new" },
		{ "(anonymous namespace)::f(int)", "(anonymous namespace)::f" },
		{ "a::(anonymous namespace)::f(int)", "a::(anonymous namespace)::f" },
		{ "C::operator()(int)", "C::operator()" },
		{ "C::operator()", "C::operator()" },
		{ "f(void (*)(int))", "f" },
		{ "(", "" },
	};
	char buf[64];

	for (size_t i = 0; i < OH_ARRAY_LEN(cases); i++) {
		oh_prune_simple_name(buf, sizeof(buf), cases[i][0]);
		ck_assert_str_eq(buf, cases[i][1]);
	}
	oh_prune_simple_name(buf, 4, "abcdef");
	ck_assert_str_eq(buf, "abc");
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, forget);
	tcase_add_test(tc, functions_add_up_and_recursion_counts_once);
	tcase_add_test(tc, lines_of_one_function_are_apart);
	tcase_add_test(tc, equal_stacks_are_one_row);
	tcase_add_test(tc, strings_that_read_alike_are_one_function);
	tcase_add_test(tc, frames_without_names_and_samples_without_frames_count_too);
	tcase_add_test(tc, huge_and_negative_values_saturate);
	tcase_add_test(tc, variance_has_its_check_value);
	tcase_add_test(tc, findings_are_adjusted_for_how_many_were_looked_at);
	tcase_add_test(tc, rows_carry_the_variance_of_their_samples);
	tcase_add_test(tc, no_error_bars_without_size_or_with_interval_1);
	tcase_add_test(tc, dropped_frames_give_their_value_to_the_caller);
	tcase_add_test(tc, an_inlined_frame_can_be_dropped_from_its_caller);
	tcase_add_test(tc, a_match_is_of_the_whole_name_and_never_empties_a_stack);
	tcase_add_test(tc, kept_frames_are_excepted);
	tcase_add_test(tc, an_expression_that_does_not_compile_drops_nothing);
	tcase_add_test(tc, go_syntax_is_translated);
	tcase_add_test(tc, names_are_simplified_before_matching);
}

int
main(void)
{
	return unit_run("aggregate", add);
}
