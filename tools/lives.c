/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lives.c - a process by its number and the time it began.
 */
#include "tools/lives.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOOT_CHARS 8 /* as preload/agent.c takes of it */

/* The beginning of a file in /proc; false if it cannot be read. */
static bool
read_start(const char *path, char *to, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, to, room - 1) : -1;

	if (fd >= 0)
		(void)close(fd);
	to[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* What `at` is at, that many fields on; NULL if there are not so many. */
static const char *
skip_fields(const char *at, int count)
{
	for (; count > 0 && at != NULL; count--) {
		at = strchr(at, ' ');
		at = at != NULL ? at + 1 : NULL;
	}
	return at;
}

enum oh_life
oh_life_of(pid_t pid, uint64_t starttime)
{
	char path[64], stat[1024];
	const char *state, *threads, *began;

	if (kill(pid, 0) != 0 && errno == ESRCH)
		return OH_LIFE_NONE;
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (!read_start(path, stat, sizeof(stat)))
		return kill(pid, 0) != 0 && errno == ESRCH ? OH_LIFE_NONE : OH_LIFE_THIS;
	/* The name of the program, field 2, may hold anything but ends with the last ')'. */
	state = strrchr(stat, ')');
	state = skip_fields(state, 1);
	threads = skip_fields(state, 20 - 3);
	began = skip_fields(threads, 22 - 20);
	if (began == NULL)
		return OH_LIFE_THIS;
	/* A first thread that has ended looks like a process that has, but for the others. */
	if ((*state == 'Z' || *state == 'X') && strtoul(threads, NULL, 10) <= 1)
		return OH_LIFE_NONE;
	return strtoull(began, NULL, 10) == starttime ? OH_LIFE_THIS : OH_LIFE_OTHER;
}

const char *
oh_lives_whose(void)
{
	static char whose[OH_LIVES_WHOSE];
	char self[16], own[16], boot[BOOT_CHARS + 1];
	struct stat st;
	ssize_t n;

	if (whose[0] != '\0')
		return whose;
	n = readlink("/proc/self", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	(void)snprintf(own, sizeof(own), "%d", (int)getpid());
	if (strcmp(self, own) == 0 && stat("/proc/self/ns/pid", &st) == 0 &&
	    read_start("/proc/sys/kernel/random/boot_id", boot, sizeof(boot)) &&
	    strlen(boot) == BOOT_CHARS)
		(void)snprintf(whose, sizeof(whose), "%" PRIu64 ".%s", (uint64_t)st.st_ino, boot);
	return whose;
}
