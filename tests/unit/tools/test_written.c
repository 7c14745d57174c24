/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_written.c - names of profiles, values of settings, LD_PRELOAD.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tools/wirebuild.h"
#include "tools/library.h"
#include "tools/process.h"
#include "tools/settings.h"
#include "tools/written.h"

#define DEFAULT "otheap.%e.%p.%n.pb.gz"

START_TEST(a_name_matches_its_pattern)
{
	ck_assert(oh_written_matches(DEFAULT, "otheap.app.12.1.pb.gz", NULL));
	ck_assert(oh_written_matches(DEFAULT, "otheap.app.12.1.pb.gz", "12"));
	ck_assert(oh_written_matches(DEFAULT, "otheap.a.b.3.12.10.pb.gz", "12"));
	ck_assert(oh_written_matches(DEFAULT, "otheap..12.1.pb.gz", "12"));
	ck_assert(oh_written_matches("plain", "plain", "12"));
	ck_assert(oh_written_matches("100%%.%t", "100%.1700000000", "12"));
	ck_assert(oh_written_matches("%p%n", "121", "12"));
}
END_TEST

START_TEST(another_name_does_not)
{
	ck_assert(!oh_written_matches(DEFAULT, "otheap.app.12.1.pb.gz", "1"));
	ck_assert(!oh_written_matches(DEFAULT, "otheap.app.12.1.pb.gz", "2"));
	ck_assert(!oh_written_matches(DEFAULT, "otheap.app.12.1.pb.g", NULL));
	ck_assert(!oh_written_matches(DEFAULT, "otheap.app.12.1.pb.gzz", NULL));
	ck_assert(!oh_written_matches(DEFAULT, "otheap.app.12.x.pb.gz", NULL));
	ck_assert(!oh_written_matches(DEFAULT, "otheap.app.12..pb.gz", NULL));
	ck_assert(!oh_written_matches(DEFAULT, ".otheap-0123456789abcdef.tmp", NULL));
	ck_assert(!oh_written_matches("plain", "plain.1", NULL));
	ck_assert(!oh_written_matches("%p%n", "12", "12"));
	ck_assert(!oh_written_matches("%", "%", NULL));
}
END_TEST

START_TEST(many_wildcards_take_no_time)
{
	char pattern[NAME_MAX + 1] = "", name[NAME_MAX + 1];

	for (int i = 0; i < 120; i++)
		strcat(pattern, "%e");
	strcat(pattern, "y");
	memset(name, 'x', NAME_MAX);
	name[NAME_MAX] = '\0';
	ck_assert(!oh_written_matches(pattern, name, NULL));
	name[NAME_MAX - 1] = 'y';
	ck_assert(oh_written_matches(pattern, name, NULL));
}
END_TEST

START_TEST(the_library_comes_first_and_once)
{
	static const char *const cases[][2] = {
		{ NULL, "/l.so" },
		{ "", "/l.so" },
		{ "/x.so", "/l.so:/x.so" },
		{ "/l.so", "/l.so" },
		{ "/l.so /x.so", "/l.so /x.so" },
		{ "/l.so.1", "/l.so:/l.so.1" },
	};

	for (size_t i = 0; i < OH_ARRAY_LEN(cases); i++) {
		char *got = oh_library_preload("/l.so", cases[i][0]);

		ck_assert_str_eq(got, cases[i][1]);
		free(got);
	}
}
END_TEST

START_TEST(a_signal_has_many_names)
{
	static const struct {
		const char *text;
		int signal;
	} good[] = { { "USR2", 12 }, { "SIGUSR2", 12 }, { "12", 12 }, { "none", 0 }, { "0", 0 },
		{ "RTMIN", 34 }, { "SIGRTMIN+30", 64 }, { "64", 64 } };
	static const char *const wrong[] = { "", "usr2", "KILL", "9", "SEGV", "11", "32", "33",
		"65", "12x", "RTMIN+", "RTMIN+31", "RTMIN-1", "99999999999999999999" };
	int n;

	for (size_t i = 0; i < OH_ARRAY_LEN(good); i++) {
		n = -1;
		ck_assert(oh_signal_parse(good[i].text, &n));
		ck_assert_int_eq(n, good[i].signal);
	}
	for (size_t i = 0; i < OH_ARRAY_LEN(wrong); i++)
		ck_assert_msg(!oh_signal_parse(wrong[i], &n), "%s", wrong[i]);
}
END_TEST

START_TEST(a_value_without_sense_is_the_default)
{
	char signal[] = "OTHEAP_SIGNAL=USR1", dir[] = "OTHEAP_DIR=";
	char frames[] = "OTHEAP_MAX_FRAMES=129", interval[] = "OTHEAP_SAMPLE_INTERVAL=1024g";
	char file[] = "OTHEAP_FILE=%x";
	char *env[] = { signal, dir, frames, interval, file, NULL };
	char *none[] = { NULL };

	ck_assert_str_eq(oh_setting_value(env, "OTHEAP_SIGNAL"), "USR1");
	ck_assert_str_eq(oh_setting_value(env, "OTHEAP_DIR"), ".");
	ck_assert_str_eq(oh_setting_value(env, "OTHEAP_MAX_FRAMES"), "128");
	ck_assert_str_eq(oh_setting_value(env, "OTHEAP_SAMPLE_INTERVAL"), "1024g");
	ck_assert_str_eq(oh_setting_value(env, "OTHEAP_FILE"), DEFAULT);
	ck_assert_str_eq(oh_setting_value(none, "OTHEAP_SIGNAL"), "USR2");
	ck_assert_str_eq(oh_setting_value(NULL, "OTHEAP_SIGNAL"), "USR2");
}
END_TEST

START_TEST(a_pid_is_digits_within_range)
{
	static const char *const wrong[] = { "", "0", "-1", "+1", "1 ", "x", "2147483648",
		"99999999999" };
	pid_t pid = 0;

	ck_assert(oh_process_parse("2147483647", &pid));
	ck_assert_int_eq(pid, 2147483647);
	for (size_t i = 0; i < OH_ARRAY_LEN(wrong); i++)
		ck_assert_msg(!oh_process_parse(wrong[i], &pid), "%s", wrong[i]);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, a_name_matches_its_pattern);
	tcase_add_test(tc, another_name_does_not);
	tcase_add_test(tc, many_wildcards_take_no_time);
	tcase_add_test(tc, the_library_comes_first_and_once);
	tcase_add_test(tc, a_signal_has_many_names);
	tcase_add_test(tc, a_value_without_sense_is_the_default);
	tcase_add_test(tc, a_pid_is_digits_within_range);
}

int
main(void)
{
	return unit_run("written", add);
}
