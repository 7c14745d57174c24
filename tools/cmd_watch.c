/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_watch.c - otheap watch: the call sites of a running program, live.
 *
 * Finds the program and the tables in it, looks at them again and again, and
 * shows what was seen: as a page with keys on a terminal, else as tables or
 * lines of JSON one after the other.
 */
#include "tools/args.h"
#include "tools/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/process.h"
#include "tools/program.h"
#include "tools/screen.h"
#include "tools/tables.h"
#include "tools/watch.h"
#include "tools/watch_page.h"

#define EXEC_TRIES 40 /* times 50 ms until the library is there after an exec */
#define EXEC_PAUSE_MS 50

static const char help[] =
    "usage: otheap watch [OPTION...] PID|NAME\n"
    "\n"
    "Shows the call sites of a running program that has the library in it, again and\n"
    "again: what lives, what grows, what is allocated.  The program is not stopped,\n"
    "signalled or slowed down.  NAME is that of a program of yours.\n"
    "\n"
    "      --interval SECONDS  time between looks (default 1, at least 0.1)\n"
    "      --count N           end after N looks (default: when the program ends)\n"
    "      --window SECONDS    time over which growth is measured (default 60)\n"
    "  -s, --sort KEY          live, growth, rate or blocks (default live)\n"
    "      --stacks, --sites   a row for each call stack, not each function\n"
    "  -c, --cum               with everything a function calls, not by itself\n"
    "      --filter REGEX      only rows with a function, file or module that matches\n"
    "  -r, --rows N            of text and JSON; 0 = all (default 20 in text, all in JSON)\n"
    "  -o, --output FORMAT     text, or json: a line for each look (default: a page with\n"
    "                          keys on a terminal, else text)\n"
    "  -u, --unit UNIT         auto, bytes, KiB, MiB or GiB (default auto)\n"
    "      --no-symbols        do not look for names in the programs\n"
    "  -h, --help              this text\n"
    "\n"
    "On a terminal h lists the keys, and q quits.  +- is half of the 95 % interval.  Names\n"
    "are taken from files on this machine; none are fetched.\n"
    "\n"
    "exit status: 0 fine, also if the program ended; 2 wrong usage, or it cannot be read\n";

enum {
	OPT_INTERVAL = 256,
	OPT_COUNT,
	OPT_WINDOW,
	OPT_STACKS,
	OPT_FILTER,
	OPT_NO_SYMBOLS,
};

static const struct option long_options[] = {
	{ "interval", required_argument, NULL, OPT_INTERVAL },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "window", required_argument, NULL, OPT_WINDOW },
	{ "sort", required_argument, NULL, 's' },
	{ "stacks", no_argument, NULL, OPT_STACKS },
	{ "sites", no_argument, NULL, OPT_STACKS },
	{ "cum", no_argument, NULL, 'c' },
	{ "filter", required_argument, NULL, OPT_FILTER },
	{ "rows", required_argument, NULL, 'r' },
	{ "output", required_argument, NULL, 'o' },
	{ "unit", required_argument, NULL, 'u' },
	{ "no-symbols", no_argument, NULL, OPT_NO_SYMBOLS },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct options {
	const char *who;
	double window_s;
	uint64_t count, rows;
	bool rows_given, text, json, no_symbols, help;
};

struct watching {
	struct options o;
	struct oh_process process;
	struct oh_memory memory;
	uint64_t root;
	struct oh_tables tables;
	struct oh_watch w;
	struct oh_watch_look look;
	struct oh_watch_source source;
};

/* ---- usage ---------------------------------------------------------------------------- */

static bool
bad(const char *option, const char *value, const char *expected)
{
	(void)fprintf(stderr, "otheap: watch: %s '%s': expected %s\n", option, value, expected);
	return false;
}

static bool
parse_seconds(const char *s, double least, double most, double *ret)
{
	char *end;
	double v;

	if (*s == '\0' || strspn(s, "0123456789.") != strlen(s) || strlen(s) > 12)
		return false;
	v = strtod(s, &end);
	if (*end != '\0' || !(v >= least && v <= most))
		return false;
	*ret = v;
	return true;
}

static bool
parse_number(const char *s, uint64_t *ret)
{
	if (*s == '\0' || strspn(s, "0123456789") != strlen(s) || strlen(s) > 9)
		return false;
	*ret = strtoull(s, NULL, 10);
	return true;
}

