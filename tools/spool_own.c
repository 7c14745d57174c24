/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool_own.c - whose folder below leaks/ is needed no more?
 *
 * A program removes its own at its end; one that is killed leaves it.  Where
 * the name, PID.STARTTIME.NAMESPACE.BOOT, is of our PID namespace and of this
 * boot of the machine, and nobody has that number any more, it goes.  Otherwise
 * it is of another container or machine that shares the spool, of an earlier
 * boot, or the number was given again, and only time tells: a week without
 * change in the folder and without a profile of that program that was sent.
 */
#include "tools/spool_own.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/lives.h"

#define OWN "leaks"
#define SECOND_NS INT64_C(1000000000)
/* A report may be in the making: it outlives a program that is killed meanwhile. */
#define YOUNG_NS (10 * SECOND_NS)
#define FOREIGN_AGE_NS (7 * 24 * 3600 * SECOND_NS)
/* Of a profile in there, compressed, and unpacked. */
#define FILE_MAX (UINT64_C(64) << 20)
#define PROFILE_MAX (UINT64_C(256) << 20)

/* A folder, to be read from its beginning; NULL if it is none. */
static DIR *
open_folder(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (d == NULL && fd >= 0)
		(void)close(fd);
	return d;
}

/* Is there a profile sent of the program that the profiles in `d` are of? */
static bool
was_heard_of(const struct oh_spool *s, DIR *d)
{
	struct oh_spool part = { .dir = dirfd(d), .lock = -1 };
	const struct dirent *e;
	bool heard = false;

	while (!heard && (e = readdir(d)) != NULL) {
		char previous[NAME_MAX + 1];
		struct oh_spool_origin origin;
		struct oh_spool_stamp stamp;
		struct oh_error err = { "" };
		struct oh_profile *p;
		uint8_t *data;
		size_t len;

		if (!oh_spool_is_profile(e->d_name))
			continue;
		data = oh_spool_read(&part, e->d_name, FILE_MAX, &len, &stamp, &err);
		oh_spool_let_go(&stamp);
		p = data != NULL ? oh_profile_read_mem(data, len, PROFILE_MAX, &err) : NULL;
		free(data);
		if (p == NULL)
			continue;
		oh_spool_origin(&origin, p);
		oh_profile_free(p);
		heard = oh_spool_previous(s, &origin, previous);
	}
	return heard;
}

/* The files in it, and it. */
static void
remove_folder(DIR *of, const char *name, DIR *d)
{
	const struct dirent *e;

	rewinddir(d);
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	(void)unlinkat(dirfd(of), name, AT_REMOVEDIR);
}

enum fate { STAYS, YOUNG, GOES };

static enum fate
fate_of(const struct oh_spool *s, const char *name, DIR *d)
{
	uint64_t starttime, namespace;
	enum oh_life life;
	int64_t age_ns;
	struct stat st;
	char boot[16];
	int pid, whose = 0, n = 0;

	if (sscanf(name, "%d.%" SCNu64 ".%n%" SCNu64 ".%15[0-9a-f]%n", &pid, &starttime, &whose,
		&namespace, boot, &n) != 4 ||
	    name[n] != '\0' || pid <= 0 || fstat(dirfd(d), &st) != 0)
		return STAYS; /* none of ours */
	age_ns = oh_spool_now_ns() -
		 ((int64_t)st.st_mtim.tv_sec * SECOND_NS + (int64_t)st.st_mtim.tv_nsec);
	life = strcmp(name + whose, oh_lives_whose()) == 0 ? oh_life_of(pid, starttime)
							   : OH_LIFE_OTHER;
	if (life == OH_LIFE_THIS)
		return STAYS;
	/* A clock that was set makes nothing young for long. */
	if (life == OH_LIFE_NONE)
		return age_ns > -YOUNG_NS && age_ns < YOUNG_NS ? YOUNG : GOES;
	return age_ns > FOREIGN_AGE_NS && !was_heard_of(s, d) ? GOES : STAYS;
}

size_t
oh_spool_sweep(const struct oh_spool *s)
{
	DIR *all = open_folder(s->dir, OWN), *d;
	const struct dirent *e;
	size_t young = 0;

	while (all != NULL && (e = readdir(all)) != NULL) {
		enum fate fate;

		if (e->d_name[0] == '.' || (d = open_folder(dirfd(all), e->d_name)) == NULL)
			continue;
		fate = fate_of(s, e->d_name, d);
		young += fate == YOUNG;
		if (fate == GOES)
			remove_folder(all, e->d_name, d);
		(void)closedir(d);
	}
	if (all != NULL)
		(void)closedir(all);
	return young;
}
