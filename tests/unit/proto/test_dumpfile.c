/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_dumpfile.c - a finished profile or none, and never anybody else's file.
 *
 * The tests may run as root, to whom permissions say nothing: what cannot be
 * written to is a folder that is missing, or a file.  One file because every
 * test stands on the same few folders and helpers.
 */
#include "preload/dumpfile.c"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/suite.h"

static char dir[256], other[256];
static struct oh_dumpfile_conf conf;
static struct oh_dumpfile f;
static struct oh_scratch scratch;

static void
setup(void)
{
	umask(0);
	snprintf(dir, sizeof(dir), "%s/dumpfile-XXXXXX", P_tmpdir);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(other, sizeof(other), "%s/dumpfile-XXXXXX", P_tmpdir);
	ck_assert_ptr_nonnull(mkdtemp(other));
	conf = (struct oh_dumpfile_conf){
		.dir = dir, .tmpdir = other, .pattern = OH_DUMPFILE_PATTERN, .program = "prog"
	};
	told_fallback = told_failure = false;
	rename_file = sys_rename;
}

static void
empty(const char *path)
{
	char name[1024];
	DIR *d = opendir(path);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			remove(name);
	}
	if (d != NULL)
		closedir(d);
	rmdir(path);
}

static void
teardown(void)
{
	empty(dir);
	empty(other);
	oh_scratch_release(&scratch);
}

static const char *
in(const char *folder, const char *name)
{
	static char path[16][1024];
	static unsigned next;

	char *p = path[next++ % 16];
	snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
	return p;
}

