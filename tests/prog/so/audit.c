/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c - an auditor for the loader, which wants to know of everything (rtld-audit(7)). */
#include <link.h>
#include <stdlib.h>

unsigned
la_version(unsigned version)
{
	free(malloc(100));
	return version;
}

unsigned
la_objopen(struct link_map *map, Lmid_t lmid, uintptr_t *cookie)
{
	(void)map;
	(void)lmid;
	(void)cookie;
	return LA_FLG_BINDTO | LA_FLG_BINDFROM;
}
