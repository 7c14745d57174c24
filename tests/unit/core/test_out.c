/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_out.c - one line of text, cut where it does not fit, written at once.
 */
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/out.h"

static struct oh_out o;

START_TEST(text_and_numbers_follow_one_another)
{
	oh_out_reset(&o);
	oh_out_str(&o, "a=");
	oh_out_u64(&o, 0);
	oh_out_str(&o, " b=");
	oh_out_u64(&o, UINT64_MAX);
	oh_out_str(&o, " c=");
	oh_out_i64(&o, INT64_MIN);
	oh_out_str(&o, " d=");
	oh_out_i64(&o, -1);
	oh_out_i64(&o, 7);
	ck_assert_str_eq(o.text, "a=0 b=18446744073709551615 c=-9223372036854775808 d=-17");
	ck_assert_uint_eq(o.len, strlen(o.text));
	oh_out_reset(&o);
	ck_assert_str_eq(o.text, "");
}
END_TEST

START_TEST(what_does_not_fit_is_cut_and_the_line_still_ends)
{
	char back[2 * sizeof(o.text)];
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	oh_out_reset(&o);
	for (int i = 0; i < 1000; i++)
		oh_out_str(&o, "xyz");
	oh_out_u64(&o, 12345);
	ck_assert_uint_eq(o.len, sizeof(o.text) - 2);
	ck_assert_uint_eq(strlen(o.text), o.len);
	oh_out_line(&o, p[1]);
	/* One write: a pipe gives it back whole. */
	ck_assert_int_eq(read(p[0], back, sizeof(back)), (int)sizeof(o.text) - 1);
	ck_assert_int_eq(back[sizeof(o.text) - 2], '\n');
	ck_assert_int_eq(back[sizeof(o.text) - 3], "zxy"[(sizeof(o.text) - 2) % 3]);
	ck_assert_uint_eq(o.len, 0);
	close(p[0]);
	close(p[1]);
}
END_TEST

START_TEST(a_closed_descriptor_does_no_harm_and_leaves_errno)
{
	oh_out_reset(&o);
	oh_out_str(&o, "lost");
	errno = 4711;
	oh_out_line(&o, -1);
	ck_assert_int_eq(errno, 4711);
	ck_assert_uint_eq(o.len, 0);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, text_and_numbers_follow_one_another);
	tcase_add_test(tc, what_does_not_fit_is_cut_and_the_line_still_ends);
	tcase_add_test(tc, a_closed_descriptor_does_no_harm_and_leaves_errno);
}

int
main(void)
{
	return unit_run("out", add);
}
