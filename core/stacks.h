/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stacks.h - intern call stacks, and the allocation sites on each.
 */
#ifndef OH_CORE_STACKS_H
#define OH_CORE_STACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/atomic.h"
#include "core/base.h"
#include "core/layout.h" /* struct oh_stack, struct oh_site */

#define OH_STACK_NONE 0u

/* Set up the empty table.  Once, after the arena.  0 or -ENOMEM. */
int oh_stacks_init(void);

/*
 * Return the id of the stack frames[0 .. depth), adding it if it is new.
 *
 *   frames  leaf first, as unwound.  Read only during the call.
 *   depth   number of frames, not bytes.
 *
 * Returns an id > 0 that stays valid for the life of the process, equal for
 * equal stacks; or OH_STACK_NONE when the arena is full.
 * Any thread, any signal context; no lock, no system call but the arena's.
 */
uint32_t oh_stacks_intern(const oh_frame *frames, unsigned depth);

/*
 * The site for blocks of `size_bytes` on that stack, added if it is new; 0
 * when the arena is full.  The first OH_SITE_SIZES sizes of a stack get a
 * site each; later ones share one for each eighth of a power of two, so that
 * a stack has a bounded number of sites.
 */
#define OH_SITE_SIZES 24u
uint32_t oh_sites_get(uint32_t stack, uint64_t size_bytes, uint32_t thread_name);

/* Add one sampled allocation that stands for `weight` of them. */
void oh_site_add(uint32_t site, double weight, uint64_t size_bytes);

/*
 * A sampled block of that site was freed after so long.  False when the arena
 * is full and it is not counted.
 */
bool oh_site_freed(uint32_t site, uint64_t life_ms);

/* Sites that exist; their indices are below this. */
uint32_t oh_sites_count(void);

/* Call `fn` for each stack that exists. */
void oh_stacks_each(void (*fn)(uint32_t id, const struct oh_stack *s, void *arg), void *arg);

static inline double
oh_site_sum(const uint64_t *bits)
{
	uint64_t v = oh_load_relaxed(bits);
	double d;

	__builtin_memcpy(&d, &v, sizeof(d));
	return d;
}

#endif
