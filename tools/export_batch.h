/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_batch.h - the request that is being built of profiles, for whichever
 * protocol, and then sent until it is answered for good.
 *
 * Use: reset, add until it is full, send as often as needed; then tell of each
 * file what became of it, and reset.
 */
#ifndef OH_TOOLS_EXPORT_BATCH_H
#define OH_TOOLS_EXPORT_BATCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base.h"
#include "tools/export.h"
#include "tools/export_config.h"
#include "tools/spool.h"

struct oh_batch_options {
	const char *cmd;     /* the subcommand, for lines on stderr */
	const char *service; /* NULL = by the process */
	bool no_symbols;
	uint64_t max_request; /* bytes before compression; 0 = what servers take by default */
	uint64_t max_profile; /* bytes unpacked; 0 = OH_PROFILE_MAX_DEFAULT */
};

struct oh_batch;

enum oh_batched {
	OH_BATCH_ADDED,
	OH_BATCH_FULL, /* send now; it is in whole, in part, or not at all */
	OH_BATCH_BAD,  /* no profile: *err */
	OH_BATCH_GONE, /* it is not there any more; or, with *err, not to be had now */
};

/* `c` and the strings of the options outlive the batch. */
struct oh_batch *oh_batch_create(
    const struct oh_export_config *c, const struct oh_batch_options *options);
void oh_batch_free(struct oh_batch *l);

/* Begin a new request. */
void oh_batch_reset(struct oh_batch *l);

/* A process lives: an oh_spool_note for oh_spool_scan(). */
void oh_batch_note(void *batch, pid_t pid, uint64_t starttime);

/*
 * Add a waiting file of a spool; or, with spool NULL, the file at the path
 * `name` ("-": stdin), whose predecessors are those that were added before.
 */
enum oh_batched oh_batch_add(
    struct oh_batch *l, const struct oh_spool *s, const char *name, struct oh_error *err);

/*
 * The files in the request.  Of these the first oh_batch_count() are in it to
 * their end; there may be one more, of which a later request gets the rest.
 */
size_t oh_batch_files(const struct oh_batch *l);
size_t oh_batch_count(const struct oh_batch *l);
const char *oh_batch_name(const struct oh_batch *l, size_t i);
/* Is there nothing to send, as nothing in them is new? */
bool oh_batch_is_empty(const struct oh_batch *l);
/*
 * The name of the file whose rest is to be added before any other, also where
 * another one has that name by now; NULL = none.
 */
const char *oh_batch_part(const struct oh_batch *l);
/* What was wrong with a setting of a program (export_source.h); "" = nothing. */
const char *oh_batch_wrong(const struct oh_batch *l);
/* The rest of a file will not be sent. */
void oh_batch_forget_part(struct oh_batch *l);

/* Send once; packed the first time.  A request that is too large is answered as refused. */
void oh_batch_send(struct oh_batch *l, struct oh_export *x, struct oh_answer *ret);
const struct oh_request *oh_batch_request(const struct oh_batch *l);
/* The OTLP message as it is, before compression and framing; free() it.  NULL if it is empty. */
uint8_t *oh_batch_message(struct oh_batch *l, size_t *ret_len);

/* Free what the request holds, but for the names. */
void oh_batch_release(struct oh_batch *l);

/* File i was refused, or the one of that name was OH_BATCH_BAD just now: oh_spool_refuse(). */
bool oh_batch_refuse(const struct oh_batch *l, size_t i, struct oh_spool *s);
bool oh_batch_refuse_bad(const struct oh_batch *l, const char *name, struct oh_spool *s);

/* File i, complete, has arrived: oh_spool_sent(). */
bool oh_batch_done(struct oh_batch *l, size_t i, struct oh_spool *s);

#endif
