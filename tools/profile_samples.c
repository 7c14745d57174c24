/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_samples.c - the samples of a profile: frames, values, labels.
 *
 * Samples are most of a profile, so this is where reading spends its time.
 * Equal label lists, most often {bytes: N}, are kept once: they are compared
 * as encoded, and decoded only when new.
 */
#include "tools/profile_reader.h"

#include <stdlib.h>
#include <string.h>

void
oh_reader_init_samples(struct oh_reader *r)
{
	r->p->frame_at = oh_xgrow(NULL, &r->frame_at_cap, 1, sizeof(*r->p->frame_at));
	r->p->frame_at[0] = 0;
	r->p->label_at = oh_xgrow(NULL, &r->label_at_cap, 2, sizeof(*r->p->label_at));
	r->p->label_at[0] = r->p->label_at[1] = 0;
	r->label_bytes_at = oh_xgrow(NULL, &r->label_bytes_at_cap, 2, sizeof(*r->label_bytes_at));
	r->label_bytes_at[0] = r->label_bytes_at[1] = 0;
	r->p->label_set_count = 1;
}

void
oh_reader_free_samples(struct oh_reader *r)
{
	free(r->label_bytes);
	free(r->label_bytes_at);
	free(r->label_hash);
}

/* ---- label sets ------------------------------------------------------------- */

static size_t
label_slot(const struct oh_reader *r, const uint8_t *bytes, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
	size_t i;

	for (size_t k = 0; k < len; k++)
		h = (h ^ bytes[k]) * UINT64_C(0x100000001b3);
	i = (size_t)(h ^ (h >> 32)) & (r->label_hash_cap - 1);
	for (uint32_t set; (set = r->label_hash[i]) != 0; i = (i + 1) & (r->label_hash_cap - 1)) {
		uint32_t at = r->label_bytes_at[set];

		if (r->label_bytes_at[set + 1] - at == len &&
		    memcmp(r->label_bytes + at, bytes, len) == 0)
			break;
	}
	return i;
}

static void
label_hash_grow(struct oh_reader *r)
{
	free(r->label_hash);
	r->label_hash_cap = r->label_hash_cap ? 2 * r->label_hash_cap : 256;
	r->label_hash = oh_xcalloc(r->label_hash_cap, sizeof(*r->label_hash));
	for (uint32_t set = 1; set < r->p->label_set_count; set++) {
		uint32_t at = r->label_bytes_at[set];
		size_t i = label_slot(r, r->label_bytes + at, r->label_bytes_at[set + 1] - at);

		r->label_hash[i] = set;
	}
}

static bool
add_label(struct oh_reader *r, struct oh_wire w)
{
	struct oh_profile *p = r->p;
	struct oh_label label = { 0 };
	struct oh_wire_field f;
	int rc;

	while ((rc = oh_wire_next(&w, &f)) > 0) {
		if (f.number <= 4 && !oh_reader_is_varint(&f))
			return oh_reader_malformed(r, "label");
		if (f.number == 1)
			label.key = oh_reader_index(f.value);
		else if (f.number == 2)
			label.str = oh_reader_index(f.value);
		else if (f.number == 3)
			label.num = (int64_t)f.value;
		else if (f.number == 4)
			label.unit = oh_reader_index(f.value);
	}
	p->labels = oh_xgrow(p->labels, &r->labels_cap, p->label_count + 1, sizeof(*p->labels));
	p->labels[p->label_count++] = label;
	return rc == 0 || oh_reader_malformed(r, "label");
}

/*
 * The set of the labels whose fields start at label_bytes_at[label_set_count]
 * and run for len bytes: an old one if there is an equal one.
 */
static bool
intern_labels(struct oh_reader *r, size_t len, uint32_t *ret)
{
	struct oh_profile *p = r->p;
	uint32_t set = (uint32_t)p->label_set_count;
	const uint8_t *bytes = r->label_bytes + r->label_bytes_at[set];
	struct oh_wire w = { bytes, bytes + len };
	struct oh_wire_field f;
	size_t slot;

	if (2 * (p->label_set_count + 1) > r->label_hash_cap)
		label_hash_grow(r);
	slot = label_slot(r, bytes, len);
	if (r->label_hash[slot] != 0) {
		*ret = r->label_hash[slot];
		return true;
	}
	while (oh_wire_next(&w, &f) > 0) /* oh_reader_add_sample() has walked these fields before */
		if (!add_label(r, f.bytes))
			return false;
	p->label_at =
	    oh_xgrow(p->label_at, &r->label_at_cap, (size_t)set + 2, sizeof(*p->label_at));
	p->label_at[set + 1] = (uint32_t)p->label_count;
	r->label_bytes_at = oh_xgrow(
	    r->label_bytes_at, &r->label_bytes_at_cap, (size_t)set + 2, sizeof(*r->label_bytes_at));
	r->label_bytes_at[set + 1] = r->label_bytes_at[set] + (uint32_t)len;
	p->label_set_count++;
	r->label_hash[slot] = set;
	*ret = set;
	return true;
}

