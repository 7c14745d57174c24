/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data.c - what the JSON and CSV of several subcommands have in common.
 */
#include "tools/data.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/escape.h"
#include "tools/place.h"

bool
oh_parse_format(const char *cmd, const char *name, enum oh_format *ret)
{
	static const char *const names[] = { "text", "json", "csv", "folded" };

	*ret = OH_FORMAT_TEXT;
	for (size_t i = 0; name != NULL && i < OH_ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum oh_format)i;
			return true;
		}
	if (name == NULL)
		return true;
	(void)fprintf(
	    stderr, "otheap: %s: --output '%s': expected text, json, csv or folded\n", cmd, name);
	return false;
}

void
oh_data_error(const struct oh_table *t, bool known, double variance, const char *none)
{
	if (t->exact)
		(void)putchar('0');
	else if (!known || !isfinite(variance))
		(void)fputs(none, stdout);
	else
		(void)printf("%.6g", sqrt(variance));
}

void
oh_data_json_place(const struct oh_profile *p, const struct oh_place *pl)
{
	char name[OH_PLACE_NAME_MAX];

	(void)fputs("\"function\": ", stdout);
	oh_put_json(stdout, oh_place_name(name, p, pl));
	(void)fputs(", \"file\": ", stdout);
	oh_put_json(stdout, oh_profile_string(p, pl->file));
	(void)printf(", \"line\": %u, \"module\": ", pl->line);
	oh_put_json(stdout, oh_place_module(p, pl));
}

void
oh_data_csv_place(const struct oh_profile *p, const struct oh_place *pl)
{
	char name[OH_PLACE_NAME_MAX];

	oh_put_csv(stdout, oh_place_name(name, p, pl));
	(void)putchar(',');
	oh_put_csv(stdout, oh_profile_string(p, pl->file));
	(void)printf(",%u,", pl->line);
	oh_put_csv(stdout, oh_place_module(p, pl));
}

void
oh_data_json_text(const char *key, const char *s)
{
	(void)printf(",\n \"%s\": ", key);
	oh_put_json(stdout, s);
}

void
oh_data_json_stack(const struct oh_profile *p, const struct oh_table *t, const struct oh_row *row)
{
	bool first = true;

	for (uint32_t f = row->stack_at; f < row->stack_at + row->stack_len; f++) {
		uint32_t l = p->frames[f];

		for (uint32_t k = t->place_at[l]; k < t->place_at[l + 1]; k++) {
			(void)fputs(first ? "{" : ", {", stdout);
			oh_data_json_place(p, &t->places[t->place_ids[k]]);
			(void)putchar('}');
			first = false;
		}
	}
}

void
oh_data_folded_stack(FILE *to, const struct oh_profile *p, const struct oh_table *t,
    const struct oh_row *row, bool in_csv)
{
	char name[OH_PLACE_NAME_MAX];
	bool first = true;

	for (uint32_t f = row->stack_at + row->stack_len; f-- > row->stack_at;) {
		uint32_t l = p->frames[f];

		for (uint32_t k = t->place_at[l + 1]; k-- > t->place_at[l];) {
			const char *s = oh_place_name(name, p, &t->places[t->place_ids[k]]);

			if (!first)
				(void)putc(';', to);
			first = false;
			if (in_csv)
				oh_put_csv_frame(to, s);
			else
				oh_put_folded(to, s);
		}
	}
	if (first)
		(void)fputs("(no stack)", to);
}
