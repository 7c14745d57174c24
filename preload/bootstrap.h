/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bootstrap.h - memory for callers who arrive before the allocator is found.
 */
#ifndef OH_PRELOAD_BOOTSTRAP_H
#define OH_PRELOAD_BOOTSTRAP_H

#include <stdbool.h>
#include <stddef.h>

/*
 * `n` zeroed bytes aligned to `align` (a power of two up to 4096).  NULL with
 * errno ENOMEM when the small pool is used up.  Any thread, no lock.
 */
void *oh_bootstrap_alloc(size_t n, size_t align);

/* Was any block ever handed out? */
bool oh_bootstrap_used(void);

/* Did it come from here?  Then its free is nothing, and its size is known. */
bool oh_bootstrap_owns(const void *p);
size_t oh_bootstrap_size(const void *p);

#endif
