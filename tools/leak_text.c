/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leak_text.c - otheap leaks for people.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/estimate.h"
#include "tools/leak.h"
#include "tools/mem.h"
#include "tools/place.h"
#include "tools/print.h"

struct out {
	const struct oh_leaks *l;
	FILE *to;
	size_t number; /* of the next site */
};

static const char *
bytes(const struct out *o, char *buf, double value)
{
	return oh_format_value(buf, (long double)value, "bytes", o->l->a->unit);
}

static const char *
ms(char *buf, double value)
{
	return oh_format_value(buf, (long double)value, "milliseconds", OH_BYTES_AUTO);
}

/* The library counts in hundredths of a second. */
static const char *
age(char *buf, double value)
{
	if (value >= 10)
		return ms(buf, value);
	(void)snprintf(buf, OH_VALUE_MAX, "below 10 ms");
	return buf;
}

/* "x +- y", or x where no error is known. */
static void
put_estimate(const struct out *o, double value, double variance, const char *sign)
{
	char text[OH_VALUE_MAX];

	(void)fprintf(o->to, "%s%s", value > 0 ? sign : "", bytes(o, text, value));
	if (o->l->sampled && !o->l->exact)
		(void)fprintf(o->to, " +- %s", bytes(o, text, oh_estimate_half_width(variance)));
}

static const char *
probability(char *buf, double p)
{
	(void)snprintf(buf, OH_VALUE_MAX, p < .0001 ? "< .0001" : "= %.4f", p);
	return buf;
}

/* ---- what it is about ----------------------------------------------------------------- */

static void
put_names(const struct out *o)
{
	const struct oh_leaks *l = o->l;

	(void)fprintf(o->to, "profiles   ");
	oh_print_clean(o->to, oh_file_name(l->names[0]));
	if (l->count > 2)
		(void)fprintf(o->to, ", %zu more", l->count - 2);
	if (l->count > 1) {
		(void)fputs(", ", o->to);
		oh_print_clean(o->to, oh_file_name(l->names[l->count - 1]));
	}
	if (l->count > 2 && l->processes > 1)
		(void)fprintf(o->to, "; of %zu processes, taken as one", l->processes);
	if (l->reordered)
		(void)fputs("; in the order of their times", o->to);
	if (l->skipped > 0)
		(void)fprintf(o->to, "; %zu left out", l->skipped);
	(void)putc('\n', o->to);
}

static void
put_header(const struct out *o)
{
	const struct oh_leaks *l = o->l;
	const struct oh_profile *p = l->files[l->count - 1], *first = l->files[0];
	const char *program = oh_profile_comment(p, "program: ");
	const char *pid = oh_profile_comment(p, "pid: ");
	const char *check = oh_profile_comment(p, "leak check: ");
	struct oh_leak_part now = { 0 }, before = { 0 };
	char text[OH_VALUE_MAX];

	for (size_t i = 0; i < l->site_count; i++) {
		now.bytes += l->sites[i].now.bytes;
		now.variance += l->sites[i].now.variance;
		before.bytes += l->sites[i].before.bytes;
	}
	if (program == NULL && p->mapping_count > 0)
		program = oh_base_name(oh_profile_string(p, p->mappings[p->main_mapping].filename));
	(void)fputs("leak report: ", o->to);
	oh_print_clean(o->to, program != NULL && *program != '\0' ? program : "a program");
	if (pid != NULL) {
		(void)fputs(" (pid ", o->to);
		oh_print_clean(o->to, pid);
		(void)putc(')', o->to);
	}
	if (p->duration_ns > 0)
		(void)fprintf(o->to, ", up %s", ms(text, (double)p->duration_ns / 1e6));
	if (l->count > 1 && l->same_process)
		(void)fprintf(
		    o->to, ", baseline at %s", ms(text, (double)first->duration_ns / 1e6));
	else if (l->count > 1)
		(void)fputs(", baseline of another run", o->to);
	if (l->exact)
		(void)fputs(", every allocation counted", o->to);
	else if (l->sampled && p->period > 0)
		(void)fprintf(o->to, ", interval %s", bytes(o, text, (double)p->period));
	(void)putc('\n', o->to);
	put_names(o);
	(void)fputs("in use     ", o->to);
	put_estimate(o, now.bytes, now.variance, "");
	if (l->count > 1)
		(void)fprintf(o->to, ", at the baseline %s", bytes(o, text, before.bytes));
	(void)fputs("\nleak check ", o->to);
	if (check != NULL)
		oh_print_clean(o->to, check);
	else
		(void)fputs(l->checked ? "made" : "not made for the last profile", o->to);
	(void)fputs("\ngrowth     ", o->to);
	if (l->count < 2)
		(void)fprintf(o->to, "not known: %s\n",
		    l->skipped > 0 ? "the baseline was left out" : "no baseline");
	else if (!l->sampled && l->count < 3)
		(void)fputs("not tested: it is not known how these profiles were sampled\n", o->to);
	else
		(void)fprintf(o->to,
		    "%zu call stack%s with %zu that can be tested, false alarms at most %.3g %%\n",
		    l->site_count, l->site_count == 1 ? "" : "s", l->tested, 100 * l->level);
}

