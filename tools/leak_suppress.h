/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leak_suppress.h - suppressions in the file syntax of LeakSanitizer.
 *
 *	leak:pattern        hides leaks with a function, file or module on their
 *	                    stack whose name holds the pattern
 *	# comment           and empty lines
 *
 * In a pattern `*` stands for any text; `^` at its start and `$` at its end
 * stand for the start and the end of the name.
 */
#ifndef OH_TOOLS_LEAK_SUPPRESS_H
#define OH_TOOLS_LEAK_SUPPRESS_H

#include <stddef.h>

#include "core/base.h"
#include "tools/mem.h"

struct oh_suppression {
	char *pattern;
	size_t sites; /* that it hid */
	double bytes, blocks;
};

struct oh_suppressions {
	struct oh_suppression *rules;
	size_t count, cap;
};

/*
 * Add the rules of a file.  False with the reason in *err, which names the file
 * and, where it is about one, the line.
 */
bool oh_suppressions_read(struct oh_suppressions *s, const char *path, struct oh_error *err);

/* The same for `len` bytes of text; `name` is for messages. */
bool oh_suppressions_parse(struct oh_suppressions *s, const char *name, const char *text,
    size_t len, struct oh_error *err);
void oh_suppressions_free(struct oh_suppressions *s);

/* Does the pattern match the name?  An empty name matches nothing. */
bool oh_suppression_matches(const char *pattern, const char *name);

#endif
