/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - walk the fields of one protobuf message, never past its end.
 *
 * Everything is inline: these few lines run for every field of every message
 * of a profile, and the reader's speed is theirs.
 */
#ifndef OH_TOOLS_WIRE_H
#define OH_TOOLS_WIRE_H

#include <stdint.h>

#include "core/base.h"

/* What is left to read of a message: [at, end). */
struct oh_wire {
	const uint8_t *at, *end;
};

enum oh_wire_type {
	OH_WIRE_VARINT = 0,
	OH_WIRE_FIXED64 = 1,
	OH_WIRE_BYTES = 2,
	OH_WIRE_FIXED32 = 5,
};

struct oh_wire_field {
	uint32_t number;      /* > 0 */
	uint32_t type;        /* enum oh_wire_type; never another value */
	uint64_t value;       /* of a varint or fixed field */
	struct oh_wire bytes; /* of OH_WIRE_BYTES */
};

/* Read one base-128 number.  False, with *ret untouched, if it is cut short or over 64 bits. */
static inline bool
oh_wire_varint(struct oh_wire *w, uint64_t *ret)
{
	uint64_t v = 0;

	if (OH_LIKELY(w->at < w->end && *w->at < 0x80)) {
		*ret = *w->at++;
		return true;
	}
	for (unsigned shift = 0; shift < 70 && w->at < w->end; shift += 7) {
		uint8_t b = *w->at++;

		if (shift == 63 && b > 1)
			return false;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80) {
			*ret = v;
			return true;
		}
	}
	return false;
}

/*
 * Read the next field.  1 = *ret is a field, 0 = end of the message, -1 = the
 * bytes are not a protobuf message (cut short, unknown wire type, number 0).
 */
static inline int
oh_wire_next(struct oh_wire *w, struct oh_wire_field *ret)
{
	uint64_t tag, len;

	if (w->at == w->end)
		return 0;
	if (!oh_wire_varint(w, &tag) || tag >> 3 == 0 || tag >> 32 != 0)
		return -1;
	ret->number = (uint32_t)(tag >> 3);
	ret->type = (uint32_t)(tag & 7);
	ret->value = 0;
	ret->bytes.at = ret->bytes.end = w->at;
	switch (ret->type) {
	case OH_WIRE_VARINT:
		return oh_wire_varint(w, &ret->value) ? 1 : -1;
	case OH_WIRE_BYTES:
		if (!oh_wire_varint(w, &len) || len > (uint64_t)(w->end - w->at))
			return -1;
		ret->bytes.at = w->at;
		ret->bytes.end = w->at + len;
		w->at += len;
		return 1;
	case OH_WIRE_FIXED64:
	case OH_WIRE_FIXED32:
		len = ret->type == OH_WIRE_FIXED64 ? 8 : 4;
		if (len > (uint64_t)(w->end - w->at))
			return -1;
		for (unsigned i = 0; i < len; i++)
			ret->value |= (uint64_t)w->at[i] << (8 * i);
		w->at += len;
		return 1;
	default:
		return -1;
	}
}

#endif
