/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stderr.c - may we write to descriptor 2?
 *
 * A daemon that closes all it has and opens its data gets the lowest numbers for
 * it.  So descriptor 2 is where messages go if it is the file that it was at
 * start, or one of a kind that a program puts there for messages: a terminal or
 * other device, a pipe, a file that is appended to.  Not a file that is written
 * elsewhere, not a connection; and nothing if it was closed at start.
 */
#include "preload/stderr.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/sys.h"

/* What it was then. */
static dev_t first_dev;
static ino_t first_ino;
static bool open_at_start;

void
oh_stderr_init(void)
{
	struct stat st;

	open_at_start = OH_SYS(fstat, STDERR_FILENO, &st, 0, 0, 0, 0) == 0;
	if (!open_at_start)
		return;
	first_dev = st.st_dev;
	first_ino = st.st_ino;
}

bool
oh_stderr_fits(int fd, long flags)
{
	struct stat st;

	if (!open_at_start || OH_SYS(fstat, fd, &st, 0, 0, 0, 0) != 0)
		return false;
	if (st.st_dev == first_dev && st.st_ino == first_ino)
		return true;
	if (S_ISREG(st.st_mode))
		return flags >= 0 && (flags & O_APPEND) != 0;
	return S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode);
}

bool
oh_stderr_usable(void)
{
	return oh_stderr_fits(STDERR_FILENO, OH_SYS(fcntl, STDERR_FILENO, F_GETFL, 0, 0, 0, 0));
}
