/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_html.c - the page of a report.
 *
 * All but the flame graph is plain HTML, so that it can be read without a
 * script, printed, and read aloud.  Whatever comes from a profile goes through
 * oh_put_html().
 */
#include "tools/report.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "tools/escape.h"
#include "tools/flame.h"
#include "tools/page.h"
#include "tools/print.h"
#include "tools/tree.h"

#define TITLE_MOST 200
#define DUMPS_MOST 500                /* rows of the table of profiles */
#define FLAME_BYTES ((size_t)3 << 20) /* of each of the two graphs */
#define GROWTH_CHANCE 0.05

/* ---- values ---------------------------------------------------------------------- */

void
oh_report_value(FILE *to, const struct oh_report *r, double value)
{
	char text[OH_VALUE_MAX];

	if (value < 0) {
		(void)fputs("−", to);
		value = -value;
	}
	(void)fputs(oh_format_value(text, (long double)value, r->unit, r->a->unit), to);
}

void
oh_report_error(FILE *to, const struct oh_report *r, double variance)
{
	if (variance <= 0 || r->exact)
		return;
	(void)fputs(" ± ", to);
	oh_report_value(to, r, oh_estimate_half_width(variance));
}

void
oh_report_estimate(FILE *to, const struct oh_report *r, double value, double variance)
{
	oh_report_value(to, r, value);
	oh_report_error(to, r, variance);
}

void
oh_report_error_bytes(FILE *to, const struct oh_report *r, double variance)
{
	char text[OH_VALUE_MAX];

	if (variance > 0 && !r->exact)
		(void)fprintf(to, " ± %s",
		    oh_format_value(
			text, (long double)oh_estimate_half_width(variance), "bytes", r->a->unit));
}

void
oh_report_bytes(FILE *to, const struct oh_report *r, double bytes, double variance)
{
	char text[OH_VALUE_MAX];

	if (bytes < 0)
		(void)fputs("−", to);
	(void)fputs(oh_format_value(text, (long double)fabs(bytes), "bytes", r->a->unit), to);
	oh_report_error_bytes(to, r, variance);
}

const char *
oh_report_time(char *buf, int64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / 1000000000);
	struct tm tm;

	buf[0] = '\0';
	if (time_ns > 0 && localtime_r(&seconds, &tm) != NULL &&
	    strftime(buf, 64, "%Y-%m-%d %H:%M:%S %z", &tm) == 0)
		buf[0] = '\0';
	return buf;
}

void
oh_report_duration(FILE *to, double ns)
{
	char text[OH_VALUE_MAX];

	(void)fputs(oh_format_value(text, (long double)ns, "nanoseconds", OH_BYTES_AUTO), to);
}

static void
put_bytes(FILE *to, double bytes)
{
	char text[OH_VALUE_MAX];

	(void)fputs(oh_format_value(text, (long double)bytes, "bytes", OH_BYTES_AUTO), to);
}

void
oh_report_name(FILE *to, const char *s)
{
	(void)fputs("<bdi>", to);
	oh_put_html(to, s, OH_REPORT_NAME_MOST);
	(void)fputs("</bdi>", to);
}

void
oh_report_percent(FILE *to, double part, double whole)
{
	char text[OH_VALUE_MAX];

	(void)fputs(oh_format_percent(text, part, whole), to);
}

static const char *
plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* ---- what it is about -------------------------------------------------------------- */

static const char *
program_of(const struct oh_report *r)
{
	const char *program = oh_profile_comment(r->last, "program: ");
	const struct oh_profile *p = r->last;

	if (program != NULL && *program != '\0')
		return program;
	if (p->mapping_count > 0)
		return oh_base_name(oh_profile_string(p, p->mappings[p->main_mapping].filename));
	return "";
}

static const char *
path_of(const struct oh_report *r)
{
	const struct oh_profile *p = r->last;

	return p->mapping_count > 0 ? oh_profile_string(p, p->mappings[p->main_mapping].filename)
				    : "";
}

