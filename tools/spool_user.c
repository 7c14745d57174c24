/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool_user.c - the spools of a user, where nobody named one.
 */
#include "tools/spool_user.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 3 /* leaks/OWNER/NAME */
#define KEY "key"   /* what tells such a folder from any other */

const char *
oh_spools_folder(size_t i, const char *runtime_dir, uid_t uid, char ret[PATH_MAX])
{
	int n = -1;

	if (runtime_dir != NULL && runtime_dir[0] == '/' && i-- == 0)
		n = snprintf(ret, PATH_MAX, "%s/otheap", runtime_dir);
	else if (i == 0)
		n = snprintf(ret, PATH_MAX, "/tmp/otheap-%u", (unsigned)uid);
	return n > 0 && n < PATH_MAX ? ret : NULL;
}

static bool
is_name(const char *s)
{
	return strlen(s) == OH_SPOOL_NAME_BYTES - 1 &&
	       strspn(s, "0123456789abcdef") == OH_SPOOL_NAME_BYTES - 1;
}

bool
oh_spools_next(DIR *folder, char ret_name[OH_SPOOL_NAME_BYTES])
{
	const struct dirent *e;

	while ((e = readdir(folder)) != NULL)
		if (is_name(e->d_name)) {
			memcpy(ret_name, e->d_name, OH_SPOOL_NAME_BYTES);
			return true;
		}
	return false;
}

static DIR *
open_below(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (d == NULL && fd >= 0)
		(void)close(fd);
	return d;
}

bool
oh_spools_is_of(DIR *folder, const char *name, pid_t pid)
{
	DIR *d = open_below(dirfd(folder), name);
	const struct dirent *e;
	bool found = false;

	while (d != NULL && !found && (e = readdir(d)) != NULL) {
		int n = 0, of = 0;

		found = sscanf(e->d_name, "%d.%*u.process%n", &of, &n) == 1 && n > 0 &&
			e->d_name[n] == '\0' && of == pid;
	}
	if (d != NULL)
		(void)closedir(d);
	return found;
}

/* ---- those of destinations that are no more --------------------------------------------- */

/* When was it changed that changed last, d's own time included? */
static int64_t
last_change(DIR *d, int depth)
{
	const struct dirent *e;
	struct stat st;
	int64_t last = 0, t;

	if (fstat(dirfd(d), &st) == 0)
		last = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	while ((e = readdir(d)) != NULL) {
		DIR *below;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		t = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
		below = S_ISDIR(st.st_mode) && depth < DEPTH_MAX ? open_below(dirfd(d), e->d_name)
								 : NULL;
		if (below != NULL) {
			t = last_change(below, depth + 1);
			(void)closedir(below);
		}
		last = t > last ? t : last;
	}
	return last;
}

/* What is in it and was not changed since; the lock, which is ours, last. */
static void
empty(DIR *d, int64_t since_ns, int depth)
{
	const struct dirent *e;
	struct stat st;

	rewinddir(d);
	while ((e = readdir(d)) != NULL) {
		DIR *below;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    (depth == 0 && strcmp(e->d_name, "agent.lock") == 0) ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		below = S_ISDIR(st.st_mode) && depth < DEPTH_MAX ? open_below(dirfd(d), e->d_name)
								 : NULL;
		if (below != NULL) {
			empty(below, since_ns, depth + 1);
			(void)closedir(below);
			(void)unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
		} else if ((int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec <
			   since_ns) {
			(void)unlinkat(dirfd(d), e->d_name, 0);
		}
	}
	if (depth == 0)
		(void)unlinkat(dirfd(d), "agent.lock", 0);
}

/*
 * A program that comes at this moment leaves a marker before all else, which is
 * young: the folder then stays.  If it is faster than that, it makes another one.
 */
static void
sweep_one(int folder, const char *path, const char *name, int64_t since_ns,
    struct oh_spool_losses *losses)
{
	struct oh_error err = { "" };
	struct oh_spool s;
	DIR *d = open_below(folder, name);

	/* Asked first, as a look would change its times. */
	if (d != NULL && last_change(d, 0) < since_ns && oh_spool_open(&s, path, false, &err)) {
		if (oh_spool_lock(&s, &err) == 1) {
			oh_spool_scan(&s, NULL, NULL);
			if (s.markers == 0) {
				losses->by_age += s.count;
				losses->bytes += s.bytes;
				empty(d, since_ns, 0);
				(void)unlinkat(folder, name, AT_REMOVEDIR);
			}
		}
		oh_spool_close(&s);
	}
	if (d != NULL)
		(void)closedir(d);
}

void
oh_spools_sweep(const char *path, int64_t age_ns, struct oh_spool_losses *losses)
{
	const char *own = strrchr(path, '/');
	char name[OH_SPOOL_NAME_BYTES], all[PATH_MAX], other[PATH_MAX];
	struct stat st;
	DIR *d = NULL;

	if (own == NULL || !is_name(own + 1) || age_ns <= 0)
		return;
	(void)snprintf(all, sizeof(all), "%.*s", (int)(own - path), path);
	d = opendir(all);
	if (d != NULL && fstatat(dirfd(d), KEY, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode) && st.st_uid == geteuid())
		while (oh_spools_next(d, name))
			if (strcmp(name, own + 1) != 0 && (size_t)snprintf(other, sizeof(other),
							      "%s/%s", all, name) < sizeof(other))
				sweep_one(
				    dirfd(d), other, name, oh_spool_now_ns() - age_ns, losses);
	if (d != NULL)
		(void)closedir(d);
}
