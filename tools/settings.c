/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings.c - the OTHEAP_... variables, as the command needs to know them.
 *
 * The limits are those of core/config.c, which the command does not include;
 * tests/e2e/run.sh gives each option and asks the library what it understood.
 */
#include "tools/settings.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)

static const struct oh_setting settings[] = {
	{ "OTHEAP_SAMPLE_INTERVAL", "sample-interval", OH_SETTING_SIZE, 0, MIB << 20, "512k",
	    "bytes such as 512k, 1 (everything) or 0 (nothing)" },
	{ "OTHEAP_DIR", "dir", OH_SETTING_FOLDER, 0, 0, ".", "a folder" },
	{ "OTHEAP_FILE", "file", OH_SETTING_FILE, 0, 0, "otheap.%e.%p.%n.pb.gz",
	    "a file name of %e %p %n %t %% and text, without a slash" },
	{ "OTHEAP_SIGNAL", "signal", OH_SETTING_SIGNAL, 0, 0, "USR2",
	    "a signal such as USR2, 12 or none" },
	{ "OTHEAP_DUMP_EVERY", "dump-every", OH_SETTING_NUMBER, 0, 86400 * 365, "0",
	    "seconds, 0 for never" },
	{ "OTHEAP_DUMP_AT_EXIT", "dump-at-exit", OH_SETTING_SWITCH, 0, 1, "1", "0 or 1" },
	{ "OTHEAP_EXIT_TIMEOUT", "exit-timeout", OH_SETTING_NUMBER, 0, 3600, "5",
	    "seconds, at most 3600" },
	{ "OTHEAP_MAX_FILES", "max-files", OH_SETTING_NUMBER, 0, 1000000, "1000",
	    "a number, 0 for no limit" },
	{ "OTHEAP_MAX_MEMORY", "max-memory", OH_SETTING_SIZE, MIB, MIB << 15, "64m",
	    "bytes from 1m to 32g" },
	{ "OTHEAP_MAX_FRAMES", "max-frames", OH_SETTING_NUMBER, 1, 128, "128", "1 to 128" },
	{ "OTHEAP_LABEL_THREADS", "label-threads", OH_SETTING_SWITCH, 0, 1, "0", "0 or 1" },
	{ "OTHEAP_SEED", "seed", OH_SETTING_NUMBER, 0, UINT64_MAX, "0", "a number" },
	{ "OTHEAP_QUIET", "quiet", OH_SETTING_SWITCH, 0, 1, "0", "0 or 1" },
	{ "OTHEAP_DEBUG", "debug", OH_SETTING_SWITCH, 0, 1, "0", "0 or 1" },
};

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "SIGHUP", SIGHUP },
	{ "SIGUSR1", SIGUSR1 },
	{ "SIGUSR2", SIGUSR2 },
	{ "SIGWINCH", SIGWINCH },
	{ "SIGURG", SIGURG },
	{ "SIGIO", SIGIO },
	{ "SIGPROF", SIGPROF },
	{ "SIGVTALRM", SIGVTALRM },
	{ "SIGALRM", SIGALRM },
	{ "SIGXCPU", SIGXCPU },
	{ "SIGPWR", SIGPWR },
	{ "SIGQUIT", SIGQUIT },
};

/* The kernel's first real-time signal that glibc leaves to programs. */
#define RTMIN_OF_PROGRAMS 34

const struct oh_setting *
oh_settings(size_t *ret_count)
{
	*ret_count = OH_ARRAY_LEN(settings);
	return settings;
}

/* A decimal number up to *ret_end; false if there is none or it is too large. */
static bool
number(const char *s, const char **ret_end, uint64_t *ret)
{
	uint64_t v = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return false;
	*ret_end = s;
	*ret = v;
	return true;
}

static bool
size(const char *s, uint64_t *ret)
{
	static const char suffixes[] = "kKmMgG";
	const char *end, *suffix;
	unsigned shift = 0;
	uint64_t v;

	if (!number(s, &end, &v))
		return false;
	if (*end != '\0' && (suffix = strchr(suffixes, *end)) != NULL) {
		shift = 10 * (1 + (unsigned)(suffix - suffixes) / 2);
		end++;
	}
	return *end == '\0' && !__builtin_mul_overflow(v, UINT64_C(1) << shift, ret);
}

/* May it be caught, and is it not one that the kernel raises for a fault? */
static bool
usable_signal(uint64_t n)
{
	static const int unusable[] = { SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
		SIGABRT, SIGSYS, SIGCHLD, 32, 33 };

	for (size_t i = 0; i < OH_ARRAY_LEN(unusable); i++)
		if (n == (uint64_t)unusable[i])
			return false;
	return n >= 1 && n <= 64;
}

bool
oh_signal_parse(const char *text, int *ret_signal)
{
	const char *end;
	uint64_t v;

	if (strcmp(text, "none") == 0 || strcmp(text, "0") == 0) {
		*ret_signal = 0;
		return true;
	}
	if (number(text, &end, &v)) {
		if (*end != '\0' || !usable_signal(v))
			return false;
		*ret_signal = (int)v;
		return true;
	}
	if (strncmp(text, "SIG", 3) == 0)
		text += 3;
	if (strncmp(text, "RTMIN", 5) == 0 && (text[5] == '\0' || text[5] == '+')) {
		v = 0;
		end = text + 5;
		if ((text[5] == '+' && !number(text + 6, &end, &v)) || *end != '\0' || v > 30)
			return false;
		*ret_signal = RTMIN_OF_PROGRAMS + (int)v;
		return true;
	}
	for (size_t i = 0; i < OH_ARRAY_LEN(signals); i++) {
		if (strcmp(text, signals[i].name + 3) == 0) {
			*ret_signal = signals[i].number;
			return true;
		}
	}
	return false;
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

static bool
is_file_name(const char *s)
{
	if (*s == '\0' || strchr(s, '/') != NULL || strlen(s) > NAME_MAX)
		return false;
	for (const char *p = s; *p != '\0'; p++)
		if (*p == '%' && (*++p == '\0' || strchr("epnt%", *p) == NULL))
			return false;
	return true;
}

bool
oh_setting_valid(const struct oh_setting *s, const char *text)
{
	const char *end;
	uint64_t v;
	int n;

	switch (s->kind) {
	case OH_SETTING_SIZE:
		return size(text, &v) && v >= s->least && v <= s->most;
	case OH_SETTING_NUMBER:
		return number(text, &end, &v) && *end == '\0' && v >= s->least && v <= s->most;
	case OH_SETTING_SWITCH:
		return strcmp(text, "0") == 0 || strcmp(text, "1") == 0;
	case OH_SETTING_SIGNAL:
		return oh_signal_parse(text, &n);
	case OH_SETTING_FOLDER:
		return *text != '\0' && strlen(text) < PATH_MAX;
	case OH_SETTING_FILE:
		return is_file_name(text);
	}
	return false;
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

	for (size_t i = 0; i < OH_ARRAY_LEN(settings); i++) {
		if (strcmp(settings[i].variable, variable) != 0)
			continue;
		if (value == NULL || *value == '\0' || !oh_setting_valid(&settings[i], value))
			return settings[i].initial;
		return value;
	}
	return "";
}
