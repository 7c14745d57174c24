/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_dump.c - otheap dump, baseline, start, stop: ask a running program, and
 * wait for its answer.
 *
 * The request is the signal that the library listens to, which carries what is
 * wanted; the answer is a new profile in any case.  Everything that would make
 * the signal do harm is looked at before.
 */
#include "tools/args.h"
#include "tools/cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/command.h"
#include "tools/arrival.h"
#include "tools/mem.h"
#include "tools/print.h"
#include "tools/process.h"
#include "tools/settings.h"
#include "tools/written.h"

#define TIMEOUT_MAX_S 86400
#define LOOK_EVERY_MS 20

#define HELP_OPTIONS \
	"      --dir FOLDER       where to look for the profile, if the program changed its " \
	"folder\n" \
	"                         after the start (default: where the library writes)\n" \
	"      --timeout SECONDS  how long to wait (default 10)\n" \
	"  -h, --help             this text\n" \
	"\n" \
	"The request is the signal of OTHEAP_SIGNAL in the program's environment, SIGUSR2 if\n" \
	"there is none.  It is not sent to a program without the library, without a handler for\n" \
	"it, or with a handler of its own.\n" \
	"\n" \
	"exit status: 0 written, 2 wrong usage, or no profile: the reason is on stderr\n"

static const char help_dump[] =
    "usage: otheap dump [OPTION...] PID\n"
    "\n"
    "Asks a running program that has the library in it for a profile, waits until it is\n"
    "written and prints its path.\n"
    "\n"
    "      --leaks            look for blocks that nothing points to any more, and say in the\n"
    "                         profile which they are\n" HELP_OPTIONS;

static const char help_baseline[] =
    "usage: otheap baseline [OPTION...] PID\n"
    "\n"
    "Asks a running program that has the library in it to write a profile from which growth\n"
    "is counted: the leak report at its exit compares with it.  Prints its path.\n"
    "\n" HELP_OPTIONS;

static const char help_start[] =
    "usage: otheap start [OPTION...] PID\n"
    "\n"
    "Asks a running program that has the library in it to record allocations again, after\n"
    "otheap stop or a start with OTHEAP_RECORD=0.  It answers with a profile of this moment,\n"
    "whose path is printed.\n"
    "\n" HELP_OPTIONS;

static const char help_stop[] =
    "usage: otheap stop [OPTION...] PID\n"
    "\n"
    "Asks a running program that has the library in it to record no new allocations.  What\n"
    "was recorded is followed until it is freed.  It answers with a profile of this moment,\n"
    "whose path is printed.\n"
    "\n" HELP_OPTIONS;

enum {
	OPT_DIR = 256,
	OPT_TIMEOUT,
	OPT_LEAKS,
};

static const struct option long_options[] = {
	{ "dir", required_argument, NULL, OPT_DIR },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "help", no_argument, NULL, 'h' },
	{ "leaks", no_argument, NULL, OPT_LEAKS }, /* the last: of dump alone */
	{ NULL, 0, NULL, 0 },
};

struct options {
	const char *name; /* of the command */
	const char *dir;
	int value;
	unsigned timeout_s;
	pid_t pid;
	bool help;
};

static bool
parse_timeout(const char *s, unsigned *ret)
{
	unsigned long v;

	if (*s == '\0' || strspn(s, "0123456789") != strlen(s) || strlen(s) > 6)
		return false;
	v = strtoul(s, NULL, 10);
	if (v < 1 || v > TIMEOUT_MAX_S)
		return false;
	*ret = (unsigned)v;
	return true;
}

