/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preloaded.c - is our own library in this very process?
 */
#include "tools/preloaded.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/mem.h"
#include "tools/print.h"

void
oh_preloaded_start_again(int argc, char **argv)
{
	static char self[] = "otheap";
	const char *old = getenv("LD_PRELOAD");
	char *copy = old != NULL ? strdup(old) : NULL, *save = NULL, *kept, **args;
	bool found = false;

	if (copy == NULL)
		return;
	kept = oh_xcalloc(strlen(copy) + 2, 1);
	for (char *one = strtok_r(copy, ": ", &save); one != NULL;
	     one = strtok_r(NULL, ": ", &save)) {
		if (strcmp(oh_base_name(one), "libotheap.so") == 0) {
			found = true;
			continue;
		}
		if (*kept != '\0')
			(void)strcat(kept, ":");
		(void)strcat(kept, one);
	}
	if (found) {
		if (*kept != '\0')
			(void)setenv("LD_PRELOAD", kept, 1);
		else
			(void)unsetenv("LD_PRELOAD");
		args = oh_xcalloc((size_t)argc + 2, sizeof(*args));
		args[0] = self;
		memcpy(args + 1, argv, (size_t)argc * sizeof(*args));
		(void)execv("/proc/self/exe", args);
		free(args);
	}
	free(kept);
	free(copy);
}
