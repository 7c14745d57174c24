/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arrival.c - which files get their names in some folders, from now on?
 */
#include "tools/arrival.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* Profiles are renamed into place, or linked where that must not replace one. */
#define EVENTS (IN_MOVED_TO | IN_CREATE)

void
oh_arrival_begin(struct oh_arrival *a)
{
	a->count = 0;
	a->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
}

void
oh_arrival_end(struct oh_arrival *a)
{
	for (size_t i = 0; i < a->count; i++)
		free(a->folders[i].path);
	if (a->fd >= 0)
		(void)close(a->fd);
	a->count = 0;
	a->fd = -1;
}

void
oh_arrival_watch(struct oh_arrival *a, const char *folder)
{
	int watch;

	if (a->fd < 0 || a->count == OH_ARRIVAL_FOLDERS)
		return;
	watch = inotify_add_watch(a->fd, folder, EVENTS | IN_ONLYDIR);
	/* The same folder by another name has the same number. */
	for (size_t i = 0; i < a->count && watch >= 0; i++)
		if (a->folders[i].watch == watch)
			return;
	if (watch < 0)
		return;
	a->folders[a->count].watch = watch;
	a->folders[a->count].path = strdup(folder);
	a->count += a->folders[a->count].path != NULL;
}

void
oh_arrival_forget(struct oh_arrival *a)
{
	char events[4096];

	while (a->fd >= 0 && read(a->fd, events, sizeof(events)) > 0)
		continue;
}

static const char *
folder_of(const struct oh_arrival *a, int watch)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->folders[i].watch == watch)
			return a->folders[i].path;
	return NULL;
}

char *
oh_arrival_wait(struct oh_arrival *a, int ms, bool (*is_it)(const char *name, void *arg), void *arg)
{
	char events[4096] __attribute__((aligned(8))), *found = NULL;
	struct pollfd p = { .fd = a->fd, .events = POLLIN };
	ssize_t n = -1;

	/* Without a descriptor it only waits. */
	if (poll(&p, 1, ms) > 0)
		n = read(a->fd, events, sizeof(events));
	for (ssize_t at = 0; at < n && found == NULL;) {
		const struct inotify_event *e = (const void *)(events + at);
		const char *folder = folder_of(a, e->wd);

		if (folder != NULL && e->len > 0 && is_it(e->name, arg) &&
		    asprintf(&found, "%s%s%s", strcmp(folder, ".") == 0 ? "" : folder,
			strcmp(folder, ".") == 0 || folder[strlen(folder) - 1] == '/' ? "" : "/",
			e->name) < 0)
			found = NULL;
		at += (ssize_t)(sizeof(*e) + e->len);
	}
	return found;
}