static bool
parse(int argc, char **argv, struct options *o)
{
	struct option known[OH_ARRAY_LEN(long_options)];
	int c;

	memcpy(known, long_options, sizeof(known));
	if (o->value != OH_COMMAND_DUMP)
		memset(&known[OH_ARRAY_LEN(known) - 2], 0, sizeof(known[0]));
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", known, NULL)) != -1) {
		switch (c) {
		case OPT_LEAKS:
			o->value = OH_COMMAND_LEAKS;
			break;
		case OPT_DIR:
			o->dir = optarg;
			break;
		case OPT_TIMEOUT:
			if (parse_timeout(optarg, &o->timeout_s))
				break;
			(void)fprintf(stderr,
			    "otheap: %s: --timeout '%s': expected seconds, 1 to 86400\n", o->name,
			    optarg);
			return false;
		case 'h':
			o->help = true;
			return true;
		default:
			return oh_args_bad_option(o->name, c, argv);
		}
	}
	if (optind + 1 != argc) {
		(void)fprintf(stderr, "otheap: %s: %s; otheap %s --help tells more\n", o->name,
		    optind == argc ? "no PID given" : "more than one PID given", o->name);
		return false;
	}
	if (!oh_process_parse(argv[optind], &o->pid)) {
		(void)fprintf(
		    stderr, "otheap: %s: '%s': expected a process ID\n", o->name, argv[optind]);
		return false;
	}
	return true;
}

/* ---- the answer ------------------------------------------------------------------- */

/* What the answer is called. */
struct name {
	char pattern[NAME_MAX + sizeof(OH_BASELINE_PREFIX)];
	char pid[16];
};

static void
take_name(struct name *n, const struct options *o, const struct oh_process *p)
{
	const char *pattern = oh_setting_value(p->envp, "OTHEAP_FILE");
	bool other = o->value == OH_COMMAND_BASELINE && strstr(pattern, "%n") == NULL;

	(void)snprintf(
	    n->pattern, sizeof(n->pattern), "%s%s", other ? OH_BASELINE_PREFIX : "", pattern);
	(void)snprintf(n->pid, sizeof(n->pid), "%d", (int)p->inner_pid);
}

static bool
is_answer(const char *file, void *name)
{
	const struct name *n = name;

	return oh_written_matches(n->pattern, file, n->pid);
}

/* Where it may be: place number i, from 0; false: there are no more. */
static bool
place(const struct options *o, const struct oh_process *p, size_t i, char ret[PATH_MAX])
{
	if (o->dir == NULL)
		return oh_process_folder(p, i, ret);
	(void)snprintf(ret, PATH_MAX, "%s", o->dir);
	return i == 0;
}

/* All profiles of the process where they may be. */
static void
look(const struct options *o, const struct oh_process *p, const struct name *n,
    struct oh_written_list *list)
{
	char folder[PATH_MAX];

	for (size_t i = 0; place(o, p, i, folder); i++)
		oh_written_scan(list, folder, n->pattern, p->inner_pid, true, NULL);
}

/* By now it may be gone. */
static void
print_path(const struct options *o, const char *path)
{
	(void)puts(path);
	if (access(path, F_OK) != 0)
		(void)fprintf(stderr, "otheap: %s: %s was taken away to be sent\n", o->name, path);
}

/* Print the newest of those that were not there before.  False: there is none. */
static bool
print_new(const struct options *o, const struct oh_process *p, const struct name *n,
    const struct oh_written_list *before)
{
	struct oh_written_list now = { 0 };
	const struct oh_written *newest;
	size_t kept = 0;

	look(o, p, n, &now);
	for (size_t i = 0; i < now.count; i++) {
		if (oh_written_has(before, &now.items[i]))
			free(now.items[i].path);
		else
			now.items[kept++] = now.items[i];
	}
	now.count = kept;
	newest = oh_written_newest(&now);
	if (newest != NULL)
		print_path(o, newest->path);
	oh_written_free(&now);
	return kept > 0;
}

static void
say_where(const struct options *o, const struct oh_process *p, char *to, size_t room)
{
	char folder[PATH_MAX];
	size_t len = 0;

	if (o->dir != NULL) {
		(void)snprintf(to, room, "%s", o->dir);
		return;
	}
	to[0] = '\0';
	for (size_t i = 0; oh_process_folder(p, i, folder) && len < room; i++)
		len += (size_t)snprintf(to + len, room - len, "%s%s", i > 0 ? ", " : "", folder);
}

static bool
no_answer(const struct options *o, const struct oh_process *p, bool lives, struct oh_error *err)
{
	char where[sizeof(err->text)];

	if (!lives)
		return oh_error_set(err, "it ended before a profile was written");
	if (p->seccomp != 0)
		return oh_error_set(err,
		    "no profile within %u s; it has a seccomp filter, and the library writes none "
		    "after a program confined itself",
		    o->timeout_s);
	say_where(o, p, where, sizeof(where) / 2);
	return oh_error_set(err, "no profile within %u s in %s; name another folder with --dir",
	    o->timeout_s, where);
}

