/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forks.c - all the ways to make a process: `forks HOW [N]`.
 *
 * Says `parent PID` and `child PID` for those that should leave a profile.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "prog.h"

extern char **environ;
static void *kept[1000];
static int count;
static volatile int stop;

SITE static void
site_parent(void)
{
	for (int i = 0; i < 10; i++)
		kept[count++] = malloc(100);
}

SITE static void
site_child(void)
{
	for (int i = 0; i < 20; i++)
		kept[count++] = malloc(200);
}

SITE static void
site_grandchild(void)
{
	for (int i = 0; i < 30; i++)
		kept[count++] = malloc(300);
}

SITE static void *
busy(void *arg)
{
	void *mine[64] = { 0 };

	for (unsigned n = (unsigned)(size_t)arg; !stop; n = n * 1103515245 + 12345) {
		free(mine[n >> 26]);
		mine[n >> 26] = malloc(n >> 16 & 1023);
	}
	for (int i = 0; i < 64; i++)
		free(mine[i]);
	return NULL;
}

/* Status of a child, which must have ended by itself. */
static void
ended(pid_t pid, int expected)
{
	int status = -1;

	CHECK(pid > 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == expected);
}

static pid_t
fork_and(void (*fn)(void), int status)
{
	pid_t pid = fork();

	if (pid == 0) {
		fn();
		exit(status);
	}
	return pid;
}

static void
family(void)
{
	say("child %d", (int)getpid());
	site_child();
	ended(fork_and(site_grandchild, 5), 5);
}

static void
nothing(void)
{
}

static void
free_parents(void)
{
	/* Blocks of the parent are the child's as well. */
	for (int i = 0; i < count; i++)
		free(kept[i]);
	count = 0;
	site_child();
}

static void
dumps(void)
{
	raise(SIGUSR2);
	site_child();
}

static int
alloc_in_thread(void *arg)
{
	free(hide(malloc(1000)));
	return *(int *)arg;
}

int
main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 1;
	char *args[] = { (char *)"forks-child", (char *)"plain", NULL };
	pthread_t threads[4];
	pid_t pid;

	say("parent %d", (int)getpid());
	if (strcmp(how, "plain") == 0) {
		site_child();
		return 11;
	}
	site_parent();
	if (strcmp(how, "family") == 0) {
		ended(fork_and(family, 4), 4);
	} else if (strcmp(how, "frees") == 0) {
		ended(fork_and(free_parents, 4), 4);
	} else if (strcmp(how, "dumps") == 0) {
		for (int i = 0; i < n; i++)
			ended(fork_and(dumps, 0), 0);
	} else if (strcmp(how, "nothing") == 0) {
		ended(fork_and(nothing, 0), 0);
		if ((pid = fork()) == 0)
			_exit(6);
		ended(pid, 6);
	} else if (strcmp(how, "threads") == 0) {
		for (size_t i = 0; i < 4; i++)
			CHECK(pthread_create(&threads[i], NULL, busy, (void *)i) == 0);
		for (int i = 0; i < n; i++)
			ended(fork_and(site_child, 3), 3);
		stop = 1;
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
	} else if (strcmp(how, "together") == 0) {
		/* Children that live all at once, each with a profile of its own. */
		pid_t pids[64];
		for (int i = 0; i < n; i++)
			pids[i] = fork_and(site_child, 3);
		for (int i = 0; i < n; i++)
			ended(pids[i], 3);
	} else if (strcmp(how, "vfork") == 0) {
		for (int i = 0; i < n; i++) {
			if ((pid = vfork()) == 0) {
				execv("/proc/self/exe", args);
				_exit(127);
			}
			ended(pid, 11);
			if ((pid = vfork()) == 0)
				_exit(12);
			ended(pid, 12);
		}
		site_parent();
	} else if (strcmp(how, "vfork-malloc") == 0) {
		if ((pid = vfork()) == 0) {
			free(hide(malloc(77)));
			_exit(12);
		}
		ended(pid, 12);
		site_parent();
	} else if (strcmp(how, "spawn") == 0) {
		CHECK(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, environ) == 0);
		ended(pid, 11);
		site_parent();
	} else if (strcmp(how, "system") == 0) {
		char line[64] = "";
		CHECK(system("exit 7") == 7 << 8);
		FILE *f = popen("echo hello; cat /dev/null", "r");
		CHECK(f != NULL && fgets(line, sizeof(line), f) != NULL);
		CHECK(strcmp(line, "hello\n") == 0);
		CHECK(pclose(f) == 0);
	} else if (strcmp(how, "raw") == 0) {
		if ((pid = (pid_t)syscall(SYS_fork)) == 0) {
			site_child();
			_exit(13);
		}
		ended(pid, 13);
		if ((pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) == 0) {
			site_child();
			_exit(14);
		}
		ended(pid, 14);
	} else if (strcmp(how, "raw-dumps") == 0) {
		if ((pid = (pid_t)syscall(SYS_fork)) == 0) {
			site_child();
			raise(SIGUSR2);
			exit(13);
		}
		ended(pid, 13);
		site_parent();
	} else if (strcmp(how, "clone") == 0) {
		/* With our memory, on a stack of its own, while we wait. */
		char *stack =
		    mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int status = 15;
		pid = clone(
		    alloc_in_thread, stack + 65536, CLONE_VM | CLONE_VFORK | SIGCHLD, &status);
		ended(pid, 15);
		site_parent();
	} else if (strcmp(how, "exec") == 0) {
		execv("/proc/self/exe", args);
		CHECK(!"exec");
	} else if (strcmp(how, "daemon") == 0) {
		if ((pid = fork()) == 0) {
			CHECK(daemon(0, 1) == 0);
			say("child %d", (int)getpid());
			site_child();
			exit(0);
		}
		ended(pid, 0);
	}
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	return bad_count != 0;
}
