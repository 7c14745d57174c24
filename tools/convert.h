/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert.h - formats of profiles other than pprof.
 *
 * A reader takes an input and returns a profile, or NULL with one reason in
 * *err; whatever the bytes are.  It does not end the input.  A writer leaves
 * errors of `to` to who closes it.
 */
#ifndef OH_TOOLS_CONVERT_H
#define OH_TOOLS_CONVERT_H

#include <stdint.h>
#include <stdio.h>

#include "core/base.h"
#include "tools/input.h"
#include "tools/mem.h"
#include "tools/profile.h"

enum oh_file_format {
	OH_FILE_PPROF,
	OH_FILE_FOLDED,     /* lines `root;...;leaf VALUE` */
	OH_FILE_SPEEDSCOPE, /* JSON of speedscope.app */
	OH_FILE_HEAP,       /* text of gperftools and of jemalloc */
	OH_FILE_FIREFOX,    /* JSON of profiler.firefox.com */
	OH_FILE_FORMATS,
};

/* Which format does the input look like?  Nothing is consumed.  OH_FILE_PPROF in doubt. */
enum oh_file_format oh_guess_format(struct oh_input *in, struct oh_error *err);

/*
 * Folded stacks: one frame is what stands between two ';', the value what
 * follows the last blank; a fraction is rounded.  The sample type is called
 * `type`; its unit is bytes if that ends in "space" or is "bytes", else count.
 */
struct oh_profile *oh_folded_read(struct oh_input *in, const char *type, struct oh_error *err);

/*
 * A speedscope file, "sampled" and "evented" profiles: each profile becomes a
 * sample type of its name.  Stacks of evented profiles may take as much memory
 * as `max_bytes` says.
 */
struct oh_profile *oh_speedscope_read(
    struct oh_input *in, uint64_t max_bytes, struct oh_error *err);

/*
 * A file of the Firefox Profiler ("processed"): the threads of one name become
 * a sample type of that name.  Stacks may take as much memory as `max_bytes`
 * says.
 */
struct oh_profile *oh_firefox_read(struct oh_input *in, uint64_t max_bytes, struct oh_error *err);

/*
 * A heap profile in text form, of gperftools and tcmalloc ("heap profile:") or
 * of jemalloc ("heap_v2/").  Their figures are those of the sampled blocks: each
 * line is scaled by 1 / (1 - e^(-size/interval)) with its mean block size, as
 * pprof and jeprof do.
 */
struct oh_profile *oh_heap_read(struct oh_input *in, struct oh_error *err);

/* Sample type `type` alone. */
void oh_folded_write(FILE *to, struct oh_profile *p, unsigned type);

/* Every sample type, each as a profile. */
void oh_speedscope_write(FILE *to, struct oh_profile *p, unsigned shown, const char *name);

/* Every sample type, each as a thread. */
void oh_firefox_write(FILE *to, struct oh_profile *p, const char *name);

/*
 * The text of gperftools, scaled back by the block sizes and the period.
 * False with the reason in *err if the profile has no addresses, or no values
 * of blocks in use.
 */
bool oh_heap_write(FILE *to, const struct oh_profile *p, struct oh_error *err);

#endif
