/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c - the leak report at the end of the program.
 *
 * The command `otheap leaks` writes it: names need debug information, which is
 * not read inside a program.  Its exit status says whether there were definite
 * leaks (otheap(1)).
 *
 * Memory ordering
 *	[R1] found: stored with release by the worker, loaded with acquire by
 *	     who ends the process; it was made before the answer it waited for.
 */
#include "preload/report.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/atomic.h"
#include "core/out.h"
#include "preload/dump.h"
#include "preload/launch.h"
#include "preload/lifecycle.h"

#define STATUS_LEAKS 1 /* of otheap leaks --exit-report */

static uint32_t found; /* [R1] */

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
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	add(n, digits + at, sizeof(digits) - at);
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

static void
tell_without(const char *path, int error)
{
	struct oh_out o;

	if (oh_config.quiet || strcmp(oh_config.leak_report, "none") == 0)
		return;
	oh_out_reset(&o);
	oh_out_str(&o, "otheap: no leak report: ");
	if (error == -ENOENT) {
		oh_out_str(&o, "the command otheap is not beside the library (OTHEAP_COMMAND)");
	} else {
		oh_out_str(&o, "the command otheap cannot be started, error ");
		oh_out_i64(&o, -(int64_t)error);
	}
	oh_out_str(&o, "; for names: otheap leaks ");
	oh_out_str(&o, path);
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

	oh_store_release(&found, 0); /* [R1] */
	/* Nobody would see it. */
	if (strcmp(oh_config.leak_report, "none") == 0 && oh_config.leak_exitcode == 0)
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
	int status = oh_launch(argv, false, oh_config.exit_timeout_ms);
	if (status == STATUS_LEAKS)
		oh_store_release(&found, 1); /* [R1] */
	else if (status < 0 && status != -ETIMEDOUT)
		tell_without(path, status);
}

bool
oh_report_found_leaks(void)
{
	return oh_load_acquire(&found) != 0; /* [R1] */
}

void
oh_report_after_fork(void)
{
	found = 0;
}
