/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data.h - what the JSON and CSV of several subcommands have in common.
 *
 * Numbers are as they are in the profile, never rounded or with a unit; next to
 * an estimate stands its standard error, not the half width of an interval.
 * Names are escaped, whatever they are.
 */
#ifndef OH_TOOLS_DATA_H
#define OH_TOOLS_DATA_H

#include <stdio.h>

#include "core/base.h"
#include "tools/aggregate.h"
#include "tools/profile.h"

enum oh_format { OH_FORMAT_TEXT, OH_FORMAT_JSON, OH_FORMAT_CSV, OH_FORMAT_FOLDED };

/* The format called so; NULL is text.  False after one line on stderr. */
bool oh_parse_format(const char *cmd, const char *name, enum oh_format *ret);

/* The standard error of an estimate; `none` where it is not known, 0 where it is exact. */
void oh_data_error(const struct oh_table *t, bool known, double variance, const char *none);

/* `"function": ..., "file": ..., "line": N, "module": ...`, without braces. */
void oh_data_json_place(const struct oh_profile *p, const struct oh_place *pl);

/* The same as four fields of CSV. */
void oh_data_csv_place(const struct oh_profile *p, const struct oh_place *pl);
#define OH_DATA_CSV_PLACE "function,file,line,module"

/* `, "key": "value"` on a line of its own. */
void oh_data_json_text(const char *key, const char *s);

/* The frames of a row of OH_VIEW_STACKS: as JSON objects, leaf first; as r;...;l, root first. */
void oh_data_json_stack(
    const struct oh_profile *p, const struct oh_table *t, const struct oh_row *row);
void oh_data_folded_stack(FILE *to, const struct oh_profile *p, const struct oh_table *t,
    const struct oh_row *row, bool in_csv);

#endif
