/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_write.c - write a profile in pprof format.
 *
 * Shape
 *	use()    which locations, functions and strings are needed; new numbers
 *	put_*()  one field of the top-level message after the other, through zlib
 *
 * The message is never held as a whole: memory is the largest field and four
 * bytes for each thing that has a number.
 *
 * Sources  profile.proto of google/pprof for the field numbers.
 */
#include "tools/profile_write.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tools/mem.h"

#define CHUNK_BYTES (64u * 1024)

struct buf {
	uint8_t *b;
	size_t len, cap;
};

struct writer {
	const struct oh_profile *p;
	FILE *to;
	z_stream z;
	bool good;             /* of `to` */
	uint8_t *chunk;        /* [CHUNK_BYTES], what zlib makes */
	struct buf field, sub; /* the field at hand, and a message inside it */

	/* Numbers in the file; 0 = not in it.  string[0] is 0 and means "". */
	uint32_t *location, *function, *string;
	uint32_t *string_order; /* [number] = index in p */
	uint32_t string_count;
};

/* ---- bytes ------------------------------------------------------------------- */

static void
deflate_some(struct writer *w, const uint8_t *b, size_t len, int flush)
{
	w->z.next_in = (Bytef *)(uintptr_t)b;
	w->z.avail_in = (uInt)len; /* a field is below 4 GiB, as strings are */
	do {
		size_t made;

		w->z.next_out = w->chunk;
		w->z.avail_out = CHUNK_BYTES;
		if (deflate(&w->z, flush) == Z_STREAM_ERROR) {
			w->good = false;
			return;
		}
		made = CHUNK_BYTES - w->z.avail_out;
		if (fwrite(w->chunk, 1, made, w->to) != made)
			w->good = false;
	} while (w->z.avail_out == 0 && w->good);
}

static void
put_varint(struct buf *b, uint64_t v)
{
	b->b = oh_xgrow(b->b, &b->cap, b->len + 10, 1);
	for (; v >= 0x80; v >>= 7)
		b->b[b->len++] = (uint8_t)(v | 0x80);
	b->b[b->len++] = (uint8_t)v;
}

/* A field with an integer; one that is 0 is the same as none. */
static void
put_int(struct buf *b, unsigned field, uint64_t v)
{
	if (v == 0)
		return;
	put_varint(b, field << 3);
	put_varint(b, v);
}

static void
put_bytes(struct buf *b, unsigned field, const void *bytes, size_t len)
{
	put_varint(b, field << 3 | 2);
	put_varint(b, len);
	b->b = oh_xgrow(b->b, &b->cap, b->len + len, 1);
	if (len > 0)
		memcpy(b->b + b->len, bytes, len);
	b->len += len;
}

/* Put the message in w->sub into w->field, and empty it. */
static void
put_sub(struct writer *w, unsigned field)
{
	put_bytes(&w->field, field, w->sub.b, w->sub.len);
	w->sub.len = 0;
}

/* Write the message in w->field as a field of the profile, and empty it. */
static void
emit(struct writer *w, unsigned field)
{
	put_varint(&w->sub, field << 3 | 2);
	put_varint(&w->sub, w->field.len);
	deflate_some(w, w->sub.b, w->sub.len, Z_NO_FLUSH);
	deflate_some(w, w->field.b, w->field.len, Z_NO_FLUSH);
	w->sub.len = w->field.len = 0;
}

static void
emit_int(struct writer *w, unsigned field, uint64_t v)
{
	put_int(&w->field, field, v);
	deflate_some(w, w->field.b, w->field.len, Z_NO_FLUSH);
	w->field.len = 0;
}

/* ---- numbers ----------------------------------------------------------------- */

static uint32_t
string_of(struct writer *w, uint32_t i)
{
	if (*oh_profile_string(w->p, i) == '\0')
		return 0;
	if (w->string[i] == 0) {
		w->string_order[++w->string_count] = i;
		w->string[i] = w->string_count;
	}
	return w->string[i];
}

/* Give what is marked the ids 1 .. n, in the order it is written in: Parca takes nothing else. */
static void
number(uint32_t *ids, size_t count)
{
	uint32_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (ids[i] != 0)
			ids[i] = ++n;
}

