/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cxx.h - operator new and delete.
 */
#ifndef OH_PRELOAD_CXX_H
#define OH_PRELOAD_CXX_H

/* Decide who serves the operators.  Once, after the profiler is set up. */
void oh_cxx_init(void);

#endif
