/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.h - takes profiles out of a spool and brings them to a collector.
 */
#ifndef OH_TOOLS_AGENT_H
#define OH_TOOLS_AGENT_H

#include <stdint.h>

#include "core/base.h"
#include "tools/export_config.h"
#include "tools/mem.h"
#include "tools/spool.h"

struct oh_agent_options {
	const char *folder;
	struct oh_export_wish wish;
	struct oh_spool_limits limits;
	uint64_t max_request; /* bytes before compression; 0 = by the protocol */
	int64_t retry_first_ms, retry_most_ms;
	int64_t linger_ms;   /* how long to go on trying when all programs have ended */
	int64_t flush_ms;    /* the same once SIGTERM has come */
	int64_t metrics_ms;  /* how often to send metrics of our own; 0 = never */
	const char *service; /* name that wins over every other; NULL = none */
	bool with_processes; /* end when all programs have ended */
	bool once;           /* end when everything was tried once */
	bool no_symbols;
};

/*
 * Be the agent of a folder until there is nothing to do any more, or a signal
 * SIGTERM or SIGINT.  Returns an exit code of mem.h: OH_EXIT_OK also where
 * another agent is at work already; with `once`, OH_EXIT_FINDINGS if something
 * was refused or is left.
 */
int oh_agent_run(const struct oh_agent_options *o);

/* Print what the agent of a folder has done.  An exit code. */
int oh_agent_status(const char *folder);

#endif
