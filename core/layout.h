/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.h - what the tables look like in memory.
 *
 * Both sides include it: the modules of core/ that own the tables, and the
 * command, which reads them from outside while the program runs.  It says
 * where things are; what they mean, who may write them and in which order
 * stands in the header and the source of their module.
 *
 * How the tables are found: a note of the library (PT_NOTE, name
 * OH_NOTE_NAME, type OH_NOTE_ROOT) holds one 64-bit word, the distance from
 * that word to oh_root, which names everything else.
 *
 * Whoever changes anything here that a reader can see adds one to
 * OH_LAYOUT_VERSION.  The sizes, which a reader compares as well, catch most
 * of what is forgotten.
 *
 * A reader outside sees memory while it changes: every id, count and length
 * is checked before it is used (tools/tables.c).
 */
#ifndef OH_CORE_LAYOUT_H
#define OH_CORE_LAYOUT_H

#include <stdint.h>

#include "core/base.h"

#define OH_LAYOUT_VERSION 2u
#define OH_LAYOUT_MAGIC "otheap\r\n" /* eight bytes, without the NUL */

#define OH_NOTE_NAME "otheap"
#define OH_NOTE_ROOT 1u

#define OH_ARENA_UNIT 16 /* bytes; an id is an offset in the arena by this */

/* ---- stacks.c: call stacks and the allocation sites on each -------------------------- */

#define OH_LG_STACK_BUCKETS 14
#define OH_SITE_CLASS_KEY (UINT64_C(1) << 63) /* this size key is a class, not a size */

/*
 * An allocation site: one stack, one size (or a class of sizes), one thread
 * label.  The sums are of weights, so they are estimates.
 */
struct oh_site {
	uint32_t next;     /* on the same stack; constant once linked */
	uint32_t stack;    /* id */
	uint64_t size_key; /* bytes, or a class: see stacks.c */
	uint32_t thread_name;
	uint32_t index;          /* 0, 1, 2... in order of appearance */
	uint64_t samples;        /* relaxed: statistics, as are the sums */
	uint64_t objects, bytes; /* bits of a double */
	uint32_t lives;          /* [S3] id of struct oh_lives; 0 = none was long */
	uint32_t pad;
};

/*
 * How long the sampled blocks of a site had lived that were freed: count[i] of
 * them OH_LIFE_LEAST_MS << i ms or longer, and shorter than the next; the last
 * has no end, and those that were shorter than the first are not counted.
 */
#define OH_LIFE_LEAST_MS 40u
#define OH_LIFE_BINS 24u /* from 3.9 days on all are one */

struct oh_lives {
	uint32_t count[OH_LIFE_BINS]; /* relaxed */
};

struct oh_stack {
	uint32_t next; /* in the same bucket; constant once linked */
	uint32_t hash;
	uint32_t depth;
	uint32_t sites; /* newest first */
	oh_frame frames[];
};

struct oh_stack_table {
	uint32_t site_count; /* relaxed */
	uint32_t pad[3];
	uint32_t bucket[1u << OH_LG_STACK_BUCKETS]; /* [S1] */
};

/* ---- live.c: records of sampled blocks that live -------------------------------------- */

#define OH_LIVE_SLOTS 7u
#define OH_LIVE_KEY_FREE 0u
#define OH_LIVE_KEY_BUSY 1u
#define OH_LIVE_LG_FIRST 9     /* buckets of the first level: 128 KiB, 3584 slots */
#define OH_LIVE_LEVELS_MAX 18u /* the last is 16 GiB */

struct oh_live_slot {
	uint64_t size_bytes, weight_bits;
	uint32_t site, birth_cs;
};

struct oh_live_bucket {
	uint32_t overflow;           /* [L3] */
	uint32_t seq;                /* [L2] */
	uint64_t key[OH_LIVE_SLOTS]; /* [L1] */
	struct oh_live_slot slot[OH_LIVE_SLOTS];
	uint64_t pad[3];
};
_Static_assert(sizeof(struct oh_live_bucket) == 256, "four cache lines");

struct oh_live_table {
	uint64_t count;                     /* relaxed */
	uint32_t level_count;               /* [L3] */
	uint32_t growing;                   /* 1 while a thread adds a level */
	uint32_t level[OH_LIVE_LEVELS_MAX]; /* arena ids */
};

/* ---- modules.c: files that frames lie in ------------------------------------------------ */

#define OH_MODULES_MAX 4095
#define OH_BUILD_ID_MAX 32

/* The table is OH_MODULES_MAX ids of these, filled without gaps. */
struct oh_module {
	uint64_t start, limit; /* page aligned, [start, limit) */
	uint64_t offset;       /* of the file, at `start` */
	uintptr_t map_start;   /* of the whole file; with link_map, who it is */
	const void *link_map;
	uint32_t generation; /* oh_modules_generation when last seen; relaxed */
	uint32_t build_id_len;
	uint8_t build_id[OH_BUILD_ID_MAX];
	char path[]; /* absolute, or "[vdso]" */
};

