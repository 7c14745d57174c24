/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.c - how a frame is called: function, file and line, or module.
 */
#include "tools/place.h"

#include "tools/print.h"
#include "tools/symbols.h"

const char *
oh_place_name(char *buf, const struct oh_profile *p, const struct oh_place *pl)
{
	if (pl->name != 0)
		return oh_profile_string(p, pl->name);
	oh_location_name(buf, OH_PLACE_NAME_MAX, p, pl->mapping, pl->address);
	return buf;
}

const char *
oh_place_module(const struct oh_profile *p, const struct oh_place *pl)
{
	if (pl->mapping == 0)
		return "";
	return oh_base_name(oh_profile_string(p, p->mappings[pl->mapping - 1].filename));
}

void
oh_print_place(FILE *to, const struct oh_profile *p, const struct oh_place *pl)
{
	const char *file = oh_profile_string(p, pl->file);
	char name[OH_PLACE_NAME_MAX];

	oh_print_clean(to, oh_place_name(name, p, pl));
	if (pl->name == 0)
		return;
	if (*file != '\0') {
		(void)fputs("  ", to);
		oh_print_clean(to, file);
		if (pl->line != 0)
			(void)fprintf(to, ":%u", pl->line);
	} else if (pl->mapping != 0) {
		file = oh_place_module(p, pl);
		(void)fputs("  [", to);
		oh_print_clean(to, *file ? file : "?");
		(void)putc(']', to);
	}
}
