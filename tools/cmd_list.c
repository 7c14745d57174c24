/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_list.c - otheap list: the source lines of a function, with their bytes beside them.
 *
 * Two tables of the same samples: by function, for what to show and in which
 * order, and by line, for what stands beside the lines.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/args.h"
#include "tools/cmd.h"
#include "tools/data.h"
#include "tools/escape.h"
#include "tools/estimate.h"
#include "tools/filter.h"
#include "tools/idmap.h"
#include "tools/mem.h"
#include "tools/source.h"

#define CONTEXT 5       /* lines shown around one with a value, and at the start */
#define START_MOST 1000 /* lines from a function's start to its first value; more is an error */
#define TAB_COLUMNS 8

static const char help[] =
    "usage: otheap list [OPTION...] REGEX FILE\n"
    "\n"
    "Shows the source of each function whose name or file matches, largest first, with\n"
    "what each line holds, or has allocated: itself (flat) and with what it called (cum).\n"
    "\n"
    "      --source-path FOLDERS   where to look for source files first; ':' between them\n"
    "      --trim-path PREFIXES    take these off the names of source files\n"
    "  -s, --sample-type TYPE  what to add up (default: as otheap top)\n"
    "  -n, --count N           functions to show; 0 = all (default 20 in text, else all)\n"
    "      --focus REGEX       only stacks with a function or file that matches\n"
    "      --ignore REGEX      no stacks with a function or file that matches\n"
    "      --hide REGEX        without the frames that match; their callers get the value\n"
    "  -o, --output FORMAT     text, json or csv\n"
    "  -u, --unit UNIT         auto, bytes, KiB, MiB or GiB (default auto)\n"
    "      --short-names, --width COLUMNS\n"
    "                          as otheap top\n"
    "      --no-symbols        do not look for names in the programs\n"
    "      --max-size SIZE     refuse a file with more than this when unpacked (default 1g)\n"
    "  -h, --help              this text\n"
    "\n"
    "A file below FOLDER is found also without its first folders: /build/app/x.c as\n"
    "FOLDER/x.c.  Where the source is missing the lines are shown without their text.\n"
    "\n"
    "exit status: 0 fine, also if nothing matches; 2 wrong usage or bad file\n";

static const struct option options[] = {
	OH_ARGS_TEXT,
	{ "count", required_argument, NULL, 'n' },
	{ "output", required_argument, NULL, 'o' },
	{ "source-path", required_argument, NULL, OH_OPT_SOURCE_PATH },
	{ "trim-path", required_argument, NULL, OH_OPT_TRIM_PATH },
	OH_ARGS_COMMON,
};

struct listing {
	const struct oh_args *a;
	const char *file, *expression;
	struct oh_profile *p;
	unsigned type;
	enum oh_format format;
	struct oh_table functions, lines;
	uint32_t *first; /* [function's place]: row of lines + 1, 0 = none */
	uint32_t *next;  /* [row of lines]: the next of the same function, + 1 */
	struct oh_source source;
	struct oh_error why; /* there is no source */
	uint32_t source_of;  /* file string that `source` is of; 0 = none yet */
	size_t shown;        /* functions */
	size_t rows;         /* of JSON */
};

/* ---- which lines --------------------------------------------------------------- */

/* Rows of the same function, by the place that names it. */
static void
link_lines(struct listing *l)
{
	struct oh_idmap names = { 0 };
	uint32_t *place_of = oh_xcalloc(l->functions.place_count, sizeof(*place_of));

	for (uint32_t i = 0; i < l->functions.place_count; i++) {
		const struct oh_place *pl = &l->functions.places[i];

		if (pl->name != 0)
			place_of[oh_idmap_add(&names, (uint64_t)pl->name << 32 | pl->file)] = i;
	}
	l->first = oh_xcalloc(l->functions.place_count, sizeof(*l->first));
	l->next = oh_xcalloc(l->lines.row_count, sizeof(*l->next));
	for (uint32_t r = (uint32_t)l->lines.row_count; r-- > 0;) {
		const struct oh_place *pl = &l->lines.places[l->lines.rows[r].place];
		uint32_t i = oh_idmap_find(&names, (uint64_t)pl->name << 32 | pl->file);

		if (pl->name == 0 || i == OH_IDMAP_NONE)
			continue;
		l->next[r] = l->first[place_of[i]];
		l->first[place_of[i]] = r + 1;
	}
	oh_idmap_free(&names);
	free(place_of);
}

