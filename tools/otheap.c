/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otheap.c - the command: finds the subcommand and runs it.
 *
 * The composition root of tools/.  What needs to be known of a subcommand is
 * in the one table below.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base.h"
#include "tools/child.h"
#include "tools/cmd.h"
#include "tools/mem.h"

static const struct oh_command *const commands[] = {
	&oh_cmd_run,
	&oh_cmd_dump,
	&oh_cmd_baseline,
	&oh_cmd_start,
	&oh_cmd_stop,
	&oh_cmd_watch,
	&oh_cmd_doctor,
	&oh_cmd_top,
	&oh_cmd_diff,
	&oh_cmd_leaks,
	&oh_cmd_tree,
	&oh_cmd_peek,
	&oh_cmd_list,
	&oh_cmd_symbolize,
	&oh_cmd_convert,
	&oh_cmd_completion,
	&oh_cmd_flame,
	&oh_cmd_report,
	&oh_cmd_push,
	&oh_cmd_agent,
};

static const struct oh_command *
find(const char *name)
{
	for (size_t i = 0; i < OH_ARRAY_LEN(commands); i++)
		if (strcmp(name, commands[i]->name) == 0)
			return commands[i];
	(void)fprintf(stderr, "otheap: no command '%s'; otheap --help lists them\n", name);
	return NULL;
}

static void
print_usage(FILE *to)
{
	(void)fputs(
	    "usage: otheap COMMAND [OPTION...] [FILE...]\n"
	    "       otheap help COMMAND | --help | --version\n"
	    "\n"
	    "Runs programs under the heap profiler libotheap.so, and reads the profiles it writes\n"
	    "and any other in pprof format.\n"
	    "\n"
	    "commands:\n",
	    to);
	for (size_t i = 0; i < OH_ARRAY_LEN(commands); i++)
		(void)fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	(void)fputs(
	    "\n"
	    "exit status: 0 fine, 1 findings, 2 wrong usage, unreadable input or unwritable\n"
	    "output; that of its program for otheap run\n",
	    to);
}

static bool
is_help(const char *arg)
{
	return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

static int
run(int argc, char **argv)
{
	const struct oh_command *cmd;

	if (argc < 2) {
		(void)fputs("otheap: no command given; otheap --help lists them\n", stderr);
		return OH_EXIT_BAD;
	}
	if (is_help(argv[1]) || (argc == 2 && strcmp(argv[1], "help") == 0)) {
		print_usage(stdout);
		return OH_EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		(void)puts("otheap " OH_VERSION);
		return OH_EXIT_OK;
	}
	if (strcmp(argv[1], "help") == 0) {
		cmd = find(argv[2]);
		if (cmd != NULL)
			(void)fputs(cmd->help, stdout);
		return cmd != NULL ? OH_EXIT_OK : OH_EXIT_BAD;
	}
	if (argv[1][0] == '-') {
		(void)fprintf(stderr,
		    "otheap: unknown option '%s' before a command; otheap --help tells more\n",
		    argv[1]);
		return OH_EXIT_BAD;
	}
	cmd = find(argv[1]);
	if (cmd == NULL)
		return OH_EXIT_BAD;
	if (argc == 3 && is_help(argv[2])) {
		(void)fputs(cmd->help, stdout);
		return OH_EXIT_OK;
	}
	return cmd->run(argc - 1, argv + 1);
}

int
main(int argc, char **argv)
{
	int rc;

	/* A reader that went away (`otheap top ... | head`) is an error of stdout like another. */
	oh_child_ignore_sigpipe();
	oh_completion_of(commands, OH_ARRAY_LEN(commands));
	rc = run(argc, argv);
	errno = 0;
	if (fflush(stdout) != 0 || ferror(stdout)) {
		if (errno != EPIPE && errno != 0)
			(void)fprintf(stderr, "otheap: standard output: %s\n", strerror(errno));
		rc = OH_EXIT_BAD;
	}
	return rc;
}
