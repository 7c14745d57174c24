/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_metrics.h - a few numbers as OTLP: the bytes of an
 * ExportMetricsServiceRequest.
 */
#ifndef OH_TOOLS_OTLP_METRICS_H
#define OH_TOOLS_OTLP_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tools/otlp_resource.h"

enum oh_metric_kind {
	OH_METRIC_COUNTER, /* since the start, only grows */
	OH_METRIC_UPDOWN,  /* a sum that also shrinks: bytes in a spool */
	OH_METRIC_GAUGE,   /* a value of now that cannot be added up */
};

/* Metrics with one name that follow each other are points of one metric. */
struct oh_metric {
	const char *name, *unit, *description; /* unit by UCUM: "By", "{profile}", "s" */
	enum oh_metric_kind kind;
	int64_t value;
	const char *key, *text; /* one attribute of the point; key NULL = none */
};

/*
 * Encode `count` > 0 metrics of one process.
 *
 *   start_ns, now_ns  Unix time since which counters count, and of the values
 *
 * Returns *ret_len bytes; free() them.
 */
uint8_t *oh_metrics_encode(const struct oh_resource *resource, const struct oh_metric *metrics,
    size_t count, int64_t start_ns, int64_t now_ns, size_t *ret_len);

#endif
