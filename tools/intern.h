/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intern.h - find strings of a profile by content.
 *
 * A file may hold one string twice, and symbolisation adds more: this says
 * which index stands for all strings that read the same.
 */
#ifndef OH_TOOLS_INTERN_H
#define OH_TOOLS_INTERN_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tools/profile.h"

struct oh_intern {
	struct oh_profile *p;
	uint32_t *slots; /* string index + 1, 0 = empty */
	size_t cap, used;
};

/* Start with the strings below; they enter the table when they are asked for. */
void oh_intern_init(struct oh_intern *in, struct oh_profile *p);
void oh_intern_free(struct oh_intern *in);

/* The index for all strings that read like string `i` of the profile. */
uint32_t oh_intern_index(struct oh_intern *in, uint32_t i);

/* The same for any text, which is added to the profile if it is new. */
uint32_t oh_intern_text(struct oh_intern *in, const char *s);

#endif
