/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - what the user asked for: OTHEAP_... variables, always valid.
 *
 * The one table of settings, for the library and for the command.
 */
#ifndef OH_CORE_CONFIG_H
#define OH_CORE_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OH_PROTOCOL_BYTES 16 /* the longest name and its NUL fit */

enum oh_setting_kind {
	OH_SETTING_SIZE,       /* bytes; suffixes k, m, g */
	OH_SETTING_NUMBER,     /* a plain number */
	OH_SETTING_SECONDS_MS, /* the same, kept as milliseconds */
	OH_SETTING_SWITCH,     /* 0 or 1 */
	OH_SETTING_LEVEL,      /* a number; the least is off, the next plainly on */
	OH_SETTING_SIGNAL,
	OH_SETTING_FOLDER,
	OH_SETTING_FILE_NAME, /* with %e %p %n %t %%, no slash */
	OH_SETTING_PATH,      /* a path, or its initial value, which is a word */
	OH_SETTING_PROTOCOL,  /* the name of one, as the agent takes it, or `auto` */
	OH_SETTING_REPORT,    /* the same with %e %p %n %t %%, or `none` */
	OH_SETTING_BASELINE,  /* see struct oh_baseline */
};

/* OTHEAP_LEAK_BASELINE: what is growth counted from? */
enum oh_baseline_kind {
	OH_BASELINE_MANUAL, /* a profile that is asked for */
	OH_BASELINE_START,
	OH_BASELINE_AFTER, /* seconds after the start */
	OH_BASELINE_FILE,  /* an earlier profile */
};

struct oh_baseline {
	enum oh_baseline_kind kind;
	uint32_t after_s;
	char file[PATH_MAX]; /* absolute */
};

/* One of the OTHEAP_... variables.  The command has an option for each. */
struct oh_setting {
	const char *name; /* after OTHEAP_ */
	enum oh_setting_kind kind;
	size_t at; /* offset in struct oh_config */
	uint64_t least, most;
	const char *initial; /* where it is not set, as a user would write it */
	const char *expected;
};

/* When to look for lost blocks, unasked. */
enum oh_leak_check { OH_LEAK_CHECK_NEVER, OH_LEAK_CHECK_AT_EXIT, OH_LEAK_CHECK_ALWAYS };

struct oh_config {
	uint64_t interval_bytes;          /* OTHEAP_SAMPLE_INTERVAL; 1 = exact, 0 = off */
	size_t max_memory_bytes;          /* OTHEAP_MAX_MEMORY: cap of the arena */
	uint64_t seed;                    /* OTHEAP_SEED; 0 = from the kernel */
	uint64_t fail_at;                 /* OTHEAP_TEST_FAIL_AT; 0 = never */
	uint32_t dump_every_s;            /* OTHEAP_DUMP_EVERY; 0 = never */
	uint32_t max_files;               /* OTHEAP_MAX_FILES; 0 = no limit */
	uint32_t max_frames;              /* OTHEAP_MAX_FRAMES */
	uint32_t exit_timeout_ms;         /* OTHEAP_EXIT_TIMEOUT */
	int signal;                       /* OTHEAP_SIGNAL; 0 = none */
	bool dump_at_exit;                /* OTHEAP_DUMP_AT_EXIT */
	bool label_threads;               /* OTHEAP_LABEL_THREADS */
	bool quiet, debug;                /* OTHEAP_QUIET, OTHEAP_DEBUG */
	bool record;                      /* OTHEAP_RECORD: from the start */
	bool otlp;                        /* OTHEAP_OTLP */
	uint32_t leak_check;              /* OTHEAP_LEAK_CHECK: enum oh_leak_check */
	uint32_t leak_exitcode;           /* OTHEAP_LEAK_EXITCODE; 0 = the program's own */
	uint64_t leak_max_memory_bytes;   /* OTHEAP_LEAK_MAX_MEMORY: none in larger programs */
	struct oh_baseline leak_baseline; /* OTHEAP_LEAK_BASELINE */
	char leak_report[PATH_MAX];       /* OTHEAP_LEAK_REPORT: stderr, none or absolute */
	char leak_suppressions[PATH_MAX]; /* OTHEAP_LEAK_SUPPRESSIONS: none or absolute */
	char protocol[OH_PROTOCOL_BYTES]; /* OTHEAP_PROTOCOL; the agent reads it itself */
	uint32_t metrics_every_s;         /* OTHEAP_METRICS, for the agent; 0 = none */
	char spool[PATH_MAX];             /* OTHEAP_SPOOL, absolute */
	bool spool_by_user;               /* nobody named it: one below it by destination */
	char command[PATH_MAX];           /* OTHEAP_COMMAND: auto, or absolute */
	char dir[PATH_MAX];      /* OTHEAP_DIR, absolute; the folder at start; spool if exporting */
	char tmpdir[PATH_MAX];   /* TMPDIR; "" = not set */
	char file[NAME_MAX + 1]; /* OTHEAP_FILE */

	/* What follows from them. */
	bool leak_mode; /* a report at exit is wanted: an OTHEAP_LEAK_ variable is set */
	bool exporting; /* an OTLP endpoint is set, and nothing says no */
};

/*
 * Fill `c` from `envp` (NULL-terminated, as given to main).  A value that
 * makes no sense, and a name that looks like ours and is none, is told in one
 * line on `err_fd` unless OTHEAP_QUIET is set, and the default is used.
 * Copies everything it keeps: the host may overwrite its environment.
 * No allocation, no errno.
 */
void oh_config_read(struct oh_config *c, char *const *envp, int err_fd);

/* The table of all settings, *ret_count of them. */
const struct oh_setting *oh_config_settings(size_t *ret_count);

/*
 * Understand `text` as the value of `s`.  False, with `c` undefined there: it
 * makes no sense.  A folder need not exist.
 */
bool oh_config_set(struct oh_config *c, const struct oh_setting *s, const char *text);

/* A signal as OTHEAP_SIGNAL names it; *ret_signal 0 for none.  False: makes no sense. */
bool oh_signal_parse(const char *text, int *ret_signal);

/* Write the settings as lines `otheap: NAME=value` to `fd`. */
void oh_config_print(const struct oh_config *c, int fd);

#endif
