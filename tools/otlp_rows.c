/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_rows.c - the samples of a profile by stack and labels, each pair once.
 *
 * Each frame of each sample passes here, so a frame costs two multiplications
 * and one load: what identifies a location was hashed once before.
 */
#include "tools/otlp_rows.h"

#include <stdlib.h>
#include <string.h>

#include "tools/otlp_table.h"

#define FIRST_SLOTS 1024u
#define ODD_A UINT64_C(0x9fb21c651e98df25) /* any odd numbers with well-mixed bits */
#define ODD_B UINT64_C(0xd6e8feb86659fd93)

static uint64_t
hash_string(const struct oh_profile *p, uint32_t string, uint64_t seed)
{
	const char *s = oh_profile_string(p, string);

	return oh_hash_bytes(s, strlen(s), seed);
}

/* ---- keys -------------------------------------------------------------------- */

static uint64_t
hash_lines(const struct oh_profile *p, uint32_t location, uint64_t h)
{
	for (uint32_t i = 0; i < p->line_count[location]; i++) {
		const struct oh_line *l = &p->lines[p->line_at[location] + i];
		const struct oh_function *f = &p->functions[l->function];

		h = hash_string(
		    p, *oh_profile_string(p, f->system_name) ? f->system_name : f->name, h);
		h = hash_string(p, f->filename, h + l->line);
	}
	return h;
}

/* What a location is, whatever its name was found to be. */
static uint64_t
location_key(const struct oh_profile *p, uint32_t location, const uint64_t *file_key)
{
	uint64_t address = p->address[location];
	uint32_t mapping = p->location_mapping[location];
	uint64_t h;

	if (mapping != 0) {
		const struct oh_mapping *m = &p->mappings[mapping - 1];

		h = oh_mix(file_key[mapping - 1] + (address - m->start + m->offset) * ODD_A);
		return m->has_functions || address == 0 ? hash_lines(p, location, h) : h;
	}
	return hash_lines(p, location, oh_mix(address * ODD_B));
}

static uint64_t *
location_keys(const struct oh_profile *p)
{
	uint64_t *file_key = oh_xcalloc(p->mapping_count, sizeof(*file_key));
	uint64_t *keys = oh_xcalloc(p->location_count, sizeof(*keys));

	for (size_t i = 0; i < p->mapping_count; i++) {
		const struct oh_mapping *m = &p->mappings[i];

		file_key[i] = hash_string(p, m->build_id, hash_string(p, m->filename, 1));
		/* Nothing says that two nameless mappings show the same file. */
		if (*oh_profile_string(p, m->filename) == '\0')
			file_key[i] += oh_mix(m->start);
	}
	for (uint32_t i = 0; i < p->location_count; i++)
		keys[i] = location_key(p, i, file_key);
	free(file_key);
	return keys;
}

/* Of the labels that are sent, in any order. */
static uint64_t *
label_keys(const struct oh_profile *p, bool numeric)
{
	uint64_t *keys = oh_xcalloc(p->label_set_count, sizeof(*keys));

	for (size_t set = 0; set < p->label_set_count; set++)
		for (uint32_t i = p->label_at[set]; i < p->label_at[set + 1]; i++) {
			const struct oh_label *l = &p->labels[i];
			uint64_t h = hash_string(p, l->key, 2);

			if (!oh_label_is_sent(l, numeric))
				continue;
			h = l->str != 0 ? hash_string(p, l->str, h)
					: hash_string(p, l->unit, h + (uint64_t)l->num * ODD_A);
			keys[set] += oh_mix(h);
		}
	return keys;
}

/* ---- rows -------------------------------------------------------------------- */

static void
fill_slots(const struct oh_rows *r, uint32_t *slots, size_t slot_count)
{
	for (size_t row = 0; row < r->count; row++) {
		size_t i = r->rows[row].key[0] & (slot_count - 1);

		while (slots[i] != 0)
			i = (i + 1) & (slot_count - 1);
		slots[i] = (uint32_t)row + 1;
	}
}

static void
digest_rows(struct oh_rows *r, size_t types)
{
	uint64_t a = r->count, b = types;

	for (size_t row = 0; row < r->count; row++) {
		a = (a ^ r->rows[row].key[0]) * ODD_A;
		b = (b ^ r->rows[row].key[1]) * ODD_B;
		for (size_t t = 0; t < types; t++) {
			a = (a ^ a >> 32 ^ (uint64_t)r->values[row * types + t]) * ODD_A;
			b = (b ^ b >> 29 ^ (uint64_t)r->values[row * types + t]) * ODD_B;
		}
	}
	r->digest[0] = oh_mix(a);
	r->digest[1] = oh_mix(b);
}

void
oh_rows_make(struct oh_rows *r, const struct oh_profile *p, bool numeric)
{
	uint64_t *location = location_keys(p), *label = label_keys(p, numeric);
	size_t types = p->type_count, slot_count = FIRST_SLOTS;
	uint32_t *slots = oh_xcalloc(slot_count, sizeof(*slots));

	*r = (struct oh_rows){ .rows = NULL };
	for (size_t s = 0; s < p->sample_count; s++) {
		uint64_t a = label[p->label_set[s]], b = ~a;
		const int64_t *values = p->values + s * types;
		const uint32_t *frames;
		uint32_t depth = oh_profile_stack(p, s, &frames);
		size_t i;

		for (uint32_t f = 0; f < depth; f++) {
			uint64_t k = location[frames[f]];

			a = (a ^ k) * ODD_A;
			b = (b + k) * ODD_B;
			a ^= a >> 32;
			b ^= b >> 29;
		}
		a = oh_mix(a);
		b = oh_mix(b);
		for (i = a & (slot_count - 1); slots[i] != 0; i = (i + 1) & (slot_count - 1)) {
			const struct oh_otlp_row *row = &r->rows[slots[i] - 1];

			if (row->key[0] == a && row->key[1] == b)
				break;
		}
		if (slots[i] != 0) {
			int64_t *sum = r->values + (slots[i] - 1) * types;

			for (size_t t = 0; t < types; t++)
				sum[t] = oh_add_saturated(sum[t], values[t]);
			continue;
		}
		r->rows = oh_xgrow(r->rows, &r->cap, r->count + 1, sizeof(*r->rows));
		r->values =
		    oh_xgrow(r->values, &r->value_cap, (r->count + 1) * types, sizeof(*r->values));
		r->rows[r->count] = (struct oh_otlp_row){ { a, b }, (uint32_t)s };
		memcpy(r->values + r->count * types, values, types * sizeof(*values));
		slots[i] = (uint32_t)++r->count;
		if (2 * (r->count + 1) > slot_count) {
			free(slots);
			slot_count *= 2;
			slots = oh_xcalloc(slot_count, sizeof(*slots));
			fill_slots(r, slots, slot_count);
		}
	}
	digest_rows(r, types);
	free(slots);
	free(location);
	free(label);
}

void
oh_rows_release(struct oh_rows *r)
{
	free(r->rows);
	free(r->values);
}
