/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_text.c - a look at a running program as lines of text.
 */
#include "tools/watch.h"

#include <math.h>
#include <string.h>

#include "tools/estimate.h"

#define WIDE 130u /* columns from which errors are shown as values */
#define DETAIL_STACKS_MAX 50u

static const char *
bytes(char *buf, double v, enum oh_byte_unit unit)
{
	return oh_format_value(buf, (long double)v, "bytes", unit);
}

static const char *
count(char *buf, double v)
{
	(void)snprintf(buf, OH_VALUE_MAX, "%.0f", v < 0 ? 0 : v);
	return buf;
}

bool
oh_watch_grows(const struct oh_watch *w, const struct oh_watch_values *v)
{
	return w->growth_s > 0 && v->grown_bytes >= 1 &&
	       v->grown_bytes > oh_estimate_half_width(v->grown_variance);
}

/* ---- head ---------------------------------------------------------------------------- */

static void
put_lost(FILE *to, const struct oh_watch *w)
{
	static const char *const names[OH_DROP_COUNT] = {
#define X(id, name, text) name,
		OH_DROP_LIST(X)
#undef X
	};
	unsigned n = 0;

	for (unsigned i = 0; i < OH_DROP_COUNT; i++)
		if (w->drops[i] != 0)
			(void)fprintf(to, "%s%s %llu", n++ > 0 ? ", " : "; lost: ", names[i],
			    (unsigned long long)w->drops[i]);
	if (n == 0)
		(void)fputs("; lost: nothing", to);
	if (w->skipped > 0)
		(void)fprintf(to, "; not understood: %zu", w->skipped);
}

void
oh_watch_put_head(FILE *to, const struct oh_watch_look *l, const struct oh_watch *w)
{
	char a[OH_VALUE_MAX], b[OH_VALUE_MAX];
	double hw = oh_estimate_half_width(w->sum.live_variance);

	oh_print_clean(to, l->program);
	(void)fprintf(to, ", pid %d, %s after the start, every %g s\n", l->pid,
	    oh_format_value(a, (long double)(w->time_ns - w->start_ns), "nanoseconds", l->unit),
	    l->every_s);

	(void)fprintf(to, "Live       %s", bytes(a, w->sum.live_bytes, l->unit));
	if (w->interval_bytes > 1)
		(void)fprintf(to, " +- %s", bytes(b, hw, l->unit));
	(void)fprintf(to, " in %s blocks", count(a, w->sum.blocks));
	if (w->growth_s > 0) {
		double per_min = 60 / w->growth_s;

		(void)fprintf(to, "; growth %s", bytes(a, w->sum.grown_bytes * per_min, l->unit));
		if (w->interval_bytes > 1)
			(void)fprintf(to, " +- %s",
			    bytes(b, oh_estimate_half_width(w->sum.grown_variance) * per_min,
				l->unit));
		(void)fprintf(to, " a minute, over %.3g s", w->growth_s);
	}
	(void)putc('\n', to);

	(void)fprintf(to, "Allocated  %s in %llu calls, exactly",
	    bytes(a, (double)w->total_bytes, l->unit), (unsigned long long)w->total_calls);
	if (w->rate_s > 0)
		(void)fprintf(to, "; %s/s in %s calls/s, over %.3g s",
		    bytes(a, w->total_bytes_rate, l->unit), count(b, w->total_calls_rate),
		    w->rate_s);
	(void)fprintf(to, "; %zu threads", w->threads);
	if (w->threads_unsure > 0)
		(void)fprintf(to, ", %zu of them as they last told", w->threads_unsure);
	(void)putc('\n', to);

	(void)fputs("Sampling   ", to);
	if (w->stopped)
		(void)fprintf(to, "stopped (otheap start %d goes on); else ", l->pid);
	if (w->interval_bytes <= 1)
		(void)fputs("every allocation", to);
	else
		(void)fprintf(to, "once in %s", bytes(a, (double)w->interval_bytes, OH_BYTES_AUTO));
	(void)fprintf(to, "; samples %llu, live %llu; otheap's own memory %s",
	    (unsigned long long)w->samples, (unsigned long long)w->samples_live,
	    bytes(a, (double)w->own_bytes, l->unit));
	put_lost(to, w);
	(void)putc('\n', to);

	(void)fprintf(to, "Showing    %zu of %zu %s%s by %s", l->count, l->all,
	    l->view == OH_WATCH_STACKS ? "call stacks" : "functions",
	    l->cum && l->view == OH_WATCH_FUNCTIONS ? " with what they call," : "",
	    oh_watch_sort_names[l->sort]);
	if (l->filter[0] != '\0') {
		(void)fputs("; filter ", to);
		oh_print_clean(to, l->filter);
	}
	(void)putc('\n', to);
}

