/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base.h - compiler words, and the few types every layer shares.
 */
#ifndef OH_CORE_BASE_H
#define OH_CORE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if !defined(__x86_64__) || !defined(__linux__) || !defined(__LP64__)
#error "otheap runs on x86-64 Linux only (system calls, unwinding and hot path)"
#endif

#define OH_LIKELY(x) __builtin_expect(!!(x), 1)
#define OH_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define OH_EXPORT __attribute__((visibility("default")))
/* On data that the hot path reads: reached without the global offset table. */
#define OH_HIDDEN __attribute__((visibility("hidden")))
#define OH_NOINLINE __attribute__((noinline))
#define OH_COLD __attribute__((cold, noinline))
#define OH_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define OH_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Test seams (R24): const in the library, writable in unit tests. */
#ifdef OH_TEST
#define OH_SEAM
#else
#define OH_SEAM const
#endif

/*
 * One stack frame: module id << 48 | program counter.  The pc is a return
 * address as unwound (not decremented; proto/ moves it onto the call).  Module
 * id 0 means "no known file".  User space on x86-64 has 47-bit addresses
 * unless a program asks mmap for more; such a pc loses its high bits and its
 * module, never anything else.
 */
typedef uint64_t oh_frame;

#define OH_FRAME_PC_BITS 48
#define OH_FRAME_PC_MASK ((UINT64_C(1) << OH_FRAME_PC_BITS) - 1)

static inline oh_frame
oh_frame_make(uint64_t pc, unsigned module_id)
{
	return (uint64_t)module_id << OH_FRAME_PC_BITS | (pc & OH_FRAME_PC_MASK);
}

static inline uint64_t
oh_frame_pc(oh_frame f)
{
	return f & OH_FRAME_PC_MASK;
}

static inline unsigned
oh_frame_module(oh_frame f)
{
	return (unsigned)(f >> OH_FRAME_PC_BITS);
}

#endif
