/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_answer.h - what a collector's answer means: done, try again, or never.
 *
 * The rules of the OTLP specification (docs/specification.md, "OTLP/HTTP
 * Response", "OTLP/gRPC Response" and "Retryable ..."), as functions of the
 * bytes alone.
 */
#ifndef OH_TOOLS_EXPORT_ANSWER_H
#define OH_TOOLS_EXPORT_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"

/* Most bytes of an answer that are read; a longer one is a refusal. */
#define OH_ANSWER_MAX (UINT32_C(4) << 20)

enum oh_verdict {
	OH_SENT,    /* accepted, perhaps not all of it: then rejected > 0 */
	OH_LATER,   /* nothing wrong with the request: try again after a while */
	OH_REFUSED, /* never send this again */
};

struct oh_answer {
	enum oh_verdict verdict;
	long http;        /* status; 0 = there was no answer */
	int grpc;         /* status; -1 = none */
	bool smaller;     /* refused, and a part of it might not be */
	bool hopeless;    /* later, but only when somebody has changed the settings */
	int64_t after_ms; /* the server's wish when to try again; -1 = none */
	int64_t rejected; /* profiles or data points that the server left out */
	char text[320];   /* what went wrong, or the server's remark; "" = nothing */
};

/* What the body of an answer over HTTP is, by its type. */
enum oh_body {
	OH_BODY_OTHER, /* or none */
	OH_BODY_OTLP,  /* may be read as protobuf */
	OH_BODY_PAGE,  /* for people: this is no answer to us, whatever the status */
};

/*
 * From a status and the body of an answer over HTTP.  `retry_after` is that
 * header's value or NULL; now_s is Unix time, for its form as a date.
 */
void oh_answer_http(struct oh_answer *a, long status, enum oh_body kind, const char *retry_after,
    const uint8_t *body, size_t len, int64_t now_s);

/*
 * From the trailers of a gRPC call and its body, which is a framed message.
 * status -1: there was none.  `message` is grpc-message, still encoded, and
 * `details` grpc-status-details-bin; NULL where they were not sent.  http is
 * the status of the response that carried it.
 */
void oh_answer_grpc(struct oh_answer *a, long http, int status, const char *message,
    const char *details, const uint8_t *body, size_t len);

/* Milliseconds to wait that a Retry-After asks for (seconds or a date); -1 = it makes no sense. */
int64_t oh_retry_after_ms(const char *value, int64_t now_s);

/*
 * How long to wait before attempt `failures` + 1, failures from 1: doubles from
 * first_ms up to most_ms, then half of it up to all of it by `random`, any
 * number.  A server's wish, unless it is -1, is the least.
 */
int64_t oh_retry_wait_ms(
    unsigned failures, int64_t first_ms, int64_t most_ms, int64_t wish_ms, uint64_t random);

#endif
