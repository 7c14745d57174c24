/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_diff.c - otheap diff: what grew between two profiles, and is it more than chance?
 *
 * merge.c makes the files one profile whose sample types are the growth and
 * the value of each file; these are added up one after the other, and row i of
 * each is the same function.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/args.h"
#include "tools/cmd.h"
#include "tools/diff.h"
#include "tools/estimate.h"
#include "tools/mem.h"
#include "tools/place.h"

#define FILES_MAX OH_COMPARE_FILES_MAX
#define FALSE_DISCOVERY_RATE 0.05

static const char help[] =
    "usage: otheap diff [OPTION...] FILE FILE...\n"
    "\n"
    "Shows which functions grew or shrank from the first profile to the last, and whether\n"
    "that is more than the chance of sampling.  Files between are columns of their own.\n"
    "\n"
    "  -s, --sample-type TYPE  what to compare (default: as otheap top)\n"
    "  -n, --count N           rows to show; 0 = all (default 20)\n"
    "  -c, --cum               with everything a function calls, not by itself\n"
    "  -l, --lines             a row for each source line, not each function\n"
    "      --stacks, --sites   a block for each whole call stack\n"
    "      --focus REGEX       only stacks with a function or file that matches\n"
    "      --ignore REGEX      no stacks with a function or file that matches\n"
    "      --hide REGEX        without the frames that match; their callers get the value\n"
    "      --force             compare also different programs and sampling intervals\n"
    "  -o, --output FORMAT     text, json, csv, or folded: stacks as root;...;leaf from to\n"
    "  -u, --unit UNIT         auto, bytes, KiB, MiB or GiB (default auto)\n"
    "      --short-names, --width COLUMNS\n"
    "                          as otheap top\n"
    "      --no-symbols        do not look for names in the programs\n"
    "      --max-size SIZE     refuse a file with more than this when unpacked (default 1g)\n"
    "  -h, --help              this text\n"
    "\n"
    "+- is half of the 95 % interval.  q is the smallest rate of false alarms at which the\n"
    "row counts as changed; 'yes' stands for q below 5 %.  Functions are matched by name\n"
    "and file, addresses by module and offset.\n"
    "\n"
    "exit status: 0 fine, also if nothing grew; 2 wrong usage, bad files, or files that\n"
    "cannot be compared without --force\n";

static const struct option options[] = {
	OH_ARGS_TABLE,
	{ "output", required_argument, NULL, 'o' },
	{ "force", no_argument, NULL, OH_OPT_FORCE },
	OH_ARGS_COMMON,
};

/* ---- work --------------------------------------------------------------------- */

static void
compare(struct oh_diff *d)
{
	struct oh_profile *p;
	size_t kept = 0;

	oh_merge(&d->m, d->c.files, d->c.types, d->c.count);
	p = d->m.p;
	oh_args_names(d->a, p, OH_ARGS_EVERY, d->m.variance);
	oh_aggregate_all(&d->growth, p, 0, d->a->view, d->m.variance);
	d->values = oh_xcalloc(d->c.count, sizeof(*d->values));
	for (size_t i = 0; i < d->c.count; i++)
		oh_aggregate_all(&d->values[i], p, (unsigned)i + 1, d->a->view, NULL);
	for (size_t i = 0; i < d->growth.row_count; i++)
		if (oh_diff_value(d, &d->growth.rows[i]) != 0)
			d->growth.rows[kept++] = d->growth.rows[i];
	d->growth.row_count = d->changed = kept;
	oh_table_sort(&d->growth, p, d->a->by_cum);

	d->shown = d->a->count == 0 || d->a->count > kept ? kept : (size_t)d->a->count;
	d->growth.exact = d->m.exact;
	d->error_bars = d->m.has_variance && !d->m.exact;
	d->q = oh_xcalloc(kept, sizeof(*d->q));
	for (size_t i = 0; i < kept; i++) {
		const struct oh_row *row = &d->growth.rows[i];

		d->q[i] =
		    oh_estimate_p_value((double)oh_diff_value(d, row), oh_diff_variance(d, row));
	}
	oh_estimate_adjust(d->q, kept);
	for (size_t i = 0; i < kept; i++)
		d->significant += d->q[i] < FALSE_DISCOVERY_RATE;
}

