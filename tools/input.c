/* SPDX-License-Identifier: Apache-2.0 */
/*
 * input.c - the bytes of a profile, from a file, stdin or memory, unpacked.
 *
 * Shape
 *	fd or memory -> raw[] -> (inflate) -> window[start .. end) -> reader
 *
 * Invariants
 *	I1  The window grows only by bytes that were really there, so a length
 *	    that lies costs nothing.
 *	I2  No more than max_bytes ever enter the window, all together.
 */
#include "tools/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define RAW_BYTES (256u * 1024)
#define WINDOW_BYTES (256u * 1024)
#define PIPE_WAIT_MS 3000 /* for somebody who opens the other end */

struct oh_input {
	int fd; /* -1: memory, all of it in raw already */
	bool own_fd, raw_ended, ended;
	bool gzip, in_member; /* in_member: between a gzip header and its trailer */
	z_stream z;
	const uint8_t *raw; /* what was read and not yet unpacked */
	size_t raw_len;
	uint8_t *raw_buf;
	uint8_t *window;
	size_t cap, start, end;
	uint64_t total_bytes, max_bytes;
	size_t line_len; /* of the line that was given out, to be skipped */
};

/* Have some raw bytes, unless there are no more.  False on a read error. */
static bool
raw_fill(struct oh_input *in, struct oh_error *err)
{
	ssize_t n;

	if (in->raw_len != 0 || in->raw_ended)
		return true;
	do
		n = read(in->fd, in->raw_buf, RAW_BYTES);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return oh_error_set(err, "%s", strerror(errno));
	in->raw = in->raw_buf;
	in->raw_len = (size_t)n;
	in->raw_ended = n == 0;
	return true;
}

/* Is it gzip?  Needs the first two bytes in one piece. */
static bool
sniff(struct oh_input *in, struct oh_error *err)
{
	if (in->fd >= 0) {
		while (in->raw_len < 2 && !in->raw_ended) {
			ssize_t n =
			    read(in->fd, in->raw_buf + in->raw_len, RAW_BYTES - in->raw_len);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return oh_error_set(err, "%s", strerror(errno));
			in->raw_len += (size_t)n;
			in->raw_ended = n == 0;
		}
		in->raw = in->raw_buf;
	}
	if (in->raw_len == 0)
		return oh_error_set(err, "the file is empty");
	in->gzip = in->raw_len >= 2 && in->raw[0] == 0x1f && in->raw[1] == 0x8b;
	if (in->gzip && inflateInit2(&in->z, 15 + 16) != Z_OK) {
		in->gzip = false; /* nothing to inflateEnd() */
		return oh_error_set(err, "zlib does not start");
	}
	in->in_member = in->gzip;
	return true;
}

static struct oh_input *
opened(struct oh_input *in, struct oh_error *err)
{
	in->window = oh_xrealloc(NULL, WINDOW_BYTES, 1);
	in->cap = WINDOW_BYTES;
	if (sniff(in, err))
		return in;
	oh_input_free(in);
	return NULL;
}

/*
 * Is there nobody who writes to this pipe?  To open it without O_NONBLOCK would
 * wait for somebody for ever.  A byte that comes meanwhile is kept.
 */
static bool
abandoned(struct oh_input *in)
{
	struct pollfd p = { .fd = in->fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, PIPE_WAIT_MS) != 0)
		return false;
	n = read(in->fd, in->raw_buf, 1);
	in->raw_len = n == 1;
	return n == 0; /* else EAGAIN: there is a writer that takes its time */
}

static struct oh_input *
of_fd(int fd, bool own, uint64_t max_bytes)
{
	struct oh_input *in = oh_xcalloc(1, sizeof(*in));

	in->fd = fd;
	in->own_fd = own;
	in->max_bytes = max_bytes;
	in->raw_buf = oh_xrealloc(NULL, RAW_BYTES, 1);
	return in;
}

struct oh_input *
oh_input_open_fd(int fd, uint64_t max_bytes, struct oh_error *err)
{
	return opened(of_fd(fd, false, max_bytes), err);
}

struct oh_input *
oh_input_open(const char *path, uint64_t max_bytes, struct oh_error *err)
{
	struct oh_input *in;
	struct stat st;
	bool own = strcmp(path, "-") != 0;
	int fd = own ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : STDIN_FILENO;

	if (fd < 0 || (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && (errno = EISDIR))) {
		oh_error_set(err, "%s", strerror(errno));
		if (fd >= 0 && own)
			(void)close(fd);
		return NULL;
	}
	in = of_fd(fd, own, max_bytes);
	if (own && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && abandoned(in)) {
		oh_error_set(err, "nobody writes to this pipe");
		oh_input_free(in);
		return NULL;
	}
	if (own)
		(void)fcntl(fd, F_SETFL, 0);
	return opened(in, err);
}

