/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_batch.c - a request that is being built of profiles.
 */
#include "tools/export_batch.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/export_source.h"
#include "tools/otlp.h"
#include "tools/otlp_names.h"
#include "tools/otlp_rows.h"
#include "tools/profile.h"
#include "tools/pyroscope.h"
#include "tools/symbols.h"

/* Files of one request; its answer decides of all of them. */
#define FILES_MAX 256
/* Servers of gRPC take 4 MiB unless they are told otherwise, by gRPC's own default. */
#define GRPC_REQUEST_DEFAULT (UINT64_C(7) << 19)
#define REQUEST_DEFAULT (UINT64_C(8) << 20)
/* Frames of a profile that are kept in memory, 4 bytes each. */
#define FRAMES_KEPT (UINT64_C(1) << 20)
/* Most bytes of a file in the spool, compressed. */
#define FILE_MAX (UINT64_C(256) << 20)
#define START_SLACK_MS 2000

struct batch_file {
	char *name;
	struct oh_spool_origin origin;
	struct oh_spool_stamp stamp;
};

/* What has been sent of a program, this request included. */
struct batch_seen {
	struct oh_spool_origin origin;
	struct oh_otlp_seen *seen;
};

struct oh_batch {
	const struct oh_export_config *c;
	struct oh_batch_options o;
	struct oh_otlp_options encoding;
	struct oh_otlp *otlp;
	struct oh_binaries *binaries;
	struct oh_names *names;
	struct oh_sources *sources;

	struct batch_file *files;
	size_t count, cap;
	struct batch_seen *seen;
	size_t seen_count, seen_cap;
	bool whole; /* the last file is in to its end */

	/* What was added last, as long as a later request gets the rest of it, or all. */
	struct batch_open {
		char *name;
		struct oh_profile *p; /* NULL = none */
		struct oh_spool_origin origin;
		struct oh_spool_stamp stamp;
		bool prepared; /* named, and its rows made */
		struct oh_rows rows;
		size_t row; /* those before it are in requests that went */
	} open;
	struct oh_spool_stamp bad; /* of the file that was OH_BATCH_BAD */

	struct oh_pyroscope pyroscope;
	bool packed;
	struct oh_request request;
};

struct oh_batch *
oh_batch_create(const struct oh_export_config *c, const struct oh_batch_options *options)
{
	struct oh_batch *l = oh_xcalloc(1, sizeof(*l));

	/*
	 * glibc raises these by itself with the first large block that is freed, and then keeps
	 * what profiles took: a quarter more at the peak of 100,000 stacks.
	 */
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	(void)mallopt(M_TRIM_THRESHOLD, 128 * 1024);
	l->c = c;
	l->o = *options;
	l->encoding.max_bytes = options->max_request != 0       ? options->max_request
				: c->protocol == OH_EXPORT_GRPC ? GRPC_REQUEST_DEFAULT
								: REQUEST_DEFAULT;
	l->binaries = oh_binaries_create();
	l->otlp = oh_otlp_create(&l->encoding, l->binaries);
	l->names = options->no_symbols ? NULL : oh_names_create(0);
	l->sources = oh_sources_create(options->service, options->cmd);
	return l;
}

static bool
is_same(const struct oh_spool_origin *a, const struct oh_spool_origin *b)
{
	int64_t apart = a->start_ms - b->start_ms;

	return a->known && b->known && a->pid == b->pid && a->key == b->key &&
	       apart >= -START_SLACK_MS && apart <= START_SLACK_MS;
}

/* But not of whom a part was sent: what the rest is to be added to is still that. */
static void
forget_seen(struct oh_batch *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->seen_count; i++)
		if (l->open.row > 0 && is_same(&l->seen[i].origin, &l->open.origin))
			l->seen[kept++] = l->seen[i];
		else
			oh_otlp_seen_free(l->seen[i].seen);
	l->seen_count = kept;
}

