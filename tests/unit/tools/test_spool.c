/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_spool.c - the folder of profiles that wait, file by file.
 */
#include "tests/unit/tools/wirebuild.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/lives.h"
#include "tools/spool.h"
#include "tools/spool_own.h"

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

	/* What was sent is known all the same, and with its time. */
	struct stat st;
	ck_assert(oh_spool_previous(&spool, &origin, path));
	ck_assert_int_eq(fstatat(spool.dir, path, &st, 0), 0);
	ck_assert_int_eq(st.st_size, 10);
	ck_assert_int_eq(st.st_mtim.tv_sec, 1000);
	oh_spool_let_go(&stamp);
	/* Written over, it cannot be read again: nothing is known rather than what is not so. */
	stamp = look_at("p.pb.gz");
	make("p.pb.gz", 30, 1002);
	ck_assert(oh_spool_sent(&spool, "p.pb.gz", &stamp, &origin));
	ck_assert(is_there("p.pb.gz"));
	ck_assert_int_eq(fstatat(spool.dir, path, &st, 0), 0);
	ck_assert_int_eq(st.st_size, 10);
	oh_spool_let_go(&stamp);
	/* Nor is another one refused. */
	stamp = look_at("p.pb.gz");
	make("new", 40, 1003);
	ck_assert_int_eq(renameat(spool.dir, "new", spool.dir, "p.pb.gz"), 0);
	ck_assert(oh_spool_refuse(&spool, "p.pb.gz", &stamp));
	ck_assert(is_there("p.pb.gz"));
	ck_assert(!is_there("refused/p.pb.gz"));
	oh_spool_let_go(&stamp);
	/* The program has ended, and another has its number and the name. */
	origin.last = true;
	stamp = look_at("p.pb.gz");
	make("new", 50, 1004);
	ck_assert_int_eq(renameat(spool.dir, "new", spool.dir, "p.pb.gz"), 0);
	ck_assert(oh_spool_sent(&spool, "p.pb.gz", &stamp, &origin));
	ck_assert(is_there("p.pb.gz"));
	ck_assert(!oh_spool_previous(&spool, &origin, path));
	oh_spool_let_go(&stamp);
	origin.last = false;

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

/* ---- what programs keep there for themselves --------------------------------------------------
 */

/* leaks/PID.START.WHOSE with a profile in it, all of `age_s` ago. */
static void
make_own(char name[128], int pid, unsigned long long start, const char *whose, int age_s)
{
	time_t then = time(NULL) - age_s;
	struct timespec times[2] = { { .tv_sec = then }, { .tv_sec = then } };
	char file[160];

	(void)mkdirat(spool.dir, "leaks", 0700);
	(void)snprintf(name, 128, "leaks/%d.%llu.%s", pid, start, whose);
	(void)mkdirat(spool.dir, name, 0700);
	(void)snprintf(file, sizeof(file), "%s/p.pb.gz", name);
	make(file, 10, then);
	ck_assert_int_eq(utimensat(spool.dir, name, times, 0), 0);
}

/* A process with nothing in it but a thread, its first one has ended. */
static pid_t
headless(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pthread_t t;

		(void)pthread_create(&t, NULL, (void *(*)(void *))(void (*)(void))pause, NULL);
		pthread_exit(NULL);
	}
	for (char state = 0; state != 'Z';) {
		char path[64];
		FILE *f;

		(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
		f = fopen(path, "re");
		ck_assert_ptr_nonnull(f);
		ck_assert_int_eq(fscanf(f, "%*s %*s %c", &state), 1);
		(void)fclose(f);
		(void)usleep(1000);
	}
	return pid;
}

