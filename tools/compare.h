/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare.h - read profiles to compare, and say why they cannot be.
 */
#ifndef OH_TOOLS_COMPARE_H
#define OH_TOOLS_COMPARE_H

#include <stddef.h>

#include "core/base.h"
#include "tools/args.h"
#include "tools/profile.h"

#define OH_COMPARE_FILES_MAX 256

struct oh_compared {
	char **names;
	size_t count;
	struct oh_profile *files[OH_COMPARE_FILES_MAX];
	int types[OH_COMPARE_FILES_MAX]; /* of each file, the same name in all */
};

/*
 * Read files of one program, sampled at one interval, with one sample type;
 * with --force the program and the interval may differ.  False after one line
 * on stderr.  Call oh_compare_free in any case.
 */
bool oh_compare_read(struct oh_compared *ret, const struct oh_args *a, char **names, size_t count);
void oh_compare_free(struct oh_compared *d);

/*
 * The same for a profile at a time: may `type` of `p`, read from `name`, be
 * compared with `first_type` of `first`?  False after one line on stderr.
 */
bool oh_compare_fits(const struct oh_args *a, const char *first_name,
    const struct oh_profile *first, int first_type, const char *name, const struct oh_profile *p,
    int type);

/* The name of a file for people. */
const char *oh_file_name(const char *name);

#endif
