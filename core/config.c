/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.c - the table of settings, and what their texts mean.
 *
 * One line of the table per variable: its name, how its text is understood,
 * where it goes, what is expected and what holds otherwise.  environment.c
 * finds the texts.
 */
#include "core/config.h"

#include <signal.h>
#include <string.h>

#include "core/base.h"
#include "core/out.h"
#include "core/sys.h"

#define DEFAULT_FILE "otheap.%e.%p.%n.pb.gz"
#define KIB ((uint64_t)1024)

#define AT(field) offsetof(struct oh_config, field)

static const struct oh_setting settings[] = {
	{ "SAMPLE_INTERVAL", OH_SETTING_SIZE, AT(interval_bytes), 0, UINT64_C(1) << 40, "512k",
	    "bytes such as 512k, 1 (everything) or 0 (nothing)" },
	{ "DIR", OH_SETTING_FOLDER, AT(dir), 0, 0, ".", "a folder" },
	{ "FILE", OH_SETTING_FILE_NAME, AT(file), 0, 0, DEFAULT_FILE,
	    "a file name of %e %p %n %t %% and text, without a slash" },
	{ "SIGNAL", OH_SETTING_SIGNAL, AT(signal), 0, 0, "USR2",
	    "a signal such as USR2, 12 or none" },
	{ "DUMP_EVERY", OH_SETTING_NUMBER, AT(dump_every_s), 0, 86400 * 365, "0",
	    "seconds, 0 for never" },
	{ "DUMP_AT_EXIT", OH_SETTING_SWITCH, AT(dump_at_exit), 0, 1, "1", "0 or 1" },
	{ "EXIT_TIMEOUT", OH_SETTING_SECONDS_MS, AT(exit_timeout_ms), 0, 3600, "5", "seconds" },
	{ "MAX_FILES", OH_SETTING_NUMBER, AT(max_files), 0, 1000000, "1000",
	    "a number, 0 for no limit" },
	{ "MAX_MEMORY", OH_SETTING_SIZE, AT(max_memory_bytes), KIB *KIB, KIB *KIB *KIB * 32, "64m",
	    "bytes from 1m to 32g" },
	{ "MAX_FRAMES", OH_SETTING_NUMBER, AT(max_frames), 1, 128, "128", "1 to 128" },
	{ "LABEL_THREADS", OH_SETTING_SWITCH, AT(label_threads), 0, 1, "0", "0 or 1" },
	{ "SEED", OH_SETTING_NUMBER, AT(seed), 0, UINT64_MAX, "0", "a number" },
	{ "RECORD", OH_SETTING_SWITCH, AT(record), 0, 1, "1", "0 or 1" },
	{ "LEAK_BASELINE", OH_SETTING_BASELINE, AT(leak_baseline), 0, 86400 * 365, "manual",
	    "start, manual, a time such as 30s, or the path of a profile" },
	{ "LEAK_CHECK", OH_SETTING_LEVEL, AT(leak_check), 0, 2, "0",
	    "0, 1 (at exit) or 2 (with every profile)" },
	{ "LEAK_REPORT", OH_SETTING_REPORT, AT(leak_report), 0, 0, "stderr",
	    "stderr, none, or a path of %e %p %n %t %% and text" },
	{ "LEAK_EXITCODE", OH_SETTING_NUMBER, AT(leak_exitcode), 0, 255, "0", "0 to 255" },
	{ "LEAK_SUPPRESSIONS", OH_SETTING_PATH, AT(leak_suppressions), 0, 0, "none",
	    "a file or none" },
	{ "LEAK_MAX_MEMORY", OH_SETTING_SIZE, AT(leak_max_memory_bytes), KIB *KIB,
	    UINT64_C(1) << 40, "8g", "bytes from 1m to 1024g" },
	{ "OTLP", OH_SETTING_SWITCH, AT(otlp), 0, 1, "1", "0 or 1" },
	{ "PROTOCOL", OH_SETTING_PROTOCOL, AT(protocol), 0, 0, "auto",
	    "http/protobuf, grpc, pyroscope or auto" },
	{ "METRICS", OH_SETTING_NUMBER, AT(metrics_every_s), 0, 86400, "0", "seconds, 0 for none" },
	{ "SPOOL", OH_SETTING_PATH, AT(spool), 0, 0, "auto", "a folder or auto" },
	{ "COMMAND", OH_SETTING_PATH, AT(command), 0, 0, "auto", "the command otheap or auto" },
	{ "QUIET", OH_SETTING_SWITCH, AT(quiet), 0, 1, "0", "0 or 1" },
	{ "DEBUG", OH_SETTING_SWITCH, AT(debug), 0, 1, "0", "0 or 1" },
	{ "TEST_FAIL_AT", OH_SETTING_NUMBER, AT(fail_at), 0, UINT64_MAX, "0", "a number" },
};

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "HUP", SIGHUP },
	{ "USR1", SIGUSR1 },
	{ "USR2", SIGUSR2 },
	{ "WINCH", SIGWINCH },
	{ "URG", SIGURG },
	{ "IO", SIGIO },
	{ "PROF", SIGPROF },
	{ "VTALRM", SIGVTALRM },
	{ "ALRM", SIGALRM },
	{ "XCPU", SIGXCPU },
	{ "PWR", SIGPWR },
	{ "QUIT", SIGQUIT },
};

