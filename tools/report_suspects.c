/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_suspects.c - the leak suspects of a report: what otheap leaks finds, as HTML.
 */
#include <math.h>
#include <string.h>

#include "tools/report.h"

#define STACKS_MOST 20 /* of each kind */

/* ---- parts ------------------------------------------------------------------------ */

static void
put_badge(FILE *to, const char *kind, const char *text)
{
	(void)fprintf(to, "<span class=\"badge %s\">%s</span>", kind, text);
}

/* How sure is it that there is growth at all?  By the adjusted p-value. */
static void
put_confidence(FILE *to, const struct oh_report *r, const struct oh_leak_site *s)
{
	char text[96];

	if (r->leaks.exact)
		(void)snprintf(text, sizeof(text), "counted, q %.2g", s->q);
	else
		(void)snprintf(text, sizeof(text), "%s, q %s%.2g",
		    s->q < 1e-4   ? "very high"
		    : s->q < 1e-2 ? "high"
				  : "moderate",
		    s->q < 1e-4 ? "&lt; " : "", fmax(s->q, 1e-4));
	put_badge(to, s->q < 1e-2 ? "warn" : "plain", text);
}

static void
put_ms(FILE *to, double ms)
{
	oh_report_duration(to, ms * 1e6);
}

/* The line above the frames: blocks, growth, rate, ages. */
static void
put_details(FILE *to, const struct oh_report *r, const struct oh_leak_site *s,
    const struct oh_leak_part *part)
{
	const struct oh_leaks *l = &r->leaks;
	const struct oh_leak_ages *ages = oh_leak_lost_ages(s);

	(void)fprintf(to, "<p class=\"about\">%s%.0f block%s", l->exact ? "" : "about ",
	    part->blocks, round(part->blocks) == 1 ? "" : "s");
	if (part->size_least > 0) {
		(void)fputs(" of ", to);
		oh_report_bytes(to, r, part->size_least, -1);
		if (part->size_most > part->size_least) {
			(void)fputs(" to ", to);
			oh_report_bytes(to, r, part->size_most, -1);
		}
	}
	if (l->count > 1) {
		(void)fputs(" · ", to);
		oh_report_bytes(to, r, s->before.bytes, -1);
		(void)fputs(" → ", to);
		oh_report_bytes(to, r, s->now.bytes, -1);
	}
	if (l->count > 1 && l->same_process && l->window_ms > 0) {
		(void)fputs(" · ", to);
		oh_report_bytes(to, r, s->rate.value, -1);
		(void)fputs(" a minute, 95 %: ", to);
		oh_report_bytes(to, r, s->rate.low, -1);
		(void)fputs(" to ", to);
		oh_report_bytes(to, r, s->rate.high, -1);
	}
	if (s->has_ages && s->now.samples > 0) {
		(void)fputs(" · ages ", to);
		put_ms(to, ages->newest_ms);
		(void)fputs(" to ", to);
		put_ms(to, ages->oldest_ms);
		(void)fputs(", half of them over ", to);
		put_ms(to, ages->median_ms);
	}
	if (s->why != NULL) {
		(void)fputs(" · not steady: ", to);
		oh_report_name(to, s->why);
	}
	(void)fputs("</p>\n", to);
}

static void
put_site(FILE *to, const struct oh_report *r, const struct oh_leak_site *s)
{
	const struct oh_leaks *l = &r->leaks;
	const struct oh_report_stack stack = { l->merge.p, &l->table, &l->table.rows[s->row] };
	struct oh_leak_part part = oh_leak_lost_part(s);
	bool lost = s->verdict == OH_LEAK_IS_LOST || s->verdict == OH_LEAK_POSSIBLE;

	oh_report_stack_begin(to);
	if (!lost)
		(void)fputs(s->growth > 0 ? "+" : "", to);
	oh_report_bytes(to, r, lost ? part.bytes : s->growth, -1);
	(void)fputs(" <small>", to);
	oh_report_error_bytes(to, r, lost ? part.variance : s->growth_variance);
	(void)fputs("</small>", to);
	oh_report_stack_names(to, &stack);
	if (s->verdict == OH_LEAK_IS_LOST)
		put_badge(
		    to, "bad", s->part[OH_LOST_YES].bytes > 0 ? "definite" : "definite, indirect");
	else if (s->verdict == OH_LEAK_POSSIBLE)
		put_badge(to, "warn", "possible");
	else
		put_confidence(to, r, s);
	oh_report_stack_open(to);
	put_details(to, r, s, lost ? &part : &s->now);
	oh_report_stack_end(to, &stack);
}