static void
use(struct writer *w)
{
	const struct oh_profile *p = w->p;

	w->location = oh_xcalloc(p->location_count, sizeof(*w->location));
	w->function = oh_xcalloc(p->function_count, sizeof(*w->function));
	w->string = oh_xcalloc(p->string_count, sizeof(*w->string));
	w->string_order = oh_xcalloc(p->string_count + 1, sizeof(*w->string_order));
	for (size_t s = 0; s < p->sample_count; s++) {
		const uint32_t *frames;
		uint32_t depth = oh_profile_stack(p, s, &frames);

		for (uint32_t f = 0; f < depth; f++)
			w->location[frames[f]] = 1;
	}
	for (size_t l = 0; l < p->location_count; l++)
		for (uint32_t i = 0; i < p->line_count[l] && w->location[l] != 0; i++)
			w->function[p->lines[p->line_at[l] + i].function] = 1;
	number(w->location, p->location_count);
	number(w->function, p->function_count);
}

/* ---- what a profile is made of -------------------------------------------------- */

static void
put_value_type(struct writer *w, unsigned field, const struct oh_value_type *t)
{
	put_int(&w->field, 1, string_of(w, t->type));
	put_int(&w->field, 2, string_of(w, t->unit));
	emit(w, field);
}

static void
put_sample(struct writer *w, size_t s)
{
	const struct oh_profile *p = w->p;
	const uint32_t *frames;
	uint32_t set = p->label_set[s], depth = oh_profile_stack(p, s, &frames);

	for (uint32_t f = 0; f < depth; f++)
		put_varint(&w->sub, w->location[frames[f]]);
	if (w->sub.len > 0)
		put_sub(w, 1);
	for (unsigned t = 0; t < p->type_count; t++)
		put_varint(&w->sub, (uint64_t)oh_profile_value(p, s, t));
	put_sub(w, 2);
	for (uint32_t i = p->label_at[set]; i < p->label_at[set + 1]; i++) {
		const struct oh_label *l = &p->labels[i];

		put_int(&w->sub, 1, string_of(w, l->key));
		put_int(&w->sub, 2, string_of(w, l->str));
		put_int(&w->sub, 3, (uint64_t)l->num);
		put_int(&w->sub, 4, string_of(w, l->unit));
		put_sub(w, 3);
	}
	emit(w, 2);
}

/* What the locations of each mapping have, as the flags of a mapping say it. */
struct has {
	bool used, unnamed, file, line, inlined;
};

static void
put_mappings(struct writer *w)
{
	const struct oh_profile *p = w->p;
	struct has *has = oh_xcalloc(p->mapping_count, sizeof(*has));

	for (size_t l = 0; l < p->location_count; l++) {
		const struct oh_line *lines = p->lines + p->line_at[l];
		struct has *h;

		if (w->location[l] == 0 || p->location_mapping[l] == 0)
			continue;
		h = &has[p->location_mapping[l] - 1];
		h->used = true;
		h->unnamed = h->unnamed || p->line_count[l] == 0;
		h->inlined = h->inlined || p->line_count[l] > 1;
		for (uint32_t i = 0; i < p->line_count[l]; i++) {
			h->file = h->file ||
				  *oh_profile_string(p, p->functions[lines[i].function].filename);
			h->line = h->line || lines[i].line != 0;
		}
	}
	for (size_t k = 0; k < p->mapping_count; k++) {
		/* The main program is the one that comes first. */
		size_t i = k == 0 ? p->main_mapping : k <= p->main_mapping ? k - 1 : k;
		const struct oh_mapping *m = &p->mappings[i];

		put_int(&w->field, 1, k + 1);
		put_int(&w->field, 2, m->start);
		put_int(&w->field, 3, m->limit);
		put_int(&w->field, 4, m->offset);
		put_int(&w->field, 5, string_of(w, m->filename));
		put_int(&w->field, 6, string_of(w, m->build_id));
		put_int(&w->field, 7, m->has_functions || (has[i].used && !has[i].unnamed));
		put_int(&w->field, 8, has[i].file);
		put_int(&w->field, 9, has[i].line);
		put_int(&w->field, 10, has[i].inlined);
		emit(w, 3);
	}
	free(has);
}

