/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export_source.c - which process is this profile of?
 */
#include "tools/export_source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/mem.h"
#include "tools/print.h"

/* Processes that are kept; when there are more, the one unused for longest goes. */
#define KEPT_MAX 4096
/* A clock may be set, and a tick is 10 ms: how much later than its profile says may a process
 * start? */
#define SLACK_MS 2000

struct known {
	pid_t pid;
	uint64_t starttime;
	uint64_t used;                /* when, by oh_sources.turn */
	struct oh_resource *resource; /* what /proc tells; never NULL */
	char *attributes, *service;   /* its environment's; NULL = not set */
};

struct oh_sources {
	struct known *known;
	size_t count, cap;
	uint64_t turn;
	char *service;
	const char *cmd;
	char wrong[200];         /* "" = nothing to be told */
	struct oh_resource *now; /* the one that was given out */
	char root[32];
};

struct oh_sources *
oh_sources_create(const char *service, const char *cmd)
{
	struct oh_sources *s = oh_xcalloc(1, sizeof(*s));

	s->service = service != NULL ? strdup(service) : NULL;
	s->cmd = cmd;
	return s;
}

static void
forget(struct known *k)
{
	oh_resource_free(k->resource);
	free(k->attributes);
	free(k->service);
}

void
oh_sources_free(struct oh_sources *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->count; i++)
		forget(&s->known[i]);
	free(s->known);
	oh_resource_free(s->now);
	free(s->service);
	free(s);
}

static struct known *
find(struct oh_sources *s, pid_t pid)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->known[i].pid == pid)
			return &s->known[i];
	return NULL;
}

/* A free entry. */
static struct known *
make_room(struct oh_sources *s)
{
	size_t oldest = 0;

	if (s->count < KEPT_MAX) {
		s->known = oh_xgrow(s->known, &s->cap, s->count + 1, sizeof(*s->known));
		return &s->known[s->count++];
	}
	for (size_t i = 1; i < s->count; i++)
		if (s->known[i].used < s->known[oldest].used)
			oldest = i;
	forget(&s->known[oldest]);
	return &s->known[oldest];
}

void
oh_sources_note(struct oh_sources *s, pid_t pid, uint64_t starttime)
{
	struct known *k = find(s, pid);
	struct oh_resource *r;

	if (k != NULL && k->starttime == starttime)
		return;
	r = oh_resource_create();
	if (!oh_resource_of_process(r, pid, starttime)) {
		oh_resource_free(r);
		return;
	}
	if (k != NULL)
		forget(k);
	else
		k = make_room(s);
	*k = (struct known){
		.pid = pid,
		.starttime = starttime,
		.used = ++s->turn,
		.resource = r,
		.attributes = oh_process_variable(pid, "OTEL_RESOURCE_ATTRIBUTES"),
		.service = oh_process_variable(pid, "OTEL_SERVICE_NAME"),
	};
}

/* ---- a process without a marker ------------------------------------------------------------ */

/* Field 22 of /proc/PID/stat, and the Unix time it means in milliseconds; 0 = there is none. */
static uint64_t
start_of(pid_t pid, int64_t *ret_ms)
{
	char path[64], line[1024];
	unsigned long long ticks = 0, boot_s = 0;
	const char *at = NULL;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fgets(line, sizeof(line), f) != NULL)
		at = strrchr(line, ')');
	(void)fclose(f);
	for (int field = 2; field < 22 && at != NULL; field++)
		at = strchr(at + 1, ' ');
	if (at == NULL || sscanf(at, " %llu", &ticks) != 1)
		return 0;
	f = fopen("/proc/stat", "re");
	while (f != NULL && boot_s == 0 && fgets(line, sizeof(line), f) != NULL)
		(void)sscanf(line, "btime %llu", &boot_s);
	if (f != NULL)
		(void)fclose(f);
	*ret_ms = (int64_t)(boot_s * 1000 + ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK));
	return ticks;
}

/* Is the program that this process runs now called as in the profile? */
static bool
runs(pid_t pid, const char *program)
{
	char link[64], exe[4096];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	n = readlink(link, exe, sizeof(exe) - 1);
	if (n <= 0)
		return false;
	exe[n] = '\0';
	if (n > 10 && strcmp(exe + n - 10, " (deleted)") == 0)
		exe[n - 10] = '\0';
	return strcmp(oh_base_name(exe), oh_base_name(program)) == 0;
}

