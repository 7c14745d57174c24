/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_state.c - what an agent has done so far.
 */
#include "tools/agent_state.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tools/print.h"

#define STATE_FILE "agent.state"
#define STATE_MAX 8192

/* The names in the file; what is not here is not in it. */
static const struct number {
	const char *name;
	size_t at;
	bool of_spool; /* goes on with the next agent */
} numbers[] = {
#define N(field, of_spool) \
	{ \
#field, offsetof(struct oh_agent_state, field), of_spool \
	}
	N(taken, true),
	N(sent, true),
	N(empty, true),
	N(refused, true),
	N(damaged, true),
	N(partial, true),
	N(lost_size, true),
	N(lost_age, true),
	N(lost_bytes, true),
	N(requests, true),
	N(retried, true),
	N(sent_bytes, true),
	N(last_sent_s, true),
	N(pid, false),
	N(started_s, false),
	N(updated_s, false),
	N(spooled, false),
	N(spooled_bytes, false),
	N(programs, false),
	N(memory, false),
	N(memory_peak, false),
	N(cpu_ms, false),
	N(next_s, false),
#undef N
};

static const struct text {
	const char *name;
	size_t at, size;
} texts[] = {
#define T(field) \
	{ \
#field, offsetof(struct oh_agent_state, field), \
		    sizeof(((struct oh_agent_state *)0)->field) \
	}
	T(endpoint),
	T(protocol),
	T(trouble),
#undef T
};

static void
load_line(struct oh_agent_state *st, char *line)
{
	char *value = strstr(line, ": ");

	if (value == NULL)
		return;
	*value = '\0';
	value += 2;
	for (size_t i = 0; i < OH_ARRAY_LEN(numbers); i++)
		if (strcmp(line, numbers[i].name) == 0) {
			uint64_t v = strtoull(value, NULL, 10);

			memcpy((char *)st + numbers[i].at, &v, sizeof(v));
		}
	for (size_t i = 0; i < OH_ARRAY_LEN(texts); i++)
		if (strcmp(line, texts[i].name) == 0)
			(void)snprintf((char *)st + texts[i].at, texts[i].size, "%s", value);
}

void
oh_agent_state_load(struct oh_agent_state *st, const struct oh_spool *s)
{
	int fd = openat(s->dir, STATE_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[STATE_MAX], *save = NULL;
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

	memset(st, 0, sizeof(*st));
	if (fd >= 0)
		(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		load_line(st, line);
}

void
oh_agent_state_save(struct oh_agent_state *st, const struct oh_spool *s)
{
	char text[STATE_MAX];
	size_t len = 0;
	bool good;
	int fd;

	st->updated_s = (int64_t)time(NULL);
	oh_agent_state_measure(st);
	for (size_t i = 0; i < OH_ARRAY_LEN(numbers); i++) {
		uint64_t v;

		memcpy(&v, (const char *)st + numbers[i].at, sizeof(v));
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "%s: %" PRIu64 "\n", numbers[i].name, v);
	}
	for (size_t i = 0; i < OH_ARRAY_LEN(texts); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s: %s\n", texts[i].name,
		    (const char *)st + texts[i].at);
	fd = openat(s->dir, ".agent.state.tmp",
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	good = write(fd, text, len) == (ssize_t)len;
	good = close(fd) == 0 && good;
	if (good)
		(void)renameat(s->dir, ".agent.state.tmp", s->dir, STATE_FILE);
	else
		(void)unlinkat(s->dir, ".agent.state.tmp", 0);
}

void
oh_agent_state_measure(struct oh_agent_state *st)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;
	struct rusage u;

	if (f != NULL) {
		if (fscanf(f, "%*u %llu", &pages) != 1)
			pages = 0;
		(void)fclose(f);
	}
	st->memory = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
	if (getrusage(RUSAGE_SELF, &u) == 0) {
		st->memory_peak = (uint64_t)u.ru_maxrss * 1024;
		st->cpu_ms = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
			     (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
	}
}

static void
print_time(FILE *to, const char *name, int64_t s)
{
	char text[64] = "never";
	time_t t = (time_t)s;
	struct tm tm;

	if (s != 0 && localtime_r(&t, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm);
	(void)fprintf(to, "%-10s %s\n", name, text);
}

static const char *
bytes(char buf[OH_VALUE_MAX], uint64_t n)
{
	return oh_format_value(buf, n, "bytes", OH_BYTES_AUTO);
}

void
oh_agent_state_print(const struct oh_agent_state *st, bool running, FILE *to)
{
	char a[OH_VALUE_MAX], b[OH_VALUE_MAX];

	if (running)
		(void)fprintf(to, "%-10s running, pid %" PRId64 "\n", "Agent", st->pid);
	else
		(void)fprintf(to, "%-10s not running\n", "Agent");
	(void)fprintf(to, "%-10s ", "Endpoint");
	oh_print_clean(to, st->endpoint[0] != '\0' ? st->endpoint : "not known yet");
	(void)fprintf(to, "%s%s\n", st->protocol[0] != '\0' ? ", " : "", st->protocol);
	(void)fprintf(to, "%-10s %" PRIu64 "\n", "Taken", st->taken);
	(void)fprintf(to,
	    "%-10s %" PRIu64 " in %" PRIu64 " requests, %s; %" PRIu64 " more had nothing new\n",
	    "Sent", st->sent, st->requests, bytes(a, st->sent_bytes), st->empty);
	(void)fprintf(
	    to, "%-10s %" PRIu64 ", %s\n", "Spooled", st->spooled, bytes(a, st->spooled_bytes));
	(void)fprintf(to, "%-10s %" PRIu64 " times\n", "Retried", st->retried);
	(void)fprintf(to,
	    "%-10s %" PRIu64 " by the collector, %" PRIu64 " damaged; %" PRIu64
	    " rejected within requests that it took\n",
	    "Refused", st->refused, st->damaged, st->partial);
	(void)fprintf(to, "%-10s %" PRIu64 " for the size of the spool, %" PRIu64 " for age; %s\n",
	    "Lost", st->lost_size, st->lost_age, bytes(a, st->lost_bytes));
	(void)fprintf(to, "%-10s %" PRIu64 " running\n", "Programs", st->programs);
	(void)fprintf(to, "%-10s %s, at most %s; CPU %.2f s\n", "Itself", bytes(a, st->memory),
	    bytes(b, st->memory_peak), (double)st->cpu_ms / 1000);
	print_time(to, "Last sent", st->last_sent_s);
	print_time(to, "As of", st->updated_s);
	(void)fprintf(to, "%-10s ", "Trouble");
	oh_print_clean(to, st->trouble[0] != '\0' ? st->trouble : "none");
	(void)fputc('\n', to);
}
