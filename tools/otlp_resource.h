/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_resource.h - who sends: the attributes of a process, its host, its service.
 *
 * Names and meanings are OpenTelemetry's semantic conventions 1.44.0.
 */
#ifndef OH_TOOLS_OTLP_RESOURCE_H
#define OH_TOOLS_OTLP_RESOURCE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base.h"
#include "tools/mem.h"
#include "tools/profile.h"

struct oh_attribute {
	char *key;
	char *text; /* NULL: num is meant */
	int64_t num;
};

/* Attributes with distinct keys, in the order in which they were set. */
struct oh_resource {
	struct oh_attribute *items;
	size_t count, cap;
};

struct oh_resource *oh_resource_create(void);
void oh_resource_free(struct oh_resource *r);

/* Set an attribute, or replace it.  Text is cleaned to valid UTF-8; NULL or "" sets nothing. */
void oh_resource_set(struct oh_resource *r, const char *key, const char *text);
void oh_resource_set_new(
    struct oh_resource *r, const char *key, const char *text); /* unless it is set */
void oh_resource_set_num(struct oh_resource *r, const char *key, int64_t num);
const struct oh_attribute *oh_resource_get(const struct oh_resource *r, const char *key);

/*
 * What the profile itself tells: process.pid, process.executable.path and
 * .name, process.creation.time (when the library started, within milliseconds).
 * Keys that are set stay as they are.
 */
void oh_resource_of_profile(struct oh_resource *r, const struct oh_profile *p);

/*
 * What /proc tells of a process that lives: process.pid, .creation.time,
 * .executable.path and .name, .command, .owner, container.id; and the host as
 * that process sees it: host.name, host.id, host.arch, os.*.  What cannot be
 * read is left out.  `pid` is read as this process sees it.
 *
 *   starttime  field 22 of /proc/PID/stat that it must have; 0 = any
 *
 * Returns false, with nothing set, if there is no such process.
 */
bool oh_resource_of_process(struct oh_resource *r, pid_t pid, uint64_t starttime);

/*
 * process.creation.time of a process that may be gone: `starttime` is field 22
 * of /proc/PID/stat, of this boot.
 */
void oh_resource_set_start(struct oh_resource *r, uint64_t starttime);

/* container.id, if these files of /proc/PID tell one; NULL = cannot be read. */
void oh_resource_set_container(struct oh_resource *r, const char *cgroup, const char *mountinfo);

/* The host alone, as this process sees it. */
void oh_resource_of_host(struct oh_resource *r);

/*
 * OTEL_RESOURCE_ATTRIBUTES ("k=v,k=v", percent-encoded) and OTEL_SERVICE_NAME,
 * which win over what is set.  NULL or "" is none.  If anything in `attributes`
 * cannot be decoded the whole of it is ignored, as the specification asks, and
 * false returned with the reason in *err; service_name counts all the same.
 */
bool oh_resource_of_settings(
    struct oh_resource *r, const char *attributes, const char *service_name, struct oh_error *err);

/*
 * A variable of another process's environment, as it was when that started:
 * free() it.  NULL if it is not set or cannot be read.
 */
char *oh_process_variable(pid_t pid, const char *name);

/*
 * Last: what every resource has.  telemetry.sdk.*; service.name, else
 * unknown_service:NAME; service.instance.id, else a UUID (version 5) made of
 * the service, host, pid and start of the process, so that it is the same for
 * every profile of it.
 */
void oh_resource_complete(struct oh_resource *r);

/* As bytes of opentelemetry.proto.resource.v1.Resource; free() them. */
uint8_t *oh_resource_encode(const struct oh_resource *r, size_t *ret_len);

#endif
