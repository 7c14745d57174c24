/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - what the user asked for: OTHEAP_... variables, always valid.
 */
#ifndef OH_CORE_CONFIG_H
#define OH_CORE_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oh_config {
	uint64_t interval_bytes;  /* OTHEAP_SAMPLE_INTERVAL; 1 = exact, 0 = off */
	size_t max_memory_bytes;  /* OTHEAP_MAX_MEMORY: cap of the arena */
	uint64_t seed;            /* OTHEAP_SEED; 0 = from the kernel */
	uint64_t fail_at;         /* OTHEAP_TEST_FAIL_AT; 0 = never */
	uint32_t dump_every_s;    /* OTHEAP_DUMP_EVERY; 0 = never */
	uint32_t max_files;       /* OTHEAP_MAX_FILES; 0 = no limit */
	uint32_t max_frames;      /* OTHEAP_MAX_FRAMES */
	uint32_t exit_timeout_ms; /* OTHEAP_EXIT_TIMEOUT */
	int signal;               /* OTHEAP_SIGNAL; 0 = none */
	bool dump_at_exit;        /* OTHEAP_DUMP_AT_EXIT */
	bool label_threads;       /* OTHEAP_LABEL_THREADS */
	bool quiet, debug;        /* OTHEAP_QUIET, OTHEAP_DEBUG */
	char dir[PATH_MAX];       /* OTHEAP_DIR, absolute; the folder at start */
	char tmpdir[PATH_MAX];    /* TMPDIR; "" = not set */
	char file[NAME_MAX + 1];  /* OTHEAP_FILE */
};

/*
 * Fill `c` from `envp` (NULL-terminated, as given to main).  A value that
 * makes no sense, and a name that looks like ours and is none, is told in one
 * line on `err_fd` unless OTHEAP_QUIET is set, and the default is used.
 * Copies everything it keeps: the host may overwrite its environment.
 * No allocation, no errno.
 */
void oh_config_read(struct oh_config *c, char *const *envp, int err_fd);

/* Write the settings as lines `otheap: NAME=value` to `fd`. */
void oh_config_print(const struct oh_config *c, int fd);

#endif
