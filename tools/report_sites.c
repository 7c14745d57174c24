/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_sites.c - the parts of a report that name code: leak suspects and top sites.
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
put_short_stack(
    FILE *to, const struct oh_profile *p, const struct oh_table *t, const struct oh_row *row)
{
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
put_frames(FILE *to, const struct oh_profile *p, const struct oh_table *t, const struct oh_row *row)
{
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

/* One call stack to be opened: amount, functions, and at the right what put_right writes. */
static void
begin_stack(FILE *to, const struct oh_report *r, const struct oh_profile *p,
    const struct oh_table *t, const struct oh_row *row, const char *sign)
{
	(void)fprintf(to, "<details><summary><span class=\"amount\">%s", sign);
	oh_report_value(to, r, (double)row->flat);
	(void)fputs(" <small>", to);
	oh_report_error(to, r, t->has_variance ? row->flat_variance : -1);
	(void)fputs("</small></span><span class=\"leaf\">", to);
	put_short_stack(to, p, t, row);
	(void)fputs("</span><span class=\"right\">", to);
}

static void
end_stack(FILE *to, const struct oh_profile *p, const struct oh_table *t, const struct oh_row *row)
{
	(void)fputs("</span></summary>\n", to);
	put_frames(to, p, t, row);
	(void)fputs("</details>\n", to);
}

static void
put_badge(FILE *to, const char *kind, const char *text)
{
	(void)fprintf(to, "<span class=\"badge %s\">%s</span>", kind, text);
}

/* ---- leak suspects -------------------------------------------------------------------- */

static void
put_check(FILE *to, const struct oh_report *r)
{
	static const char *const what[OH_REPORT_CLASSES] = {
		[OH_REPORT_LOST] = "Nothing points to these blocks: they are leaked",
		[OH_REPORT_INTERIOR] = "Only pointers to their middle: leaked, or kept in a way "
				       "that no program can tell",
		[OH_REPORT_INDIRECT] = "Only leaked blocks point to these",
	};
	static const char *const badges[OH_REPORT_CLASSES][2] = {
		{ "bad", "definite" },
		{ "warn", "possible" },
		{ "bad", "indirect" },
	};

	if (r->not_checked != NULL) {
		(void)fputs("<p class=\"note\">The leak check was not made: ", to);
		oh_report_name(to, r->not_checked);
		(void)fputs(".</p>\n", to);
	}
	if (!r->checked)
		return;
	(void)fputs("<h3>Found by the leak check</h3>\n<div class=\"scroll\"><table class=\"data\">"
		    "<tbody>\n",
	    to);
	for (int c = 0; c < OH_REPORT_CLASSES; c++) {
		(void)fputs("<tr><td>", to);
		put_badge(to, badges[c][0], badges[c][1]);
		(void)fprintf(to, "</td><td>%s</td><td class=\"n\">", what[c]);
		oh_report_estimate(to, r, (double)r->classes[c].bytes, r->classes[c].variance);
		(void)fputs("</td></tr>\n", to);
	}
	(void)fputs("</tbody></table></div>\n", to);
	if (r->lost.row_count == 0)
		return;
	(void)fputs(
	    "<h3>Where the leaked blocks were allocated</h3>\n<div class=\"stacks\">\n", to);
	for (size_t i = 0; i < r->lost.row_count && i < STACKS_MOST; i++) {
		const struct oh_row *row = &r->lost.rows[i];

		begin_stack(to, r, r->last, &r->lost, row, "");
		put_badge(to, "bad", "definite");
		end_stack(to, r->last, &r->lost, row);
	}
	(void)fputs("</div>\n", to);
}

static void
put_confidence(FILE *to, const struct oh_report *r, double q)
{
	char text[96];

	if (!r->growth_known) {
		put_badge(to, "plain", "not tested");
		return;
	}
	if (r->merge.exact) {
		put_badge(to, "warn", "certain growth");
		return;
	}
	(void)snprintf(text, sizeof(text), "%s, q %s%.2g",
	    q < 1e-4   ? "very high"
	    : q < 1e-2 ? "high"
		       : "moderate",
	    q < 1e-4 ? "&lt; " : "", q < 1e-4 ? 1e-4 : q);
	put_badge(to, q < 1e-2 ? "warn" : "plain", text);
}

static void
put_growth(FILE *to, const struct oh_report *r)
{
	size_t shown = r->growth_count < STACKS_MOST ? r->growth_count : STACKS_MOST;

	if (!r->has_growth)
		return;
	(void)fputs(
	    "<h3>Call stacks that grew</h3>\n<p class=\"note\">From the first profile of the "
	    "process to the last. Growth is a reason to look, not a proof: caches and "
	    "queues grow as well. ",
	    to);
	if (r->growth_known && !r->merge.exact)
		(void)fputs("q is the share of false alarms to expect if all call stacks with at "
			    "most this q are taken as grown; those below 0.05 are shown.",
		    to);
	(void)fputs("</p>\n", to);
	if (shown == 0) {
		(void)fputs("<p>None grew significantly.</p>\n", to);
		return;
	}
	(void)fputs("<div class=\"stacks\">\n", to);
	for (size_t i = 0; i < shown; i++) {
		const struct oh_row *row = &r->grown.rows[r->growth[i].row];
		double from = (double)r->before.rows[row->number].flat;

		begin_stack(to, r, r->merge.p, &r->grown, row, "+");
		put_confidence(to, r, r->growth[i].q);
		(void)fputs("<small class=\"from\">", to);
		oh_report_value(to, r, from);
		(void)fputs(" → ", to);
		oh_report_value(to, r, from + (double)row->flat);
		(void)fputs("</small>", to);
		end_stack(to, r->merge.p, &r->grown, row);
	}
	(void)fputs("</div>\n", to);
	if (r->growth_count > shown)
		(void)fprintf(to, "<p class=\"note\">and %zu more that grew less.</p>\n",
		    r->growth_count - shown);
}

void
oh_report_suspects(FILE *to, const struct oh_report *r)
{
	(void)fputs("<section id=\"suspects\" aria-labelledby=\"suspects-h\">\n"
		    "<h2 id=\"suspects-h\">Leak suspects</h2>\n",
	    to);
	put_check(to, r);
	put_growth(to, r);
	if (!r->checked && !r->has_growth)
		(void)fputs(
		    "<p class=\"note\">None can be named: the profile was not taken with a leak "
		    "check, and there is no other one of the same process to compare it "
		    "with.</p>\n",
		    to);
	(void)fputs("</section>\n", to);
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
		begin_stack(to, r, r->last, t, &t->rows[i], "");
		oh_report_percent(to, (double)t->rows[i].flat, (double)t->total);
		end_stack(to, r->last, t, &t->rows[i]);
	}
	(void)fputs("</div>\n", to);
	if (shown < t->row_count)
		(void)fprintf(to,
		    "<p class=\"note\">%zu of %zu call stacks; the flame graph has all.</p>\n",
		    shown, t->row_count);
	(void)fputs("</section>\n", to);
}
