/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump.c - one profile, from the tables to a file.
 *
 * The composition root: the only file of preload/ that knows proto/.
 *
 * Memory ordering
 *	[D1] last: a sequence lock.  The worker makes `turn` odd, stores with
 *	     release and makes it even; a reader loads with acquire, and again
 *	     if `turn` was odd or changed.  It can wait for ever only if a dump
 *	     comes for each look.
 */
#include "preload/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/arena.h"
#include "core/atomic.h"
#include "core/base.h"
#include "core/command.h"
#include "core/drops.h"
#include "core/out.h"
#include "core/profiler.h"
#include "core/reach.h"
#include "core/scratch.h"
#include "core/snapshot.h"
#include "core/sys.h"
#include "core/weight.h"
#include "preload/agent.h"
#include "preload/dumpfile.h"
#include "preload/launch.h"
#include "preload/lifecycle.h"
#include "preload/next.h"
#include "preload/otheap.h"
#include "preload/report.h"
#include "preload/waiting.h"
#include "preload/worker.h"
#include "proto/pprof.h"

#define LEAK_LIMIT_MS 60000u /* where nobody waits for the end */

static uint64_t seq; /* the last number used; the worker's alone */
/* Room for the folder where the profiles for the leak report are kept from the agent. */
#define OWN_PATH_BYTES (OH_DUMP_PATH_BYTES + OH_AGENT_OWN_BYTES)

static char baseline[OWN_PATH_BYTES]; /* the worker's alone */
static pid_t baseline_of;             /* who has a second link of it; 0 = none */

#define PROCESS "process: "
static char process[sizeof(PROCESS) + 16]; /* the worker's alone; "" = not made yet */

/* How the last one went. */
static struct {
	uint32_t turn; /* [D1] */
	uint32_t runs;
	int error;
	uint64_t path[OH_DUMP_PATH_BYTES / sizeof(uint64_t)];
	uint32_t checked; /* `leaks` are of a check */
	uint64_t leaks[sizeof(struct otheap_leaks) / sizeof(uint64_t)];
} last;

/* The most telling of the reasons. */
static const char *
trigger(unsigned asked)
{
	static const struct {
		unsigned what;
		const char *name;
	} names[] = {
		{ OH_ASK_EXIT, "exit" },
		{ OH_ASK_BASELINE, "baseline" },
		{ OH_ASK_STOP, "stop" },
		{ OH_ASK_START, "start" },
		{ OH_ASK_API, "api" },
		{ OH_ASK_SIGNAL, "signal" },
		{ OH_ASK_TIMER, "timer" },
	};

	for (size_t i = 0; i < OH_ARRAY_LEN(names); i++)
		if ((asked & names[i].what) != 0)
			return names[i].name;
	return NULL;
}

/* "forked from: 12 after 34 ms, 56 after 78 ms": what came before each fork is of this process,
 * too. */
static struct oh_out forks;

/*
 * Which process it is, by a number that no other has: another may have the same
 * process ID, in a container of its own or by exec, and clocks are set.
 */
static const char *
which(void)
{
	static const char digits[] = "0123456789abcdef";
	char *to = process + sizeof(process) - 1;

	if (process[0] != '\0')
		return process;
	memcpy(process, PROCESS, sizeof(PROCESS) - 1);
	for (uint64_t r = oh_dumpfile_random(); to > process + sizeof(PROCESS) - 1; r >>= 4)
		*--to = digits[r & 15];
	return process;
}

/*
 * Further comments.  Whose profile it is, for who sends it: by then the process
 * may be no more, and what the agent itself has in these variables may be another
 * program's.  One that is not set is said, too.
 */
static const char *const *
further(void)
{
	static const char *const names[] = { "OTEL_SERVICE_NAME=", "OTEL_RESOURCE_ATTRIBUTES=" };
	static const char *said[2 + OH_ARRAY_LEN(names) + 1];
	size_t n = 0;

	said[n++] = which();
	if (forks.len > 0)
		said[n++] = forks.text;
	for (size_t i = 0; oh_config.exporting && i < OH_ARRAY_LEN(names); i++) {
		said[n] = oh_launch_variable(names[i]);
		if (said[n] == NULL)
			said[n] = names[i];
		n++;
	}
	said[n] = NULL;
	return said;
}

static int
write_snapshot(const struct oh_snapshot *snap, int fd, struct oh_scratch *scratch)
{
	struct oh_sink sink;

	/* Each remembers the first error and does nothing after it. */
	(void)oh_sink_init(&sink, fd, scratch);
	(void)oh_pprof_encode(snap, &sink, scratch);
	return oh_sink_end(&sink);
}

