/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof.h - a snapshot as a pprof profile.
 */
#ifndef OH_PROTO_PPROF_H
#define OH_PROTO_PPROF_H

#include "core/scratch.h"
#include "core/snapshot.h"
#include "proto/sink.h"

/*
 * Append `snap` to `sink` as one perftools.profiles.Profile.  The caller has
 * begun the sink and ends it.
 *
 * What readers may rely on:
 *   sample types   alloc_objects/count, alloc_space/bytes, inuse_objects/count,
 *                  inuse_space/bytes, in this order; default inuse_space.
 *                  Estimates, as whole numbers; what is cut off one site's is
 *                  carried to the next, so that sums over many stay right.  A
 *                  site whose four values are all 0 is left out.
 *   period         snap->interval_bytes, space/bytes
 *   address        recorded pc - 1: inside the call instruction
 *   mapping id     the module id of the frame; 0 = no known file
 *   label bytes    mean size of the site's allocations, when it is not 0
 *   label thread   name of the thread, if labelled
 *   label age      milliseconds; on samples with live blocks, how long the
 *                  sampled ones have lived: up to five values, newest, first
 *                  quartile, median, third quartile, oldest.  One value says
 *                  that there is one sampled block, two that there are two...
 *   label leak     after a leak check, on samples of their own, with the stack
 *                  and size of the site and 0 allocated: `lost`, `interior` or
 *                  `indirect`, see core/points.h.  What is live and has no
 *                  such label was reached, or not looked for.
 *   comment        `otheap VERSION`, then `key: value` each:
 *                  program, pid, interval, exact totals, trigger (baseline,
 *                  signal, timer, exit, api, start, stop), not recorded (if
 *                  recording was ever stopped), samples, own memory;
 *                  after a leak check `leak check: lost N interior N indirect
 *                  N unsure N of N samples` and `leak scan: N bytes in N ms,
 *                  scans N, cpu N ms`, or `leak check: not made: REASON`;
 *                  and `dropped: REASON N` per reason, or `dropped: none`
 *
 * A site without a stack gets one location that says "[unknown stack]".
 *
 * Returns 0 or the sink's error, which this sets to -ENOMEM when the scratch
 * has no memory.  Uses scratch in proportion to the number of distinct frames
 * and strings, not of sites.  Needs no thread control block: no errno, stdio,
 * malloc or locale.
 */
int oh_pprof_encode(
    const struct oh_snapshot *snap, struct oh_sink *sink, struct oh_scratch *scratch);

#endif
