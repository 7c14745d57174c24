/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_run.c - otheap run: run a program with the library in it.
 *
 * Sets LD_PRELOAD and the OTHEAP_... variables, runs the program as if we were
 * not there, and says at the end which profiles there are now.
 */
#include "tools/args.h"
#include "tools/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/child.h"
#include "tools/library.h"
#include "tools/mem.h"
#include "tools/print.h"
#include "tools/program.h"
#include "tools/settings.h"
#include "tools/written.h"

/* As env(1), timeout(1) and the like. */
#define EXIT_OURS 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

#define SETTINGS_MAX 64

static const char help[] =
    "usage: otheap run [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
    "\n"
    "Runs PROGRAM with the library in it, and says at the end which profiles it wrote.\n"
    "Each option but the first two sets the OTHEAP_ variable of the same name.\n"
    "\n"
    "      --library FILE         libotheap.so, if it is not beside this command or in ../lib\n"
    "  -h, --help                 this text\n"
    "      --sample-interval SIZE mean distance of samples; 1 = all, 0 = none (default 512k)\n"
    "      --dir FOLDER           where profiles go (default .)\n"
    "      --file NAME            their name (default otheap.%e.%p.%n.pb.gz)\n"
    "      --signal SIGNAL        asks for a profile; none = no signal (default USR2)\n"
    "      --dump-every SECONDS   time between profiles (default 0, never)\n"
    "      --dump-at-exit=0       no profile at exit\n"
    "      --exit-timeout SECONDS how long the exit may wait for it (default 5)\n"
    "      --max-files N          profiles of one program to keep (default 1000; 0 = all)\n"
    "      --max-memory SIZE      cap of the library's tables (default 64m)\n"
    "      --max-frames N         depth of call stacks (default 128)\n"
    "      --label-threads        label samples with the name of their thread\n"
    "      --seed N               of the random numbers (default 0, from the kernel)\n"
    "      --record=0             record nothing until otheap start asks for it\n"
    "      --leak-baseline WHEN   growth is from: start, a time such as 30s, manual, a FILE\n"
    "      --leak-check[=2]       look for lost blocks at exit [with every profile], and report\n"
    "      --leak-report FILE     where the report goes: stderr, none, FILE (default stderr)\n"
    "      --leak-exitcode N      exit status if blocks are lost (default 0, the program's)\n"
    "      --leak-suppressions F  leaks to leave out, as LeakSanitizer takes them\n"
    "      --leak-max-memory SIZE search no larger program for lost blocks (default 8g)\n"
    "      --otlp=0               no export, also where an endpoint is set\n"
    "      --protocol PROTOCOL    of the export: http/protobuf, grpc, pyroscope, or auto,\n"
    "                             what OTEL_EXPORTER_OTLP_PROTOCOL says (default auto)\n"
    "      --metrics SECONDS      time between metrics of the agent (default 0, none)\n"
    "      --spool FOLDER         where profiles wait to be sent\n"
    "      --command FILE         otheap, if it is not beside the library or in ../bin\n"
    "      --quiet                nothing on stderr, from the library and from here\n"
    "      --debug                settings and counters on stderr at exit\n"
    "\n"
    "exit status: that of PROGRAM, or its death by the same signal; 2 wrong usage,\n"
    "125 no library or no process, 126 PROGRAM cannot be executed, 127 it is not found\n";

enum {
	OPT_LIBRARY = 256,
	OPT_SETTING, /* + index */
};

struct options {
	const char *library;
	const char *value[SETTINGS_MAX]; /* of settings, by index; NULL = not given */
	bool help;
};

/* The environment is the one that the program gets. */
extern char **environ;

static bool
bad_value(const struct oh_option *s, const char *text)
{
	(void)fprintf(
	    stderr, "otheap: run: --%s '%s': expected %s\n", s->name, text, s->setting->expected);
	return false;
}

static bool
take(struct options *o, const struct oh_option *s, size_t i, const char *text)
{
	struct stat st;

	if (text == NULL)
		text = "1"; /* by its name alone */
	if (!oh_setting_valid(s->setting, text))
		return bad_value(s, text);
	if (s->setting->kind == OH_SETTING_FOLDER && stat(text, &st) != 0) {
		(void)fprintf(stderr, "otheap: run: --%s '%s': %s%s\n", s->name, text,
		    strerror(errno), errno == ENOENT ? "; make it first" : "");
		return false;
	}
	o->value[i] = text;
	return true;
}