static pid_t
pid_of(const struct oh_profile *p)
{
	const char *text = oh_profile_comment(p, "pid: ");
	unsigned long pid = text != NULL ? strtoul(text, NULL, 10) : 0;

	return pid <= INT32_MAX ? (pid_t)pid : 0;
}

/* The process that lives under the profile's pid, if it can be the one. */
static void
note_writer(struct oh_sources *s, const struct oh_profile *p, pid_t pid)
{
	const char *program = oh_profile_comment(p, "program: ");
	int64_t begun = (p->time_ns - p->duration_ns) / 1000000, start_ms;
	uint64_t starttime = start_of(pid, &start_ms);

	if (starttime != 0 && start_ms <= begun + SLACK_MS && program != NULL && runs(pid, program))
		oh_sources_note(s, pid, starttime);
}

/* Does it see another root folder than we do? */
static bool
has_other_root(pid_t pid, char path[32])
{
	struct stat ours, theirs;

	(void)snprintf(path, 32, "/proc/%d/root", (int)pid);
	return stat("/", &ours) == 0 && stat(path, &theirs) == 0 &&
	       (ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino);
}

/* A pid is used again in time: does what is known of it fit the profile? */
static bool
fits(const struct known *k, const struct oh_profile *p)
{
	const char *program = oh_profile_comment(p, "program: ");
	const struct oh_attribute *name = oh_resource_get(k->resource, "process.executable.name");

	return program == NULL || name == NULL || name->text == NULL ||
	       strcmp(oh_base_name(program), name->text) == 0;
}

static void
copy(struct oh_resource *to, const struct oh_resource *from)
{
	for (size_t i = 0; i < from->count; i++) {
		const struct oh_attribute *a = &from->items[i];

		if (a->text != NULL)
			oh_resource_set(to, a->key, a->text);
		else
			oh_resource_set_num(to, a->key, a->num);
	}
}

const struct oh_resource *
oh_sources_find(struct oh_sources *s, const struct oh_profile *p, const char **ret_root)
{
	const char *attributes = getenv("OTEL_RESOURCE_ATTRIBUTES");
	const char *service = getenv("OTEL_SERVICE_NAME");
	const char *said;
	struct oh_resource *r = oh_resource_create();
	pid_t pid = pid_of(p);
	struct oh_error err = { "" };
	int64_t start_ms;
	struct known *k;

	s->root[0] = '\0';
	if (pid > 0)
		note_writer(s, p, pid);
	k = pid > 0 ? find(s, pid) : NULL;
	if (k != NULL && fits(k, p)) {
		k->used = ++s->turn;
		copy(r, k->resource);
		attributes = k->attributes;
		service = k->service;
		if (start_of(pid, &start_ms) != k->starttime || !has_other_root(pid, s->root))
			s->root[0] = '\0';
	} else if (pid > 0) {
		oh_resource_of_host(r); /* we are on the same one, as far as is known */
	}
	/* What the program had when it wrote this is known for sure only by the profile. */
	if ((said = oh_profile_comment(p, "OTEL_RESOURCE_ATTRIBUTES=")) != NULL)
		attributes = said;
	if ((said = oh_profile_comment(p, "OTEL_SERVICE_NAME=")) != NULL)
		service = said;
	oh_resource_of_profile(r, p);
	if (!oh_resource_of_settings(
		r, attributes, s->service != NULL ? s->service : service, &err) &&
	    s->wrong[0] == '\0') {
		(void)snprintf(s->wrong, sizeof(s->wrong),
		    "OTEL_RESOURCE_ATTRIBUTES: %.140s; it is ignored", err.text);
		(void)fprintf(stderr, "otheap: %s: %s\n", s->cmd, s->wrong);
	}
	oh_resource_complete(r);
	oh_resource_free(s->now);
	s->now = r;
	*ret_root = s->root;
	return r;
}

const char *
oh_sources_wrong(const struct oh_sources *s)
{
	return s->wrong;
}
