/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leak_data.c - otheap leaks for programs: JSON and CSV.
 *
 * Numbers as data.h says: plain, with standard errors.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "tools/data.h"
#include "tools/escape.h"
#include "tools/leak.h"

static const char *const verdicts[] = {
	[OH_LEAK_NOTHING] = "old",
	[OH_LEAK_IS_LOST] = "lost",
	[OH_LEAK_POSSIBLE] = "possibly lost",
	[OH_LEAK_GROWS] = "growing",
	[OH_LEAK_UNSTEADY] = "unsteady",
};

/* What the text has, in its order; with --all also the rest. */
static bool
is_shown(const struct oh_leaks *l, const struct oh_leak_site *s)
{
	if (s->suppressed != 0)
		return false;
	if (s->verdict == OH_LEAK_NOTHING)
		return l->all && s->old_bytes > 0;
	return l->all || s->verdict != OH_LEAK_UNSTEADY;
}

static void
put_number(bool known, double value, const char *none)
{
	if (known && isfinite(value))
		(void)printf("%.10g", value);
	else
		(void)fputs(none, stdout);
}

struct field {
	const char *name;
	double value;
	bool known;
};

#define FIELDS 25

/* The numbers of a site, in the order of both formats. */
static void
fields_of(const struct oh_leaks *l, const struct oh_leak_site *s, struct field *f)
{
	const struct oh_leak_part *part = s->part;
	const struct oh_leak_ages *ages = oh_leak_lost_ages(s);
	bool sampled = l->sampled, two = l->count > 1, rate = l->same_process && l->window_ms > 0;
	bool aged = s->has_ages && s->now.samples > 0;
	const struct field all[FIELDS] = {
		{ "bytes", s->now.bytes, true },
		{ "bytes_stderr", l->exact ? 0 : sqrt(s->now.variance), sampled },
		{ "blocks", s->now.blocks, true },
		{ "samples", round(s->now.samples), sampled },
		{ "size_least", s->now.size_least, s->now.size_least > 0 },
		{ "size_most", s->now.size_most, s->now.size_least > 0 },
		{ "lost_bytes", part[OH_LOST_YES].bytes, l->checked },
		{ "lost_bytes_stderr", l->exact ? 0 : sqrt(part[OH_LOST_YES].variance),
		    l->checked && sampled },
		{ "lost_blocks", part[OH_LOST_YES].blocks, l->checked },
		{ "indirect_bytes", part[OH_LOST_INDIRECT].bytes, l->checked },
		{ "interior_bytes", part[OH_LOST_INTERIOR].bytes, l->checked },
		{ "baseline_bytes", s->before.bytes, two },
		{ "growth", s->growth, two },
		{ "growth_stderr", l->exact ? 0 : sqrt(s->growth_variance), two && sampled },
		{ "growth_older_than_ms", s->population == OH_LEAK_OLD ? l->guard_ms : 0, two },
		{ "bytes_per_min", s->rate.value, rate },
		{ "bytes_per_min_low", s->rate.low, rate },
		{ "bytes_per_min_high", s->rate.high, rate },
		{ "p", s->p, two },
		{ "q", s->q, two && s->tested },
		{ "trend_p", s->trend_p, l->count > 2 },
		{ "age_newest_ms", ages->newest_ms, aged },
		{ "age_median_ms", ages->median_ms, aged },
		{ "age_oldest_ms", ages->oldest_ms, aged },
		{ "old_bytes", s->old_bytes, aged },
	};

	for (size_t i = 0; i < FIELDS; i++)
		f[i] = all[i];
}

/* ---- JSON -------------------------------------------------------------------------------- */

static void
json_text(const char *key, const char *s)
{
	oh_data_json_text(key, s != NULL ? s : "");
}

