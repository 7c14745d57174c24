/* SPDX-License-Identifier: Apache-2.0 */
/*
 * points.h - which blocks do these words point to, and what follows from it?
 *
 * The reckoning of the leak check, without the system: memory is given to it
 * as words, the contents of blocks by a function.
 */
#ifndef OH_CORE_POINTS_H
#define OH_CORE_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is said of a block. */
enum oh_leak {
	OH_LEAK_NONE,     /* a pointer to its start was found; or not looked for */
	OH_LEAK_LOST,     /* no pointer, neither to the start nor into it */
	OH_LEAK_INTERIOR, /* only pointers into it, or right behind it */
	OH_LEAK_INDIRECT, /* only from sampled blocks that are lost themselves */
	OH_LEAK_CLASSES
};

/* A sampled live block. */
struct oh_reach_block {
	uintptr_t start, end; /* end: where its last byte is, plus 1; start of an empty one */
	uint32_t site;        /* id */
	uint32_t stack;       /* id */
	uint32_t birth_cs;    /* as in its record */
	float chance;         /* of having been sampled, 1 / weight */
};

/* What is known of a block; bits of oh_points.marks[]. */
enum {
	OH_POINTS_START = 1,      /* a pointer to its start */
	OH_POINTS_INTERIOR = 2,   /* a pointer into it, or right behind it */
	OH_POINTS_HELD = 4,       /* counts as pointed to, for other reasons */
	OH_POINTS_SCANNED = 8,    /* its contents were looked at */
	OH_POINTS_TANGLED = 16,   /* overlaps another, so one of both is no block any more */
	OH_POINTS_ELSEWHERE = 32, /* its contents are looked at by the caller */
	OH_POINTS_SEEN = 64       /* in this turn; inside */
};

#define OH_POINTS_LG_FILTER 20
#define OH_POINTS_FILTER_WORDS ((size_t)1 << (OH_POINTS_LG_FILTER - 6))

struct oh_points {
	/* The caller's: */
	struct oh_reach_block *blocks; /* by start, ascending */
	uint32_t count;
	uint8_t *marks;   /* [count] */
	uint8_t *leak;    /* [count], enum oh_leak: the result */
	uint32_t *todo;   /* [count] */
	uint64_t *filter; /* [OH_POINTS_FILTER_WORDS], zeroed */
	/* Scan the contents of block i by oh_points_scan(). */
	void (*contents)(struct oh_points *p, uint32_t i, void *arg);
	/*
	 * What does this word mean, which points to `at`, in block b or right
	 * behind it?  Bits to mark; 0 = nothing, the allocator keeps it for itself.
	 * NULL = OH_POINTS_INTERIOR.
	 */
	uint8_t (*inside)(
	    const struct oh_reach_block *b, uintptr_t at, const uint64_t *word, void *arg);
	/* Is what stands there no pointer any more?  NULL = none is. */
	bool (*is_old)(const uint64_t *word, void *arg);
	void *arg;

	/* Inside: */
	uintptr_t low, span;
	void (*hit)(struct oh_points *p, uint32_t i, uint8_t how);
	uint32_t todo_count;
};

/* Prepare to scan for these blocks: fills the filter, finds the tangled ones. */
void oh_points_init(struct oh_points *p);

/*
 * Look at the words in [from, to) and mark what they point to.
 *
 * A word points to a block if its low 47 bits are an address in it or right
 * behind it: the upper 17 are ignored, for programs keep tags there.  So are
 * the lowest three for the question whether it points to the start.
 */
void oh_points_scan(struct oh_points *p, const uint64_t *from, const uint64_t *to);

/*
 * After all roots were scanned: look into what is reached, and what that
 * reaches.  Sets leak[] for all.  May be called again after more was marked.
 */
void oh_points_settle(struct oh_points *p);

/*
 * `threads` threads may each hold a pointer in a register where it is not
 * seen.  Hold those lost blocks for which that is a possible explanation:
 * where n lost blocks of one call stack, sampled with a chance of at most c,
 * were that many in registers with more than a probability of 0.001,
 *
 *	P(n or more of T are sampled) <= C(T, n) c^n	(sum over all subsets)
 *
 * Settles again.  `room` is for 2 * count words of 8 bytes.  Returns how many
 * blocks are held.
 */
uint64_t oh_points_doubt(struct oh_points *p, uint32_t threads, uint64_t *room);

#endif
