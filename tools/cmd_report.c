/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_report.c - otheap report: one page about a series of profiles, to be sent to somebody.
 *
 * What it tells is worked out in report_data.c and written by the other report_*.c.
 */
#include <stdio.h>

#include "tools/args.h"
#include "tools/cmd.h"
#include "tools/mem.h"
#include "tools/outfile.h"
#include "tools/report.h"

static const char help[] =
    "usage: otheap report [OPTION...] FILE... -o OUT.html\n"
    "\n"
    "Writes one page that needs no network, to be kept or sent: a summary, the timeline of\n"
    "the profiles, leak suspects with their confidence, the largest sites, a flame graph of\n"
    "the last profile and of what changed, settings, and what was lost.  Files are put in\n"
    "the order of their times.\n"
    "\n"
    "  -o, --output OUT.html   the file to write; - is standard output\n"
    "  -s, --sample-type TYPE  what to report on (default: as otheap top)\n"
    "  -n, --count N           functions to list; 0 = all (default 20)\n"
    "      --focus REGEX       only stacks with a function or file that matches\n"
    "      --ignore REGEX      no stacks with a function or file that matches\n"
    "      --hide REGEX        leave out frames that match, not what they hold\n"
    "      --force             also different programs and sampling intervals\n"
    "      --no-symbols        do not look for names in the programs\n"
    "      --max-size SIZE     refuse a file with more than this when unpacked (default 1g)\n"
    "  -h, --help              this text\n"
    "\n"
    "Growth is measured from the first profile of the last process in the series.  OUT.html\n"
    "is replaced when the new file is complete, and not at all if that fails.\n"
    "\n"
    "exit status: 0 fine, 2 wrong usage, bad files, files that cannot be compared without\n"
    "--force, or an output that cannot be written\n";

static const struct option options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "count", required_argument, NULL, 'n' },
	{ "force", no_argument, NULL, OH_OPT_FORCE },
	OH_ARGS_COMMON,
};

static int
report(int argc, char **argv)
{
	struct oh_args a;
	struct oh_report r;
	struct oh_outfile out;
	bool good;
	int rc;

	oh_args_init(&a, "report");
	rc = oh_args_start(&a, help, argc, argv, ":o:s:n:h", options, 1, OH_REPORT_FILES_MAX);
	if (rc != OH_ARGS_GO)
		return rc;
	if (a.output == NULL) {
		(void)fputs("otheap: report: --output OUT.html is needed\n", stderr);
		return OH_EXIT_BAD;
	}
	good = oh_report_make(&r, &a, argv + optind, (size_t)(argc - optind)) &&
	       oh_outfile_open(&out, a.output);
	if (good) {
		oh_report_html(out.to, &r);
		good = oh_outfile_close(&out, true);
	}
	oh_report_free(&r);
	return good ? OH_EXIT_OK : OH_EXIT_BAD;
}

const struct oh_command oh_cmd_report = {
	.name = "report",
	.run = report,
	.summary = "one page about a series of profiles: growth, suspects, sites, flame graph",
	.help = help,
};
