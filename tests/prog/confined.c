/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confined.c - a program that takes rights from itself and then allocates:
 * `confined HOW [PROGRAM ARGUMENT...]`.
 *
 *	deny	some system calls fail with EPERM
 *	kill	all but the few that it uses end it
 *	strict	SECCOMP_MODE_STRICT
 *	fork	no processes, but threads
 *	old	as if the kernel did not know PAGEMAP_SCAN
 *	death	no signal at the death of the parent can be asked for
 *
 * With a program to run, it takes the rights and runs that one (not kill and strict).
 * Filter by seccomp(2): linux/seccomp.h, linux/filter.h.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "prog.h"

#define JUMP_IF(number, action) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), BPF_STMT(BPF_RET | BPF_K, (action))
#define LOAD_NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define LOAD_ARGUMENT(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]))
#define UNLESS(number, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, (skip))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define EPERMITTED (SECCOMP_RET_ERRNO | EPERM)

static struct sock_filter deny[] = {
	LOAD_NUMBER,
	JUMP_IF(SYS_process_vm_readv, EPERMITTED),
	JUMP_IF(SYS_clone, EPERMITTED),
	JUMP_IF(SYS_clone3, EPERMITTED),
	JUMP_IF(SYS_unshare, EPERMITTED),
	JUMP_IF(SYS_getrandom, EPERMITTED),
	ALLOW,
};

/* Of an argument the lower half is enough. */
static struct sock_filter no_fork[] = {
	LOAD_NUMBER,
	UNLESS(SYS_clone, 3),
	LOAD_ARGUMENT(0),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_VM, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
	ALLOW,
};

static struct sock_filter no_scan[] = {
	LOAD_NUMBER,
	UNLESS(SYS_ioctl, 3),
	LOAD_ARGUMENT(1),
	JUMP_IF(0xc0606610, SECCOMP_RET_ERRNO | ENOTTY), /* PAGEMAP_SCAN */
	ALLOW,
};

static struct sock_filter no_death_signal[] = {
	LOAD_NUMBER,
	UNLESS(SYS_prctl, 3),
	LOAD_ARGUMENT(0),
	JUMP_IF(PR_SET_PDEATHSIG, EPERMITTED),
	ALLOW,
};

static struct sock_filter kill_others[] = {
	LOAD_NUMBER,
	JUMP_IF(SYS_read, SECCOMP_RET_ALLOW),
	JUMP_IF(SYS_write, SECCOMP_RET_ALLOW),
	JUMP_IF(SYS_brk, SECCOMP_RET_ALLOW),
	JUMP_IF(SYS_mmap, SECCOMP_RET_ALLOW),
	JUMP_IF(SYS_munmap, SECCOMP_RET_ALLOW),
	JUMP_IF(SYS_mremap, SECCOMP_RET_ALLOW),
	JUMP_IF(SYS_exit_group, SECCOMP_RET_ALLOW),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};

static void
install(struct sock_filter *filter, size_t bytes)
{
	struct sock_fprog p = { .len = (unsigned short)(bytes / sizeof(*filter)),
		.filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) != 0)
		_exit(77);
}

static void *kept[1000];

SITE static void
site_confined(int depth)
{
	char room[4096];

	/* Deeper than the stack was looked at before. */
	hide(room);
	if (depth > 0)
		site_confined(depth - 1);
	for (int i = 0; i < 20; i++)
		kept[depth * 20 + i] = malloc(64 + (size_t)i);
	hide(room);
}

SITE static void
site_before(void)
{
	/* Enough in the heap that SECCOMP_MODE_STRICT needs no more of it. */
	void *p[100];

	for (int i = 0; i < 100; i++)
		p[i] = malloc(64);
	for (int i = 0; i < 100; i++)
		free(p[i]);
}

int
main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";

	site_before();
	if (strcmp(how, "deny") == 0)
		install(deny, sizeof(deny));
	else if (strcmp(how, "fork") == 0)
		install(no_fork, sizeof(no_fork));
	else if (strcmp(how, "old") == 0)
		install(no_scan, sizeof(no_scan));
	else if (strcmp(how, "death") == 0)
		install(no_death_signal, sizeof(no_death_signal));
	else if (strcmp(how, "kill") == 0)
		install(kill_others, sizeof(kill_others));
	else if (strcmp(how, "strict") == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
		_exit(77);
	if (argc > 2) {
		execvp(argv[2], argv + 2);
		return 127;
	}
	if (strcmp(how, "strict") == 0) {
		for (int i = 0; i < 50; i++)
			kept[i] = malloc(64);
		say("done");
		syscall(SYS_exit, 0);
	}
	site_confined(40);
	for (int i = 0; i < 820; i++)
		free(kept[i]);
	say("done");
	return bad_count != 0 ? 98 : 0;
}
