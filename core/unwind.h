/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind.h - who called us?
 */
#ifndef OH_CORE_UNWIND_H
#define OH_CORE_UNWIND_H

#include "core/base.h"
#include "core/thread.h"

/* Where a walk starts: the registers as they are in the caller. */
struct oh_regs {
	uintptr_t pc; /* return address into the caller */
	uintptr_t sp; /* rsp after that return */
	uintptr_t fp; /* rbp after that return */
};

#define OH_UNWIND_DEPTH_MAX 128

/*
 * Walk the stack from `start` and store up to `max` frames, leaf first; the
 * first is start->pc.  Return addresses are stored as they are; an address
 * that a signal interrupted is stored plus one, so that "minus one" is inside
 * the instruction for every frame alike.
 *
 * Returns the number of frames, >= 1.  Counts OH_DROP_STACK_TRUNCATED when
 * `max` was not enough and OH_DROP_STACK_BROKEN when the way to the outermost
 * frame was lost.
 *
 * The calling thread's own stack only; any thread, also in a signal handler.
 * Takes no lock of ours or of the loader's, allocates nothing.  Warm (every
 * address seen before) it makes no system call and costs some nanoseconds a
 * frame.
 */
unsigned oh_unwind(
    struct oh_thread *t, const struct oh_regs *start, oh_frame *frames, unsigned max);

#endif
