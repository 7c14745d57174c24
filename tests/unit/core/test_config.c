/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_config.c - what the user asked for, always valid.
 */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

static struct oh_config c;
static char told[4096]; /* what went to the error descriptor */

/* Read a configuration from the arguments, as if they were the environment. */
#define read_env(...) read_list((const char *[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static void
read_list(const char *const *env)
{
	int fd = memfd_create("told", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	memset(&c, 0xaa, sizeof(c));
	oh_config_read(&c, (char *const *)env, fd);
	ssize_t n = pread(fd, told, sizeof(told) - 1, 0);
	told[n > 0 ? n : 0] = '\0';
	close(fd);
}

static void
expect_defaults(void)
{
	char cwd[PATH_MAX];

	ck_assert_uint_eq(c.interval_bytes, 512 * 1024);
	ck_assert_uint_eq(c.max_memory_bytes, 64 * UNIT_MIB);
	ck_assert_uint_eq(c.seed, 0);
	ck_assert_uint_eq(c.fail_at, 0);
	ck_assert_uint_eq(c.dump_every_s, 0);
	ck_assert_uint_eq(c.max_files, 1000);
	ck_assert_uint_eq(c.max_frames, 128);
	ck_assert_uint_eq(c.exit_timeout_ms, 5000);
	ck_assert_int_eq(c.signal, SIGUSR2);
	ck_assert(c.dump_at_exit && !c.label_threads && !c.quiet && !c.debug);
	ck_assert_str_eq(c.dir, getcwd(cwd, sizeof(cwd)));
	ck_assert_str_eq(c.file, "otheap.%e.%p.%n.pb.gz");
	ck_assert_str_eq(c.tmpdir, "");
	ck_assert(c.record && c.otlp && !c.exporting);
	ck_assert_int_eq(c.leak_baseline.kind, OH_BASELINE_MANUAL);
	ck_assert_str_eq(c.leak_report, "stderr");
	ck_assert_uint_eq(c.leak_exitcode, 0);
	ck_assert_str_eq(c.leak_suppressions, "none");
	ck_assert_uint_eq(c.leak_max_memory_bytes, 8192 * UNIT_MIB);
	ck_assert_str_eq(c.command, "auto");
}

START_TEST(without_variables_all_defaults_hold_silently)
{
	read_env();
	expect_defaults();
	ck_assert(!c.leak_check && !c.leak_mode);
	char spool[64];
	snprintf(spool, sizeof(spool), "/tmp/otheap-%u", (unsigned)geteuid());
	ck_assert_str_eq(c.spool, spool);
	ck_assert_str_eq(told, "");
	read_list(NULL);
	expect_defaults();
	read_env("PATH=/bin", "HOME=/", "XOTHEAP_DIR=/x", "OTHEAP", "OTHEAPX=1", "=", "");
	expect_defaults();
	ck_assert_str_eq(told, "");
}
END_TEST

START_TEST(an_empty_value_means_not_set)
{
	read_env("OTHEAP_SAMPLE_INTERVAL=", "OTHEAP_DIR=", "OTHEAP_FILE=", "OTHEAP_SIGNAL=",
	    "OTHEAP_DUMP_EVERY=", "OTHEAP_DUMP_AT_EXIT=", "OTHEAP_EXIT_TIMEOUT=",
	    "OTHEAP_MAX_FILES=", "OTHEAP_MAX_MEMORY=", "OTHEAP_MAX_FRAMES=",
	    "OTHEAP_LABEL_THREADS=", "OTHEAP_SEED=", "OTHEAP_QUIET=", "OTHEAP_DEBUG=",
	    "OTHEAP_TEST_FAIL_AT=", "TMPDIR=", "OTHEAP_RECORD=", "OTHEAP_LEAK_BASELINE=",
	    "OTHEAP_LEAK_CHECK=", "OTHEAP_LEAK_REPORT=", "OTHEAP_LEAK_EXITCODE=",
	    "OTHEAP_LEAK_SUPPRESSIONS=", "OTHEAP_LEAK_MAX_MEMORY=", "OTHEAP_OTLP=", "OTHEAP_SPOOL=",
	    "OTHEAP_PROTOCOL=", "OTHEAP_METRICS=", "OTHEAP_COMMAND=",
	    "OTEL_EXPORTER_OTLP_ENDPOINT=", "OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT=",
	    "OTEL_SDK_DISABLED=", "XDG_RUNTIME_DIR=");
	expect_defaults();
	ck_assert_str_eq(told, "");
}
END_TEST

START_TEST(every_variable_takes_a_good_value)
{
	read_env("OTHEAP_SAMPLE_INTERVAL=2m", "OTHEAP_DIR=/var/tmp", "OTHEAP_FILE=x%%%e-%p-%n-%t",
	    "OTHEAP_SIGNAL=USR1", "OTHEAP_DUMP_EVERY=60", "OTHEAP_DUMP_AT_EXIT=0",
	    "OTHEAP_EXIT_TIMEOUT=7", "OTHEAP_MAX_FILES=0", "OTHEAP_MAX_MEMORY=1g",
	    "OTHEAP_MAX_FRAMES=1", "OTHEAP_LABEL_THREADS=1", "OTHEAP_SEED=18446744073709551615",
	    "OTHEAP_QUIET=1", "OTHEAP_DEBUG=1", "OTHEAP_TEST_FAIL_AT=3", "TMPDIR=/t");
	ck_assert_str_eq(told, "");
	ck_assert_uint_eq(c.interval_bytes, 2 * UNIT_MIB);
	ck_assert_str_eq(c.dir, "/var/tmp");
	ck_assert_str_eq(c.file, "x%%%e-%p-%n-%t");
	ck_assert_int_eq(c.signal, SIGUSR1);
	ck_assert_uint_eq(c.dump_every_s, 60);
	ck_assert_uint_eq(c.exit_timeout_ms, 7000);
	ck_assert_uint_eq(c.max_files, 0);
	ck_assert_uint_eq(c.max_memory_bytes, 1024 * UNIT_MIB);
	ck_assert_uint_eq(c.max_frames, 1);
	ck_assert_uint_eq(c.seed, UINT64_MAX);
	ck_assert_uint_eq(c.fail_at, 3);
	ck_assert(!c.dump_at_exit && c.label_threads && c.quiet && c.debug);
	ck_assert_str_eq(c.tmpdir, "/t");
}
END_TEST

static const struct {
	const char *text;
	int64_t bytes; /* -1: not a size */
} sizes[] = { { "0", 0 }, { "1", 1 }, { "4096", 4096 }, { "512k", 512 << 10 },
	{ "512K", 512 << 10 }, { "3m", 3 << 20 }, { "3M", 3 << 20 }, { "2g", INT64_C(2) << 30 },
	{ "2G", INT64_C(2) << 30 }, { "1024g", INT64_C(1) << 40 }, { "00016", 16 }, { "1025g", -1 },
	{ "1099511627777", -1 }, { "k", -1 }, { "1kk", -1 }, { "1kb", -1 }, { "1 k", -1 },
	{ " 1", -1 }, { "1 ", -1 }, { "-1", -1 }, { "+1", -1 }, { "0x10", -1 }, { "1.5m", -1 },
	{ "1e6", -1 }, { "18446744073709551616", -1 }, { "18446744073709551615g", -1 },
	{ "99999999999999999999999999", -1 }, { "1t", -1 } };

START_TEST(sizes_have_suffixes_and_limits)
{
	char env[100];

	for (size_t i = 0; i < OH_ARRAY_LEN(sizes); i++) {
		snprintf(env, sizeof(env), "OTHEAP_SAMPLE_INTERVAL=%s", sizes[i].text);
		read_env(env);
		if (sizes[i].bytes >= 0) {
			ck_assert_msg(c.interval_bytes == (uint64_t)sizes[i].bytes, "%s", env);
			ck_assert_str_eq(told, "");
		} else {
			ck_assert_msg(c.interval_bytes == 512 * 1024, "%s", env);
			ck_assert_ptr_nonnull(strstr(told, env));
		}
	}
	read_env("OTHEAP_MAX_MEMORY=1023k");
	ck_assert_uint_eq(c.max_memory_bytes, 64 * UNIT_MIB);
	read_env("OTHEAP_MAX_MEMORY=33g");
	ck_assert_uint_eq(c.max_memory_bytes, 64 * UNIT_MIB);
	read_env("OTHEAP_MAX_MEMORY=32g");
	ck_assert_uint_eq(c.max_memory_bytes, 32 * 1024 * UNIT_MIB);
}
END_TEST

static const struct {
	const char *text;
	enum oh_baseline_kind kind;
	unsigned after_s;
	const char *file;
} baselines[] = { { "start", OH_BASELINE_START, 0, "" }, { "manual", OH_BASELINE_MANUAL, 0, "" },
	{ "0", OH_BASELINE_START, 0, "" }, { "0s", OH_BASELINE_START, 0, "" },
	{ "30", OH_BASELINE_AFTER, 30, "" }, { "30s", OH_BASELINE_AFTER, 30, "" },
	{ "5m", OH_BASELINE_AFTER, 300, "" }, { "8760h", OH_BASELINE_AFTER, 31536000, "" },
	{ "/x/30s", OH_BASELINE_FILE, 0, "/x/30s" } };

START_TEST(a_baseline_is_a_word_a_time_or_a_file)
{
	char env[100], cwd[PATH_MAX];

	for (size_t i = 0; i < OH_ARRAY_LEN(baselines); i++) {
		snprintf(env, sizeof(env), "OTHEAP_LEAK_BASELINE=%s", baselines[i].text);
		read_env(env);
		ck_assert_str_eq(told, "");
		ck_assert_int_eq(c.leak_baseline.kind, baselines[i].kind);
		ck_assert_uint_eq(c.leak_baseline.after_s, baselines[i].after_s);
		ck_assert_str_eq(c.leak_baseline.file, baselines[i].file);
		ck_assert(c.leak_mode && c.leak_check);
	}
	read_env("OTHEAP_LEAK_BASELINE=base.pb.gz");
	ck_assert_int_eq(c.leak_baseline.kind, OH_BASELINE_FILE);
	ck_assert_int_eq(strncmp(c.leak_baseline.file, getcwd(cwd, sizeof(cwd)), strlen(cwd)), 0);
	ck_assert_str_eq(c.leak_baseline.file + strlen(cwd), "/base.pb.gz");
}
END_TEST

START_TEST(any_leak_variable_asks_for_a_report_and_a_check_unless_that_is_off)
{
	read_env("OTHEAP_LEAK_CHECK=1");
	ck_assert(c.leak_mode);
	ck_assert_uint_eq(c.leak_check, OH_LEAK_CHECK_AT_EXIT);
	read_env("OTHEAP_LEAK_CHECK=2", "OTHEAP_LEAK_EXITCODE=1");
	ck_assert(c.leak_mode);
	ck_assert_uint_eq(c.leak_check, OH_LEAK_CHECK_ALWAYS);
	/* The report is made from the last profile. */
	read_env("OTHEAP_LEAK_CHECK=1", "OTHEAP_DUMP_AT_EXIT=0");
	ck_assert(c.dump_at_exit);
	read_env("OTHEAP_LEAK_CHECK=0");
	ck_assert(!c.leak_mode && !c.leak_check);
	read_env("OTHEAP_LEAK_EXITCODE=23", "OTHEAP_LEAK_REPORT=/r/%p");
	ck_assert(c.leak_mode && c.leak_check);
	ck_assert_uint_eq(c.leak_exitcode, 23);
	ck_assert_str_eq(c.leak_report, "/r/%p");
	read_env("OTHEAP_LEAK_REPORT=none", "OTHEAP_LEAK_CHECK=0");
	ck_assert(c.leak_mode && !c.leak_check);
	ck_assert_str_eq(c.leak_report, "none");
	read_env("OTHEAP_LEAK_SUPPRESSIONS=/s/x.txt", "OTHEAP_LEAK_MAX_MEMORY=1m");
	ck_assert_str_eq(c.leak_suppressions, "/s/x.txt");
	ck_assert_uint_eq(c.leak_max_memory_bytes, UNIT_MIB);
	ck_assert_str_eq(told, "");
}
END_TEST

#define ENDPOINT "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318"

START_TEST(an_endpoint_turns_the_export_on)
{
	read_env(ENDPOINT, "XDG_RUNTIME_DIR=/run/user/1");
	ck_assert(c.exporting);
	ck_assert_uint_eq(c.dump_every_s, 60);
	ck_assert_str_eq(c.spool, "/run/user/1/otheap");
	ck_assert_str_eq(c.dir, "/run/user/1/otheap");
	read_env("OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT=x", "OTHEAP_DUMP_EVERY=7", "OTHEAP_DIR=/d",
	    "XDG_RUNTIME_DIR=/run/user/1");
	ck_assert(c.exporting);
	ck_assert_uint_eq(c.dump_every_s, 7);
	ck_assert_str_eq(c.spool, "/d");
	read_env(ENDPOINT, "OTHEAP_DUMP_EVERY=0", "OTHEAP_DIR=/d", "OTHEAP_SPOOL=/s");
	ck_assert_uint_eq(c.dump_every_s, 0);
	ck_assert_str_eq(c.spool, "/s");
	ck_assert_str_eq(c.dir, "/s");
	ck_assert_str_eq(c.protocol, "auto");
	read_env(ENDPOINT, "OTHEAP_PROTOCOL=http/protobuf");
	ck_assert_str_eq(c.protocol, "http/protobuf");
	read_env(ENDPOINT, "XDG_RUNTIME_DIR=relative");
	ck_assert_int_eq(strncmp(c.spool, "/tmp/otheap-", 12), 0);
	ck_assert_str_eq(told, "");
}
END_TEST

START_TEST(and_other_variables_turn_it_off)
{
	static const char *const off[] = { "OTHEAP_OTLP=0", "OTEL_SDK_DISABLED=true",
		"OTEL_SDK_DISABLED=TRUE", "OTHEAP_SAMPLE_INTERVAL=0" };
	static const char *const not_off[] = { "OTHEAP_OTLP=1", "OTEL_SDK_DISABLED=false",
		"OTEL_SDK_DISABLED=1", "OTEL_SDK_DISABLED=truer", "OTEL_SDK_DISABLED=tru" };

	for (size_t i = 0; i < OH_ARRAY_LEN(off); i++) {
		read_env(ENDPOINT, "OTHEAP_DIR=/d", off[i]);
		ck_assert_msg(!c.exporting, "%s", off[i]);
		ck_assert_uint_eq(c.dump_every_s, 0);
		ck_assert_str_eq(c.dir, "/d");
	}
	for (size_t i = 0; i < OH_ARRAY_LEN(not_off); i++) {
		read_env(ENDPOINT, not_off[i]);
		ck_assert_msg(c.exporting, "%s", not_off[i]);
	}
	read_env("OTHEAP_SPOOL=/s", "OTHEAP_DIR=/d");
	ck_assert(!c.exporting);
	ck_assert_str_eq(c.dir, "/d");
}
END_TEST

static const char *const bad[] = { "OTHEAP_DIR=" /* filled in below */, "OTHEAP_FILE=a/b",
	"OTHEAP_FILE=%x", "OTHEAP_FILE=abc%", "OTHEAP_SIGNAL=KILL", "OTHEAP_SIGNAL=9",
	"OTHEAP_SIGNAL=SIGSEGV", "OTHEAP_SIGNAL=11", "OTHEAP_SIGNAL=32", "OTHEAP_SIGNAL=65",
	"OTHEAP_SIGNAL=-1", "OTHEAP_SIGNAL=12x", "OTHEAP_SIGNAL=RTMIN+31", "OTHEAP_SIGNAL=RTMINx",
	"OTHEAP_SIGNAL=RTMIN+", "OTHEAP_SIGNAL=usr2", "OTHEAP_DUMP_EVERY=1s",
	"OTHEAP_DUMP_EVERY=-5", "OTHEAP_DUMP_EVERY=31536001", "OTHEAP_DUMP_AT_EXIT=yes",
	"OTHEAP_DUMP_AT_EXIT=2", "OTHEAP_DUMP_AT_EXIT=10", "OTHEAP_EXIT_TIMEOUT=3601",
	"OTHEAP_EXIT_TIMEOUT=0.5", "OTHEAP_MAX_FILES=1000001", "OTHEAP_MAX_FILES=many",
	"OTHEAP_MAX_MEMORY=lots", "OTHEAP_MAX_MEMORY=0", "OTHEAP_MAX_FRAMES=0",
	"OTHEAP_MAX_FRAMES=129", "OTHEAP_LABEL_THREADS=true", "OTHEAP_SEED=x",
	"OTHEAP_SEED=18446744073709551616", "OTHEAP_QUIET=on", "OTHEAP_DEBUG=3",
	"OTHEAP_TEST_FAIL_AT=-1", "OTHEAP_RECORD=2", "OTHEAP_LEAK_BASELINE=mannual",
	"OTHEAP_LEAK_BASELINE=30d", "OTHEAP_LEAK_BASELINE=8761h", "OTHEAP_LEAK_BASELINE=-1s",
	"OTHEAP_LEAK_CHECK=yes", "OTHEAP_LEAK_REPORT=/x/%q", "OTHEAP_LEAK_EXITCODE=256",
	"OTHEAP_LEAK_MAX_MEMORY=0", "OTHEAP_OTLP=on", "OTHEAP_METRICS=60s",
	"OTHEAP_PROTOCOL=http/json", "OTHEAP_PROTOCOL=GRPC", "OTHEAP_PROTOCOL=pyroscope " };

START_TEST(a_value_without_sense_is_told_in_one_line_and_the_default_holds)
{
	static char long_dir[PATH_MAX + 100] = "OTHEAP_DIR=/";

	memset(long_dir + strlen(long_dir), 'd', PATH_MAX);
	for (size_t i = 0; i < OH_ARRAY_LEN(bad); i++) {
		const char *env = i == 0 ? long_dir : bad[i];
		read_env(env);
		expect_defaults();
		ck_assert_msg(strncmp(told, "otheap: ", 8) == 0, "%.80s", env);
		ck_assert_msg(strncmp(told + 8, env, 20 < strlen(env) ? 20 : strlen(env)) == 0,
		    "%.80s: %s", env, told);
		ck_assert_ptr_nonnull(strstr(told, ": expected "));
		ck_assert_ptr_nonnull(strstr(told, "; using "));
		ck_assert_ptr_eq(strchr(told, '\n'), told + strlen(told) - 1);
	}
}
END_TEST

START_TEST(signals_go_by_name_and_number)
{
	static const struct {
		const char *env;
		int number;
	} good[] = { { "OTHEAP_SIGNAL=USR1", SIGUSR1 }, { "OTHEAP_SIGNAL=SIGUSR1", SIGUSR1 },
		{ "OTHEAP_SIGNAL=10", SIGUSR1 }, { "OTHEAP_SIGNAL=none", 0 },
		{ "OTHEAP_SIGNAL=0", 0 }, { "OTHEAP_SIGNAL=HUP", SIGHUP },
		{ "OTHEAP_SIGNAL=RTMIN", 34 }, { "OTHEAP_SIGNAL=RTMIN+3", 37 },
		{ "OTHEAP_SIGNAL=SIGRTMIN+30", 64 }, { "OTHEAP_SIGNAL=64", 64 },
		{ "OTHEAP_SIGNAL=WINCH", SIGWINCH }, { "OTHEAP_SIGNAL=PROF", SIGPROF } };

	for (size_t i = 0; i < OH_ARRAY_LEN(good); i++) {
		read_env(good[i].env);
		ck_assert_msg(c.signal == good[i].number, "%s", good[i].env);
		ck_assert_str_eq(told, "");
	}
}
END_TEST

START_TEST(a_misspelt_name_is_told_with_the_nearest_right_one)
{
	read_env("OTHEAP_SAMPEL_INTERVAL=1");
	expect_defaults();
	ck_assert_str_eq(told, "otheap: OTHEAP_SAMPEL_INTERVAL: no such setting; did you mean "
			       "OTHEAP_SAMPLE_INTERVAL?\n");
	read_env("OTHEAP_DUMP_EVRY=1");
	ck_assert_ptr_nonnull(strstr(told, "did you mean OTHEAP_DUMP_EVERY?"));
	/* Nothing like it: no guess. */
	read_env("OTHEAP_ABSOLUTELY_SOMETHING_ELSE=1");
	ck_assert_str_eq(told, "otheap: OTHEAP_ABSOLUTELY_SOMETHING_ELSE: no such setting\n");
	read_env("OTHEAP_=1");
	ck_assert_ptr_nonnull(strstr(told, "no such setting"));
	/* Names of any length. */
	static char name[5000] = "OTHEAP_";
	memset(name + 7, 'Q', sizeof(name) - 10);
	strcat(name, "=1");
	read_env(name);
	ck_assert_ptr_nonnull(strstr(told, "no such setting\n"));
}
END_TEST

START_TEST(a_short_wrong_name_is_not_taken_for_a_short_right_one)
{
	read_env("OTHEAP_X=1");
	ck_assert_str_eq(told, "otheap: OTHEAP_X: no such setting\n");
	read_env("OTHEAP_FOO=1");
	ck_assert_str_eq(told, "otheap: OTHEAP_FOO: no such setting\n");
	read_env("OTHEAP_DIRS=1");
	ck_assert_ptr_nonnull(strstr(told, "did you mean OTHEAP_DIR?"));
}
END_TEST

START_TEST(quiet_tells_nothing_wherever_it_stands)
{
	read_env("OTHEAP_SEED=x", "OTHEAP_NONSENSE=1", "OTHEAP_QUIET=1");
	ck_assert_str_eq(told, "");
	ck_assert_uint_eq(c.seed, 0);
	read_env("OTHEAP_QUIET=1", "OTHEAP_SEED=x", "OTHEAP_NONSENSE=1");
	ck_assert_str_eq(told, "");
	read_env("OTHEAP_QUIET=0", "OTHEAP_SEED=x");
	ck_assert_str_ne(told, "");
}
END_TEST

START_TEST(the_environment_is_copied)
{
	char dir[] = "OTHEAP_DIR=/somewhere", file[] = "OTHEAP_FILE=name", tmp[] = "TMPDIR=/t";

	read_env(dir, file, tmp);
	memset(dir, 'x', sizeof(dir) - 1);
	memset(file, 'x', sizeof(file) - 1);
	memset(tmp, 'x', sizeof(tmp) - 1);
	ck_assert_str_eq(c.dir, "/somewhere");
	ck_assert_str_eq(c.file, "name");
	ck_assert_str_eq(c.tmpdir, "/t");
}
END_TEST

START_TEST(folders_are_made_absolute)
{
	char cwd[PATH_MAX], expect[2 * PATH_MAX];

	ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
	read_env("OTHEAP_DIR=sub/dir");
	snprintf(expect, sizeof(expect), "%s/sub/dir", cwd);
	ck_assert_str_eq(c.dir, expect);
	read_env("OTHEAP_DIR=.");
	ck_assert_str_eq(c.dir, cwd);
	ck_assert_int_eq(chdir("/"), 0);
	read_env("OTHEAP_DIR=sub");
	ck_assert_str_eq(c.dir, "/sub");
	read_env();
	ck_assert_str_eq(c.dir, "/");
	/* A temporary folder that is not absolute is none. */
	read_env("TMPDIR=relative");
	ck_assert_str_eq(c.tmpdir, "");
	ck_assert_int_eq(chdir(cwd), 0);
}
END_TEST

START_TEST(a_folder_that_was_removed_does_no_harm)
{
	char cwd[PATH_MAX], dir[] = "/tmp/otheap-config-XXXXXX";

	ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	read_env("OTHEAP_DIR=sub");
	ck_assert_int_eq(c.dir[0], '/');
	read_env();
	ck_assert_int_eq(c.dir[0], '/');
	ck_assert_int_eq(chdir(cwd), 0);
}
END_TEST

START_TEST(close_sampling_gets_more_memory_unless_it_is_said_how_much)
{
	read_env("OTHEAP_SAMPLE_INTERVAL=1");
	ck_assert_uint_eq(c.max_memory_bytes, 1024 * UNIT_MIB);
	read_env("OTHEAP_SAMPLE_INTERVAL=4k");
	ck_assert_uint_eq(c.max_memory_bytes, 64 * UNIT_MIB);
	read_env("OTHEAP_SAMPLE_INTERVAL=1", "OTHEAP_MAX_MEMORY=8m");
	ck_assert_uint_eq(c.max_memory_bytes, 8 * UNIT_MIB);
}
END_TEST

/* What is printed can be read back, and gives the same. */
START_TEST(print_and_read_are_inverse)
{
	static struct oh_config before;
	static char text[8192];
	static const char *lines[64];
	unsigned n = 0;
	int fd = memfd_create("print", MFD_CLOEXEC);

	read_env("OTHEAP_SAMPLE_INTERVAL=3k", "OTHEAP_DIR=/a/b", "OTHEAP_SIGNAL=RTMIN+2",
	    "OTHEAP_EXIT_TIMEOUT=9", "OTHEAP_SEED=12345678901234567890", "OTHEAP_QUIET=1",
	    "OTHEAP_LABEL_THREADS=1", "OTHEAP_LEAK_BASELINE=90s", "OTHEAP_LEAK_EXITCODE=3");
	before = c;
	oh_config_print(&c, fd);
	ck_assert_int_gt(pread(fd, text, sizeof(text) - 1, 0), 0);
	close(fd);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		ck_assert_int_eq(strncmp(line, "otheap: OTHEAP_", 15), 0);
		lines[n++] = line + strlen("otheap: ");
	}
	ck_assert_uint_ge(n, 15);
	read_list(lines);
	ck_assert_str_eq(told, "");
	ck_assert_mem_eq(&c, &before, offsetof(struct oh_config, dir));
	ck_assert_str_eq(c.dir, before.dir);
	ck_assert_str_eq(c.file, before.file);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, without_variables_all_defaults_hold_silently);
	tcase_add_test(tc, an_empty_value_means_not_set);
	tcase_add_test(tc, every_variable_takes_a_good_value);
	tcase_add_test(tc, sizes_have_suffixes_and_limits);
	tcase_add_test(tc, a_value_without_sense_is_told_in_one_line_and_the_default_holds);
	tcase_add_test(tc, signals_go_by_name_and_number);
	tcase_add_test(tc, a_misspelt_name_is_told_with_the_nearest_right_one);
	tcase_add_test(tc, a_short_wrong_name_is_not_taken_for_a_short_right_one);
	tcase_add_test(tc, quiet_tells_nothing_wherever_it_stands);
	tcase_add_test(tc, the_environment_is_copied);
	tcase_add_test(tc, folders_are_made_absolute);
	tcase_add_test(tc, a_folder_that_was_removed_does_no_harm);
	tcase_add_test(tc, close_sampling_gets_more_memory_unless_it_is_said_how_much);
	tcase_add_test(tc, a_baseline_is_a_word_a_time_or_a_file);
	tcase_add_test(tc, any_leak_variable_asks_for_a_report_and_a_check_unless_that_is_off);
	tcase_add_test(tc, an_endpoint_turns_the_export_on);
	tcase_add_test(tc, and_other_variables_turn_it_off);
	tcase_add_test(tc, print_and_read_are_inverse);
}

int
main(void)
{
	return unit_run("config", add);
}
