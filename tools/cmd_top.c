/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_top.c - otheap top: who holds, or has allocated, how much?
 *
 * Options and the order of work.  Adding up is in aggregate.c, printing in
 * top_text.c and top_data.c.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/args.h"
#include "tools/cmd.h"
#include "tools/mem.h"
#include "tools/profile_write.h"
#include "tools/top.h"

static const char help[] =
    "usage: otheap top [OPTION...] FILE\n"
    "\n"
    "Shows the functions that hold, or have allocated, the most.  FILE is a heap profile\n"
    "in pprof format, gzipped or not; - is standard input.\n"
    "\n"
    "  -s, --sample-type TYPE  what to add up: inuse_space, inuse_objects, alloc_space,\n"
    "                          alloc_objects, another type of the file, or its index\n"
    "                          (default: what the file says, else its last type)\n"
    "  -n, --count N           rows to show; 0 = all (default 20, in text)\n"
    "  -c, --cum               largest with everything it calls first\n"
    "  -l, --lines             a row for each source line, not each function\n"
    "      --stacks, --sites   a block for each whole call stack\n"
    "      --by WHAT           function, line, stack, thread, size (of blocks), module or\n"
    "                          label=KEY\n"
    "      --focus REGEX       only stacks with a function or file that matches\n"
    "      --ignore REGEX      no stacks with a function or file that matches\n"
    "      --hide REGEX        without the frames that match; their callers get the value\n"
    "  -o, --output FORMAT     text, json, csv, folded: stacks as root;...;leaf value, or\n"
    "                          pprof: a profile of what is left, on standard output\n"
    "  -u, --unit UNIT         of text: auto, bytes, KiB, MiB or GiB (default auto)\n"
    "      --short-names       of text: no template arguments and parameters\n"
    "      --width COLUMNS     of text: lines that fit (default: a terminal's; 0 = any)\n"
    "      --no-symbols        do not look for names in the programs; what the file has\n"
    "                          is shown, other frames as module+offset\n"
    "      --max-size SIZE     refuse a file with more than this when unpacked; suffixes\n"
    "                          k, m, g (default 1g, at most 4095m)\n"
    "  -h, --help              this text\n"
    "\n"
    "flat is what a function allocated itself, cum includes what it called.  +- is half of\n"
    "the 95 % interval, for sampled profiles that carry block sizes.  Debug files are\n"
    "looked for in the usual places, and fetched if DEBUGINFOD_URLS is set.\n"
    "\n"
    "exit status: 0 fine (also for a profile without samples), 2 wrong usage or bad file\n";

static const struct option options[] = {
	OH_ARGS_TABLE,
	{ "by", required_argument, NULL, OH_OPT_BY },
	{ "output", required_argument, NULL, 'o' },
	OH_ARGS_COMMON,
};

struct format {
	const char *name;
	void (*print)(const struct oh_top *r);
};

static const struct format formats[] = {
	{ "text", oh_top_print_text }, { "json", oh_top_print_json }, { "csv", oh_top_print_csv },
	{ "folded", oh_top_print_folded }, { "pprof", NULL }, /* no table: save() */
};

static const struct format *
find_format(const char *name)
{
	for (size_t i = 0; i < OH_ARRAY_LEN(formats); i++)
		if (strcmp(name, formats[i].name) == 0)
			return &formats[i];
	(void)fprintf(stderr,
	    "otheap: top: --output '%s': expected text, json, csv, folded or pprof\n", name);
	return NULL;
}

/* What a row is: the plural, and the title of its column. */
static void
name_rows(struct oh_top *r, const struct oh_args *a)
{
	static const char *const views[][2] = {
		[OH_VIEW_FUNCTIONS] = { "functions", "function" },
		[OH_VIEW_LINES] = { "lines", "function and line" },
		[OH_VIEW_STACKS] = { "stacks", "call stack" },
	};
	static const char *const groups[][2] = {
		[OH_GROUP_THREAD] = { "threads", "thread" },
		[OH_GROUP_SIZE] = { "sizes", "size of a block" },
		[OH_GROUP_MODULE] = { "modules", "module" },
		[OH_GROUP_LABEL] = { "labels", "label" },
	};
	const char *const *names = a->by == OH_GROUP_NONE ? views[a->view] : groups[a->by];

	r->rows = names[0];
	r->row = names[1];
}

/* The profile itself, with names and without what was left out. */
static bool
save(const struct oh_args *a, const char *file, struct oh_profile *p)
{
	int type = oh_args_type(a, file, p);

	if (type == -2)
		return false;
	if (isatty(STDOUT_FILENO)) {
		(void)fputs(
		    "otheap: top: -o pprof is not for a terminal; send it to a file\n", stderr);
		return false;
	}
	oh_args_names(a, p, OH_ARGS_EVERY, NULL);
	if (a->sample_type != NULL)
		p->default_type = p->types[type].type;
	return oh_profile_write(p, stdout);
}

static bool
show(const struct oh_args *a, const char *file, const struct format *format, struct oh_profile *p)
{
	struct oh_table table = { 0 };
	struct oh_top r = {
		.file = file,
		.p = p,
		.t = &table,
		.unit = "",
		.view = a->view,
		.names = a->names,
		.byte_unit = a->unit,
	};
	int type = oh_args_type(a, file, p);

	if (type == -2)
		return false;
	name_rows(&r, a);
	if (type >= 0) {
		r.has_type = true;
		r.type = (unsigned)type;
		oh_args_names(a, p, type, NULL);
		oh_aggregate(&table, p, r.type, a->view);
		oh_table_sort(&table, p, a->by_cum);
		r.unit = oh_profile_string(p, p->types[type].unit);
		r.error_bars = table.has_variance;
		r.shown = a->count == 0 || a->count > table.row_count ? table.row_count
								      : (size_t)a->count;
	}
	format->print(&r);
	oh_table_free(&table);
	return true;
}

static int
top(int argc, char **argv)
{
	const struct format *format = &formats[0];
	struct oh_args a;
	struct oh_profile *p;
	bool good;
	int rc;

	oh_args_init(&a, "top");
	rc = oh_args_start(&a, help, argc, argv, ":s:n:clo:u:h", options, 1, 1);
	if (rc != OH_ARGS_GO)
		return rc;
	if (a.output != NULL && (format = find_format(a.output)) == NULL)
		return OH_EXIT_BAD;
	if (format->print != oh_top_print_text && !a.count_given)
		a.count = 0;
	if (format->print == oh_top_print_folded)
		a.view = OH_VIEW_STACKS;
	p = oh_args_read(&a, argv[optind]);
	if (p == NULL)
		return OH_EXIT_BAD;
	good =
	    format->print == NULL ? save(&a, argv[optind], p) : show(&a, argv[optind], format, p);
	oh_profile_free(p);
	return good ? OH_EXIT_OK : OH_EXIT_BAD;
}

const struct oh_command oh_cmd_top = {
	.name = "top",
	.run = top,
	.summary = "the functions, lines or call stacks with the most bytes",
	.help = help,
};
