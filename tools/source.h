/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source.h - the text of a source file that a profile names.
 */
#ifndef OH_TOOLS_SOURCE_H
#define OH_TOOLS_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tools/mem.h"

#define OH_SOURCE_BYTES_MAX (UINT64_C(64) << 20) /* of one file */

/* Where to look; lists are separated by ':' and may be NULL. */
struct oh_source_places {
	const char *folders;  /* looked at first */
	const char *prefixes; /* taken off the names that begin with one of them */
};

struct oh_source {
	char *path;         /* that was opened */
	int64_t changed_ns; /* Unix time of its last change */
	char *text;
	const char **lines; /* [0 .. count): without their ends, NUL-terminated */
	size_t count;
};

/*
 * Open the source file `name`, as a profile has it.
 *
 * For each folder the name is tried below it, then again and again without its
 * first part: a/b/c.c, b/c.c, c.c.  Then the name as it is.  Only regular
 * files are opened.  False with the reason in *err; oh_source_free takes what
 * either result left.
 */
bool oh_source_open(struct oh_source *ret, const struct oh_source_places *where, const char *name,
    struct oh_error *err);
void oh_source_free(struct oh_source *s);

#endif
