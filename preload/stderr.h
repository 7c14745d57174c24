/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stderr.h - may we write to descriptor 2?
 */
#ifndef OH_PRELOAD_STDERR_H
#define OH_PRELOAD_STDERR_H

#include <stdbool.h>

/* At start: remember what it is. */
void oh_stderr_init(void);

/*
 * Is `fd`, a program's descriptor 2, still where messages go?  `flags` are
 * those of the program's open file, as of fcntl(F_GETFL).
 */
bool oh_stderr_fits(int fd, long flags);

/* The same of descriptor 2 in the caller's table. */
bool oh_stderr_usable(void);

#endif
