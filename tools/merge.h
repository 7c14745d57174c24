/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge.h - several profiles of one program as one, to compare them.
 *
 * The result has these sample types:
 *	[0]      growth: the last file less the first
 *	[1 + i]  the value of file i
 * Its samples are the distinct pairs of a stack and a label set.
 *
 * The labels `age`, `leak`, `lived` and `freed` say how the blocks of a site were at
 * one time, so they are left out.  Stacks are matched by module and offset, not by address: a
 *library lies elsewhere in each process.  A module is its build ID, or its path where it has none;
 *one with neither is matched by address.
 */
#ifndef OH_TOOLS_MERGE_H
#define OH_TOOLS_MERGE_H

#include <stddef.h>

#include "core/base.h"
#include "tools/profile.h"

#define OH_MERGE_NONE UINT32_MAX

struct oh_merge {
	struct oh_profile *p; /* has the comments and times of the last file */
	double *variance;     /* [sample]: of the growth */
	uint32_t **merged;    /* [file][sample of it]: sample of p, OH_MERGE_NONE if all 0 */
	size_t file_count;
	bool has_variance; /* it is known for every sample */
	bool exact;        /* every allocation was counted: it is known to be 0 */
	bool same_process; /* the first and the last file are of one process */
};

/*
 * Merge `count` >= 2 profiles; types[i] is the sample type to take of each.
 *
 * The variance of a sample's growth is var_A + var_B, A and B being the first
 * and the last file, less twice the variance of the blocks that are in both:
 * those were sampled once and are no difference.  Nothing is known of such
 * blocks across processes.  In one process they are counted from below: of the
 * n_B sampled blocks in B at most as many are new as were allocated between A
 * and B with this stack and size, so at least the others were in A as well.
 * For values since the start (alloc_*) all of A is in B.  The result is thus
 * never below the variance, and equal to it where nothing was both allocated
 * and freed in between.
 *
 * The profiles get strings added.  oh_merge_free releases the result.
 */
void oh_merge(
    struct oh_merge *ret, struct oh_profile *const *profiles, const int *types, size_t count);
void oh_merge_free(struct oh_merge *m);

/*
 * Were both taken of one process: same program, pid and time of start?  A process
 * goes on in what was forked from it: `b` may be of a child, and `a` from before the fork.
 */
bool oh_merge_same_process(const struct oh_profile *a, const struct oh_profile *b);

#endif
