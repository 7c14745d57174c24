/* SPDX-License-Identifier: Apache-2.0 */
/*
 * points.c - which blocks do these words point to, and what follows from it?
 *
 * Shape	nearly every word is turned away by two tests: is it between the
 *	first and the last block, and may a block touch its page (one bit,
 *	chosen by the low bits of the page number, 128 KiB in all).  What is
 *	left is looked up among the sorted blocks.
 *
 * Reaching is the usual marking with a list of what is still to be looked
 * into.  What is not reached is put in groups, each led by a block that no
 * other group reaches; so a ring of lost blocks has a leader, too.  That takes
 * two turns: in the first, each block that is not reached from those before it
 * leads.  A later leader may reach an earlier one, never the other way round.
 * So in the second turn the leaders go from last to first, and who is reached
 * leads no more.
 */
#include "core/points.h"

#include <string.h>

#include "core/base.h"
#include "core/sort.h"

#define ADDRESS (((uint64_t)1 << 47) - 1) /* what user space has without five levels of tables */
#define LG_PAGE 12
#define START_TAGS 7u /* bits of a tag in a pointer to the start */
#define POINTED (OH_POINTS_START | OH_POINTS_INTERIOR | OH_POINTS_HELD)
#define DOUBT 0.001

static void
filter_add(struct oh_points *p, uintptr_t first, uintptr_t last)
{
	uint64_t from = first >> LG_PAGE, n = (last >> LG_PAGE) - from + 1;

	if (n > (uint64_t)1 << OH_POINTS_LG_FILTER)
		n = (uint64_t)1 << OH_POINTS_LG_FILTER;
	for (uint64_t i = from; i < from + n; i++) {
		uint64_t bit = i & (((uint64_t)1 << OH_POINTS_LG_FILTER) - 1);
		p->filter[bit / 64] |= (uint64_t)1 << (bit % 64);
	}
}

static void
mark(struct oh_points *p, uint32_t i, uint8_t how)
{
	p->marks[i] |= how;
}

void
oh_points_init(struct oh_points *p)
{
	uintptr_t last = 0;

	p->hit = mark;
	p->low = UINTPTR_MAX;
	p->span = 0;
	for (uint32_t i = 0; i < p->count; i++) {
		struct oh_reach_block *b = &p->blocks[i];
		if (i + 1 < p->count && b->end > b[1].start) {
			b->end = b[1].start;
			p->marks[i] |= OH_POINTS_TANGLED;
			p->marks[i + 1] |= OH_POINTS_TANGLED;
		}
		filter_add(p, b->start, b->end);
		/* Up there tags cannot be told from the address. */
		if (b->end > ADDRESS)
			p->marks[i] |= OH_POINTS_HELD;
		last = b->end;
	}
	if (p->count > 0) {
		p->low = p->blocks[0].start;
		p->span = last - p->low;
	}
}

/* A word that got past the filter. */
static OH_NOINLINE void
look_up(struct oh_points *p, uintptr_t at, const uint64_t *word)
{
	uint32_t low = 0, high = p->count;

	/* The last block that starts at or before it. */
	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;
		if (p->blocks[mid].start <= at)
			low = mid;
		else
			high = mid;
	}
	const struct oh_reach_block *b = &p->blocks[low];
	if (at > b->end)
		return;
	uint8_t how = OH_POINTS_INTERIOR;
	if (at - b->start <= START_TAGS)
		how = OH_POINTS_START;
	else if (p->inside != NULL)
		how = p->inside(b, at, word, p->arg);
	if (how == 0)
		return;
	/* Asked last, and once a block: most words are pointers. */
	if (p->is_old != NULL && (p->marks[low] & how) == 0 && p->is_old(word, p->arg))
		return;
	p->hit(p, low, how);
}

/* The memory is the program's: no sanitizer has a say in it. */
__attribute__((no_sanitize("address", "thread"))) void
oh_points_scan(struct oh_points *p, const uint64_t *from, const uint64_t *to)
{
	const uint64_t *filter = p->filter;
	uintptr_t low = p->low, span = p->span;

	for (; from < to; from++) {
		uintptr_t at = *from & ADDRESS;
		if (OH_LIKELY(at - low > span))
			continue;
		uint64_t bit = (at >> LG_PAGE) & (((uint64_t)1 << OH_POINTS_LG_FILTER) - 1);
		if (OH_LIKELY((filter[bit / 64] >> (bit % 64) & 1) == 0))
			continue;
		look_up(p, at, from);
	}
}

/* ---- what is reached ------------------------------------------------------------ */

static void
push(struct oh_points *p, uint32_t i)
{
	p->marks[i] |= OH_POINTS_SCANNED;
	p->todo[p->todo_count++] = i;
}

