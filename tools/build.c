/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build.c - make a profile, piece by piece, out of another format.
 */
#include "tools/build.h"

#include <stdlib.h>
#include <string.h>

#include "tools/mem.h"

void
oh_build_init(struct oh_build *b)
{
	memset(b, 0, sizeof(*b));
	b->p = oh_xcalloc(1, sizeof(*b->p));
	(void)oh_profile_add_string(b->p, "", 0);
	oh_intern_init(&b->strings, b->p);
	b->bytes_key = oh_intern_text(&b->strings, "bytes");
}

uint32_t
oh_build_string(struct oh_build *b, const char *s, size_t len)
{
	b->text = oh_xgrow(b->text, &b->text_cap, len + 1, 1);
	memcpy(b->text, s, len);
	b->text[len] = '\0';
	return *b->text != '\0' ? oh_intern_text(&b->strings, b->text) : 0;
}

void
oh_build_type(struct oh_build *b, const char *type, const char *unit)
{
	struct oh_profile *p = b->p;

	p->types = oh_xgrow(p->types, &p->type_cap, p->type_count + 1, sizeof(*p->types));
	p->types[p->type_count++] = (struct oh_value_type){
		.type = oh_build_string(b, type, strlen(type)),
		.unit = oh_build_string(b, unit, strlen(unit)),
	};
}

/* A location, with a line or an address. */
static uint32_t
location(struct oh_build *b, const uint64_t key[3])
{
	struct oh_profile *p = b->p;
	bool is_new;
	uint32_t l = oh_lists_intern(&b->locations, key, 3, &is_new);
	struct oh_line line = { (uint32_t)key[0], (uint32_t)key[1] };

	if (!is_new)
		return l;
	p->address = oh_xgrow(p->address, &b->location_cap, (size_t)l + 1, sizeof(*p->address));
	p->location_mapping = oh_xgrow(
	    p->location_mapping, &b->mapping_at_cap, (size_t)l + 1, sizeof(*p->location_mapping));
	p->line_at = oh_xgrow(p->line_at, &b->line_at_cap, (size_t)l + 1, sizeof(*p->line_at));
	p->line_count =
	    oh_xgrow(p->line_count, &b->line_count_cap, (size_t)l + 1, sizeof(*p->line_count));
	p->address[l] = key[2];
	p->location_mapping[l] = 0;
	p->line_at[l] = p->line_count[l] = 0;
	p->location_count = (size_t)l + 1;
	if (key[0] != UINT64_MAX)
		oh_profile_set_lines(p, l, &line, 1);
	return l;
}

uint32_t
oh_build_named(struct oh_build *b, uint32_t name, uint32_t file, uint32_t line)
{
	const uint64_t function[] = { name, file };
	uint64_t key[3] = { 0, line, 0 };
	bool is_new;

	key[0] = oh_lists_intern(&b->functions, function, 2, &is_new);
	if (is_new)
		(void)oh_profile_add_function(b->p,
		    &(struct oh_function){ .name = name, .system_name = name, .filename = file });
	return location(b, key);
}

uint32_t
oh_build_address(struct oh_build *b, uint64_t address)
{
	const uint64_t key[] = { UINT64_MAX, 0, address };

	return location(b, key);
}

void
oh_build_mapping(struct oh_build *b, uint64_t start, uint64_t limit, uint64_t offset, uint32_t file,
    uint32_t build_id)
{
	struct oh_profile *p = b->p;

	p->mappings =
	    oh_xgrow(p->mappings, &b->mapping_cap, p->mapping_count + 1, sizeof(*p->mappings));
	p->mappings[p->mapping_count++] = (struct oh_mapping){
		.start = start,
		.limit = limit,
		.offset = offset,
		.filename = file,
		.build_id = build_id,
	};
}

void
oh_build_sample(
    struct oh_build *b, const uint32_t *frames, size_t count, const int64_t *values, int64_t bytes)
{
	size_t types = b->p->type_count;
	bool is_new;
	uint32_t s;

