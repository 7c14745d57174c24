/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_written.c - names of profiles and their arrival, values of settings, LD_PRELOAD.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/tools/wirebuild.h"
#include "tools/arrival.h"
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

static bool
ends_in_x(const char *name, void *arg)
{
	++*(int *)arg;
	return name[strlen(name) - 1] == 'x';
}

/* A file that is there for a moment. */
static void
flash(const char *folder, const char *name)
{
	char temporary[128], path[128];
	FILE *f;

	(void)snprintf(temporary, sizeof(temporary), "%s/.tmp", folder);
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(temporary, "we");
	ck_assert_ptr_nonnull(f);
	(void)fclose(f);
	ck_assert_int_eq(rename(temporary, path), 0);
	ck_assert_int_eq(unlink(path), 0);
}

START_TEST(what_arrives_is_noticed_though_it_is_gone)
{
	char one[] = "/tmp/otheap-test-XXXXXX", two[] = "/tmp/otheap-test-XXXXXX", again[64];
	char expected[128], *path;
	struct oh_arrival a;
	int asked = 0;

	ck_assert_ptr_nonnull(mkdtemp(one));
	ck_assert_ptr_nonnull(mkdtemp(two));
	oh_arrival_begin(&a);
	oh_arrival_watch(&a, "/no/such");
	oh_arrival_watch(&a, one);
	oh_arrival_watch(&a, two);
	(void)snprintf(again, sizeof(again), "%s/.", one);
	oh_arrival_watch(&a, again);
	ck_assert_uint_eq(a.count, 2);
	flash(one, "early.x");
	oh_arrival_forget(&a);
	ck_assert_ptr_null(oh_arrival_wait(&a, 0, ends_in_x, &asked));
	ck_assert_int_eq(asked, 0);

	flash(one, "a.y");
	flash(two, "b.x");
	do
		path = oh_arrival_wait(&a, 1000, ends_in_x, &asked);
	while (path == NULL && asked > 0 && asked < 10);
	(void)snprintf(expected, sizeof(expected), "%s/b.x", two);
	ck_assert_pstr_eq(path, expected);
	free(path);
	oh_arrival_end(&a);

	/* Without a descriptor, nothing but time passes. */
	oh_arrival_watch(&a, one);
	oh_arrival_forget(&a);
	ck_assert_ptr_null(oh_arrival_wait(&a, 0, ends_in_x, &asked));
	oh_arrival_end(&a);
	ck_assert_int_eq(rmdir(one), 0);
	ck_assert_int_eq(rmdir(two), 0);
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
	tcase_add_test(tc, what_arrives_is_noticed_though_it_is_gone);
}

int
main(void)
{
	return unit_run("written", add);
}