/* Of the mapping of that number, 1 .. n, as put_mappings() gives it; 0 for none. */
static uint64_t
mapping_id(const struct oh_profile *p, uint32_t number)
{
	size_t i = (size_t)number - 1;

	if (number == 0)
		return 0;
	return i == p->main_mapping ? 1 : i < p->main_mapping ? number + 1 : number;
}

static void
put_locations(struct writer *w)
{
	const struct oh_profile *p = w->p;

	for (size_t l = 0; l < p->location_count; l++) {
		const struct oh_line *lines = p->lines + p->line_at[l];

		if (w->location[l] == 0)
			continue;
		put_int(&w->field, 1, w->location[l]);
		put_int(&w->field, 2, mapping_id(p, p->location_mapping[l]));
		put_int(&w->field, 3, p->address[l]);
		for (uint32_t i = 0; i < p->line_count[l]; i++) {
			put_int(&w->sub, 1, w->function[lines[i].function]);
			put_int(&w->sub, 2, lines[i].line);
			put_sub(w, 4);
		}
		emit(w, 4);
	}
	for (size_t i = 0; i < p->function_count; i++) {
		const struct oh_function *f = &p->functions[i];

		if (w->function[i] == 0)
			continue;
		put_int(&w->field, 1, w->function[i]);
		put_int(&w->field, 2, string_of(w, f->name));
		put_int(&w->field, 3, string_of(w, f->system_name));
		put_int(&w->field, 4, string_of(w, f->filename));
		put_int(&w->field, 5, f->start_line);
		emit(w, 5);
	}
}

static void
put_header(struct writer *w)
{
	const struct oh_profile *p = w->p;

	emit_int(w, 7, string_of(w, p->drop_frames));
	emit_int(w, 8, string_of(w, p->keep_frames));
	emit_int(w, 9, (uint64_t)p->time_ns);
	emit_int(w, 10, (uint64_t)p->duration_ns);
	if (p->period_type.type != 0 || p->period_type.unit != 0)
		put_value_type(w, 11, &p->period_type);
	emit_int(w, 12, (uint64_t)p->period);
	for (size_t i = 0; i < p->comment_count; i++)
		emit_int(w, 13, string_of(w, p->comments[i]));
	emit_int(w, 14, string_of(w, p->default_type));
	emit_int(w, 15, string_of(w, p->doc_url));
}

static void
put_strings(struct writer *w)
{
	for (uint32_t i = 0; i <= w->string_count; i++) {
		const char *s = i == 0 ? "" : oh_profile_string(w->p, w->string_order[i]);
		size_t len = strlen(s);

		put_varint(&w->field, 6 << 3 | 2);
		put_varint(&w->field, len);
		deflate_some(w, w->field.b, w->field.len, Z_NO_FLUSH);
		deflate_some(w, (const uint8_t *)s, len, Z_NO_FLUSH);
		w->field.len = 0;
	}
}

bool
oh_profile_write(const struct oh_profile *p, FILE *to)
{
	struct writer w = { .p = p, .to = to, .good = true };

	/* Level 6 is zlib's own choice; 31 asks for a gzip header. */
	if (deflateInit2(&w.z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		(void)fputs("otheap: out of memory\n", stderr);
		return false;
	}
	w.chunk = oh_xrealloc(NULL, CHUNK_BYTES, 1);
	use(&w);
	for (size_t t = 0; t < p->type_count; t++)
		put_value_type(&w, 1, &p->types[t]);
	for (size_t s = 0; s < p->sample_count && w.good; s++)
		put_sample(&w, s);
	put_mappings(&w);
	put_locations(&w);
	put_header(&w);
	put_strings(&w); /* last: by now it is known which */
	deflate_some(&w, NULL, 0, Z_FINISH);
	(void)deflateEnd(&w.z);
	free(w.chunk);
	free(w.field.b);
	free(w.sub.b);
	free(w.location);
	free(w.function);
	free(w.string);
	free(w.string_order);
	return true;
}
