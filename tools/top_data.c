/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top_data.c - otheap top for programs: JSON, CSV, folded stacks.
 *
 * Numbers are as they are in the profile, never rounded or with a unit; next to
 * an estimate stands its standard error, not the half width of an interval.
 */
#include "tools/top.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/data.h"
#include "tools/escape.h"
#include "tools/print.h"

static void
put_error(const struct oh_top *r, double variance, const char *none)
{
	oh_data_error(r->t, r->error_bars, variance, none);
}

/* ---- JSON ------------------------------------------------------------------- */

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
	oh_data_json_text("program", program ? program : "");
	oh_data_json_text("pid", pid ? pid : "");
	oh_data_json_text("path", m ? oh_profile_string(p, m->filename) : "");
	oh_data_json_text("build_id", m ? oh_profile_string(p, m->build_id) : "");
	oh_data_json_text(
	    "sample_type", r->has_type ? oh_profile_string(p, p->types[r->type].type) : "");
	oh_data_json_text("unit", r->unit);
	(void)fputs(",\n \"sample_types\": [", stdout);
	for (size_t i = 0; i < p->type_count; i++) {
		(void)fputs(i ? ", " : "", stdout);
		oh_put_json(stdout, oh_profile_string(p, p->types[i].type));
	}
	(void)putchar(']');
	json_int("time_ns", p->time_ns);
	json_int("duration_ns", p->duration_ns);
	json_int("period", p->period);
	oh_data_json_text("period_unit", oh_profile_string(p, p->period_type.unit));
	json_int("total", r->t->total);
	(void)fputs(",\n \"total_stderr\": ", stdout);
	put_error(r, r->t->total_variance, "null");
	(void)fputs(",\n \"comments\": [", stdout);
	for (size_t i = 0; i < p->comment_count; i++) {
		(void)fputs(i ? ", " : "", stdout);
		oh_put_json(stdout, oh_profile_string(p, p->comments[i]));
	}
	(void)putchar(']');
	oh_data_json_text("view", r->rows);
	json_int("row_count", (int64_t)r->t->row_count);
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
			oh_data_json_stack(r->p, r->t, row);
			(void)fputs("]}", stdout);
			continue;
		}
		(void)printf(", \"cum\": %" PRId64 ", \"cum_stderr\": ", row->cum);
		put_error(r, row->cum_variance, "null");
		(void)fputs(", ", stdout);
		oh_data_json_place(r->p, &r->t->places[row->place]);
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

void
oh_top_print_csv(const struct oh_top *r)
{
	csv_header(r);
	(void)puts(r->view == OH_VIEW_STACKS
		       ? "flat,flat_stderr,stack"
		       : "flat,flat_stderr,cum,cum_stderr," OH_DATA_CSV_PLACE);
	for (size_t i = 0; i < r->shown; i++) {
		const struct oh_row *row = &r->t->rows[i];
		const struct oh_place *pl = &r->t->places[row->place];

		(void)printf("%" PRId64 ",", row->flat);
		put_error(r, row->flat_variance, "");
		(void)putchar(',');
		if (r->view == OH_VIEW_STACKS) {
			(void)putchar('"');
			oh_data_folded_stack(stdout, r->p, r->t, row, true);
			(void)puts("\"");
			continue;
		}
		(void)printf("%" PRId64 ",", row->cum);
		put_error(r, row->cum_variance, "");
		(void)putchar(',');
		oh_data_csv_place(r->p, pl);
		(void)putchar('\n');
	}
}

/* ---- folded stacks ---------------------------------------------------------- */

void
oh_top_print_folded(const struct oh_top *r)
{
	for (size_t i = 0; i < r->shown; i++) {
		oh_data_folded_stack(stdout, r->p, r->t, &r->t->rows[i], false);
		(void)printf(" %" PRId64 "\n", r->t->rows[i].flat);
	}
}
