/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_profile_stacks.c - frames that stay in the file are the same as those
 * that are kept, and what becomes of the file meanwhile does no harm.
 */
#include "tests/unit/tools/wirebuild.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/otlp.h"
#include "tools/otlp_rows.h"
#include "tools/profile_write.h"

#define SAMPLES 100

/* A file of these bytes, open at its beginning. */
static int
file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("profile", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* The shared profile with more samples, some of no frames, and some whose ids are not packed. */
static void
make(struct wb *w)
{
	wb_example(w);
	for (uint64_t s = 0; s < SAMPLES; s++) {
		struct wb m = { .len = 0 };
		const uint64_t values[2] = { s, 10 * s };

		for (uint64_t f = 0; f < s % 7; f++)
			wb_int(&m, 1, 1 + (s + f * f) % 4);
		wb_packed(&m, 2, values, 2);
		wb_bytes(w, 2, m.b, m.len);
		WB_SAMPLE(w, s, s, s, 1 + s % 4, 1 + s / 4 % 4, 1 + s / 16 % 4);
	}
}

static struct oh_profile *
opened(int fd, size_t frames_max)
{
	struct oh_error err = { "" };
	struct oh_profile *p = oh_profile_open(fd, OH_PROFILE_MAX_DEFAULT, frames_max, &err);

	ck_assert_msg(p != NULL, "%s", err.text);
	return p;
}

static void
assert_same_stack(const struct oh_profile *kept, const struct oh_profile *left, size_t sample)
{
	const uint32_t *a, *b;
	uint32_t n = oh_profile_stack(kept, sample, &a);

	ck_assert_uint_eq(n, kept->frame_at[sample + 1] - kept->frame_at[sample]);
	ck_assert_uint_eq(oh_profile_stack(left, sample, &b), n);
	ck_assert_ptr_null(oh_profile_trouble(left));
	for (uint32_t i = 0; i < n; i++)
		ck_assert_uint_eq(a[i], b[i]);
}

static void
assert_same(const struct oh_profile *kept, const struct oh_profile *left)
{
	size_t n = kept->sample_count;

	ck_assert_ptr_nonnull(left->source);
	ck_assert_ptr_null(left->frames);
	ck_assert_ptr_null(left->frame_at);
	ck_assert_uint_eq(left->sample_count, n);
	ck_assert_uint_eq(left->type_count, kept->type_count);
	ck_assert_mem_eq(left->values, kept->values, n * kept->type_count * sizeof(*kept->values));
	ck_assert_mem_eq(left->label_set, kept->label_set, n * sizeof(*kept->label_set));
	ck_assert_uint_eq(left->location_count, kept->location_count);
	ck_assert_mem_eq(
	    left->address, kept->address, kept->location_count * sizeof(*kept->address));
	for (size_t s = 0; s < n; s++) {
		assert_same_stack(kept, left, s);
		assert_same_stack(kept, left, s);
	}
	for (size_t s = 0; s < n; s += 3)
		assert_same_stack(kept, left, s);
	for (size_t s = n; s-- > n - 5;)
		assert_same_stack(kept, left, s);
}

START_TEST(frames_left_in_the_file_are_those_that_are_kept)
{
	struct oh_profile *kept, *left;
	struct oh_error err = { "" };
	uint8_t packed[2 * sizeof(((struct wb *)0)->b)];
	struct wb w, tail = { .len = 0 };
	size_t frames, len;

	make(&w);
	kept = wb_read(&w, &err);
	frames = kept->frame_at[kept->sample_count];
	for (size_t most = 0; most < frames; most += most < 4 ? 1 : (frames - most + 1) / 2) {
		left = opened(file_of(w.b, w.len), most);
		assert_same(kept, left);
		oh_profile_free(left);
	}
	left = opened(file_of(w.b, w.len), frames);
	ck_assert_ptr_null(left->source);
	ck_assert_mem_eq(left->frames, kept->frames, frames * sizeof(*kept->frames));
	oh_profile_free(left);
	oh_profile_free(kept);

	/* Two members of gzip, and something of another kind before them. */
	WB_SAMPLE(&tail, 1, 8, 8, 1, 2);
	memcpy(packed, "before", 6);
	len = 6 + wb_gzip(&w, packed + 6, sizeof(packed) - 6);
	len += wb_gzip(&tail, packed + len, sizeof(packed) - len);
	kept = oh_profile_read_mem(packed + 6, len - 6, OH_PROFILE_MAX_DEFAULT, &err);
	ck_assert_msg(kept != NULL, "%s", err.text);
	{
		int fd = file_of(packed, len);

		ck_assert_int_eq(lseek(fd, 6, SEEK_SET), 6);
		left = opened(fd, 0);
	}
	assert_same(kept, left);
	oh_profile_free(left);
	oh_profile_free(kept);
}
END_TEST

START_TEST(what_cannot_be_read_twice_is_kept)
{
	struct oh_profile *p;
	struct wb w;
	int ends[2];

	make(&w);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], w.b, w.len), (ssize_t)w.len);
	(void)close(ends[1]);
	p = opened(ends[0], 0);
	ck_assert_ptr_null(p->source);
	ck_assert_uint_eq(p->frame_at[1], 4);
	ck_assert_ptr_null(oh_profile_trouble(p));
	oh_profile_free(p);
	ck_assert_int_eq(close(ends[0]), -1); /* it was the profile's */
}
END_TEST

