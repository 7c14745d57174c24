/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stackmem.h - how far may a stack be read without a fault?
 *
 * The unwinder follows rules that may be wrong, on stacks that may be a
 * thread's, a signal's or a fiber's.  It asks here before it looks.
 */
#ifndef OH_CORE_STACKMEM_H
#define OH_CORE_STACKMEM_H

#include <stdint.h>

#include "core/thread.h"

/*
 * The end (exclusive) of readable memory that starts at `sp`, a stack pointer
 * of the calling thread; `sp` itself if nothing can be read.
 *
 * On the thread's own stack this is its top, and costs a comparison once the
 * stack was that deep before.  On any other stack (signal, fiber) it is what
 * the kernel vouches for now, at most 64 KiB on, at the cost of a system call.
 *
 * The calling thread only; also from a signal handler.
 */
uintptr_t oh_stackmem_limit(struct oh_thread *t, uintptr_t sp);

/* The calling thread is the process's first, and its stack ends at `top`. */
void oh_stackmem_main(struct oh_thread *t, uintptr_t top);

#endif
