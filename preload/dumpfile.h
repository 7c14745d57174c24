/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dumpfile.h - where profiles go: a name, a temporary file, a rename.
 *
 * A reader of the folder sees a finished profile or none.  Nothing is ever
 * written through a symbolic link, over a profile of another sequence number,
 * or under a name that is not ours.
 *
 * The worker thread only.  Raw system calls, no allocation but from the given
 * scratch, nothing in thread-local storage.
 */
#ifndef OH_PRELOAD_DUMPFILE_H
#define OH_PRELOAD_DUMPFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/scratch.h"

#define OH_DUMPFILE_PATTERN "otheap.%e.%p.%n.pb.gz"

/* Strings are not NULL unless it says so. */
struct oh_dumpfile_conf {
	const char *dir;     /* absolute; anything else cannot be written to */
	const char *tmpdir;  /* $TMPDIR; NULL or not absolute: not tried */
	const char *pattern; /* file name, see below */
	const char *program; /* %e */
	const char *keep;    /* path of a profile that retention leaves; NULL or "": none */
	const char *also;    /* folder below, made if need be, for a second link; NULL: none;
			      * a short name, and of several parts only the last is made */
	unsigned max_files;  /* of ours in the folder; 0 = no limit */
	bool quiet;          /* no line on stderr */
};

/* Does the pattern have a sequence number? */
bool oh_dumpfile_numbered(const char *pattern);

/* One dump.  The strings of `conf` must outlive it. */
struct oh_dumpfile {
	int fd;             /* write here; -1 when there is no dump */
	uint64_t seq;       /* after commit: the number in the name */
	const char *folder; /* where it is, a string of conf or "/tmp" */
	char name[256];     /* after commit: the file's name in there */
	bool linked;        /* after commit: and in the folder `also` below it, by that name */

	/* for dumpfile.c */
	const struct oh_dumpfile_conf *conf;
	pid_t pid;
	int64_t unix_time_s;
	uint64_t dev, ino; /* of the temporary */
	char temp[48];
};

/*
 * Open a temporary file for a dump: mode 0600, close-on-exec, its descriptor
 * well above those that programs count on.
 *
 * The name is the pattern with %e program, %p pid, %n `seq`, %t `unix_time_s`
 * and %% replaced; any '/' becomes '_', other '%' stay.  A long program name is
 * cut so that the name fits.
 *
 * Where `dir` cannot be written to, `tmpdir` and then /tmp is tried, and one
 * line on stderr says so, once in a process.  Returns 0, or the -E... of `dir`
 * when nothing works (one line, too), or -EINVAL for a pattern that makes no
 * file name.
 */
int oh_dumpfile_begin(struct oh_dumpfile *f, const struct oh_dumpfile_conf *conf, pid_t pid,
    uint64_t seq, int64_t unix_time_s);

/*
 * Close the file and give it its name.
 *
 * With %n in the pattern an existing file stays and the next free sequence
 * number is taken: go on after f->seq.  Without, the file replaces the one
 * before (or a link of that name, never what the link points to).
 *
 * The second link is there before anybody can take the first away.  Where it
 * cannot be made there is none.
 *
 * Then the oldest of our profiles are deleted until conf->max_files are left:
 * regular files of our user whose name the pattern makes for this program, any
 * pid, number and time.  At most 512 in one go; never the one just written.
 * Whether that worked is not reported.
 *
 * Returns 0, or -E... and then the temporary is gone, as after an abort.
 */
int oh_dumpfile_commit(struct oh_dumpfile *f, struct oh_scratch *scratch);

/* For names that nobody else has: from the kernel, or a guess where it has none to give. */
uint64_t oh_dumpfile_random(void);

/* Close and delete the temporary.  After begin failed or commit: nothing. */
void oh_dumpfile_abort(struct oh_dumpfile *f);

#endif
