/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifecycle.h - the library's start, forks and end.
 */
#ifndef OH_PRELOAD_LIFECYCLE_H
#define OH_PRELOAD_LIFECYCLE_H

#include "core/config.h"

/* As read at the start; constant after. */
extern struct oh_config oh_config;

/*
 * The process is about to end in an orderly way: write the last profile, if
 * there is something to write, and wait for it (OTHEAP_EXIT_TIMEOUT).  Does
 * nothing the second time, and in a child that shares its parent's memory.
 * Any thread, any signal context.
 */
void oh_last_profile(void);

/* The process outlived what should have ended it: it may end again. */
void oh_not_the_last(void);

#endif