static void
end(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

/* The number of no process: of one that has just ended. */
static pid_t
free_number(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	return pid;
}

#define DAY_S 86400

START_TEST(what_a_killed_program_kept_goes_and_nothing_of_a_living_one)
{
	char mine[128], dead[128], fresh[128], again[128], half[128];
	const char *here = oh_lives_whose();
	pid_t other = headless();

	ck_assert_str_ne(here, "");
	make_own(mine, getpid(), starttime_of(getpid()), here, 30 * DAY_S);
	make_own(half, other, starttime_of(other), here, 30 * DAY_S);
	make_own(dead, free_number(), 77, here, 60);
	make_own(fresh, free_number(), 78, here, 0);
	make_own(again, getpid(), starttime_of(getpid()) - 1, here, 60);
	ck_assert_uint_eq(oh_spool_sweep(&spool), 1);
	ck_assert(is_there(mine));
	ck_assert_msg(is_there(half), "its first thread has ended, not the process");
	ck_assert(!is_there(dead));
	ck_assert_msg(is_there(fresh), "a report may be in the making");
	ck_assert_msg(is_there(again), "the number was given again: not certain");
	end(other);
	ck_assert_uint_eq(oh_spool_sweep(&spool), 1);
	ck_assert(!is_there(half));
}
END_TEST

START_TEST(of_other_namespaces_and_boots_only_what_is_old_goes)
{
	char ns[128], boot[128], unknown[128], old[128], heard[128], path[320];
	struct oh_spool_origin origin = {
		.known = true, .pid = 7, .start_ms = 1000000, .key = 0x811c9dc5 /* "" */
	};
	struct oh_spool_stamp stamp;
	const char *dot = strchr(oh_lives_whose(), '.');
	int nowhere = free_number();
	struct wb w = { .len = 0 };

	(void)snprintf(path, sizeof(path), "1%s", dot);
	make_own(ns, nowhere, 1, path, 6 * DAY_S);
	(void)snprintf(
	    path, sizeof(path), "%.*s.0", (int)(dot - oh_lives_whose()), oh_lives_whose());
	make_own(boot, nowhere, 2, path, 6 * DAY_S);
	make_own(unknown, nowhere, 0, "0.0", 6 * DAY_S);
	make_own(old, nowhere, 3, "1.0", 8 * DAY_S);
	/* One of which a profile was sent, as any time in the last week. */
	make_own(heard, 7, 4, "1.0", 8 * DAY_S);
	wb_string(&w, "");
	wb_string(&w, "pid: 7");
	wb_string(&w, "program: ");
	wb_int(&w, 13, 1);
	wb_int(&w, 13, 2);
	wb_int(&w, 9, UINT64_C(1000000) * 1000000);
	(void)snprintf(path, sizeof(path), "%s/p.pb.gz", heard);
	int fd = openat(spool.dir, path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ck_assert_int_eq(write(fd, w.b, w.len), (ssize_t)w.len);
	(void)close(fd);
	make("s.pb.gz", 10, time(NULL));
	stamp = look_at("s.pb.gz");
	ck_assert(oh_spool_sent(&spool, "s.pb.gz", &stamp, &origin));

	ck_assert_uint_eq(oh_spool_sweep(&spool), 0);
	ck_assert(is_there(ns));
	ck_assert(is_there(boot));
	ck_assert(is_there(unknown));
	ck_assert(!is_there(old));
	ck_assert(is_there(heard));
	ck_assert(oh_spool_previous(&spool, &origin, path));
	ck_assert_int_eq(unlinkat(spool.dir, path, 0), 0);
	ck_assert_uint_eq(oh_spool_sweep(&spool), 0);
	ck_assert(!is_there(heard));
}
END_TEST

START_TEST(what_is_none_of_ours_stays)
{
	static const char *const names[] = { "leaks/notes", "leaks/1.2.3", "leaks/1.2.3.4x",
		"leaks/-1.2.3.4", "leaks/1.2.3.4.5" };

	ck_assert_int_eq(mkdirat(spool.dir, "leaks", 0700), 0);
	for (size_t i = 0; i < OH_ARRAY_LEN(names); i++) {
		struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

		ck_assert_int_eq(mkdirat(spool.dir, names[i], 0700), 0);
		ck_assert_int_eq(utimensat(spool.dir, names[i], old, 0), 0);
	}
	make("leaks/1.2.3.4", 10, 1000); /* no folder */
	ck_assert_uint_eq(oh_spool_sweep(&spool), 0);
	for (size_t i = 0; i < OH_ARRAY_LEN(names); i++)
		ck_assert_msg(is_there(names[i]), "%s", names[i]);
	ck_assert(is_there("leaks/1.2.3.4"));
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
	tcase_add_test(tc, what_a_killed_program_kept_goes_and_nothing_of_a_living_one);
	tcase_add_test(tc, of_other_namespaces_and_boots_only_what_is_old_goes);
	tcase_add_test(tc, what_is_none_of_ours_stays);
}

int
main(void)
{
	return unit_run("spool", add);
}
