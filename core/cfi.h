/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cfi.h - what do the call frame instructions say about this address?
 *
 * Reads .eh_frame through its binary search table, as the System V ABI and
 * the Linux Standard Base describe it, and boils one row of it down to what
 * walking a call stack needs: where the caller's frame begins and where the
 * caller's rbp is.  rbx and r12-r15 are not followed: no compiler makes
 * frames from them, and rules that need them are reported as odd.
 */
#ifndef OH_CORE_CFI_H
#define OH_CORE_CFI_H

#include <stdbool.h>
#include <stdint.h>

enum oh_cfi_frame {
	OH_CFI_ODD,       /* a rule that is not one of these */
	OH_CFI_RSP,       /* frame address = rsp + frame_off */
	OH_CFI_RBP,       /* frame address = rbp + frame_off */
	OH_CFI_RBP_DEREF, /* frame address = *(rbp + frame_off) */
	OH_CFI_SIGNAL,    /* rsp points to the ucontext of a signal */
	OH_CFI_END,       /* outermost frame: no caller */
};

enum oh_cfi_saved {
	OH_CFI_SAME,     /* caller's rbp = rbp */
	OH_CFI_AT_FRAME, /* caller's rbp = *(frame address + rbp_off) */
	OH_CFI_AT_RBP,   /* caller's rbp = *(rbp + rbp_off) */
	OH_CFI_LOST,     /* caller's rbp cannot be had */
};

/* The return address is always at frame address - 8; else the rule is odd. */
struct oh_cfi_rule {
	enum oh_cfi_frame frame;
	enum oh_cfi_saved rbp;
	int32_t frame_off; /* bytes */
	int32_t rbp_off;   /* bytes */
};

/*
 * The rule in force at the instruction that contains `pc` (not a return
 * address: subtract one first).  `eh_frame_hdr` is a loaded PT_GNU_EH_FRAME.
 *
 * Returns false when the table has nothing for pc or makes no sense.
 * No system call, no allocation, no lock; any thread, any signal context.
 * Reads only the unwind tables of that file, which must stay loaded.
 */
bool oh_cfi_find(const void *eh_frame_hdr, uintptr_t pc, struct oh_cfi_rule *ret);

#endif