struct oh_input *
oh_input_open_mem(const void *mem, size_t len, uint64_t max_bytes, struct oh_error *err)
{
	struct oh_input *in = oh_xcalloc(1, sizeof(*in));

	in->fd = -1;
	in->raw = mem;
	in->raw_len = len;
	in->raw_ended = true;
	in->max_bytes = max_bytes;
	return opened(in, err);
}

void
oh_input_free(struct oh_input *in)
{
	if (in == NULL)
		return;
	if (in->gzip)
		(void)inflateEnd(&in->z);
	if (in->own_fd)
		(void)close(in->fd);
	free(in->raw_buf);
	free(in->window);
	free(in);
}

/* Unpack some bytes to the end of the window.  False at the end and on trouble. */
static bool
unpack(struct oh_input *in, struct oh_error *err)
{
	size_t room = in->cap - in->end, before;
	int rc;

	if (!raw_fill(in, err))
		return false;
	if (in->raw_len == 0) {
		if (in->in_member)
			oh_error_set(err, "the gzip data ends early (truncated file?)");
		return false;
	}
	if (!in->gzip) {
		if (room > in->raw_len)
			room = in->raw_len;
		memcpy(in->window + in->end, in->raw, room);
		in->raw += room;
		in->raw_len -= room;
		in->end += room;
		in->total_bytes += room;
		return true;
	}

	if (!in->in_member) { /* another member follows the one that ended */
		if (inflateReset(&in->z) != Z_OK)
			return oh_error_set(err, "zlib does not restart");
		in->in_member = true;
	}
	before = in->raw_len;
	in->z.next_in = (Bytef *)(uintptr_t)in->raw;
	in->z.avail_in = before > UINT32_MAX ? UINT32_MAX : (uInt)before;
	in->z.next_out = in->window + in->end;
	in->z.avail_out = room > UINT32_MAX ? UINT32_MAX : (uInt)room;
	rc = inflate(&in->z, Z_NO_FLUSH);
	in->raw_len = (size_t)(in->raw + before - in->z.next_in);
	in->raw = in->z.next_in;
	room = (size_t)(in->z.next_out - in->window) - in->end;
	in->end += room;
	in->total_bytes += room;
	if (rc == Z_STREAM_END)
		in->in_member = false;
	else if (rc != Z_OK)
		return oh_error_set(
		    err, "the gzip data is damaged (%s)", in->z.msg ? in->z.msg : "bad data");
	return true;
}

size_t
oh_input_peek(struct oh_input *in, size_t want, const uint8_t **ret, struct oh_error *err)
{
	while (in->end - in->start < want && !in->ended) {
		if (in->start > 0 && (in->start == in->end || in->cap - in->end < in->cap / 2)) {
			memmove(in->window, in->window + in->start, in->end - in->start);
			in->end -= in->start;
			in->start = 0;
		}
		if (in->end == in->cap)
			in->window = oh_xgrow(in->window, &in->cap, 2 * in->cap, 1);
		in->ended = !unpack(in, err);
		if (in->total_bytes > in->max_bytes) {
			oh_error_set(err,
			    "more than %llu MiB when unpacked (--max-size allows more)",
			    (unsigned long long)(in->max_bytes >> 20));
			in->ended = true;
		}
	}
	*ret = in->window + in->start;
	return err->text[0] != '\0' ? 0 : in->end - in->start;
}

void
oh_input_skip(struct oh_input *in, size_t len)
{
	in->start += len;
}

bool
oh_input_line(struct oh_input *in, const char **ret, size_t *ret_len, struct oh_error *err)
{
	size_t seen = 0, have = 0, want = 1;
	const uint8_t *b, *end = NULL;

	oh_input_skip(in, in->line_len);
	in->line_len = 0;
	for (;;) {
		have = oh_input_peek(in, want, &b, err);
		if (have == 0)
			return false;
		end = memchr(b + seen, '\n', have - seen);
		if (end != NULL || have < want)
			break;
		seen = have;
		want = have + 1; /* whatever comes next: the window grows by itself */
	}
	*ret = (const char *)b;
	*ret_len = end != NULL ? (size_t)(end - b) : have;
	in->line_len = *ret_len + (end != NULL);
	if (memchr(b, '\0', *ret_len) != NULL)
		return oh_error_set(err, "not a text");
	if (*ret_len > 0 && b[*ret_len - 1] == '\r')
		--*ret_len;
	return true;
}
