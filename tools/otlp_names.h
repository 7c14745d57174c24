/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_names.h - symbolise many profiles of few programs: what was found once
 * is kept.
 *
 * An agent reads a profile of the same program every few seconds; looking its
 * addresses up in the DWARF each time would cost it more than all the rest.
 */
#ifndef OH_TOOLS_OTLP_NAMES_H
#define OH_TOOLS_OTLP_NAMES_H

#include <stddef.h>

#include "core/base.h"
#include "tools/profile.h"

struct oh_names;

/* Keep at most `max_locations` (0 = 200,000); when there are more, all are forgotten. */
struct oh_names *oh_names_create(size_t max_locations);
void oh_names_free(struct oh_names *n);

/*
 * As oh_symbols_resolve() of all locations, without its warnings: a file that
 * cannot be used leaves its addresses without names.  Locations are known again
 * by build ID, or path without one, and offset in the file.  What was not found
 * is not looked for again until everything is forgotten.
 *
 *   root  "" or a folder that the files are below, such as /proc/PID/root; a
 *         file that is not there is looked for without it
 */
void oh_names_resolve(struct oh_names *n, struct oh_profile *p, const char *root);

/* Locations that are kept, and how many of all that were asked for had to be looked up. */
size_t oh_names_kept(const struct oh_names *n);
size_t oh_names_looked_up(const struct oh_names *n);

#endif
