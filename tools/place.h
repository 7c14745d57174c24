/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.h - how a frame is called: function, file and line, or module.
 */
#ifndef OH_TOOLS_PLACE_H
#define OH_TOOLS_PLACE_H

#include <stddef.h>
#include <stdio.h>

#include "core/base.h"
#include "tools/aggregate.h"
#include "tools/profile.h"

#define OH_PLACE_NAME_MAX 512 /* room for module+offset */

/*
 * The function's name, or "module+0xoffset" written to buf[OH_PLACE_NAME_MAX].
 * As the profile has it: clean or escape it.
 */
const char *oh_place_name(char *buf, const struct oh_profile *p, const struct oh_place *pl);

/* The name of the module's file without folders; "" where the source file is known. */
const char *oh_place_module(const struct oh_profile *p, const struct oh_place *pl);

/* How names are printed. */
struct oh_names {
	bool shorten;     /* always as oh_place_short() */
	unsigned columns; /* of a line that should not be longer; 0 = no limit */
};

/*
 * "name  file:line" or "name  [module]", fit for a terminal, on a line of which
 * `used` columns are taken.  What does not fit loses, one after the other until it does: template
 * arguments and parameters, the folders of the file, the middle of the name.  A name is never cut
 * below 24 columns.
 */
void oh_print_place(FILE *to, const struct oh_profile *p, const struct oh_place *pl,
    const struct oh_names *names, size_t used);

/*
 * Write a C++ or Rust name without what is between the brackets of template
 * arguments and parameters, and without the hash that ends a Rust symbol:
 * "std::vector<>::push_back", "f()".  At most `room` bytes.
 */
void oh_place_short(char *buf, size_t room, const char *name);

#endif
