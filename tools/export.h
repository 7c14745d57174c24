/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export.h - carry one request to a collector, by libcurl.
 *
 * One attempt per call; when to try again is the caller's to decide, by what
 * the answer says (export_answer.h).  Connections are kept between calls.
 * Proxies are those that curl(1) would use.  One thread at a time.
 */
#ifndef OH_TOOLS_EXPORT_H
#define OH_TOOLS_EXPORT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/base.h"
#include "tools/export_answer.h"
#include "tools/export_config.h"
#include "tools/mem.h"

/* Most bytes of a request, as the specification recommends; a larger one is never sent. */
#define OH_REQUEST_MAX (UINT64_C(64) << 20)

struct oh_export;

/* A request as it goes over the wire: compressed and framed. */
struct oh_request {
	uint8_t *data;
	size_t len;
	size_t plain_len; /* before compression */
};

/*
 * Begin.  The settings are copied to where libcurl keeps its own; `c` is needed
 * until oh_export_free(), which takes NULL.  NULL with *err if it cannot be.
 */
struct oh_export *oh_export_new(const struct oh_export_config *c, struct oh_error *err);
void oh_export_free(struct oh_export *x);

/* Give up, within a second, when this says so; asked again and again during a call. */
void oh_export_limit(struct oh_export *x, bool (*give_up)(void *arg), void *arg);

/*
 * Pack the pieces of a message for the wire.  False, with *err, if it is
 * larger than OH_REQUEST_MAX.  oh_request_free() it in any case.
 */
bool oh_request_pack(const struct oh_export *x, const struct iovec *pieces, size_t count,
    struct oh_request *ret, struct oh_error *err);
/* The same of one piece that goes as it is: malloc() gave it, *ret has it from here on if true. */
bool oh_request_take(uint8_t *data, size_t len, struct oh_request *ret, struct oh_error *err);
void oh_request_free(struct oh_request *r);

/*
 * Send it once and wait for the answer.  `query` is what goes behind the URL's
 * '?', encoded already; NULL = nothing.
 */
void oh_export_send(
    struct oh_export *x, const struct oh_request *r, const char *query, struct oh_answer *ret);

/* "otheap/1.2.3 OTel-OTLP-Exporter-C/1.2.3" */
#define OH_USER_AGENT "otheap/" OH_VERSION " OTel-OTLP-Exporter-C/" OH_VERSION

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t oh_now_ms(void);

#endif