static bool
parse_sort(const char *s, enum oh_watch_sort *ret)
{
	for (unsigned i = 0; i < OH_WATCH_SORTS; i++)
		if (strcmp(s, oh_watch_sort_names[i]) == 0) {
			*ret = (enum oh_watch_sort)i;
			return true;
		}
	return false;
}

static bool
take(struct watching *x, int c, char **argv)
{
	struct options *o = &x->o;
	struct oh_watch_look *l = &x->look;
	struct oh_error err = { "" };

	switch (c) {
	case OPT_INTERVAL:
		return parse_seconds(optarg, 0.1, 3600, &l->every_s) ||
		       bad("--interval", optarg, "seconds, 0.1 to 3600");
	case OPT_COUNT:
		return (parse_number(optarg, &o->count) && o->count > 0) ||
		       bad("--count", optarg, "a number from 1");
	case OPT_WINDOW:
		return parse_seconds(optarg, 1, 86400, &o->window_s) ||
		       bad("--window", optarg, "seconds, 1 to 86400");
	case 's':
		return parse_sort(optarg, &l->sort) ||
		       bad("--sort", optarg, "live, growth, rate or blocks");
	case OPT_STACKS:
		l->view = OH_WATCH_STACKS;
		return true;
	case 'c':
		l->cum = true;
		return true;
	case OPT_FILTER:
		if (oh_watch_filter(l, optarg, &err))
			return true;
		(void)fprintf(stderr, "otheap: watch: --filter '%s': %s\n", optarg, err.text);
		return false;
	case 'r':
		o->rows_given = true;
		return parse_number(optarg, &o->rows) ||
		       bad("--rows", optarg, "a number, 0 for all");
	case 'o':
		o->text = strcmp(optarg, "text") == 0;
		o->json = strcmp(optarg, "json") == 0;
		return o->text || o->json || bad("--output", optarg, "text or json");
	case 'u':
		return oh_parse_byte_unit(optarg, &l->unit) ||
		       bad("--unit", optarg, "auto, bytes, KiB, MiB or GiB");
	case OPT_NO_SYMBOLS:
		o->no_symbols = true;
		return true;
	case 'h':
		o->help = true;
		return true;
	default:
		return oh_args_bad_option("watch", c, argv);
	}
}

static bool
parse(struct watching *x, int argc, char **argv)
{
	int c;

	optind = 0;
	opterr = 0;
	while (!x->o.help && (c = getopt_long(argc, argv, ":s:cr:o:u:h", long_options, NULL)) != -1)
		if (!take(x, c, argv))
			return false;
	if (x->o.help)
		return true;
	if (optind + 1 != argc || argv[optind][0] == '\0') {
		(void)fprintf(stderr, "otheap: watch: %s; otheap watch --help tells more\n",
		    optind + 1 < argc ? "more than one PID or NAME given" : "no PID or NAME given");
		return false;
	}
	x->o.who = argv[optind];
	return true;
}

/* ---- which program -------------------------------------------------------------------- */

static void
say(const char *what, const char *why)
{
	(void)fputs("otheap: watch: ", stderr);
	oh_print_clean(stderr, what);
	(void)fprintf(stderr, ": %s\n", why);
}

/* The process that PID or NAME means; 0 after a line on stderr. */
static pid_t
choose(const char *who)
{
	struct oh_process_match *found;
	size_t n, with = 0, at = 0;
	pid_t pid = 0;

	if (oh_process_parse(who, &pid))
		return pid;
	n = oh_process_find(who, &found);
	for (size_t i = 0; i < n; i++) {
		with += found[i].has_library;
		at = found[i].has_library ? i : at;
	}
	if (n == 0) {
		say(who, geteuid() == 0 ? "no program of this name is running"
					: "no program of yours with this name is running");
	} else if (n == 1 || with == 1) {
		pid = found[at].pid;
	} else {
		char why[128];

		(void)snprintf(why, sizeof(why),
		    "%zu programs of this name are running%s; give a PID", n,
		    with == 0 ? ", none with the library" : "");
		say(who, why);
		for (size_t i = 0; i < n; i++) {
			if (with > 0 && !found[i].has_library)
				continue;
			(void)fprintf(stderr, "%10d  ", (int)found[i].pid);
			oh_print_clean(stderr, found[i].command);
			(void)putc('\n', stderr);
		}
	}
	free(found);
	return pid;
}

