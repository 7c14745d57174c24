/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox.c - has the program confined itself?
 *
 * A program that puts a seccomp filter on itself expects its own system calls
 * and no others; the answer to others is often the end of the process (sshd,
 * browsers) or an error that nobody foresaw (man, file).  So its two ways of
 * doing so are watched, prctl(2) and seccomp(2) by way of syscall(2), and from
 * then on we make no calls of our own: sampling goes on in the memory that is
 * there, and no profile is written (OH_DROP_DUMP_SANDBOXED).
 *
 * A filter that was there before the program started (a container, a service
 * manager) was made for programs of all kinds, and is not seen here.
 *
 * syscall() is one jump for all other calls, written by hand: it is variadic,
 * and a compiler that hands the seventh argument on also writes to where it
 * would be, in the frame of a caller that passed fewer.
 */
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "core/sys.h"
#include "preload/next.h"

OH_EXPORT int entry_prctl(
    int op, unsigned long a, unsigned long b, unsigned long c, unsigned long d) __asm__("prctl");
OH_EXPORT long entry_syscall(void) __asm__("syscall");
OH_HIDDEN long oh_sandbox_syscall(long n, long a, long b, long c, long d, long e);

static bool
confines(long n, long a)
{
	if (n == SYS_seccomp)
		return a == SECCOMP_SET_MODE_STRICT || a == SECCOMP_SET_MODE_FILTER;
	return n == SYS_prctl && a == PR_SET_SECCOMP;
}

OH_EXPORT int
entry_prctl(int op, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	if (OH_LIKELY(op != PR_SET_SECCOMP))
		return oh_next.prctl(op, a, b, c, d);

	/* Before it is in force, as then every call may be the last. */
	bool before = oh_sys_forbidden();
	oh_sys_forbid(true);
	int rc = oh_next.prctl(op, a, b, c, d);
	if (rc != 0)
		oh_sys_forbid(before);
	return rc;
}

/* seccomp and prctl: neither has as many as six arguments. */
long
oh_sandbox_syscall(long n, long a, long b, long c, long d, long e)
{
	bool before = oh_sys_forbidden();

	if (confines(n, a))
		oh_sys_forbid(true);
	long rc = oh_next.syscall(n, a, b, c, d, e, 0);
	if (rc < 0)
		oh_sys_forbid(before);
	return rc;
}

OH_EXPORT __attribute__((naked)) long
entry_syscall(void)
{
	__asm__("cmpq %[seccomp], %%rdi\n\t"
		"je oh_sandbox_syscall\n\t"
		"cmpq %[prctl], %%rdi\n\t"
		"je oh_sandbox_syscall\n\t"
		"jmp *%c[next]+oh_next(%%rip)"
		:
		: [seccomp] "i"(SYS_seccomp), [prctl] "i"(SYS_prctl),
		[next] "i"(offsetof(struct oh_next, syscall)));
}