/* ---- a site ---------------------------------------------------------------------------------- */

static void
put_stack(const struct out *o, const struct oh_leak_site *s)
{
	const struct oh_leaks *l = o->l;
	const struct oh_table *t = &l->table;
	const struct oh_row *row = &t->rows[s->row];
	struct oh_names names = l->a->names;
	size_t shown = 0, left = 0, prefix = strlen(l->prefix);

	if (names.columns == 0)
		names.columns = 120;
	for (uint32_t f = row->stack_at; f < row->stack_at + row->stack_len; f++) {
		uint32_t at = l->merge.p->frames[f];

		for (uint32_t k = t->place_at[at]; k < t->place_at[at + 1]; k++) {
			if (l->frames_max > 0 && shown == l->frames_max) {
				left++;
				continue;
			}
			(void)fputs(shown == 0 ? "     at " : "     by ", o->to);
			oh_print_place(
			    o->to, l->merge.p, &t->places[t->place_ids[k]], &names, 8 + prefix);
			(void)putc('\n', o->to);
			shown++;
		}
	}
	if (left > 0)
		(void)fprintf(o->to, "     ... %zu more; --frames 0 shows all\n", left);
	if (shown == 0)
		(void)fputs("     at (no stack)\n", o->to);
}

static void
put_blocks(const struct out *o, const struct oh_leak_part *part)
{
	char least[OH_VALUE_MAX], most[OH_VALUE_MAX];

	(void)fprintf(o->to, " in %s%.0f block%s", o->l->exact ? "" : "~", part->blocks,
	    round(part->blocks) == 1 ? "" : "s");
	if (part->size_least <= 0)
		return;
	(void)fprintf(o->to, " of %s", bytes(o, least, part->size_least));
	if (part->size_most > part->size_least)
		(void)fprintf(o->to, " to %s", bytes(o, most, part->size_most));
}

static void
put_growth(const struct out *o, const struct oh_leak_site *s)
{
	const struct oh_leaks *l = o->l;
	char text[OH_VALUE_MAX];

	if (l->count < 2)
		return;
	(void)fputs("   growth ", o->to);
	put_estimate(o, s->growth, s->growth_variance, "+");
	if (s->population == OH_LEAK_OLD)
		(void)fprintf(o->to, " of blocks older than %s", ms(text, l->guard_ms));
	if (l->same_process && l->window_ms > 0) {
		(void)fprintf(o->to, ", %s", bytes(o, text, s->rate.value));
		(void)fprintf(o->to, "/min (%s", bytes(o, text, s->rate.low));
		(void)fprintf(o->to, " to %s)", bytes(o, text, s->rate.high));
	}
	if (l->sampled || l->count > 2)
		(void)fprintf(o->to, ", p %s", probability(text, s->p));
	if (s->tested)
		(void)fprintf(o->to, ", q %s", probability(text, s->q));
	if (l->sampled && l->count > 2)
		(void)fprintf(o->to, ", trend p %s", probability(text, s->trend_p));
	(void)putc('\n', o->to);
	if (s->why != NULL)
		(void)fprintf(o->to, "   not steady: %s\n", s->why);
}

static void
put_ages(const struct out *o, const struct oh_leak_site *s)
{
	const struct oh_leak_ages *ages = oh_leak_lost_ages(s);
	char text[OH_VALUE_MAX];

	if (!s->has_ages || s->now.samples <= 0)
		return;
	if (ages->oldest_ms <= ages->newest_ms) {
		(void)fprintf(o->to, "   age    %s\n", age(text, ages->oldest_ms));
		return;
	}
	(void)fprintf(o->to, "   age    oldest %s", age(text, ages->oldest_ms));
	(void)fprintf(o->to, ", median %s", age(text, ages->median_ms));
	(void)fprintf(o->to, ", newest %s\n", age(text, ages->newest_ms));
}

static void
put_site(struct out *o, const struct oh_leak_site *s)
{
	struct oh_leak_part part = oh_leak_lost_part(s);
	const struct oh_leak_part *lost = &s->part[OH_LOST_YES];
	const struct oh_leak_part *indirect = &s->part[OH_LOST_INDIRECT];
	char text[OH_VALUE_MAX];

	if (s->verdict != OH_LEAK_IS_LOST && s->verdict != OH_LEAK_POSSIBLE)
		part = s->now;
	(void)fprintf(o->to, "%2zu. ", ++o->number);
	put_estimate(o, part.bytes, part.variance, "");
	put_blocks(o, &part);
	(void)putc('\n', o->to);
	if (s->verdict == OH_LEAK_IS_LOST && indirect->bytes > 0) {
		if (lost->bytes > 0)
			(void)fprintf(o->to, "   of these %s only lost blocks point to\n",
			    bytes(o, text, indirect->bytes));
		else
			(void)fputs("   only lost blocks point to them\n", o->to);
	}
	put_growth(o, s);
	put_ages(o, s);
	put_stack(o, s);
}

