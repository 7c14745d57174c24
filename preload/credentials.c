/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials.c - whose rights does the worker write with?
 *
 * /proc/self/status describes the first thread of the process (proc(5)):
 * lines `Uid:` and `Gid:` with the real, effective, saved and file system id,
 * and `Groups:` with a list.
 */
#include "preload/credentials.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>

#include "core/base.h"
#include "core/sys.h"

#define GROUPS_MAX 64

/* The numbers after `key` at the start of a line; returns how many. */
static unsigned
numbers(const char *text, const char *key, uint32_t *ret, unsigned most)
{
	const char *p = strstr(text, key);
	unsigned n = 0;

	if (p == NULL)
		return 0;
	p += strlen(key);
	while (n < most) {
		while (*p == ' ' || *p == '\t')
			p++;
		if (*p < '0' || *p > '9')
			break;
		uint32_t v = 0;
		while (*p >= '0' && *p <= '9')
			v = v * 10 + (uint32_t)(*p++ - '0');
		ret[n++] = v;
	}
	return n;
}

void
oh_credentials_follow(void)
{
	static char text[8192]; /* one worker at a time */
	uint32_t uid[4], gid[4], groups[GROUPS_MAX];
	size_t len = 0;
	long got;

	long fd = oh_sys_openat(AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	while (len < sizeof(text) - 1 &&
	       (got = oh_sys_read((int)fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)got;
	(void)oh_sys_close((int)fd);
	text[len] = '\0';
	if (numbers(text, "\nUid:", uid, 4) != 4 || numbers(text, "\nGid:", gid, 4) != 4)
		return;
	if ((uint32_t)OH_SYS(geteuid, 0, 0, 0, 0, 0, 0) == uid[1] &&
	    (uint32_t)OH_SYS(getegid, 0, 0, 0, 0, 0, 0) == gid[1])
		return;
	unsigned n = numbers(text, "\nGroups:", groups, GROUPS_MAX);
	/* Groups first: without root they can no longer be changed. */
	(void)OH_SYS(setgroups, n, groups, 0, 0, 0, 0);
	(void)OH_SYS(setresgid, gid[0], gid[1], gid[2], 0, 0, 0);
	(void)OH_SYS(setresuid, uid[0], uid[1], uid[2], 0, 0, 0);
}