/*
 * Where the process waits for its end, the check leaves a quarter of the time: for
 * the profile, some 100,000 call stacks a second, and the report.  The check itself
 * takes longer the more memory there is, which is seconds where there is much.
 */
static void
check_leaks(struct oh_reach *ret, unsigned asked)
{
	struct oh_reach_ask ask = {
		.max_memory_bytes = oh_config.leak_max_memory_bytes,
		.limit_ms =
		    (asked & OH_ASK_EXIT) != 0 ? oh_config.exit_timeout_ms / 4 * 3 : LEAK_LIMIT_MS,
		.allocator = (uintptr_t)oh_next.malloc,
		.stop = oh_worker_hurried,
	};

	if (oh_worker_in_valgrind()) {
		ret->result = (struct oh_reach_result){ .asked = true,
			.why_not = "valgrind looks at every word that is read" };
		return;
	}
	oh_waiting(&ask.waiting, &ask.main_sp);
	oh_worker_stack(&ask.own[0].start, &ask.own[0].limit);
	oh_arena_range(&ask.own[1].start, &ask.own[1].limit);
	ask.own_count = 2;
	oh_reach_check(ret, &ask);
}

/* ---- what a leak check found ------------------------------------------------------ */

static double
square_root(double x)
{
	/* Without the C library's, which would set errno. */
	__asm__("sqrtsd %0, %0" : "+x"(x));
	return x;
}

/* Sums over all sites; variances as in core/DESIGN.md, by the mean size of the site's. */
static void
sum_leaks(const struct oh_snapshot *snap, struct otheap_leaks *to)
{
	double blocks = 0, bytes = 0;

	memset(to, 0, sizeof(*to));
	to->samples = snap->leaks.blocks;
	for (uint32_t i = 0; i < snap->site_count; i++) {
		for (uint32_t k = 0; k < snap->sites[i].live_count; k++) {
			const struct oh_snap_live *l = &snap->sites[i].live[k];
			double size = l->objects > 0 ? l->bytes / l->objects : 0;
			double v = l->objects *
				   (oh_weight((uint64_t)(size + .5), snap->interval_bytes) - 1);

			switch ((enum oh_leak)l->leak) {
			case OH_LEAK_LOST:
				to->lost_blocks += l->objects;
				to->lost_bytes += l->bytes;
				blocks += v;
				bytes += v * size * size;
				break;
			case OH_LEAK_INDIRECT:
				to->indirect_blocks += l->objects;
				to->indirect_bytes += l->bytes;
				break;
			case OH_LEAK_INTERIOR:
				to->interior_blocks += l->objects;
				to->interior_bytes += l->bytes;
				break;
			default:
				break;
			}
		}
	}
	to->lost_blocks_error = square_root(blocks);
	to->lost_bytes_error = square_root(bytes);
}

static void
publish_leaks(const struct oh_snapshot *snap)
{
	struct otheap_leaks leaks;
	uint64_t words[OH_ARRAY_LEN(last.leaks)];

	sum_leaks(snap, &leaks);
	memcpy(words, &leaks, sizeof(words));
	oh_store_relaxed(&last.turn, last.turn + 1);
	for (size_t i = 0; i < OH_ARRAY_LEN(words); i++)
		oh_store_release(&last.leaks[i], words[i]); /* [D1] */
	oh_store_release(&last.checked, snap->leaks.made);  /* [D1] */
	oh_store_release(&last.turn, last.turn + 1);        /* [D1] */
}

bool
oh_dump_verdict(struct otheap_leaks *ret)
{
	uint64_t words[OH_ARRAY_LEN(last.leaks)];
	uint32_t turn, checked;

	do {
		turn = oh_load_acquire(&last.turn); /* [D1] */
		for (size_t i = 0; i < OH_ARRAY_LEN(words); i++)
			words[i] = oh_load_acquire(&last.leaks[i]); /* [D1] */
		checked = oh_load_acquire(&last.checked);           /* [D1] */
	} while (turn % 2 != 0 || oh_load_relaxed(&last.turn) != turn);
	memcpy(ret, words, sizeof(words));
	return checked != 0;
}

/* ---- from the tables to a file ------------------------------------------------------ */

