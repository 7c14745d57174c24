/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_reader.h - what the files that read a profile share; for them only.
 */
#ifndef OH_TOOLS_PROFILE_READER_H
#define OH_TOOLS_PROFILE_READER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base.h"
#include "tools/idmap.h"
#include "tools/input.h"
#include "tools/mem.h"
#include "tools/profile.h"
#include "tools/wire.h"

/* The ids of one kind of thing, and which of them have been defined. */
struct oh_reader_ids {
	struct oh_idmap map;
	uint8_t *defined; /* [index] */
	size_t cap;
	size_t defined_count;
	const char *what;
};

struct oh_reader {
	struct oh_profile *p;
	struct oh_error *err;
	struct oh_reader_ids locations, functions, mappings;

	size_t frame_at_cap, label_set_cap, frames_len, frames_cap, values_len, values_cap;
	size_t address_cap, location_mapping_cap, line_at_cap, line_count_cap;
	size_t values_per_sample; /* of the first sample; types may come later */
	size_t frames_max;        /* when there are more, they are not kept */
	bool frames_left; /* so it was: of frames, only those of the sample at hand are there */

	/* Label sets seen so far: set s was encoded as label_bytes[label_bytes_at[s] ..). */
	size_t label_at_cap, labels_cap;
	uint8_t *label_bytes;
	size_t label_bytes_cap;
	uint32_t *label_bytes_at;
	size_t label_bytes_at_cap;
	uint32_t *label_hash; /* open addressing: set, 0 = empty */
	size_t label_hash_cap;
};

/* Set up for a profile without samples, and release what is the reader's own. */
void oh_reader_init_samples(struct oh_reader *r);
void oh_reader_free_samples(struct oh_reader *r);

/* Take in one Sample message.  False with the reason in r->err. */
bool oh_reader_add_sample(struct oh_reader *r, struct oh_wire w);

/*
 * Read `in` to its end, and end it.  If there were more than frames_max frames,
 * the profile is without (frame_at is NULL), and *ret_locations, by which they
 * are known, is the caller's.
 */
struct oh_profile *oh_reader_read(
    struct oh_input *in, size_t frames_max, struct oh_idmap *ret_locations, struct oh_error *err);

/*
 * The next field of the profile, *ret_len bytes of `in` that are the caller's to
 * skip.  1 = there is one, 0 = that was all, -1 with *err = trouble.
 */
int oh_reader_field(
    struct oh_input *in, struct oh_wire_field *ret, size_t *ret_len, struct oh_error *err);

void oh_profile_source_free(struct oh_profile_source *s); /* NULL is fine */

static inline bool
oh_reader_malformed(struct oh_reader *r, const char *what)
{
	return oh_error_set(r->err, "not a pprof profile, or damaged: malformed %s", what);
}

/* String indices are checked only at the end; until then they must fit 32 bits. */
static inline uint32_t
oh_reader_index(uint64_t value)
{
	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* Does this field have the type the format gives it? */
static inline bool
oh_reader_is_varint(const struct oh_wire_field *f)
{
	return f->type == OH_WIRE_VARINT;
}

#endif
