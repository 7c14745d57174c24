/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_stacks.c - the stacks of a profile that left its frames in the file.
 *
 * Answers: which frames has this sample?  By reading the file again from its
 * beginning, sample after sample; all but the one asked for are skipped.
 *
 * Invariants
 *	I1  Each frame is the index of a location of the profile, whatever has
 *	    become of the file: ids that were not there the first time are
 *	    trouble, as are samples that are missing.
 *	I2  After trouble every stack is empty.
 */
#include "tools/profile.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/input.h"
#include "tools/profile_reader.h"

#define SAMPLE_FIELD 2 /* of a profile */
#define FRAMES_FIELD 1 /* of a sample */

struct oh_profile_source {
	int fd;
	off_t start;
	uint64_t max_bytes;
	struct oh_idmap locations;
	struct oh_input *in; /* NULL = not begun */
	size_t next;         /* the sample that comes next in `in` */
	uint32_t *frames;    /* of sample next - 1 */
	size_t count, cap;
	uint32_t *moved;     /* [sample] = where it is in the file; NULL = as it is called */
	struct oh_error err; /* not empty: no stack is known any more */
};

struct oh_profile *
oh_profile_open(int fd, uint64_t max_bytes, size_t frames_max, struct oh_error *err)
{
	off_t start = lseek(fd, 0, SEEK_CUR); /* -1: it cannot be read twice */
	struct oh_input *in = oh_input_open_fd(fd, max_bytes, err);
	struct oh_profile *p = NULL;
	struct oh_profile_source *s;
	struct oh_idmap locations;

	if (in != NULL)
		p = oh_reader_read(in, start < 0 ? SIZE_MAX : frames_max, &locations, err);
	if (p == NULL || p->frame_at != NULL) {
		(void)close(fd);
		return p;
	}
	p->source = s = oh_xcalloc(1, sizeof(*s));
	s->fd = fd;
	s->start = start;
	s->max_bytes = max_bytes;
	s->locations = locations;
	return p;
}

void
oh_profile_source_free(struct oh_profile_source *s)
{
	if (s == NULL)
		return;
	oh_input_free(s->in);
	oh_idmap_free(&s->locations);
	free(s->frames);
	free(s->moved);
	(void)close(s->fd);
	free(s);
}

const char *
oh_profile_trouble(const struct oh_profile *p)
{
	return p->source != NULL && p->source->err.text[0] != '\0' ? p->source->err.text : NULL;
}

static bool
changed(struct oh_profile_source *s)
{
	return oh_error_set(&s->err, "the file was changed while it was read");
}

static bool
begin(struct oh_profile_source *s)
{
	oh_input_free(s->in);
	s->next = 0;
	if (lseek(s->fd, s->start, SEEK_SET) != s->start)
		s->in = NULL;
	else
		s->in = oh_input_open_fd(s->fd, s->max_bytes, &s->err);
	return s->in != NULL || changed(s);
}

static bool
take_frame(struct oh_profile_source *s, uint64_t id)
{
	uint32_t l = oh_idmap_find(&s->locations, id);

	s->frames[s->count++] = l;
	return l != OH_IDMAP_NONE || changed(s);
}

/* The frames of one Sample message. */
static bool
take_frames(struct oh_profile_source *s, struct oh_wire w)
{
	struct oh_wire_field f;
	uint64_t id;
	int rc;

	s->count = 0;
	while ((rc = oh_wire_next(&w, &f)) > 0) {
		if (f.number != FRAMES_FIELD)
			continue;
		s->frames = oh_xgrow(s->frames, &s->cap,
		    s->count + (size_t)(f.bytes.end - f.bytes.at) + 1, sizeof(*s->frames));
		if (f.type != OH_WIRE_BYTES) {
			if (!take_frame(s, f.value))
				return false;
			continue;
		}
		while (f.bytes.at < f.bytes.end)
			if (!oh_wire_varint(&f.bytes, &id) || !take_frame(s, id))
				return changed(s);
	}
	return rc == 0 || changed(s);
}

/* The file, up to and with this sample. */
static bool
read_to(struct oh_profile_source *s, size_t sample)
{
	struct oh_wire_field f;
	size_t len;
	int rc;

	while (s->next <= sample) {
		rc = oh_reader_field(s->in, &f, &len, &s->err);
		if (rc <= 0)
			return changed(s);
		if (f.number == SAMPLE_FIELD && f.type == OH_WIRE_BYTES && s->next++ == sample &&
		    !take_frames(s, f.bytes))
			return false;
		oh_input_skip(s->in, len);
	}
	return true;
}

uint32_t
oh_profile_stack_of_file(struct oh_profile_source *s, size_t sample, const uint32_t **ret)
{
	if (s->moved != NULL)
		sample = s->moved[sample];
	if (s->err.text[0] == '\0' && (s->in == NULL || sample + 1 != s->next) &&
	    ((s->in != NULL && sample >= s->next) || begin(s)))
		(void)read_to(s, sample);
	*ret = s->frames;
	return s->err.text[0] == '\0' ? (uint32_t)s->count : 0;
}

void
oh_profile_move_stack(struct oh_profile *p, size_t to, size_t from)
{
	struct oh_profile_source *s = p->source;
	uint32_t at, n;

	if (s == NULL) {
		at = p->frame_at[from];
		n = p->frame_at[from + 1] - at;
		memmove(p->frames + p->frame_at[to], p->frames + at, n * sizeof(*p->frames));
		p->frame_at[to + 1] = p->frame_at[to] + n;
		return;
	}
	if (s->moved == NULL) {
		s->moved = oh_xrealloc(NULL, p->sample_count, sizeof(*s->moved));
		for (size_t i = 0; i < p->sample_count; i++)
			s->moved[i] = (uint32_t)i;
	}
	s->moved[to] = s->moved[from];
}