/* ---- output ------------------------------------------------------------------- */

static const char *
unit_of(const struct oh_diff *d)
{
	return oh_profile_string(d->m.p, d->m.p->types[0].unit);
}

/* Growth, with its sign. */
static const char *
format_growth(const struct oh_diff *d, char *buf, int64_t value)
{
	char text[OH_VALUE_MAX];

	oh_format_value(text, (long double)value, unit_of(d), d->a->unit);
	(void)snprintf(buf, OH_VALUE_MAX, "%s%.38s", value > 0 ? "+" : "", text);
	return buf;
}

static const char *
format_value(const struct oh_diff *d, char *buf, long double value)
{
	return oh_format_value(buf, value, unit_of(d), d->a->unit);
}

static void
print_header(const struct oh_diff *d)
{
	const struct oh_profile *p = d->m.p, *a = d->c.files[0], *b = d->c.files[d->c.count - 1];
	int64_t growth = oh_diff_sum(p, 0);
	char text[OH_VALUE_MAX];

	for (size_t i = 0; i < d->c.count; i++) {
		(void)printf("%-10s ", i == 0 ? "From" : i + 1 == d->c.count ? "To" : "Over");
		oh_print_clean(stdout, oh_file_name(d->c.names[i]));
		(void)putchar('\n');
	}
	(void)fputs("Showing    growth of ", stdout);
	oh_print_clean(stdout, oh_profile_string(p, p->types[0].type));
	(void)printf("%s\n", d->a->by_cum ? ", with what is called" : "");
	if (a->time_ns > 0 && b->time_ns > 0)
		(void)printf("Time       %s from the first to the last\n",
		    oh_format_value(text, (long double)b->time_ns - (long double)a->time_ns,
			"nanoseconds", OH_BYTES_AUTO));
	if (d->error_bars)
		(void)printf("Process    %s\n",
		    d->m.same_process
			? "the same; blocks that must be in both profiles add no error"
			: "not known to be the same; the errors of both profiles add up");
	(void)printf("Total      %s", format_value(d, text, (long double)oh_diff_sum(p, 1)));
	(void)printf(
	    " -> %s", format_value(d, text, (long double)oh_diff_sum(p, (unsigned)d->c.count)));
	(void)printf(", growth %s", format_growth(d, text, growth));
	if (d->error_bars)
		(void)printf(" +- %s (95 %%)",
		    format_value(
			d, text, (long double)oh_estimate_half_width(d->growth.total_variance)));
	(void)puts(d->m.exact ? " (exact)" : d->error_bars ? "" : " (its error is not known)");
	(void)printf("Changed    %zu %s", d->changed,
	    d->a->view == OH_VIEW_STACKS  ? "call stacks"
	    : d->a->view == OH_VIEW_LINES ? "lines"
					  : "functions");
	if (d->error_bars)
		(void)printf(
		    ", %zu of them significantly: 5 %% of these may be false", d->significant);
	(void)puts("\n");
}

/* Columns: growth, its error, the value in each file, q, significant. */
#define COLUMNS_MAX (FILES_MAX + 4)

struct texts {
	char t[COLUMNS_MAX][OH_VALUE_MAX];
	size_t count;
};

static char *
column(struct texts *x)
{
	return x->t[x->count++];
}

static void
format_row(const struct oh_diff *d, size_t i, struct texts *x)
{
	const struct oh_row *row = &d->growth.rows[i];

	x->count = 0;
	(void)format_growth(d, column(x), oh_diff_value(d, row));
	if (d->error_bars)
		(void)format_value(
		    d, column(x), (long double)oh_estimate_half_width(oh_diff_variance(d, row)));
	for (size_t f = 0; f < d->c.count; f++)
		(void)format_value(
		    d, column(x), (long double)oh_diff_value(d, &d->values[f].rows[row->number]));
	if (!d->error_bars)
		return;
	(void)snprintf(column(x), OH_VALUE_MAX, d->q[i] < 0.0001 ? "<.0001" : "%.4f", d->q[i]);
	(void)snprintf(
	    column(x), OH_VALUE_MAX, "%s", d->q[i] < FALSE_DISCOVERY_RATE ? "yes" : "no");
}

