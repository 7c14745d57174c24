/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h - the one thread of ours, which writes the profiles.
 */
#ifndef OH_PRELOAD_WORKER_H
#define OH_PRELOAD_WORKER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * `work` writes one profile; it runs on the worker only.  With `every_s` > 0
 * the worker also runs it every so many seconds, and stays.  Once, at start.
 */
void oh_worker_init(void (*work)(void), uint32_t every_s);

/*
 * Ask for a profile and return.  Requests that arrive while one is being
 * written are answered by one more after it.
 * Any thread, any signal context.
 */
void oh_worker_request(void);

/*
 * Ask for a profile that includes everything up to now and wait until it is
 * written, at most `timeout_ms`.  Returns false if it was not.  The process is
 * about to end: no request after this one is answered.
 * Any thread, any signal context.
 */
bool oh_worker_finish(uint32_t timeout_ms);

/* The process did not end after all: answer requests again. */
void oh_worker_reopen(void);

/* In a forked child: there is no worker; start over. */
void oh_worker_after_fork(void);

#endif