static uint32_t
line_of(const struct listing *l, const struct oh_row *row)
{
	return l->lines.places[row->place].line;
}

static int
by_line(const void *x, const void *y, void *arg)
{
	uint32_t a = line_of(arg, *(const struct oh_row *const *)x);
	uint32_t b = line_of(arg, *(const struct oh_row *const *)y);

	return a < b ? -1 : a > b;
}

/* The rows of a function by line; free() it. */
static const struct oh_row **
rows_of(struct listing *l, uint32_t place, size_t *ret_count)
{
	const struct oh_row **rows = NULL;
	size_t n = 0, cap = 0;

	for (uint32_t r = l->first[place]; r != 0; r = l->next[r - 1]) {
		rows = oh_xgrow(rows, &cap, n + 1, sizeof(*rows));
		rows[n++] = &l->lines.rows[r - 1];
	}
	if (n > 1)
		qsort_r(rows, n, sizeof(*rows), by_line, l);
	*ret_count = n;
	return rows;
}

/* Have the source file of a function, if it can be had. */
static void
find_source(struct listing *l, uint32_t file)
{
	const struct oh_source_places where = { l->a->source_path, l->a->trim_path };

	if (l->source_of == file && file != 0)
		return;
	oh_source_free(&l->source);
	l->why.text[0] = '\0';
	l->source_of = file;
	if (file == 0)
		oh_error_set(&l->why, "the profile names no source file");
	else
		(void)oh_source_open(&l->source, &where, oh_profile_string(l->p, file), &l->why);
}

static const char *
text_of(const struct listing *l, uint32_t line)
{
	return l->why.text[0] == '\0' && line > 0 && line <= l->source.count
		   ? l->source.lines[line - 1]
		   : NULL;
}

/* ---- text ------------------------------------------------------------------------ */

static const char *
value_text(const struct listing *l, char *buf, int64_t value)
{
	return oh_format_value(buf, (long double)value,
	    oh_profile_string(l->p, l->p->types[l->type].unit), l->a->unit);
}

static void
print_source_text(const struct listing *l, const char *s, size_t used)
{
	size_t room = l->a->names.columns > used ? l->a->names.columns - used : SIZE_MAX;
	char *clean = oh_xrealloc(NULL, strlen(s) + 1, TAB_COLUMNS);
	size_t n = 0, column = 0;

	for (; *s != '\0' && column < room; s++) {
		if (*s != '\t') {
			column += ((unsigned char)*s & 0xc0) != 0x80;
			clean[n++] = *s;
			continue;
		}
		do
			clean[n++] = ' ';
		while (++column % TAB_COLUMNS != 0 && column < room);
	}
	while (((unsigned char)*s & 0xc0) == 0x80)
		clean[n++] = *s++; /* the rest of the last character */
	clean[n] = '\0';
	oh_print_clean(stdout, clean);
	free(clean);
}

static void
print_line(const struct listing *l, const struct oh_row *row, uint32_t line)
{
	char flat[OH_VALUE_MAX] = ".", cum[OH_VALUE_MAX] = ".";
	const char *text = text_of(l, line);
	int width;

	if (row != NULL && row->flat != 0)
		value_text(l, flat, row->flat);
	if (row != NULL)
		value_text(l, cum, row->cum);
	width = printf("%12s %12s %6u", flat, cum, line);
	if (text != NULL && *text != '\0') {
		(void)fputs("  ", stdout);
		print_source_text(l, text, (size_t)width + 2);
	}
	(void)putchar('\n');
}

static void
print_total(const struct listing *l, const char *what, int64_t value, double variance)
{
	char text[OH_VALUE_MAX];

	(void)printf("%s %s", what, value_text(l, text, value));
	if (l->functions.has_variance)
		(void)printf(
		    " +- %s", oh_format_value(text, (long double)oh_estimate_half_width(variance),
				  oh_profile_string(l->p, l->p->types[l->type].unit), l->a->unit));
	(void)printf(" (%s)", oh_format_percent(text, (double)value, (double)l->functions.total));
}

/*
 * Lines from the start of the function on, as far as they are near one with a
 * value.  Without source only those with a value.
 */
