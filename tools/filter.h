/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.h - keep the samples whose stacks hold, or do not hold, a function.
 */
#ifndef OH_TOOLS_FILTER_H
#define OH_TOOLS_FILTER_H

#include <stdint.h>

#include "core/base.h"
#include "tools/aggregate.h"
#include "tools/profile.h"

/* Can this POSIX extended expression be used?  NULL can.  Otherwise one line on stderr. */
bool oh_filter_check(const char *cmd, const char *option, const char *expression);

/*
 * [place of t]: does its name, its file or its module+offset match a valid
 * expression?  free() it.
 */
uint8_t *oh_filter_places(
    const struct oh_profile *p, const char *expression, const struct oh_table *t);

/*
 * Remove the samples without a frame that matches `focus` and those with one
 * that matches `ignore`; NULL for either stands for no such rule.
 *
 *   beside   an array with an element for each sample, or NULL
 */
void oh_filter_samples(struct oh_profile *p, const char *focus, const char *ignore, double *beside);

/*
 * Take the frames out of every stack whose function, file or module+offset
 * matches; values stay, so that a caller takes the place of a function that is
 * hidden.  The profile's drop_frames is applied first.  NULL hides nothing.
 */
void oh_filter_hide(struct oh_profile *p, const char *hide);

#endif
