/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.h - run a program as if we were not there.
 */
#ifndef OH_TOOLS_CHILD_H
#define OH_TOOLS_CHILD_H

#include <sys/types.h>

/*
 * Ignore SIGPIPE in this process, but not in programs that oh_child_run()
 * starts: they get what we were started with.
 */
void oh_child_ignore_sigpipe(void);

/*
 * Run argv[0], found as execvp(3) does, and wait until it ends.
 *
 * Signals that another process sends to us go to it.  What the terminal sends
 * it gets from the terminal, and we are deaf to it.  When the terminal stops
 * it we stop, too, and when we are continued, it is.
 *
 * Returns 0 with *ret_pid and *ret_status, the wait status; or an error number
 * if the program could not be executed (*ret_pid is then > 0) or no process
 * could be made (*ret_pid is -1).
 */
int oh_child_run(char *const *argv, pid_t *ret_pid, int *ret_status);

/*
 * The exit code for a wait status.  Of a program that a signal ended: end by
 * the same signal, without a core file, and return 128 + N only if that fails.
 */
int oh_child_exit_code(int status);

#endif