/* A decimal number that ends where `*end` is left; false if there is none or it is too large. */
static bool
number(const char *s, const char **end, uint64_t *ret)
{
	uint64_t v = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return false;
	*end = s;
	*ret = v;
	return true;
}

static bool
size(const char *s, uint64_t *ret)
{
	const char *end;
	uint64_t v, unit = 1;

	if (!number(s, &end, &v))
		return false;
	switch (*end) {
	case 'k':
	case 'K':
		unit = KIB;
		end++;
		break;
	case 'm':
	case 'M':
		unit = KIB * KIB;
		end++;
		break;
	case 'g':
	case 'G':
		unit = KIB * KIB * KIB;
		end++;
		break;
	default:
		break;
	}
	return *end == '\0' && !__builtin_mul_overflow(v, unit, ret);
}

/* May it be caught, and is it not one that the kernel raises for a fault? */
static bool
usable_signal(int n)
{
	switch (n) {
	case SIGKILL:
	case SIGSTOP:
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGTRAP:
	case SIGABRT:
	case SIGSYS:
	case SIGCHLD:
		return false;
	default:
		/* 32 and 33 belong to the C library. */
		return n >= 1 && n <= 64 && n != 32 && n != 33;
	}
}

bool
oh_signal_parse(const char *s, int *ret)
{
	const char *end;
	uint64_t v;

	if (strcmp(s, "none") == 0 || strcmp(s, "0") == 0) {
		*ret = 0;
		return true;
	}
	if (number(s, &end, &v)) {
		*ret = v <= 64 ? (int)v : 0;
		return *end == '\0' && usable_signal(*ret);
	}
	if (strncmp(s, "SIG", 3) == 0)
		s += 3;
	if (strncmp(s, "RTMIN", 5) == 0 && (s[5] == '\0' || s[5] == '+')) {
		v = 0;
		end = s + 5;
		if (s[5] == '+' && !number(s + 6, &end, &v))
			return false;
		*ret = v <= 30 ? 34 + (int)v : 0;
		return *end == '\0' && usable_signal(*ret);
	}
	for (size_t i = 0; i < OH_ARRAY_LEN(signals); i++) {
		if (strcmp(s, signals[i].name) == 0) {
			*ret = signals[i].number;
			return true;
		}
	}
	return false;
}

static bool
copy(char *to, size_t room, const char *s)
{
	size_t len = strlen(s);

	if (len >= room)
		return false;
	memcpy(to, s, len + 1);
	return true;
}

/* Make a folder's name absolute by the current folder. */
static bool
folder(char to[PATH_MAX], const char *s)
{
	if (*s == '\0')
		return false;
	if (*s == '/')
		return copy(to, PATH_MAX, s);
	long n = OH_SYS(getcwd, to, PATH_MAX, 0, 0, 0, 0); /* length with the NUL */
	if (n < 2 || to[0] != '/')
		return copy(to, PATH_MAX, "/"); /* not writable, most likely: TMPDIR then */
	if (strcmp(s, ".") == 0)
		return true;
	if (n > 2)
		to[n - 1] = '/';
	else
		n = 1;
	return copy(to + n, PATH_MAX - (size_t)n, s);
}

/* Are all its percent signs followed by one of the letters? */
static bool
is_pattern(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s == '%' && (*++s == '\0' || strchr("epnt%", *s) == NULL))
			return false;
	return true;
}

static bool
file_name(char to[NAME_MAX + 1], const char *s)
{
	return *s != '\0' && strchr(s, '/') == NULL && is_pattern(s) && copy(to, NAME_MAX + 1, s);
}

/* A path, or one of two words that stand for themselves. */
static bool
path(char to[PATH_MAX], const char *s, const char *word, const char *other_word)
{
	if (strcmp(s, word) == 0 || (other_word != NULL && strcmp(s, other_word) == 0))
		return copy(to, PATH_MAX, s);
	return folder(to, s);
}

static bool
protocol(char to[OH_PROTOCOL_BYTES], const char *s)
{
	static const char *const known[] = { "auto", "http/protobuf", "grpc", "pyroscope" };

	for (size_t i = 0; i < OH_ARRAY_LEN(known); i++)
		if (strcmp(s, known[i]) == 0)
			return copy(to, OH_PROTOCOL_BYTES, s);
	return false;
}

/* 30, 30s, 5m, 2h */
static bool
seconds(const char *s, uint64_t most, uint32_t *ret)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 } };
	const char *end;
	uint64_t n;

	if (!number(s, &end, &n) || n > most)
		return false;
	for (size_t i = 0; i < OH_ARRAY_LEN(units) && *end != '\0'; i++) {
		if (*end == units[i].unit) {
			n *= units[i].seconds;
			end++;
			break;
		}
	}
	*ret = (uint32_t)n;
	return *end == '\0' && n <= most;
}

