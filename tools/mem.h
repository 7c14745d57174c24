/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.h - memory and error words of the command.
 *
 * The command is an ordinary program: when memory runs out it says so in one
 * line and ends with OH_EXIT_BAD.  Nothing here is for the library.
 */
#ifndef OH_TOOLS_MEM_H
#define OH_TOOLS_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"

/* Exit codes of every subcommand. */
#define OH_EXIT_OK 0
#define OH_EXIT_FINDINGS 1 /* doctor: profiling will not work */
#define OH_EXIT_BAD 2      /* usage, unreadable or damaged input, output that cannot be written */

/* Why something failed, for the one line at the top.  The first reason stays. */
struct oh_error {
	char text[240]; /* "" = no error yet */
};

/* Set the reason unless one is set already.  Always returns false. */
bool oh_error_set(struct oh_error *err, const char *fmt, ...) OH_PRINTF(2, 3);

/* As malloc, calloc and realloc of count * size bytes; never NULL, or the command ends. */
void *oh_xcalloc(size_t count, size_t size);
void *oh_xrealloc(void *old, size_t count, size_t size);

/*
 * Make room for `need` elements in an array that grows by doubling.
 *
 *   array  NULL or from here; *cap elements long, not elements used.
 * Returns the array, perhaps moved; what is new in it is not cleared.
 */
void *oh_xgrow_slow(void *array, size_t *cap, size_t need, size_t size);

/* Inline because most often there is room, and that is asked for each thing that is read. */
static inline void *
oh_xgrow(void *array, size_t *cap, size_t need, size_t size)
{
	return OH_LIKELY(need <= *cap) ? array : oh_xgrow_slow(array, cap, need, size);
}

#endif
