/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_spool.c - the folder of profiles that wait, file by file.
 */
#include "tests/unit/tools/wirebuild.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/spool.h"

static char folder[64];
static struct oh_spool spool;

static void
set_up(void)
{
	struct oh_error err = { "" };

	(void)strcpy(folder, "/tmp/otheap-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_msg(oh_spool_open(&spool, folder, true, &err), "%s", err.text);
	ck_assert_int_eq(oh_spool_lock(&spool, &err), 1);
}

static void
tear_down(void)
{
	char command[96];

	oh_spool_close(&spool);
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

/* A file of `len` bytes that was written at `s` seconds, Unix time. */
static void
make(const char *name, size_t len, time_t s)
{
	struct timespec times[2] = { { .tv_sec = s }, { .tv_sec = s } };
	int fd = openat(spool.dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)len), 0);
	ck_assert_int_eq(futimens(fd, times), 0);
	(void)close(fd);
}

static bool
is_there(const char *name)
{
	return faccessat(spool.dir, name, F_OK, 0) == 0;
}

/* Read it, as a file is before it is sent. */
static struct oh_spool_stamp
look_at(const char *name)
{
	struct oh_spool_stamp stamp;
	struct oh_error err = { "" };
	size_t len;

	free(oh_spool_read(&spool, name, 1 << 20, &len, &stamp, &err));
	ck_assert_str_eq(err.text, "");
	return stamp;
}

START_TEST(the_oldest_comes_first_and_numbers_count)
{
	static const char *const order[] = { "z.1.pb.gz", "a.9.pb.gz", "a.10.pb.gz", "b.1.pb.gz" };

	make("b.1.pb.gz", 1, 3000);
	make("a.10.pb.gz", 1, 2000);
	make("a.9.pb.gz", 1, 2000);
	make("z.1.pb.gz", 1, 1000);
	make(".otheap-1.tmp", 1, time(NULL));
	make(".otheap-2.tmp", 1, time(NULL) - 7200);
	make("notes.txt", 1, 1000);
	oh_spool_scan(&spool, NULL, NULL);
	ck_assert_uint_eq(spool.count, OH_ARRAY_LEN(order));
	ck_assert_uint_eq(spool.bytes, OH_ARRAY_LEN(order));
	for (size_t i = 0; i < spool.count; i++)
		ck_assert_str_eq(spool.files[i].name, order[i]);
	ck_assert(is_there(".otheap-1.tmp"));
	ck_assert(!is_there(".otheap-2.tmp"));
	ck_assert(is_there("notes.txt"));
}
END_TEST

/* Field 22 of /proc/PID/stat, by another way than spool.c: the name has no blank here. */
static unsigned long long
starttime_of(pid_t pid)
{
	char path[64], text[1024];
	unsigned long long t = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	(void)fclose(f);
	for (int i = 1; i <= 22; i++) {
		const char *word = strtok(i == 1 ? text : NULL, " ");

		t = strtoull(word, NULL, 10);
	}
	return t;
}

static size_t told;

static void
count_notes(void *arg, pid_t pid, uint64_t starttime)
{
	told++;
	ck_assert_int_eq(pid, *(pid_t *)arg);
	ck_assert_uint_eq(starttime, starttime_of(pid));
}

