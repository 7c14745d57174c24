/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump.h - one profile, from the tables to a file.
 */
#ifndef OH_PRELOAD_DUMP_H
#define OH_PRELOAD_DUMP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Longest path of a profile, with its NUL. */
#define OH_DUMP_PATH_BYTES (PATH_MAX + NAME_MAX + 2)

/*
 * Do what was asked for (worker.h), take a snapshot and write it.  For
 * OH_ASK_LEAKS, and for OH_ASK_EXIT with OTHEAP_LEAK_CHECK, look first which
 * sampled blocks nothing points to any more; where that is not possible the
 * profile is written all the same and says why.  The worker only.
 */
void oh_dump_run(unsigned asked);

/*
 * How did the last one go?  0, or -E...: no profile; -ENOENT: there was none
 * yet.  The first `size` bytes of its path with the NUL, as far as they fit, go
 * to `path`.  Any thread; cheap only for who waits for one.
 */
int oh_dump_last(char *path, size_t size);

/*
 * What the last leak check found; false if it could not be made, or there was none.  Any
 * thread, as oh_dump_last().
 */
struct otheap_leaks;
bool oh_dump_verdict(struct otheap_leaks *ret);

/* The path of the baseline that was written last, "" if none was.  The worker only. */
const char *oh_dump_baseline(void);

/* In a forked child of `parent`: numbers start again. */
void oh_dump_after_fork(pid_t parent);

#endif
