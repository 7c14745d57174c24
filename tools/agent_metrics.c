/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_metrics.c - what an agent has done, as OTLP metrics.
 *
 * process.* by OpenTelemetry's conventions, the rest under a name of ours, as
 * there is none for profiles yet.
 */
#include "tools/agent_metrics.h"

#include <stdlib.h>
#include <unistd.h>

#include "tools/otlp_metrics.h"
#include "tools/otlp_resource.h"

uint8_t *
oh_agent_metrics(const struct oh_agent_state *st, const struct oh_agent_state *from,
    int64_t start_ns, int64_t now_ns, size_t *ret_len)
{
	static const char profiles[] = "otheap.agent.profiles";
	static const char what[] = "Profiles that are done with, by what became of them";
#define DONE(n, word) \
	{ \
		profiles, "{profile}", what, OH_METRIC_COUNTER, (int64_t)(st->n - from->n), \
		    "otheap.outcome", word \
	}
	const struct oh_metric all[] = {
		DONE(sent, "sent"),
		DONE(empty, "unchanged"),
		DONE(refused, "refused"),
		DONE(damaged, "damaged"),
		DONE(partial, "rejected"),
		DONE(lost_size, "lost_for_size"),
		DONE(lost_age, "lost_for_age"),
		{ "otheap.agent.requests", "{request}", "Requests that were answered with success",
		    OH_METRIC_COUNTER, (int64_t)(st->requests - from->requests), NULL, NULL },
		{ "otheap.agent.retries", "{request}", "Requests that had to be sent again",
		    OH_METRIC_COUNTER, (int64_t)(st->retried - from->retried), NULL, NULL },
		{ "otheap.agent.sent", "By", "Bytes of requests, compressed", OH_METRIC_COUNTER,
		    (int64_t)(st->sent_bytes - from->sent_bytes), NULL, NULL },
		{ "otheap.agent.spool.profiles", "{profile}", "Profiles that wait",
		    OH_METRIC_UPDOWN, (int64_t)st->spooled, NULL, NULL },
		{ "otheap.agent.spool.size", "By", "Bytes of the profiles that wait",
		    OH_METRIC_UPDOWN, (int64_t)st->spooled_bytes, NULL, NULL },
		{ "otheap.agent.processes", "{process}", "Programs that write into the spool",
		    OH_METRIC_UPDOWN, (int64_t)st->programs, NULL, NULL },
		{ "process.memory.usage", "By", "Resident memory of the agent", OH_METRIC_UPDOWN,
		    (int64_t)st->memory, NULL, NULL },
		{ "otheap.agent.cpu.time", "ms", "CPU time of the agent", OH_METRIC_COUNTER,
		    (int64_t)st->cpu_ms, NULL, NULL },
	};
#undef DONE
	struct oh_resource *r = oh_resource_create();
	uint8_t *bytes;

	(void)oh_resource_of_process(r, getpid(), 0);
	(void)oh_resource_of_settings(r, NULL, "otheap-agent", NULL);
	oh_resource_complete(r);
	bytes = oh_metrics_encode(r, all, OH_ARRAY_LEN(all), start_ns, now_ns, ret_len);
	oh_resource_free(r);
	return bytes;
}
