/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.h - the call tree of a profile: stacks from the root, common parts once.
 */
#ifndef OH_TOOLS_TREE_H
#define OH_TOOLS_TREE_H

#include <stddef.h>

#include "core/base.h"
#include "tools/aggregate.h"
#include "tools/profile.h"

#define OH_TREE_NO_PLACE UINT32_MAX /* of the root, and of samples without a stack */

struct oh_tree {
	struct oh_table table; /* places; the totals and errors of the first type */
	size_t type_count;
	bool *has_variance; /* [type] */

	size_t count;     /* nodes; 0 is the root, a parent comes before its children */
	uint32_t *parent; /* of the root: 0 */
	uint32_t *place;
	/* [node * type_count + type]; self is what ends there, cum with all below */
	int64_t *self, *cum;
	double *self_variance, *cum_variance;
};

/*
 * Make the tree of the samples by function, for several sample types at once.
 * Names must be final.  The profile's drop_frames is honoured.  Released by
 * oh_tree_free.
 */
void oh_tree_build(
    struct oh_tree *ret, struct oh_profile *p, const unsigned *types, size_t type_count);
void oh_tree_free(struct oh_tree *t);

/*
 * The name of a node as in oh_place_name(); "(no stack)" for a node without a
 * place, "all" for the root.
 */
const char *oh_tree_name(
    char *buf, const struct oh_tree *t, const struct oh_profile *p, size_t node);

/* How much of its type's root a node holds at most, over all types: 0 to 1. */
double oh_tree_share(const struct oh_tree *t, size_t node);

#endif
