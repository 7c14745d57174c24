/* SPDX-License-Identifier: Apache-2.0 */
/*
 * written.h - which profiles has the library written?
 */
#ifndef OH_TOOLS_WRITTEN_H
#define OH_TOOLS_WRITTEN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "core/base.h"

/* One file in a folder. */
struct oh_written {
	char *path; /* folder/name, or name alone where the folder is "." */
	struct timespec time;
	dev_t dev;
	ino_t ino;
	bool of_pid; /* the name has the process ID that was asked for */
};

/* Grows by scans; free it when done.  All 0: empty. */
struct oh_written_list {
	struct oh_written *items;
	size_t count, cap;
};

/*
 * Could `name` be a profile's by the file name pattern (OTHEAP_FILE)?
 *
 *   pid  the number that %p must be, as text; NULL for any number.  A pattern
 *        without %p fits whatever the pid.
 */
bool oh_written_matches(const char *pattern, const char *name, const char *pid);

/*
 * Add the regular files of `folder` that `pattern` could have named and that
 * are no older than *since (NULL: of any age).  With `only_pid` those of other
 * pids are left out.  A folder that cannot be read adds nothing, nor does one
 * that was added before.
 */
void oh_written_scan(struct oh_written_list *list, const char *folder, const char *pattern,
    pid_t pid, bool only_pid, const struct timespec *since);

/* Is exactly this file, unchanged, in the list? */
bool oh_written_has(const struct oh_written_list *list, const struct oh_written *w);

/* The newest of the list, those of the pid first; NULL if there is none. */
const struct oh_written *oh_written_newest(const struct oh_written_list *list);

void oh_written_free(struct oh_written_list *list);

#endif
