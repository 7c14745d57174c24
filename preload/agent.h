/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.h - who sends the profiles that this process writes?
 *
 * One `otheap agent` for all processes that write into the same spool folder.
 * The library only writes files there; it opens no socket and keeps no
 * descriptor.  All of this does nothing where nothing is exported.
 */
#ifndef OH_PRELOAD_AGENT_H
#define OH_PRELOAD_AGENT_H

#include <stdbool.h>

/*
 * Make the spool folder if it is not there, and leave a marker that this
 * process may write into it.  Returns the folder, or "" if it is not to be
 * trusted.  The worker only, before a profile.
 */
const char *oh_agent_folder(void);

/*
 * The folder of this process alone, below that one: what it keeps from the
 * agent, for its leak report.  Not made yet, but the one it is in.  What a
 * process leaves there when it is killed is the agent's to remove, so its name
 * says who that was.  The worker only.
 */
#define OH_AGENT_OWN_BYTES 72
const char *oh_agent_own_folder(void);

/*
 * See to it that an agent runs.  One that is there is noticed by its lock, so
 * this costs an open and a close.  The worker only, after a profile.
 */
void oh_agent_call(void);

/* Is one there?  It then bounds what is in the folder, and counts what it removes. */
bool oh_agent_lives(void);

/*
 * Where this is the first process of a PID namespace, everything ends with it:
 * wait until the agent has sent the profiles that are in the folder now, at most
 * OTHEAP_EXIT_TIMEOUT, and not where there is no agent.  The worker only.
 */
void oh_agent_wait(void);

/* In a forked child: it has left no marker and has no folder. */
void oh_agent_after_fork(void);

#endif
