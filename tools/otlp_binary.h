/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_binary.h - what the file of a mapping says of itself: segments, build
 * ID, and the hash by which OpenTelemetry names it.
 */
#ifndef OH_TOOLS_OTLP_BINARY_H
#define OH_TOOLS_OTLP_BINARY_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tools/module.h"

struct oh_binary {
	struct oh_load *loads; /* segments */
	size_t load_count;     /* 0: not an ELF file */
	char htlhash[33];      /* lower-case hex */
	char build_id[129];    /* GNU, lower-case hex; "" = it has none */
};

/* The files that were asked for, kept while they do not change. */
struct oh_binaries;

struct oh_binaries *oh_binaries_create(void);
void oh_binaries_free(struct oh_binaries *b);

/*
 * The file `path` if it can be read, is regular, and has this GNU build ID.
 *
 *   root      "" or a folder that `path` is below, such as /proc/PID/root
 *   build_id  lower-case hex; "" = not known, any file will do
 *
 * NULL if it is not there or not that file.  The result is good until the next
 * call.  Costs a stat; the file is read (its headers and 8 KiB) when it is new
 * or has changed.
 */
const struct oh_binary *oh_binaries_get(
    struct oh_binaries *b, const char *root, const char *path, const char *build_id);

/*
 * htlhash: the first 16 bytes of SHA-256(first 4096 bytes | last 4096 bytes |
 * length as 8 bytes, highest first), in lower-case hex.  Shorter files give all
 * they have, twice.  False with errno if the file cannot be read.
 *
 * Check: the empty file -> af5570f5a1810b7af78caf4bc70a660f
 * Source: OpenTelemetry specification, profiles/mappings.md.
 */
bool oh_binary_htlhash(int fd, char ret[33]);

#endif