/* folder/name; both fit. */
static void
join(char *to, const char *folder, const char *name)
{
	size_t len = strlen(folder);

	memcpy(to, folder, len);
	if (len > 0 && to[len - 1] != '/')
		to[len++] = '/';
	memcpy(to + len, name, strlen(name) + 1);
}

/* The second link of the baseline, if this process made one. */
static void
forget_baseline(void)
{
	if (baseline_of == oh_sys_getpid())
		(void)OH_SYS(unlinkat, AT_FDCWD, baseline, 0, 0, 0, 0);
	baseline_of = 0;
}

/* The second link, if it has one: no agent takes that away. */
static void
own_path(char to[OWN_PATH_BYTES], const struct oh_dumpfile *file, const char *path)
{
	memcpy(to, path, OH_DUMP_PATH_BYTES);
	if (file->linked) {
		char *end = to + strlen(path) - strlen(file->name);
		join(end, file->conf->also, file->name);
	}
}

/* Remove the second link, and the folder with the last one. */
static void
forget_own(char own[OWN_PATH_BYTES])
{
	(void)OH_SYS(unlinkat, AT_FDCWD, own, 0, 0, 0, 0);
	*strrchr(own, '/') = '\0';
	(void)OH_SYS(unlinkat, AT_FDCWD, own, AT_REMOVEDIR, 0, 0, 0);
}

/* What follows a profile that is written. */
static void
written(unsigned asked, const struct oh_snapshot *snap, const struct oh_dumpfile *file,
    const char path[OH_DUMP_PATH_BYTES])
{
	static char own[OWN_PATH_BYTES];

	own_path(own, file, path);
	/* At the end it is too late for one: nothing can have grown since. */
	if ((asked & OH_ASK_BASELINE) != 0 && (asked & OH_ASK_EXIT) == 0) {
		/* Without a number the new one has taken the place of the old one. */
		if (strcmp(baseline, own) != 0)
			forget_baseline();
		memcpy(baseline, own, sizeof(baseline));
		baseline_of = file->linked ? oh_sys_getpid() : 0;
	}
	if ((asked & OH_ASK_EXIT) != 0 && oh_config.leak_mode) {
		oh_report_write(snap, own, file->seq);
		forget_baseline();
		if (file->linked)
			forget_own(own);
	}
	if (!oh_config.exporting)
		return;
	oh_agent_call();
	if ((asked & OH_ASK_EXIT) != 0)
		oh_agent_wait();
}

/* What oh_dumpfile_begin() says by itself is not said again. */
static int
failed(unsigned asked, int err)
{
	if ((asked & OH_ASK_EXIT) != 0 && oh_config.leak_mode)
		oh_report_missing(err);
	return err;
}

static int
dump(unsigned asked, const struct oh_reach *reach, char path[OH_DUMP_PATH_BYTES],
    struct oh_scratch *scratch)
{
	struct oh_dumpfile file;
	static char pattern[sizeof(OH_BASELINE_PREFIX) + sizeof(oh_config.file)];
	struct oh_dumpfile_conf conf = {
		.dir = oh_config.exporting ? oh_agent_folder() : oh_config.dir,
		.tmpdir = oh_config.tmpdir,
		.pattern = oh_config.file,
		.keep = baseline,
		.also = oh_config.exporting && oh_config.leak_mode &&
				(asked & (OH_ASK_BASELINE | OH_ASK_EXIT)) != 0
			    ? oh_agent_own_folder()
			    : NULL,
		/* What waits for an agent is bounded by it, and counted. */
		.max_files = oh_config.exporting && oh_agent_lives() ? 0 : oh_config.max_files,
		.quiet = oh_config.quiet,
	};
	struct oh_snapshot snap;

	/* Without a number the next profile would replace it. */
	if ((asked & OH_ASK_BASELINE) != 0 && !oh_dumpfile_numbered(conf.pattern)) {
		memcpy(pattern, OH_BASELINE_PREFIX, sizeof(OH_BASELINE_PREFIX) - 1);
		memcpy(pattern + sizeof(OH_BASELINE_PREFIX) - 1, oh_config.file,
		    strlen(oh_config.file) + 1);
		conf.pattern = pattern;
	}
	int err = oh_snapshot_take(&snap, scratch, reach);
	if (err != 0)
		return failed(asked, err);
	snap.trigger = trigger(asked);
	snap.said = further();
	if (snap.leaks.asked)
		publish_leaks(&snap);
	conf.program = snap.program;
	err = oh_dumpfile_begin(&file, &conf, snap.pid, seq + 1, snap.time_ns / 1000000000);
	if (err != 0)
		return err;
	err = write_snapshot(&snap, file.fd, scratch);
	if (err != 0) {
		oh_dumpfile_abort(&file);
		return failed(asked, err);
	}
	err = oh_dumpfile_commit(&file, scratch);
	if (err != 0)
		return failed(asked, err);
	seq = file.seq;
	join(path, file.folder, file.name);
	written(asked, &snap, &file, path);
	return 0;
}

