/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiting.h - threads of the program that wait in our code.
 *
 * A leak check sees the stacks of threads but not their registers.  A thread
 * that waits here has put them on its stack.
 */
#ifndef OH_PRELOAD_WAITING_H
#define OH_PRELOAD_WAITING_H

#include <stdint.h>

/* Call `fn` with all registers that it keeps for its caller in memory.  Any thread. */
void oh_wait(void (*fn)(void *arg), void *arg);

/*
 * How many are inside oh_wait() now, and where the stack of the process's
 * first thread ends if it is one of them, else 0.
 */
void oh_waiting(uint32_t *ret_count, uintptr_t *ret_main_sp);

/* In a forked child: the others are gone. */
void oh_waiting_after_fork(void);

#endif
