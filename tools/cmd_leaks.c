/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_leaks.c - otheap leaks: which call stacks lose memory, or take more and more?
 *
 * The stages are in leak.h, the tests in leak_judge.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/args.h"
#include "tools/cmd.h"
#include "tools/data.h"
#include "tools/leak.h"
#include "tools/mem.h"
#include "tools/outfile.h"

#define MIN_BYTES_DEFAULT (UINT64_C(256) << 10)
#define FRAMES_DEFAULT 16
#define MAYBE 0.2                          /* p below which an exit report looks closer */
#define UNCHECKED "leak check: not made: " /* begins a comment of the profile */

static const char help[] =
    "usage: otheap leaks [OPTION...] BASE... NOW\n"
    "       otheap leaks --exit-report [--report FILE] [OPTION...] NOW\n"
    "\n"
    "Shows the call stacks whose blocks nothing points to any more, and those that have\n"
    "grown since the profile BASE more than by chance.  Three or more profiles are a\n"
    "series, taken in the order of their times, and give a trend.\n"
    "\n"
    "      --baseline FILE      what growth is counted from, like a first BASE\n"
    "      --min-bytes SIZE     name no growth below this (default 256k)\n"
    "      --min-percent N      name no growth below N % of what is in use (default 0)\n"
    "      --confidence N       how sure, in %; N = 95 allows 5 % false alarms (default 95)\n"
    "      --suppressions FILE  hide what its lines `leak:pattern` match\n"
    "                           (default: $OTHEAP_LEAK_SUPPRESSIONS)\n"
    "      --all                also what grew otherwise, and what is merely old\n"
    "      --frames N           lines of a call stack; 0 = all (default 16)\n"
    "  -n, --count N            call stacks in each section; 0 = all (default 20)\n"
    "  -o, --output FORMAT      text, json or csv (default text)\n"
    "      --exit-report        say nothing unless there are leaks, see otheap(1)\n"
    "      --report FILE        of --exit-report: a file, stderr (default) or none\n"
    "      --focus, --ignore, --hide REGEX, --force, --no-symbols, -u, --unit UNIT,\n"
    "      --width N, --short-names, --max-size SIZE\n"
    "                           as otheap diff\n"
    "  -h, --help               this text\n"
    "\n"
    "exit status: 0 no leaks, 1 lost blocks, 3 growth alone, 2 wrong usage or bad files\n";

enum {
	OPT_BASELINE = OH_OPT_OTHERS,
	OPT_MIN_BYTES,
	OPT_MIN_PERCENT,
	OPT_CONFIDENCE,
	OPT_SUPPRESSIONS,
	OPT_ALL,
	OPT_FRAMES,
	OPT_EXIT_REPORT,
	OPT_REPORT,
};

static const struct option options[] = {
	{ "baseline", required_argument, NULL, OPT_BASELINE },
	{ "min-bytes", required_argument, NULL, OPT_MIN_BYTES },
	{ "min-percent", required_argument, NULL, OPT_MIN_PERCENT },
	{ "confidence", required_argument, NULL, OPT_CONFIDENCE },
	{ "suppressions", required_argument, NULL, OPT_SUPPRESSIONS },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "frames", required_argument, NULL, OPT_FRAMES },
	{ "exit-report", no_argument, NULL, OPT_EXIT_REPORT },
	{ "report", required_argument, NULL, OPT_REPORT },
	{ "count", required_argument, NULL, 'n' },
	{ "output", required_argument, NULL, 'o' },
	{ "force", no_argument, NULL, OH_OPT_FORCE },
	OH_ARGS_TEXT,
	OH_ARGS_COMMON,
};

struct leaks {
	struct oh_leaks l;
	const char *suppressions, *report;
	bool exit_report;
};

/* Digits, perhaps a point and digits, from `least` to `most`. */
static bool
parse_percent(const char *s, double least, double most, double *ret)
{
	char *end;
	double v;

	if (*s == '\0' || strspn(s, "0123456789.") != strlen(s))
		return false;
	v = strtod(s, &end);
	if (*end != '\0' || !(v >= least && v <= most))
		return false;
	*ret = v;
	return true;
}