static bool
needs_value(const struct oh_setting *s)
{
	return s->kind != OH_SETTING_SWITCH && s->kind != OH_SETTING_LEVEL;
}

static bool
parse(int argc, char **argv, struct options *o)
{
	struct option long_options[SETTINGS_MAX + 3] = {
		{ "library", required_argument, NULL, OPT_LIBRARY },
		{ "help", no_argument, NULL, 'h' },
	};
	const struct oh_option *settings;
	size_t count, n = 2;
	int c;

	settings = oh_options(&count);
	for (size_t i = 0; i < count; i++)
		if (!settings[i].for_tests)
			long_options[n++] = (struct option){ settings[i].name,
				needs_value(settings[i].setting) ? required_argument
								 : optional_argument,
				NULL, OPT_SETTING + (int)i };
	optind = 0;
	opterr = 0;
	/* '+': what follows the program's name is the program's. */
	while ((c = getopt_long(argc, argv, "+:h", long_options, NULL)) != -1) {
		if (c >= OPT_SETTING) {
			size_t i = (size_t)(c - OPT_SETTING);

			if (!take(o, &settings[i], i, optarg))
				return false;
		} else if (c == OPT_LIBRARY) {
			o->library = optarg;
		} else if (c == 'h') {
			o->help = true;
			return true;
		} else {
			return oh_args_bad_option("run", c, argv);
		}
	}
	if (optind == argc) {
		(void)fputs(
		    "otheap: run: no PROGRAM given; otheap run --help tells more\n", stderr);
		return false;
	}
	return true;
}

static bool
set_environment(const struct options *o, struct oh_error *err)
{
	const struct oh_option *settings;
	char library[PATH_MAX], *preload;
	size_t count;
	bool good = true;

	if (!oh_library_find(o->library, library, err))
		return false;
	preload = oh_library_preload(library, getenv("LD_PRELOAD"));
	good = setenv("LD_PRELOAD", preload, 1) == 0;
	free(preload);
	settings = oh_options(&count);
	for (size_t i = 0; i < count && good; i++)
		if (o->value[i] != NULL)
			good = setenv(settings[i].variable, o->value[i], 1) == 0;
	return good || oh_error_set(err, "the environment: %s", strerror(errno));
}

/* One line if it is clear beforehand that there will be no profile.  True if it was said. */
static bool
tell_obstacle(const char *name, const struct oh_program *p)
{
	char buf[256];
	const char *obstacle = oh_program_obstacle(p, buf);

	if (obstacle == NULL)
		return false;
	(void)fprintf(stderr, "otheap: no profile of %s: it %s\n",
	    p->script[0] != '\0' ? p->path : name, obstacle);
	return true;
}

/* ---- at the end ----------------------------------------------------------------- */

static void
find_profiles(struct oh_written_list *list, pid_t pid, const struct timespec *since)
{
	const char *pattern = oh_setting_value(environ, "OTHEAP_FILE");
	const char *tmpdir = getenv("TMPDIR");

	oh_written_scan(list, oh_setting_value(environ, "OTHEAP_DIR"), pattern, pid, false, since);
	if (list->count > 0)
		return;
	/* Where the library goes if it cannot write there; others write there, too. */
	if (tmpdir != NULL && *tmpdir == '/')
		oh_written_scan(list, tmpdir, pattern, pid, true, since);
	if (list->count == 0)
		oh_written_scan(list, "/tmp", pattern, pid, true, since);
}

/* A path as a shell takes it. */
static void
print_word(const char *s)
{
	bool plain = s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789%+,-./:=@_")] == '\0';

	(void)fprintf(stderr, "%s", plain ? "" : "'");
	oh_print_clean(stderr, s);
	(void)fprintf(stderr, "%s", plain ? "" : "'");
}

static void
tell_profiles(const struct oh_written_list *list, const char *name, pid_t pid)
{
	size_t own = 0, others;

	for (size_t i = 0; i < list->count; i++)
		own += list->items[i].of_pid;
	others = list->count - own;
	(void)fprintf(stderr, "otheap: %s, pid %d, wrote %zu profile%s", name, (int)pid, own,
	    own == 1 ? "" : "s");
	if (others > 0)
		(void)fprintf(stderr, ", and %zu of other processes appeared meanwhile", others);
	(void)fprintf(stderr, "; next:\n    %s top ", program_invocation_name);
	print_word(oh_written_newest(list)->path);
	(void)fputc('\n', stderr);
}

