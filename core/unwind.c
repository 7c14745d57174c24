/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind.c - who called us?
 *
 * Shape	a process-wide cache maps a return address to its rule, packed into
 *	one word; cfi.c fills it.  Two ways per set, the newer first.
 *
 *	entry = { key ^ rule, rule }	key = hash of pc and generation
 *
 * Invariants
 *	I1  A rule is used only for the address and the generation (of unloads)
 *	    that it was made for.  Entries are two words written without a
 *	    lock; a reader that sees halves of two writes computes a key that
 *	    is not the one it looks for.
 *	I2  The stack is read only inside [sp, oh_stackmem_limit(sp)), and each
 *	    frame lies above the one before (a signal frame excepted, which may
 *	    change stacks), so a walk ends.
 *
 * All accesses to entries are relaxed: I1 needs no order between the words.
 *
 * Where there is no rule (generated code, assembly without tables) the frame
 * pointer is tried, if it points up the same stack; compilers of languages
 * with a run time of their own keep one.
 *
 * Sources	Hyatt and Mann, "A lock-less transposition table implementation
 *	for parallel search", ICGA Journal 25, 2002 (the exclusive-or trick).
 *	Kernel arch/x86/include/asm/sigframe.h and uapi/asm/sigcontext.h
 *	(layout of the signal frame).
 */
#include "core/unwind.h"

#include "core/atomic.h"
#include "core/cfi.h"
#include "core/drops.h"
#include "core/modules.h"
#include "core/rng.h"
#include "core/stackmem.h"

#define SETS 8192u
#define WAYS 2u

static struct {
	uint64_t check; /* key ^ rule */
	uint64_t rule;  /* 0 = empty */
} cache[SETS][WAYS] __attribute__((aligned(64)));

/*
 * A packed rule: kind 4 bits (KIND_*), rbp 2, rbp_off / 8 as 16 bits,
 * frame_off 26 bits, module id 16.
 */
enum kind {
	KIND_EMPTY,
	KIND_RSP,
	KIND_RBP,
	KIND_RBP_DEREF,
	KIND_SIGNAL,
	KIND_END,
	KIND_GUESS,   /* no rule: follow the frame pointer */
	KIND_NOWHERE, /* not code of any file */
};

static uint64_t
pack(enum kind kind, const struct oh_cfi_rule *r, unsigned module)
{
	uint64_t v = (uint64_t)kind | (uint64_t)module << 48;

	if (r != NULL) {
		v |= (uint64_t)r->rbp << 4;
		v |= (uint64_t)(uint16_t)(r->rbp_off / 8) << 6;
		v |= (uint64_t)((uint32_t)r->frame_off & 0x3ffffff) << 22;
	}
	return v;
}

static inline enum kind
kind_of(uint64_t v)
{
	return (enum kind)(v & 15);
}

static inline enum oh_cfi_saved
saved_of(uint64_t v)
{
	return (enum oh_cfi_saved)(v >> 4 & 3);
}

static inline int64_t
rbp_off_of(uint64_t v)
{
	return (int64_t)(int16_t)(v >> 6) * 8;
}

static inline int64_t
frame_off_of(uint64_t v)
{
	return (int64_t)(v << 16) >> 38;
}

static inline unsigned
module_of(uint64_t v)
{
	return (unsigned)(v >> 48);
}

/* Ask the loader and the tables.  Returns a rule for any address. */
static OH_COLD uint64_t
make_rule(uintptr_t pc)
{
	struct oh_module_at at;
	struct oh_cfi_rule r;

	if (!oh_modules_find(pc - 1, &at))
		return pack(KIND_NOWHERE, NULL, 0);
	if (!oh_cfi_find(at.eh_frame_hdr, pc - 1, &r)) {
		/*
		 * The first byte of a function, after none: no call left this
		 * address there, but somebody who made a stack (makecontext).
		 */
		bool made = oh_cfi_find(at.eh_frame_hdr, pc, &r);
		return pack(made ? KIND_END : KIND_GUESS, NULL, at.id);
	}
	switch (r.frame) {
	case OH_CFI_SIGNAL:
		return pack(KIND_SIGNAL, NULL, at.id);
	case OH_CFI_END:
		return pack(KIND_END, NULL, at.id);
	case OH_CFI_ODD:
		return pack(KIND_GUESS, NULL, at.id);
	default:
		break;
	}
	if (r.rbp_off % 8 != 0 || r.rbp_off / 8 != (int16_t)(r.rbp_off / 8) ||
	    r.frame_off < -(1 << 25) || r.frame_off >= 1 << 25)
		return pack(KIND_GUESS, NULL, at.id);
	return pack(r.frame == OH_CFI_RSP   ? KIND_RSP
		    : r.frame == OH_CFI_RBP ? KIND_RBP
					    : KIND_RBP_DEREF,
	    &r, at.id);
}