static bool
take(struct oh_args *a, int c, const char *value)
{
	struct leaks *w = a->own_data;
	uint64_t n;
	double v;

	switch (c) {
	case OPT_BASELINE:
		w->l.baseline = value;
		break;
	case OPT_MIN_BYTES:
		if (!oh_parse_size(value, &w->l.min_bytes))
			return oh_args_bad_value(a, "--min-bytes", value, "a size, like 512k");
		w->l.min_given = true;
		break;
	case OPT_MIN_PERCENT:
		if (!parse_percent(value, 0, 100, &v))
			return oh_args_bad_value(
			    a, "--min-percent", value, "a percentage, 0 to 100");
		w->l.min_percent = v;
		break;
	case OPT_CONFIDENCE:
		if (!parse_percent(value, 50, 99.9999, &v))
			return oh_args_bad_value(
			    a, "--confidence", value, "a percentage, 50 to 99.9999");
		w->l.level = 1 - v / 100;
		break;
	case OPT_SUPPRESSIONS:
		w->suppressions = value;
		break;
	case OPT_ALL:
		w->l.all = true;
		break;
	case OPT_FRAMES:
		if (strspn(value, "0123456789") != strlen(value) || !oh_parse_size(value, &n))
			return oh_args_bad_value(a, "--frames", value, "a number, 0 for all");
		w->l.frames_max = (size_t)n;
		break;
	case OPT_EXIT_REPORT:
		w->exit_report = true;
		break;
	case OPT_REPORT:
		w->report = value;
		break;
	default:
		return false;
	}
	return true;
}

static bool
read_suppressions(struct leaks *w)
{
	struct oh_error err = { "" };

	if (w->suppressions == NULL)
		w->suppressions = getenv("OTHEAP_LEAK_SUPPRESSIONS");
	if (w->suppressions == NULL || *w->suppressions == '\0' ||
	    strcmp(w->suppressions, "none") == 0 ||
	    oh_suppressions_read(&w->l.suppressions, w->suppressions, &err))
		return true;
	(void)fprintf(
	    stderr, "otheap: %s%s\n", err.text, w->exit_report ? "; nothing is suppressed" : "");
	if (w->exit_report)
		oh_suppressions_free(&w->l.suppressions);
	return w->exit_report;
}

static int
status_of(const struct oh_leaks *l)
{
	int status = OH_EXIT_OK;

	for (size_t i = 0; i < l->site_count; i++)
		if (oh_leak_is(&l->sites[i], OH_LEAK_IS_LOST))
			return OH_EXIT_LOST;
		else if (oh_leak_is(&l->sites[i], OH_LEAK_GROWS))
			status = OH_EXIT_GROWING;
	return status;
}

/*
 * Could there be anything to report?  Without names, stacks that differ in an
 * address alone are apart, so what is near a suspect counts as one.
 */
static bool
worth_names(const struct oh_leaks *l)
{
	for (size_t i = 0; i < l->site_count; i++)
		if (l->sites[i].verdict != OH_LEAK_NOTHING ||
		    (l->count > 1 && l->sites[i].p < MAYBE && l->sites[i].growth > 0))
			return true;
	return false;
}

/* A pipe that nobody reads would hold this command for ever. */
static bool
nobody_reads(const char *path)
{
	struct stat st;
	int fd;

	if (stat(path, &st) != 0 || !S_ISFIFO(st.st_mode))
		return false;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		(void)close(fd);
	else if (errno == ENXIO)
		(void)fprintf(stderr, "otheap: %s: nobody reads this pipe\n", path);
	return fd < 0 && errno == ENXIO;
}

/* Where it was asked for; a report that cannot get there goes to standard error. */
static void
deliver(const struct leaks *w, void (*put)(const struct oh_leaks *l, FILE *to))
{
	struct oh_outfile file;

	if (strcmp(w->report, "none") == 0)
		return;
	if (strcmp(w->report, "stderr") != 0 && !nobody_reads(w->report) &&
	    oh_outfile_open(&file, w->report)) {
		put(&w->l, file.to);
		if (oh_outfile_close(&file, true))
			return;
	}
	put(&w->l, stderr);
}

