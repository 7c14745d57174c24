/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source.c - the text of a source file that a profile names.
 */
#include "tools/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
open_regular(const char *path, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

/* `name` without the longest of the prefixes that it begins with. */
static const char *
trim(const char *name, const char *prefixes)
{
	size_t most = 0;

	for (const char *at = prefixes; at != NULL && *at != '\0';) {
		size_t len = strcspn(at, ":");

		if (len > most && strncmp(name, at, len) == 0 &&
		    (at[len - 1] == '/' || name[len] == '/'))
			most = len;
		at += len + (at[len] == ':');
	}
	name += most;
	while (most > 0 && *name == '/')
		name++;
	return name;
}

/* Try FOLDER/a/b/c.c, FOLDER/b/c.c, FOLDER/c.c.  The path goes to *ret. */
static int
open_below(const char *folder, size_t folder_len, const char *name, char **ret, struct stat *st)
{
	while (*name != '\0') {
		int fd = -1;

		while (*name == '/')
			name++;
		if (*name == '\0')
			break;
		if (strncmp(name, "../", 3) != 0 && strncmp(name, "./", 2) != 0) {
			if (asprintf(ret, "%.*s/%s", (int)folder_len, folder, name) < 0) {
				*ret = NULL;
				return -1;
			}
			fd = open_regular(*ret, st);
			if (fd >= 0)
				return fd;
			free(*ret);
			*ret = NULL;
		}
		name += strcspn(name, "/");
	}
	return -1;
}

static bool
read_text(struct oh_source *s, int fd, size_t size, struct oh_error *err)
{
	size_t len = 0, cap = 0;
	ssize_t n = 1;

	s->text = oh_xrealloc(NULL, size + 1, 1);
	while (len < size && n > 0) {
		n = read(fd, s->text + len, size - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			return oh_error_set(err, "%s", strerror(errno));
		else
			len += (size_t)n;
	}
	s->text[len] = '\0';
	if (memchr(s->text, '\0', len) != NULL)
		return oh_error_set(err, "%s is not a text file", s->path);
	for (char *at = s->text; *at != '\0';) {
		char *end = strchrnul(at, '\n');
		bool last = *end == '\0';

		s->lines = oh_xgrow(s->lines, &cap, s->count + 1, sizeof(*s->lines));
		s->lines[s->count++] = at;
		*end = '\0';
		if (end > at && end[-1] == '\r')
			end[-1] = '\0';
		at = last ? end : end + 1;
	}
	return true;
}

bool
oh_source_open(struct oh_source *s, const struct oh_source_places *where, const char *name,
    struct oh_error *err)
{
	const char *trimmed = trim(name, where->prefixes);
	struct stat st;
	bool good;
	int fd = -1;

	memset(s, 0, sizeof(*s));
	for (const char *at = where->folders; fd < 0 && at != NULL && *at != '\0';) {
		size_t len = strcspn(at, ":");

		if (len > 0)
			fd = open_below(at, len, trimmed, &s->path, &st);
		at += len + (at[len] == ':');
	}
	if (fd < 0) {
		fd = open_regular(trimmed, &st);
		s->path = oh_xrealloc(NULL, strlen(trimmed) + 1, 1);
		(void)strcpy(s->path, trimmed);
	}
	if (fd < 0)
		return oh_error_set(err, "not found");
	s->changed_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	if ((uint64_t)st.st_size > OH_SOURCE_BYTES_MAX)
		good = oh_error_set(err, "%s is larger than %u MiB", s->path,
		    (unsigned)(OH_SOURCE_BYTES_MAX >> 20));
	else
		good = read_text(s, fd, (size_t)st.st_size, err);
	(void)close(fd);
	return good;
}

void
oh_source_free(struct oh_source *s)
{
	free(s->path);
	free(s->text);
	free(s->lines);
	memset(s, 0, sizeof(*s));
}