static void
put_title(FILE *to, const void *arg)
{
	const char *program = program_of(arg);

	(void)fputs("Heap report", to);
	if (*program != '\0') {
		(void)fputs(": ", to);
		oh_put_html(to, program, TITLE_MOST);
	}
}

static size_t
processes_of(const struct oh_report *r)
{
	size_t n = 1;

	for (size_t i = 1; i < r->count; i++)
		n += !r->dumps[i].follows;
	return n;
}

static void
put_header(FILE *to, const void *arg)
{
	const struct oh_report *r = arg;
	const struct oh_report_dump *d = &r->dumps[r->count - 1];
	size_t processes = processes_of(r);
	const char *between = "";
	char time[64];

	(void)fputs("<header><div class=\"page\">\n<h1><bdi>", to);
	put_title(to, r);
	(void)fputs("</bdi></h1>\n<p class=\"sub\">", to);
	if (*path_of(r) != '\0') {
		oh_report_name(to, path_of(r));
		between = " · ";
	}
	if (processes > 1) {
		(void)fprintf(to, "%s%zu processes", between, processes);
		between = " · ";
	} else if (d->pid[0] != '\0') {
		(void)fprintf(to, "%spid ", between);
		oh_report_name(to, d->pid);
		between = " · ";
	}
	if (*oh_report_time(time, d->time_ns) != '\0')
		(void)fprintf(to, "%s%s", between, time);
	(void)fputs("</p>\n<nav aria-label=\"Sections\">", to);
	(void)fputs("<a href=\"#summary\">Summary</a>", to);
	if (r->count > 1)
		(void)fputs(" <a href=\"#timeline\">Timeline</a>", to);
	(void)fputs(" <a href=\"#suspects\">Leak suspects</a> <a href=\"#sites\">Top sites</a>"
		    " <a href=\"#flame-graph\">Flame graph</a> <a href=\"#settings\">Settings</a>"
		    " <a href=\"#lost\">What the profiler lost</a></nav>\n</div></header>\n",
	    to);
}

/* ---- summary ------------------------------------------------------------------------ */

static double
growth_of(const struct oh_report *r)
{
	return (double)r->dumps[r->count - 1].total - (double)r->dumps[r->base].total;
}

/* Is the growth of the whole more than chance? */
static bool
growth_is_sure(const struct oh_report *r)
{
	return r->has_growth && r->growth_variance >= 0 &&
	       oh_estimate_p_value(growth_of(r), r->growth_variance) < GROWTH_CHANCE;
}

static const char *
holds(const struct oh_report *r)
{
	return strcmp(r->type_name, "inuse_space") == 0 ? "in use" : r->type_name;
}

static void
put_growth_words(FILE *to, const struct oh_report *r)
{
	const struct oh_report_dump *d = &r->dumps[r->count - 1], *first = &r->dumps[r->base];
	size_t grow = oh_report_count(r, OH_LEAK_GROWS);

	(void)fputs("What is ", to);
	oh_put_html(to, holds(r), OH_REPORT_NAME_MOST);
	(void)fputs(growth_of(r) >= 0 ? " grew by " : " shrank by ", to);
	oh_report_estimate(to, r, fabs(growth_of(r)), r->growth_variance);
	if (r->timed) {
		(void)fputs(" within ", to);
		oh_report_duration(to, (double)d->time_ns - (double)first->time_ns);
	}
	(void)fprintf(to, "%s. ",
	    r->growth_variance < 0 ? "; how sure that is cannot be told from these profiles"
	    : growth_is_sure(r)    ? ", more than the chance of sampling"
				   : ", which may well be the chance of sampling");
	if (!r->judged)
		return;
	if (grow == 0)
		(void)fputs("No call stack grows as a leak does.", to);
	else
		(void)fprintf(to, "<strong>%zu call stack%s grow%s as a leak does.</strong>", grow,
		    plural(grow), grow == 1 ? "s" : "");
}