/* ---- thread.c: threads and exact totals ------------------------------------------------- */

/*
 * The thread-local words.  Written by their own thread only; `totals_seq` is
 * odd while `bytes_base`, `drawn` and `countdown` disagree, for those who read
 * them from outside.
 */
struct oh_thread {
	/* The hot path: see preload/hot.h. */
	uint64_t countdown; /* bytes until the next sample; borrows = slow path */
	uint64_t calls;     /* allocations of the fast and slow path */

	/* The slow path. */
	uint64_t drawn;      /* what countdown started from */
	uint64_t bytes_base; /* bytes allocated before `drawn` was drawn */
	uint32_t totals_seq;
	uint32_t record; /* arena id of our record; 0 = not registered yet */
	uint64_t rng;
	uint8_t busy; /* inside the profiler: do not sample, do not recurse */
	uint8_t registered;
	uint8_t exits; /* how often the thread-exit hook ran */
	uint8_t own;   /* a thread of ours: never counted */
	uint32_t name; /* index of the thread's label; 0 = none */

	/* core/stackmem.c: the part of the stack known to be readable. */
	uintptr_t stack_lo, stack_top;
};

struct oh_thread_record {
	uint32_t next;                   /* list of all records; constant once linked */
	uint32_t next_free;              /* free list */
	struct oh_thread *self;          /* [T2]; NULL = nobody */
	uint32_t looks;                  /* [T2] odd while the worker looks at `self` */
	uint32_t moves;                  /* [T5] odd while a thread's totals move to the past */
	uint64_t bytes, calls;           /* as last published by the thread; relaxed */
	uint64_t past_bytes, past_calls; /* [T5] of threads that ended */
};

/* How the table of threads begins. */
struct oh_thread_table {
	uint64_t free_head;              /* [T3] tag << 32 | id */
	uint64_t late_bytes, late_calls; /* of threads without a record; relaxed sums */
	uint32_t head;                   /* [T1] */
};

/* ---- the root ------------------------------------------------------------------------------ */

enum oh_root_state {
	OH_ROOT_NOT_YET, /* the program has not reached our constructor */
	OH_ROOT_ON,
	OH_ROOT_OFF, /* nothing is recorded, and nothing will be */
};

/* Sizes that a reader compares with its own: what it was compiled with. */
enum {
	OH_ROOT_SIZE_SITE,
	OH_ROOT_SIZE_STACK,
	OH_ROOT_SIZE_STACK_TABLE,
	OH_ROOT_SIZE_LIVE_TABLE,
	OH_ROOT_SIZE_MODULE,
	OH_ROOT_SIZE_THREAD,
	OH_ROOT_SIZE_THREAD_RECORD,
	OH_ROOT_SIZE_THREAD_TABLE,
	OH_ROOT_SIZES
};
#define OH_ROOT_SIZES_INIT \
	{ \
		sizeof(struct oh_site), sizeof(struct oh_stack), sizeof(struct oh_stack_table), \
		    sizeof(struct oh_live_table), sizeof(struct oh_module), \
		    sizeof(struct oh_thread), sizeof(struct oh_thread_record), \
		    sizeof(struct oh_thread_table), \
	}

/*
 * One in each process, in the library's own data.  magic, version, bytes and
 * sizes are constant; the tables' words are set while the library starts,
 * before `state` becomes OH_ROOT_ON (in memory order, as x86-64 keeps it).
 */
struct oh_root {
	char magic[8];
	uint32_t version; /* OH_LAYOUT_VERSION */
	uint32_t bytes;   /* of this struct */
	uint32_t sizes[OH_ROOT_SIZES];
	uint32_t drop_count; /* OH_DROP_COUNT of drops.h */
	uint32_t state;      /* enum oh_root_state; relaxed */
	char release[16];    /* of the library, for messages */

	uint64_t interval_bytes;  /* mean bytes between samples */
	int64_t start_ns;         /* CLOCK_MONOTONIC; with the arena, who this is */
	uint64_t samples;         /* taken since the start or fork; relaxed */
	uint64_t drops_at;        /* address of drop_count 64-bit counters */
	uint64_t arena_base;      /* address; see arena.c for these */
	uint64_t arena_cap;       /* bytes */
	uint64_t arena_used;      /* bytes; relaxed */
	uint64_t arena_committed; /* bytes made usable; relaxed */

	uint32_t threads; /* ids of the tables; 0 = not made */
	uint32_t stacks;
	uint32_t live;
	uint32_t modules;

	uint32_t stopped; /* 1 = new allocations are not recorded at present; relaxed */
	/*
	 * OH_ROOT_SIGNAL + the signal that asks for a profile now, + 0 if there is
	 * none or the program has it; relaxed.  0 = not known.
	 */
	uint32_t signal;
};

#define OH_ROOT_SIGNAL 256u

extern OH_HIDDEN struct oh_root oh_root;

#endif
