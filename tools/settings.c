/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings.c - the OTHEAP_... variables, as the command needs to know them.
 */
#include "tools/settings.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define OPTIONS_MAX 64

/* The kernel's first real-time signal that glibc leaves to programs. */
#define RTMIN_OF_PROGRAMS 34

static void
make_option(struct oh_option *o, const struct oh_setting *s)
{
	o->setting = s;
	o->for_tests = strncmp(s->name, "TEST_", 5) == 0;
	(void)snprintf(o->variable, sizeof(o->variable), "OTHEAP_%s", s->name);
	(void)snprintf(o->name, sizeof(o->name), "%s", s->name);
	for (char *p = o->name; *p != '\0'; p++)
		*p = *p == '_' ? '-' : (char)tolower((unsigned char)*p);
}

const struct oh_option *
oh_options(size_t *ret_count)
{
	static struct oh_option options[OPTIONS_MAX];
	const struct oh_setting *settings = oh_config_settings(ret_count);

	if (*ret_count > OPTIONS_MAX)
		*ret_count = OPTIONS_MAX;
	for (size_t i = 0; i < *ret_count && options[i].setting == NULL; i++)
		make_option(&options[i], &settings[i]);
	return options;
}

const struct oh_option *
oh_option_find(const char *variable, size_t len)
{
	size_t count;
	const struct oh_option *options = oh_options(&count);

	for (size_t i = 0; i < count; i++)
		if (strlen(options[i].variable) == len &&
		    memcmp(options[i].variable, variable, len) == 0)
			return &options[i];
	return NULL;
}

bool
oh_setting_valid(const struct oh_setting *s, const char *text)
{
	struct oh_config ignored;

	return oh_config_set(&ignored, s, text);
}

const char *
oh_signal_name(char *buf, int signal)
{
	const char *abbreviated = sigabbrev_np(signal);

	if (abbreviated != NULL)
		(void)snprintf(buf, 32, "SIG%s", abbreviated);
	else if (signal >= RTMIN_OF_PROGRAMS)
		(void)snprintf(buf, 32, "SIGRTMIN+%d", signal - RTMIN_OF_PROGRAMS);
	else
		(void)snprintf(buf, 32, "signal %d", signal);
	return buf;
}

const char *
oh_env_value(char *const *envp, const char *variable)
{
	size_t len = strlen(variable);

	for (; envp != NULL && *envp != NULL; envp++)
		if (strncmp(*envp, variable, len) == 0 && (*envp)[len] == '=')
			return *envp + len + 1;
	return NULL;
}

const char *
oh_setting_value(char *const *envp, const char *variable)
{
	const char *value = oh_env_value(envp, variable);
	const struct oh_option *o = oh_option_find(variable, strlen(variable));

	if (o == NULL)
		return "";
	if (value == NULL || *value == '\0' || !oh_setting_valid(o->setting, value))
		return o->setting->initial;
	return value;
}