static void
put_verdict(FILE *to, const struct oh_report *r)
{
	const struct oh_report_dump *d = &r->dumps[r->count - 1];
	struct oh_leak_part lost = oh_report_lost(r);
	bool grows = oh_report_count(r, OH_LEAK_GROWS) > 0;
	bool known = r->judged && (r->has_growth || r->leaks.checked);

	(void)fprintf(to, "<p class=\"verdict %s\">",
	    lost.bytes > 0                                      ? "bad"
	    : grows                                             ? "warn"
	    : known && !(growth_is_sure(r) && growth_of(r) > 0) ? "good"
								: "");
	if (lost.bytes > 0) {
		(void)fputs("<strong>", to);
		oh_report_bytes(to, r, lost.bytes, lost.variance);
		(void)fputs(" leaked for certain:</strong> nothing in memory pointed to these "
			    "blocks any more. ",
		    to);
	} else if (r->judged && r->leaks.checked) {
		(void)fputs("The leak check found no sampled block that nothing points to. ", to);
	}
	if (r->has_growth) {
		put_growth_words(to, r);
	} else {
		(void)fputs("The program held ", to);
		oh_report_estimate(to, r, (double)d->total, d->variance);
		(void)fputs(" (", to);
		oh_put_html(to, holds(r), OH_REPORT_NAME_MOST);
		(void)fputs(r->count == 1
				? "). One profile shows what is in use, not whether it grows: "
				  "a report of several tells that too."
				: "). There is one profile of this process alone, so its "
				  "growth is not known.",
		    to);
	}
	(void)fputs("</p>\n", to);
}

static void
begin_fact(FILE *to, const char *name)
{
	(void)fprintf(to, "<div><dt>%s</dt><dd>", name);
}

static void
end_fact(FILE *to)
{
	(void)fputs("</dd></div>\n", to);
}

static void
put_rate_facts(FILE *to, const struct oh_report *r)
{
	const struct oh_report_dump *d = &r->dumps[r->count - 1], *first = &r->dumps[r->base];

	if (r->has_growth) {
		begin_fact(to, "Growth, first to last");
		if (growth_of(r) > 0)
			(void)putc('+', to);
		oh_report_value(to, r, growth_of(r));
		(void)fputs("<small>", to);
		oh_report_error(to, r, r->growth_variance);
		if (d->time_ns - first->time_ns >= INT64_C(60000000000)) {
			(void)fputs(", ", to);
			oh_report_value(to, r,
			    growth_of(r) * 3600e9 / ((double)d->time_ns - (double)first->time_ns));
			(void)fputs(" an hour", to);
		}
		(void)fputs("</small>", to);
		end_fact(to);
	}
	if (d->allocated_bytes >= 0) {
		begin_fact(to, "Allocated since the start");
		put_bytes(to, (double)d->allocated_bytes);
		(void)fprintf(to, "<small>exactly, in %" PRId64 " allocations", d->allocations);
		if (d->duration_ns > 0) {
			(void)fputs("; ", to);
			put_bytes(to, (double)d->allocated_bytes * 1e9 / (double)d->duration_ns);
			(void)fputs("/s", to);
		}
		(void)fputs("</small>", to);
		end_fact(to);
	}
}

