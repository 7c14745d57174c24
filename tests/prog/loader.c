/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader.c - the loader's lock, and who waits for whom: `loader HOW [FILE]`.
 *
 *	locked	while a thread holds the loader's lock, another one allocates for the
 *		first time in its life, and a profile is written; it waits for both
 *	again N	FILE is loaded and unloaded N times while two threads allocate
 *	deep	FILE is loaded with RTLD_DEEPBIND, and blocks change hands
 */
#include <dirent.h>
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "prog.h"

static volatile int stop;

SITE static void *
site_other(void *arg)
{
	for (int i = 0; i < 20; i++)
		free(hide(malloc(600)));
	return arg;
}

SITE static void *
busy(void *arg)
{
	while (!stop)
		free(hide(malloc(50)));
	return arg;
}

/* Profiles in OTHEAP_DIR, without a request for memory to our own malloc... */
static int
profiles(void)
{
	DIR *d = opendir(getenv("OTHEAP_DIR"));
	int n = 0;

	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
		n += strstr(e->d_name, ".pb.gz") != NULL;
	closedir(d);
	return n;
}

static int
with_lock(struct dl_phdr_info *info, size_t size, void *arg)
{
	pthread_t t;
	const struct timespec wait = { .tv_nsec = 10000000 };

	(void)info;
	(void)size;
	(void)arg;
	CHECK(pthread_create(&t, NULL, site_other, NULL) == 0);
	pthread_join(t, NULL);
	raise(SIGUSR2);
	for (int i = 0; i < 3000 && profiles() == 0; i++)
		nanosleep(&wait, NULL);
	CHECK(profiles() == 1);
	return 1;
}

int
main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	pthread_t t[2];

	if (strcmp(how, "locked") == 0) {
		(void)dl_iterate_phdr(with_lock, NULL);
	} else if (strcmp(how, "again") == 0 && argc > 3) {
		for (int i = 0; i < 2; i++)
			CHECK(pthread_create(&t[i], NULL, busy, NULL) == 0);
		for (int i = 0; i < atoi(argv[2]); i++) {
			void *handle = dlopen(argv[3], RTLD_NOW);
			CHECK(handle != NULL);
			CHECK(dlclose(handle) == 0);
		}
		stop = 1;
		for (int i = 0; i < 2; i++)
			pthread_join(t[i], NULL);
	}
	return bad_count != 0;
}