/* ---- kinds of suspects -------------------------------------------------------------- */

static void
put_kind(FILE *to, const struct oh_report *r, enum oh_leak_verdict v, const char *title,
    const char *note)
{
	size_t count = oh_report_count(r, v), shown = 0;

	if (count == 0)
		return;
	(void)fprintf(
	    to, "<h3>%s</h3>\n<p class=\"note\">%s</p>\n<div class=\"stacks\">\n", title, note);
	for (size_t i = 0; i < r->leaks.site_count && shown < STACKS_MOST; i++)
		if (oh_leak_is(&r->leaks.sites[i], v)) {
			put_site(to, r, &r->leaks.sites[i]);
			shown++;
		}
	(void)fputs("</div>\n", to);
	if (shown < count)
		(void)fprintf(to, "<p class=\"note\">and %zu more; otheap leaks lists them.</p>\n",
		    count - shown);
}

static void
put_check(FILE *to, const struct oh_report *r)
{
	const char *said = oh_profile_comment(r->last, "leak check: ");

	(void)fputs("<p class=\"note\">Leak check: ", to);
	if (said != NULL)
		oh_report_name(to, said);
	else
		(void)fputs(r->leaks.checked ? "made" : "not made for the last profile", to);
	(void)fputs(".</p>\n", to);
}

static void
put_none(FILE *to, const struct oh_report *r)
{
	if (r->has_growth)
		(void)fputs(
		    "<p>None: no call stack grew as a leak does by 256 KiB or more.</p>\n", to);
	else if (r->leaks.checked)
		(void)fputs("<p>None. Growth is not known: there is one profile of this process."
			    "</p>\n",
		    to);
	else
		(void)fputs(
		    "<p>None can be named: the profile was not taken with a leak check, and "
		    "there is no other one of the same process to compare it with.</p>\n",
		    to);
}

/* Hidden, but not silently. */
static void
put_suppressed(FILE *to, const struct oh_report *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->leaks.site_count; i++)
		n += r->leaks.sites[i].suppressed != 0 &&
		     r->leaks.sites[i].verdict != OH_LEAK_NOTHING;
	if (n > 0)
		(void)fprintf(to,
		    "<p class=\"note\">%zu call stack%s hidden by OTHEAP_LEAK_SUPPRESSIONS.</p>\n",
		    n, n == 1 ? " is" : "s are");
}

void
oh_report_suspects(FILE *to, const struct oh_report *r)
{
	(void)fputs("<section id=\"suspects\" aria-labelledby=\"suspects-h\">\n"
		    "<h2 id=\"suspects-h\">Leak suspects</h2>\n",
	    to);
	if (!r->judged) {
		(void)fprintf(
		    to, "<p class=\"note\">Not looked for: %s.</p>\n</section>\n", r->not_judged);
		return;
	}
	put_check(to, r);
	if (oh_report_count(r, OH_LEAK_IS_LOST) + oh_report_count(r, OH_LEAK_POSSIBLE) +
		oh_report_count(r, OH_LEAK_GROWS) ==
	    0)
		put_none(to, r);
	put_kind(to, r, OH_LEAK_IS_LOST, "Definitely lost",
	    "Nothing points to these blocks any more, or only others of them do.");
	put_kind(to, r, OH_LEAK_POSSIBLE, "Possibly lost",
	    "Only pointers to their middle: lost, or kept in a way that cannot be told.");
	put_kind(to, r, OH_LEAK_GROWS, "Growing",
	    "More came than went since the first profile of the process, spread over the time. "
	    "Growth is a reason to look, not a proof: caches grow as well. q is the share of false "
	    "alarms to expect if all call stacks with at most this q are taken as growing; those "
	    "below 0.05 are shown.");
	put_kind(to, r, OH_LEAK_UNSTEADY, "Grew, but not as a leak does",
	    "More than chance would bring, but at once, for a while, or in young blocks only.");
	put_suppressed(to, r);
	(void)fputs("</section>\n", to);
}
