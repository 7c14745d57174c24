/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables.h - the library's tables, read from outside while they change.
 *
 * core/layout.h says what they look like.  Nothing here stops, signals or
 * attaches to the program; whatever its memory holds, reading ends, and takes
 * memory in proportion to OH_TABLES_MAX_BYTES at most.
 */
#ifndef OH_TOOLS_TABLES_H
#define OH_TOOLS_TABLES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base.h"
#include "core/drops.h"
#include "core/layout.h"
#include "tools/idmap.h"
#include "tools/mem.h"

#define OH_TABLES_MAX_BYTES ((uint64_t)1 << 30) /* tables that use more are not read */
#define OH_TABLES_DEPTH_MAX 1024u               /* frames of a stack; the library keeps 128 */
#define OH_TABLES_PIECES_MAX 1000u              /* pieces of one read; IOV_MAX is 1024 */

/* A piece of the other's memory. */
struct oh_piece {
	uint64_t at; /* address there */
	size_t bytes;
};

/* Where memory is read from. */
struct oh_memory {
	/*
	 * Copy the pieces, one after the other and in this order in time as well,
	 * to `to`.  Returns the number of bytes, less than all where a piece
	 * could not be read; or -errno when nothing could (ESRCH: it ended,
	 * EPERM, EFAULT: nothing is mapped there).
	 */
	ssize_t (*read)(void *arg, const struct oh_piece *pieces, size_t count, void *to);
	void *arg;
};

/* The memory of a running process, by process_vm_readv(2); arg is a pid_t *. */
ssize_t oh_memory_of_process(void *arg, const struct oh_piece *pieces, size_t count, void *to);

enum oh_tables_result {
	OH_TABLES_OK,
	OH_TABLES_ENDED,  /* there is no such process any more */
	OH_TABLES_MOVED,  /* other tables, or none, where they were: it executed a program */
	OH_TABLES_DENIED, /* the kernel does not let us read */
	OH_TABLES_BAD,    /* err says what is wrong */
};

struct oh_seen_stack {
	uint32_t id;    /* stable as long as the program runs */
	uint32_t depth; /* frames, leaf first, at frame_at of oh_tables.frames */
	uint32_t frame_at;
};

/* See struct oh_snap_site: estimates, exact at interval 1. */
struct oh_seen_site {
	uint32_t id;    /* stable as long as the program runs */
	uint32_t stack; /* index in oh_tables.stacks */
	uint64_t samples;
	double alloc_objects, alloc_bytes, live_objects, live_bytes;
};

struct oh_seen_module {
	uint64_t start, limit, offset;
	char path[4096]; /* "" = cannot be told */
	char build_id[2 * OH_BUILD_ID_MAX + 1];
};

struct oh_live_block {
	uint32_t site; /* id */
	double objects, bytes;
};

/* One look.  Zero it before the first; later ones reuse its memory. */
struct oh_tables {
	struct oh_root root;
	int64_t time_ns; /* CLOCK_MONOTONIC when the look began */

	struct oh_seen_stack *stacks;
	size_t stack_count, stack_cap;
	oh_frame *frames;
	size_t frame_count, frame_cap;
	struct oh_seen_site *sites;
	size_t site_count, site_cap;
	unsigned module_count; /* module id n is modules n - 1: oh_tables_module() */

	uint64_t total_bytes, total_calls; /* exact, all threads */
	size_t threads, threads_unsure;    /* the latter: as they last told, not as they are */
	uint64_t samples_live, own_bytes;
	uint64_t drops[OH_DROP_COUNT];
	size_t skipped; /* records and entries that did not make sense */

	/* For the reader itself. */
	uint8_t *copy; /* of the arena */
	size_t copy_len, copy_cap;
	uint64_t *seen; /* bit map of ids */
	size_t seen_cap;
	struct oh_live_block *blocks;
	size_t block_count, block_cap;
	struct oh_idmap site_ids;
};

/*
 * Find the root in the library whose ELF header is at `library_at`; *ret_root
 * is its address.
 */
enum oh_tables_result oh_tables_find(
    const struct oh_memory *m, uint64_t library_at, uint64_t *ret_root, struct oh_error *err);

/*
 * The signal that asks this process for a profile now; 0 = none does, -1 = that
 * cannot be seen.
 */
int oh_tables_signal(const struct oh_memory *m, uint64_t library_at);

/*
 * Read everything.  `root` is from oh_tables_find().  A block that comes or
 * goes meanwhile may be in it or not; no site shows more live than allocated.
 */
enum oh_tables_result oh_tables_read(
    struct oh_tables *t, const struct oh_memory *m, uint64_t root, struct oh_error *err);

/* What the last look saw of a module, 0 <= i < module_count. */
void oh_tables_module(const struct oh_tables *t, unsigned i, struct oh_seen_module *ret);

void oh_tables_free(struct oh_tables *t);

#endif