void
oh_batch_release(struct oh_batch *l)
{
	oh_request_free(&l->request);
	oh_pyroscope_free(&l->pyroscope);
	l->packed = false;
	oh_otlp_reset(l->otlp);
}

static void
forget_files(struct oh_batch *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->files[i].name);
		oh_spool_let_go(&l->files[i].stamp);
	}
	l->count = 0;
}

void
oh_batch_reset(struct oh_batch *l)
{
	oh_batch_release(l);
	forget_files(l);
}

void
oh_batch_free(struct oh_batch *l)
{
	if (l == NULL)
		return;
	oh_batch_reset(l);
	oh_batch_forget_part(l);
	forget_seen(l);
	oh_spool_let_go(&l->bad);
	free(l->seen);
	free(l->files);
	oh_otlp_free(l->otlp);
	oh_names_free(l->names);
	oh_binaries_free(l->binaries);
	oh_sources_free(l->sources);
	free(l);
}

void
oh_batch_note(void *batch, pid_t pid, uint64_t starttime)
{
	struct oh_batch *l = batch;

	oh_sources_note(l->sources, pid, starttime);
}

/* ---- add ------------------------------------------------------------------------------------ */

/* The same file, to be let go by itself. */
static struct oh_spool_stamp
another_hold(const struct oh_spool_stamp *stamp)
{
	struct oh_spool_stamp ret = *stamp;

	if (stamp->inode != 0 && stamp->fd >= 0)
		ret.fd = fcntl(stamp->fd, F_DUPFD_CLOEXEC, 0);
	return ret;
}

/*
 * Read a profile of the spool, or the file at a path; NULL with *err.  What is
 * large leaves its frames in the file.  *ret_stamp is the caller's in any case.
 */
static struct oh_profile *
read_profile(const struct oh_batch *l, const struct oh_spool *s, const char *name,
    struct oh_spool_stamp *ret_stamp, struct oh_error *err)
{
	uint64_t most = l->o.max_profile != 0 ? l->o.max_profile : OH_PROFILE_MAX_DEFAULT;
	struct stat st;
	int fd = -1;

	*ret_stamp = (struct oh_spool_stamp){ .fd = -1 };
	if (s != NULL) {
		if (!oh_spool_open_file(s, name, FILE_MAX, ret_stamp, err))
			return NULL;
		fd = another_hold(ret_stamp).fd;
	} else if (strcmp(name, "-") != 0 && stat(name, &st) == 0 && S_ISREG(st.st_mode)) {
		fd = open(name, O_RDONLY | O_CLOEXEC);
	} else {
		return oh_profile_read(name, most, err);
	}
	if (fd >= 0)
		return oh_profile_open(fd, most, FRAMES_KEPT, err);
	oh_error_set(err, "%s", strerror(errno));
	return NULL;
}

/* What was sent of this program before; NULL if nothing is known of who wrote it. */
static struct oh_otlp_seen *
find_seen(struct oh_batch *l, const struct oh_spool *s, const struct oh_spool_origin *origin)
{
	char previous[NAME_MAX + 1];
	struct oh_spool_stamp stamp;
	struct oh_error err = { "" };
	struct oh_otlp_seen *seen;

	if (!origin->known)
		return NULL;
	for (size_t i = 0; i < l->seen_count; i++)
		if (is_same(&l->seen[i].origin, origin))
			return l->seen[i].seen;
	seen = oh_otlp_seen_create();
	if (s != NULL && oh_spool_previous(s, origin, previous)) {
		struct oh_profile *p = read_profile(l, s, previous, &stamp, &err);

		if (p != NULL)
			oh_otlp_seen_advance(seen, p, NULL);
		oh_spool_let_go(&stamp);
		oh_profile_free(p);
	}
	l->seen = oh_xgrow(l->seen, &l->seen_cap, l->seen_count + 1, sizeof(*l->seen));
	l->seen[l->seen_count++] = (struct batch_seen){ *origin, seen };
	return seen;
}