static void
format_titles(const struct oh_diff *d, struct texts *x)
{
	x->count = 0;
	(void)strcpy(column(x), "growth");
	if (d->error_bars)
		(void)strcpy(column(x), "+-");
	for (size_t f = 0; f < d->c.count; f++)
		if (f == 0 || f + 1 == d->c.count)
			(void)strcpy(column(x), f == 0 ? "from" : "to");
		else
			(void)snprintf(column(x), OH_VALUE_MAX, "over%zu", f);
	if (!d->error_bars)
		return;
	(void)strcpy(column(x), "q");
	(void)strcpy(column(x), "sign.");
}

static void
print_texts(const struct texts *x, const size_t *width)
{
	for (size_t c = 0; c < x->count; c++)
		(void)printf("%*s  ", (int)width[c], x->t[c]);
}

static void
print_row(const struct oh_diff *d, const struct oh_row *row, size_t used)
{
	const struct oh_table *t = &d->growth;

	if (d->a->view != OH_VIEW_STACKS) {
		oh_print_place(stdout, d->m.p, &t->places[row->place], &d->a->names, used);
		(void)putchar('\n');
		return;
	}
	(void)puts(row->stack_len == 0 ? "(no stack)" : "");
	for (uint32_t f = row->stack_at; f < row->stack_at + row->stack_len; f++) {
		uint32_t l = d->m.p->frames[f];

		for (uint32_t k = t->place_at[l]; k < t->place_at[l + 1]; k++) {
			(void)fputs("    ", stdout);
			oh_print_place(
			    stdout, d->m.p, &t->places[t->place_ids[k]], &d->a->names, 4);
			(void)putchar('\n');
		}
	}
}

static void
print_report(const struct oh_diff *d)
{
	size_t width[COLUMNS_MAX] = { 0 }, used = 0;
	struct texts x;

	print_header(d);
	format_titles(d, &x);
	for (size_t i = 0; i <= d->shown; i++) {
		for (size_t c = 0; c < x.count; c++)
			if (strlen(x.t[c]) > width[c])
				width[c] = strlen(x.t[c]);
		if (i < d->shown)
			format_row(d, i, &x);
	}
	format_titles(d, &x);
	for (size_t c = 0; c < x.count; c++)
		used += width[c] + 2;
	print_texts(&x, width);
	(void)puts(d->a->view == OH_VIEW_STACKS  ? "call stack"
		   : d->a->view == OH_VIEW_LINES ? "function and line"
						 : "function");
	for (size_t i = 0; i < d->shown; i++) {
		format_row(d, i, &x);
		print_texts(&x, width);
		print_row(d, &d->growth.rows[i], used);
	}
}

static int
diff(int argc, char **argv)
{
	struct oh_args a;
	struct oh_diff d = { .a = &a };
	enum oh_format format;
	bool good;
	int rc;

	oh_args_init(&a, "diff");
	rc = oh_args_start(&a, help, argc, argv, ":s:n:clo:u:h", options, 2, FILES_MAX);
	if (rc != OH_ARGS_GO)
		return rc;
	if (!oh_parse_format("diff", a.output, &format))
		return OH_EXIT_BAD;
	if (format != OH_FORMAT_TEXT && !a.count_given)
		a.count = 0;
	if (format == OH_FORMAT_FOLDED)
		a.view = OH_VIEW_STACKS;
	good = oh_compare_read(&d.c, &a, argv + optind, (size_t)(argc - optind));
	if (good) {
		compare(&d);
		if (format == OH_FORMAT_TEXT)
			print_report(&d);
		else
			oh_diff_print_data(&d, format);
		for (size_t i = 0; i < d.c.count; i++)
			oh_table_free(&d.values[i]);
	}
	free(d.values);
	free(d.q);
	oh_table_free(&d.growth);
	oh_merge_free(&d.m);
	oh_compare_free(&d.c);
	return good ? OH_EXIT_OK : OH_EXIT_BAD;
}

const struct oh_command oh_cmd_diff = {
	.name = "diff",
	.run = diff,
	.summary = "what grew between two or more profiles, and is it more than chance?",
	.help = help,
};
