/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scanned.c EVENT - loses ten blocks, asks for a leak check by the dump signal,
 * stops the child that makes it, and does something:
 *
 *	kill	 ends by a signal; says first who the child is
 *	exec	 runs another program, which looks for the child
 *	exec-on	 so, and lets the child go on
 *	leave	 the first thread ends, and another asks once more
 *	wait	 waits for children, and for one of its own
 *	wall	 waits for all kinds of children
 *	ended	 ends the child
 *	exit	 ends
 *	room KIB	no child is stopped: ends with so much more address space to have
 *
 * The scan has not much to do, so it may be over before it is seen: then it is
 * asked for again.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "blocks.h"

ALLOCATE(site_lost, SIZE)

static pid_t scanner;

static void
await(int n)
{
	for (int i = 0; i < 30000 && profiles() < n; i++)
		usleep(1000);
	CHECK(profiles() == n);
}

/* A child of any thread of ours, or 0. */
static pid_t
child(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	pid_t pid = 0;

	while (d != NULL && (e = readdir(d)) != NULL) {
		char path[320];
		snprintf(path, sizeof(path), "/proc/self/task/%s/children", e->d_name);
		FILE *f = fopen(path, "r");
		if (f == NULL)
			continue;
		if (fscanf(f, "%d", &pid) != 1)
			pid = 0;
		fclose(f);
		if (pid != 0)
			break;
	}
	if (d != NULL)
		closedir(d);
	return pid;
}

/* The letter in /proc/PID/stat, and the name; 0 = there is no such process. */
static int
look(pid_t pid, char name[32])
{
	char path[64], letter = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *f = fopen(path, "r");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%*d (%31[^)]) %c", name, &letter) != 2)
		letter = 0;
	fclose(f);
	return letter;
}

static int
state(pid_t pid)
{
	char name[32];

	return look(pid, name);
}

/* By its name: then it has done what is to be done first. */
static bool
is_scanning(pid_t pid)
{
	char name[32];

	return look(pid, name) != 0 && strcmp(name, "otheap-scan") == 0;
}

static void
await_state(pid_t pid, int letter)
{
	for (int i = 0; i < 30000 && state(pid) != letter && state(pid) != 0; i++)
		usleep(1000);
}

static bool
stop_a_scan(void)
{
	for (int turn = 0; turn < 100; turn++) {
		int before = profiles();
		ask_for_check();
		while (profiles() == before) {
			pid_t pid = child();
			if (pid == 0 || !is_scanning(pid) || kill(pid, SIGSTOP) != 0)
				continue;
			await_state(pid, 'T');
			if (state(pid) == 'T') {
				scanner = pid;
				return true;
			}
		}
	}
	return false;
}

static void
go_on(void)
{
	CHECK(kill(scanner, SIGCONT) == 0);
}

/* ---- events ------------------------------------------------------------------------ */

static int
look_after_exec(pid_t pid, bool on)
{
	if (on)
		kill(pid, SIGCONT);
	await_state(pid, 'Z');
	int letter = state(pid);
	CHECK(letter == 'Z' || letter == 0);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	say("done");
	return bad_count != 0;
}

static void *
stay(void *arg)
{
	int n = profiles();

	(void)arg;
	for (int i = 0; i < 30000 && state(getpid()) != 'Z'; i++)
		usleep(1000);
	CHECK(state(getpid()) == 'Z');
	go_on();
	await(n + 1);
	ask_for_check();
	await(n + 2);
	say("done");
	exit(bad_count != 0);
}

static void
leave_it_to_another(void)
{
	pthread_t t;

	CHECK(pthread_create(&t, NULL, stay, NULL) == 0);
	pthread_exit(NULL);
}

static void
wait_for_children(void)
{
	int n = profiles(), status = 0;
	siginfo_t info;
	pid_t pid;

	CHECK(wait(NULL) == -1 && errno == ECHILD);
	CHECK(waitid(P_ALL, 0, &info, WEXITED | WSTOPPED) == -1 && errno == ECHILD);
	CHECK(waitpid(0, NULL, 0) == -1 && errno == ECHILD);
	pid = fork();
	if (pid == 0) {
		CHECK(kill(scanner, SIGCONT) == 0); /* its parent is not us */
		kill(getpid(), bad_count == 0 ? SIGKILL : SIGTERM);
	}
	CHECK(wait(&status) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(wait(NULL) == -1 && errno == ECHILD);
	await(n + 1);
}

/* Which such waits see the child is no secret; nothing may hang, or be waited for twice. */
static void
wait_for_all(void)
{
	int n = profiles(), status;
	pid_t pid;

	go_on();
	while ((pid = waitpid(-1, &status, __WALL)) > 0)
		CHECK(pid == scanner && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK(errno == ECHILD);
	await(n + 1);
}

static void
end_it(void)
{
	int n = profiles();

	CHECK(kill(scanner, SIGKILL) == 0);
	await(n + 1);
}

static void
leave_room(long kib)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long pages;

	CHECK(f != NULL && fscanf(f, "%lu", &pages) == 1);
	all.rlim_cur = pages * 4096 + (unsigned long)kib * 1024;
	CHECK(setrlimit(RLIMIT_AS, &all) == 0);
}

static int
happen(const char *event, char **argv)
{
	char number[32];

	if (!stop_a_scan())
		return 3;
	snprintf(number, sizeof(number), "%d", scanner);
	say("scanner %s", number);
	if (strcmp(event, "kill") == 0)
		kill(getpid(), SIGKILL);
	else if (strncmp(event, "exec", 4) == 0)
		execl("/proc/self/exe", argv[0], "look", number, event, (char *)NULL);
	else if (strcmp(event, "leave") == 0)
		leave_it_to_another();
	else if (strcmp(event, "wait") == 0)
		wait_for_children();
	else if (strcmp(event, "wall") == 0)
		wait_for_all();
	else if (strcmp(event, "ended") == 0)
		end_it();
	else if (strcmp(event, "exit") != 0)
		return 2;
	return bad_count != 0;
}

int
main(int argc, char **argv)
{
	const char *event = argc > 1 ? argv[1] : "";
	int rc = 0;

	if (strcmp(event, "look") == 0 && argc > 3)
		return look_after_exec(atoi(argv[2]), strcmp(argv[3], "exec-on") == 0);
	for (int i = 0; i < 10; i++)
		(void)site_lost();
	/* For a scan that takes a while. */
	memset(map((size_t)64 << 20, MAP_PRIVATE | MAP_ANONYMOUS, -1), 1, (size_t)64 << 20);
	if (strcmp(event, "room") == 0 && argc > 2)
		leave_room(atol(argv[2]));
	else
		rc = happen(event, argv);
	scrub();
	return rc;
}