/* Wait for the answer and print its path.  False: none has come. */
static bool
await(const struct options *o, const struct oh_process *p, struct name *n,
    const struct oh_written_list *before, struct oh_arrival *arrival, bool *ret_lives)
{
	struct timespec start, now;
	bool found = false;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		char *path = oh_arrival_wait(arrival, LOOK_EVERY_MS, is_answer, n);

		if (path != NULL) {
			print_path(o, path);
			free(path);
			return true;
		}
		/* In this order: what it wrote as the last thing counts. */
		*ret_lives = oh_process_lives(p);
		found = print_new(o, p, n, before);
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	} while (!found && *ret_lives &&
		 (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 <
		     (long)o->timeout_s * 1000);
	return found;
}

static bool
ask(const struct options *o, const struct oh_process *p, int signal, struct oh_error *err)
{
	struct oh_written_list before = { 0 };
	struct oh_arrival arrival;
	char folder[PATH_MAX];
	struct name name;
	bool good, lives = true;
	int error;

	take_name(&name, o, p);
	oh_arrival_begin(&arrival);
	for (size_t i = 0; place(o, p, i, folder); i++)
		oh_arrival_watch(&arrival, folder);
	look(o, p, &name, &before);
	oh_arrival_forget(&arrival);
	error = oh_process_signal(p, signal, o->value);
	if (error != 0)
		good = oh_error_set(err, "the signal was not sent: %s", strerror(error));
	else
		good = await(o, p, &name, &before, &arrival, &lives) || no_answer(o, p, lives, err);
	oh_written_free(&before);
	oh_arrival_end(&arrival);
	return good;
}

static int
answer(int argc, char **argv, const struct oh_command *command, int value)
{
	struct options o = { .name = command->name, .value = value, .timeout_s = 10 };
	struct oh_error err = { "" };
	struct oh_process p;
	int signal = 0;
	bool good;

	if (!parse(argc, argv, &o))
		return OH_EXIT_BAD;
	if (o.help) {
		(void)fputs(command->help, stdout);
		return OH_EXIT_OK;
	}
	good = oh_process_open(o.pid, &p, &err) && oh_process_is_ours(&p, &err) &&
	       oh_process_has_library(&p, &err) && oh_process_listens(&p, &signal, &err) &&
	       ask(&o, &p, signal, &err);
	if (!good) {
		(void)fprintf(stderr, "otheap: %s: ", o.name);
		if (p.name[0] != '\0') {
			oh_print_clean(stderr, p.name);
			(void)fputs(", ", stderr);
		}
		(void)fprintf(stderr, "pid %d: %s\n", (int)o.pid, err.text);
	}
	oh_process_close(&p);
	return good ? OH_EXIT_OK : OH_EXIT_BAD;
}

static int
dump(int argc, char **argv)
{
	return answer(argc, argv, &oh_cmd_dump, OH_COMMAND_DUMP);
}

static int
baseline(int argc, char **argv)
{
	return answer(argc, argv, &oh_cmd_baseline, OH_COMMAND_BASELINE);
}

static int
start(int argc, char **argv)
{
	return answer(argc, argv, &oh_cmd_start, OH_COMMAND_START);
}

static int
stop(int argc, char **argv)
{
	return answer(argc, argv, &oh_cmd_stop, OH_COMMAND_STOP);
}

const struct oh_command oh_cmd_dump = {
	.name = "dump",
	.run = dump,
	.summary = "ask a running program for a profile and wait for it",
	.help = help_dump,
};

const struct oh_command oh_cmd_baseline = {
	.name = "baseline",
	.run = baseline,
	.summary = "count growth in a running program from now on",
	.help = help_baseline,
};

const struct oh_command oh_cmd_start = {
	.name = "start",
	.run = start,
	.summary = "record allocations in a running program again",
	.help = help_start,
};

const struct oh_command oh_cmd_stop = {
	.name = "stop",
	.run = stop,
	.summary = "record no new allocations in a running program",
	.help = help_stop,
};
