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

/* "name  file:line" or "name  [module]", fit for a terminal. */
void oh_print_place(FILE *to, const struct oh_profile *p, const struct oh_place *pl);

#endif
