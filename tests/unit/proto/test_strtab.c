/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_strtab.c - one index per string, and every string fit for proto3.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sys.h"
#include "core/base.h"
#include "proto/strtab.h"
#include "tests/unit/suite.h"

static struct oh_scratch scratch;
static struct oh_strtab tab;

static void
setup(void)
{
	ck_assert_int_eq(oh_strtab_init(&tab, &scratch), 0);
}

static void
teardown(void)
{
	oh_scratch_release(&scratch);
}

START_TEST(index_0_is_the_empty_string)
{
	ck_assert_uint_eq(tab.count, 1);
	ck_assert_str_eq(tab.strings[0], "");
	ck_assert_uint_eq(oh_strtab_add(&tab, "", 0), 0);
	ck_assert_uint_eq(oh_strtab_add_str(&tab, ""), 0);
	ck_assert_uint_eq(oh_strtab_add_str(&tab, NULL), 0);
	ck_assert_uint_eq(tab.count, 1);
}
END_TEST

/* Against a plain list: 20,000 additions out of 5,000 strings, fixed seed. */
START_TEST(equal_strings_and_only_those_share_an_index)
{
	enum { STRINGS = 5000, ROUNDS = 20000 };
	static uint32_t index_of[STRINGS];
	uint32_t distinct = 1;
	uint64_t rng = 88172645463325252u;
	char text[64];

	for (int i = 0; i < ROUNDS; i++) {
		rng ^= rng << 13;
		rng ^= rng >> 7;
		rng ^= rng << 17;
		unsigned k = (unsigned)(rng % STRINGS);
		/* Prefixes of one another, too. */
		int len = snprintf(text, sizeof(text), "%u%.*s", k, (int)(k % 7), "xxxxxxx");
		uint32_t got = oh_strtab_add(&tab, text, (size_t)len);
		if (index_of[k] == 0) {
			ck_assert_uint_eq(got, distinct);
			index_of[k] = distinct++;
		}
		ck_assert_uint_eq(got, index_of[k]);
		ck_assert_str_eq(tab.strings[got], text);
	}
	ck_assert_uint_eq(tab.count, distinct);
	ck_assert_int_eq(tab.error, 0);
	for (uint32_t i = 1; i < tab.count; i++)
		ck_assert_uint_eq(oh_strtab_add_str(&tab, tab.strings[i]), i);
	ck_assert_uint_eq(tab.count, distinct);
}
END_TEST

START_TEST(a_string_is_copied)
{
	char text[] = "before";

	uint32_t i = oh_strtab_add_str(&tab, text);
	memcpy(text, "after!", 6);
	ck_assert_str_eq(tab.strings[i], "before");
}
END_TEST

START_TEST(length_counts_not_the_nul)
{
	uint32_t a = oh_strtab_add(&tab, "main.c", 4);

	ck_assert_str_eq(tab.strings[a], "main");
	ck_assert_uint_eq(oh_strtab_add_str(&tab, "main"), a);
	ck_assert_uint_ne(oh_strtab_add_str(&tab, "main.c"), a);
	ck_assert_uint_ne(oh_strtab_add_str(&tab, "mai"), a);
}
END_TEST

/* Unicode 15, table 3-7: first and last of each range, and just outside. */
START_TEST(only_valid_utf8_gets_in)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{ "plain", "plain" },
		{ "\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9" },
		{ "\xc2\x80\xdf\xbf", "\xc2\x80\xdf\xbf" },
		{ "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf",
		    "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf" },
		{ "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" },
		{ "\x80", "?" },
		{ "a\xff"
		  "b",
		    "a?b" },
		{ "\xc0\x80", "??" }, /* overlong NUL */
		{ "\xc1\xbf", "??" },
		{ "\xe0\x9f\xbf", "???" },      /* overlong */
		{ "\xed\xa0\x80", "???" },      /* surrogate */
		{ "\xf0\x8f\xbf\xbf", "????" }, /* overlong */
		{ "\xf4\x90\x80\x80", "????" }, /* beyond U+10FFFF */
		{ "\xf5\x80\x80\x80", "????" },
		{ "end\xe2\x82", "end??" }, /* cut short */
		{ "\xe2\x82z", "??z" },
		{ "\xf0\x90\x80z", "???z" },
	};

	for (size_t i = 0; i < OH_ARRAY_LEN(cases); i++) {
		uint32_t k = oh_strtab_add_str(&tab, cases[i].in);
		ck_assert_str_eq(tab.strings[k], cases[i].want);
		ck_assert_uint_eq(oh_strtab_add_str(&tab, cases[i].in), k);
	}
	ck_assert_str_eq(tab.strings[oh_strtab_add(&tab, "a\0b", 3)], "a?b");
}
END_TEST

START_TEST(no_memory_is_sticky_and_old_indices_live_on)
{
	char text[64];
	uint32_t first = oh_strtab_add_str(&tab, "first");
	uint32_t last = 0;

	oh_sys_fail_at(1);
	for (int i = 0; tab.error == 0 && i < 1000000; i++) {
		int len = snprintf(text, sizeof(text), "a longer string, number %d", i);
		uint32_t k = oh_strtab_add(&tab, text, (size_t)len);
		if (k != 0)
			last = k;
	}
	ck_assert_int_eq(tab.error, -ENOMEM);
	ck_assert_uint_eq(oh_strtab_add_str(&tab, "one more"), 0);
	ck_assert_str_eq(tab.strings[first], "first");
	ck_assert_uint_gt(last, 0);
	ck_assert_uint_le(last, tab.count - 1);
	oh_sys_fail_at(0);
}
END_TEST

START_TEST(init_without_memory_is_enomem)
{
	struct oh_scratch none = OH_SCRATCH_INIT;

	oh_sys_fail_at(1);
	ck_assert_int_eq(oh_strtab_init(&tab, &none), -ENOMEM);
	oh_sys_fail_at(0);
	ck_assert_uint_eq(oh_strtab_add_str(&tab, "x"), 0);
	ck_assert_int_eq(tab.error, -ENOMEM);
	oh_scratch_release(&none);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, index_0_is_the_empty_string);
	tcase_add_test(tc, equal_strings_and_only_those_share_an_index);
	tcase_add_test(tc, a_string_is_copied);
	tcase_add_test(tc, length_counts_not_the_nul);
	tcase_add_test(tc, only_valid_utf8_gets_in);
	tcase_add_test(tc, no_memory_is_sticky_and_old_indices_live_on);
	tcase_add_test(tc, init_without_memory_is_enomem);
}

int
main(void)
{
	return unit_run("strtab", add);
}
