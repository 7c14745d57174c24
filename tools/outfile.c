/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outfile.c - a file that is there whole or not at all.
 *
 * It is written without a name (O_TMPFILE), so that whatever ends the command
 * leaves nothing behind.  A link cannot replace a file, so at the end it gets a
 * temporary name first and is renamed.  File systems that know no O_TMPFILE get
 * the temporary name at once.
 */
#include "tools/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/mem.h"

#define TRIES \
	100 /* of a temporary name; each is used by a command that still runs or was killed \
	     */

static bool
complain(const char *path, int error)
{
	(void)fprintf(stderr, "otheap: %s: %s\n", path, strerror(error));
	return false;
}

static char *
copy(const char *s, size_t len)
{
	char *to = oh_xcalloc(len + 1, 1);

	memcpy(to, s, len);
	return to;
}

/* The folder of the target; free() it. */
static char *
folder_of(const char *target)
{
	const char *slash = strrchr(target, '/');

	if (slash == NULL)
		return copy(".", 1);
	return copy(target, slash == target ? 1 : (size_t)(slash - target));
}

static void
name_temporary(struct oh_outfile *f, const char *folder, int try)
{
	size_t room = strlen(folder) + 64;

	free(f->temporary);
	f->temporary = oh_xcalloc(room, 1);
	(void)snprintf(f->temporary, room, "%s/.otheap-%ld-%d.tmp", folder, (long)getpid(), try);
}

static int
create(struct oh_outfile *f)
{
	char *folder = folder_of(f->target);
	int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);

	f->unnamed = fd >= 0;
	for (int try = 0; fd < 0 && try < TRIES; try++) {
		name_temporary(f, folder, try);
		fd = open(f->temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	free(folder);
	return fd;
}

/* Give the unnamed file a temporary name. */
static bool
link_temporary(struct oh_outfile *f)
{
	char *folder = folder_of(f->target), self[64];
	bool good = false;

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fileno(f->to));
	for (int try = 0; !good && try < TRIES; try++) {
		name_temporary(f, folder, try);
		good = linkat(AT_FDCWD, self, AT_FDCWD, f->temporary, AT_SYMLINK_FOLLOW) == 0;
		if (!good && errno != EEXIST)
			break;
	}
	free(folder);
	if (good)
		f->unnamed = false;
	return good;
}

static void
forget(struct oh_outfile *f)
{
	free(f->target);
	free(f->temporary);
	memset(f, 0, sizeof(*f));
}

bool
oh_outfile_open(struct oh_outfile *f, const char *path)
{
	struct stat st;
	bool there;
	int fd, error;

	memset(f, 0, sizeof(*f));
	f->path = path;
	if (strcmp(path, "-") == 0) {
		f->to = stdout;
		return true;
	}
	there = stat(path, &st) == 0;
	if (there && S_ISDIR(st.st_mode))
		return complain(path, EISDIR);
	if (there && !S_ISREG(st.st_mode)) {
		fd = open(path, O_WRONLY | O_CLOEXEC);
	} else if (there && access(path, W_OK) != 0) {
		fd = -1; /* it could be replaced, but its owner has said no */
	} else {
		f->target = there ? realpath(path, NULL) : NULL;
		if (f->target == NULL)
			f->target = copy(path, strlen(path));
		fd = create(f);
		if (fd >= 0 && there)
			(void)fchmod(fd, st.st_mode & 0777);
	}
	f->to = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (f->to != NULL)
		return true;
	error = errno;
	if (fd >= 0)
		(void)close(fd);
	forget(f);
	return complain(path, error);
}

bool
oh_outfile_close(struct oh_outfile *f, bool good)
{
	bool wanted = good;
	int error = 0, before = errno; /* of a write that failed already */

	if (f->to == stdout) {
		forget(f);
		return good;
	}
	errno = 0;
	if (good && (fflush(f->to) != 0 || ferror(f->to))) {
		errno = errno != 0 ? errno : before;
		good = false;
	}
	if (good && f->unnamed && !link_temporary(f))
		good = false;
	error = errno;
	if (fclose(f->to) != 0 && good) {
		error = errno;
		good = false;
	}
	if (good && f->target != NULL && rename(f->temporary, f->target) != 0) {
		error = errno;
		good = false;
	}
	if (!good && f->target != NULL && !f->unnamed)
		(void)unlink(f->temporary);
	if (wanted && !good)
		(void)complain(f->path, error != 0 ? error : EIO);
	forget(f);
	return good;
}
