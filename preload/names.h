/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.h - what is this function called, as far as it can be told inside the
 * program?
 */
#ifndef OH_PRELOAD_NAMES_H
#define OH_PRELOAD_NAMES_H

#include <stddef.h>
#include <stdint.h>

/*
 * The name of the function at `pc` by the dynamic symbol table of its file, as
 * it is there (C++ names are mangled), into `ret`, cut to fit.  Returns the
 * offset of pc in it, or UINT64_MAX and "" if none is known: functions that are
 * not exported have no name there.
 *
 * Reads through the kernel, so a file that is unloaded meanwhile does no harm.
 * The worker only; slow.
 */
uint64_t oh_name_of(uintptr_t pc, char *ret, size_t room);

#endif