static void
publish(int error, const char path[OH_DUMP_PATH_BYTES])
{
	uint64_t word;

	oh_store_relaxed(&last.turn, last.turn + 1);
	for (size_t i = 0; i < OH_ARRAY_LEN(last.path); i++) {
		memcpy(&word, path + i * sizeof(word), sizeof(word));
		oh_store_release(&last.path[i], word); /* [D1] */
	}
	oh_store_release(&last.error, error);        /* [D1] */
	oh_store_release(&last.runs, last.runs + 1); /* [D1] */
	oh_store_release(&last.turn, last.turn + 1); /* [D1] */
}

int
oh_dump_last(char *path, size_t size)
{
	uint32_t turn, runs;
	int error;

	do {
		turn = oh_load_acquire(&last.turn); /* [D1] */
		for (size_t at = 0; at < size && at < sizeof(last.path); at += sizeof(uint64_t)) {
			uint64_t word = oh_load_acquire(&last.path[at / sizeof(word)]); /* [D1] */
			memcpy(
			    path + at, &word, size - at < sizeof(word) ? size - at : sizeof(word));
		}
		error = oh_load_acquire(&last.error); /* [D1] */
		runs = oh_load_acquire(&last.runs);   /* [D1] */
	} while (turn % 2 != 0 || oh_load_relaxed(&last.turn) != turn);
	return runs > 0 ? error : -ENOENT;
}

void
oh_dump_run(unsigned asked)
{
	static char path[OH_DUMP_PATH_BYTES]; /* one worker at a time */
	struct oh_scratch scratch = OH_SCRATCH_INIT;
	struct oh_reach reach = { 0 };

	if ((asked & ~(unsigned)(OH_ASK_AGENT | OH_ASK_SENT)) == 0) {
		(void)oh_agent_folder();
		oh_agent_call();
		if ((asked & OH_ASK_SENT) != 0)
			oh_agent_wait();
		return;
	}
	/* Of both, it is not known which came last: what is recorded is not lost. */
	if ((asked & OH_ASK_START) != 0)
		oh_profiler_set_recording(true);
	else if ((asked & OH_ASK_STOP) != 0)
		oh_profiler_set_recording(false);
	if ((asked & OH_ASK_LEAKS) != 0 ||
	    oh_config.leak_check >=
		((asked & OH_ASK_EXIT) != 0 ? OH_LEAK_CHECK_AT_EXIT : OH_LEAK_CHECK_ALWAYS))
		check_leaks(&reach, asked);
	path[0] = '\0';
	int err = dump(asked, &reach, path, &scratch);
	if (err == -ENOMEM && reach.region != NULL) {
		/* Rather a profile without verdicts than none. */
		oh_reach_release(&reach);
		oh_scratch_release(&scratch);
		reach.result = (struct oh_reach_result){ .asked = true, .why_not = "no memory" };
		err = dump(asked, &reach, path, &scratch);
	}
	if (err != 0)
		oh_drop(OH_DROP_DUMP_FAILED);
	publish(err, path);
	oh_reach_release(&reach);
	oh_scratch_release(&scratch);
	if ((asked & OH_ASK_SENT) != 0)
		oh_agent_wait();
}

const char *
oh_dump_baseline(void)
{
	return baseline;
}

void
oh_dump_after_fork(pid_t parent)
{
	uint64_t interval;
	int64_t time, uptime;

	oh_profiler_describe(&interval, &time, &uptime);
	if (forks.len > sizeof(forks.text) - 64)
		oh_out_reset(&forks); /* the nearest are more telling than the first */
	oh_out_str(&forks, forks.len == 0 ? "forked from: " : ", ");
	oh_out_u64(&forks, (uint64_t)(uint32_t)parent);
	oh_out_str(&forks, " after ");
	oh_out_u64(&forks, (uint64_t)(uptime / 1000000));
	oh_out_str(&forks, " ms");
	seq = 0;
	process[0] = '\0';
	last.runs = 0;
	last.turn = 0;
	last.checked = 0;
}
