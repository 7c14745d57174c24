/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_resource.c - who sends: the attributes of a process, its host, its service.
 *
 * Sources  semantic-conventions 1.44.0 for the names; OpenTelemetry's
 *	    specification (resource SDK, W3C Baggage) for the two variables.
 */
#include "tools/otlp_resource.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "proto/otlp/resource.pb-c.h"
#include "tools/otlp_table.h"
#include "tools/print.h"
#include "tools/process.h"
#include "tools/sha.h"

typedef Opentelemetry__Proto__Common__V1__AnyValue AnyValue;
typedef Opentelemetry__Proto__Common__V1__KeyValue KeyValue;
typedef Opentelemetry__Proto__Resource__V1__Resource Resource;

#define ANY_VALUE_INIT OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__INIT
#define KEY_VALUE_INIT OPENTELEMETRY__PROTO__COMMON__V1__KEY_VALUE__INIT
#define RESOURCE_INIT OPENTELEMETRY__PROTO__RESOURCE__V1__RESOURCE__INIT

#define FILE_MAX_BYTES ((size_t)1 << 20) /* of what is read below: some KiB as a rule */
#define CONTAINER_ID 64                  /* hex digits */
#define SECOND_NS INT64_C(1000000000)

/* ---- attributes ---------------------------------------------------------------- */

struct oh_resource *
oh_resource_create(void)
{
	return oh_xcalloc(1, sizeof(struct oh_resource));
}

void
oh_resource_free(struct oh_resource *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->count; i++) {
		free(r->items[i].key);
		free(r->items[i].text);
	}
	free(r->items);
	free(r);
}

static struct oh_attribute *
find(const struct oh_resource *r, const char *key)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->items[i].key, key) == 0)
			return &r->items[i];
	return NULL;
}

const struct oh_attribute *
oh_resource_get(const struct oh_resource *r, const char *key)
{
	return find(r, key);
}

static char *
clean_copy(const char *s)
{
	struct oh_bytes b = { .b = NULL };

	oh_bytes_text(&b, s);
	oh_bytes_add(&b, "", 1);
	return (char *)b.b;
}

static struct oh_attribute *
attribute(struct oh_resource *r, const char *key)
{
	struct oh_attribute *a = find(r, key);

	if (a == NULL) {
		r->items = oh_xgrow(r->items, &r->cap, r->count + 1, sizeof(*r->items));
		a = &r->items[r->count++];
		*a = (struct oh_attribute){ .key = clean_copy(key) };
	}
	free(a->text);
	a->text = NULL;
	return a;
}

void
oh_resource_set(struct oh_resource *r, const char *key, const char *text)
{
	char *own;

	if (text == NULL || *text == '\0')
		return;
	own = clean_copy(text); /* `text` may be what is replaced */
	attribute(r, key)->text = own;
}

void
oh_resource_set_num(struct oh_resource *r, const char *key, int64_t num)
{
	attribute(r, key)->num = num;
}

static void
set_new(struct oh_resource *r, const char *key, const char *text)
{
	if (find(r, key) == NULL)
		oh_resource_set(r, key, text);
}

/* ---- the process ---------------------------------------------------------------- */

