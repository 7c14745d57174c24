/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool.h - the folder between the programs that write profiles and the agent
 * that sends them.
 *
 *	NAME.pb.gz                a profile that waits, put there by a rename
 *	PID.STARTTIME.process     a program that may still write some; STARTTIME is
 *	                          field 22 of /proc/PID/stat
 *	sent/PID.START.KEY.pb.gz  the last one of a program that was sent: what the
 *	                          next one of it is the difference to
 *	refused/NAME.pb.gz        what the collector would not take, and what is no profile
 *	leaks/OWNER/NAME.pb.gz    second links for the leak report of a program, which
 *	                          removes them at its end; OWNER is
 *	                          PID.STARTTIME.NAMESPACE.BOOT (spool_own.h)
 *	agent.lock                held by the agent of this folder
 *	agent.state               what the agent has done so far (agent_state.h)
 *
 * A profile changes its state by one rename, so whenever the agent ends, each
 * one is waiting, or sent, or refused: a waiting one is sent (again) by the
 * next agent, as difference to the same predecessor, and so with the same id.
 *
 * One process holds the lock and calls these; others add files meanwhile.
 */
#ifndef OH_TOOLS_SPOOL_H
#define OH_TOOLS_SPOOL_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base.h"
#include "tools/mem.h"
#include "tools/profile.h"

struct oh_spool_file {
	char *name;
	uint64_t bytes;
	int64_t time_ns; /* Unix time it was written */
};

struct oh_spool {
	char path[PATH_MAX];
	int dir, lock; /* descriptors; -1 = none */

	/* As oh_spool_scan() found them, the oldest first. */
	struct oh_spool_file *files;
	size_t count, cap;
	uint64_t bytes; /* of those */
	size_t markers; /* programs that live */
	size_t held;    /* the first that many files are being sent */
};

/*
 * One file, as against another that got the same name later: where OTHEAP_FILE
 * has no %n, each profile of a program replaces the one before, also while
 * that is being sent.
 */
struct oh_spool_stamp {
	uint64_t inode; /* 0 = none */
	int64_t time_ns;
	int fd; /* open on it, so that it can be read again; -1 = not */
};

/* Close it.  A stamp without a file is left alone. */
void oh_spool_let_go(struct oh_spool_stamp *stamp);

/* What those times are compared with: Unix time. */
int64_t oh_spool_now_ns(void);

struct oh_spool_limits {
	uint64_t max_bytes; /* of waiting, sent and refused profiles together */
	int64_t max_age_ns; /* of each; 0 = any */
};

/* What oh_spool_trim() did away with, added to what is there. */
struct oh_spool_losses {
	uint64_t by_size, by_age, bytes;
	uint64_t refused; /* of those that were refused before */
};

/*
 * Open the folder; with `create`, make it and its subfolders where they are
 * missing (mode 0700).  False with *err.  oh_spool_close() in any case.
 */
bool oh_spool_open(struct oh_spool *s, const char *path, bool create, struct oh_error *err);
void oh_spool_close(struct oh_spool *s);

/* Be the agent of this folder: 1 = we are, 0 = another one is, -1 = *err. */
int oh_spool_lock(struct oh_spool *s, struct oh_error *err);
void oh_spool_unlock(struct oh_spool *s);
/* Does anybody hold it? */
bool oh_spool_is_locked(const struct oh_spool *s);

/* Is told of each program that lives, by its marker. */
typedef void (*oh_spool_note)(void *arg, pid_t pid, uint64_t starttime);

/*
 * Look what is there.  Who holds the lock also removes the markers of programs
 * that have ended, and what a program left unfinished.  note may be NULL.
 */
void oh_spool_scan(struct oh_spool *s, oh_spool_note note, void *arg);

/* Remove what is beyond the limits: first what was refused, then the oldest that is not held. */
void oh_spool_trim(
    struct oh_spool *s, const struct oh_spool_limits *limits, struct oh_spool_losses *losses);

/*
 * Read a waiting file: `*ret_len` bytes to free(), or NULL with *err.  Refuses
 * what is no ordinary file and what is larger than max_bytes.  *ret_stamp is
 * which file it was, in any case; oh_spool_let_go() it.  oh_spool_open_file()
 * reads nothing yet: the stamp has the descriptor.
 */
bool oh_spool_open_file(const struct oh_spool *s, const char *name, uint64_t max_bytes,
    struct oh_spool_stamp *ret_stamp, struct oh_error *err);
uint8_t *oh_spool_read(const struct oh_spool *s, const char *name, uint64_t max_bytes,
    size_t *ret_len, struct oh_spool_stamp *ret_stamp, struct oh_error *err);

/*
 * A waiting file was refused.  Another one that has taken its name meanwhile
 * stays.  False if it is still there and cannot be moved nor removed.
 */
bool oh_spool_refuse(struct oh_spool *s, const char *name, const struct oh_spool_stamp *stamp);

/* ---- what was sent last of a program --------------------------------------------------- */

/* Who wrote a profile, as far as it tells. */
struct oh_spool_origin {
	bool known; /* it is one of otheap's */
	bool last;  /* written at the end of the program */
	uint64_t pid;
	/* The number by which it names itself; else the Unix time it started, by its clocks. */
	int64_t start_ms;
	uint32_t key; /* of the program's name */
};

void oh_spool_origin(struct oh_spool_origin *ret, const struct oh_profile *p);

/* Path below the folder of the last one sent of that program; false if there is none. */
bool oh_spool_previous(
    const struct oh_spool *s, const struct oh_spool_origin *origin, char ret[NAME_MAX + 1]);

/*
 * A waiting file has been delivered: it becomes the last one sent of its
 * program, or goes if the program needs none.  Another file that has taken its
 * name meanwhile stays, and what was delivered is written anew.  Of an agent
 * that is killed between delivery and this, what was allocated up to then may
 * be sent again with that other file; with names that have a number it cannot.
 * False as above.
 */
bool oh_spool_sent(struct oh_spool *s, const char *name, const struct oh_spool_stamp *stamp,
    const struct oh_spool_origin *origin);

/* Is this the name of a profile, as against a temporary file, a marker or ours? */
bool oh_spool_is_profile(const char *name);

#endif
