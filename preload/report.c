/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c - the leak report at the end of the program.
 *
 * The command `otheap leaks` writes it: names need debug information, which is
 * not read inside a program.  Its exit status says whether there were definite
 * leaks (otheap(1)).
 *
 * Where the command has not the last word (it takes long, it fails), what the
 * check found decides the status.
 *
 * Memory ordering
 *	[R1] found: stored with release by the worker, loaded with acquire by
 *	     who ends the process; it was made before the answer it waited for.
 */
#include "preload/report.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/atomic.h"
#include "core/base.h"
#include "core/out.h"
#include "core/sys.h"
#include "preload/dump.h"
#include "preload/launch.h"
#include "preload/lifecycle.h"
#include "preload/names.h"
#include "preload/stderr.h"

/* Of otheap leaks --exit-report. */
#define STATUS_NOTHING 0
#define STATUS_LEAKS 1
#define STATUS_BAD 2 /* it has said why */
#define STATUS_GROWTH 3

static uint32_t found;   /* [R1] */
static uint32_t started; /* the command; relaxed: it only chooses a message */

/* Would anybody see it? */
static bool
wanted(void)
{
	return strcmp(oh_config.leak_report, "none") != 0 || oh_config.leak_exitcode != 0;
}

/* ---- the file's name -------------------------------------------------------------- */

struct name {
	size_t len;
	char text[PATH_MAX];
};

static void
add(struct name *n, const char *s, size_t len)
{
	if (len > sizeof(n->text) - 1 - n->len)
		len = sizeof(n->text) - 1 - n->len;
	memcpy(n->text + n->len, s, len);
	n->len += len;
	n->text[n->len] = '\0';
}

static void
add_u64(struct name *n, uint64_t v)
{
	char digits[OH_OUT_DIGITS];
	const char *text = oh_out_digits(digits, v);

	add(n, text, strlen(text));
}

/* OTHEAP_LEAK_REPORT with what its percent signs mean; config.c has looked at them. */
static void
expand(struct name *n, const struct oh_snapshot *snap, uint64_t seq)
{
	n->len = 0;
	n->text[0] = '\0';
	for (const char *s = oh_config.leak_report; *s != '\0'; s++) {
		if (*s != '%' || s[1] == '\0') {
			add(n, s, 1);
			continue;
		}
		switch (*++s) {
		case 'e':
			add(n, snap->program, strlen(snap->program));
			break;
		case 'p':
			add_u64(n, (uint64_t)snap->pid);
			break;
		case 'n':
			add_u64(n, seq);
			break;
		case 't':
			add_u64(n, (uint64_t)(snap->time_ns / 1000000000));
			break;
		default:
			add(n, s, 1);
			break;
		}
	}
}

/* ---- without the command ------------------------------------------------------------ */

#define SITES_SHOWN 10u
#define FRAMES_SHOWN 12u
#define PREFIX "==otheap== "

/* The part of a site that is lost, or NULL. */
static const struct oh_snap_live *
lost_part(const struct oh_snap_site *site)
{
	for (uint32_t i = 0; i < site->live_count; i++)
		if (site->live[i].leak == OH_LEAK_LOST)
			return &site->live[i];
	return NULL;
}

static uint64_t
whole(double v)
{
	return (uint64_t)(v + .5);
}

static void
add_amount(struct oh_out *o, double bytes, double blocks)
{
	oh_out_u64(o, whole(bytes));
	oh_out_str(o, " bytes in ");
	oh_out_u64(o, whole(blocks));
	oh_out_str(o, whole(blocks) == 1 ? " block" : " blocks");
}

static void
add_hex(struct oh_out *o, uint64_t v)
{
	char digits[20] = "";
	size_t at = sizeof(digits) - 1;

	do {
		digits[--at] = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v != 0);
	oh_out_str(o, "0x");
	oh_out_str(o, digits + at);
}

