/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_metrics.h - what an agent has done, as OTLP metrics.
 */
#ifndef OH_TOOLS_AGENT_METRICS_H
#define OH_TOOLS_AGENT_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tools/agent_state.h"

/*
 * The bytes of an ExportMetricsServiceRequest; free() them.  Counters count
 * since start_ns, Unix time, what the spool's counters have grown from `from`.
 */
uint8_t *oh_agent_metrics(const struct oh_agent_state *st, const struct oh_agent_state *from,
    int64_t start_ns, int64_t now_ns, size_t *ret_len);

#endif
