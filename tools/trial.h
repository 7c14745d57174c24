/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trial.h - does the library work here?  Let it.
 */
#ifndef OH_TOOLS_TRIAL_H
#define OH_TOOLS_TRIAL_H

#include <limits.h>

#include "tools/mem.h"

/*
 * Run this command itself, as a small program, with `library` in it and what
 * our environment preloads, and have it write a profile into a folder of its
 * own that is made below `folder` and removed again.
 *
 * Returns 0, or the error number for which nothing could be written in
 * `folder`; then nothing was tried.  *ret_err is empty if a profile was
 * written, else says why not and what to do.
 */
int oh_trial(const char *library, const char *folder, struct oh_error *ret_err);

#endif
