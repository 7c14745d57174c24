/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp.h - pprof profiles as OTLP: the bytes of an ExportProfilesServiceRequest.
 *
 * Use:
 *	b = oh_binaries_create();			for the life of the process
 *	o = oh_otlp_create(&options, b);
 *	oh_otlp_add(o, p, &source, &row);		as often as it fits
 *	parts = oh_otlp_finish(o, &count, &bytes);	send them
 *	oh_otlp_reset(o);				for the next request
 *
 * What a backend gets of a profile:
 *   profiles    one for each sample type that has a value other than 0, the
 *               default type (inuse_space) first, then in the file's order
 *   values      inuse_*: the state at the time of the profile, duration 0.
 *               alloc_*: allocated within the window [time, time + duration),
 *               which begins with the profile that `seen` was taken of, or with
 *               the process.  Other types: as they are in the file.
 *   samples     one for each distinct pair of a stack and its string labels,
 *               with one value and no time; samples of value 0 are left out.
 *               The labels are attributes: `thread` is called thread.name,
 *               `leak` otheap.leak, others what they are called in the file.
 *               Numeric labels (bytes, age) are sent only if asked for.
 *   addresses   as the ELF file has them, inside the call instruction; mappings
 *               likewise.  Where the file of a mapping cannot be read, both are
 *               as in the process.
 *   attributes  of mappings: build_id.gnu, build_id.htlhash (where the file can
 *               be read); of locations: profile.frame.type = native where there
 *               is a mapping; of profiles: pprof.profile.comment, drop_frames,
 *               keep_frames, doc_url as in the file
 *   profile id  16 bytes made of the sample type, the process, the time and
 *               every stack, label and value of the file: the same whenever the
 *               same file is encoded from the same row on, symbolised or not
 *
 * Names are those that the profile has: symbolise first, with
 * oh_symbols_resolve() or, for many profiles of few programs, oh_names_resolve().
 *
 * Nothing here fails but for memory (then the command ends, as with all of
 * tools/mem.h).  Not for several threads at once.
 */
#ifndef OH_TOOLS_OTLP_H
#define OH_TOOLS_OTLP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/base.h"
#include "tools/otlp_binary.h"
#include "tools/otlp_resource.h"
#include "tools/profile.h"

/* Below what a Collector takes in one request unless it is told otherwise: 20 MiB unpacked. */
#define OH_OTLP_MAX_DEFAULT (UINT64_C(16) << 20)
#define OH_OTLP_MAX_LIMIT (UINT64_C(1) << 30)

/* All 0: the defaults. */
struct oh_otlp_options {
	uint64_t max_bytes;      /* of a request before compression; 0 = OH_OTLP_MAX_DEFAULT */
	const char *period_type; /* instead of the file's ("space"); NULL = the file's */
	const char *scope_name;  /* NULL = "otheap" */
	bool numeric_labels;     /* send them, too: more samples, one for each size */
};

struct oh_rows;      /* tools/otlp_rows.h */
struct oh_otlp;      /* a request that is being built */
struct oh_otlp_seen; /* what of one process has been sent */

/* `files` outlives the encoder.  Strings of the options are copied. */
struct oh_otlp *oh_otlp_create(const struct oh_otlp_options *options, struct oh_binaries *files);
void oh_otlp_free(struct oh_otlp *o);

enum oh_otlp_added {
	OH_OTLP_ADDED, /* all of it is in the request (which may be nothing: see below) */
	OH_OTLP_FULL,  /* nothing was added: it does not fit.  Send, reset, add again */
	OH_OTLP_PART,  /* the first rows were added: send, reset, add again with the same *row */
	OH_OTLP_BAD, /* nothing was added: the profile cannot be read again, oh_profile_trouble() */
};

/* Where a profile comes from. */
struct oh_otlp_source {
	const struct oh_resource *resource; /* the process */
	const struct oh_otlp_seen *seen;    /* what was sent of it; NULL = nothing */
	const char *root;                   /* folder below which its files are; NULL = "" */
	const struct oh_rows *rows;         /* of the profile; NULL = they are made for each call */
};

/*
 * Add a profile to the request.
 *
 *   from  Profiles of equal resources that follow each other share one.  `seen`
 *         is ignored if it is of another process (see oh_otlp_seen_advance).
 *   row   where to begin: *row = 0 for a profile that is new.
 *
 * A profile goes whole into one request unless it alone is larger than one:
 * then OH_OTLP_PART comes with the rows that fit, again and again, and the last
 * time OH_OTLP_ADDED.  So a profile that did not arrive is sent again with
 * equal ids, whatever else was in its request.
 *
 * A profile whose values are all 0 adds nothing: see oh_otlp_profiles().
 * p and what `from` points to are not needed any more after the call.
 */
enum oh_otlp_added oh_otlp_add(
    struct oh_otlp *o, const struct oh_profile *p, const struct oh_otlp_source *from, size_t *row);

/* What is in the request now: OTLP profiles (up to 4 of a heap profile), their samples. */
size_t oh_otlp_profiles(const struct oh_otlp *o);
size_t oh_otlp_samples(const struct oh_otlp *o);

/*
 * The request, as *ret_count pieces that are to be sent one after the other,
 * *ret_bytes in all; NULL if there is no profile in it, which is not to be sent.
 * They are the encoder's, until it is reset or freed.  Nothing is copied: the
 * pieces are the tables themselves.
 */
const struct iovec *oh_otlp_finish(struct oh_otlp *o, size_t *ret_count, size_t *ret_bytes);

/* The same in one piece; free() it.  NULL if there is no profile in it. */
uint8_t *oh_otlp_finish_flat(struct oh_otlp *o, size_t *ret_bytes);

/* An empty request, memory kept. */
void oh_otlp_reset(struct oh_otlp *o);

/* ---- what was sent before ---------------------------------------------------- */

/*
 * alloc_* of otheap's profiles count from the start of the process; OTLP wants
 * what is new.  A `seen` is what has been sent of one process: for each stack
 * with its labels the values of the latest profile, 40 bytes each.
 *
 * oh_otlp_seen_advance() takes in a profile that was sent.  A profile of
 * another process (program, pid, start) replaces what was there.  Use: add the
 * profile, advance, keep the bytes until they have arrived or were refused.  An
 * agent that starts anew makes its `seen` of the last profile it sent, which is
 * the same, so what is sent again has the same contents under the same IDs.
 * `rows` are those that the profile was added with; NULL: made here, without
 * numeric labels.  Of a profile that cannot be read again nothing is known.
 *
 * Values of one stack differ by one between profiles without an allocation, as
 * they are rounded: such a difference is not sent (otlp_rows.h), or a stack that
 * does nothing would seem to allocate for ever.
 */
struct oh_otlp_seen *oh_otlp_seen_create(void);
void oh_otlp_seen_advance(
    struct oh_otlp_seen *s, const struct oh_profile *p, const struct oh_rows *rows);
void oh_otlp_seen_free(struct oh_otlp_seen *s);

#endif
