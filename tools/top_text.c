/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top_text.c - otheap top for people: the header that says how far to trust
 * the numbers, and the table.
 */
#include "tools/top.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/estimate.h"
#include "tools/place.h"
#include "tools/print.h"

/* ---- header ----------------------------------------------------------------- */

static void
begin_line(const char *label)
{
	(void)printf("%-10s ", label);
}

static void
print_program(const struct oh_profile *p)
{
	const char *program = oh_profile_comment(p, "program: "),
		   *pid = oh_profile_comment(p, "pid: ");
	const char *path =
	    p->mapping_count > 0 ? oh_profile_string(p, p->mappings[p->main_mapping].filename) : "";

	if (program == NULL && *path == '\0')
		return;
	begin_line("Program");
	oh_print_clean(stdout, program ? program : path);
	if (pid != NULL) {
		(void)fputs(", pid ", stdout);
		oh_print_clean(stdout, pid);
	}
	if (program != NULL && *path != '\0') {
		(void)fputs(", ", stdout);
		oh_print_clean(stdout, path);
	}
	(void)putchar('\n');
}

static void
print_type(const struct oh_top *r)
{
	const struct oh_profile *p = r->p;

	begin_line("Showing");
	oh_print_clean(stdout, oh_profile_string(p, p->types[r->type].type));
	(void)fputs(" (", stdout);
	oh_print_clean(stdout, r->unit);
	(void)putchar(')');
	for (size_t i = 0, n = 0; i < p->type_count && n < 8; i++) {
		if (i == r->type)
			continue;
		(void)fputs(n++ == 0 ? "; -s shows " : ", ", stdout);
		oh_print_clean(stdout, oh_profile_string(p, p->types[i].type));
	}
	(void)putchar('\n');
}

