/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stackmem.c - how far may a stack be read without a fault?
 *
 * Shape	[stack_lo, stack_top) of a thread is memory that was readable
 *	without a gap when it was first needed.  stack_top is the thread
 *	control block, which glibc puts at the top of the stack of every thread
 *	it starts, also of stacks that the program brought; for the first
 *	thread it is the argument vector.  A thread never unmaps its own stack
 *	under itself, so what was readable stays so.  A stack that is not
 *	joined to stack_top without a gap is foreign, and asked for each time.
 *
 * How it is asked	rt_sigprocmask with a `how` that does not exist: the kernel
 *	first copies the signal set from the address, -EFAULT if it cannot,
 *	and only then refuses, -EINVAL.  Nothing is changed.  Every sandbox
 *	lets this call through, for the C library needs it.
 *	Tried: pthread_getattr_np, which allocates while it holds a lock that a
 *	thread inside it already holds (a deadlock when it is called from a
 *	malloc hook); mincore, which answers yes for guard pages;
 *	process_vm_readv, one call for many pages, but a call that a sandbox
 *	may answer by killing the process.
 *	Where the program has confined itself no question is asked: a thread's
 *	own stack is trusted up to OWN_STACK_TRUSTED, and a foreign one is not
 *	read.
 */
#include "core/stackmem.h"

#include "core/base.h"
#include "core/sys.h"

#define PAGE ((uintptr_t)4096)
#define FOREIGN_PAGES 16u
#define OWN_STACK_MOST ((uintptr_t)64 << 20) /* farther from the top it is another stack */
#define OWN_STACK_TRUSTED ((uintptr_t)1 << 20)

/* Are the eight bytes at `addr` readable?  -EINVAL yes, -EFAULT no, else unknown. */
static long
probe(uintptr_t addr)
{
	enum { NO_SUCH_HOW = -1 };

	return oh_sys_forbidden() ? -EPERM : OH_SYS(rt_sigprocmask, NO_SUCH_HOW, addr, 0, 8, 0, 0);
}

/*
 * Where do readable pages that start at `from` end?  Looks no farther than
 * `to`.  Sets *ret_unknown where the kernel does not answer.
 */
static uintptr_t
readable_until(uintptr_t from, uintptr_t to, bool *ret_unknown)
{
	for (uintptr_t page = from & ~(PAGE - 1); page < to; page += PAGE) {
		long answer = probe(page);
		if (answer == -EINVAL)
			continue;
		*ret_unknown |= answer != -EFAULT;
		return page > from ? page : from;
	}
	return to;
}

uintptr_t
oh_stackmem_limit(struct oh_thread *t, uintptr_t sp)
{
	bool unknown = false;

	if (OH_LIKELY(sp >= t->stack_lo && sp < t->stack_top))
		return t->stack_top;
	if (t->stack_top == 0) {
		t->stack_top = (uintptr_t)__builtin_thread_pointer();
		t->stack_lo = t->stack_top;
	}
	if (sp < t->stack_lo && t->stack_top - sp <= OWN_STACK_MOST) {
		if (readable_until(sp, t->stack_lo, &unknown) >= t->stack_lo) {
			t->stack_lo = sp;
			return t->stack_top;
		}
		if (unknown)
			return t->stack_top - sp <= OWN_STACK_TRUSTED ? t->stack_top : sp;
	}
	uintptr_t end = readable_until(sp, (sp & ~(PAGE - 1)) + FOREIGN_PAGES * PAGE, &unknown);
	/* At the end of the address space the sum wraps. */
	return unknown || end < sp ? sp : end;
}

void
oh_stackmem_main(struct oh_thread *t, uintptr_t top)
{
	t->stack_top = top & ~(uintptr_t)7;
	t->stack_lo = t->stack_top;
}
