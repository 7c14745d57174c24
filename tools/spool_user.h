/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool_user.h - the spools of a user, where nobody named one: below one folder,
 * one for each destination (preload/agent.c).
 */
#ifndef OH_TOOLS_SPOOL_USER_H
#define OH_TOOLS_SPOOL_USER_H

#include <dirent.h>
#include <stddef.h>
#include <sys/types.h>

#include "tools/spool.h"

#define OH_SPOOL_NAME_BYTES 17 /* with its NUL */

/* Where the i-th such folder, from 0, may be; NULL: there are no more. */
const char *oh_spools_folder(size_t i, const char *runtime_dir, uid_t uid, char ret[PATH_MAX]);

/* The next spool in it; false: there are no more. */
bool oh_spools_next(DIR *folder, char ret_name[OH_SPOOL_NAME_BYTES]);

/* Has a program with this number left its marker there? */
bool oh_spools_is_of(DIR *folder, const char *name, pid_t pid);

/*
 * `path` is a spool.  If it is one of several of a user, remove those that no
 * program and no agent uses and where nothing has changed for `age_ns`: of
 * destinations that are no more.  Profiles that waited there are added to the
 * losses.
 */
void oh_spools_sweep(const char *path, int64_t age_ns, struct oh_spool_losses *losses);

#endif
