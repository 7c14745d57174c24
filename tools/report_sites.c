/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_sites.c - call stacks in a report, and the largest of them.
 */
#include "tools/report.h"

#include <math.h>
#include <string.h>

#include "tools/escape.h"
#include "tools/place.h"

#define SHORT_MOST 200  /* characters of a name in the line of a call stack */
#define FRAMES_MOST 200 /* of one call stack */
#define STACKS_MOST 20

/* ---- call stacks -------------------------------------------------------------------- */

static void
put_place(FILE *to, const struct oh_profile *p, const struct oh_place *pl)
{
	char buf[OH_PLACE_NAME_MAX];

	(void)fputs("<span class=\"clamp\">", to);
	oh_report_name(to, oh_place_name(buf, p, pl));
	(void)fputs("</span>", to);
	if (pl->file == 0 && pl->mapping == 0)
		return;
	(void)fputs("<span class=\"file\">", to);
	oh_report_name(to, pl->file ? oh_profile_string(p, pl->file) : oh_place_module(p, pl));
	if (pl->file != 0 && pl->line != 0)
		(void)fprintf(to, ":%u", pl->line);
	(void)fputs("</span>", to);
}

/* The innermost functions of a stack: enough to know it by. */
static void
put_short_stack(FILE *to, const struct oh_report_stack *s)
{
	const struct oh_profile *p = s->p;
	const struct oh_table *t = s->t;
	const struct oh_row *row = s->row;
	char buf[OH_PLACE_NAME_MAX], name[4 * SHORT_MOST];
	int n = 0;

	if (row->stack_len == 0)
		(void)fputs("(no stack)", to);
	for (uint32_t f = row->stack_at; f < row->stack_at + row->stack_len && n < 3; f++) {
		uint32_t l = p->frames[f];

		for (uint32_t k = t->place_at[l]; k < t->place_at[l + 1] && n < 3; k++) {
			(void)fputs(n++ > 0 ? " ← <bdi>" : "<bdi>", to);
			oh_place_short(
			    name, sizeof(name), oh_place_name(buf, p, &t->places[t->place_ids[k]]));
			oh_put_html(to, name, SHORT_MOST);
			(void)fputs("</bdi>", to);
		}
	}
}

static void
put_frames(FILE *to, const struct oh_report_stack *s)
{
	const struct oh_profile *p = s->p;
	const struct oh_table *t = s->t;
	const struct oh_row *row = s->row;
	size_t n = 0, more = 0;

	(void)fputs("<ol class=\"frames\">\n", to);
	for (uint32_t f = row->stack_at; f < row->stack_at + row->stack_len; f++) {
		uint32_t l = p->frames[f];

		for (uint32_t k = t->place_at[l]; k < t->place_at[l + 1]; k++) {
			if (n++ >= FRAMES_MOST) {
				more++;
				continue;
			}
			(void)fputs("<li>", to);
			put_place(to, p, &t->places[t->place_ids[k]]);
			(void)fputs("</li>\n", to);
		}
	}
	if (n == 0)
		(void)fputs("<li>(no stack)</li>\n", to);
	if (more > 0)
		(void)fprintf(to, "<li>… and %zu outer frames</li>\n", more);
	(void)fputs("</ol>\n", to);
}

void
oh_report_stack_begin(FILE *to)
{
	(void)fputs("<details><summary><span class=\"amount\">", to);
}

void
oh_report_stack_names(FILE *to, const struct oh_report_stack *s)
{
	(void)fputs("</span> <span class=\"leaf\">", to);
	put_short_stack(to, s);
	(void)fputs("</span> <span class=\"right\">", to);
}

void
oh_report_stack_open(FILE *to)
{
	(void)fputs("</span></summary>\n", to);
}

void
oh_report_stack_end(FILE *to, const struct oh_report_stack *s)
{
	put_frames(to, s);
	(void)fputs("</details>\n", to);
}

/* ---- top sites ------------------------------------------------------------------------ */

