/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top.h - what otheap top prints, and the formats it prints it in.
 */
#ifndef OH_TOOLS_TOP_H
#define OH_TOOLS_TOP_H

#include <stddef.h>

#include "core/base.h"
#include "tools/aggregate.h"
#include "tools/place.h"
#include "tools/print.h"
#include "tools/profile.h"

struct oh_top {
	const char *file; /* as the user named it */
	const struct oh_profile *p;
	const struct oh_table *t; /* sorted */
	unsigned type;
	const char *unit; /* of the values */
	size_t shown;     /* rows */
	bool error_bars;
	bool has_type; /* the profile has a sample type at all */
	enum oh_view view;
	const char *rows;            /* what a row is, in the plural: "functions", "threads" */
	const char *row;             /* title of that column of text */
	struct oh_names names;       /* of text */
	enum oh_byte_unit byte_unit; /* of text */
};

/*
 * Write the report on stdout.
 *
 *   text    for people, see otheap(1)
 *   json    one object: the facts of the header and `rows`; raw numbers,
 *           standard errors or null.  Valid JSON whatever the names are.
 *   csv     the facts as lines `# key: value`, then a title line and rows
 *   folded  `root;...;leaf VALUE`, one line per stack; needs OH_VIEW_STACKS
 */
void oh_top_print_text(const struct oh_top *r);
void oh_top_print_json(const struct oh_top *r);
void oh_top_print_csv(const struct oh_top *r);
void oh_top_print_folded(const struct oh_top *r);

#endif
