/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.h - a pprof profile in memory, as flat arrays.
 *
 * Everything that refers to something else does so by index, and every index
 * was checked when the profile was read: a reader of these arrays needs no
 * bounds checks of its own.  Strings are NUL-terminated (a NUL inside one ends
 * it early) and otherwise as the writer left them: clean them before a
 * terminal sees them (oh_print_clean()).
 */
#ifndef OH_TOOLS_PROFILE_H
#define OH_TOOLS_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tools/idmap.h"
#include "tools/mem.h"

/* Most bytes of profile, unpacked, unless the user says otherwise; and most he may say. */
#define OH_PROFILE_MAX_DEFAULT (UINT64_C(1) << 30)
#define OH_PROFILE_MAX_LIMIT (UINT64_C(4095) << 20)

struct oh_value_type {
	uint32_t type, unit; /* strings */
};

struct oh_label {
	uint32_t key, str; /* strings; str 0 when num is meant */
	uint32_t unit;     /* string, of num */
	int64_t num;
};

struct oh_mapping {
	uint64_t start, limit, offset; /* addresses [start, limit) show the file from offset on */
	uint32_t filename, build_id;   /* strings */
	bool has_functions;            /* its locations were symbolised by the writer */
};

struct oh_function {
	uint32_t name, system_name, filename; /* strings */
	uint32_t start_line;                  /* 0 = unknown */
};

struct oh_line {
	uint32_t function; /* index */
	uint32_t line;     /* 0 = unknown */
};

struct oh_profile {
	/* strings[i] is text + string_at[i]; [0] is "" */
	char *text;
	size_t text_len, text_cap;
	uint32_t *string_at;
	size_t string_count, string_cap;

	struct oh_value_type *types; /* one per value of each sample */
	size_t type_count, type_cap;

	/*
	 * Sample i has frames[frame_at[i] .. frame_at[i + 1]), leaf first, each
	 * a location; values[i * type_count ..]; and the labels of set
	 * label_set[i].  With a `source` the frames have stayed in the file:
	 * oh_profile_stack() tells them.
	 */
	size_t sample_count;
	uint32_t *frame_at; /* sample_count + 1 of them; NULL with a source, as frames is */
	uint32_t *frames;
	struct oh_profile_source *source; /* NULL, or where the frames are */
	int64_t *values;
	uint32_t *label_set;

	/* Label set s is labels[label_at[s] .. label_at[s + 1]); set 0 is empty. */
	uint32_t *label_at;
	struct oh_label *labels;
	size_t label_set_count, label_count;

	/* Location i; its lines are lines[line_at[i] ..][0 .. line_count[i]), innermost first. */
	size_t location_count;
	uint64_t *address;
	uint32_t *location_mapping; /* index + 1; 0 = none */
	uint32_t *line_at, *line_count;

	struct oh_line *lines;
	size_t lines_len, lines_cap;

	struct oh_function *functions;
	size_t function_count, function_cap;

	struct oh_mapping *mappings; /* in the order of first mention */
	size_t mapping_count;
	uint32_t main_mapping; /* the one the file lists first: the main program */

	uint32_t *comments; /* strings */
	size_t comment_count, comment_cap;

	uint32_t drop_frames, keep_frames, default_type, doc_url; /* strings */
	int64_t time_ns, duration_ns, period;
	struct oh_value_type period_type;
};

/*
 * Read a profile that any pprof writer made, gzip or plain, from the file
 * `path` ("-": stdin) or from memory.
 *
 *   max_bytes  most bytes of profile, unpacked; at most OH_PROFILE_MAX_LIMIT.
 *              Memory stays below 16 times that, and is 1 to 3 times what the
 *              profile really holds with profiles that are meant honestly.
 *
 * Returns NULL with one reason in *err when the bytes are not a consistent
 * profile: every id refers to exactly one thing, every sample has one value
 * per sample type, every string index is in the table.  Fields that are not
 * known are skipped.  A profile without samples is fine.
 * oh_profile_free takes NULL.
 */
struct oh_profile *oh_profile_read(const char *path, uint64_t max_bytes, struct oh_error *err);
struct oh_profile *oh_profile_read_mem(
    const void *mem, size_t len, uint64_t max_bytes, struct oh_error *err);
struct oh_input;
struct oh_profile *oh_profile_read_input(struct oh_input *in, struct oh_error *err); /* ends it */
void oh_profile_free(struct oh_profile *p);

/*
 * The same of a file that is open, for who needs each stack but once or twice:
 * where there are more than frames_max frames they stay in the file, and memory
 * does not depend on how deep the stacks are.  fd is the profile's from here on,
 * also if there is none.  From what cannot be read again all frames are kept.
 */
struct oh_profile *oh_profile_open(
    int fd, uint64_t max_bytes, size_t frames_max, struct oh_error *err);

/*
 * The frames of a sample, leaf first, until the next call.  With a source the
 * file is read up to there, from its beginning where the sample comes before
 * the last one asked for: ask in ascending order.  Where it cannot be read
 * again, all stacks are empty from then on and oh_profile_trouble() says why,
 * which is NULL until then.
 */
static inline uint32_t oh_profile_stack(
    const struct oh_profile *p, size_t sample, const uint32_t **ret);
uint32_t oh_profile_stack_of_file(
    struct oh_profile_source *from, size_t sample, const uint32_t **ret);
const char *oh_profile_trouble(const struct oh_profile *p);

/* Let sample `to` have the frames of `from`, which is not below it; in ascending order of both. */
void oh_profile_move_stack(struct oh_profile *p, size_t to, size_t from);

/*
 * Append a string or a function (all its indices valid); returns its index.
 * Once the strings reach 4 GiB in all, further ones become "" (index 0).
 */
uint32_t oh_profile_add_string(struct oh_profile *p, const char *s, size_t len);
uint32_t oh_profile_add_function(struct oh_profile *p, const struct oh_function *f);

/* Give a location that has no lines these, innermost first. */
void oh_profile_set_lines(
    struct oh_profile *p, uint32_t location, const struct oh_line *lines, uint32_t count);

/*
 * Which sample type does `want` mean: a name, or an index in decimal?  NULL
 * means the profile's default, or its last type if it names none.  Returns its
 * index, or -1 if there is no such type.
 */
int oh_profile_find_type(const struct oh_profile *p, const char *want);

/* The rest of the first comment that starts with `key`, or NULL. */
const char *oh_profile_comment(const struct oh_profile *p, const char *key);

static inline const char *
oh_profile_string(const struct oh_profile *p, uint32_t i)
{
	return p->text + p->string_at[i];
}

static inline int64_t
oh_profile_value(const struct oh_profile *p, size_t sample, unsigned type)
{
	return p->values[sample * p->type_count + type];
}

static inline uint32_t
oh_profile_stack(const struct oh_profile *p, size_t sample, const uint32_t **ret)
{
	if (OH_UNLIKELY(p->source != NULL))
		return oh_profile_stack_of_file(p->source, sample, ret);
	*ret = p->frames + p->frame_at[sample];
	return p->frame_at[sample + 1] - p->frame_at[sample];
}

/* a + b, at most INT64_MAX and at least INT64_MIN. */
static inline int64_t
oh_add_saturated(int64_t a, int64_t b)
{
	int64_t sum;

	if (OH_UNLIKELY(__builtin_add_overflow(a, b, &sum)))
		return a < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

#endif
