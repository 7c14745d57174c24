/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.c - a program in C that loads plugins: `host [deep|global] FILE...`
 *
 * For each file calls plugin_run(), if there is one, and says what it returned.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "prog.h"

int
main(int argc, char **argv)
{
	int flags = RTLD_NOW | RTLD_LOCAL;

	for (int i = 1; i < argc; i++) {
		int (*run)(void);
		if (strcmp(argv[i], "deep") == 0) {
			flags = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
			continue;
		}
		if (strcmp(argv[i], "global") == 0) {
			flags = RTLD_NOW | RTLD_GLOBAL;
			continue;
		}
		void *handle = dlopen(argv[i], flags);
		if (handle == NULL) {
			say("bad %s", dlerror());
			return 1;
		}
		*(void **)&run = dlsym(handle, "plugin_run");
		int result = run != NULL ? run() : -1;
		say("%s %d", strrchr(argv[i], '/') + 1, result);
		CHECK(result == 0);
		CHECK(dlclose(handle) == 0);
	}
	return bad_count != 0;
}
