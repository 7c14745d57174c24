/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arrival.h - which files get their names in some folders, from now on?
 *
 * Who only looks from time to time misses a file that somebody takes away at
 * once, as the agent does.  Not all file systems tell, nor may the kernel's
 * watches be had: look as well.
 */
#ifndef OH_TOOLS_ARRIVAL_H
#define OH_TOOLS_ARRIVAL_H

#include <stddef.h>

#include "core/base.h"

#define OH_ARRIVAL_FOLDERS 8

struct oh_arrival {
	int fd; /* inotify; -1 = none */
	size_t count;
	struct {
		int watch;
		char *path;
	} folders[OH_ARRIVAL_FOLDERS];
};

/* oh_arrival_end() it in any case. */
void oh_arrival_begin(struct oh_arrival *a);
void oh_arrival_end(struct oh_arrival *a);

/* From here on, of this folder too.  One that cannot be watched, or is one too many, is left out.
 */
void oh_arrival_watch(struct oh_arrival *a, const char *folder);

/* What has arrived so far does not count. */
void oh_arrival_forget(struct oh_arrival *a);

/*
 * Wait for a file whose name is_it() says is the one, for `ms` milliseconds at
 * most; returns folder/name to free(), or NULL.  Returns early and with NULL,
 * too, when others have arrived.
 */
char *oh_arrival_wait(
    struct oh_arrival *a, int ms, bool (*is_it)(const char *name, void *arg), void *arg);

#endif
