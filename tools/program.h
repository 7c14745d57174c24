/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.h - can this program be profiled by a preloaded library?
 */
#ifndef OH_TOOLS_PROGRAM_H
#define OH_TOOLS_PROGRAM_H

#include <limits.h>

#include "tools/mem.h"

struct oh_program {
	char script[PATH_MAX]; /* the script that was asked for; "" = it is none */
	char path[PATH_MAX];   /* the program, or the one that runs the script */
	char interp[256];      /* its loader; "" = statically linked */
	bool more_rights;      /* setuid, setgid or capabilities that count for us */
	char allocator[32];    /* function of an allocator that is linked in; "" = none */
	char needed[64];       /* library of another allocator that it names; "" = none */
	char build_id[129];    /* in hexadecimal; "" = none */
	bool x86_64, symbols, debug, separate_debug;
};

/*
 * Find a program as execvp(3) would.  Returns 0, or ENOENT, EACCES or another
 * reason why it cannot be run.
 */
int oh_program_find(const char *name, char ret_path[PATH_MAX]);

/*
 * Look into the file at `path`; for a script, at what runs it.  False: err
 * says why that cannot be done.
 */
bool oh_program_read(const char *path, struct oh_program *p, struct oh_error *err);

/* Why preloading cannot reach it, to follow "PROGRAM "; NULL if it can. */
const char *oh_program_obstacle(const struct oh_program *p, char buf[256]);

#endif