/* Why there is none, as far as can be told. */
static void
tell_nothing(const char *name, pid_t pid, int status)
{
	const char *interval = oh_setting_value(environ, "OTHEAP_SAMPLE_INTERVAL");
	bool ended_by_signal =
	    WIFSIGNALED(status) && WTERMSIG(status) != SIGTERM && WTERMSIG(status) != SIGINT;
	char signal_name[32];

	(void)fprintf(stderr, "otheap: %s, pid %d, wrote no profile: ", name, (int)pid);
	if (strspn(interval, "0") == strcspn(interval, "kKmMgG"))
		(void)fputs("the sample interval is 0, which records nothing\n", stderr);
	else if (strcmp(oh_setting_value(environ, "OTHEAP_DUMP_AT_EXIT"), "0") == 0)
		(void)fputs("none at exit was wanted, and none was asked for before it\n", stderr);
	else if (ended_by_signal)
		(void)fprintf(stderr,
		    "%s ended it, which leaves no last one; --dump-every SECONDS writes some "
		    "before\n",
		    oh_signal_name(signal_name, WTERMSIG(status)));
	else if (strcmp(interval, "1") == 0)
		(void)fputs("it allocated nothing, or ended in a way that leaves no last one "
			    "(see otheap(7))\n",
		    stderr);
	else
		(void)fprintf(stderr,
		    "nothing was sampled, as it allocated little; a --sample-interval below %s "
		    "shows more\n",
		    interval);
}

static void
summarize(const char *name, pid_t pid, int status, const struct timespec *since, bool told)
{
	struct oh_written_list list = { 0 };

	find_profiles(&list, pid, since);
	if (list.count > 0)
		tell_profiles(&list, name, pid);
	else if (!told)
		tell_nothing(name, pid, status);
	oh_written_free(&list);
}

static int
cannot_execute(const char *name, int error)
{
	char path[PATH_MAX];

	/* execvp() says EACCES also where it may not look into a folder of PATH. */
	if (error == EACCES && oh_program_find(name, path) == ENOENT)
		error = ENOENT;
	/* The kernel says ENOENT also where the program's own loader is missing. */
	if (error == ENOENT && oh_program_find(name, path) == 0) {
		(void)fprintf(stderr,
		    "otheap: %s: what it names to run it, a loader or interpreter, is not there\n",
		    path);
		return EXIT_NOT_EXECUTABLE;
	}
	if (error == ENOENT)
		(void)fprintf(stderr, "otheap: %s: %s\n", name,
		    strchr(name, '/') != NULL ? "no such program" : "no such program in PATH");
	else
		(void)fprintf(stderr, "otheap: %s: %s\n", name, strerror(error));
	return error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

static int
run(int argc, char **argv)
{
	struct options o = { 0 };
	struct oh_error err = { "" };
	struct oh_program program;
	char path[PATH_MAX];
	struct timespec since;
	const char *name;
	bool quiet, told = false;
	int error, status;
	pid_t pid;

	if (!parse(argc, argv, &o))
		return OH_EXIT_BAD;
	if (o.help) {
		(void)fputs(help, stdout);
		return OH_EXIT_OK;
	}
	argv += optind;
	if (!set_environment(&o, &err)) {
		(void)fprintf(stderr, "otheap: run: %s\n", err.text);
		return EXIT_OURS;
	}
	quiet = strcmp(oh_setting_value(environ, "OTHEAP_QUIET"), "1") == 0;
	name = oh_base_name(argv[0]);
	if (!quiet && oh_program_find(argv[0], path) == 0 && oh_program_read(path, &program, &err))
		told = tell_obstacle(name, &program);
	/* The clock that files are stamped with. */
	(void)clock_gettime(CLOCK_REALTIME_COARSE, &since);
	error = oh_child_run(argv, &pid, &status);
	if (pid < 0) {
		(void)fprintf(stderr, "otheap: run: no new process: %s\n", strerror(error));
		return EXIT_OURS;
	}
	if (error != 0)
		return cannot_execute(argv[0], error);
	if (!quiet)
		summarize(name, pid, status, &since, told);
	return oh_child_exit_code(status);
}

const struct oh_command oh_cmd_run = {
	.name = "run",
	.run = run,
	.summary = "run a program with the library in it",
	.help = help,
};