/* ---- rows ---------------------------------------------------------------------------- */

enum { LIVE, LIVE_ERROR, BLOCKS, GROWTH, GROWTH_ERROR, RATE, RATE_ERROR, CALLS, COLUMNS };

static const struct {
	const char *title;
	int width, narrow; /* characters; 0 = not on a narrow terminal */
} columns_of[COLUMNS] = {
	[LIVE] = { "live", 11, 11 },
	[LIVE_ERROR] = { "+-", 11, 5 },
	[BLOCKS] = { "blocks", 10, 8 },
	[GROWTH] = { "growth/min", 12, 12 },
	[GROWTH_ERROR] = { "+-", 11, 5 },
	[RATE] = { "alloc/s", 11, 11 },
	[RATE_ERROR] = { "+-", 11, 0 },
	[CALLS] = { "calls/s", 10, 0 },
};

static bool
is_error(int column)
{
	return column == LIVE_ERROR || column == GROWTH_ERROR || column == RATE_ERROR;
}

static int
width_of(const struct oh_watch *w, int column, unsigned columns)
{
	bool wide = columns == 0 || columns >= WIDE;

	if (is_error(column) && w->interval_bytes <= 1)
		return 0;
	return wide ? columns_of[column].width : columns_of[column].narrow;
}

/* Half the interval: as a value, or on a narrow terminal as a part of the number. */
static void
put_error(char *to, const struct oh_watch_look *l, double value, double variance, double factor,
    unsigned columns)
{
	double hw = oh_estimate_half_width(variance), percent = 100 * hw / fabs(value);

	if (columns == 0 || columns >= WIDE)
		(void)bytes(to, hw * factor, l->unit);
	else if (value == 0 || !(percent <= 999))
		(void)snprintf(to, OH_VALUE_MAX, "%s", hw == 0 ? "0%" : ">999%");
	else
		(void)snprintf(to, OH_VALUE_MAX, "%.0f%%", percent);
}

static void
format_row(const struct oh_watch_look *l, const struct oh_watch *w, const struct oh_watch_values *v,
    unsigned columns, char text[COLUMNS][OH_VALUE_MAX])
{
	double per_min = w->growth_s > 0 ? 60 / w->growth_s : 0;
	double per_s = w->rate_s > 0 ? 1 / w->rate_s : 0;

	for (int c = 0; c < COLUMNS; c++)
		(void)strcpy(text[c], "-");
	(void)bytes(text[LIVE], v->live_bytes, l->unit);
	put_error(text[LIVE_ERROR], l, v->live_bytes, v->live_variance, 1, columns);
	(void)count(text[BLOCKS], v->blocks);
	if (per_min > 0) {
		(void)bytes(text[GROWTH], v->grown_bytes * per_min, l->unit);
		put_error(
		    text[GROWTH_ERROR], l, v->grown_bytes, v->grown_variance, per_min, columns);
	}
	if (per_s > 0) {
		(void)bytes(text[RATE], v->alloc_bytes * per_s, l->unit);
		put_error(text[RATE_ERROR], l, v->alloc_bytes, v->alloc_variance, per_s, columns);
		(void)count(text[CALLS], v->alloc_blocks * per_s);
	}
}

static void
put_place(FILE *to, const struct oh_watch_place *p)
{
	oh_print_clean(to, p->name);
	if (p->file[0] != '\0') {
		(void)fputs("  ", to);
		oh_print_clean(to, p->file);
		if (p->line != 0)
			(void)fprintf(to, ":%u", p->line);
	} else if (p->name != p->buf && p->module[0] != '\0') {
		(void)fputs("  [", to);
		oh_print_clean(to, p->module);
		(void)putc(']', to);
	}
}

/* The frames of a stack from the leaf, by `one`; it says when that is enough. */
static void
each_place(const struct oh_watch *w, uint32_t stack,
    bool (*one)(FILE *to, const struct oh_watch_place *p, size_t n), FILE *to)
{
	const struct oh_watch_stack *s = &w->stacks[stack];
	struct oh_watch_place p;
	size_t n = 0;

	for (uint32_t f = 0; f < s->frame_count; f++) {
		uint32_t l = w->p->frames[s->frame_at + f];

		for (uint32_t i = f == 0 ? s->first_line : 0; oh_watch_place(w, l, i, &p); i++)
			if (!one(to, &p, n++))
				return;
	}
	if (n == 0)
		(void)fputs("(no stack)", to);
}

static bool
put_link(FILE *to, const struct oh_watch_place *p, size_t n)
{
	if (n > 0)
		(void)fputs(" < ", to);
	oh_print_clean(to, p->name);
	return n < 100;
}

