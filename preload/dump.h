/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump.h - one profile, from the tables to a file.
 */
#ifndef OH_PRELOAD_DUMP_H
#define OH_PRELOAD_DUMP_H

/* Take a snapshot and write it.  The worker only. */
void oh_dump_run(void);

/* In a forked child: numbers start again. */
void oh_dump_after_fork(void);

#endif
