/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings.h - the OTHEAP_... variables, as the command needs to know them.
 *
 * The library reads them by itself (otheap(7)); this is what `run` has options
 * for, and what `dump` and `doctor` look up in a process's environment.
 */
#ifndef OH_TOOLS_SETTINGS_H
#define OH_TOOLS_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"

enum oh_setting_kind {
	OH_SETTING_SIZE,   /* bytes; suffixes k, m, g */
	OH_SETTING_NUMBER, /* a plain number */
	OH_SETTING_SWITCH, /* 0 or 1 */
	OH_SETTING_SIGNAL,
	OH_SETTING_FOLDER,
	OH_SETTING_FILE, /* file name with %e %p %n %t %% */
};

struct oh_setting {
	const char *variable; /* with OTHEAP_ */
	const char *option;   /* the same word, without the dashes before it */
	enum oh_setting_kind kind;
	uint64_t least, most;
	const char *initial; /* where it is not set */
	const char *expected;
};

/* All of them but the one for tests; *ret_count of them. */
const struct oh_setting *oh_settings(size_t *ret_count);

/* Would the library take this text for it?  A folder need not exist. */
bool oh_setting_valid(const struct oh_setting *s, const char *text);

/*
 * The value that is in force for a library that started with the environment
 * `envp` (NULL-terminated): what is set there, unless it is empty or makes no
 * sense, else the default.  `variable` with OTHEAP_, one of the above.
 */
const char *oh_setting_value(char *const *envp, const char *variable);

/* The value of any variable in envp, or NULL. */
const char *oh_env_value(char *const *envp, const char *variable);

/* A signal as OTHEAP_SIGNAL names it; *ret_signal 0 for none.  False: makes no sense. */
bool oh_signal_parse(const char *text, int *ret_signal);

/* "SIGUSR2", "SIGRTMIN+3"; buf[32] for those without a fixed name. */
const char *oh_signal_name(char *buf, int signal);

#endif
