/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff.h - what otheap diff prints, and the formats for programs.
 */
#ifndef OH_TOOLS_DIFF_H
#define OH_TOOLS_DIFF_H

#include <stddef.h>

#include "core/base.h"
#include "tools/aggregate.h"
#include "tools/args.h"
#include "tools/compare.h"
#include "tools/data.h"
#include "tools/merge.h"

struct oh_diff {
	const struct oh_args *a;
	struct oh_compared c;
	struct oh_merge m;
	struct oh_table growth, *values; /* values[i]: of file i, by row number */
	double *q;                       /* [row of growth] */
	size_t changed, significant, shown;
	bool error_bars;
};

/* Of a row: flat, or cum with --cum. */
int64_t oh_diff_value(const struct oh_diff *d, const struct oh_row *row);
double oh_diff_variance(const struct oh_diff *d, const struct oh_row *row);

/* The sum of all values of a sample type: with signs, as a difference needs it. */
int64_t oh_diff_sum(const struct oh_profile *p, unsigned type);

/*
 * Write the growth on stdout.
 *
 *   json    one object: files, totals and `rows` with growth, its standard
 *           error, q, and the value in each file
 *   csv     facts as lines `# key: value`, then a title line and rows
 *   folded  `root;...;leaf FROM TO`; needs OH_VIEW_STACKS
 */
void oh_diff_print_data(const struct oh_diff *d, enum oh_format format);

#endif