static void
print_time(const struct oh_profile *p)
{
	time_t seconds = (time_t)(p->time_ns / 1000000000);
	char buf[64], value[OH_VALUE_MAX];
	struct tm tm;

	if (p->time_ns <= 0 || localtime_r(&seconds, &tm) == NULL ||
	    strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S %z", &tm) == 0)
		return;
	begin_line("Taken");
	(void)fputs(buf, stdout);
	if (p->duration_ns > 0)
		(void)printf(
		    ", %s after the start", oh_format_value(value, (long double)p->duration_ns,
						"nanoseconds", OH_BYTES_AUTO));
	(void)putchar('\n');
}

static void
print_sampling(const struct oh_top *r)
{
	const struct oh_profile *p = r->p;
	const char *samples = oh_profile_comment(p, "samples: ");
	const char *own = oh_profile_comment(p, "own memory: ");
	const char *unit = oh_profile_string(p, p->period_type.unit);
	bool bytes = strcmp(unit, "bytes") == 0;
	char value[OH_VALUE_MAX];

	if (p->period <= 0)
		return;
	begin_line("Sampling");
	if (p->period == 1 && bytes) {
		(void)fputs("every allocation", stdout);
	} else {
		oh_format_value(value, (long double)p->period, unit, OH_BYTES_AUTO);
		(void)printf("once in %s", value);
		if (bytes) {
			(void)fputs(" allocated, on average", stdout);
		} else if (strcmp(unit, "nanoseconds") != 0) {
			(void)putchar(' ');
			oh_print_clean(stdout, unit);
		}
	}
	if (samples != NULL) {
		(void)fputs("; samples ", stdout);
		oh_print_clean(stdout, samples);
	}
	if (own != NULL) {
		uint64_t n;
		char digits[32];

		(void)snprintf(digits, sizeof(digits), "%.*s", (int)strspn(own, "0123456789"), own);
		(void)fputs("; otheap's own memory ", stdout);
		if (oh_parse_size(digits, &n))
			(void)fputs(
			    oh_format_value(value, (long double)n, "bytes", r->byte_unit), stdout);
		else
			oh_print_clean(stdout, own);
	}
	(void)putchar('\n');
}

static void
print_total(const struct oh_top *r)
{
	const char *exact = oh_profile_comment(r->p, "exact totals: ");
	char value[OH_VALUE_MAX];

	begin_line("Total");
	(void)fputs(
	    oh_format_value(value, (long double)r->t->total, r->unit, r->byte_unit), stdout);
	if (r->error_bars)
		(void)printf(
		    " +- %s (95 %%)", oh_format_value(value,
					  (long double)oh_estimate_half_width(r->t->total_variance),
					  r->unit, r->byte_unit));
	else if (r->t->exact)
		(void)fputs(" (exact)", stdout);
	if (exact != NULL) {
		(void)fputs("; allocated since the start, exactly: ", stdout);
		oh_print_clean(stdout, exact);
	}
	(void)putchar('\n');
}

static void
print_lost(const struct oh_profile *p)
{
	static const char key[] = "dropped: ";
	size_t n = 0;

	for (size_t i = 0; i < p->comment_count; i++) {
		const char *s = oh_profile_string(p, p->comments[i]);

		if (strncmp(s, key, sizeof(key) - 1) != 0)
			continue;
		s += sizeof(key) - 1;
		if (n++ == 0)
			begin_line("Lost");
		else
			(void)fputs(", ", stdout);
		oh_print_clean(stdout, strcmp(s, "none") == 0 ? "nothing" : s);
	}
	if (n > 0)
		(void)putchar('\n');
}

static void
print_shown(const struct oh_top *r)
{
	int64_t sum = 0;
	char percent[OH_VALUE_MAX];

	for (size_t i = 0; i < r->shown; i++)
		sum = oh_add_saturated(sum, r->t->rows[i].flat);
	begin_line("Shown");
	(void)printf("%zu of %zu %s, %s of the total", r->shown, r->t->row_count,
	    r->view == OH_VIEW_STACKS ? "call stacks" : r->rows,
	    oh_format_percent(percent, (double)sum, (double)r->t->total));
	if (r->t->samples_pruned > 0)
		(void)fputs("; without the frames the profile names as the allocator's", stdout);
	if (r->t->drop_ignored)
		(void)fputs("; the profile's drop_frames cannot be used", stdout);
	(void)putchar('\n');
}

static void
print_header(const struct oh_top *r)
{
	begin_line("File");
	oh_print_clean(stdout, r->file);
	(void)putchar('\n');
	print_program(r->p);
	if (r->p->type_count > 0)
		print_type(r);
	print_time(r->p);
	print_sampling(r);
	if (r->t->samples > 0)
		print_total(r);
	print_lost(r->p);
}

/* ---- table ------------------------------------------------------------------ */

/* The texts of one row before the name, as columns. */
enum { FLAT, FLAT_ERROR, FLAT_PERCENT, SUM_PERCENT, CUM, CUM_ERROR, CUM_PERCENT, COLUMNS };

static const char *const titles[COLUMNS] = { "flat", "+-", "flat%", "sum%", "cum", "+-", "cum%" };

static void
format_row(
    const struct oh_top *r, const struct oh_row *row, int64_t sum, char text[COLUMNS][OH_VALUE_MAX])
{
	double total = (double)r->t->total;
	enum oh_byte_unit u = r->byte_unit;

	oh_format_value(text[FLAT], (long double)row->flat, r->unit, u);
	oh_format_percent(text[FLAT_PERCENT], (double)row->flat, total);
	oh_format_percent(text[SUM_PERCENT], (double)sum, total);
	oh_format_value(text[CUM], (long double)row->cum, r->unit, u);
	oh_format_percent(text[CUM_PERCENT], (double)row->cum, total);
	text[FLAT_ERROR][0] = text[CUM_ERROR][0] = '\0';
	if (!r->error_bars)
		return;
	oh_format_value(
	    text[FLAT_ERROR], (long double)oh_estimate_half_width(row->flat_variance), r->unit, u);
	oh_format_value(
	    text[CUM_ERROR], (long double)oh_estimate_half_width(row->cum_variance), r->unit, u);
}

static bool
column_shown(const struct oh_top *r, int column)
{
	return r->error_bars || (column != FLAT_ERROR && column != CUM_ERROR);
}

static void
print_rows(const struct oh_top *r)
{
	char text[COLUMNS][OH_VALUE_MAX];
	int width[COLUMNS];
	size_t used = 0;
	int64_t sum = 0;

	for (int c = 0; c < COLUMNS; c++)
		width[c] = (int)strlen(titles[c]);
	for (size_t i = 0; i < r->shown; i++) {
		sum = oh_add_saturated(sum, r->t->rows[i].flat);
		format_row(r, &r->t->rows[i], sum, text);
		for (int c = 0; c < COLUMNS; c++)
			if ((int)strlen(text[c]) > width[c])
				width[c] = (int)strlen(text[c]);
	}
	for (int c = 0; c < COLUMNS; c++)
		if (column_shown(r, c))
			(void)printf("%*s  ", width[c], titles[c]);
	(void)puts(r->row);
	for (int c = 0; c < COLUMNS; c++)
		used += column_shown(r, c) ? (size_t)width[c] + 2 : 0;
	sum = 0;
	for (size_t i = 0; i < r->shown; i++) {
		const struct oh_row *row = &r->t->rows[i];

		sum = oh_add_saturated(sum, row->flat);
		format_row(r, row, sum, text);
		for (int c = 0; c < COLUMNS; c++)
			if (column_shown(r, c))
				(void)printf("%*s  ", width[c], text[c]);
		oh_print_place(stdout, r->p, &r->t->places[row->place], &r->names, used);
		(void)putchar('\n');
	}
}

static void
print_stacks(const struct oh_top *r)
{
	const struct oh_table *t = r->t;
	char text[COLUMNS][OH_VALUE_MAX];
	int64_t sum = 0;

	for (size_t i = 0; i < r->shown; i++) {
		const struct oh_row *row = &t->rows[i];

		sum = oh_add_saturated(sum, row->flat);
		format_row(r, row, sum, text);
		(void)printf("%s%s", i > 0 ? "\n" : "", text[FLAT]);
		if (r->error_bars)
			(void)printf(" +- %s", text[FLAT_ERROR]);
		(void)printf("  %s, sum %s\n", text[FLAT_PERCENT], text[SUM_PERCENT]);
		if (row->stack_len == 0)
			(void)puts("    (no stack)");
		for (uint32_t f = row->stack_at; f < row->stack_at + row->stack_len; f++) {
			uint32_t l = r->p->frames[f];

			for (uint32_t k = t->place_at[l]; k < t->place_at[l + 1]; k++) {
				(void)fputs("    ", stdout);
				oh_print_place(
				    stdout, r->p, &t->places[t->place_ids[k]], &r->names, 4);
				(void)putchar('\n');
			}
		}
	}
}

void
oh_top_print_text(const struct oh_top *r)
{
	print_header(r);
	if (r->t->samples == 0) {
		begin_line("Empty");
		if (r->p->sample_count == 0)
			(void)puts("this profile holds no samples: nothing was recorded");
		else
			(void)printf("all %zu samples have the value 0 here\n", r->p->sample_count);
		return;
	}
	print_shown(r);
	(void)putchar('\n');
	if (r->view == OH_VIEW_STACKS)
		print_stacks(r);
	else
		print_rows(r);
}
