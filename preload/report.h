/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h - the leak report at the end of the program.
 */
#ifndef OH_PRELOAD_REPORT_H
#define OH_PRELOAD_REPORT_H

#include <stdbool.h>

#include "core/snapshot.h"

/*
 * Have the command write a report of the last profile, `snap`, which is in the
 * file `path`; wait for it as long as the end of the program may wait.  Where
 * the command cannot be started, write what can be told without it.
 * `seq` is the profile's number.  The worker only.
 */
void oh_report_write(const struct oh_snapshot *snap, const char *path, uint64_t seq);

/*
 * Say in one line that there will be no report, as there is no profile: `error`
 * is a -E... of making it.  Nothing if a report was begun.
 */
void oh_report_missing(int error);

/* Were there definite leaks?  After the last profile was waited for. */
bool oh_report_found_leaks(void);

/* In a forked child: there was no report. */
void oh_report_after_fork(void);

#endif
