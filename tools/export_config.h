/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_config.h - where profiles are sent, and how: the OTEL_EXPORTER_OTLP_ variables,
 * and OTHEAP_PROTOCOL, which may also say pyroscope and wins over theirs.
 *
 * The rules are those of the OpenTelemetry specification (protocol/exporter.md,
 * configuration/sdk-environment-variables.md): what is set for the signal wins
 * over what is set in general, an empty variable is as none, a number or word
 * that makes no sense is told and its default used, a protocol as if it were
 * not set.  What the specification
 * leaves open: an endpoint or a certificate that cannot be used is an error,
 * as anything else than what was asked for would send data elsewhere.
 */
#ifndef OH_TOOLS_EXPORT_CONFIG_H
#define OH_TOOLS_EXPORT_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tools/mem.h"

enum oh_export_protocol {
	OH_EXPORT_HTTP, /* OTLP, protobuf over HTTP */
	OH_EXPORT_GRPC, /* OTLP, gRPC */
	OH_EXPORT_PYROSCOPE,
};

enum oh_export_signal {
	OH_EXPORT_PROFILES,
	OH_EXPORT_METRICS, /* what the agent tells of itself */
};

/* What options of the command line say; they win over every variable. */
struct oh_export_wish {
	const char *endpoint; /* a base, as OTEL_EXPORTER_OTLP_ENDPOINT; NULL = none */
	const char *protocol; /* as OTHEAP_PROTOCOL; NULL = none */
	char **headers;       /* header_count texts "NAME=VALUE", taken as they are */
	size_t header_count;
};

struct oh_export_config {
	enum oh_export_protocol protocol;
	enum oh_export_signal signal;
	char *url;      /* of a request, whole; may hold a password */
	char *shown;    /* the same for people: without user, password and query */
	char **headers; /* header_count lines "name: value"; may hold secrets */
	size_t header_count, header_cap;
	long timeout_ms; /* of one request; 0 = none */
	bool gzip;
	char *ca, *client_key, *client_cert; /* files; NULL = none */
	char warning[200];                   /* the first of what was said; "" = nothing */
};

/*
 * Read the variables.  `cmd` is the subcommand, for lines on stderr about what
 * is ignored.  False, with *err, if nothing could be sent by these; *ret is
 * to be freed in any case.
 */
bool oh_export_config_read(struct oh_export_config *ret, const char *cmd,
    enum oh_export_signal signal, const struct oh_export_wish *wish, struct oh_error *err);
void oh_export_config_free(struct oh_export_config *c);

/* Is an endpoint for profiles set, and export not switched off (OTHEAP_OTLP, OTEL_SDK_DISABLED)? */
bool oh_export_wanted(void);

/* A protocol's name, as the variable has it. */
const char *oh_export_protocol_name(enum oh_export_protocol p);

/*
 * Undo %XX in place.  False, with the text as far as it came, if a % is
 * followed by anything but two hexadecimal digits, or by 00, which would end
 * the text.
 */
bool oh_percent_decode(char *text);

#endif
