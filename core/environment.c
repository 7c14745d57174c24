/* SPDX-License-Identifier: Apache-2.0 */
/*
 * environment.c - the settings of an environment: found, told, concluded from.
 *
 * A value that makes no sense never stops anything: the default holds, and one
 * line says so.  So does one for a name that is close to one of ours.
 */
#include <string.h>

#include "core/base.h"
#include "core/config.h"
#include "core/out.h"
#include "core/sys.h"

#define KIB ((uint64_t)1024)
#define EXPORT_EVERY_S 60 /* as other exporters of OpenTelemetry do by default */

static const struct oh_setting *
find(const char *name, size_t len)
{
	size_t count;
	const struct oh_setting *settings = oh_config_settings(&count);

	for (size_t i = 0; i < count; i++)
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
	size_t count;
	const struct oh_setting *settings = oh_config_settings(&count);

	for (size_t i = 0; i < count; i++) {
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

/* A value of any length must leave room for the reason. */
static void
add_start(struct oh_out *o, const char *value)
{
	char shown[101];
	size_t len = strnlen(value, sizeof(shown) - 1);

	memcpy(shown, value, len);
	shown[len] = '\0';
	oh_out_str(o, shown);
}

static void
tell_bad(const struct oh_setting *v, const char *text, int fd)
{
	struct oh_out o;

	oh_out_reset(&o);
	oh_out_str(&o, "otheap: OTHEAP_");
	oh_out_str(&o, v->name);
	oh_out_str(&o, "=");
	add_start(&o, text);
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

static void
keep(char *to, size_t room, const char *s)
{
	size_t len = strlen(s);

	if (len < room)
		memcpy(to, s, len + 1);
}

/* ---- what follows from several of them ------------------------------------------- */

/* What the environment says beside values of settings. */
struct environment {
	bool memory, every, dir, leak, leak_check; /* OTHEAP_ variables that are not empty */
	bool endpoint;                             /* OTEL_EXPORTER_OTLP_... */
	const char *disabled;                      /* OTEL_SDK_DISABLED */
	const char *runtime_dir;                   /* XDG_RUNTIME_DIR, absolute */
};

/* Is the variable `s` (NAME=value) this one, and not empty?  Its value, or NULL. */
static const char *
value_of(const char *s, const char *name_and_equals)
{
	const char *value = after(s, name_and_equals);

	return value != NULL && *value != '\0' ? value : NULL;
}

/* In any case of its letters, `word` having small ones. */
static bool
is_word(const char *s, const char *word)
{
	size_t i = 0;

	/* The case is the letters' bit 5. */
	while (word[i] != '\0' && (s[i] | 0x20) == word[i])
		i++;
	return word[i] == '\0' && s[i] == '\0';
}

static void
tell_disabled(const char *value, int fd)
{
	struct oh_out o;

	oh_out_reset(&o);
	oh_out_str(&o, "otheap: OTEL_SDK_DISABLED=");
	add_start(&o, value);
	oh_out_str(&o, ": expected true or false; using false");
	oh_out_line(&o, fd);
}

static void
look_at(const char *e, struct environment *env, struct oh_config *c)
{
	const char *value;

	if ((value = value_of(e, "TMPDIR=")) != NULL && *value == '/')
		keep(c->tmpdir, sizeof(c->tmpdir), value);
	if ((value = value_of(e, "XDG_RUNTIME_DIR=")) != NULL && *value == '/')
		env->runtime_dir = value;
	if ((value = value_of(e, "OTEL_SDK_DISABLED=")) != NULL)
		env->disabled = value;
	env->endpoint |= value_of(e, "OTEL_EXPORTER_OTLP_ENDPOINT=") != NULL ||
			 value_of(e, "OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT=") != NULL;
	env->memory |= value_of(e, "OTHEAP_MAX_MEMORY=") != NULL;
	env->every |= value_of(e, "OTHEAP_DUMP_EVERY=") != NULL;
	env->dir |= value_of(e, "OTHEAP_DIR=") != NULL;
	if (value_of(e, "OTHEAP_LEAK_CHECK=") != NULL)
		env->leak_check = true;
	else if (after(e, "OTHEAP_LEAK_") != NULL && strchr(e, '=')[1] != '\0')
		env->leak = true;
}

/*
 * Where finished profiles wait for the agent.  In the folder of a user each
 * destination has one of its own (preload/agent.c).
 */
static void
choose_spool(struct oh_config *c, const struct environment *env)
{
	struct oh_out o;

	if (c->spool[0] == '/')
		return;
	if (env->dir) {
		keep(c->spool, sizeof(c->spool), c->dir);
		return;
	}
	oh_out_reset(&o);
	if (env->runtime_dir != NULL && strlen(env->runtime_dir) < sizeof(o.text) - 80) {
		oh_out_str(&o, env->runtime_dir);
		oh_out_str(&o, "/otheap");
	} else {
		oh_out_str(&o, "/tmp/otheap-");
		oh_out_u64(&o, (uint64_t)OH_SYS(geteuid, 0, 0, 0, 0, 0, 0));
	}
	c->spool_by_user = true;
	keep(c->spool, sizeof(c->spool), o.text);
}

static void
conclude(struct oh_config *c, const struct environment *env)
{
	/* Close sampling keeps a record for each of many blocks. */
	if (!env->memory && c->interval_bytes < 4 * KIB)
		c->max_memory_bytes = KIB * KIB * KIB;
	if (env->leak && !env->leak_check)
		c->leak_check = OH_LEAK_CHECK_AT_EXIT;
	c->leak_mode = env->leak || c->leak_check != OH_LEAK_CHECK_NEVER;
	/* The report is made from it. */
	c->dump_at_exit |= c->leak_mode;
	choose_spool(c, env);
	c->exporting = c->otlp && env->endpoint && c->interval_bytes > 0 &&
		       (env->disabled == NULL || !is_word(env->disabled, "true"));
	if (c->exporting) {
		keep(c->dir, sizeof(c->dir), c->spool);
		if (!env->every)
			c->dump_every_s = EXPORT_EVERY_S;
	}
}

void
oh_config_read(struct oh_config *c, char *const *envp, int err_fd)
{
	struct environment env = { false };
	size_t count;
	const struct oh_setting *settings = oh_config_settings(&count);

	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < count; i++)
		(void)oh_config_set(c, &settings[i], settings[i].initial);
	each(c, envp, read_one, err_fd);
	for (char *const *e = envp; e != NULL && *e != NULL; e++)
		look_at(*e, &env, c);
	/* Told last, when it is known whether to be quiet. */
	if (!c->quiet)
		each(c, envp, tell_one, err_fd);
	conclude(c, &env);
	if (c->exporting && !c->quiet && env.disabled != NULL && !is_word(env.disabled, "false"))
		tell_disabled(env.disabled, err_fd);
}
