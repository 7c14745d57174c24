/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_source.h - which process is this profile of, and what is told of it?
 *
 * Short programs have often ended when their profile is read; so what /proc
 * tells of a process is looked up when it is first heard of, and kept.
 */
#ifndef OH_TOOLS_EXPORT_SOURCE_H
#define OH_TOOLS_EXPORT_SOURCE_H

#include <stdint.h>
#include <sys/types.h>

#include "core/base.h"
#include "tools/otlp_resource.h"
#include "tools/profile.h"

struct oh_sources;

/*
 * service: a name that wins over every other; NULL = none.  `cmd` is the
 * subcommand, for one line on stderr if OTEL_RESOURCE_ATTRIBUTES is wrong.
 */
struct oh_sources *oh_sources_create(const char *service, const char *cmd);
void oh_sources_free(struct oh_sources *s);

/* A process lives, which started at `starttime`, field 22 of /proc/PID/stat. */
void oh_sources_note(struct oh_sources *s, pid_t pid, uint64_t starttime);

/*
 * What is told of the process that wrote a profile; good until the next call.
 * *ret_root: "", or the folder below which its files are (of a process that lives
 * and sees other files than we do).
 */
const struct oh_resource *oh_sources_find(
    struct oh_sources *s, const struct oh_profile *p, const char **ret_root);

/* That line, without what all lines begin with; "" = nothing is wrong. */
const char *oh_sources_wrong(const struct oh_sources *s);

#endif