START_TEST(markers_go_with_their_processes)
{
	static const char *const dead[] = { "1.process", "x.1.process", "0.1.process",
		"99999999999.1.process", "1..process", ".process" };
	char mine[64], other[64];
	pid_t pid = fork();

	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	(void)snprintf(mine, sizeof(mine), "%d.%llu.process", (int)pid, starttime_of(pid));
	(void)snprintf(other, sizeof(other), "%d.%llu.process", (int)pid, starttime_of(pid) + 1);
	make(mine, 0, 1000);
	make(other, 0, 1000); /* the same number, another process */
	for (size_t i = 0; i < OH_ARRAY_LEN(dead); i++)
		make(dead[i], 0, 1000);
	told = 0;
	oh_spool_scan(&spool, count_notes, &pid);
	ck_assert_uint_eq(spool.markers, 1);
	ck_assert_uint_eq(told, 1);
	ck_assert(is_there(mine));
	ck_assert(!is_there(other));
	for (size_t i = 0; i + 1 < OH_ARRAY_LEN(dead); i++)
		ck_assert_msg(!is_there(dead[i]), "%s", dead[i]);

	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	/* Ended, but nobody has waited for it: it writes nothing any more. */
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	oh_spool_scan(&spool, NULL, NULL);
	ck_assert_uint_eq(spool.markers, 0);
	ck_assert(!is_there(mine));
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

START_TEST(limits_take_the_refused_then_the_oldest_but_nothing_held)
{
	struct oh_spool_limits limits = { .max_bytes = 300 };
	struct oh_spool_losses losses = { 0 };
	time_t now = time(NULL);

	make("refused/r.pb.gz", 100, now - 10);
	make("a.pb.gz", 100, now - 50);
	make("b.pb.gz", 100, now - 40);
	make("c.pb.gz", 100, now - 30);
	make("d.pb.gz", 100, now - 20);
	oh_spool_scan(&spool, NULL, NULL);
	spool.held = 1;
	oh_spool_trim(&spool, &limits, &losses);
	ck_assert(!is_there("refused/r.pb.gz"));
	ck_assert(is_there("a.pb.gz"));
	ck_assert(!is_there("b.pb.gz"));
	ck_assert(is_there("c.pb.gz"));
	ck_assert_uint_eq(losses.by_size, 1);
	ck_assert_uint_eq(losses.refused, 1);
	ck_assert_uint_eq(losses.bytes, 200);
	ck_assert_uint_eq(spool.count, 3);

	limits.max_age_ns = INT64_C(25) * 1000000000;
	oh_spool_scan(&spool, NULL, NULL);
	oh_spool_trim(&spool, &limits, &losses);
	ck_assert_uint_eq(losses.by_age, 2);
	ck_assert_uint_eq(spool.count, 1);
	ck_assert_str_eq(spool.files[0].name, "d.pb.gz");
}
END_TEST

START_TEST(what_was_sent_is_found_again)
{
	struct oh_spool_origin first = { .known = true, .pid = 7, .start_ms = 1000000, .key = 1 };
	struct oh_spool_origin later = first, other = first, ended = first;
	struct oh_spool_stamp stamp;
	char path[NAME_MAX + 1];

	later.start_ms += 900; /* a clock was set a little */
	other.start_ms += 60000;
	ended.last = true;
	make("p.1.pb.gz", 10, 1000);
	stamp = look_at("p.1.pb.gz");
	ck_assert(!oh_spool_previous(&spool, &first, path));
	ck_assert(oh_spool_sent(&spool, "p.1.pb.gz", &stamp, &first));
	ck_assert(!is_there("p.1.pb.gz"));
	ck_assert(oh_spool_previous(&spool, &later, path));
	ck_assert(!oh_spool_previous(&spool, &other, path));
	make("p.2.pb.gz", 10, 1001);
	stamp = look_at("p.2.pb.gz");
	ck_assert(oh_spool_sent(&spool, "p.2.pb.gz", &stamp, &later));
	ck_assert_msg(!is_there(path), "the one before is gone");
	ck_assert(oh_spool_previous(&spool, &first, path));
	make("p.3.pb.gz", 10, 1002);
	stamp = look_at("p.3.pb.gz");
	ck_assert(oh_spool_sent(&spool, "p.3.pb.gz", &stamp, &ended));
	ck_assert_msg(!oh_spool_previous(&spool, &first, path), "it has ended");
	/* Of one that says nothing of its writer nothing is kept. */
	other.known = false;
	make("q.pb.gz", 10, 1003);
	stamp = look_at("q.pb.gz");
	ck_assert(oh_spool_sent(&spool, "q.pb.gz", &stamp, &other));
	ck_assert(!is_there("q.pb.gz"));
}
END_TEST

START_TEST(only_the_file_that_was_sent_goes)
{
	struct oh_spool_origin origin = { .known = true, .pid = 7, .start_ms = 1, .key = 1 };
	struct oh_spool_stamp stamp;
	char path[NAME_MAX + 1];

	/* The program has written the next one under the same name. */
	make("p.pb.gz", 10, 1000);
	stamp = look_at("p.pb.gz");
	make("new", 20, 1001);
	ck_assert_int_eq(renameat(spool.dir, "new", spool.dir, "p.pb.gz"), 0);
	ck_assert(oh_spool_sent(&spool, "p.pb.gz", &stamp, &origin));
	ck_assert(is_there("p.pb.gz"));

	/* Two names of one file: rename(2) says it is done, and does nothing. */
	stamp = look_at("p.pb.gz");
	ck_assert(oh_spool_sent(&spool, "p.pb.gz", &stamp, &origin));
	ck_assert(oh_spool_previous(&spool, &origin, path));
	ck_assert_int_eq(linkat(spool.dir, path, spool.dir, "p.pb.gz", 0), 0);
	stamp = look_at("p.pb.gz");
	ck_assert(oh_spool_sent(&spool, "p.pb.gz", &stamp, &origin));
	ck_assert(!is_there("p.pb.gz"));
	ck_assert(oh_spool_previous(&spool, &origin, path));
}
END_TEST

START_TEST(there_is_one_agent)
{
	struct oh_error err = { "" };
	struct oh_spool second;

	ck_assert(oh_spool_open(&second, folder, false, &err));
	ck_assert(oh_spool_is_locked(&second));
	ck_assert_int_eq(oh_spool_lock(&second, &err), 0);
	oh_spool_unlock(&spool);
	ck_assert(!oh_spool_is_locked(&second));
	ck_assert_int_eq(oh_spool_lock(&second, &err), 1);
	ck_assert_int_eq(oh_spool_lock(&spool, &err), 0);
	oh_spool_close(&second);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, the_oldest_comes_first_and_numbers_count);
	tcase_add_test(tc, markers_go_with_their_processes);
	tcase_add_test(tc, limits_take_the_refused_then_the_oldest_but_nothing_held);
	tcase_add_test(tc, what_was_sent_is_found_again);
	tcase_add_test(tc, only_the_file_that_was_sent_goes);
	tcase_add_test(tc, there_is_one_agent);
}

int
main(void)
{
	return unit_run("spool", add);
}