/* function+0x1a  file+0x2b3c */
static OH_NOINLINE void
put_frame(const struct oh_snapshot *snap, oh_frame frame, bool first, int fd)
{
	uint64_t pc = oh_frame_pc(frame) - 1; /* inside the call */
	unsigned id = oh_frame_module(frame);
	char name[200];
	struct oh_out o;

	oh_out_reset(&o);
	oh_out_str(&o, first ? PREFIX "     at " : PREFIX "     by ");
	uint64_t offset = oh_name_of(pc, name, sizeof(name));
	if (offset != UINT64_MAX) {
		oh_out_str(&o, name);
		oh_out_str(&o, "+");
		add_hex(&o, offset);
		oh_out_str(&o, "  ");
	}
	if (id >= 1 && id <= snap->module_count) {
		const struct oh_snap_module *m = &snap->modules[id - 1];
		const char *slash = strrchr(m->path, '/');
		oh_out_str(&o, slash != NULL ? slash + 1 : m->path);
		oh_out_str(&o, "+");
		add_hex(&o, pc - m->start + m->offset);
	} else {
		add_hex(&o, pc);
	}
	oh_out_line(&o, fd);
}

static OH_NOINLINE void
put_site(const struct oh_snapshot *snap, const struct oh_snap_site *site, unsigned number, int fd)
{
	const struct oh_snap_live *lost = lost_part(site);
	struct oh_out o;

	oh_out_reset(&o);
	oh_out_str(&o, PREFIX);
	oh_out_u64(&o, number);
	oh_out_str(&o, ". ");
	add_amount(&o, lost->bytes, lost->objects);
	oh_out_line(&o, fd);
	for (uint32_t i = 0; i < site->depth && i < FRAMES_SHOWN; i++)
		put_frame(snap, site->frames[i], i == 0, fd);
}

/* The largest that is smaller than the one before, or as large and behind it. */
static const struct oh_snap_site *
next_largest(const struct oh_snapshot *snap, const struct oh_snap_site *before)
{
	const struct oh_snap_site *best = NULL;
	double limit = before != NULL ? lost_part(before)->bytes : 0;

	for (uint32_t i = 0; i < snap->site_count; i++) {
		const struct oh_snap_site *s = &snap->sites[i];
		const struct oh_snap_live *lost = lost_part(s);
		if (lost == NULL || (before != NULL && (lost->bytes > limit ||
							   (lost->bytes >= limit && s <= before))))
			continue;
		if (best == NULL || lost->bytes > lost_part(best)->bytes)
			best = s;
	}
	return best;
}

static OH_NOINLINE void
put_lost(const struct oh_snapshot *snap, int fd)
{
	const struct oh_snap_site *site = NULL;
	double bytes = 0, blocks = 0;
	unsigned sites = 0;
	struct oh_out o;

	for (uint32_t i = 0; i < snap->site_count; i++) {
		const struct oh_snap_live *lost = lost_part(&snap->sites[i]);
		if (lost == NULL)
			continue;
		bytes += lost->bytes;
		blocks += lost->objects;
		sites++;
	}
	oh_out_reset(&o);
	oh_out_str(&o, PREFIX "leak report: ");
	oh_out_str(&o, snap->program);
	oh_out_str(&o, " (pid ");
	oh_out_u64(&o, (uint64_t)(uint32_t)snap->pid);
	oh_out_str(&o, "): definitely lost: ");
	add_amount(&o, bytes, blocks);
	oh_out_str(&o, snap->interval_bytes > 1 ? ", estimated, at " : " at ");
	oh_out_u64(&o, sites);
	oh_out_str(&o, sites == 1 ? " call stack" : " call stacks");
	oh_out_line(&o, fd);
	for (unsigned i = 1; i <= SITES_SHOWN; i++) {
		site = next_largest(snap, site);
		if (site == NULL)
			break;
		put_site(snap, site, i, fd);
	}
}