static inline uint64_t
rule_for(uintptr_t pc)
{
	/*
	 * Hashed, so that no two keys differ by what two rules may differ by, which
	 * the exclusive-or would not notice.  For one generation, and for one pc,
	 * no two keys are equal, as the factors are odd.
	 */
	uint64_t hash = pc * UINT64_C(0x9e3779b97f4a7c15);
	uint64_t key =
	    hash + oh_load_relaxed(&oh_modules_generation) * UINT64_C(0xd1342543de82ef95);
	size_t set = hash >> 51; /* 13 bits: SETS */

	for (unsigned w = 0; w < WAYS; w++) {
		uint64_t rule = oh_load_relaxed(&cache[set][w].rule);
		if ((oh_load_relaxed(&cache[set][w].check) ^ rule) == key && rule != 0)
			return rule;
	}
	uint64_t rule = make_rule(pc);
	/* Not kept: nothing was learned that will be true later. */
	if (kind_of(rule) == KIND_NOWHERE)
		return rule;
	uint64_t old_check = oh_load_relaxed(&cache[set][0].check);
	uint64_t old_rule = oh_load_relaxed(&cache[set][0].rule);
	oh_store_relaxed(&cache[set][1].check, old_check);
	oh_store_relaxed(&cache[set][1].rule, old_rule);
	oh_store_relaxed(&cache[set][0].check, key ^ rule);
	oh_store_relaxed(&cache[set][0].rule, rule);
	return rule;
}

/* The part of the stack that may be read. */
struct window {
	uintptr_t lo, hi;
};

static inline bool
load(const struct window *w, uintptr_t addr, uintptr_t *ret)
{
	if (addr % 8 != 0 || addr < w->lo || addr >= w->hi || w->hi - addr < 8)
		return false;
	/* A stack word may change under a reader in a signal handler: volatile. */
	*ret = *(const volatile uintptr_t *)addr;
	return true;
}

/* Offsets in the ucontext that rsp points to in a signal frame. */
enum { UC_RBP = 120, UC_RSP = 160, UC_RIP = 168 };

/*
 * Bytes below rsp that a signal leaves alone (ABI, 3.2.2).  At the end of a
 * function the rules still point there, to what was just popped.
 */
#define RED_ZONE 128

static bool
step_signal(struct oh_thread *t, struct oh_regs *r, struct window *w)
{
	uintptr_t pc, sp, fp;

	if (!load(w, r->sp + UC_RIP, &pc) || !load(w, r->sp + UC_RSP, &sp) ||
	    !load(w, r->sp + UC_RBP, &fp))
		return false;
	*r = (struct oh_regs){ .pc = pc + 1, .sp = sp, .fp = fp };
	/* The handler may have run on a stack of its own. */
	w->lo = (sp - RED_ZONE) & ~(uintptr_t)7;
	w->hi = oh_stackmem_limit(t, w->lo);
	if (w->hi == w->lo) { /* a stack used up to its last page */
		w->lo = sp & ~(uintptr_t)7;
		w->hi = oh_stackmem_limit(t, w->lo);
	}
	return true;
}

/* By the frame pointer, if it points up the same stack. */
static bool
step_guess(struct oh_regs *r, const struct window *w)
{
	uintptr_t pc, fp;

	if (r->fp < r->sp || !load(w, r->fp, &fp) || !load(w, r->fp + 8, &pc))
		return false;
	r->sp = r->fp + 16;
	r->pc = pc;
	r->fp = fp;
	return true;
}

/* One step to the caller by a rule of .eh_frame. */
static inline bool
step_rule(struct oh_regs *r, const struct window *w, uint64_t rule)
{
	uintptr_t frame, fp = r->fp, pc;

	switch (kind_of(rule)) {
	case KIND_RSP:
		frame = r->sp + (uintptr_t)frame_off_of(rule);
		break;
	case KIND_RBP:
		frame = r->fp + (uintptr_t)frame_off_of(rule);
		break;
	default:
		if (!load(w, r->fp + (uintptr_t)frame_off_of(rule), &frame))
			return false;
	}
	if (frame <= r->sp || !load(w, frame - 8, &pc))
		return false;
	switch (saved_of(rule)) {
	case OH_CFI_AT_FRAME:
		if (!load(w, frame + (uintptr_t)rbp_off_of(rule), &fp))
			return false;
		break;
	case OH_CFI_AT_RBP:
		if (!load(w, r->fp + (uintptr_t)rbp_off_of(rule), &fp))
			return false;
		break;
	case OH_CFI_LOST:
		fp = 0;
		break;
	case OH_CFI_SAME:
		break;
	}
	*r = (struct oh_regs){ .pc = pc, .sp = frame, .fp = fp };
	return true;
}

unsigned
oh_unwind(struct oh_thread *t, const struct oh_regs *start, oh_frame *frames, unsigned max)
{
	struct oh_regs r = *start;
	struct window w = { .lo = r.sp, .hi = oh_stackmem_limit(t, r.sp) };
	unsigned n = 0;
	bool on = true;

	for (;;) {
		uint64_t rule = rule_for(r.pc);
		if (kind_of(rule) == KIND_NOWHERE && n > 0 && r.pc < 4096)
			return n; /* a zero return address ends many stacks without tables */
		if (n == max) {
			oh_drop(OH_DROP_STACK_TRUNCATED);
			return n;
		}
		frames[n++] = oh_frame_make(r.pc, module_of(rule));
		switch (kind_of(rule)) {
		case KIND_END:
			return n;
		case KIND_SIGNAL:
			on = step_signal(t, &r, &w);
			break;
		case KIND_RSP:
		case KIND_RBP:
		case KIND_RBP_DEREF:
			on = step_rule(&r, &w, rule);
			break;
		default:
			/* The ABI marks the outermost frame so; the loader's has no table. */
			if (r.fp == 0)
				return n;
			on = step_guess(&r, &w);
		}
		if (OH_UNLIKELY(!on)) {
			oh_drop(OH_DROP_STACK_BROKEN);
			return n;
		}
	}
}