static bool
baseline(struct oh_baseline *b, const char *s, uint64_t most)
{
	b->after_s = 0;
	b->file[0] = '\0';
	if (strcmp(s, "start") == 0) {
		b->kind = OH_BASELINE_START;
	} else if (strcmp(s, "manual") == 0) {
		b->kind = OH_BASELINE_MANUAL;
	} else if (seconds(s, most, &b->after_s)) {
		b->kind = b->after_s == 0 ? OH_BASELINE_START : OH_BASELINE_AFTER;
	} else {
		/* A misspelt word is not a file. */
		b->kind = OH_BASELINE_FILE;
		return (strchr(s, '.') != NULL || strchr(s, '/') != NULL) && folder(b->file, s);
	}
	return true;
}

bool
oh_config_set(struct oh_config *c, const struct oh_setting *v, const char *text)
{
	char *field = (char *)c + v->at;
	const char *end;
	uint64_t n;

	switch (v->kind) {
	case OH_SETTING_SIZE:
		if (!size(text, &n) || n < v->least || n > v->most)
			return false;
		*(uint64_t *)field = n;
		return true;
	case OH_SETTING_NUMBER:
	case OH_SETTING_LEVEL:
	case OH_SETTING_SECONDS_MS:
		if (!number(text, &end, &n) || *end != '\0' || n < v->least || n > v->most)
			return false;
		if (v->most == UINT64_MAX)
			*(uint64_t *)field = n;
		else
			*(uint32_t *)field =
			    (uint32_t)(v->kind == OH_SETTING_SECONDS_MS ? n * 1000 : n);
		return true;
	case OH_SETTING_SIGNAL:
		return oh_signal_parse(text, (int *)field);
	case OH_SETTING_SWITCH:
		if (text[0] < '0' || text[0] > '1' || text[1] != '\0')
			return false;
		*(bool *)field = text[0] == '1';
		return true;
	case OH_SETTING_FOLDER:
		return folder(field, text);
	case OH_SETTING_FILE_NAME:
		return file_name(field, text);
	case OH_SETTING_PATH:
		return path(field, text, v->initial, NULL);
	case OH_SETTING_PROTOCOL:
		return protocol(field, text);
	case OH_SETTING_REPORT:
		return is_pattern(text) && path(field, text, v->initial, "none");
	case OH_SETTING_BASELINE:
		return baseline((struct oh_baseline *)field, text, v->most);
	}
	return false;
}

const struct oh_setting *
oh_config_settings(size_t *ret_count)
{
	*ret_count = OH_ARRAY_LEN(settings);
	return settings;
}

static void
show_baseline(struct oh_out *o, const struct oh_baseline *b)
{
	switch (b->kind) {
	case OH_BASELINE_MANUAL:
		oh_out_str(o, "manual");
		break;
	case OH_BASELINE_START:
		oh_out_str(o, "start");
		break;
	case OH_BASELINE_AFTER:
		oh_out_u64(o, b->after_s);
		oh_out_str(o, "s");
		break;
	case OH_BASELINE_FILE:
		oh_out_str(o, b->file);
		break;
	}
}

static void
show(struct oh_out *o, const struct oh_config *c, const struct oh_setting *v)
{
	const char *field = (const char *)c + v->at;

	switch (v->kind) {
	case OH_SETTING_SIZE:
		oh_out_u64(o, *(const uint64_t *)field);
		break;
	case OH_SETTING_NUMBER:
	case OH_SETTING_LEVEL:
		oh_out_u64(
		    o, v->most == UINT64_MAX ? *(const uint64_t *)field : *(const uint32_t *)field);
		break;
	case OH_SETTING_SECONDS_MS:
		oh_out_u64(o, *(const uint32_t *)field / 1000);
		break;
	case OH_SETTING_SIGNAL:
		oh_out_i64(o, *(const int *)field);
		break;
	case OH_SETTING_SWITCH:
		oh_out_str(o, *(const bool *)field ? "1" : "0");
		break;
	case OH_SETTING_FOLDER:
	case OH_SETTING_FILE_NAME:
	case OH_SETTING_PATH:
	case OH_SETTING_PROTOCOL:
	case OH_SETTING_REPORT:
		oh_out_str(o, field);
		break;
	case OH_SETTING_BASELINE:
		show_baseline(o, (const struct oh_baseline *)field);
		break;
	}
}

void
oh_config_print(const struct oh_config *c, int fd)
{
	struct oh_out o;

	for (size_t i = 0; i < OH_ARRAY_LEN(settings); i++) {
		oh_out_reset(&o);
		oh_out_str(&o, "otheap: OTHEAP_");
		oh_out_str(&o, settings[i].name);
		oh_out_str(&o, "=");
		show(&o, c, &settings[i]);
		oh_out_line(&o, fd);
	}
}
