/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h - the one thread of ours, which writes the profiles.
 */
#ifndef OH_PRELOAD_WORKER_H
#define OH_PRELOAD_WORKER_H

#include <stdbool.h>
#include <stdint.h>

/* What a profile is asked for, and what is to be done beside it. */
enum {
	OH_ASK_SIGNAL = 1 << 0,   /* by the dump signal */
	OH_ASK_TIMER = 1 << 1,    /* by OTHEAP_DUMP_EVERY */
	OH_ASK_EXIT = 1 << 2,     /* the process ends */
	OH_ASK_API = 1 << 3,      /* by the program */
	OH_ASK_BASELINE = 1 << 4, /* growth is counted from here */
	OH_ASK_START = 1 << 5,    /* record from now on */
	OH_ASK_STOP = 1 << 6,     /* record nothing from now on */
	OH_ASK_LEAKS = 1 << 7,    /* look for lost blocks */
	OH_ASK_AGENT = 1 << 8,    /* no profile: somebody shall send them */
	OH_ASK_SENT = 1 << 9,     /* no profile: those there are shall be sent first */
};

struct oh_worker_plan {
	/*
	 * Do what was asked for, a set of OH_ASK_..., and write one profile.
	 * Runs on the worker only.
	 */
	void (*work)(unsigned asked);
	uint32_t every_s;          /* 0, or a profile every so many seconds: the worker stays */
	uint32_t baseline_after_s; /* 0, or the baseline so long after now */
};

/* Once, at start. */
void oh_worker_init(const struct oh_worker_plan *plan);

/*
 * Ask for what OH_ASK_... says and return.  Requests that arrive while one is
 * being answered are answered together after it.
 * Any thread, any signal context.
 */
void oh_worker_request(unsigned what);

/*
 * Ask and wait until it is done, at most `timeout_ms`.  Returns 0, or -E...:
 * -ETIMEDOUT (it may still be done later), -EPERM (the program confined
 * itself), -ESRCH (no worker here: the library is off, or in a child that
 * shares its parent's memory, or the process is ending), -EAGAIN (no new
 * thread can be made).  Whether a profile could be written is not said here.
 * Any thread, any signal context.
 */
int oh_worker_ask(unsigned what, uint32_t timeout_ms);

/*
 * The same for OH_ASK_EXIT.  The process is about to end: no request after
 * this one is answered.
 */
int oh_worker_finish(uint32_t timeout_ms);

/*
 * Does somebody wait for the end of the process while another request is being
 * answered?  The worker only.
 */
bool oh_worker_hurried(void);

/* Where the worker's own stack is. */
void oh_worker_stack(uintptr_t *ret_start, uintptr_t *ret_limit);

/* Valgrind runs the program. */
bool oh_worker_in_valgrind(void);

/* The process did not end after all: answer requests again. */
void oh_worker_reopen(void);

/* In a forked child: there is no worker; start over. */
void oh_worker_after_fork(void);

#endif