static bool
exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int
count(const char *path)
{
	DIR *d = opendir(path);
	int n = -2;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
put(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void
expect_text(const char *path, const char *want)
{
	char buf[64] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	ck_assert_msg(fd >= 0, "%s is not there", path);
	ck_assert_int_ge(read(fd, buf, sizeof(buf) - 1), 0);
	close(fd);
	ck_assert_str_eq(buf, want);
}

static int
dump(uint64_t seq, const char *text)
{
	int r = oh_dumpfile_begin(&f, &conf, 42, seq, 1700000000);

	if (r != 0)
		return r;
	ck_assert_int_eq(write(f.fd, text, strlen(text)), (ssize_t)strlen(text));
	return oh_dumpfile_commit(&f, &scratch);
}

/* Send stderr to a file; what it got is in the second call's answer. */
static int
catch_stderr(void)
{
	int saved = dup(2);
	int fd = open(in(other, "stderr"), O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);

	dup2(fd, 2);
	close(fd);
	return saved;
}

static const char *
caught_stderr(int saved)
{
	static char text[2048];
	int fd = open(in(other, "stderr"), O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	close(fd);
	dup2(saved, 2);
	close(saved);
	unlink(in(other, "stderr"));
	return text;
}

/* ---- names and files ------------------------------------------------------ */

START_TEST(a_dump_appears_whole_under_its_name)
{
	struct stat st;

	ck_assert_int_eq(oh_dumpfile_begin(&f, &conf, 42, 7, 0), 0);
	ck_assert_int_eq(count(dir), 1);
	ck_assert(!exists(in(dir, "otheap.prog.42.7.pb.gz")));
	ck_assert_int_eq(f.temp[0], '.');
	ck_assert(exists(in(dir, f.temp)));
	ck_assert_int_eq(write(f.fd, "x", 1), 1);
	ck_assert_int_eq(oh_dumpfile_commit(&f, &scratch), 0);
	ck_assert_str_eq(f.name, "otheap.prog.42.7.pb.gz");
	ck_assert_str_eq(f.folder, dir);
	ck_assert_int_eq(f.fd, -1);
	ck_assert_int_eq(count(dir), 1);
	expect_text(in(dir, f.name), "x");
	/* umask is 0 here. */
	ck_assert_int_eq(stat(in(dir, f.name), &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
}
END_TEST

START_TEST(abort_leaves_nothing)
{
	ck_assert_int_eq(oh_dumpfile_begin(&f, &conf, 42, 1, 0), 0);
	int fd = f.fd;
	oh_dumpfile_abort(&f);
	oh_dumpfile_abort(&f);
	ck_assert_int_eq(count(dir), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	ck_assert_int_eq(oh_dumpfile_commit(&f, &scratch), -EBADF);
}
END_TEST

START_TEST(pattern_is_expanded)
{
	static const struct {
		const char *pattern, *program, *want;
	} cases[] = {
		{ "otheap.%e.%p.%n.pb.gz", "prog", "otheap.prog.42.9.pb.gz" },
		{ "%t-%n", "prog", "1700000000-9" },
		{ "100%%.%n", "prog", "100%.9" },
		{ "%x.%n%", "prog", "%x.9%" },
		{ "%%n", "prog", "%n" },
		{ "%e.%n", "../etc/passwd", ".._etc_passwd.9" },
		{ "../%n", "prog", ".._9" },
		{ "/etc/%e", "prog", "_etc_prog" },
	};

	for (size_t i = 0; i < OH_ARRAY_LEN(cases); i++) {
		conf.pattern = cases[i].pattern;
		conf.program = cases[i].program;
		ck_assert_int_eq(dump(9, ""), 0);
		ck_assert_str_eq(f.name, cases[i].want);
		ck_assert(exists(in(dir, cases[i].want)));
	}
}
END_TEST

START_TEST(pattern_without_a_name_is_refused)
{
	static const char *const bad[] = { "", ".", "..", "%e" };

	conf.quiet = true;
	conf.program = "";
	for (size_t i = 0; i < OH_ARRAY_LEN(bad); i++) {
		conf.pattern = bad[i];
		ck_assert_int_eq(dump(1, ""), -EINVAL);
		ck_assert_int_eq(f.fd, -1);
	}
	ck_assert_int_eq(count(dir), 0);
}
END_TEST

START_TEST(long_program_names_are_cut_to_fit)
{
	char name[300], pattern[300];

	memset(name, 'e', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	conf.program = name;
	conf.max_files = 1;
	ck_assert_int_eq(dump(1, ""), 0);
	ck_assert_uint_le(strlen(f.name), NAME_MAX);
	/* Cut alike for every number, so that retention knows them again. */
	ck_assert_int_eq(dump(1000000000, ""), 0);
	ck_assert_uint_le(strlen(f.name), NAME_MAX);
	ck_assert_int_eq(count(dir), 1);
	memset(pattern, 'p', sizeof(pattern) - 1);
	pattern[sizeof(pattern) - 1] = '\0';
	conf.pattern = pattern;
	conf.quiet = true;
	ck_assert_int_eq(dump(1, ""), -ENAMETOOLONG);
}
END_TEST

START_TEST(descriptor_is_high_and_closed_on_exec)
{
	ck_assert_int_eq(oh_dumpfile_begin(&f, &conf, 42, 1, 0), 0);
	ck_assert_int_ge(f.fd, 200);
	ck_assert_int_eq(fcntl(f.fd, F_GETFD), FD_CLOEXEC);
	oh_dumpfile_abort(&f);
}
END_TEST

START_TEST(descriptor_is_never_a_standard_one)
{
	struct rlimit few = { 64, 64 };
	int saved = dup(0);
	int fd;

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	close(0);
	int r = oh_dumpfile_begin(&f, &conf, 42, 1, 0);
	fd = f.fd;
	oh_dumpfile_abort(&f);
	/* And with no other to be had: then no dump. */
	int low[64], n = 0;
	while ((low[n] = dup(1)) >= 0)
		n++;
	close(0);
	conf.quiet = true;
	int r2 = oh_dumpfile_begin(&f, &conf, 42, 1, 0);
	while (n-- > 0)
		close(low[n]);
	dup2(saved, 0);
	close(saved);
	ck_assert_int_eq(r, 0);
	ck_assert_int_gt(fd, 2);
	ck_assert_int_eq(r2, -EMFILE);
	ck_assert_int_eq(count(dir), 0);
	ck_assert_int_eq(count(other), 0);
}
END_TEST

START_TEST(a_descriptor_that_the_host_took_over_is_left_alone)
{
	ck_assert_int_eq(oh_dumpfile_begin(&f, &conf, 42, 1, 0), 0);
	int fd = f.fd;
	int hosts = open("/dev/null", O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(dup2(hosts, fd), fd);
	ck_assert_int_eq(oh_dumpfile_commit(&f, &scratch), -EBADF);
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
	ck_assert_int_eq(count(dir), 0);
	close(fd);
	close(hosts);
}
END_TEST

START_TEST(temporary_names_differ)
{
	char first[sizeof(f.temp)];

	ck_assert_int_eq(oh_dumpfile_begin(&f, &conf, 42, 1, 0), 0);
	memcpy(first, f.temp, sizeof(first));
	struct oh_dumpfile g;
	ck_assert_int_eq(oh_dumpfile_begin(&g, &conf, 42, 1, 0), 0);
	ck_assert_str_ne(g.temp, first);
	oh_dumpfile_abort(&f);
	oh_dumpfile_abort(&g);
	ck_assert_int_eq(count(dir), 0);
}
END_TEST

/* ---- what is there already ------------------------------------------------ */

START_TEST(numbered_dumps_never_replace)
{
	put(in(dir, "otheap.prog.42.1.pb.gz"), "old");
	put(in(dir, "otheap.prog.42.2.pb.gz"), "old");
	ck_assert_int_eq(dump(1, "new"), 0);
	ck_assert_uint_eq(f.seq, 3);
	ck_assert_str_eq(f.name, "otheap.prog.42.3.pb.gz");
	expect_text(in(dir, "otheap.prog.42.1.pb.gz"), "old");
	expect_text(in(dir, "otheap.prog.42.2.pb.gz"), "old");
	expect_text(in(dir, "otheap.prog.42.3.pb.gz"), "new");
	ck_assert_int_eq(count(dir), 3);
}
END_TEST

START_TEST(many_predecessors_are_passed_in_few_steps)
{
	for (int i = 1; i <= 3000; i++) {
		char name[64];
		snprintf(name, sizeof(name), "otheap.prog.42.%d.pb.gz", i);
		put(in(dir, name), "");
	}
	ck_assert_int_eq(dump(1, "new"), 0);
	ck_assert_uint_gt(f.seq, 3000);
	ck_assert_int_eq(count(dir), 3001);
}
END_TEST

static long
old_kernel(int dirfd, const char *from, const char *to, unsigned flags)
{
	return flags != 0 ? -ENOSYS : sys_rename(dirfd, from, to, flags);
}

static long
old_file_system(int dirfd, const char *from, const char *to, unsigned flags)
{
	return flags != 0 ? -EINVAL : sys_rename(dirfd, from, to, flags);
}

START_TEST(without_noreplace_numbered_dumps_do_not_replace_either)
{
	put(in(dir, "otheap.prog.42.1.pb.gz"), "old");
	rename_file = old_kernel;
	ck_assert_int_eq(dump(1, "new"), 0);
	ck_assert_uint_eq(f.seq, 2);
	rename_file = old_file_system;
	ck_assert_int_eq(dump(1, "newer"), 0);
	ck_assert_uint_eq(f.seq, 3);
	expect_text(in(dir, "otheap.prog.42.1.pb.gz"), "old");
	expect_text(in(dir, "otheap.prog.42.2.pb.gz"), "new");
	expect_text(in(dir, "otheap.prog.42.3.pb.gz"), "newer");
	ck_assert_int_eq(count(dir), 3);
}
END_TEST

START_TEST(a_fixed_name_is_replaced)
{
	conf.pattern = "%e.pb.gz";
	ck_assert_int_eq(dump(1, "first"), 0);
	ck_assert_int_eq(dump(2, "second"), 0);
	expect_text(in(dir, "prog.pb.gz"), "second");
	ck_assert_int_eq(count(dir), 1);
}
END_TEST

START_TEST(a_folder_of_the_final_name_is_an_error_and_leaves_no_temporary)
{
	conf.pattern = "fixed";
	ck_assert_int_eq(mkdir(in(dir, "fixed"), 0700), 0);
	ck_assert_int_eq(dump(1, "x"), -EISDIR);
	ck_assert_int_eq(count(dir), 1);
	conf.pattern = "fixed%n";
	ck_assert_int_eq(mkdir(in(dir, "fixed1"), 0700), 0);
	ck_assert_int_eq(dump(1, "x"), 0);
	ck_assert_str_eq(f.name, "fixed2");
}
END_TEST

START_TEST(links_are_replaced_or_passed_never_followed)
{
	put(in(other, "victim"), "precious");
	ck_assert_int_eq(symlink(in(other, "victim"), in(dir, "prog.pb.gz")), 0);
	ck_assert_int_eq(symlink(in(other, "victim"), in(dir, "otheap.prog.42.1.pb.gz")), 0);
	ck_assert_int_eq(symlink(in(other, "nothing"), in(dir, "otheap.prog.42.2.pb.gz")), 0);
	ck_assert_int_eq(symlink(in(other, "nothing"), in(dir, "dangling")), 0);

	conf.pattern = "%e.pb.gz";
	ck_assert_int_eq(dump(1, "fixed"), 0);
	expect_text(in(dir, "prog.pb.gz"), "fixed");
	conf.pattern = "dangling";
	ck_assert_int_eq(dump(1, "fixed"), 0);
	expect_text(in(dir, "dangling"), "fixed");
	conf.pattern = OH_DUMPFILE_PATTERN;
	ck_assert_int_eq(dump(1, "numbered"), 0);
	ck_assert_uint_eq(f.seq, 3);
	expect_text(in(dir, "otheap.prog.42.3.pb.gz"), "numbered");
	rename_file = old_kernel;
	ck_assert_int_eq(dump(1, "numbered"), 0);
	ck_assert_uint_eq(f.seq, 4);

	expect_text(in(other, "victim"), "precious");
	ck_assert(!exists(in(other, "nothing")));
}
END_TEST

/* ---- where nothing can be written ----------------------------------------- */

START_TEST(a_missing_folder_falls_back_and_says_so_once)
{
	char want[1024];
	int saved = catch_stderr();

	conf.dir = in(dir, "missing");
	int a = dump(1, "x"), b = dump(2, "y");
	const char *said = caught_stderr(saved);
	ck_assert_int_eq(a, 0);
	ck_assert_int_eq(b, 0);
	ck_assert_str_eq(f.folder, other);
	expect_text(in(other, "otheap.prog.42.1.pb.gz"), "x");
	expect_text(in(other, "otheap.prog.42.2.pb.gz"), "y");
	snprintf(want, sizeof(want),
	    "otheap: cannot write in %s (no such folder): profiles go to %s\n", conf.dir, other);
	ck_assert_str_eq(said, want);
}
END_TEST

START_TEST(a_file_for_a_folder_and_a_bad_tmpdir_go_to_tmp)
{
	char want[1024];
	int saved = catch_stderr();

	put(in(dir, "file"), "");
	conf.dir = in(dir, "file");
	conf.tmpdir = "relative";
	conf.pattern = "otheap-test_dumpfile.%p.%t.%n";
	int r = oh_dumpfile_begin(&f, &conf, getpid(), 1, 1700000000);
	oh_dumpfile_abort(&f);
	const char *said = caught_stderr(saved);
	ck_assert_int_eq(r, 0);
	ck_assert_str_eq(f.folder, "/tmp");
	snprintf(want, sizeof(want),
	    "otheap: cannot write in %s (not a folder): profiles go to /tmp\n", conf.dir);
	ck_assert_str_eq(said, want);
}
END_TEST

START_TEST(a_relative_folder_is_not_trusted)
{
	conf.quiet = true;
	conf.dir = "";
	ck_assert_int_eq(dump(1, "x"), 0);
	ck_assert_str_eq(f.folder, other);
}
END_TEST

START_TEST(quiet_is_quiet)
{
	int saved = catch_stderr();

	conf.quiet = true;
	conf.dir = in(dir, "missing");
	int a = dump(1, "x");
	conf.pattern = "";
	int b = dump(1, "x");
	const char *said = caught_stderr(saved);
	ck_assert_int_eq(a, 0);
	ck_assert_int_eq(b, -EINVAL);
	ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(a_folder_that_comes_back_is_used_again)
{
	char late[512];

	snprintf(late, sizeof(late), "%s", in(dir, "late"));
	conf.dir = late;
	conf.quiet = true;
	ck_assert_int_eq(dump(1, "x"), 0);
	ck_assert_str_eq(f.folder, other);
	ck_assert_int_eq(mkdir(late, 0700), 0);
	ck_assert_int_eq(dump(2, "x"), 0);
	ck_assert_str_eq(f.folder, late);
	empty(late);
}
END_TEST

START_TEST(a_folder_that_goes_away_in_between_is_an_error)
{
	char late[512];

	snprintf(late, sizeof(late), "%s", in(dir, "late"));
	ck_assert_int_eq(mkdir(late, 0700), 0);
	conf.dir = late;
	ck_assert_int_eq(oh_dumpfile_begin(&f, &conf, 42, 1, 0), 0);
	empty(late);
	ck_assert_int_eq(oh_dumpfile_commit(&f, &scratch), -ENOENT);
	ck_assert_int_eq(f.fd, -1);
}
END_TEST

/* ---- retention ------------------------------------------------------------ */

static void
put_aged(const char *name, long age_s)
{
	put(in(dir, name), "old");
	struct timespec t[2] = { { .tv_sec = 1700000000 - age_s },
		{ .tv_sec = 1700000000 - age_s } };
	ck_assert_int_eq(utimensat(AT_FDCWD, in(dir, name), t, 0), 0);
}

START_TEST(the_one_to_keep_stays_and_does_not_count)
{
	char keep[PATH_MAX];

	put_aged("otheap.prog.1.1.pb.gz", 500);
	put_aged("otheap.prog.1.2.pb.gz", 400);
	put_aged("otheap.prog.1.3.pb.gz", 300);
	snprintf(keep, sizeof(keep), "%s/otheap.prog.1.1.pb.gz", dir);
	conf.keep = keep;
	conf.max_files = 2;
	ck_assert_int_eq(dump(1, "new"), 0);
	ck_assert(exists(in(dir, "otheap.prog.1.1.pb.gz")));
	ck_assert(!exists(in(dir, "otheap.prog.1.2.pb.gz")));
	ck_assert(exists(in(dir, "otheap.prog.1.3.pb.gz")));
	/* Of another folder it is another file. */
	conf.keep = "/elsewhere/otheap.prog.1.1.pb.gz";
	ck_assert_int_eq(dump(2, "new"), 0);
	ck_assert(!exists(in(dir, "otheap.prog.1.1.pb.gz")));
}
END_TEST

START_TEST(the_oldest_of_ours_go)
{
	put_aged("otheap.prog.1.1.pb.gz", 500);
	put_aged("otheap.prog.9999.77.pb.gz", 400);
	put_aged("otheap.prog.3.1.pb.gz", 300);
	put_aged("otheap.prog.3.2.pb.gz", 300); /* a tie: by name */
	put_aged("otheap.prog.4.1.pb.gz", 100);
	conf.max_files = 3;
	ck_assert_int_eq(dump(1, "new"), 0);
	ck_assert_int_eq(count(dir), 3);
	ck_assert(exists(in(dir, "otheap.prog.3.2.pb.gz")));
	ck_assert(exists(in(dir, "otheap.prog.4.1.pb.gz")));
	ck_assert(exists(in(dir, "otheap.prog.42.1.pb.gz")));
}
END_TEST

START_TEST(no_limit_deletes_nothing)
{
	put_aged("otheap.prog.1.1.pb.gz", 500);
	put_aged("otheap.prog.1.2.pb.gz", 500);
	ck_assert_int_eq(dump(1, "new"), 0);
	ck_assert_int_eq(count(dir), 3);
}
END_TEST

START_TEST(the_new_one_stays_even_if_all_others_are_newer)
{
	put_aged("otheap.prog.1.1.pb.gz", -1000000000);
	put_aged("otheap.prog.1.2.pb.gz", -1000000000);
	conf.max_files = 1;
	ck_assert_int_eq(dump(1, "new"), 0);
	ck_assert_int_eq(count(dir), 1);
	expect_text(in(dir, "otheap.prog.42.1.pb.gz"), "new");
}
END_TEST

START_TEST(foreign_files_stay)
{
	static const char *const foreign[] = {
		"otheap.other.1.1.pb.gz",
		"otheap.prog.1.1.pb.gz.bak",
		"xotheap.prog.1.1.pb.gz",
		"otheap.prog.1.1.pb",
		"otheap.prog.1..pb.gz",
		"otheap.prog.1.1a.pb.gz",
		"otheap.prog.1.-1.pb.gz",
		"otheap.prog..1.pb.gz",
		"otheap.prog.1.1.2.pb.gz",
		"otheap.prog.11.pb.gz",
		".otheap-0123456789abcdef.tmp",
		"notes.txt",
	};

	for (size_t i = 0; i < OH_ARRAY_LEN(foreign); i++)
		put_aged(foreign[i], 1000);
	/* Names like ours, but not regular files. */
	put(in(other, "victim"), "precious");
	ck_assert_int_eq(symlink(in(other, "victim"), in(dir, "otheap.prog.5.1.pb.gz")), 0);
	ck_assert_int_eq(mkdir(in(dir, "otheap.prog.5.2.pb.gz"), 0700), 0);
	ck_assert_int_eq(mkfifo(in(dir, "otheap.prog.5.3.pb.gz"), 0600), 0);
	put_aged("otheap.prog.6.1.pb.gz", 1000);
	conf.max_files = 1;
	ck_assert_int_eq(dump(1, "new"), 0);
	for (size_t i = 0; i < OH_ARRAY_LEN(foreign); i++)
		ck_assert_msg(exists(in(dir, foreign[i])), "%s is gone", foreign[i]);
	ck_assert(exists(in(dir, "otheap.prog.5.1.pb.gz")));
	ck_assert(exists(in(dir, "otheap.prog.5.2.pb.gz")));
	ck_assert(exists(in(dir, "otheap.prog.5.3.pb.gz")));
	ck_assert(!exists(in(dir, "otheap.prog.6.1.pb.gz")));
	expect_text(in(other, "victim"), "precious");
}
END_TEST

START_TEST(files_of_other_users_stay)
{
	if (geteuid() != 0)
		return;
	put_aged("otheap.prog.1.1.pb.gz", 1000);
	put_aged("otheap.prog.1.2.pb.gz", 1000);
	ck_assert_int_eq(chown(in(dir, "otheap.prog.1.1.pb.gz"), 65534, 65534), 0);
	conf.max_files = 1;
	ck_assert_int_eq(dump(1, "new"), 0);
	ck_assert_int_eq(count(dir), 2);
	ck_assert(exists(in(dir, "otheap.prog.1.1.pb.gz")));
}
END_TEST

START_TEST(a_fixed_name_deletes_nothing)
{
	put_aged("prog.pb.gz.1", 10);
	put_aged("other.pb.gz", 10);
	conf.pattern = "%e.pb.gz";
	conf.max_files = 1;
	ck_assert_int_eq(dump(1, "new"), 0);
	ck_assert_int_eq(count(dir), 3);
}
END_TEST

START_TEST(more_than_can_be_remembered_go_in_two_turns)
{
	for (int i = 0; i < 700; i++) {
		char name[64];
		snprintf(name, sizeof(name), "otheap.prog.7.%d.pb.gz", i);
		put_aged(name, 1000 + (i * 7919) % 700);
	}
	conf.max_files = 10;
	ck_assert_int_eq(dump(1, "new"), 0);
	/* The oldest 512 of 701; the others are the 188 newest and the new one. */
	ck_assert_int_eq(count(dir), 701 - 512);
	for (int i = 0; i < 700; i++) {
		char name[64];
		snprintf(name, sizeof(name), "otheap.prog.7.%d.pb.gz", i);
		ck_assert_int_eq(exists(in(dir, name)), (i * 7919) % 700 < 188);
	}
	ck_assert_int_eq(dump(2, "new"), 0);
	ck_assert_int_eq(count(dir), 10);
	ck_assert_uint_le(scratch.total_bytes, 512 * 1024);
}
END_TEST

START_TEST(without_memory_the_dump_is_kept_all_the_same)
{
	put_aged("otheap.prog.1.1.pb.gz", 10);
	conf.max_files = 1;
	oh_sys_fail_at(1);
	int r = dump(1, "new");
	oh_sys_fail_at(0);
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(count(dir), 2);
}
END_TEST

/* Patterns that need more than one way to match the same digits. */
START_TEST(names_match_the_pattern_they_came_from)
{
	static const struct {
		const char *pattern, *name;
		bool ours;
	} cases[] = {
		{ "%p%n", "42", true },
		{ "%p%n", "4", false },
		{ "%p1%n", "211113", true },
		{ "%p1%n", "11", false },
		{ "%p1%n", "111", true },
		{ "%p1%n", "222", false },
		{ "%n", "", false },
		{ "%n", "0123456789", true },
		{ "%n", "12 ", false },
		{ "%e%n", "prog7", true },
		{ "%e%n", "pro7", false },
		{ "a%%%n", "a%5", true },
		{ "a%%%n", "a5", false },
		{ "x/%n", "x_3", true },
		{ "%t.%p.%n.%e", "1.2.3.prog", true },
		{ "%t.%p.%n.%e", "1.2.3.4", false },
	};
	char many[NAME_BYTES];

	f.conf = &conf;
	for (size_t i = 0; i < OH_ARRAY_LEN(cases); i++) {
		conf.pattern = cases[i].pattern;
		ck_assert_msg(is_ours(&f, 4, cases[i].name) == cases[i].ours, "%s, %s",
		    cases[i].pattern, cases[i].name);
	}
	/* Hostile: a backtracking matcher would take years. */
	memset(many, '1', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	conf.pattern = "%n1%n1%n1%n1%n1%n1%n1%n1%n1%n1%n1%n1%n2";
	ck_assert(!is_ours(&f, 4, many));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_dump_appears_whole_under_its_name);
	tcase_add_test(tc, abort_leaves_nothing);
	tcase_add_test(tc, pattern_is_expanded);
	tcase_add_test(tc, pattern_without_a_name_is_refused);
	tcase_add_test(tc, long_program_names_are_cut_to_fit);
	tcase_add_test(tc, descriptor_is_high_and_closed_on_exec);
	tcase_add_test(tc, descriptor_is_never_a_standard_one);
	tcase_add_test(tc, a_descriptor_that_the_host_took_over_is_left_alone);
	tcase_add_test(tc, temporary_names_differ);
	tcase_add_test(tc, numbered_dumps_never_replace);
	tcase_add_test(tc, many_predecessors_are_passed_in_few_steps);
	tcase_add_test(tc, without_noreplace_numbered_dumps_do_not_replace_either);
	tcase_add_test(tc, a_fixed_name_is_replaced);
	tcase_add_test(tc, a_folder_of_the_final_name_is_an_error_and_leaves_no_temporary);
	tcase_add_test(tc, links_are_replaced_or_passed_never_followed);
	tcase_add_test(tc, a_missing_folder_falls_back_and_says_so_once);
	tcase_add_test(tc, a_file_for_a_folder_and_a_bad_tmpdir_go_to_tmp);
	tcase_add_test(tc, a_relative_folder_is_not_trusted);
	tcase_add_test(tc, quiet_is_quiet);
	tcase_add_test(tc, a_folder_that_comes_back_is_used_again);
	tcase_add_test(tc, a_folder_that_goes_away_in_between_is_an_error);
	tcase_add_test(tc, the_one_to_keep_stays_and_does_not_count);
	tcase_add_test(tc, the_oldest_of_ours_go);
	tcase_add_test(tc, no_limit_deletes_nothing);
	tcase_add_test(tc, the_new_one_stays_even_if_all_others_are_newer);
	tcase_add_test(tc, foreign_files_stay);
	tcase_add_test(tc, files_of_other_users_stay);
	tcase_add_test(tc, a_fixed_name_deletes_nothing);
	tcase_add_test(tc, more_than_can_be_remembered_go_in_two_turns);
	tcase_add_test(tc, without_memory_the_dump_is_kept_all_the_same);
	tcase_add_test(tc, names_match_the_pattern_they_came_from);
}

int
main(void)
{
	return unit_run("dumpfile", add_tests);
}