static void
print_lines(const struct listing *l, uint32_t start, const struct oh_row **rows, size_t count)
{
	uint32_t printed = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t line = line_of(l, rows[i]), from = line, to = line;
		uint32_t next = i + 1 < count ? line_of(l, rows[i + 1]) : UINT32_MAX;

		if (l->why.text[0] == '\0' && line != 0) {
			from = line > CONTEXT ? line - CONTEXT : 1;
			if (i == 0 && start != 0 && start <= line && line - start < START_MOST)
				from = start;
			to = next - line > CONTEXT ? line + CONTEXT : next - 1;
			if (to > l->source.count)
				to = l->source.count > line ? (uint32_t)l->source.count : line;
			if (i == 0 && line - from > 2 * CONTEXT) {
				for (uint32_t k = from; k < from + CONTEXT; k++)
					print_line(l, NULL, k);
				printed = from + CONTEXT - 1;
				from = line - CONTEXT;
			}
		}
		if (from <= printed)
			from = printed + 1;
		if (printed != 0 && from > printed + 1 && l->why.text[0] == '\0')
			(void)printf("%26s %6s\n", "", "...");
		for (uint32_t k = from; k < line; k++)
			print_line(l, NULL, k);
		print_line(l, rows[i], line);
		for (uint32_t k = line + 1; k <= to; k++)
			print_line(l, NULL, k);
		printed = to;
	}
}

static void
print_function(struct listing *l, const struct oh_row *f, const struct oh_row **rows, size_t count)
{
	const struct oh_place *pl = &l->functions.places[f->place];
	const char *file = oh_profile_string(l->p, pl->file);

	(void)fputs(l->shown > 0 ? "\nFunction   " : "Function   ", stdout);
	oh_print_place(stdout, l->p, pl, &l->a->names, 11);
	(void)fputs("\nTotal      ", stdout);
	print_total(l, "flat", f->flat, f->flat_variance);
	print_total(l, ", cum", f->cum, f->cum_variance);
	if (l->why.text[0] != '\0') {
		(void)fputs("\nSource     ", stdout);
		if (pl->file != 0 && strcmp(l->why.text, "not found") == 0) {
			oh_print_clean(stdout, file);
			(void)fputs(
			    " is not found; --source-path and --trim-path say where to look",
			    stdout);
		} else {
			oh_print_clean(stdout, l->why.text);
		}
	} else if (strcmp(l->source.path, file) != 0) {
		(void)fputs("\nSource     ", stdout);
		oh_print_clean(stdout, l->source.path);
	}
	if (l->why.text[0] == '\0' && l->p->time_ns > 0 && l->source.changed_ns > l->p->time_ns)
		(void)fputs(
		    "\nNote       the source has changed since the profile was taken", stdout);
	(void)printf("\n\n%12s %12s %6s\n", "flat", "cum", "line");
	print_lines(l, pl->line, rows, count);
}

/* ---- for programs ------------------------------------------------------------------ */

static void
data_error(const struct listing *l, double variance)
{
	oh_data_error(
	    &l->lines, l->lines.has_variance, variance, l->format == OH_FORMAT_JSON ? "null" : "");
}

static void
data_row(struct listing *l, const struct oh_row *row)
{
	const struct oh_place *pl = &l->lines.places[row->place];
	const char *text = text_of(l, pl->line);
	bool json = l->format == OH_FORMAT_JSON;

	if (json)
		(void)printf("%s\n  {\"flat\": %" PRId64 ", \"flat_stderr\": ",
		    l->rows > 0 ? "," : "", row->flat);
	else
		(void)printf("%" PRId64 ",", row->flat);
	l->rows++;
	data_error(l, row->flat_variance);
	if (json)
		(void)printf(", \"cum\": %" PRId64 ", \"cum_stderr\": ", row->cum);
	else
		(void)printf(",%" PRId64 ",", row->cum);
	data_error(l, row->cum_variance);
	(void)fputs(json ? ", " : ",", stdout);
	if (json)
		oh_data_json_place(l->p, pl);
	else
		oh_data_csv_place(l->p, pl);
	(void)fputs(json ? ", \"source\": " : ",", stdout);
	if (json && text != NULL)
		oh_put_json(stdout, text);
	else if (json)
		(void)fputs("null", stdout);
	else
		oh_put_csv(stdout, text != NULL ? text : "");
	(void)fputs(json ? "}" : "\n", stdout);
}

/* ---- the command -------------------------------------------------------------------- */

