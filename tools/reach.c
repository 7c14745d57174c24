/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach.c - is the collector there?
 */
#include "tools/reach.h"

#include <stdio.h>
#include <string.h>

#include "tools/export.h"

/* Long enough for any network, and a person waits. */
#define TIMEOUT_MS 5000

static enum oh_reach
judge(const struct oh_export_config *c, const struct oh_answer *a, char *text, size_t size)
{
	bool answered = a->http != 0 || a->grpc >= 0;

	if (a->verdict == OH_SENT) {
		(void)snprintf(text, size, "%s takes profiles", c->shown);
		return OH_REACH_OK;
	}
	if (a->verdict == OH_LATER && answered && !a->hopeless) {
		(void)snprintf(
		    text, size, "%s: %s; profiles wait and are sent again", c->shown, a->text);
		return OH_REACH_NOTE;
	}
	if (a->verdict == OH_LATER) {
		(void)snprintf(text, size, "%s: %s; %scorrect OTEL_EXPORTER_OTLP_ENDPOINT",
		    c->shown, a->text, answered ? "" : "start it, or ");
		return OH_REACH_NO;
	}
	if (a->http == 401 || a->http == 403 || a->grpc == 7 || a->grpc == 16) {
		(void)snprintf(text, size,
		    "%s: %s; set OTEL_EXPORTER_OTLP_HEADERS to what it asks for", c->shown,
		    a->text);
		return OH_REACH_NO;
	}
	if (a->http == 404 || a->http == 405 || a->grpc == 12) {
		if (c->protocol == OH_EXPORT_PYROSCOPE) {
			(void)snprintf(text, size,
			    "%s: %s; it is no Pyroscope; see OTHEAP_PROTOCOL", c->shown, a->text);
			return OH_REACH_NO;
		}
		(void)snprintf(text, size,
		    "%s: %s; it takes no profiles there: a Collector needs a pipeline for them and "
		    "--feature-gates=service.profilesSupport",
		    c->shown, a->text);
		return OH_REACH_NO;
	}
	/* Some do not like a request without anything in it; but they are there. */
	(void)snprintf(text, size, "%s answers (%s)", c->shown, a->text);
	return OH_REACH_OK;
}

enum oh_reach
oh_reach_collector(const char *cmd, char *text, size_t size)
{
	struct oh_export_config c;
	struct oh_export *x = NULL;
	struct oh_request r = { 0 };
	struct oh_answer a;
	struct oh_error err = { "" };
	enum oh_reach rc = OH_REACH_NO;

	if (oh_export_config_read(&c, cmd, OH_EXPORT_PROFILES, NULL, &err)) {
		if (c.timeout_ms == 0 || c.timeout_ms > TIMEOUT_MS)
			c.timeout_ms = TIMEOUT_MS;
		x = oh_export_new(&c, &err);
	}
	if (x != NULL && oh_request_pack(x, NULL, 0, &r, &err)) {
		oh_export_send(x, &r, NULL, &a);
		rc = judge(&c, &a, text, size);
	} else {
		(void)snprintf(text, size, "%s", err.text);
	}
	oh_request_free(&r);
	oh_export_free(x);
	oh_export_config_free(&c);
	return rc;
}