static void
put_facts(FILE *to, const struct oh_report *r)
{
	const struct oh_report_dump *d = &r->dumps[r->count - 1], *peak = d;
	const struct oh_profile *p = r->last;
	bool bytes = strcmp(oh_profile_string(p, p->period_type.unit), "bytes") == 0;

	for (size_t i = 0; i < r->count; i++)
		if (r->dumps[i].total > peak->total)
			peak = &r->dumps[i];
	(void)fputs("<dl class=\"facts\">\n", to);
	begin_fact(to, r->count > 1 ? "At the end" : "In the profile");
	oh_report_value(to, r, (double)d->total);
	(void)fputs("<small>", to);
	oh_report_error(to, r, d->variance);
	if (r->exact)
		(void)fputs("exact", to);
	if (d->objects >= 0)
		(void)fprintf(to, "%s%" PRId64 " blocks in use",
		    d->variance < 0 && !r->exact ? "" : ", ", d->objects);
	(void)fputs("</small>", to);
	end_fact(to);
	if (r->count > 1) {
		begin_fact(to, "Highest of the series");
		oh_report_value(to, r, (double)peak->total);
		(void)fputs("<small>", to);
		oh_report_error(to, r, peak->variance);
		if (r->timed) {
			(void)fputs(" after ", to);
			oh_report_duration(to, (double)peak->time_ns - (double)r->dumps[0].time_ns);
		}
		(void)fputs("</small>", to);
		end_fact(to);
	}
	put_rate_facts(to, r);
	begin_fact(to, "Profiles");
	(void)fprintf(to, "%zu<small>", r->count);
	if (r->timed) {
		oh_report_duration(to, (double)d->time_ns - (double)r->dumps[0].time_ns);
		(void)fputs(" from the first to the last", to);
	} else if (d->duration_ns > 0) {
		oh_report_duration(to, (double)d->duration_ns);
		(void)fputs(" after the start", to);
	}
	(void)fputs("</small>", to);
	end_fact(to);
	if (p->period > 0 && bytes) {
		begin_fact(to, "Sampling");
		if (p->period == 1) {
			(void)fputs("everything<small>each allocation is counted</small>", to);
		} else {
			put_bytes(to, (double)p->period);
			(void)fputs("<small>allocated between samples, on average</small>", to);
		}
		end_fact(to);
	}
	(void)fputs("</dl>\n", to);
}

static void
put_summary(FILE *to, const struct oh_report *r)
{
	(void)fputs("<section id=\"summary\" aria-label=\"Summary\">\n", to);
	put_verdict(to, r);
	put_facts(to, r);
	(void)fputs("</section>\n", to);
}

/* ---- the series --------------------------------------------------------------------- */

static void
put_dump_row(FILE *to, const struct oh_report *r, const struct oh_report_dump *d)
{
	char time[64];

	(void)fputs("<tr><td>", to);
	oh_report_name(to, oh_base_name(d->file));
	(void)fprintf(to, "</td><td class=\"n less\">%s</td><td class=\"less\">",
	    oh_report_time(time, d->time_ns));
	oh_report_name(to, d->trigger);
	(void)fputs("</td><td class=\"less n\">", to);
	oh_report_name(to, d->pid);
	(void)fputs("</td><td class=\"n\">", to);
	oh_report_estimate(to, r, (double)d->total, d->variance);
	(void)fputs("</td><td class=\"n\">", to);
	if (d->objects >= 0)
		(void)fprintf(to, "%" PRId64, d->objects);
	(void)fputs("</td><td class=\"n less\">", to);
	if (d->allocated_bytes >= 0)
		put_bytes(to, (double)d->allocated_bytes);
	(void)fputs("</td></tr>\n", to);
}

