/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.h - the command `otheap`, started by the library.
 *
 * The command does what must not be done inside the program: names, sockets.
 * To the program it does not exist: no SIGCHLD, nothing that its wait() finds,
 * no descriptor, no controlling terminal.
 */
#ifndef OH_PRELOAD_LAUNCH_H
#define OH_PRELOAD_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Find the command, and keep a copy of the environment for it, as the host may
 * write over its own.  `command` is OTHEAP_COMMAND: a path, or `auto`: the file
 * `otheap` beside the library or in ../bin from there.  At start, once.
 */
void oh_launch_init(const char *command, char *const *envp);

/* All of it, as the command gets it; NULL where there is no room for the copy. */
char *const *oh_launch_environment(void);

/*
 * "NAME=value" of the environment that was kept, where the program cannot
 * change it; NULL if the variable (`name`, with its '=') is not in it.
 */
const char *oh_launch_variable(const char *name);

/*
 * Start it with these arguments (argv[0] included, NULL at the end), and wait
 * for its end, at most `wait_ms`; with 0 only until it runs.
 *
 *   quiet   standard output and error go nowhere; else both are the calling
 *           thread's standard error.  Standard input is empty in any case.
 *
 * It runs in a session of its own in "/", with no signal blocked or ignored and
 * with no other descriptor, without LD_PRELOAD, and with profiling off.
 * Returns its exit status (128 + N for signal N), or 0 if it was not waited
 * for; -ETIMEDOUT: it goes on; or another -E..., and it does not run: -ENOENT
 * if there is no command.  The worker only.
 */
int oh_launch(const char *const *argv, bool quiet, uint32_t wait_ms);

#endif
