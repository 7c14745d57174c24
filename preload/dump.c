/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump.c - one profile, from the tables to a file.
 *
 * The composition root: the only file of preload/ that knows proto/.
 */
#include "preload/dump.h"

#include "core/drops.h"
#include "core/profiler.h"
#include "core/scratch.h"
#include "core/snapshot.h"
#include "preload/dumpfile.h"
#include "preload/lifecycle.h"
#include "proto/pprof.h"

static uint64_t seq; /* the last number used; the worker's alone */

static int
write_snapshot(const struct oh_snapshot *snap, int fd, struct oh_scratch *scratch)
{
	struct oh_sink sink;

	/* Each remembers the first error and does nothing after it. */
	(void)oh_sink_init(&sink, fd, scratch);
	(void)oh_pprof_encode(snap, &sink, scratch);
	return oh_sink_end(&sink);
}

static int
dump(struct oh_scratch *scratch)
{
	struct oh_dumpfile_conf conf = {
		.dir = oh_config.dir,
		.tmpdir = oh_config.tmpdir,
		.pattern = oh_config.file,
		.max_files = oh_config.max_files,
		.quiet = oh_config.quiet,
	};
	struct oh_snapshot snap;
	struct oh_dumpfile file;

	int err = oh_snapshot_take(&snap, scratch);
	if (err != 0)
		return err;
	conf.program = snap.program;
	err = oh_dumpfile_begin(&file, &conf, snap.pid, seq + 1, snap.time_ns / 1000000000);
	if (err != 0)
		return err;
	err = write_snapshot(&snap, file.fd, scratch);
	if (err != 0) {
		oh_dumpfile_abort(&file);
		return err;
	}
	err = oh_dumpfile_commit(&file, scratch);
	if (err == 0)
		seq = file.seq;
	return err;
}

void
oh_dump_run(void)
{
	struct oh_scratch scratch = OH_SCRATCH_INIT;

	if (dump(&scratch) != 0)
		oh_drop(OH_DROP_DUMP_FAILED);
	oh_scratch_release(&scratch);
}

void
oh_dump_after_fork(void)
{
	seq = 0;
}