/* ---- sections ------------------------------------------------------------------------------- */

/* Old blocks are those of no other section. */
static bool
in_section(const struct oh_leak_site *s, enum oh_leak_verdict v)
{
	return oh_leak_is(s, v) && (v != OH_LEAK_NOTHING || s->old_bytes > 0);
}

static void
put_section(struct out *o, enum oh_leak_verdict v, const char *title, bool even_if_none)
{
	const struct oh_leaks *l = o->l;
	size_t count = 0, shown = 0;
	double sum = 0, variance = 0;

	for (size_t i = 0; i < l->site_count; i++) {
		const struct oh_leak_site *s = &l->sites[i];
		struct oh_leak_part part = oh_leak_lost_part(s);

		if (!in_section(s, v))
			continue;
		count++;
		sum += v == OH_LEAK_NOTHING ? s->old_bytes : part.bytes;
		variance += v == OH_LEAK_NOTHING ? s->now.variance : part.variance;
	}
	if (count == 0 && !even_if_none)
		return;
	(void)fprintf(o->to, "\n%s: ", title);
	if (count == 0) {
		(void)fputs("none\n", o->to);
		return;
	}
	put_estimate(o, sum, variance, "");
	(void)fprintf(o->to, " at %zu call stack%s\n", count, count == 1 ? "" : "s");
	for (size_t i = 0; i < l->site_count; i++) {
		if (!in_section(&l->sites[i], v))
			continue;
		if (l->a->count > 0 && shown == l->a->count)
			break;
		put_site(o, &l->sites[i]);
		shown++;
	}
	if (shown < count)
		(void)fprintf(o->to, "    ... %zu more; --count 0 shows all\n", count - shown);
}

static void
put_suppressions(const struct out *o)
{
	const struct oh_suppressions *s = &o->l->suppressions;
	char text[OH_VALUE_MAX];
	bool any = false;

	for (size_t i = 0; i < s->count; i++) {
		const struct oh_suppression *rule = &s->rules[i];

		if (rule->sites == 0)
			continue;
		if (!any)
			(void)fputs("\nSuppressed:\n", o->to);
		any = true;
		(void)fprintf(o->to, "    %s in %s%.0f block%s at %zu call stack%s by leak:",
		    bytes(o, text, rule->bytes), o->l->exact ? "" : "~", fmax(rule->blocks, 0),
		    round(rule->blocks) == 1 ? "" : "s", rule->sites, rule->sites == 1 ? "" : "s");
		oh_print_clean(o->to, rule->pattern);
		(void)putc('\n', o->to);
	}
}

static void
put_unsteady(const struct out *o)
{
	const struct oh_leaks *l = o->l;
	char text[OH_VALUE_MAX];
	size_t count = 0;
	double sum = 0;

	for (size_t i = 0; i < l->site_count; i++)
		if (oh_leak_is(&l->sites[i], OH_LEAK_UNSTEADY)) {
			count++;
			sum += l->sites[i].growth;
		}
	if (count > 0)
		(void)fprintf(o->to,
		    "\n%zu call stack%s grew by %s, but not as a leak does; --all shows %s\n",
		    count, count == 1 ? "" : "s", bytes(o, text, sum), count == 1 ? "it" : "them");
}

void
oh_leak_print_text(const struct oh_leaks *l, FILE *to)
{
	char *text = NULL;
	size_t len = 0;
	struct out o = { .l = l, .to = open_memstream(&text, &len) };

	if (o.to == NULL) {
		(void)fputs("otheap: leaks: out of memory\n", stderr);
		exit(OH_EXIT_BAD);
	}
	put_header(&o);
	put_section(&o, OH_LEAK_IS_LOST, "Definitely lost", l->checked);
	put_section(&o, OH_LEAK_POSSIBLE, "Possibly lost: nothing points to their start", false);
	put_section(&o, OH_LEAK_GROWS, "Growing", l->count > 1);
	if (l->all) {
		put_section(&o, OH_LEAK_UNSTEADY, "Grew, but not as a leak does", false);
		put_section(&o, OH_LEAK_NOTHING,
		    l->count > 1 && l->same_process ? "Old: in use since the baseline or longer"
						    : "Old: in use for half of the run or longer",
		    false);
	} else {
		put_unsteady(&o);
	}
	put_suppressions(&o);
	(void)fclose(o.to);
	for (char *line = text; line < text + len;) {
		char *end = memchr(line, '\n', (size_t)(text + len - line));
		size_t n = end != NULL ? (size_t)(end - line) + 1 : (size_t)(text + len - line);

		(void)fputs(l->prefix, to);
		(void)fwrite(line, 1, n, to);
		line += n;
	}
	free(text);
}