/* "2026-11-21T09:25:34.853Z" */
static void
set_time(struct oh_resource *r, const char *key, int64_t unix_ns)
{
	time_t seconds = (time_t)(unix_ns / SECOND_NS);
	char day[32], text[48];
	struct tm tm;

	if (unix_ns <= 0 || gmtime_r(&seconds, &tm) == NULL ||
	    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return;
	(void)snprintf(
	    text, sizeof(text), "%s.%03dZ", day, (int)(unix_ns % SECOND_NS / (SECOND_NS / 1000)));
	set_new(r, key, text);
}

void
oh_resource_of_profile(struct oh_resource *r, const struct oh_profile *p)
{
	const char *program = oh_profile_comment(p, "program: ");
	const char *pid = oh_profile_comment(p, "pid: ");
	pid_t number;

	if (pid != NULL && oh_process_parse(pid, &number) && find(r, "process.pid") == NULL)
		oh_resource_set_num(r, "process.pid", number);
	if (program != NULL && *program != '\0') {
		set_new(r, "process.executable.name", oh_base_name(program));
		if (*program == '/')
			set_new(r, "process.executable.path", program);
	}
	if (pid != NULL && p->duration_ns >= 0 && p->time_ns > p->duration_ns)
		set_time(r, "process.creation.time", p->time_ns - p->duration_ns);
}

/* The beginning of a file, with a NUL behind it, or NULL.  Free it. */
static char *
slurp(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "re");
	char *text;
	size_t n;

	if (f == NULL)
		return NULL;
	text = oh_xcalloc(FILE_MAX_BYTES, 1);
	n = fread(text, 1, FILE_MAX_BYTES - 1, f);
	(void)fclose(f);
	text[n] = '\0';
	if (ret_len != NULL)
		*ret_len = n;
	return text;
}

static char *
slurp_proc(pid_t pid, const char *name, size_t *ret_len)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return slurp(path, ret_len);
}

static char *
slurp_below(const char *root, const char *name)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s%s", root, name);
	return slurp(path, NULL);
}

/* The first line of a text, cut off there. */
static const char *
first_line(char *text)
{
	if (text == NULL)
		return NULL;
	text[strcspn(text, "\r\n")] = '\0';
	return text;
}

/* Field 22 of a stat file; 0 if it is not one.  The name before it may hold anything. */
static uint64_t
start_of(const char *stat)
{
	const char *at = strrchr(stat, ')');

	for (int field = 2; at != NULL && field < 22; field++) {
		at = strchr(at, ' ');
		at = at != NULL ? at + 1 : NULL;
	}
	return at != NULL ? strtoull(at, NULL, 10) : 0;
}

void
oh_resource_set_start(struct oh_resource *r, uint64_t starttime)
{
	char *stat = slurp("/proc/stat", NULL);
	const char *at = stat != NULL ? strstr(stat, "\nbtime ") : NULL;
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t boot = at != NULL ? strtoull(at + 7, NULL, 10) : 0;

	/*
	 * The kernel tells the time of boot in seconds, so this is up to one
	 * too early; but it is the same whenever it is asked for.
	 */
	if (boot != 0 && hz != 0 && starttime / hz < boot)
		set_time(r, "process.creation.time",
		    (int64_t)(boot + starttime / hz) * SECOND_NS +
			(int64_t)(starttime % hz * (uint64_t)SECOND_NS / hz));
	free(stat);
}

/* The 64 hex digits that begin at s and are no part of something longer, or false. */
static bool
is_container_id(const char *s)
{
	return strspn(s, "0123456789abcdef") == CONTAINER_ID &&
	       (s[CONTAINER_ID] == '\0' || strchr("/.\n ", s[CONTAINER_ID]) != NULL);
}

/*
 * In a cgroup file the ID ends a path: "/docker/ID", ".../cri-containerd-ID.scope".
 * With a cgroup namespace that shows "/"; then the container's own files, which
 * are bound into it, have it in their path: ".../containers/ID/hostname".
 */
static void
set_container(struct oh_resource *r, const char *text, const char *before)
{
	char id[CONTAINER_ID + 1];
	const char *at = text;

	while ((at = strpbrk(at, before)) != NULL) {
		at++;
		if (!is_container_id(at))
			continue;
		/* A sandbox is the pod's, not the container's. */
		if (at - text >= 10 && strncmp(at - 10, "sandboxes/", 10) == 0)
			continue;
		(void)snprintf(id, sizeof(id), "%s", at);
		set_new(r, "container.id", id);
		return;
	}
}

