/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_reply.h - what a server answered to an OTLP request.
 */
#ifndef OH_TOOLS_OTLP_REPLY_H
#define OH_TOOLS_OTLP_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"

#define OH_REPLY_TEXT 256

struct oh_reply {
	int64_t rejected;         /* profiles or data points that were not taken */
	char text[OH_REPLY_TEXT]; /* the server's words, cut and fit for a terminal; "" = none */
};

/*
 * The body of an answer of success: Export{Profiles,Metrics}ServiceResponse.
 * An empty body is full success.  rejected == 0 with a text is a warning.
 * False, with *ret all 0, if the bytes are no such message.
 */
bool oh_reply_read(const void *body, size_t len, struct oh_reply *ret);

/*
 * The body of an answer of failure: google.rpc.Status as protobuf, or the text
 * that the server sent instead (plain, or JSON with a "message").  Never fails;
 * ret->rejected is 0.
 */
void oh_reply_read_failure(const void *body, size_t len, struct oh_reply *ret);

#endif
