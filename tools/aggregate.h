/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aggregate.h - add up samples by function, by source line or by whole stack.
 *
 * No printing here: a table is plain data that any output format can show.
 */
#ifndef OH_TOOLS_AGGREGATE_H
#define OH_TOOLS_AGGREGATE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tools/profile.h"

enum oh_view {
	OH_VIEW_FUNCTIONS, /* one row per function (name and file) */
	OH_VIEW_LINES,     /* one row per function, file and line */
	OH_VIEW_STACKS,    /* one row per distinct call stack, its frames by line */
};

/* What a frame shows: a function, or where there is no name an address. */
struct oh_place {
	uint32_t name, file; /* strings; name 0 = not known, see address */
	uint32_t line;       /* of the code, or in OH_VIEW_FUNCTIONS of the function's start */
	uint32_t mapping;    /* index + 1, 0 = none; only where file is not known */
	uint64_t address;    /* only where the name is not known */
};

struct oh_row {
	uint32_t place;               /* not of OH_VIEW_STACKS */
	uint32_t stack_at, stack_len; /* of OH_VIEW_STACKS: in profile.frames, leaf first */
	uint32_t last_sample;         /* + 1: counted in `cum` already (recursion) */
	uint32_t number;              /* of first mention; the same for all types of a profile */
	int64_t flat, cum;            /* saturated */
	double flat_variance, cum_variance;
};

struct oh_table {
	struct oh_place *places;
	size_t place_count;
	/* Location l shows place_ids[place_at[l] .. place_at[l + 1]), innermost first. */
	uint32_t *place_at, *place_ids;
	struct oh_row *rows; /* none with flat and cum both 0 */
	size_t row_count;
	uint32_t *row_of; /* [sample]: `number` of its row; oh_aggregate_all() of stacks only */
	int64_t total;    /* of absolute values, as pprof counts */
	double total_variance;
	bool has_variance;     /* the variances are known */
	bool exact;            /* sampled at interval 1: they are known to be 0 */
	bool drop_ignored;     /* the profile's drop_frames could not be used */
	size_t samples;        /* with a value other than 0 */
	size_t samples_pruned; /* of these, cut by drop_frames */
};

/*
 * Add up sample type `type` (an index) of `p`.
 *
 * A function on a stack several times counts once in `cum`.  Samples without
 * any frame go to a place called "(no stack)", or a stack of length 0.  The profile's drop_frames
 * is honoured.  `p` may get strings added.  oh_table_free releases the table.
 */
void oh_aggregate(struct oh_table *ret, struct oh_profile *p, unsigned type, enum oh_view view);

/*
 * The same, with the variance of each sample's value from elsewhere (NULL: as
 * oh_aggregate()), and with every row, also those that are 0: so that the rows
 * of several sample types are the same, each with the same `number`.
 */
void oh_aggregate_all(struct oh_table *ret, struct oh_profile *p, unsigned type, enum oh_view view,
    const double *variance);
void oh_table_free(struct oh_table *t);

/* Largest first, by |flat| or |cum|, then the other, then by name and place. */
void oh_table_sort(struct oh_table *t, const struct oh_profile *p, bool by_cum);

#endif
