/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_process.c - the attributes of a process and its host, from /proc and the
 * files that name a host.
 *
 * A process may be in a container: its own files are below its root.
 *
 * Source  semantic-conventions 1.44.0 for the names.
 */
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "tools/otlp_resource.h"
#include "tools/print.h"
#include "tools/process.h"

#define FILE_MAX_BYTES ((size_t)1 << 20) /* of what is read below: some KiB as a rule */
#define CONTAINER_ID 64                  /* hex digits */
#define SECOND_NS INT64_C(1000000000)

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
	oh_resource_set_new(r, key, text);
}

void
oh_resource_of_profile(struct oh_resource *r, const struct oh_profile *p)
{
	const char *program = oh_profile_comment(p, "program: ");
	const char *pid = oh_profile_comment(p, "pid: ");
	pid_t number;

	if (pid != NULL && oh_process_parse(pid, &number) &&
	    oh_resource_get(r, "process.pid") == NULL)
		oh_resource_set_num(r, "process.pid", number);
	if (program != NULL && *program != '\0') {
		oh_resource_set_new(r, "process.executable.name", oh_base_name(program));
		if (*program == '/')
			oh_resource_set_new(r, "process.executable.path", program);
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
 * are bound into it from outside, have it in their path:
 * ".../containers/ID/hostname" at /etc/hostname.
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
		oh_resource_set_new(r, "container.id", id);
		return;
	}
}

void
oh_resource_set_container(struct oh_resource *r, const char *cgroup, const char *mountinfo)
{
	if (cgroup != NULL)
		set_container(r, cgroup, "/-:");
	/* ID, parent, device, what is bound, where: the host sees those of all its containers. */
	for (const char *line = mountinfo; line != NULL; line = strchr(line, '\n')) {
		char bound[512], where[32];
		const char *id;

		line += *line == '\n';
		if (sscanf(line, "%*s %*s %*s %511s %31s", bound, where) != 2 ||
		    (strcmp(where, "/etc/hostname") != 0 && strcmp(where, "/etc/hosts") != 0 &&
			strcmp(where, "/etc/resolv.conf") != 0))
			continue;
		id = strstr(bound, "containers/");
		while (id != NULL && !is_container_id(id + strlen("containers/")))
			id = strstr(id + 1, "containers/");
		if (id != NULL)
			set_container(r, id, "/");
	}
}

static void
of_container(struct oh_resource *r, pid_t pid)
{
	char *cgroup = slurp_proc(pid, "cgroup", NULL);
	char *mountinfo = slurp_proc(pid, "mountinfo", NULL);

	oh_resource_set_container(r, cgroup, mountinfo);
	free(cgroup);
	free(mountinfo);
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
			oh_resource_set_new(r, "process.owner", pw->pw_name);
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
			oh_resource_set_new(r, "host.name", host.nodename);
		oh_resource_set_new(
		    r, "host.arch", strcmp(host.machine, "x86_64") == 0 ? "amd64" : host.machine);
	}
	if (!own_name) {
		file = slurp_below(root, "/etc/hostname");
		oh_resource_set_new(r, "host.name", first_line(file));
		free(file);
	}
	for (size_t i = 0; i < OH_ARRAY_LEN(ids); i++) {
		file = slurp_below(root, ids[i]);
		oh_resource_set_new(r, "host.id", first_line(file));
		free(file);
	}
	oh_resource_set_new(r, "os.type", "linux");
	for (size_t i = 0; i < OH_ARRAY_LEN(releases); i++) {
		file = slurp_below(root, releases[i]);
		if (file != NULL && release_field(file, "PRETTY_NAME", text, sizeof(text)))
			oh_resource_set_new(r, "os.description", text);
		if (file != NULL && release_field(file, "NAME", text, sizeof(text)))
			oh_resource_set_new(r, "os.name", text);
		if (file != NULL && release_field(file, "VERSION_ID", text, sizeof(text)))
			oh_resource_set_new(r, "os.version", text);
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

	if (oh_resource_get(r, "process.pid") == NULL)
		oh_resource_set_num(r, "process.pid", process.inner_pid);
	oh_resource_set_start(r, start);
	if (process.exe[0] != '\0') {
		size_t end = strlen(process.exe);
		static const char deleted[] = " (deleted)";

		if (end > sizeof(deleted) && strcmp(process.exe + end - 10, deleted) == 0)
			process.exe[end - 10] = '\0';
		oh_resource_set_new(r, "process.executable.name", oh_base_name(process.exe));
		oh_resource_set_new(r, "process.executable.path", process.exe);
	}
	command = slurp_proc(pid, "cmdline", &len);
	if (command != NULL && len != 0)
		oh_resource_set_new(r, "process.command", command);
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