static bool
put_frame_line(FILE *to, const struct oh_watch_place *p, size_t n)
{
	(void)n;
	(void)fputs("    ", to);
	put_place(to, p);
	(void)putc('\n', to);
	return true;
}

static void
put_name(FILE *to, const struct oh_watch_look *l, const struct oh_watch *w, uint32_t row)
{
	const struct oh_watch_row *r = &w->rows[l->view][row];
	struct oh_watch_place p = {
		.name = oh_profile_string(w->p, r->name),
		.file = oh_profile_string(w->p, r->file),
		.module = oh_profile_string(w->p, r->module),
		.line = r->line,
	};

	if (l->view == OH_WATCH_STACKS)
		each_place(w, row, put_link, to);
	else
		put_place(to, &p);
}

void
oh_watch_put_rows(FILE *to, const struct oh_watch_look *l, const struct oh_watch *w, size_t first,
    size_t rows, size_t selected, unsigned columns)
{
	char text[COLUMNS][OH_VALUE_MAX];

	if (columns > 0)
		(void)fputs("  ", to);
	for (int c = 0; c < COLUMNS; c++)
		if (width_of(w, c, columns) > 0)
			(void)fprintf(to, "%*s ", width_of(w, c, columns), columns_of[c].title);
	(void)fprintf(
	    to, " %s\n", l->view == OH_WATCH_STACKS ? "function < caller < ..." : "function");
	for (size_t i = first; i < first + rows && i < l->count; i++) {
		const struct oh_watch_row *row = &w->rows[l->view][l->order[i]];

		format_row(l, w, oh_watch_row_values(l, row), columns, text);
		if (columns > 0)
			(void)fputs(i == selected ? "> " : "  ", to);
		for (int c = 0; c < COLUMNS; c++)
			if (width_of(w, c, columns) > 0)
				(void)fprintf(to, "%*s ", width_of(w, c, columns), text[c]);
		(void)putc(' ', to);
		put_name(to, l, w, l->order[i]);
		(void)putc('\n', to);
	}
}

/* ---- one row ----------------------------------------------------------------------------- */

static void
put_values(FILE *to, const struct oh_watch_look *l, const struct oh_watch *w,
    const struct oh_watch_values *v)
{
	char text[COLUMNS][OH_VALUE_MAX];
	bool errors = w->interval_bytes > 1;

	format_row(l, w, v, 0, text);
	(void)fprintf(to, "live %s%s%s in %s blocks", text[LIVE], errors ? " +- " : "",
	    errors ? text[LIVE_ERROR] : "", text[BLOCKS]);
	if (w->growth_s > 0)
		(void)fprintf(to, ", growth %s%s%s a minute", text[GROWTH], errors ? " +- " : "",
		    errors ? text[GROWTH_ERROR] : "");
	if (w->rate_s > 0)
		(void)fprintf(to, ", allocates %s%s%s a second in %s calls", text[RATE],
		    errors ? " +- " : "", errors ? text[RATE_ERROR] : "", text[CALLS]);
	(void)putc('\n', to);
}

/* Is function row `row` what this stack counts for? */
static bool
belongs(const struct oh_watch_look *l, const struct oh_watch *w, uint32_t stack, uint32_t row)
{
	const struct oh_watch_stack *s = &w->stacks[stack];

	for (uint32_t k = 0; k < (l->cum ? s->row_count : 1); k++)
		if (w->stack_rows[s->rows_at + k] == row)
			return true;
	return false;
}

void
oh_watch_put_detail(FILE *to, const struct oh_watch_look *l, const struct oh_watch *w, uint32_t row)
{
	struct oh_watch_look stacks = { .view = OH_WATCH_STACKS, .sort = l->sort, .unit = l->unit };
	size_t shown = 0, all = 0;

	put_name(to, l, w, row);
	(void)putc('\n', to);
	put_values(to, l, w, oh_watch_row_values(l, &w->rows[l->view][row]));
	oh_watch_order(&stacks, w);
	for (size_t i = 0; i < stacks.count; i++) {
		uint32_t s = stacks.order[i];

		if (l->view == OH_WATCH_STACKS ? s != row : !belongs(l, w, s, row))
			continue;
		if (all++ >= DETAIL_STACKS_MAX)
			continue;
		shown++;
		(void)putc('\n', to);
		put_values(to, l, w, &w->stacks[s].values);
		each_place(w, s, put_frame_line, to);
	}
	if (all > shown)
		(void)fprintf(to, "\nand %zu more call stacks\n", all - shown);
	oh_watch_look_free(&stacks);
}