static void
of_container(struct oh_resource *r, pid_t pid)
{
	char *cgroup = slurp_proc(pid, "cgroup", NULL);
	char *mounts = slurp_proc(pid, "mountinfo", NULL);

	if (cgroup != NULL)
		set_container(r, cgroup, "/-:");
	for (const char *at = mounts; at != NULL && (at = strstr(at, "containers/")) != NULL;) {
		at += strlen("containers/");
		if (is_container_id(at)) {
			char id[CONTAINER_ID + 1];

			(void)snprintf(id, sizeof(id), "%s", at);
			set_new(r, "container.id", id);
		}
	}
	free(cgroup);
	free(mounts);
}

/* The name of a user by the process's own list of users. */
static void
of_owner(struct oh_resource *r, const char *root, uid_t uid)
{
	char path[PATH_MAX];
	struct passwd *pw;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/etc/passwd", root);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	while ((pw = fgetpwent(f)) != NULL)
		if (pw->pw_uid == uid) {
			set_new(r, "process.owner", pw->pw_name);
			break;
		}
	(void)fclose(f);
}

/* ---- the host -------------------------------------------------------------------- */

/* The value of KEY= in an os-release file, its quotes removed, copied to ret. */
static bool
release_field(const char *text, const char *key, char *ret, size_t room)
{
	size_t len = strlen(key), n = 0;

	for (const char *s = text; s != NULL; s = strchr(s, '\n')) {
		const char *at, *end;
		char quote;

		s += *s == '\n';
		if (strncmp(s, key, len) != 0 || s[len] != '=')
			continue;
		at = s + len + 1;
		end = at + strcspn(at, "\n");
		quote = *at == '"' || *at == '\'' ? *at : '\0';
		for (at += quote != '\0'; at < end && *at != quote && n + 1 < room; at++) {
			at += *at == '\\' && quote != '\'' && at + 1 < end;
			ret[n++] = *at;
		}
		ret[n] = '\0';
		return n > 0;
	}
	return false;
}

static void
of_host(struct oh_resource *r, const char *root, bool own_name)
{
	static const char *const ids[] = { "/etc/machine-id", "/var/lib/dbus/machine-id" };
	static const char *const releases[] = { "/etc/os-release", "/usr/lib/os-release" };
	char text[256], *file = NULL;
	struct utsname host;

	if (uname(&host) == 0) {
		if (own_name)
			set_new(r, "host.name", host.nodename);
		set_new(
		    r, "host.arch", strcmp(host.machine, "x86_64") == 0 ? "amd64" : host.machine);
	}
	if (!own_name) {
		file = slurp_below(root, "/etc/hostname");
		set_new(r, "host.name", first_line(file));
		free(file);
	}
	for (size_t i = 0; i < OH_ARRAY_LEN(ids); i++) {
		file = slurp_below(root, ids[i]);
		set_new(r, "host.id", first_line(file));
		free(file);
	}
	set_new(r, "os.type", "linux");
	for (size_t i = 0; i < OH_ARRAY_LEN(releases); i++) {
		file = slurp_below(root, releases[i]);
		if (file != NULL && release_field(file, "PRETTY_NAME", text, sizeof(text)))
			set_new(r, "os.description", text);
		if (file != NULL && release_field(file, "NAME", text, sizeof(text)))
			set_new(r, "os.name", text);
		if (file != NULL && release_field(file, "VERSION_ID", text, sizeof(text)))
			set_new(r, "os.version", text);
		free(file);
	}
}

void
oh_resource_of_host(struct oh_resource *r)
{
	of_host(r, "", true);
}

static bool
same_namespace(pid_t pid, const char *which)
{
	char path[64], of_process[64], ours[64];
	ssize_t n, m;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, which);
	n = readlink(path, of_process, sizeof(of_process));
	(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", which);
	m = readlink(path, ours, sizeof(ours));
	return n <= 0 || (n == m && memcmp(of_process, ours, (size_t)n) == 0);
}

