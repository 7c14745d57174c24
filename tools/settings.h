/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings.h - the OTHEAP_... variables, as the command needs to know them.
 *
 * The table and what its texts mean are the library's own (core/config.h); the
 * command adds the option of each, and what holds in a process's environment.
 */
#ifndef OH_TOOLS_SETTINGS_H
#define OH_TOOLS_SETTINGS_H

#include <stddef.h>

#include "core/config.h"

struct oh_option {
	const struct oh_setting *setting;
	char variable[48]; /* with OTHEAP_ */
	char name[40];     /* the same word, without the dashes before it */
	bool for_tests;    /* of the library; `run` has no option for it */
};

/* One for each setting, in the order of the table; *ret_count of them. */
const struct oh_option *oh_options(size_t *ret_count);

/* The option of a variable, whose name has `len` characters; NULL: there is none. */
const struct oh_option *oh_option_find(const char *variable, size_t len);

/* Would the library take this text for it?  A folder need not exist. */
bool oh_setting_valid(const struct oh_setting *s, const char *text);

/*
 * The value that is in force for a library that started with the environment
 * `envp` (NULL-terminated): what is set there, unless it is empty or makes no
 * sense, else the default.  `variable` with OTHEAP_.
 */
const char *oh_setting_value(char *const *envp, const char *variable);

/* The value of any variable in envp, or NULL. */
const char *oh_env_value(char *const *envp, const char *variable);

/* "SIGUSR2", "SIGRTMIN+3"; buf[32] for those without a fixed name. */
const char *oh_signal_name(char *buf, int signal);

#endif
