/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flame.h - a call tree as a picture in one file.
 */
#ifndef OH_TOOLS_FLAME_H
#define OH_TOOLS_FLAME_H

#include <stddef.h>
#include <stdio.h>

#include "core/base.h"
#include "tools/profile.h"
#include "tools/tree.h"

#define OH_FLAME_TYPES_MAX 8 /* in one page */

struct oh_flame {
	const struct oh_profile *p;
	const struct oh_tree *t;
	unsigned types[OH_FLAME_TYPES_MAX]; /* of the profile, for each type of the tree */
	size_t type_count;
	bool diff;    /* type 0 is the file, type 1 the base */
	size_t start; /* the type to show first, or the only one */
	const char *title, *about;
	/*
	 * Of the page: frames that are the smallest part of their type are put
	 * together as "(small frames)" until it holds no more than about this.
	 */
	size_t max_bytes;
};

#define OH_FLAME_MAX_BYTES ((size_t)8 << 20) /* of a page with one flame graph */

/* Take the types of a profile: `first`, to start with, and as many others as fit. */
void oh_flame_choose(struct oh_flame *f, const struct oh_profile *p, unsigned first);

/* Write the tree alone, as the JSON that flame.js takes; fit for a script element. */
void oh_flame_data(FILE *to, const struct oh_flame *f);

/* Write the page (every type; zoom, search, callers) or the picture (one type). */
void oh_flame_html(FILE *to, const struct oh_flame *f);
void oh_flame_svg(FILE *to, const struct oh_flame *f);

#endif
