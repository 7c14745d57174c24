/* SPDX-License-Identifier: Apache-2.0 */
/*
 * written.c - which profiles has the library written?
 *
 * It tells nobody; its files are known by their name and time.
 */
#include "tools/written.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/mem.h"

/* What is known not to match, so that a pattern of many %e takes no time. */
struct matcher {
	const char *pattern, *name, *pid;
	bool failed[NAME_MAX + 2][NAME_MAX + 2]; /* rest of pattern, rest of name */
};

static bool match_at(struct matcher *m, size_t p, size_t n);

/* %e, %n and so on: text of any length from `least`, digits only or any. */
static bool
match_some(struct matcher *m, size_t after, size_t n, bool digits)
{
	size_t len = 0;

	if (!digits && match_at(m, after, n))
		return true; /* a program without a name */
	while (m->name[n + len] != '\0') {
		char c = m->name[n + len++];

		if (digits && (c < '0' || c > '9'))
			return false;
		if (match_at(m, after, n + len))
			return true;
	}
	return false;
}

static bool
match_step(struct matcher *m, size_t p, size_t n)
{
	size_t len;

	if (m->pattern[p] == '\0')
		return m->name[n] == '\0';
	if (m->pattern[p] != '%')
		return m->pattern[p] == m->name[n] && match_at(m, p + 1, n + 1);
	switch (m->pattern[p + 1]) {
	case 'e':
		return match_some(m, p + 2, n, false);
	case 'n':
	case 't':
		return match_some(m, p + 2, n, true);
	case 'p':
		if (m->pid == NULL)
			return match_some(m, p + 2, n, true);
		len = strlen(m->pid);
		return strncmp(m->name + n, m->pid, len) == 0 && match_at(m, p + 2, n + len);
	case '%':
		return m->name[n] == '%' && match_at(m, p + 2, n + 1);
	default:
		return false;
	}
}

static bool
match_at(struct matcher *m, size_t p, size_t n)
{
	if (m->failed[p][n])
		return false;
	if (match_step(m, p, n))
		return true;
	m->failed[p][n] = true;
	return false;
}

bool
oh_written_matches(const char *pattern, const char *name, const char *pid)
{
	size_t plain = strcspn(pattern, "%");
	struct matcher *m;
	bool good;

	/* Most names of a folder end here. */
	if (strncmp(pattern, name, plain) != 0 || strlen(pattern) > NAME_MAX ||
	    strlen(name) > NAME_MAX)
		return false;
	m = oh_xcalloc(1, sizeof(*m));
	*m = (struct matcher){ .pattern = pattern, .name = name, .pid = pid };
	good = match_at(m, 0, 0);
	free(m);
	return good;
}

static bool
older(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static char *
join(const char *folder, const char *name)
{
	size_t len = strlen(folder) + strlen(name) + 2;
	char *path = oh_xcalloc(len, 1);

	if (strcmp(folder, ".") == 0)
		(void)snprintf(path, len, "%s", name);
	else
		(void)snprintf(path, len, "%s%s%s", folder,
		    folder[strlen(folder) - 1] == '/' ? "" : "/", name);
	return path;
}

void
oh_written_scan(struct oh_written_list *list, const char *folder, const char *pattern, pid_t pid,
    bool only_pid, const struct timespec *since)
{
	char pid_text[16];
	struct dirent *entry;
	DIR *dir = opendir(folder);

	if (dir == NULL)
		return;
	(void)snprintf(pid_text, sizeof(pid_text), "%d", (int)pid);
	while ((entry = readdir(dir)) != NULL) {
		struct oh_written w = { .of_pid = true };
		struct stat st;

		if (!oh_written_matches(pattern, entry->d_name, pid_text)) {
			if (only_pid || !oh_written_matches(pattern, entry->d_name, NULL))
				continue;
			w.of_pid = false;
		}
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(st.st_mode) || (since != NULL && older(&st.st_mtim, since)))
			continue;
		w.time = st.st_mtim;
		w.dev = st.st_dev;
		w.ino = st.st_ino;
		if (oh_written_has(list, &w))
			continue;
		w.path = join(folder, entry->d_name);
		list->items = oh_xgrow(list->items, &list->cap, list->count + 1, sizeof(w));
		list->items[list->count++] = w;
	}
	(void)closedir(dir);
}

bool
oh_written_has(const struct oh_written_list *list, const struct oh_written *w)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct oh_written *x = &list->items[i];

		if (x->ino == w->ino && x->dev == w->dev && x->time.tv_sec == w->time.tv_sec &&
		    x->time.tv_nsec == w->time.tv_nsec)
			return true;
	}
	return false;
}

const struct oh_written *
oh_written_newest(const struct oh_written_list *list)
{
	const struct oh_written *best = NULL;

	for (size_t i = 0; i < list->count; i++) {
		const struct oh_written *w = &list->items[i];

		if (best == NULL || (w->of_pid && !best->of_pid) ||
		    (w->of_pid == best->of_pid && older(&best->time, &w->time)))
			best = w;
	}
	return best;
}

void
oh_written_free(struct oh_written_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].path);
	free(list->items);
	*list = (struct oh_written_list){ 0 };
}