static void
print_header(const struct listing *l)
{
	const char *type = oh_profile_string(l->p, l->p->types[l->type].type);
	const char *unit = oh_profile_string(l->p, l->p->types[l->type].unit);

	if (l->format == OH_FORMAT_TEXT) {
		(void)fputs("File       ", stdout);
		oh_print_clean(stdout, l->file);
		(void)fputs("\nShowing    ", stdout);
		oh_print_clean(stdout, type);
		(void)fputs("\n\n", stdout);
	} else if (l->format == OH_FORMAT_JSON) {
		(void)fputs("{\n \"file\": ", stdout);
		oh_put_json(stdout, l->file);
		oh_data_json_text("sample_type", type);
		oh_data_json_text("unit", unit);
		(void)printf(",\n \"total\": %" PRId64 ",\n \"rows\": [", l->functions.total);
	} else {
		(void)fputs("# file: ", stdout);
		oh_print_clean(stdout, l->file);
		(void)fputs("\n# sample_type: ", stdout);
		oh_print_clean(stdout, type);
		(void)fputs("\n# unit: ", stdout);
		oh_print_clean(stdout, unit);
		(void)puts("\nflat,flat_stderr,cum,cum_stderr," OH_DATA_CSV_PLACE ",source");
	}
}

static void
list_functions(struct listing *l)
{
	uint8_t *wanted;

	oh_aggregate(&l->functions, l->p, l->type, OH_VIEW_FUNCTIONS);
	oh_table_sort(&l->functions, l->p, true);
	oh_aggregate(&l->lines, l->p, l->type, OH_VIEW_LINES);
	link_lines(l);
	wanted = oh_filter_places(l->p, l->expression, &l->functions);
	print_header(l);
	for (size_t i = 0; i < l->functions.row_count; i++) {
		const struct oh_row *f = &l->functions.rows[i];
		const struct oh_row **rows;
		size_t count;

		if (!wanted[f->place] || (l->a->count != 0 && l->shown == l->a->count))
			continue;
		rows = rows_of(l, f->place, &count);
		if (count > 0) {
			find_source(l, l->functions.places[f->place].file);
			if (l->format == OH_FORMAT_TEXT)
				print_function(l, f, rows, count);
			for (size_t k = 0; k < count && l->format != OH_FORMAT_TEXT; k++)
				data_row(l, rows[k]);
			l->shown++;
		}
		free(rows);
	}
	if (l->format == OH_FORMAT_JSON)
		(void)fputs("\n ]\n}\n", stdout);
	else if (l->format == OH_FORMAT_TEXT && l->shown == 0)
		(void)puts("no function with a value and a name matches");
	free(wanted);
	free(l->first);
	free(l->next);
	oh_table_free(&l->functions);
	oh_table_free(&l->lines);
	oh_source_free(&l->source);
}

static int
list(int argc, char **argv)
{
	struct oh_args a;
	struct listing l = { .a = &a };
	int rc, type;

	oh_args_init(&a, "list");
	rc = oh_args_start(&a, help, argc, argv, ":s:n:o:u:h", options, 2, 2);
	if (rc != OH_ARGS_GO)
		return rc;
	l.expression = argv[optind];
	l.file = argv[optind + 1];
	if (!oh_filter_check("list", "REGEX", l.expression) ||
	    !oh_parse_format("list", a.output, &l.format))
		return OH_EXIT_BAD;
	if (l.format == OH_FORMAT_FOLDED) {
		(void)fputs(
		    "otheap: list: --output 'folded': expected text, json or csv\n", stderr);
		return OH_EXIT_BAD;
	}
	if (l.format != OH_FORMAT_TEXT && !a.count_given)
		a.count = 0;
	l.p = oh_args_read(&a, l.file);
	if (l.p == NULL)
		return OH_EXIT_BAD;
	type = oh_args_type(&a, l.file, l.p);
	if (type == -1)
		(void)fprintf(stderr, "otheap: %s: no sample types, nothing to list\n", l.file);
	if (type >= 0) {
		l.type = (unsigned)type;
		oh_args_names(&a, l.p, type, NULL);
		list_functions(&l);
	}
	oh_profile_free(l.p);
	return type >= 0 ? OH_EXIT_OK : OH_EXIT_BAD;
}

const struct oh_command oh_cmd_list = {
	.name = "list",
	.run = list,
	.summary = "the source lines of functions by regular expression, with their bytes",
	.help = help,
};