START_TEST(a_descriptor_is_closed_with_a_profile_that_is_none)
{
	struct oh_error err = { "" };
	int fd = file_of("no profile", 10);

	ck_assert_ptr_null(oh_profile_open(fd, OH_PROFILE_MAX_DEFAULT, 0, &err));
	ck_assert_str_ne(err.text, "");
	ck_assert_int_eq(close(fd), -1);
	memset(&err, 0, sizeof(err));
	fd = file_of("", 0);
	ck_assert_ptr_null(oh_profile_open(fd, OH_PROFILE_MAX_DEFAULT, 0, &err));
	ck_assert_str_eq(err.text, "the file is empty");
	ck_assert_int_eq(close(fd), -1);
}
END_TEST

/* Everything is asked for: it ends well or in trouble, and every index is one. */
static void
walk(const struct oh_profile *p)
{
	for (size_t s = 0; s < p->sample_count; s++) {
		const uint32_t *frames;
		bool before = oh_profile_trouble(p) != NULL;
		uint32_t n = oh_profile_stack(p, s, &frames);

		ck_assert(!before || n == 0);
		for (uint32_t f = 0; f < n; f++)
			ck_assert_uint_lt(frames[f], p->location_count);
	}
}

START_TEST(a_file_that_changes_meanwhile_is_trouble)
{
	struct oh_profile *p;
	struct wb w, other;
	const uint32_t *frames;
	int fd;

	make(&w);
	/* Cut short, at each place; what was read of it before stays known. */
	for (size_t len = 0; len < w.len; len += 13) {
		fd = file_of(w.b, w.len);
		p = opened(fd, 0);
		ck_assert_int_eq(ftruncate(fd, (off_t)len), 0);
		walk(p);
		oh_profile_free(p);
	}
	/* Cut to nothing, when some of it has been read. */
	fd = file_of(w.b, w.len);
	p = opened(fd, 0);
	ck_assert_uint_eq(oh_profile_stack(p, 0, &frames), 4);
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	ck_assert_uint_eq(oh_profile_stack(p, 5, &frames), 3); /* in the window still */
	ck_assert_uint_eq(oh_profile_stack(p, 0, &frames), 0);
	ck_assert_str_eq(oh_profile_trouble(p), "the file is empty");
	ck_assert_uint_eq(oh_profile_stack(p, 5, &frames), 0);
	oh_profile_free(p);
	/* An id that was not there. */
	other = w;
	for (size_t i = 0; i + 6 < other.len; i++)
		if (memcmp(other.b + i, "\x0a\x04\x04\x03\x02\x01", 6) == 0)
			other.b[i + 2] = 9;
	fd = file_of(w.b, w.len);
	p = opened(fd, 0);
	ck_assert_int_eq(pwrite(fd, other.b, other.len, 0), (ssize_t)other.len);
	ck_assert_uint_eq(oh_profile_stack(p, 0, &frames), 0);
	ck_assert_str_eq(oh_profile_trouble(p), "the file was changed while it was read");
	oh_profile_free(p);
	/* Any byte. */
	for (size_t i = 0; i < w.len; i++) {
		other = w;
		other.b[i] ^= (uint8_t)(1 + i % 255);
		fd = file_of(w.b, w.len);
		p = opened(fd, 0);
		ck_assert_int_eq(pwrite(fd, other.b, other.len, 0), (ssize_t)other.len);
		walk(p);
		oh_profile_free(p);
	}
}
END_TEST