bool
oh_resource_of_process(struct oh_resource *r, pid_t pid, uint64_t starttime)
{
	struct oh_error ignored = { "" };
	struct oh_process process;
	char *stat, *command;
	uint64_t start = 0;
	size_t len;
	bool found;

	found = oh_process_open(pid, &process, &ignored);
	stat = found ? slurp_proc(pid, "stat", NULL) : NULL;
	if (stat != NULL)
		start = start_of(stat);
	free(stat);
	if (start == 0 || (starttime != 0 && start != starttime)) {
		oh_process_close(&process);
		return false;
	}

	if (find(r, "process.pid") == NULL)
		oh_resource_set_num(r, "process.pid", process.inner_pid);
	oh_resource_set_start(r, start);
	if (process.exe[0] != '\0') {
		size_t end = strlen(process.exe);
		static const char deleted[] = " (deleted)";

		if (end > sizeof(deleted) && strcmp(process.exe + end - 10, deleted) == 0)
			process.exe[end - 10] = '\0';
		set_new(r, "process.executable.name", oh_base_name(process.exe));
		set_new(r, "process.executable.path", process.exe);
	}
	command = slurp_proc(pid, "cmdline", &len);
	if (command != NULL && len != 0)
		set_new(r, "process.command", command);
	free(command);
	of_owner(r, process.root, process.uid);
	of_container(r, pid);
	of_host(r, process.root, same_namespace(pid, "uts"));
	oh_process_close(&process);
	return true;
}

char *
oh_process_variable(pid_t pid, const char *name)
{
	size_t len, name_len = strlen(name);
	char *text = slurp_proc(pid, "environ", &len), *found = NULL;

	for (size_t at = 0; text != NULL && at < len; at += strlen(text + at) + 1)
		if (strncmp(text + at, name, name_len) == 0 && text[at + name_len] == '=') {
			const char *value = text + at + name_len + 1;
			size_t value_len = strlen(value) + 1;

			found = memcpy(oh_xcalloc(value_len, 1), value, value_len);
			break;
		}
	free(text);
	return found;
}

/* ---- settings --------------------------------------------------------------------- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decode %XX of [from, end), blanks around it removed.  NULL if it is malformed.  Free it. */
static char *
decode(const char *from, const char *end)
{
	char *text, *to;

	while (from < end && (*from == ' ' || *from == '\t'))
		from++;
	while (from < end && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	text = to = oh_xcalloc((size_t)(end - from) + 1, 1);
	for (; from < end; from++) {
		int high, low;

		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		high = end - from > 2 ? hex_digit(from[1]) : -1;
		low = end - from > 2 ? hex_digit(from[2]) : -1;
		if (high < 0 || low < 0 || high + low == 0) {
			free(text);
			return NULL;
		}
		*to++ = (char)(high << 4 | low);
		from += 2;
	}
	return text;
}

static bool
set_attributes(struct oh_resource *to, const char *list, struct oh_error *err)
{
	for (const char *at = list, *end; *at != '\0'; at = *end ? end + 1 : end) {
		const char *equals;
		char *key, *value;
		bool good;

		end = at + strcspn(at, ",");
		if (at + strspn(at, " \t") == end)
			continue; /* a comma too many */
		equals = memchr(at, '=', (size_t)(end - at));
		if (equals == NULL)
			return oh_error_set(err, "\"%.*s\" has no '='", (int)(end - at), at);
		key = decode(at, equals);
		value = decode(equals + 1, end);
		good = key != NULL && value != NULL && *key != '\0';
		if (good)
			oh_resource_set(to, key, value);
		free(key);
		free(value);
		if (!good)
			return oh_error_set(err, "\"%.*s\" is not %s", (int)(end - at), at,
			    key != NULL && *at == '=' ? "key=value" : "percent-encoded key=value");
	}
	return true;
}

bool
oh_resource_of_settings(
    struct oh_resource *r, const char *attributes, const char *service_name, struct oh_error *err)
{
	struct oh_resource *told = oh_resource_create();
	bool good = true;

	if (attributes != NULL)
		good = set_attributes(told, attributes, err);
	for (size_t i = 0; good && i < told->count; i++)
		oh_resource_set(r, told->items[i].key, told->items[i].text);
	oh_resource_free(told);
	oh_resource_set(r, "service.name", service_name);
	return good;
}

/* ---- the rest ---------------------------------------------------------------------- */

static void
add_part(struct oh_sha *sha, const struct oh_resource *r, const char *key)
{
	const struct oh_attribute *a = find(r, key);
	char number[24];

	if (a != NULL && a->text == NULL)
		(void)snprintf(number, sizeof(number), "%lld", (long long)a->num);
	if (a != NULL) {
		const char *text = a->text != NULL ? a->text : number;

		oh_sha_add(sha, text, strlen(text));
	}
	oh_sha_add(sha, "\n", 1);
}

/* RFC 9562, 5.5; the namespace is the one that the semantic conventions give. */
static void
set_instance(struct oh_resource *r)
{
	static const uint8_t namespace[16] = { 0x4d, 0x63, 0x00, 0x9a, 0x8d, 0x0f, 0x11, 0xee, 0xaa,
		0xd7, 0x4c, 0x79, 0x6e, 0xd8, 0xe3, 0x20 };
	static const char *const parts[] = { "service.namespace", "service.name", "host.id",
		"host.name", "container.id", "process.pid", "process.creation.time" };
	struct oh_sha sha;
	uint8_t id[20];
	char text[37], *to = text;

	oh_sha1_init(&sha);
	oh_sha_add(&sha, namespace, sizeof(namespace));
	for (size_t i = 0; i < OH_ARRAY_LEN(parts); i++)
		add_part(&sha, r, parts[i]);
	oh_sha_end(&sha, id);
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x50);
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		(void)snprintf(to, 3, "%02x", id[i]);
		to += 2;
	}
	oh_resource_set(r, "service.instance.id", text);
}