static void
put_amount(FILE *to, const struct oh_report *r, double value, double variance)
{
	(void)fputs("<td class=\"n\">", to);
	oh_report_value(to, r, value);
	(void)fputs(" <small>", to);
	oh_report_error(to, r, variance);
	(void)fputs("</small>", to);
}

static void
put_functions(FILE *to, const struct oh_report *r)
{
	const struct oh_table *t = &r->functions;
	size_t count = 0, shown;

	/* Sorted: those that only call others are last. */
	while (count < t->row_count && t->rows[count].flat != 0)
		count++;
	shown = r->a->count == 0 || r->a->count > count ? count : (size_t)r->a->count;

	(void)fputs(
	    "<div class=\"scroll\"><table class=\"data\"><thead><tr><th scope=\"col\">Function"
	    "</th><th scope=\"col\" class=\"n\">By itself</th><th scope=\"col\" class=\"n\">"
	    "Share</th><th scope=\"col\" class=\"n less\">With what it calls</th></tr>"
	    "</thead><tbody>\n",
	    to);
	for (size_t i = 0; i < shown; i++) {
		const struct oh_row *row = &t->rows[i];
		double share = t->total ? fabs((double)row->flat / (double)t->total) : 0;

		(void)fputs("<tr><td class=\"what\">", to);
		put_place(to, r->last, &t->places[row->place]);
		(void)fputs("</td>", to);
		put_amount(to, r, (double)row->flat, t->has_variance ? row->flat_variance : -1);
		(void)fputs("</td><td class=\"n\">", to);
		oh_report_percent(to, (double)row->flat, (double)t->total);
		(void)fprintf(to,
		    "<span class=\"share\"><i style=\"width:%.1f%%\"></i></span></td>",
		    100 * fmin(share, 1));
		(void)fputs("<td class=\"n less\">", to);
		oh_report_value(to, r, (double)row->cum);
		(void)fputs(" <small>", to);
		oh_report_error(to, r, t->has_variance ? row->cum_variance : -1);
		(void)fputs("</small></td></tr>\n", to);
	}
	(void)fputs("</tbody></table></div>\n", to);
	if (shown < count)
		(void)fprintf(to, "<p class=\"note\">%zu of %zu functions.</p>\n", shown, count);
}

void
oh_report_sites(FILE *to, const struct oh_report *r)
{
	const struct oh_table *t = &r->stacks;
	size_t shown = t->row_count < STACKS_MOST ? t->row_count : STACKS_MOST;

	(void)fputs(
	    "<section id=\"sites\" aria-labelledby=\"sites-h\">\n<h2 id=\"sites-h\">Top sites"
	    "</h2>\n",
	    to);
	if (t->row_count == 0) {
		(void)fputs("<p class=\"note\">The last profile holds nothing to show: ", to);
		(void)fputs(r->last->sample_count == 0 ? "no sample was recorded."
						       : "all its values are 0.",
		    to);
		(void)fputs("</p>\n</section>\n", to);
		return;
	}
	(void)fputs("<p class=\"note\">Of the last profile, by ", to);
	oh_put_html(to, r->type_name, OH_REPORT_NAME_MOST);
	(void)fputs(".</p>\n", to);
	put_functions(to, r);
	(void)fputs("<h3>Call stacks</h3>\n<div class=\"stacks\">\n", to);
	for (size_t i = 0; i < shown; i++) {
		const struct oh_report_stack s = { r->last, t, &t->rows[i] };

		oh_report_stack_begin(to);
		oh_report_value(to, r, (double)s.row->flat);
		(void)fputs(" <small>", to);
		oh_report_error(to, r, t->has_variance ? s.row->flat_variance : -1);
		(void)fputs("</small>", to);
		oh_report_stack_names(to, &s);
		oh_report_percent(to, (double)s.row->flat, (double)t->total);
		oh_report_stack_open(to);
		oh_report_stack_end(to, &s);
	}
	(void)fputs("</div>\n", to);
	if (shown < t->row_count)
		(void)fprintf(to,
		    "<p class=\"note\">%zu of %zu call stacks; the flame graph has all.</p>\n",
		    shown, t->row_count);
	(void)fputs("</section>\n", to);
}
