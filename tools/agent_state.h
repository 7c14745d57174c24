/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_state.h - what an agent has done so far, kept in its spool.
 *
 * A text file of lines "name: value", replaced by a rename, so that `otheap
 * agent --status` can read it at any time and counters go on where the agent
 * before ended.  Nothing secret is in it.
 */
#ifndef OH_TOOLS_AGENT_STATE_H
#define OH_TOOLS_AGENT_STATE_H

#include <stdint.h>
#include <stdio.h>

#include "core/base.h"
#include "tools/spool.h"

struct oh_agent_state {
	/* Since the spool was made, by every agent of it. */
	uint64_t taken;   /* profiles that were looked at for the first time */
	uint64_t sent;    /* accepted by the collector, with all their values */
	uint64_t empty;   /* with nothing new in them, so there was nothing to send */
	uint64_t refused; /* moved to refused/ by the collector's word */
	uint64_t damaged; /* moved there as they are no profiles */
	uint64_t partial; /* left out by the collector of requests that it took (OTLP profiles) */
	uint64_t lost_size, lost_age, lost_bytes; /* removed to keep the limits */
	uint64_t requests, retried;               /* answered with success; tried again */
	uint64_t sent_bytes;                      /* of requests, compressed */

	/* Of this agent. */
	int64_t pid, started_s, updated_s; /* Unix time */
	uint64_t spooled, spooled_bytes;   /* waiting now */
	uint64_t programs;                 /* that live, by their markers */
	uint64_t memory, memory_peak;      /* resident, bytes */
	uint64_t cpu_ms;
	int64_t next_s;      /* when it tries again; 0 = nothing to wait for */
	int64_t last_sent_s; /* 0 = never */
	char endpoint[256], protocol[16], trouble[320]; /* trouble: the last one; "" = none */
};

/* Read the state of a spool; all 0 where there is none. */
void oh_agent_state_load(struct oh_agent_state *st, const struct oh_spool *s);

/* Write it; what cannot be written is left as it was. */
void oh_agent_state_save(struct oh_agent_state *st, const struct oh_spool *s);

/* Fill in what the system knows of this process: memory, memory_peak, cpu_ms. */
void oh_agent_state_measure(struct oh_agent_state *st);

/* For people. */
void oh_agent_state_print(const struct oh_agent_state *st, bool running, FILE *to);

#endif
