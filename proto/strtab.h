/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strtab.h - strings by index, as the string table of a profile wants them.
 *
 * Index 0 is "".  Equal strings have equal indices, indices are dense and in
 * order of first use.  One thread at a time; memory from the scratch given at
 * init, and valid until that is released.
 */
#ifndef OH_PROTO_STRTAB_H
#define OH_PROTO_STRTAB_H

#include <stddef.h>
#include <stdint.h>

#include "core/scratch.h"

struct oh_strtab {
	struct oh_scratch *scratch;
	const char **strings; /* [count], NUL-terminated */
	uint32_t *slots;      /* index + 1 by hash, 0 = empty */
	uint32_t count;       /* strings, "" included */
	uint32_t room;        /* of `strings`; slots has twice as many */
	int error;            /* 0 or -ENOMEM, sticky */
};

/* Returns 0 or -ENOMEM (also in t->error; the table then holds nothing). */
int oh_strtab_init(struct oh_strtab *t, struct oh_scratch *scratch);

/*
 * The index of the `len` bytes at `s`, adding a copy if they are new.
 *
 * A proto3 string must be UTF-8, and strict readers refuse a whole profile for
 * one that is not: every byte that is no part of valid UTF-8, and NUL, becomes
 * '?' first.  Out of memory gives 0 and sets t->error.
 */
uint32_t oh_strtab_add(struct oh_strtab *t, const char *s, size_t len);

/* The same for a C string; NULL is "". */
uint32_t oh_strtab_add_str(struct oh_strtab *t, const char *s);

#endif