void
oh_resource_complete(struct oh_resource *r)
{
	const struct oh_attribute *name = find(r, "process.executable.name");
	char service[300];

	if (name != NULL && name->text != NULL)
		(void)snprintf(service, sizeof(service), "unknown_service:%s", name->text);
	else
		(void)snprintf(service, sizeof(service), "unknown_service");
	set_new(r, "service.name", service);
	if (find(r, "service.instance.id") == NULL)
		set_instance(r);
	set_new(r, "telemetry.sdk.name", "otheap");
	set_new(r, "telemetry.sdk.language", "c");
	set_new(r, "telemetry.sdk.version", OH_VERSION);
}

uint8_t *
oh_resource_encode(const struct oh_resource *r, size_t *ret_len)
{
	AnyValue *values = oh_xcalloc(r->count, sizeof(*values));
	KeyValue *pairs = oh_xcalloc(r->count, sizeof(*pairs));
	KeyValue **list = oh_xcalloc(r->count, sizeof(KeyValue *));
	Resource m = RESOURCE_INIT;
	uint8_t *bytes;

	for (size_t i = 0; i < r->count; i++) {
		values[i] = (AnyValue)ANY_VALUE_INIT;
		if (r->items[i].text != NULL) {
			values[i].value_case =
			    OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE;
			values[i].string_value = r->items[i].text;
		} else {
			values[i].value_case =
			    OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE;
			values[i].int_value = r->items[i].num;
		}
		pairs[i] = (KeyValue)KEY_VALUE_INIT;
		pairs[i].key = r->items[i].key;
		pairs[i].value = &values[i];
		list[i] = &pairs[i];
	}
	m.n_attributes = r->count;
	m.attributes = list;
	*ret_len = protobuf_c_message_get_packed_size(&m.base);
	bytes = oh_xcalloc(*ret_len, 1);
	(void)protobuf_c_message_pack(&m.base, bytes);
	free(values);
	free(pairs);
	free(list);
	return bytes;
}
