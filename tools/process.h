/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.h - a running process, as /proc shows it.
 */
#ifndef OH_TOOLS_PROCESS_H
#define OH_TOOLS_PROCESS_H

#include <limits.h>
#include <sys/types.h>

#include "tools/mem.h"

struct oh_process {
	pid_t pid;       /* as we see it; of a thread, that of its process */
	pid_t inner_pid; /* in its own PID namespace: the one in file names */
	uid_t uid;
	char name[64];
	char state;               /* R, S, D, T, t, Z, ... as in proc(5) */
	int seccomp;              /* 0 = none, 1 = strict, 2 = a filter */
	uint64_t caught, ignored; /* bit N - 1: signal N */
	int pidfd;                /* -1 = the kernel has none */

	char root[32];          /* before paths of its own: "" or /proc/PID/root */
	char exe[PATH_MAX];     /* "" = not to be seen */
	char cwd[PATH_MAX];     /* the same */
	char library[PATH_MAX]; /* libotheap.so that is mapped; "" = none */
	uint64_t library_at;    /* where its file begins in memory */
	char **envp;            /* what it was started with; NULL = not to be seen */
	char *env_text;         /* for envp */
};

/* A process ID: digits only, within range. */
bool oh_process_parse(const char *text, pid_t *ret_pid);

/*
 * Look at a process.  Cheap things first, and those that every user may see:
 * false, with err, if there is no such process or it has ended.  The fields
 * from `root` on are empty where we have not the right to see them.
 * In any case oh_process_close() it.
 */
bool oh_process_open(pid_t pid, struct oh_process *p, struct oh_error *err);
void oh_process_close(struct oh_process *p);

/* A program that is running. */
struct oh_process_match {
	pid_t pid;
	bool has_library;
	char command[120]; /* its arguments, as far as they fit */
};

/*
 * The processes of ours (of anybody, for root) whose program has this name:
 * that of its file, of the process, or of its first argument, without folders.
 * Returns their number; free *ret.
 */
size_t oh_process_find(const char *name, struct oh_process_match **ret);

/* Each of these: true, or false and err says what is in the way, without the pid. */
bool oh_process_is_ours(const struct oh_process *p, struct oh_error *err);
bool oh_process_has_library(const struct oh_process *p, struct oh_error *err);
/* *ret_signal: the signal it takes for a request, which is safe to send now. */
bool oh_process_listens(const struct oh_process *p, int *ret_signal, struct oh_error *err);

/*
 * Send a signal to exactly this process, with a value as sigqueue(3) gives it
 * unless that is 0.  0, or an error number.
 */
int oh_process_signal(const struct oh_process *p, int signal, int value);

/* Is it still there, and no zombie? */
bool oh_process_lives(const struct oh_process *p);

/*
 * The i-th folder, from 0, where it may write its profiles, as a path for us.
 * False: there is no such.
 */
bool oh_process_folder(const struct oh_process *p, size_t i, char ret_path[PATH_MAX]);

#endif