static void
json_header(const struct oh_leaks *l)
{
	const struct oh_profile *p = l->files[l->count - 1];
	const struct oh_mapping *m = p->mapping_count ? &p->mappings[p->main_mapping] : NULL;

	(void)fputs("{\n \"files\": [", stdout);
	for (size_t i = 0; i < l->count; i++) {
		(void)fputs(i ? ",\n  {\"file\": " : "\n  {\"file\": ", stdout);
		oh_put_json(stdout, l->names[i]);
		(void)printf(", \"time_ns\": %" PRId64 ", \"duration_ns\": %" PRId64 "}",
		    l->files[i]->time_ns, l->files[i]->duration_ns);
	}
	(void)printf("\n ],\n \"files_left_out\": %zu", l->skipped);
	json_text("program", oh_profile_comment(p, "program: "));
	json_text("pid", oh_profile_comment(p, "pid: "));
	json_text("build_id", m ? oh_profile_string(p, m->build_id) : "");
	json_text("leak_check", oh_profile_comment(p, "leak check: "));
	(void)printf(",\n \"period\": %" PRId64 ",\n \"same_process\": %s,\n \"window_ms\": %.10g"
		     ",\n \"false_discovery_rate\": %.10g,\n \"stacks\": %zu,\n \"tested\": %zu",
	    p->period, l->same_process ? "true" : "false", l->window_ms, l->level, l->site_count,
	    l->tested);
}

void
oh_leak_print_json(const struct oh_leaks *l)
{
	struct field f[FIELDS];
	bool first = true;

	json_header(l);
	(void)fputs(",\n \"sites\": [", stdout);
	for (size_t i = 0; i < l->site_count; i++) {
		const struct oh_leak_site *s = &l->sites[i];

		if (!is_shown(l, s))
			continue;
		(void)printf(
		    "%s\n  {\"verdict\": \"%s\", ", first ? "" : ",", verdicts[s->verdict]);
		first = false;
		(void)fputs("\"why\": ", stdout);
		oh_put_json(stdout, s->why != NULL ? s->why : "");
		fields_of(l, s, f);
		for (size_t k = 0; k < FIELDS; k++) {
			(void)printf(", \"%s\": ", f[k].name);
			put_number(f[k].known, f[k].value, "null");
		}
		(void)fputs(", \"series\": [", stdout);
		for (size_t k = 0; k < l->count; k++)
			(void)printf("%s%.10g", k ? ", " : "",
			    l->series[OH_LEAK_ALL][(size_t)s->row * l->count + k]);
		(void)fputs("], \"frames\": [", stdout);
		oh_data_json_stack(l->merge.p, &l->table, &l->table.rows[s->row]);
		(void)fputs("]}", stdout);
	}
	(void)fputs("\n ],\n \"suppressions\": [", stdout);
	for (size_t i = 0; i < l->suppressions.count; i++) {
		const struct oh_suppression *r = &l->suppressions.rules[i];

		(void)fputs(i ? ",\n  {\"pattern\": " : "\n  {\"pattern\": ", stdout);
		oh_put_json(stdout, r->pattern);
		(void)printf(", \"stacks\": %zu, \"bytes\": %.10g, \"blocks\": %.10g}", r->sites,
		    r->bytes, r->blocks);
	}
	(void)fputs("\n ]\n}\n", stdout);
}

/* ---- CSV ----------------------------------------------------------------------------------- */

static void
csv_facts(const struct oh_leaks *l)
{
	for (size_t i = 0; i < l->count; i++) {
		(void)printf("# file: ");
		oh_print_clean(stdout, l->names[i]);
		(void)printf("\n# time_ns: %" PRId64 "\n", l->files[i]->time_ns);
	}
	(void)printf("# window_ms: %.10g\n# stacks: %zu\n# tested: %zu\n", l->window_ms,
	    l->site_count, l->tested);
}

void
oh_leak_print_csv(const struct oh_leaks *l)
{
	static const struct oh_leak_site none;
	struct field f[FIELDS];

	csv_facts(l);
	fields_of(l, &none, f);
	(void)fputs("verdict", stdout);
	for (size_t k = 0; k < FIELDS; k++)
		(void)printf(",%s", f[k].name);
	(void)puts(",why,stack");
	for (size_t i = 0; i < l->site_count; i++) {
		const struct oh_leak_site *s = &l->sites[i];

		if (!is_shown(l, s))
			continue;
		(void)fputs(verdicts[s->verdict], stdout);
		fields_of(l, s, f);
		for (size_t k = 0; k < FIELDS; k++) {
			(void)putchar(',');
			put_number(f[k].known, f[k].value, "");
		}
		(void)putchar(',');
		oh_put_csv(stdout, s->why != NULL ? s->why : "");
		(void)fputs(",\"", stdout);
		oh_data_folded_stack(stdout, l->merge.p, &l->table, &l->table.rows[s->row], true);
		(void)puts("\"");
	}
}
