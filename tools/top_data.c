/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top_data.c - otheap top for programs: JSON, CSV, folded stacks.
 *
 * Numbers are as they are in the profile, never rounded or with a unit; next to
 * an estimate stands its standard error, not the half width of an interval.
 */
#include "tools/top.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/escape.h"
#include "tools/place.h"

static const char *const views[] = {
	[OH_VIEW_FUNCTIONS] = "functions",
	[OH_VIEW_LINES] = "lines",
	[OH_VIEW_STACKS] = "stacks",
};

/* The standard error of an estimate, or `none` where it is not known. */
static void
put_error(const struct oh_top *r, double variance, const char *none)
{
	if (r->t->exact)
		(void)putchar('0');
	else if (!r->error_bars || !isfinite(variance))
		(void)fputs(none, stdout);
	else
		(void)printf("%.6g", sqrt(variance));
}

/* ---- JSON ------------------------------------------------------------------- */

static void
json_text(const char *key, const char *s)
{
	(void)printf(",\n \"%s\": ", key);
	oh_put_json(stdout, s);
}

static void
json_int(const char *key, int64_t n)
{
	(void)printf(",\n \"%s\": %" PRId64, key, n);
}

static void
json_header(const struct oh_top *r)
{
	const struct oh_profile *p = r->p;
	const char *program = oh_profile_comment(p, "program: ");
	const char *pid = oh_profile_comment(p, "pid: ");
	const struct oh_mapping *m = p->mapping_count ? &p->mappings[p->main_mapping] : NULL;

	(void)fputs("{\n \"file\": ", stdout);
	oh_put_json(stdout, r->file);
	json_text("program", program ? program : "");
	json_text("pid", pid ? pid : "");
	json_text("path", m ? oh_profile_string(p, m->filename) : "");
	json_text("build_id", m ? oh_profile_string(p, m->build_id) : "");
	json_text("sample_type", r->has_type ? oh_profile_string(p, p->types[r->type].type) : "");
	json_text("unit", r->unit);
	(void)fputs(",\n \"sample_types\": [", stdout);
	for (size_t i = 0; i < p->type_count; i++) {
		(void)fputs(i ? ", " : "", stdout);
		oh_put_json(stdout, oh_profile_string(p, p->types[i].type));
	}
	(void)putchar(']');
	json_int("time_ns", p->time_ns);
	json_int("duration_ns", p->duration_ns);
	json_int("period", p->period);
	json_text("period_unit", oh_profile_string(p, p->period_type.unit));
	json_int("total", r->t->total);
	(void)fputs(",\n \"total_stderr\": ", stdout);
	put_error(r, r->t->total_variance, "null");
	(void)fputs(",\n \"comments\": [", stdout);
	for (size_t i = 0; i < p->comment_count; i++) {
		(void)fputs(i ? ", " : "", stdout);
		oh_put_json(stdout, oh_profile_string(p, p->comments[i]));
	}
	(void)putchar(']');
	json_text("view", views[r->view]);
	json_int("row_count", (int64_t)r->t->row_count);
}

static void
json_place(const struct oh_top *r, const struct oh_place *pl)
{
	char name[OH_PLACE_NAME_MAX];

	(void)fputs("\"function\": ", stdout);
	oh_put_json(stdout, oh_place_name(name, r->p, pl));
	(void)fputs(", \"file\": ", stdout);
	oh_put_json(stdout, oh_profile_string(r->p, pl->file));
	(void)printf(", \"line\": %u, \"module\": ", pl->line);
	oh_put_json(stdout, oh_place_module(r->p, pl));
}

/* The frames of a row, leaf first, each printed by `one`. */
static void
each_frame(const struct oh_top *r, const struct oh_row *row,
    void (*one)(const struct oh_top *r, const struct oh_place *pl, bool first))
{
	bool first = true;

	for (uint32_t f = row->stack_at; f < row->stack_at + row->stack_len; f++) {
		uint32_t l = r->p->frames[f];

		for (uint32_t k = r->t->place_at[l]; k < r->t->place_at[l + 1]; k++) {
			one(r, &r->t->places[r->t->place_ids[k]], first);
			first = false;
		}
	}
}

static void
json_frame(const struct oh_top *r, const struct oh_place *pl, bool first)
{
	(void)fputs(first ? "{" : ", {", stdout);
	json_place(r, pl);
	(void)putchar('}');
}