/* Where the report goes; STDERR_FILENO, or a descriptor to close, or -1. */
static int
open_report(const char *name)
{
	if (strcmp(name, "stderr") == 0)
		return STDERR_FILENO;
	if (strcmp(name, "none") == 0)
		return -1;
	return (int)oh_sys_openat(
	    AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* Was it to be checked and was not? */
static bool
unchecked(const struct oh_snapshot *snap)
{
	return snap->leaks.asked && !snap->leaks.made;
}

static OH_NOINLINE void
tell_why(const struct oh_snapshot *snap, const char *path, int error, int fd)
{
	struct oh_out o;

	oh_out_reset(&o);
	oh_out_str(&o, "otheap: ");
	if (error == -ENOENT) {
		oh_out_str(&o, "the command otheap is not beside the library (OTHEAP_COMMAND)");
	} else if (error < 0) {
		oh_out_str(&o, "the command otheap cannot be started, error ");
		oh_out_i64(&o, -(int64_t)error);
	} else {
		oh_out_str(&o, "the command otheap failed with status ");
		oh_out_i64(&o, error);
	}
	if (unchecked(snap)) {
		oh_out_str(&o, "; no leak check: ");
		oh_out_str(&o, snap->leaks.why_not);
	}
	oh_out_str(&o, "; for names and growth: otheap leaks ");
	oh_out_str(&o, path);
	oh_out_line(&o, fd);
}

/* What was lost, by names of dynamic symbol tables. */
static void
report_without(const struct oh_snapshot *snap, const char *name, const char *path, int error)
{
	bool lost = snap->leaks.made && snap->leaks.found[OH_LEAK_LOST] > 0;
	int fd = -1;

	if (lost || unchecked(snap) || (strcmp(name, "stderr") == 0 && !oh_config.quiet))
		fd = open_report(name);
	if (lost && fd >= 0)
		put_lost(snap, fd);
	if (fd >= 0)
		tell_why(snap, path, error, fd);
	if (fd > STDERR_FILENO)
		(void)oh_sys_close(fd);
}

/* ---- without a profile -------------------------------------------------------------- */

void
oh_report_missing(int error)
{
	struct oh_out o;

	if (oh_config.quiet || !wanted() || oh_load_relaxed(&started) != 0 || !oh_stderr_usable())
		return;
	oh_out_reset(&o);
	oh_out_str(&o, "otheap: no leak report, as no profile was written: ");
	if (error == -EAGAIN) {
		oh_out_str(&o, "no thread could be made for it");
	} else if (error == -ETIMEDOUT) {
		oh_out_str(&o, "it took longer than OTHEAP_EXIT_TIMEOUT");
	} else if (error == -ENOMEM) {
		oh_out_str(&o, "no memory");
	} else {
		oh_out_str(&o, "error ");
		oh_out_i64(&o, -(int64_t)error);
	}
	oh_out_line(&o, STDERR_FILENO);
}

/* ---- with it ------------------------------------------------------------------------- */

void
oh_report_write(const struct oh_snapshot *snap, const char *path, uint64_t seq)
{
	static struct name report; /* one worker at a time */
	const char *argv[12] = { "otheap", "leaks", "--exit-report" };
	const char *baseline = oh_dump_baseline();
	unsigned n = 3;

	/* Suppressions are by names of all functions: only the command can judge. */
	bool lost = snap->leaks.made && snap->leaks.found[OH_LEAK_LOST] > 0 &&
		    oh_config.leak_suppressions[0] != '/';
	oh_store_release(&found, lost); /* [R1] */
	if (!wanted())
		return;
	if (oh_config.leak_baseline.kind == OH_BASELINE_FILE)
		baseline = oh_config.leak_baseline.file;
	if (baseline[0] != '\0') {
		argv[n++] = "--baseline";
		argv[n++] = baseline;
	}
	if (oh_config.leak_suppressions[0] == '/') {
		argv[n++] = "--suppressions";
		argv[n++] = oh_config.leak_suppressions;
	}
	expand(&report, snap, seq);
	argv[n++] = "--report";
	argv[n++] = report.text;
	argv[n++] = path;
	argv[n] = NULL;
	oh_store_relaxed(&started, 1);
	int status = oh_launch(argv, false, oh_config.exit_timeout_ms);
	if (status == STATUS_LEAKS)
		oh_store_release(&found, 1); /* [R1] */
	else if (status == STATUS_NOTHING || status == STATUS_GROWTH)
		oh_store_release(&found, 0); /* [R1] */
	else if (status != STATUS_BAD && status != -ETIMEDOUT)
		report_without(snap, report.text, path, status);
}

bool
oh_report_found_leaks(void)
{
	return oh_load_acquire(&found) != 0; /* [R1] */
}

void
oh_report_after_fork(void)
{
	found = started = 0;
}
