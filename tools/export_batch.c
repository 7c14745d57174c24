/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_batch.c - a request that is being built of profiles.
 */
#include "tools/export_batch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/export_source.h"
#include "tools/otlp.h"
#include "tools/otlp_names.h"
#include "tools/profile.h"
#include "tools/pyroscope.h"
#include "tools/symbols.h"

/* Files of one request; its answer decides of all of them. */
#define FILES_MAX 256
/* Servers of gRPC take 4 MiB unless they are told otherwise, by gRPC's own default. */
#define GRPC_REQUEST_DEFAULT (UINT64_C(7) << 19)
#define REQUEST_DEFAULT (UINT64_C(8) << 20)
/* Above this a profile and its predecessor are not held at the same time. */
#define LARGE_FILE (UINT64_C(256) << 10)
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

	char *part_name; /* the file that a later request gets the rest of; NULL = none */
	struct oh_spool_stamp part_stamp;
	size_t part_row;
	struct oh_spool_stamp bad; /* of the file that was OH_BATCH_BAD */

	struct oh_pyroscope pyroscope;
	bool packed;
	struct oh_request request;
};

struct oh_batch *
oh_batch_create(const struct oh_export_config *c, const struct oh_batch_options *options)
{
	struct oh_batch *l = oh_xcalloc(1, sizeof(*l));

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

static void
forget_seen(struct oh_batch *l)
{
	for (size_t i = 0; i < l->seen_count; i++)
		oh_otlp_seen_free(l->seen[i].seen);
	l->seen_count = 0;
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
	forget_seen(l);
	oh_batch_forget_part(l);
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

/* What is known of a file that was read, or was not. */
struct found {
	bool gone;                   /* it is not there */
	size_t len;                  /* compressed; 0 = not of a spool */
	struct oh_spool_stamp stamp; /* the caller's to let go */
};

/* The same file, to be let go by itself. */
static struct oh_spool_stamp
another_hold(const struct oh_spool_stamp *stamp)
{
	struct oh_spool_stamp ret = *stamp;

	if (stamp->inode != 0 && stamp->fd >= 0)
		ret.fd = fcntl(stamp->fd, F_DUPFD_CLOEXEC, 0);
	return ret;
}

/* Was a part of a file of that name sent?  Then its rest comes from that one. */
static bool
is_part(const struct oh_batch *l, const char *name)
{
	return l->part_name != NULL && strcmp(l->part_name, name) == 0;
}

/* The bytes of a waiting file. */
static uint8_t *
read_bytes(struct oh_batch *l, const struct oh_spool *s, const char *name, struct found *ret,
    struct oh_error *err)
{
	uint8_t *bytes;

	if (is_part(l, name)) {
		bytes = oh_spool_read_again(&l->part_stamp, &ret->len);
		if (bytes != NULL) {
			ret->stamp = another_hold(&l->part_stamp);
			return bytes;
		}
		oh_batch_forget_part(l);
	}
	return oh_spool_read(s, name, FILE_MAX, &ret->len, &ret->stamp, err);
}

static struct oh_profile *
read_profile(struct oh_batch *l, const struct oh_spool *s, const char *name, struct found *ret,
    struct oh_error *err)
{
	uint64_t most = l->o.max_profile != 0 ? l->o.max_profile : OH_PROFILE_MAX_DEFAULT;
	struct oh_profile *p;
	uint8_t *bytes;

	memset(ret, 0, sizeof(*ret));
	if (s == NULL)
		return oh_profile_read(name, most, err);
	bytes = read_bytes(l, s, name, ret, err);
	if (bytes == NULL) {
		ret->gone = faccessat(s->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
		return NULL;
	}
	p = oh_profile_read_mem(bytes, ret->len, most, err);
	free(bytes);
	return p;
}

static bool
is_same(const struct oh_spool_origin *a, const struct oh_spool_origin *b)
{
	int64_t apart = a->start_ms - b->start_ms;

	return a->known && b->known && a->pid == b->pid && a->key == b->key &&
	       apart >= -START_SLACK_MS && apart <= START_SLACK_MS;
}

static bool
is_seen(const struct oh_batch *l, const struct oh_spool_origin *origin)
{
	for (size_t i = 0; i < l->seen_count; i++)
		if (is_same(&l->seen[i].origin, origin))
			return true;
	return false;
}

/* What was sent of this program before; NULL if nothing is known of who wrote it. */
static struct oh_otlp_seen *
find_seen(struct oh_batch *l, const struct oh_spool *s, const struct oh_spool_origin *origin)
{
	char previous[NAME_MAX + 1];
	struct oh_error err = { "" };
	struct oh_otlp_seen *seen;
	struct found found;

	if (!origin->known)
		return NULL;
	for (size_t i = 0; i < l->seen_count; i++)
		if (is_same(&l->seen[i].origin, origin))
			return l->seen[i].seen;
	seen = oh_otlp_seen_create();
	if (s != NULL && oh_spool_previous(s, origin, previous)) {
		struct oh_profile *p = read_profile(l, s, previous, &found, &err);

		oh_spool_let_go(&found.stamp);
		if (p != NULL)
			oh_otlp_seen_advance(seen, p, &l->encoding);
		oh_profile_free(p);
	}
	l->seen = oh_xgrow(l->seen, &l->seen_cap, l->seen_count + 1, sizeof(*l->seen));
	l->seen[l->seen_count++] = (struct batch_seen){ *origin, seen };
	return seen;
}

static void
keep_file(struct oh_batch *l, const char *name, const struct oh_spool_origin *origin, bool whole)
{
	l->files = oh_xgrow(l->files, &l->cap, l->count + 1, sizeof(*l->files));
	l->files[l->count++] = (struct batch_file){ strdup(name), *origin, { .fd = -1 } };
	l->whole = whole;
}

static enum oh_batched
add_otlp(struct oh_batch *l, const struct oh_spool *s, const char *name, struct oh_profile *p,
    const struct oh_spool_origin *origin)
{
	struct oh_otlp_seen *seen = find_seen(l, s, origin);
	struct oh_otlp_source from = { .seen = seen };
	size_t row = is_part(l, name) ? l->part_row : 0;
	enum oh_otlp_added rc;

	from.resource = oh_sources_find(l->sources, p, &from.root);
	if (l->names != NULL)
		oh_names_resolve(l->names, p, from.root);
	oh_symbols_demangle(p);
	rc = oh_otlp_add(l->otlp, p, &from, &row);
	if (rc == OH_OTLP_FULL)
		return OH_BATCH_FULL;
	oh_batch_forget_part(l);
	if (rc == OH_OTLP_PART) {
		l->part_name = strdup(name);
		l->part_row = row;
		keep_file(l, name, origin, false);
		return OH_BATCH_FULL;
	}
	if (seen != NULL)
		oh_otlp_seen_advance(seen, p, &l->encoding);
	keep_file(l, name, origin, true);
	return OH_BATCH_ADDED;
}

/* One file is one request. */
static enum oh_batched
add_pyroscope(struct oh_batch *l, const struct oh_spool *s, const char *name, struct oh_profile *p,
    const struct oh_spool_origin *origin, struct oh_error *err)
{
	struct oh_otlp_seen *seen = find_seen(l, s, origin);
	const struct oh_resource *resource;
	const char *root;

	if (l->count > 0)
		return OH_BATCH_FULL;
	resource = oh_sources_find(l->sources, p, &root);
	if (l->names != NULL)
		oh_names_resolve(l->names, p, root);
	oh_symbols_demangle(p);
	if (!oh_pyroscope_make(&l->pyroscope, p, seen, resource, err))
		return OH_BATCH_GONE;
	keep_file(l, name, origin, true);
	return OH_BATCH_ADDED;
}

enum oh_batched
oh_batch_add(struct oh_batch *l, const struct oh_spool *s, const char *name, struct oh_error *err)
{
	struct oh_spool_origin origin;
	struct oh_profile *p;
	enum oh_batched rc;
	struct found found;

	if (l->count == FILES_MAX || (l->c->protocol == OH_EXPORT_PYROSCOPE && l->count > 0))
		return OH_BATCH_FULL;
	if (l->count == 0 && s != NULL)
		forget_seen(l); /* by now it is under sent/, or was refused */
	oh_spool_let_go(&l->bad);
	p = read_profile(l, s, name, &found, err);
	if (p == NULL) {
		l->bad = found.stamp;
		return found.gone ? OH_BATCH_GONE : OH_BATCH_BAD;
	}
	oh_spool_origin(&origin, p);
	if (s != NULL && found.len > LARGE_FILE && origin.known && !is_seen(l, &origin)) {
		oh_profile_free(p);
		oh_spool_let_go(&found.stamp);
		(void)find_seen(l, s, &origin);
		p = read_profile(l, s, name, &found, err);
		if (p == NULL) {
			oh_spool_let_go(&found.stamp);
			return OH_BATCH_GONE;
		}
	}
	rc = l->c->protocol == OH_EXPORT_PYROSCOPE ? add_pyroscope(l, s, name, p, &origin, err)
						   : add_otlp(l, s, name, p, &origin);
	oh_profile_free(p);
	if (l->count > 0 && strcmp(l->files[l->count - 1].name, name) == 0) {
		l->files[l->count - 1].stamp = found.stamp;
		if (is_part(l, name))
			l->part_stamp = another_hold(&found.stamp);
	} else {
		oh_spool_let_go(&found.stamp);
	}
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
	free(l->part_name);
	l->part_name = NULL;
	l->part_row = 0;
	oh_spool_let_go(&l->part_stamp);
}

const char *
oh_batch_part(const struct oh_batch *l)
{
	return l->part_name;
}

/* ---- send -------------------------------------------------------------------------------------
 */

static bool
pack(struct oh_batch *l, const struct oh_export *x, struct oh_error *err)
{
	struct iovec one = { l->pyroscope.body, l->pyroscope.len };
	const struct iovec *pieces = &one;
	size_t count = 1, len;
	bool good;

	if (l->packed)
		return true;
	if (l->c->protocol != OH_EXPORT_PYROSCOPE)
		pieces = oh_otlp_finish(l->otlp, &count, &len);
	good = oh_request_pack(x, pieces, count, &l->request, err);
	l->packed = good;
	/* What is packed is all that is needed from here on. */
	if (good && l->c->protocol != OH_EXPORT_PYROSCOPE)
		oh_otlp_reset(l->otlp);
	return good;
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
	uint8_t *copy;

	if (l->c->protocol != OH_EXPORT_PYROSCOPE)
		return oh_otlp_finish_flat(l->otlp, ret_len);
	copy = oh_xrealloc(NULL, l->pyroscope.len + 1, 1);
	memcpy(copy, l->pyroscope.body, l->pyroscope.len);
	*ret_len = l->pyroscope.len;
	return copy;
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