	b->key = oh_xgrow(b->key, &b->key_cap, count + 1, sizeof(*b->key));
	b->key[0] = (uint64_t)bytes;
	for (size_t i = 0; i < count; i++)
		b->key[i + 1] = frames[i];
	s = oh_lists_intern(&b->samples, b->key, count + 1, &is_new);
	if (is_new) {
		b->values =
		    oh_xgrow(b->values, &b->value_cap, ((size_t)s + 1) * types, sizeof(*b->values));
		memset(b->values + s * types, 0, types * sizeof(*b->values));
	}
	for (size_t t = 0; t < types; t++)
		b->values[s * types + t] = oh_add_saturated(b->values[s * types + t], values[t]);
}

/* Block sizes become label sets; the samples their frames. */
static void
finish_samples(struct oh_build *b)
{
	struct oh_profile *p = b->p;
	size_t n = b->samples.count, frames = 0;
	struct oh_lists sizes = { 0 };
	const uint64_t none = (uint64_t)OH_BUILD_NO_SIZE;
	bool is_new;

	(void)oh_lists_intern(&sizes, &none, 1, &is_new);
	p->sample_count = n;
	p->frame_at = oh_xcalloc(n + 1, sizeof(*p->frame_at));
	p->frames = oh_xcalloc(b->samples.word_count + 1, sizeof(*p->frames));
	p->label_set = oh_xcalloc(n, sizeof(*p->label_set));
	p->values = b->values != NULL ? b->values : oh_xcalloc(1, sizeof(*p->values));
	b->values = NULL;
	for (size_t s = 0; s < n; s++) {
		const uint64_t *key = b->samples.words + b->samples.at[s];
		size_t len = b->samples.at[s + 1] - b->samples.at[s];

		p->label_set[s] = oh_lists_intern(&sizes, key, 1, &is_new);
		for (size_t f = 1; f < len; f++)
			p->frames[frames++] = (uint32_t)key[f];
		p->frame_at[s + 1] = (uint32_t)frames;
	}
	p->label_set_count = sizes.count;
	p->label_count = sizes.count - 1;
	p->label_at = oh_xcalloc(sizes.count + 1, sizeof(*p->label_at));
	p->labels = oh_xcalloc(p->label_count, sizeof(*p->labels));
	for (size_t i = 1; i < sizes.count; i++) {
		p->label_at[i + 1] = (uint32_t)i;
		p->labels[i - 1] = (struct oh_label){
			.key = b->bytes_key,
			.unit = b->bytes_key,
			.num = (int64_t)sizes.words[i],
		};
	}
	oh_lists_free(&sizes);
}

struct range {
	uint64_t start, limit;
	uint32_t mapping;
};

static int
by_start(const void *x, const void *y)
{
	const struct range *a = x, *b = y;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->mapping < b->mapping ? -1 : a->mapping > b->mapping;
}

static void
find_mappings(struct oh_profile *p)
{
	size_t n = p->mapping_count;
	struct range *r = oh_xcalloc(n, sizeof(*r));

	for (size_t i = 0; i < n; i++)
		r[i] = (struct range){ p->mappings[i].start, p->mappings[i].limit, (uint32_t)i };
	qsort(r, n, sizeof(*r), by_start);
	for (size_t l = 0; l < p->location_count; l++) {
		size_t low = 0, high = n;

		if (p->line_count[l] != 0)
			continue;
		while (low < high) { /* how many start at or before it? */
			size_t mid = low + (high - low) / 2;

			if (r[mid].start <= p->address[l])
				low = mid + 1;
			else
				high = mid;
		}
		if (low > 0 && p->address[l] < r[low - 1].limit)
			p->location_mapping[l] = r[low - 1].mapping + 1;
	}
	free(r);
}

struct oh_profile *
oh_build_finish(struct oh_build *b, bool good)
{
	struct oh_profile *p = b->p;

	if (good) {
		finish_samples(b);
		find_mappings(p);
	} else {
		oh_profile_free(p);
		p = NULL;
	}
	oh_intern_free(&b->strings);
	oh_lists_free(&b->functions);
	oh_lists_free(&b->locations);
	oh_lists_free(&b->samples);
	free(b->values);
	free(b->key);
	free(b->text);
	memset(b, 0, sizeof(*b));
	return p;
}
