/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_merge.c - how much of the error of a growth is that of blocks in both profiles.
 */
#include "tests/unit/tools/wirebuild.h"

#include <math.h>
#include <stdlib.h>

#include "tools/estimate.h"
#include "tools/merge.h"

#define INTERVAL 524288
#define SIZE 1024 /* bytes of each block */

/*
 * A profile of process `pid`, started at 1000 s + `late`, at time `seconds`: one
 * stack with blocks of SIZE, of which so many were ever allocated and are in use.
 */
static struct oh_profile *
profile_of(unsigned pid, unsigned late, unsigned seconds, uint64_t allocated, uint64_t in_use)
{
	static const char *const strings[] = { "", "alloc_objects", "count", "inuse_objects",
		"bytes", "space", "f", "program: app" };
	const uint64_t values[] = { allocated, in_use }, label[] = { 4, 0, SIZE }, frame[] = { 1 };
	struct wb w = { .len = 0 }, m = { .len = 0 };
	char text[32];

	WB_INTS(&w, 1, 1, 2);
	WB_INTS(&w, 1, 3, 2);
	wb_packed(&m, 1, frame, 1);
	wb_packed(&m, 2, values, 2);
	wb_ints(&m, 3, label, 3);
	wb_bytes(&w, 2, m.b, m.len);
	wb_location(&w, 1, 0, 0, 1, 1, 0, 0);
	WB_INTS(&w, 5, 1, 6, 6);
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		wb_string(&w, strings[i]);
	(void)snprintf(text, sizeof(text), "pid: %u", pid);
	wb_string(&w, text);
	wb_int(&w, 9, seconds * UINT64_C(1000000000));
	wb_int(&w, 10, (seconds - 1000 - late) * UINT64_C(1000000000));
	WB_INTS(&w, 11, 5, 4);
	wb_int(&w, 12, INTERVAL);
	wb_int(&w, 13, 7);
	wb_int(&w, 13, 8);
	return wb_profile(&w);
}

static struct oh_profile *
profile(unsigned pid, unsigned seconds, uint64_t allocated, uint64_t in_use)
{
	return profile_of(pid, 0, seconds, allocated, in_use);
}

/* The variance of the growth in blocks, over that of one block. */
static double
blocks_in_error(struct oh_profile *a, struct oh_profile *b)
{
	struct oh_profile *const both[] = { a, b };
	const int types[] = { 1, 1 };
	struct oh_merge m;
	double ret;

	oh_merge(&m, both, types, 2);
	ck_assert(m.has_variance && !m.exact);
	ck_assert_uint_eq(m.p->sample_count, 1);
	ret = m.variance[0] / oh_estimate_variance(1, SIZE, INTERVAL);
	oh_merge_free(&m);
	oh_profile_free(a);
	oh_profile_free(b);
	return ret;
}

static void
assert_near(double got, double expected)
{
	ck_assert_msg(fabs(got - expected) < 1e-6 * (1 + expected), "%g, not %g", got, expected);
}

START_TEST(blocks_that_stayed_are_no_error)
{
	/* 300 stayed and 200 are new: the error is that of the 200. */
	assert_near(blocks_in_error(profile(1, 1010, 300, 300), profile(1, 1020, 500, 500)), 200);
	/* Nothing happened. */
	assert_near(blocks_in_error(profile(1, 1010, 300, 300), profile(1, 1020, 300, 300)), 0);
	/* 100 of the first were freed, nothing is new. */
	assert_near(blocks_in_error(profile(1, 1010, 300, 300), profile(1, 1020, 300, 200)), 100);
}
END_TEST

START_TEST(the_bound_is_never_below_what_any_history_allows)
{
	/*
	 * Between the two, 250 were allocated and 450 are in use: at least 200 of the
	 * first 300 stayed.  All other histories have fewer in common and more error.
	 */
	assert_near(blocks_in_error(profile(1, 1010, 300, 300), profile(1, 1020, 550, 450)),
	    300 + 450 - 2 * 200);
	/* More were allocated than are left: none of the first need be there. */
	assert_near(
	    blocks_in_error(profile(1, 1010, 300, 300), profile(1, 1020, 900, 400)), 300 + 400);
}
END_TEST

START_TEST(across_processes_errors_add_up)
{
	assert_near(blocks_in_error(profile(1, 1010, 300, 300), profile(2, 1020, 300, 300)), 600);
	/* The same pid, started at another time. */
	assert_near(
	    blocks_in_error(profile(1, 1010, 300, 300), profile_of(1, 5, 1020, 300, 300)), 600);
}
END_TEST

START_TEST(figures_that_contradict_subtract_nothing)
{
	/* Fewer were ever allocated in the later file. */
	assert_near(blocks_in_error(profile(1, 1010, 500, 300), profile(1, 1020, 400, 300)), 600);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, blocks_that_stayed_are_no_error);
	tcase_add_test(tc, the_bound_is_never_below_what_any_history_allows);
	tcase_add_test(tc, across_processes_errors_add_up);
	tcase_add_test(tc, figures_that_contradict_subtract_nothing);
}

int
main(void)
{
	return unit_run("merge", add);
}
