/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threadname.h - the labels of threads: one small number per distinct name.
 */
#ifndef OH_CORE_THREADNAME_H
#define OH_CORE_THREADNAME_H

#include <stdint.h>

#define OH_THREAD_NAMES_MAX 256

/*
 * The number of the calling thread's name as the kernel has it now; 0 when
 * there is no room for another.  Makes a system call; no lock.
 */
uint32_t oh_thread_name_current(void);

/* All names by number; [0] is "".  Grows, never changes. */
const char *const *oh_thread_names(uint32_t *ret_count);

#endif
