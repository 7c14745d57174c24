/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outfile.h - a file that is there whole or not at all.
 */
#ifndef OH_TOOLS_OUTFILE_H
#define OH_TOOLS_OUTFILE_H

#include <stdio.h>

#include "core/base.h"

struct oh_outfile {
	FILE *to; /* write here; errors may be left to oh_outfile_close() */
	const char *path;
	/* Where it goes, and where it is until then; NULL: written in place. */
	char *target, *temporary;
	bool unnamed; /* the temporary file gets its name at the end */
};

/*
 * Begin a file that will be at `path`, which the caller keeps until the end;
 * "-" is standard output.  Until oh_outfile_close() the old file at `path`, if
 * any, stays as it is; a command that is killed leaves it so.  A new file has
 * the mode that the umask gives, an old one keeps its own and what a symbolic
 * link leads to is replaced, not the link.  What is no regular file (a pipe, a
 * device) is written in place.
 *
 * False after one line on stderr; then there is nothing to close.
 */
bool oh_outfile_open(struct oh_outfile *f, const char *path);

/*
 * End it.  With `good` the file appears at its path; otherwise nothing does.
 * Returns true if it appeared; if it should have and did not, false after one
 * line on stderr.  Errors of standard output are left to main().
 */
bool oh_outfile_close(struct oh_outfile *f, bool good);

#endif
