/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune.h - leave out the frames a profile says nobody wants to see.
 *
 * A profile's drop_frames is a regular expression for allocator functions: a
 * matching frame goes, and all it called, so that what called `operator new`
 * tops the list and not `operator new`.  keep_frames excepts from it.
 */
#ifndef OH_TOOLS_PRUNE_H
#define OH_TOOLS_PRUNE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tools/profile.h"

enum oh_prune_what {
	OH_PRUNE_NOT,   /* the location stays */
	OH_PRUNE_PART,  /* its lines below first_line[] go, and what it called */
	OH_PRUNE_WHOLE, /* it goes, and what it called */
};

struct oh_prune {
	uint8_t *what;        /* [location]: enum oh_prune_what; NULL: nothing to leave out */
	uint32_t *first_line; /* [location]: lines before this one (innermost) go */
	bool ignored;         /* drop_frames is there but cannot be used */
};

/*
 * Work out for each location what the profile's drop_frames and keep_frames
 * mean for it.  Names must be final: symbolise first.
 */
void oh_prune_init(struct oh_prune *pr, const struct oh_profile *p);
void oh_prune_free(struct oh_prune *pr);

/*
 * The frames of a sample that stay: moves *first, the index in p->frames of
 * its leaf, towards `end`.  As in pprof, frames at the root are kept until one
 * was seen that does not match, so that a stack never becomes empty.
 */
void oh_prune_sample(
    const struct oh_prune *pr, const struct oh_profile *p, uint32_t *first, uint32_t end);

/*
 * Take the frames out of the profile that its drop_frames names, and the rule
 * with them: for what changes frames afterwards.  Strings, locations and
 * samples keep their numbers.  Nothing happens if the rule cannot be used.
 */
void oh_prune_apply(struct oh_profile *p);

/*
 * Translate Go's regular expression syntax to POSIX extended syntax, for a
 * match of the whole string.  NULL if it uses something that has no equal
 * there, or that could take unbounded memory (counted repetition).  free() it.
 */
char *oh_prune_translate(const char *go);

/* The name that expressions are matched with: no parameters, as pprof simplifies it. */
void oh_prune_simple_name(char *buf, size_t room, const char *name);

#endif