/* ---- samples ---------------------------------------------------------------- */

static bool
add_frame(struct oh_reader *r, uint64_t id)
{
	if (OH_UNLIKELY(id == 0))
		return oh_error_set(r->err, "damaged profile: a sample with location id 0");
	r->p->frames[r->frames_len++] = oh_idmap_add(&r->locations.map, id);
	return true;
}

/* location_id, packed or one by one: each id takes at least one byte. */
static bool
add_frames(struct oh_reader *r, const struct oh_wire_field *f)
{
	struct oh_wire w = f->bytes;
	size_t most = f->type == OH_WIRE_BYTES ? (size_t)(w.end - w.at) : 1;
	uint64_t id;

	r->p->frames =
	    oh_xgrow(r->p->frames, &r->frames_cap, r->frames_len + most, sizeof(*r->p->frames));
	if (f->type == OH_WIRE_VARINT)
		return add_frame(r, f->value);
	if (f->type != OH_WIRE_BYTES)
		return oh_reader_malformed(r, "sample");
	while (w.at < w.end)
		if (!oh_wire_varint(&w, &id) || !add_frame(r, id))
			return oh_reader_malformed(r, "sample");
	return true;
}

static bool
add_values(struct oh_reader *r, const struct oh_wire_field *f)
{
	struct oh_wire w = f->bytes;
	size_t most = f->type == OH_WIRE_BYTES ? (size_t)(w.end - w.at) : 1;
	uint64_t value;

	r->p->values =
	    oh_xgrow(r->p->values, &r->values_cap, r->values_len + most, sizeof(*r->p->values));
	if (f->type == OH_WIRE_VARINT) {
		r->p->values[r->values_len++] = (int64_t)f->value;
		return true;
	}
	if (f->type != OH_WIRE_BYTES)
		return oh_reader_malformed(r, "sample");
	while (w.at < w.end) {
		if (!oh_wire_varint(&w, &value))
			return oh_reader_malformed(r, "sample");
		r->p->values[r->values_len++] = (int64_t)value;
	}
	return true;
}

/* From here on frames are only looked at. */
static void
leave_frames(struct oh_reader *r)
{
	free(r->p->frames);
	free(r->p->frame_at);
	r->p->frames = r->p->frame_at = NULL;
	r->frames_cap = r->frames_len = 0;
	r->frames_left = true;
}

bool
oh_reader_add_sample(struct oh_reader *r, struct oh_wire w)
{
	struct oh_profile *p = r->p;
	size_t values_before = r->values_len, label_len = 0, n = p->sample_count;
	size_t label_start = r->label_bytes_at[p->label_set_count];
	struct oh_wire_field f;
	const uint8_t *from = w.at;
	uint32_t set = 0;
	int rc;

	if (r->frames_left)
		r->frames_len = 0;
	while ((rc = oh_wire_next(&w, &f)) > 0) {
		if (f.number == 1 && !add_frames(r, &f))
			return false;
		if (f.number == 2 && !add_values(r, &f))
			return false;
		if (f.number == 3) {
			size_t len = (size_t)(w.at - from);

			if (f.type != OH_WIRE_BYTES)
				return oh_reader_malformed(r, "sample");
			r->label_bytes = oh_xgrow(
			    r->label_bytes, &r->label_bytes_cap, label_start + label_len + len, 1);
			memcpy(r->label_bytes + label_start + label_len, from, len);
			label_len += len;
		}
		from = w.at;
	}
	if (rc < 0)
		return oh_reader_malformed(r, "sample");
	if (label_len != 0 && !intern_labels(r, label_len, &set))
		return false;
	if (n == 0)
		r->values_per_sample = r->values_len;
	if (r->values_len - values_before != r->values_per_sample)
		return oh_error_set(r->err,
		    "damaged profile: a sample has %zu values, the first one has %zu",
		    r->values_len - values_before, r->values_per_sample);

	if (!r->frames_left && r->frames_len > r->frames_max)
		leave_frames(r);
	if (!r->frames_left) {
		p->frame_at = oh_xgrow(p->frame_at, &r->frame_at_cap, n + 2, sizeof(*p->frame_at));
		p->frame_at[n + 1] = (uint32_t)r->frames_len;
	}
	p->label_set = oh_xgrow(p->label_set, &r->label_set_cap, n + 1, sizeof(*p->label_set));
	p->label_set[n] = set;
	p->sample_count++;
	return true;
}
