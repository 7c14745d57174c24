/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library.h - where is libotheap.so, and how does it get into a program?
 */
#ifndef OH_TOOLS_LIBRARY_H
#define OH_TOOLS_LIBRARY_H

#include <limits.h>

#include "tools/mem.h"

#define OH_LIBRARY_NAME "libotheap.so"

/*
 * The path of the library, absolute, into ret_path: `given` if that is not
 * NULL, else beside the command's own file or in ../lib, ../lib64 and
 * ../lib/x86_64-linux-gnu from there.  False: err says why and what to do.
 */
bool oh_library_find(const char *given, char ret_path[PATH_MAX], struct oh_error *err);

/*
 * What LD_PRELOAD must be for the library to come first and what was there
 * (`before`, may be NULL) to follow.  Free it.
 */
char *oh_library_preload(const char *path, const char *before);

#endif
