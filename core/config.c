/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.c - what the user asked for: OTHEAP_... variables, always valid.
 *
 * One line of the table per variable: its name, how its text is understood,
 * where it goes, what is expected and what holds otherwise.
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

static bool
file_name(char to[NAME_MAX + 1], const char *s)
{
	if (*s == '\0' || strchr(s, '/') != NULL)
		return false;
	for (const char *p = s; *p != '\0'; p++)
		if (*p == '%' && (*++p == '\0' || strchr("epnt%", *p) == NULL))
			return false;
	return copy(to, NAME_MAX + 1, s);
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
	}
	return false;
}

const struct oh_setting *
oh_config_settings(size_t *ret_count)
{
	*ret_count = OH_ARRAY_LEN(settings);
	return settings;
}

static const struct oh_setting *
find(const char *name, size_t len)
{
	for (size_t i = 0; i < OH_ARRAY_LEN(settings); i++)
		if (strlen(settings[i].name) == len && memcmp(settings[i].name, name, len) == 0)
			return &settings[i];
	return NULL;
}

/* How many letters must change to make one of the other?  Up to 3 are told apart. */
static unsigned
distance(const char *a, size_t alen, const char *b)
{
	unsigned row[32];
	size_t blen = strlen(b);

	if (blen >= OH_ARRAY_LEN(row))
		return 9;
	for (size_t j = 0; j <= blen; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= alen; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= blen; j++) {
			unsigned up = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = up;
			row[j] = best;
		}
	}
	return row[blen];
}

static void
tell_unknown(const char *name, size_t len, int fd)
{
	struct oh_out o;
	const char *near = NULL;
	/* Most of a short name must be right. */
	unsigned least = len < 6 ? (unsigned)len / 2 + 1 : 4;
	char shown[64];

	for (size_t i = 0; i < OH_ARRAY_LEN(settings); i++) {
		unsigned d = distance(name, len, settings[i].name);
		if (d < least) {
			least = d;
			near = settings[i].name;
		}
	}
	if (len >= sizeof(shown))
		len = sizeof(shown) - 1;
	memcpy(shown, name, len);
	shown[len] = '\0';
	oh_out_reset(&o);
	oh_out_str(&o, "otheap: OTHEAP_");
	oh_out_str(&o, shown);
	oh_out_str(&o, ": no such setting");
	if (near != NULL) {
		oh_out_str(&o, "; did you mean OTHEAP_");
		oh_out_str(&o, near);
		oh_out_str(&o, "?");
	}
	oh_out_line(&o, fd);
}

static void
tell_bad(const struct oh_setting *v, const char *text, int fd)
{
	struct oh_out o;

	oh_out_reset(&o);
	oh_out_str(&o, "otheap: OTHEAP_");
	oh_out_str(&o, v->name);
	oh_out_str(&o, "=");
	/* A value of any length must leave room for the reason. */
	char shown[101];
	size_t len = strnlen(text, sizeof(shown) - 1);
	memcpy(shown, text, len);
	shown[len] = '\0';
	oh_out_str(&o, shown);
	oh_out_str(&o, ": expected ");
	oh_out_str(&o, v->expected);
	oh_out_str(&o, "; using ");
	oh_out_str(&o, v->initial);
	oh_out_line(&o, fd);
}

static const char *
after(const char *s, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(s, prefix, len) == 0 ? s + len : NULL;
}

/* Call `fn` for each OTHEAP_NAME=VALUE. */
static void
each(struct oh_config *c, char *const *envp,
    void (*fn)(struct oh_config *c, const char *name, size_t len, const char *value, int fd),
    int fd)
{
	for (; envp != NULL && *envp != NULL; envp++) {
		const char *name = after(*envp, "OTHEAP_");
		const char *eq = name != NULL ? strchr(name, '=') : NULL;
		if (eq != NULL)
			fn(c, name, (size_t)(eq - name), eq + 1, fd);
	}
}

static void
read_one(struct oh_config *c, const char *name, size_t len, const char *value, int fd)
{
	const struct oh_setting *v = find(name, len);

	/* An empty value means: not set. */
	if (v == NULL || *value == '\0')
		return;
	if (!oh_config_set(c, v, value))
		(void)oh_config_set(c, v, v->initial);
}

static void
tell_one(struct oh_config *c, const char *name, size_t len, const char *value, int fd)
{
	const struct oh_setting *v = find(name, len);

	if (v == NULL)
		tell_unknown(name, len, fd);
	else if (*value != '\0' && !oh_config_set(c, v, value)) {
		tell_bad(v, value, fd);
		(void)oh_config_set(c, v, v->initial);
	}
}

void
oh_config_read(struct oh_config *c, char *const *envp, int err_fd)
{
	static const char exact_memory[] = "1g";
	bool memory_given = false;

	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < OH_ARRAY_LEN(settings); i++)
		(void)oh_config_set(c, &settings[i], settings[i].initial);
	each(c, envp, read_one, err_fd);
	for (char *const *e = envp; e != NULL && *e != NULL; e++) {
		const char *value = after(*e, "TMPDIR=");
		if (value != NULL && *value == '/')
			(void)copy(c->tmpdir, sizeof(c->tmpdir), value);
		value = after(*e, "OTHEAP_MAX_MEMORY=");
		memory_given |= value != NULL && *value != '\0';
	}
	/* Close sampling keeps a record for each of many blocks. */
	if (!memory_given && c->interval_bytes < 4 * KIB)
		(void)oh_config_set(c, find("MAX_MEMORY", 10), exact_memory);
	/* Told last, when it is known whether to be quiet. */
	if (!c->quiet)
		each(c, envp, tell_one, err_fd);
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
		oh_out_str(o, field);
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
