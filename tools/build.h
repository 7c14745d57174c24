/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build.h - make a profile, piece by piece, out of another format.
 *
 * Equal strings, frames and samples become one; values of equal samples are
 * added, saturated.  Memory is a constant times what is put in.
 */
#ifndef OH_TOOLS_BUILD_H
#define OH_TOOLS_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tools/intern.h"
#include "tools/lists.h"
#include "tools/profile.h"

struct oh_build {
	struct oh_profile *p;
	struct oh_intern strings;
	struct oh_lists functions, locations, samples;
	size_t location_cap, mapping_at_cap, line_at_cap, line_count_cap, mapping_cap;
	int64_t *values; /* [sample * type_count + type] */
	size_t value_cap;
	uint64_t *key;
	size_t key_cap;
	char *text;
	size_t text_cap;
	uint32_t bytes_key; /* the string "bytes" */
};

#define OH_BUILD_NO_SIZE (-1)

void oh_build_init(struct oh_build *b);

/* A sample type.  All of them before the first sample. */
void oh_build_type(struct oh_build *b, const char *type, const char *unit);

/* A string, up to a NUL in it; its index. */
uint32_t oh_build_string(struct oh_build *b, const char *s, size_t len);

/* A frame with a name (file 0: none, line 0: not known), or one with an address. */
uint32_t oh_build_named(struct oh_build *b, uint32_t name, uint32_t file, uint32_t line);
uint32_t oh_build_address(struct oh_build *b, uint64_t address);

/* Addresses [start, limit) show `file` from `offset` on. */
void oh_build_mapping(struct oh_build *b, uint64_t start, uint64_t limit, uint64_t offset,
    uint32_t file, uint32_t build_id);

/*
 * Add to the sample with these frames, leaf first.
 *
 *   values  one for each type
 *   bytes   size of a block, or OH_BUILD_NO_SIZE
 */
void oh_build_sample(
    struct oh_build *b, const uint32_t *frames, size_t count, const int64_t *values, int64_t bytes);

/* The profile, its addresses with their mappings; NULL if it is not `good`.  Ends the use of `b`.
 */
struct oh_profile *oh_build_finish(struct oh_build *b, bool good);

#endif