/* The profile at hand is in the request, to its end or not. */
static void
keep_file(struct oh_batch *l, bool whole)
{
	const struct batch_open *o = &l->open;

	l->files = oh_xgrow(l->files, &l->cap, l->count + 1, sizeof(*l->files));
	l->files[l->count++] =
	    (struct batch_file){ strdup(o->name), o->origin, another_hold(&o->stamp) };
	l->whole = whole;
}

/*
 * Have this file in l->open: of which a part was sent, whatever has its name now,
 * as it was left; else anew.
 */
static bool
open_profile(struct oh_batch *l, const struct oh_spool *s, const char *name, struct oh_error *err)
{
	struct batch_open *o = &l->open;

	if (o->p != NULL && strcmp(o->name, name) == 0)
		return true;
	oh_batch_forget_part(l);
	o->p = read_profile(l, s, name, &o->stamp, err);
	if (o->p == NULL) {
		l->bad = o->stamp;
		o->stamp = (struct oh_spool_stamp){ .fd = -1 };
		return false;
	}
	o->name = strdup(name);
	oh_spool_origin(&o->origin, o->p);
	return true;
}

static enum oh_batched
add_otlp(struct oh_batch *l, struct oh_otlp_seen *seen, struct oh_error *err)
{
	struct batch_open *o = &l->open;
	struct oh_otlp_source from = { .seen = seen, .rows = &o->rows };

	from.resource = oh_sources_find(l->sources, o->p, &from.root);
	if (!o->prepared) {
		if (l->names != NULL)
			oh_names_resolve(l->names, o->p, from.root);
		oh_symbols_demangle(o->p);
		oh_rows_make(&o->rows, o->p, l->encoding.numeric_labels);
		o->prepared = true;
	}
	switch (oh_otlp_add(l->otlp, o->p, &from, &o->row)) {
	case OH_OTLP_FULL:
		return OH_BATCH_FULL;
	case OH_OTLP_PART:
		keep_file(l, false);
		return OH_BATCH_FULL;
	case OH_OTLP_ADDED:
		break;
	case OH_OTLP_BAD:
		oh_error_set(err, "%s", oh_profile_trouble(o->p));
		return OH_BATCH_BAD;
	}
	if (seen != NULL)
		oh_otlp_seen_advance(seen, o->p, &o->rows);
	return OH_BATCH_ADDED;
}

/* One file is one request. */
static enum oh_batched
add_pyroscope(struct oh_batch *l, struct oh_otlp_seen *seen, struct oh_error *err)
{
	struct oh_profile *p = l->open.p;
	const struct oh_resource *resource;
	const char *root;
	bool good;

	resource = oh_sources_find(l->sources, p, &root);
	if (l->names != NULL)
		oh_names_resolve(l->names, p, root);
	oh_symbols_demangle(p);
	good = oh_pyroscope_make(&l->pyroscope, p, seen, resource, err);
	if (oh_profile_trouble(p) == NULL)
		return good ? OH_BATCH_ADDED : OH_BATCH_GONE;
	oh_pyroscope_free(&l->pyroscope);
	oh_error_set(err, "%s", oh_profile_trouble(p));
	return OH_BATCH_BAD;
}