/* Why there is no library in it, where the program's file tells. */
static bool
no_library(const struct oh_process *p, struct oh_error *err)
{
	struct oh_program program;
	struct oh_error ignored = { "" };
	char path[64], buf[256];
	const char *why = NULL;

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)p->pid);
	if (oh_program_read(path, &program, &ignored))
		why = oh_program_obstacle(&program, buf);
	if (why != NULL)
		return oh_error_set(
		    err, "libotheap.so is not loaded in it, as the program %s", why);
	return oh_process_has_library(p, err);
}

static bool
denied(struct oh_error *err)
{
	char scope = '0';
	int fd = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!read(fd, &scope, 1);
		(void)close(fd);
	}
	if (scope != '0')
		return oh_error_set(err,
		    "its memory may not be read: kernel.yama.ptrace_scope is %c; run otheap as "
		    "root, "
		    "or ask for a profile with otheap dump",
		    scope);
	return oh_error_set(err,
	    "its memory may not be read (process_vm_readv is refused)%s, or ask for a profile with "
	    "otheap dump",
	    geteuid() != 0 ? "; run otheap as root" : "");
}

/* Find the process and the tables in it. */
static bool
attach(struct watching *x, pid_t pid, struct oh_error *err)
{
	enum oh_tables_result rc;

	if (!oh_process_open(pid, &x->process, err) || !oh_process_is_ours(&x->process, err))
		return false;
	if (x->process.library[0] == '\0')
		return no_library(&x->process, err);
	x->memory = (struct oh_memory){ oh_memory_of_process, &x->process.pid };
	rc = oh_tables_find(&x->memory, x->process.library_at, &x->root, err);
	switch (rc) {
	case OH_TABLES_OK:
		break;
	case OH_TABLES_DENIED:
		return denied(err);
	default:
		return oh_error_set(err, "it ended, or executed another program, just now");
	}
	x->look.program = x->process.name;
	x->look.pid = x->process.pid;
	x->w.root = x->process.root;
	return true;
}

/* ---- looking ------------------------------------------------------------------------------ */

static bool
has_ended(const struct watching *x)
{
	struct pollfd fd = { .fd = x->process.pidfd, .events = POLLIN };

	return x->process.pidfd >= 0 ? poll(&fd, 1, 0) > 0 : !oh_process_lives(&x->process);
}

static void
pause_ms(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	(void)nanosleep(&t, NULL);
}

/* It executed a program: find the tables of that. */
static enum oh_tables_result
attach_again(struct watching *x, struct oh_error *err)
{
	pid_t pid = x->process.pid;
	enum oh_tables_result rc = OH_TABLES_BAD;

	oh_watch_reset(&x->w);
	for (int tries = 0; tries < EXEC_TRIES; tries++) {
		struct oh_error why = { "" };

		oh_process_close(&x->process);
		if (attach(x, pid, &why) &&
		    (rc = oh_tables_read(&x->tables, &x->memory, x->root, &why)) == OH_TABLES_OK) {
			x->source.executed = true;
			return OH_TABLES_OK;
		}
		if (has_ended(x))
			return OH_TABLES_ENDED;
		err->text[0] = '\0';
		(void)oh_error_set(err, "it executed another program: %s", why.text);
		pause_ms(EXEC_PAUSE_MS);
	}
	return OH_TABLES_BAD;
}

static enum oh_tables_result
look(void *arg, struct oh_error *err)
{
	struct watching *x = arg;
	int64_t start_ns = x->tables.root.start_ns;
	uint64_t base = x->tables.root.arena_base;
	enum oh_tables_result rc = oh_tables_read(&x->tables, &x->memory, x->root, err);
	bool other = x->w.looks > 0 &&
		     (x->tables.root.start_ns != start_ns || x->tables.root.arena_base != base);

	if (rc != OH_TABLES_OK && has_ended(x))
		return OH_TABLES_ENDED;
	if (rc == OH_TABLES_OK && other) {
		/* The root of another program, by chance at the same place. */
		oh_watch_reset(&x->w);
		x->source.executed = true;
	}
	/* While a program starts anew, its library records nothing yet. */
	if (rc == OH_TABLES_MOVED || (rc == OH_TABLES_BAD && other))
		rc = attach_again(x, err);
	if (rc == OH_TABLES_DENIED)
		(void)denied(err);
	if (rc == OH_TABLES_OK && !oh_watch_add(&x->w, &x->tables, err))
		rc = OH_TABLES_BAD;
	if (rc == OH_TABLES_OK)
		oh_watch_order(&x->look, &x->w);
	return rc;
}

