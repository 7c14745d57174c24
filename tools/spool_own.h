/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool_own.h - what programs keep in the spool for themselves: leaks/.
 */
#ifndef OH_TOOLS_SPOOL_OWN_H
#define OH_TOOLS_SPOOL_OWN_H

#include "tools/spool.h"

/*
 * Remove what programs have left there that are no more.  Returns how many
 * folders of such are too young for that yet.  For who holds the lock.
 */
size_t oh_spool_sweep(const struct oh_spool *s);

#endif
