/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd.h - what a subcommand of otheap is.
 *
 * A subcommand prints its result on stdout, trouble as one line
 * `otheap: what: why` on stderr, and returns an exit code of tools/mem.h.
 * Errors of stdout are dealt with once, in main().
 */
#ifndef OH_TOOLS_CMD_H
#define OH_TOOLS_CMD_H

#include <stddef.h>

struct oh_command {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the subcommand's name */
	const char *summary;               /* one line for `otheap --help` */
	const char *help;                  /* `otheap NAME --help`; fits a screen */
};

extern const struct oh_command oh_cmd_agent;
extern const struct oh_command oh_cmd_doctor;
extern const struct oh_command oh_cmd_dump;
extern const struct oh_command oh_cmd_push;
extern const struct oh_command oh_cmd_baseline;
extern const struct oh_command oh_cmd_start;
extern const struct oh_command oh_cmd_stop;
extern const struct oh_command oh_cmd_run;
extern const struct oh_command oh_cmd_watch;
extern const struct oh_command oh_cmd_top;
extern const struct oh_command oh_cmd_diff;
extern const struct oh_command oh_cmd_leaks;
extern const struct oh_command oh_cmd_flame;
extern const struct oh_command oh_cmd_report;
extern const struct oh_command oh_cmd_tree;
extern const struct oh_command oh_cmd_peek;
extern const struct oh_command oh_cmd_list;
extern const struct oh_command oh_cmd_symbolize;
extern const struct oh_command oh_cmd_convert;
extern const struct oh_command oh_cmd_completion;

/* The subcommands that completion speaks of; before it runs. */
void oh_completion_of(const struct oh_command *const *list, size_t count);

#endif