enum oh_batched
oh_batch_add(struct oh_batch *l, const struct oh_spool *s, const char *name, struct oh_error *err)
{
	struct oh_otlp_seen *seen;
	enum oh_batched rc;

	if (l->count == FILES_MAX || (l->c->protocol == OH_EXPORT_PYROSCOPE && l->count > 0))
		return OH_BATCH_FULL;
	if (l->count == 0 && s != NULL)
		forget_seen(l); /* by now it is under sent/, or was refused */
	oh_spool_let_go(&l->bad);
	if (!open_profile(l, s, name, err))
		return s != NULL && faccessat(s->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0
			   ? OH_BATCH_GONE
			   : OH_BATCH_BAD;
	seen = find_seen(l, s, &l->open.origin);
	rc = l->c->protocol == OH_EXPORT_PYROSCOPE ? add_pyroscope(l, seen, err)
						   : add_otlp(l, seen, err);
	if (rc == OH_BATCH_ADDED)
		keep_file(l, true);
	if (rc == OH_BATCH_BAD)
		l->bad = another_hold(&l->open.stamp);
	/* Of a spool, all of it may have been replaced by the next time; standard input is read
	 * once. */
	if (rc != OH_BATCH_FULL || (s != NULL && l->open.row == 0))
		oh_batch_forget_part(l);
	return rc;
}

size_t
oh_batch_files(const struct oh_batch *l)
{
	return l->count;
}

size_t
oh_batch_count(const struct oh_batch *l)
{
	return l->count > 0 && !l->whole ? l->count - 1 : l->count;
}

const char *
oh_batch_name(const struct oh_batch *l, size_t i)
{
	return l->files[i].name;
}

bool
oh_batch_is_empty(const struct oh_batch *l)
{
	return l->c->protocol == OH_EXPORT_PYROSCOPE ? l->pyroscope.len == 0
						     : oh_otlp_profiles(l->otlp) == 0;
}

const char *
oh_batch_wrong(const struct oh_batch *l)
{
	return oh_sources_wrong(l->sources);
}

void
oh_batch_forget_part(struct oh_batch *l)
{
	oh_profile_free(l->open.p);
	oh_rows_release(&l->open.rows);
	oh_spool_let_go(&l->open.stamp);
	free(l->open.name);
	l->open = (struct batch_open){ .stamp.fd = -1 };
}

const char *
oh_batch_part(const struct oh_batch *l)
{
	return l->open.row > 0 ? l->open.name : NULL;
}

/* ---- send -------------------------------------------------------------------------------------
 */

/* What is packed is all that is needed from here on. */
static bool
pack(struct oh_batch *l, const struct oh_export *x, struct oh_error *err)
{
	const struct iovec *pieces;
	size_t count, len;

	if (l->packed)
		return true;
	if (l->c->protocol == OH_EXPORT_PYROSCOPE) {
		l->packed = oh_request_take(l->pyroscope.body, l->pyroscope.len, &l->request, err);
		if (l->packed)
			l->pyroscope.body = NULL;
		return l->packed;
	}
	pieces = oh_otlp_finish(l->otlp, &count, &len);
	l->packed = oh_request_pack(x, pieces, count, &l->request, err);
	if (l->packed)
		oh_otlp_reset(l->otlp);
	return l->packed;
}

void
oh_batch_send(struct oh_batch *l, struct oh_export *x, struct oh_answer *ret)
{
	struct oh_error err = { "" };

	if (pack(l, x, &err)) {
		oh_export_send(x, &l->request,
		    l->c->protocol == OH_EXPORT_PYROSCOPE ? l->pyroscope.query : NULL, ret);
		return;
	}
	memset(ret, 0, sizeof(*ret));
	ret->verdict = OH_REFUSED;
	ret->smaller = true;
	ret->grpc = -1;
	ret->after_ms = -1;
	(void)snprintf(ret->text, sizeof(ret->text), "%s", err.text);
}

const struct oh_request *
oh_batch_request(const struct oh_batch *l)
{
	return &l->request;
}

uint8_t *
oh_batch_message(struct oh_batch *l, size_t *ret_len)
{
	return oh_otlp_finish_flat(l->otlp, ret_len);
}

bool
oh_batch_refuse(const struct oh_batch *l, size_t i, struct oh_spool *s)
{
	return oh_spool_refuse(s, l->files[i].name, &l->files[i].stamp);
}

bool
oh_batch_refuse_bad(const struct oh_batch *l, const char *name, struct oh_spool *s)
{
	return oh_spool_refuse(s, name, &l->bad);
}

bool
oh_batch_done(struct oh_batch *l, size_t i, struct oh_spool *s)
{
	return oh_spool_sent(s, l->files[i].name, &l->files[i].stamp, &l->files[i].origin);
}
