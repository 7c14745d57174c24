/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff_data.c - otheap diff for programs: JSON, CSV, folded stacks.
 */
#include "tools/diff.h"

#include <inttypes.h>
#include <stdio.h>

#include "tools/escape.h"

static const char *const views[] = {
	[OH_VIEW_FUNCTIONS] = "functions",
	[OH_VIEW_LINES] = "lines",
	[OH_VIEW_STACKS] = "stacks",
};

int64_t
oh_diff_value(const struct oh_diff *d, const struct oh_row *row)
{
	return d->a->by_cum ? row->cum : row->flat;
}

double
oh_diff_variance(const struct oh_diff *d, const struct oh_row *row)
{
	return d->a->by_cum ? row->cum_variance : row->flat_variance;
}

int64_t
oh_diff_sum(const struct oh_profile *p, unsigned type)
{
	int64_t sum = 0;

	for (size_t s = 0; s < p->sample_count; s++)
		sum = oh_add_saturated(sum, oh_profile_value(p, s, type));
	return sum;
}

static int64_t
value_in(const struct oh_diff *d, size_t file, const struct oh_row *row)
{
	return oh_diff_value(d, &d->values[file].rows[row->number]);
}

static void
put_error(const struct oh_diff *d, double variance, const char *none)
{
	oh_data_error(&d->growth, d->error_bars, variance, none);
}

static void
print_json(const struct oh_diff *d)
{
	const struct oh_profile *p = d->m.p;

	(void)fputs("{\n \"files\": [", stdout);
	for (size_t i = 0; i < d->c.count; i++) {
		(void)fputs(i ? ", " : "", stdout);
		oh_put_json(stdout, oh_file_name(d->c.names[i]));
	}
	(void)fputs("]", stdout);
	oh_data_json_text("sample_type", oh_profile_string(p, p->types[0].type));
	oh_data_json_text("unit", oh_profile_string(p, p->types[0].unit));
	oh_data_json_text("view", views[d->a->view]);
	(void)printf(",\n \"cum\": %s", d->a->by_cum ? "true" : "false");
	(void)printf(",\n \"same_process\": %s", d->m.same_process ? "true" : "false");
	(void)fputs(",\n \"totals\": [", stdout);
	for (size_t i = 0; i < d->c.count; i++)
		(void)printf("%s%" PRId64, i ? ", " : "", oh_diff_sum(p, (unsigned)i + 1));
	(void)printf("],\n \"growth\": %" PRId64 ",\n \"growth_stderr\": ", oh_diff_sum(p, 0));
	put_error(d, d->growth.total_variance, "null");
	(void)printf(",\n \"row_count\": %zu,\n \"rows\": [", d->changed);
	for (size_t i = 0; i < d->shown; i++) {
		const struct oh_row *row = &d->growth.rows[i];

		(void)printf("%s\n  {\"growth\": %" PRId64 ", \"growth_stderr\": ", i ? "," : "",
		    oh_diff_value(d, row));
		put_error(d, oh_diff_variance(d, row), "null");
		if (d->error_bars)
			(void)printf(", \"q\": %.6g, \"values\": [", d->q[i]);
		else
			(void)fputs(", \"q\": null, \"values\": [", stdout);
		for (size_t f = 0; f < d->c.count; f++)
			(void)printf("%s%" PRId64, f ? ", " : "", value_in(d, f, row));
		(void)fputs("], ", stdout);
		if (d->a->view == OH_VIEW_STACKS) {
			(void)fputs("\"frames\": [", stdout);
			oh_data_json_stack(p, &d->growth, row);
			(void)fputs("]}", stdout);
		} else {
			oh_data_json_place(p, &d->growth.places[row->place]);
			(void)putchar('}');
		}
	}
	(void)fputs("\n ]\n}\n", stdout);
}

static void
print_csv(const struct oh_diff *d)
{
	const struct oh_profile *p = d->m.p;

	for (size_t i = 0; i < d->c.count; i++) {
		(void)fputs("# file: ", stdout);
		oh_print_clean(stdout, oh_file_name(d->c.names[i]));
		(void)putchar('\n');
	}
	(void)fputs("# sample_type: ", stdout);
	oh_print_clean(stdout, oh_profile_string(p, p->types[0].type));
	(void)fputs("\n# unit: ", stdout);
	oh_print_clean(stdout, oh_profile_string(p, p->types[0].unit));
	(void)printf("\n# growth: %" PRId64 "\n# growth_stderr: ", oh_diff_sum(p, 0));
	put_error(d, d->growth.total_variance, "");
	(void)fputs("\ngrowth,growth_stderr,q", stdout);
	for (size_t i = 0; i < d->c.count; i++)
		(void)printf(",value%zu", i + 1);
	(void)puts(d->a->view == OH_VIEW_STACKS ? ",stack" : "," OH_DATA_CSV_PLACE);
	for (size_t i = 0; i < d->shown; i++) {
		const struct oh_row *row = &d->growth.rows[i];

		(void)printf("%" PRId64 ",", oh_diff_value(d, row));
		put_error(d, oh_diff_variance(d, row), "");
		(void)putchar(',');
		if (d->error_bars)
			(void)printf("%.6g", d->q[i]);
		for (size_t f = 0; f < d->c.count; f++)
			(void)printf(",%" PRId64, value_in(d, f, row));
		(void)putchar(',');
		if (d->a->view == OH_VIEW_STACKS) {
			(void)putchar('"');
			oh_data_folded_stack(stdout, p, &d->growth, row, true);
			(void)putchar('"');
		} else {
			oh_data_csv_place(p, &d->growth.places[row->place]);
		}
		(void)putchar('\n');
	}
}

static void
print_folded(const struct oh_diff *d)
{
	for (size_t i = 0; i < d->shown; i++) {
		const struct oh_row *row = &d->growth.rows[i];

		oh_data_folded_stack(stdout, d->m.p, &d->growth, row, false);
		(void)printf(" %" PRId64 " %" PRId64 "\n", value_in(d, 0, row),
		    value_in(d, d->c.count - 1, row));
	}
}

void
oh_diff_print_data(const struct oh_diff *d, enum oh_format format)
{
	if (format == OH_FORMAT_JSON)
		print_json(d);
	else if (format == OH_FORMAT_CSV)
		print_csv(d);
	else
		print_folded(d);
}