static void
put_unchecked(const struct oh_leaks *l, FILE *to)
{
	const struct oh_profile *p = l->files[l->count - 1];
	const char *program = oh_profile_comment(p, "program: ");
	const char *pid = oh_profile_comment(p, "pid: ");

	(void)fprintf(to, "%sno leak check of ", l->prefix);
	oh_print_clean(to, program != NULL ? program : "a program");
	(void)fputs(" (pid ", to);
	oh_print_clean(to, pid != NULL ? pid : "not known");
	(void)fputs("): ", to);
	oh_print_clean(to, oh_profile_comment(p, UNCHECKED));
	(void)putc('\n', to);
}

/* Silence must mean that somebody looked. */
static int
nothing_found(const struct leaks *w)
{
	if (oh_profile_comment(w->l.files[w->l.count - 1], UNCHECKED) != NULL)
		deliver(w, put_unchecked);
	return OH_EXIT_OK;
}

static int
exit_report(struct leaks *w)
{
	int status;

	w->l.prefix = "==otheap== ";
	oh_leak_sites(&w->l, false);
	oh_leak_judge(&w->l);
	if (!worth_names(&w->l))
		return nothing_found(w);
	oh_leak_sites_free(&w->l);
	oh_leak_sites(&w->l, true);
	oh_leak_judge(&w->l);
	oh_leak_suppress(&w->l);
	status = status_of(&w->l);
	if (status == OH_EXIT_OK)
		return nothing_found(w);
	deliver(w, oh_leak_print_text);
	return status;
}

static int
report(struct leaks *w, enum oh_format format)
{
	oh_leak_sites(&w->l, true);
	oh_leak_judge(&w->l);
	oh_leak_suppress(&w->l);
	if (format == OH_FORMAT_JSON)
		oh_leak_print_json(&w->l);
	else if (format == OH_FORMAT_CSV)
		oh_leak_print_csv(&w->l);
	else
		oh_leak_print_text(&w->l, stdout);
	return status_of(&w->l);
}

static bool
fits(const struct leaks *w, enum oh_format format)
{
	const char *why = NULL;

	if (format == OH_FORMAT_FOLDED)
		why = "--output: expected text, json or csv";
	else if (w->exit_report && format != OH_FORMAT_TEXT)
		why = "--exit-report is text; --output does not go with it";
	else if (!w->exit_report && w->report != NULL)
		why = "--report goes with --exit-report";
	else if (w->l.a->sample_type != NULL)
		why = "--sample-type: it is always what is in use";
	if (why != NULL)
		(void)fprintf(stderr, "otheap: leaks: %s\n", why);
	return why == NULL;
}

static int
leaks(int argc, char **argv)
{
	struct oh_args a;
	struct leaks w = { .l = { .a = &a,
			       .min_bytes = MIN_BYTES_DEFAULT,
			       .level = .05,
			       .frames_max = FRAMES_DEFAULT,
			       .prefix = "" } };
	enum oh_format format;
	char **names;
	size_t count = 0;
	int status;

	oh_args_init(&a, "leaks");
	a.own = take;
	a.own_data = &w;
	status =
	    oh_args_start(&a, help, argc, argv, ":s:n:o:u:h", options, 1, OH_SLOPE_POINTS_MAX - 1);
	if (status != OH_ARGS_GO)
		return status;
	if (!oh_parse_format("leaks", a.output, &format) || !fits(&w, format) ||
	    !read_suppressions(&w)) {
		oh_leaks_free(&w.l);
		return OH_EXIT_BAD;
	}
	if (w.report == NULL)
		w.report = "stderr";
	w.l.baseline_optional = w.exit_report;
	names = oh_xcalloc((size_t)(argc - optind) + 1, sizeof(*names));
	if (w.l.baseline != NULL)
		names[count++] = (char *)(uintptr_t)w.l.baseline;
	for (int i = optind; i < argc; i++)
		names[count++] = argv[i];
	if (!oh_leak_read(&w.l, names, count))
		status = OH_EXIT_BAD;
	else
		status = w.exit_report ? exit_report(&w) : report(&w, format);
	oh_leaks_free(&w.l);
	free(names);
	return status;
}

const struct oh_command oh_cmd_leaks = {
	.name = "leaks",
	.run = leaks,
	.summary = "which call stacks lose memory, or take more and more?",
	.help = help,
};
