/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lives.h - is the process still there that left something behind?
 */
#ifndef OH_TOOLS_LIVES_H
#define OH_TOOLS_LIVES_H

#include <stdint.h>
#include <sys/types.h>

enum oh_life {
	OH_LIFE_NONE,  /* no process has that number */
	OH_LIFE_OTHER, /* one has, but it began at another time: by the clock of our time namespace
			*/
	OH_LIFE_THIS,
};

/*
 * What of the process `pid` that began at `starttime`, field 22 of proc(5)'s
 * stat?  By the numbers of our own PID namespace.  Where /proc does not let us
 * see what has that number, it is taken for the one.
 */
enum oh_life oh_life_of(pid_t pid, uint64_t starttime);

/*
 * "NAMESPACE.BOOT", as the library has it in the name of a folder of its own:
 * whose numbers ours are.  "" if that cannot be known, as with the /proc of
 * another PID namespace.
 */
#define OH_LIVES_WHOSE 40
const char *oh_lives_whose(void);

#endif
