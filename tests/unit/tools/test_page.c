/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_page.c - pages are filled in once, with text that stays text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tools/wirebuild.h"
#include "tools/escape.h"
#include "tools/page.h"

static char *text;
static size_t length;
static FILE *to;

static void
setup(void)
{
	to = open_memstream(&text, &length);
}

static void
teardown(void)
{
	free(text);
}

static const char *
written(void)
{
	(void)fclose(to);
	return text;
}

static void
put(FILE *f, const void *arg)
{
	(void)fputs(arg, f);
}

START_TEST(marks_are_replaced_where_they_stand)
{
	const struct oh_page_mark marks[] = {
		{ "@A@", "one", NULL, NULL },
		{ "@BOTH@", NULL, put, "two" },
	};

	oh_page_write(to, "@A@, @BOTH@: @A@@", marks, 2);
	ck_assert_str_eq(written(), "one, two: one@");
}
END_TEST

START_TEST(what_replaces_a_mark_is_not_looked_at_again)
{
	const struct oh_page_mark marks[] = {
		{ "@A@", "@B@ @A@", NULL, NULL },
		{ "@B@", "no", NULL, NULL },
	};

	oh_page_write(to, "<@A@>", marks, 2);
	ck_assert_str_eq(written(), "<@B@ @A@>");
}
END_TEST

START_TEST(other_signs_stay)
{
	oh_page_write(to, "@media @OTHER@ a@b", NULL, 0);
	ck_assert_str_eq(written(), "@media @OTHER@ a@b");
}
END_TEST

START_TEST(every_part_is_whole)
{
	static const char *const parts[] = { oh_page_head, oh_page_flame, oh_page_report,
		oh_page_base_css, oh_page_flame_css, oh_page_flame_js, oh_page_report_css };

	for (size_t i = 0; i < OH_ARRAY_LEN(parts); i++) {
		ck_assert_uint_gt(strlen(parts[i]), 300);
		ck_assert_ptr_nonnull(strstr(parts[i], "SPDX-License-Identifier"));
	}
	(void)written();
}
END_TEST

START_TEST(html_cannot_be_broken_out_of)
{
	oh_put_html(to, "<b a='\"&\">", 100);
	ck_assert_str_eq(written(), "&lt;b a=&#39;&quot;&amp;&quot;&gt;");
}
END_TEST

START_TEST(what_does_not_show_is_shown)
{
	/* A control character, half a character, right-to-left override, zero width space. */
	oh_put_html(to,
	    "a\001b\xc3"
	    "c\xe2\x80\xae"
	    "d\xe2\x80\x8b"
	    "e",
	    100);
	ck_assert_str_eq(written(), "a\xef\xbf\xbd"
				    "b\xef\xbf\xbd"
				    "c\xef\xbf\xbd"
				    "d\xef\xbf\xbd"
				    "e");
}
END_TEST

START_TEST(long_names_end_between_characters)
{
	oh_put_html(to, "\xc3\xa4\xc3\xb6\xc3\xbc", 2);
	ck_assert_str_eq(written(), "\xc3\xa4\xc3\xb6\xe2\x80\xa6");
}
END_TEST

START_TEST(names_that_fit_are_not_cut)
{
	oh_put_html(to, "\xc3\xa4\xc3\xb6", 2);
	ck_assert_str_eq(written(), "\xc3\xa4\xc3\xb6");
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, marks_are_replaced_where_they_stand);
	tcase_add_test(tc, what_replaces_a_mark_is_not_looked_at_again);
	tcase_add_test(tc, other_signs_stay);
	tcase_add_test(tc, every_part_is_whole);
	tcase_add_test(tc, html_cannot_be_broken_out_of);
	tcase_add_test(tc, what_does_not_show_is_shown);
	tcase_add_test(tc, long_names_end_between_characters);
	tcase_add_test(tc, names_that_fit_are_not_cut);
}

int
main(void)
{
	return unit_run("page", add);
}