void
oh_top_print_json(const struct oh_top *r)
{
	json_header(r);
	(void)fputs(",\n \"rows\": [", stdout);
	for (size_t i = 0; i < r->shown; i++) {
		const struct oh_row *row = &r->t->rows[i];

		(void)printf(
		    "%s\n  {\"flat\": %" PRId64 ", \"flat_stderr\": ", i ? "," : "", row->flat);
		put_error(r, row->flat_variance, "null");
		if (r->view == OH_VIEW_STACKS) {
			(void)fputs(", \"frames\": [", stdout);
			each_frame(r, row, json_frame);
			(void)fputs("]}", stdout);
			continue;
		}
		(void)printf(", \"cum\": %" PRId64 ", \"cum_stderr\": ", row->cum);
		put_error(r, row->cum_variance, "null");
		(void)fputs(", ", stdout);
		json_place(r, &r->t->places[row->place]);
		(void)putchar('}');
	}
	(void)fputs("\n ]\n}\n", stdout);
}

/* ---- CSV -------------------------------------------------------------------- */

static void
csv_fact(const char *key, const char *s)
{
	(void)printf("# %s: ", key);
	oh_print_clean(stdout, s);
	(void)putchar('\n');
}

static void
csv_header(const struct oh_top *r)
{
	const struct oh_profile *p = r->p;

	csv_fact("file", r->file);
	csv_fact("sample_type", r->has_type ? oh_profile_string(p, p->types[r->type].type) : "");
	csv_fact("unit", r->unit);
	(void)printf("# time_ns: %" PRId64 "\n# duration_ns: %" PRId64 "\n# period: %" PRId64 "\n",
	    p->time_ns, p->duration_ns, p->period);
	(void)printf("# total: %" PRId64 "\n# total_stderr: ", r->t->total);
	put_error(r, r->t->total_variance, "");
	(void)putchar('\n');
	for (size_t i = 0; i < p->comment_count; i++)
		csv_fact("comment", oh_profile_string(p, p->comments[i]));
}

/* The frames of a row, root first, with ';' between them. */
static void
put_stack(const struct oh_top *r, const struct oh_row *row, void (*put)(FILE *to, const char *s))
{
	char name[OH_PLACE_NAME_MAX];
	bool first = true;

	for (uint32_t f = row->stack_at + row->stack_len; f-- > row->stack_at;) {
		uint32_t l = r->p->frames[f];

		for (uint32_t k = r->t->place_at[l + 1]; k-- > r->t->place_at[l];) {
			if (!first)
				(void)putchar(';');
			first = false;
			put(stdout, oh_place_name(name, r->p, &r->t->places[r->t->place_ids[k]]));
		}
	}
	if (first)
		(void)fputs("(no stack)", stdout);
}

void
oh_top_print_csv(const struct oh_top *r)
{
	char name[OH_PLACE_NAME_MAX];

	csv_header(r);
	(void)puts(r->view == OH_VIEW_STACKS
		       ? "flat,flat_stderr,stack"
		       : "flat,flat_stderr,cum,cum_stderr,function,file,line,module");
	for (size_t i = 0; i < r->shown; i++) {
		const struct oh_row *row = &r->t->rows[i];
		const struct oh_place *pl = &r->t->places[row->place];

		(void)printf("%" PRId64 ",", row->flat);
		put_error(r, row->flat_variance, "");
		(void)putchar(',');
		if (r->view == OH_VIEW_STACKS) {
			(void)putchar('"');
			put_stack(r, row, oh_put_csv_frame);
			(void)puts("\"");
			continue;
		}
		(void)printf("%" PRId64 ",", row->cum);
		put_error(r, row->cum_variance, "");
		(void)putchar(',');
		oh_put_csv(stdout, oh_place_name(name, r->p, pl));
		(void)putchar(',');
		oh_put_csv(stdout, oh_profile_string(r->p, pl->file));
		(void)printf(",%u,", pl->line);
		oh_put_csv(stdout, oh_place_module(r->p, pl));
		(void)putchar('\n');
	}
}

/* ---- folded stacks ---------------------------------------------------------- */

void
oh_top_print_folded(const struct oh_top *r)
{
	for (size_t i = 0; i < r->shown; i++) {
		put_stack(r, &r->t->rows[i], oh_put_folded);
		(void)printf(" %" PRId64 "\n", r->t->rows[i].flat);
	}
}
