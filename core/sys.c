/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sys.c - memory from the kernel, with a way to make any request fail.
 */
#include "core/sys.h"

#include <sys/mman.h>

#include "core/atomic.h"

static uint64_t fail_at;  /* 0 = never; written once at start */
static uint64_t requests; /* relaxed: it orders nothing */
static bool forbidden;

static bool
must_fail(void)
{
	uint64_t at = oh_load_relaxed(&fail_at);

	return at != 0 && oh_add_relaxed(&requests, 1) + 1 == at;
}

void
oh_sys_forbid(bool yes)
{
	oh_store_relaxed(&forbidden, yes);
}

bool
oh_sys_forbidden(void)
{
	return oh_load_relaxed(&forbidden);
}

void
oh_sys_fail_at(uint64_t n)
{
	oh_store_relaxed(&requests, 0);
	oh_store_relaxed(&fail_at, n);
}

long
oh_sys_map(size_t len, int prot, int flags)
{
	if (oh_sys_forbidden())
		return -EPERM;
	if (must_fail())
		return -ENOMEM;
	return OH_SYS(mmap, 0, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

long
oh_sys_unmap(void *addr, size_t len)
{
	return OH_SYS(munmap, addr, len, 0, 0, 0, 0);
}

long
oh_sys_protect(void *addr, size_t len, int prot)
{
	if (oh_sys_forbidden())
		return -EPERM;
	if (must_fail())
		return -ENOMEM;
	return OH_SYS(mprotect, addr, len, prot, 0, 0, 0);
}