/* ---- text and JSON -------------------------------------------------------------------------- */

static void
print_look(struct watching *x)
{
	size_t rows = x->o.rows_given || !x->o.json ? (size_t)x->o.rows : 0;

	if (rows == 0)
		rows = SIZE_MAX / 2;
	if (x->o.json) {
		oh_watch_put_json(stdout, &x->look, &x->w, rows);
	} else {
		if (x->w.looks > 1 || x->source.executed)
			(void)putchar('\n');
		if (x->source.executed)
			(void)puts("It executed another program; counting from here.");
		oh_watch_put_head(stdout, &x->look, &x->w);
		oh_watch_put_rows(stdout, &x->look, &x->w, 0, rows, 0, 0);
	}
	x->source.executed = false;
	(void)fflush(stdout);
}

/* Wait until the time is there, or the program has ended. */
static void
wait_until(const struct watching *x, int64_t due_ns)
{
	struct pollfd fd = { .fd = x->process.pidfd, .events = POLLIN };
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t left = due_ns - ((int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
	if (left > 0)
		(void)poll(&fd, 1, (int)((left + 999999) / 1000000));
}

static enum oh_tables_result
print_all(struct watching *x, struct oh_error *err)
{
	int64_t every_ns = (int64_t)(x->look.every_s * 1e9), due = 0;
	enum oh_tables_result rc = OH_TABLES_OK;

	for (uint64_t n = 0; x->o.count == 0 || n < x->o.count; n++) {
		if (n > 0)
			wait_until(x, due);
		rc = look(x, err);
		if (rc != OH_TABLES_OK)
			break;
		print_look(x);
		if (ferror(stdout))
			break;
		/* Names of a large program may have taken long: no hurry afterwards. */
		due = (due < x->w.time_ns - every_ns ? x->w.time_ns : due) + every_ns;
	}
	return rc;
}

/* ---- the command ------------------------------------------------------------------------------
 */

static void
release(struct watching *x)
{
	oh_watch_look_free(&x->look);
	oh_watch_free(&x->w);
	oh_tables_free(&x->tables);
	oh_process_close(&x->process);
}

static int
watch(int argc, char **argv)
{
	struct watching *x = oh_xcalloc(1, sizeof(*x));
	enum oh_tables_result rc = OH_TABLES_BAD;
	struct oh_error err = { "" };
	int status = OH_EXIT_BAD;
	pid_t pid = 0;

	x->o.window_s = 60;
	x->o.rows = 20;
	x->look.every_s = 1;
	x->process.pidfd = -1;
	oh_watch_init(&x->w);
	if (!parse(x, argc, argv))
		goto out;
	if (x->o.help) {
		(void)fputs(help, stdout);
		status = OH_EXIT_OK;
		goto out;
	}
	pid = choose(x->o.who);
	if (pid == 0)
		goto out;
	/* A live view waits for no download. */
	(void)unsetenv("DEBUGINFOD_URLS");
	x->w.growth_window_ns = (int64_t)(x->o.window_s * 1e9);
	x->w.no_symbols = x->o.no_symbols;
	if (attach(x, pid, &err)) {
		x->source =
		    (struct oh_watch_source){ look, x, &x->process.pidfd, x->o.count, false };
		if (!x->o.text && !x->o.json && oh_screen_usable())
			rc = oh_watch_page_run(&x->look, &x->w, &x->source, &err);
		else
			rc = print_all(x, &err);
	}
	if (rc == OH_TABLES_ENDED)
		(void)oh_error_set(&err, "it has ended");
	if (rc != OH_TABLES_OK)
		(void)fprintf(stderr, "otheap: watch: pid %d: %s\n", (int)pid, err.text);
	if (rc == OH_TABLES_OK || (rc == OH_TABLES_ENDED && x->w.looks > 0))
		status = OH_EXIT_OK;
out:
	release(x);
	free(x);
	return status;
}

const struct oh_command oh_cmd_watch = {
	.name = "watch",
	.run = watch,
	.summary = "the call sites of a running program, live",
	.help = help,
};
