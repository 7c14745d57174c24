// SPDX-License-Identifier: Apache-2.0
//
// ends.cc - all the ways in which a program ends: `ends HOW STATUS`.
//
// It allocates at several times of its end; site_atexit, site_destructor and
// site_thread_local say how late a profile looks.

#include <csignal>
#include <cstdlib>
#include <pthread.h>
#include <sys/syscall.h>

#include "prog.h"

static int status;
static void *kept[64];
static int count;

extern "C" {
SITE void
site_start(void)
{
	for (int i = 0; i < 10; i++)
		kept[count++] = malloc(100);
}

SITE void
site_atexit(void)
{
	kept[count++] = malloc(200);
}

SITE void
site_destructor(void)
{
	kept[count++] = malloc(300);
}

SITE void
site_thread_local(void)
{
	kept[count++] = malloc(400);
}

SITE void
site_quick(void)
{
	kept[count++] = malloc(500);
}
}

struct late {
	~late()
	{
		site_thread_local();
	}
};
static thread_local late here;

static late *
touch()
{
	return &here;
}

__attribute__((destructor)) static void
destructor()
{
	site_destructor();
}

static void
exits_again()
{
	exit(status);
}

static void *
exits(void *)
{
	exit(status);
}

static void *
last(void *main_thread)
{
	pthread_join(*static_cast<pthread_t *>(main_thread), nullptr);
	return nullptr;
}

int
main(int argc, char **argv)
{
	if (argc < 3)
		return 90;
	const char *how = argv[1];
	status = atoi(argv[2]);
	atexit(site_atexit);
	at_quick_exit(site_quick);
	hide(touch());
	site_start();
	if (strcmp(how, "exit") == 0)
		exit(status);
	if (strcmp(how, "quick_exit") == 0)
		quick_exit(status);
	if (strcmp(how, "_exit") == 0)
		_exit(status);
	if (strcmp(how, "_Exit") == 0)
		_Exit(status);
	if (strcmp(how, "raw") == 0)
		syscall(SYS_exit_group, status);
	if (strcmp(how, "abort") == 0)
		abort();
	if (strcmp(how, "kill") == 0)
		raise(SIGKILL);
	if (strcmp(how, "exit-in-atexit") == 0) {
		atexit(exits_again);
		exit(1);
	}
	if (strcmp(how, "_exit-in-atexit") == 0) {
		atexit([] { _exit(status); });
		exit(1);
	}
	if (strcmp(how, "thread") == 0) {
		pthread_t t;
		pthread_create(&t, nullptr, exits, nullptr);
		pthread_join(t, nullptr);
	}
	if (strcmp(how, "last-thread") == 0) {
		static pthread_t t, self = pthread_self();
		pthread_create(&t, nullptr, last, &self);
		pthread_exit(nullptr);
	}
	if (strcmp(how, "only-thread") == 0)
		pthread_exit(nullptr);
	return status;
}
