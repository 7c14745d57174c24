/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command.h - what the dump signal asks for, by the value it carries.
 *
 * The command sends it with pidfd_send_signal(2), anybody can with sigqueue(3).
 * Each is answered by one profile.
 */
#ifndef OH_CORE_COMMAND_H
#define OH_CORE_COMMAND_H

enum oh_command_value {
	OH_COMMAND_DUMP,     /* also without a value, as kill(2) sends it */
	OH_COMMAND_BASELINE, /* growth is counted from here */
	OH_COMMAND_START,    /* record */
	OH_COMMAND_STOP,     /* record no new allocations */
	OH_COMMAND_LEAKS,    /* look for lost blocks */
};

/* Before the name of a baseline whose pattern has no %n, so that it stays. */
#define OH_BASELINE_PREFIX "baseline."

#endif
