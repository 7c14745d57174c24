/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiting.c - threads of the program that wait in our code.
 *
 * Beside the registers the kernel keeps for a thread where its alternate
 * signal stack is, which is often a block that nothing else points to.
 *
 * Memory ordering
 *	[T1] waiting: counted up with release after the registers are in
 *	     memory, loaded with acquire by the worker before it makes a copy
 *	     of that memory; counted down with acq_rel before they change.
 */
#include "preload/waiting.h"

#include <signal.h>

#include "core/atomic.h"
#include "core/base.h"
#include "core/sys.h"
#include "preload/lifecycle.h"

struct spilled {
	uint64_t rbx, rbp, r12, r13, r14, r15;
	stack_t signal_stack;
};

static uint32_t waiting;  /* [T1] */
static uintptr_t main_sp; /* relaxed: read after `waiting` */

OH_NOINLINE void
oh_wait(void (*fn)(void *arg), void *arg)
{
	struct spilled s = { 0 };

	__asm__ volatile("movq %%rbx, 0(%0)\n\t"
			 "movq %%rbp, 8(%0)\n\t"
			 "movq %%r12, 16(%0)\n\t"
			 "movq %%r13, 24(%0)\n\t"
			 "movq %%r14, 32(%0)\n\t"
			 "movq %%r15, 40(%0)\n\t"
			 :
			 : "r"(&s)
			 : "memory");
	if (oh_config.leak_check != OH_LEAK_CHECK_NEVER)
		(void)OH_SYS(sigaltstack, 0, &s.signal_stack, 0, 0, 0, 0);
	bool first = oh_sys_gettid() == oh_sys_getpid();
	if (first)
		oh_store_relaxed(&main_sp, (uintptr_t)&s);
	(void)oh_add_acq_rel(&waiting, 1); /* [T1] */
	fn(arg);
	(void)oh_add_acq_rel(&waiting, UINT32_MAX); /* [T1] */
	if (first)
		oh_store_relaxed(&main_sp, 0);
	__asm__ volatile("" : : "r"(&s) : "memory");
}

void
oh_waiting(uint32_t *ret_count, uintptr_t *ret_main_sp)
{
	*ret_count = oh_load_acquire(&waiting); /* [T1] */
	*ret_main_sp = *ret_count == 0 ? 0 : oh_load_relaxed(&main_sp);
}

void
oh_waiting_after_fork(void)
{
	oh_store_relaxed(&waiting, 0);
	oh_store_relaxed(&main_sp, 0);
}
