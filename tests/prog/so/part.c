/* SPDX-License-Identifier: Apache-2.0 */
/*
 * part.c - a shared library, built several times:
 *
 *	-DSITE_NAME=f	a function f allocates, from plugin_run()
 *	-DEARLY		and from a constructor and a destructor
 *	-DTLS_BYTES=n	with that much static thread-local storage
 *	-DPAD=n		so many bytes of code before it, to shift addresses
 */
#include <stdlib.h>

#include "../prog.h"

#ifdef TLS_BYTES
static __thread char own_tls[TLS_BYTES] __attribute__((tls_model("initial-exec")));
#endif

#ifdef PAD
__asm__(".text\n.skip " PAD ", 0x90\n");
#endif

void SITE_NAME(void);
int plugin_run(void);

SITE void
SITE_NAME(void)
{
	for (int i = 0; i < 5; i++)
		free(hide(malloc(500)));
	hide(malloc(700));
}

int
plugin_run(void)
{
#ifdef TLS_BYTES
	for (size_t i = 0; i < sizeof(own_tls); i++)
		if (own_tls[i] != 0)
			return 1;
	memset(own_tls, 1, sizeof(own_tls));
#endif
	SITE_NAME();
	return 0;
}

#ifdef EARLY
__attribute__((constructor)) static void
constructor(void)
{
	SITE_NAME();
}

__attribute__((destructor)) static void
destructor(void)
{
	SITE_NAME();
}
#endif