/* All requests of a profile, of at most so many bytes each, one behind the other. */
static uint8_t *
requests(const struct oh_profile *p, size_t *ret_len, enum oh_otlp_added *ret)
{
	struct oh_binaries *files = oh_binaries_create();
	struct oh_otlp_options options = { .max_bytes = 2000 };
	struct oh_otlp *o = oh_otlp_create(&options, files);
	struct oh_resource *resource = oh_resource_create();
	struct oh_otlp_source from = { .resource = resource };
	uint8_t *all = NULL;
	size_t row = 0, cap = 0;

	oh_resource_set(resource, "service.name", "shop");
	*ret_len = 0;
	do {
		size_t len;
		uint8_t *bytes;

		*ret = oh_otlp_add(o, p, &from, &row);
		bytes = oh_otlp_finish_flat(o, &len);
		all = oh_xgrow(all, &cap, *ret_len + len + 1, 1);
		if (len > 0)
			memcpy(all + *ret_len, bytes, len);
		*ret_len += len;
		free(bytes);
		oh_otlp_reset(o);
	} while (*ret == OH_OTLP_PART);
	oh_resource_free(resource);
	oh_otlp_free(o);
	oh_binaries_free(files);
	return all;
}

static char *
written(const struct oh_profile *p, size_t *ret_len)
{
	char *bytes = NULL;
	FILE *f = open_memstream(&bytes, ret_len);

	ck_assert(oh_profile_write(p, f));
	ck_assert_int_eq(fclose(f), 0);
	return bytes;
}

START_TEST(requests_and_files_are_the_same)
{
	struct oh_error err = { "" };
	struct oh_profile *kept, *left;
	enum oh_otlp_added added;
	struct wb w;
	size_t kept_len, left_len;
	uint8_t *a, *b;
	char *c, *d;

	make(&w);
	kept = wb_read(&w, &err);
	left = opened(file_of(w.b, w.len), 0);
	a = requests(kept, &kept_len, &added);
	ck_assert_int_eq(added, OH_OTLP_ADDED);
	ck_assert_uint_gt(kept_len, 4000);
	b = requests(left, &left_len, &added);
	ck_assert_int_eq(added, OH_OTLP_ADDED);
	ck_assert_uint_eq(kept_len, left_len);
	ck_assert_mem_eq(a, b, kept_len);
	c = written(kept, &kept_len);
	d = written(left, &left_len);
	ck_assert_uint_eq(kept_len, left_len);
	ck_assert_mem_eq(c, d, kept_len);
	free(a);
	free(b);
	free(c);
	free(d);
	oh_profile_free(kept);
	oh_profile_free(left);
}
END_TEST

START_TEST(a_request_takes_nothing_of_what_is_gone)
{
	struct oh_otlp_seen *seen = oh_otlp_seen_create();
	struct oh_profile *p;
	enum oh_otlp_added added;
	struct wb w;
	size_t len;
	int fd;

	make(&w);
	wb_string(&w, "program: a"); /* 16 */
	wb_string(&w, "pid: 7");
	wb_string(&w, "alloc_space");
	wb_int(&w, 13, 16);
	wb_int(&w, 13, 17);
	fd = file_of(w.b, w.len);
	p = opened(fd, 0);
	p->types[1].type = 18;
	oh_otlp_seen_advance(seen, p, NULL);
	ck_assert_uint_gt(seen->count, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)w.len / 2), 0);
	free(requests(p, &len, &added));
	ck_assert_int_eq(added, OH_OTLP_BAD);
	ck_assert_uint_eq(len, 0);
	oh_otlp_seen_advance(seen, p, NULL);
	ck_assert_uint_eq(seen->count, 0);
	oh_otlp_seen_free(seen);
	oh_profile_free(p);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, frames_left_in_the_file_are_those_that_are_kept);
	tcase_add_test(tc, what_cannot_be_read_twice_is_kept);
	tcase_add_test(tc, a_descriptor_is_closed_with_a_profile_that_is_none);
	tcase_add_test(tc, a_file_that_changes_meanwhile_is_trouble);
	tcase_add_test(tc, requests_and_files_are_the_same);
	tcase_add_test(tc, a_request_takes_nothing_of_what_is_gone);
}

int
main(void)
{
	return unit_run("profile_stacks", add);
}