static void
mark_and_push(struct oh_points *p, uint32_t i, uint8_t how)
{
	p->marks[i] |= how;
	if ((p->marks[i] & OH_POINTS_SCANNED) == 0)
		push(p, i);
}

static void
look_into(struct oh_points *p)
{
	while (p->todo_count > 0) {
		uint32_t i = p->todo[--p->todo_count];
		if ((p->marks[i] & OH_POINTS_ELSEWHERE) == 0)
			p->contents(p, i, p->arg);
	}
}

static void
reach(struct oh_points *p)
{
	p->hit = mark_and_push;
	for (uint32_t i = 0; i < p->count; i++) {
		if ((p->marks[i] & POINTED) != 0 && (p->marks[i] & OH_POINTS_SCANNED) == 0) {
			push(p, i);
			look_into(p);
		}
	}
}

/* ---- what is not ------------------------------------------------------------------ */

static void
follow(struct oh_points *p, uint32_t i, uint8_t how)
{
	(void)how;
	if ((p->marks[i] & (POINTED | OH_POINTS_SEEN)) != 0)
		return;
	p->marks[i] |= OH_POINTS_SEEN;
	p->leak[i] = OH_LEAK_INDIRECT;
	p->todo[p->todo_count++] = i;
}

/* Block i, which is not reached, and what it reaches that was not seen yet. */
static void
lead(struct oh_points *p, uint32_t i)
{
	p->marks[i] |= OH_POINTS_SEEN;
	p->leak[i] = OH_LEAK_LOST;
	p->todo[p->todo_count++] = i;
	look_into(p);
}

static void
group(struct oh_points *p)
{
	p->hit = follow;
	for (uint32_t i = 0; i < p->count; i++) {
		uint8_t m = p->marks[i] &= (uint8_t)~OH_POINTS_SEEN;
		p->leak[i] = (m & OH_POINTS_START) == 0 && (m & OH_POINTS_INTERIOR) != 0
				 ? OH_LEAK_INTERIOR
				 : OH_LEAK_NONE;
	}
	for (uint32_t i = 0; i < p->count; i++)
		if ((p->marks[i] & (POINTED | OH_POINTS_SEEN)) == 0)
			lead(p, i);
	for (uint32_t i = 0; i < p->count; i++)
		p->marks[i] &= (uint8_t)~OH_POINTS_SEEN;
	for (uint32_t i = p->count; i-- > 0;)
		if (p->leak[i] == OH_LEAK_LOST && (p->marks[i] & OH_POINTS_SEEN) == 0)
			lead(p, i);
	p->hit = mark;
}

void
oh_points_settle(struct oh_points *p)
{
	/* One of two that overlap is no block any more; nobody knows which. */
	for (uint32_t i = 0; i < p->count; i++)
		if ((p->marks[i] & OH_POINTS_TANGLED) != 0)
			p->marks[i] |= OH_POINTS_HELD;
	reach(p);
	group(p);
}

/* ---- registers that are not seen ---------------------------------------------------- */

/* Could n of `threads` registers that each point to a block have been sampled? */
static bool
conceivable(uint32_t n, uint32_t threads, double chance)
{
	double bound = 1;

	for (uint32_t k = 0; k < n; k++) {
		if (k >= threads)
			return false;
		bound *= chance * (double)(threads - k) / (double)(k + 1);
	}
	return bound > DOUBT;
}

/* Hold the lost ones of a[0 .. n), all of one stack, if they may be in registers. */
static uint64_t
hold(struct oh_points *p, const struct oh_sort_item *a, uint32_t n, uint32_t threads)
{
	double chance = 0;

	for (uint32_t k = 0; k < n; k++)
		if (p->blocks[a[k].value].chance > chance)
			chance = p->blocks[a[k].value].chance;
	if (!conceivable(n, threads, chance))
		return 0;
	for (uint32_t k = 0; k < n; k++)
		p->marks[a[k].value] |= OH_POINTS_HELD;
	return n;
}

uint64_t
oh_points_doubt(struct oh_points *p, uint32_t threads, uint64_t *room)
{
	struct oh_sort_item *lost = (struct oh_sort_item *)(void *)room;
	uint64_t all = 0, held;

	/* What an unsure block pointed to may lead a group of its own now. */
	do {
		uint32_t n = 0;
		held = 0;
		for (uint32_t i = 0; i < p->count; i++)
			if (p->leak[i] == OH_LEAK_LOST)
				lost[n++] = (struct oh_sort_item){ p->blocks[i].stack, i };
		oh_sort(lost, n);
		for (uint32_t from = 0, to; from < n; from = to) {
			for (to = from + 1; to < n && lost[to].key == lost[from].key; to++)
				;
			held += hold(p, &lost[from], to - from, threads);
		}
		if (held > 0)
			oh_points_settle(p);
		all += held;
	} while (held > 0);
	return all;
}
