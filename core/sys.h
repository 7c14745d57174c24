/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sys.h - raw Linux system calls.
 *
 * Answers: "how do we talk to the kernel without the host noticing?"
 * A raw call never touches errno, is no cancellation point, needs no thread
 * control block (the worker has none of glibc's) and cannot be caught by
 * another interposer.  Every function returns the kernel's answer: >= 0, or
 * -E... on failure.
 *
 * Any thread, any signal context.
 */
#ifndef OH_CORE_SYS_H
#define OH_CORE_SYS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>

static inline long
oh_syscall6(long n, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define OH_SYS(name, a, b, c, d, e, f) \
	oh_syscall6(SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* Did a call that returns an address or a count fail? */
static inline bool
oh_sys_failed(long ret)
{
	return ret < 0 && ret > -4096;
}

static inline long
oh_sys_write(int fd, const void *buf, size_t len)
{
	return OH_SYS(write, fd, buf, len, 0, 0, 0);
}

static inline long
oh_sys_read(int fd, void *buf, size_t len)
{
	return OH_SYS(read, fd, buf, len, 0, 0, 0);
}

static inline long
oh_sys_openat(int dirfd, const char *path, int flags, unsigned mode)
{
	return OH_SYS(openat, dirfd, path, flags, mode, 0, 0);
}

static inline long
oh_sys_close(int fd)
{
	return OH_SYS(close, fd, 0, 0, 0, 0, 0);
}

static inline long
oh_sys_readlink(const char *path, char *buf, size_t len)
{
	return OH_SYS(readlink, path, buf, len, 0, 0, 0);
}

static inline pid_t
oh_sys_getpid(void)
{
	return (pid_t)OH_SYS(getpid, 0, 0, 0, 0, 0, 0);
}

static inline pid_t
oh_sys_gettid(void)
{
	return (pid_t)OH_SYS(gettid, 0, 0, 0, 0, 0, 0);
}

/* The kernel's form of an action (arch x86: uapi/asm/signal.h), which glibc's is not. */
struct oh_sys_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

/* Back to the default action, whatever glibc believes.  Any signal context. */
static inline void
oh_sys_default_action(int sig)
{
	struct oh_sys_sigaction dfl = { .handler = NULL };

	(void)OH_SYS(rt_sigaction, sig, &dfl, 0, sizeof(dfl.mask), 0, 0);
}

/* The monotonic clock in ms.  Any signal context. */
static inline int64_t
oh_sys_now_ms(void)
{
	struct timespec ts = { 0 };

	(void)OH_SYS(clock_gettime, CLOCK_MONOTONIC, &ts, 0, 0, 0, 0);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Private anonymous memory; counts towards OTHEAP_TEST_FAIL_AT (see sys.c). */
long oh_sys_map(size_t len, int prot, int flags);
long oh_sys_unmap(void *addr, size_t len);
long oh_sys_protect(void *addr, size_t len, int prot);

/*
 * The program has confined itself (seccomp) and may be killed for a call that
 * its filter does not expect: from now on (`yes`) what samples makes none.
 * The functions above then fail with -EPERM.  Relaxed: it orders nothing, and
 * belongs to the thread that confines itself.
 */
void oh_sys_forbid(bool yes);
bool oh_sys_forbidden(void);

/*
 * Make the n-th of the calls above that obtains memory fail with -ENOMEM,
 * counting from 1; 0 = none.  For the failure sweep of the tests.
 */
void oh_sys_fail_at(uint64_t n);

#endif