static void
put_series(FILE *to, const struct oh_report *r)
{
	size_t each = (r->count + DUMPS_MOST - 1) / DUMPS_MOST;

	if (r->count < 2)
		return;
	(void)fputs("<section id=\"timeline\" aria-labelledby=\"timeline-h\">\n"
		    "<h2 id=\"timeline-h\">Timeline</h2>\n",
	    to);
	oh_report_chart(to, r);
	(void)fprintf(to, "<details class=\"details\"%s><summary>The %zu profiles</summary>\n",
	    r->count <= 8 ? " open" : "", r->count);
	if (each > 1)
		(void)fprintf(to, "<p class=\"note\">Every %zuth, and the last.</p>\n", each);
	(void)fputs(
	    "<div class=\"scroll\"><table class=\"data\"><thead><tr><th scope=\"col\">File</th>"
	    "<th scope=\"col\" class=\"n less\">Taken</th><th scope=\"col\" "
	    "class=\"less\">By</th><th scope=\"col\" class=\"n less\">Process</th>"
	    "<th scope=\"col\" class=\"n\">",
	    to);
	oh_put_html(to, r->type_name, OH_REPORT_NAME_MOST);
	(void)fputs("</th><th scope=\"col\" class=\"n\">Blocks</th><th scope=\"col\" class=\"n "
		    "less\">Allocated since the start</th></tr></thead><tbody>\n",
	    to);
	for (size_t i = 0; i < r->count; i++)
		if (i % each == 0 || i + 1 == r->count)
			put_dump_row(to, r, &r->dumps[i]);
	(void)fputs("</tbody></table></div></details>\n</section>\n", to);
}

static void
put_sections(FILE *to, const void *arg)
{
	put_summary(to, arg);
	put_series(to, arg);
	oh_report_suspects(to, arg);
	oh_report_sites(to, arg);
}

static void
put_settings(FILE *to, const void *arg)
{
	oh_report_settings(to, arg);
}

static void
put_footer(FILE *to, const void *arg)
{
	const struct oh_report *r = arg;

	(void)fputs("<footer><div class=\"page\">\n", to);
	if (!r->exact)
		(void)fputs("<p>Values are estimates from samples; ± is half of the 95 % interval: "
			    "the truth is further away in one of 20 cases.</p>\n",
		    to);
	(void)fputs("<p>Made by otheap " OH_VERSION ". The page needs no network.</p>\n"
		    "</div></footer>\n",
	    to);
}

/* ---- the flame graphs ------------------------------------------------------------------ */

static void
put_graph(FILE *to, const char *name, struct oh_profile *p, struct oh_flame *f)
{
	struct oh_tree tree;

	oh_tree_build(&tree, p, f->types, f->type_count);
	f->p = p;
	f->t = &tree;
	f->max_bytes = FLAME_BYTES;
	(void)fprintf(
	    to, "<script type=\"application/json\" class=\"flame-data\" data-name=\"%s\">", name);
	oh_flame_data(to, f);
	(void)fputs("</script>\n", to);
	oh_tree_free(&tree);
}

static void
put_graphs(FILE *to, const void *arg)
{
	const struct oh_report *r = arg;
	struct oh_flame last = { 0 };
	struct oh_flame growth = { .diff = true, .type_count = 2 };

	oh_flame_choose(&last, r->last, r->type);
	put_graph(to, r->count > 1 ? "Last profile" : "Profile", r->last, &last);
	if (r->has_growth) {
		memcpy(growth.types, r->changed_types, sizeof(r->changed_types));
		put_graph(to, "What changed", r->changed, &growth);
	}
}

void
oh_report_html(FILE *to, const struct oh_report *r)
{
	const struct oh_page_mark marks[] = {
		{ "@TITLE@", NULL, put_title, r },
		{ "@BASE_CSS@", oh_page_base_css, NULL, NULL },
		{ "@FLAME_CSS@", oh_page_flame_css, NULL, NULL },
		{ "@REPORT_CSS@", oh_page_report_css, NULL, NULL },
		{ "@HEADER@", NULL, put_header, r },
		{ "@SECTIONS@", NULL, put_sections, r },
		{ "@SETTINGS@", NULL, put_settings, r },
		{ "@FOOTER@", NULL, put_footer, r },
		{ "@DATA@", NULL, put_graphs, r },
		{ "@FLAME_JS@", oh_page_flame_js, NULL, NULL },
	};

	oh_page_write(to, oh_page_head, marks, OH_ARRAY_LEN(marks));
	oh_page_write(to, oh_page_report, marks, OH_ARRAY_LEN(marks));
}
