/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.c - the loop of the agent: look, build a request, send it, look again.
 *
 * At any time there is at most one request, which is kept until it has been
 * answered for good; only then its files change their place in the spool.  So
 * the agent may end at any moment (spool.h says why).
 *
 * alloc_* of a profile are sent as difference to the profile before of the
 * same program: the one before it in the same request, else the one under
 * sent/.  What is refused or lost is no predecessor, so its allocations come
 * with the next profile.
 */
#include "tools/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "tools/agent_metrics.h"
#include "tools/agent_state.h"
#include "tools/export.h"
#include "tools/export_batch.h"
#include "tools/print.h"
#include "tools/spool_own.h"
#include "tools/spool_user.h"

#define LOOK_PROCESSES_MS 500 /* for the end of programs */
#define LOOK_MS 5000          /* without them; new files tell by themselves */
#define SETTLE_MS 50          /* to let files come together into one request */
/* A program is given that long to write its marker after it has started us. */
#define GRACE_MS 2000
/* A profile that is not whole may still be on its way, if somebody copies it here. */
#define YOUNG_NS (INT64_C(10) * 1000000000)
#define SAVE_MS 1000
/* Of a profile, unpacked: what it may cost us is a few times that. */
#define MAX_PROFILE (UINT64_C(256) << 20)

struct agent {
	const struct oh_agent_options *o;
	struct oh_spool spool;
	struct oh_spool_losses others; /* in spools of destinations that are no more */
	struct oh_agent_state state, saved, begun;
	struct oh_export_config config, metrics_config;
	struct oh_export *export, *metrics;
	struct oh_batch *batch; /* the request that is being built or sent */

	bool ready;        /* the request is complete and has not been answered for good */
	unsigned failures; /* in a row */
	int64_t next_ms;   /* not before; 0 = now */
	size_t alone;      /* that many files go into requests of their own */
	bool refused_any, gave_up;

	size_t leaving;         /* programs that are no more, whose own files go soon */
	int64_t alone_since_ms; /* no program lives since; 0 = one does */
	int64_t stop_until_ms;  /* 0 = nobody told us to stop */
	int64_t saved_ms, metrics_next_ms;
	int64_t start_ns;
	int watch; /* inotify; -1 = none */
	struct oh_error fatal;
};

/* ---- signals -------------------------------------------------------------------------------- */

static volatile sig_atomic_t stop_signal;
static int wake_pipe[2] = { -1, -1 };

static void
on_stop(int sig)
{
	int saved_errno = errno;

	stop_signal = sig;
	(void)!write(wake_pipe[1], "", 1);
	errno = saved_errno;
}

static bool
catch_signals(struct oh_error *err)
{
	struct sigaction sa = { .sa_handler = on_stop };

	if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
		return oh_error_set(err, "%s", strerror(errno));
	(void)sigemptyset(&sa.sa_mask);
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGINT, &sa, NULL);
	sa.sa_handler = SIG_IGN; /* of a terminal that goes away */
	(void)sigaction(SIGHUP, &sa, NULL);
	return true;
}

static bool
stopping(struct agent *a)
{
	if (stop_signal != 0 && a->stop_until_ms == 0) {
		a->stop_until_ms = oh_now_ms() + a->o->flush_ms;
		a->gave_up = false; /* once more */
	}
	return a->stop_until_ms != 0;
}

static bool
must_give_up(void *arg)
{
	struct agent *a = arg;

	return stopping(a) && oh_now_ms() >= a->stop_until_ms;
}

/* ---- state ------------------------------------------------------------------------------------
 */

static void
trouble(struct agent *a, const char *what, const char *why)
{
	(void)snprintf(a->state.trouble, sizeof(a->state.trouble), "%.70s%s%.240s", what,
	    *what != '\0' ? ": " : "", why);
}

/*
 * Write the state if it has changed: at once if profiles have left the spool, which
 * nobody could count again if we were killed; else not all the time.
 */
static void
save(struct agent *a, bool now)
{
	struct oh_agent_state *st = &a->state;
	uint64_t left = st->taken - st->spooled;
	int64_t ms = oh_now_ms();

	st->spooled = a->spool.count;
	st->spooled_bytes = a->spool.bytes;
	st->programs = a->spool.markers;
	/* Every profile is in one of these places, so that the sums agree. */
	st->taken = st->sent + st->empty + st->refused + st->damaged + st->lost_size +
		    st->lost_age + st->spooled;
	st->next_s = a->next_ms > ms ? (int64_t)time(NULL) + (a->next_ms - ms + 999) / 1000 : 0;
	now = now || st->taken - st->spooled != left;
	if (!now && (ms < a->saved_ms + SAVE_MS ||
			(memcmp(st, &a->saved, sizeof(*st)) == 0 && ms < a->saved_ms + LOOK_MS)))
		return;
	oh_agent_state_save(st, &a->spool);
	a->saved = *st;
	a->saved_ms = ms;
}

/* ---- a request and its answer -----------------------------------------------------------------
 */

static bool
refused_file(struct agent *a, const char *name, bool good)
{
	a->refused_any = true;
	return good || oh_error_set(&a->fatal, "%s/%s: cannot be moved or removed: %s",
			   a->spool.path, name, strerror(errno));
}

/*
 * Put a file into the request.  False: it is full, or see a->fatal.  *moved is
 * set if a file was done with, so that it is worth looking again.
 */
static bool
take_in(struct agent *a, const char *name, int64_t time_ns, bool *moved)
{
	struct oh_error err = { "" };
	enum oh_batched rc = oh_batch_add(a->batch, &a->spool, name, &err);

	if (rc == OH_BATCH_GONE && err.text[0] != '\0' && errno != ENOENT)
		trouble(a, name, err.text);
	if (rc != OH_BATCH_BAD)
		return rc != OH_BATCH_FULL;
	if (time_ns > oh_spool_now_ns() - YOUNG_NS && !stopping(a) && !a->o->once)
		return true;
	trouble(a, name, err.text);
	a->state.damaged++;
	*moved = true;
	return refused_file(a, name, oh_batch_refuse_bad(a->batch, name, &a->spool));
}

/*
 * Put the oldest files into a request, first what is left of one.  True if
 * there is one to send, or if files were done with without one, so that it is
 * worth looking again.
 */
static bool
build(struct agent *a)
{
	size_t most = a->alone > 0 ? 1 : SIZE_MAX;
	char *part = oh_batch_part(a->batch) != NULL ? strdup(oh_batch_part(a->batch)) : NULL;
	bool moved = false, room = true;

	oh_batch_reset(a->batch);
	if (part != NULL)
		room = take_in(a, part, 0, &moved);
	for (size_t i = 0; i < a->spool.count && room && oh_batch_files(a->batch) < most; i++)
		if (part == NULL || strcmp(part, a->spool.files[i].name) != 0)
			room =
			    take_in(a, a->spool.files[i].name, a->spool.files[i].time_ns, &moved);
	free(part);
	if (a->state.trouble[0] == '\0')
		trouble(a, "", oh_batch_wrong(a->batch));
	if (a->fatal.text[0] != '\0')
		return false;
	if (oh_batch_files(a->batch) == 0)
		return moved;
	if (oh_batch_is_empty(a->batch)) { /* nothing new in any of them */
		for (size_t i = 0; i < oh_batch_count(a->batch); i++) {
			if (!oh_batch_done(a->batch, i, &a->spool))
				return !oh_error_set(
				    &a->fatal, "%s: %s", a->spool.path, strerror(errno));
			a->state.empty++;
		}
		return true;
	}
	a->ready = true;
	return true;
}

static bool
accepted(struct agent *a, const struct oh_answer *answer)
{
	char words[64];

	a->failures = 0;
	a->next_ms = 0;
	a->state.requests++;
	a->state.sent_bytes += oh_batch_request(a->batch)->len;
	a->state.last_sent_s = (int64_t)time(NULL);
	if (answer->rejected > 0) {
		a->state.partial += (uint64_t)answer->rejected;
		a->refused_any = true;
		(void)snprintf(words, sizeof(words), "the collector left out %" PRId64 " profiles",
		    answer->rejected);
		trouble(a, words, answer->text);
	} else if (answer->text[0] != '\0') {
		trouble(a, "the collector warns", answer->text);
	}
	for (size_t i = 0; i < oh_batch_count(a->batch); i++) {
		if (!oh_batch_done(a->batch, i, &a->spool))
			return oh_error_set(&a->fatal, "%s: %s", a->spool.path, strerror(errno));
		a->state.sent++;
		if (a->alone > 0)
			a->alone--;
	}
	return true;
}

static bool
refused(struct agent *a, const struct oh_answer *answer)
{
	size_t count = oh_batch_files(a->batch);

	a->failures = 0;
	a->next_ms = 0;
	trouble(a, "refused", answer->text);
	oh_batch_forget_part(a->batch);
	/* Which of them is it?  A request of its own for each will tell. */
	if (answer->smaller && count > 1) {
		a->alone = count;
		return true;
	}
	for (size_t i = 0; i < count; i++) {
		if (!refused_file(
			a, oh_batch_name(a->batch, i), oh_batch_refuse(a->batch, i, &a->spool)))
			return false;
		a->state.refused++;
		if (a->alone > 0)
			a->alone--;
	}
	return true;
}

/* Send what is ready, once.  False: see a->fatal. */
static bool
send_one(struct agent *a)
{
	struct oh_answer answer;
	uint64_t random = 0;
	bool good = true;

	oh_batch_send(a->batch, a->export, &answer);
	switch (answer.verdict) {
	case OH_SENT:
		a->ready = false;
		good = accepted(a, &answer);
		break;
	case OH_REFUSED:
		a->ready = false;
		good = refused(a, &answer);
		break;
	case OH_LATER:
		a->failures++;
		a->state.retried++;
		a->gave_up = true;
		trouble(a, "", answer.text);
		(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
		a->next_ms = oh_now_ms() + oh_retry_wait_ms(a->failures, a->o->retry_first_ms,
					       a->o->retry_most_ms, answer.after_ms, random);
		break;
	}
	if (!a->ready) {
		oh_batch_release(a->batch);
		(void)malloc_trim(0);
	}
	return good;
}

/* ---- metrics of our own
 * --------------------------------------------------------------------------- */

static void
send_metrics(struct agent *a, bool last)
{
	struct oh_answer answer;
	struct oh_request r;
	struct oh_error err = { "" };
	struct iovec piece;
	int64_t ms = oh_now_ms();

	if (a->metrics == NULL || (!last && ms < a->metrics_next_ms))
		return;
	a->metrics_next_ms = ms + a->o->metrics_ms;
	oh_agent_state_measure(&a->state);
	piece.iov_base =
	    oh_agent_metrics(&a->state, &a->begun, a->start_ns, oh_spool_now_ns(), &piece.iov_len);
	if (oh_request_pack(a->metrics, &piece, 1, &r, &err)) {
		oh_export_send(a->metrics, &r, NULL, &answer);
		if (answer.verdict != OH_SENT)
			trouble(a, "metrics", answer.text);
	}
	oh_request_free(&r);
	free(piece.iov_base);
}

/* ---- wait
 * ------------------------------------------------------------------------------------------- */

/* Is any of these events news?  Our own files change all the time. */
static bool
is_news(int fd)
{
	char buf[4096] __attribute__((aligned(8)));
	bool news = false;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const void *)(buf + at);

			news = news || e->len == 0 || oh_spool_is_profile(e->name);
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	return news;
}

static void
wait_for_news(struct agent *a)
{
	int64_t now = oh_now_ms();
	int64_t until = now + (a->o->with_processes ? LOOK_PROCESSES_MS : LOOK_MS);
	struct pollfd fds[2] = { { .fd = wake_pipe[0], .events = POLLIN },
		{ .fd = a->watch, .events = POLLIN } };

	if (a->next_ms > now && a->next_ms < until)
		until = a->next_ms;
	if (a->watch < 0 && until > now + LOOK_PROCESSES_MS)
		until = now + LOOK_PROCESSES_MS;
	while (stop_signal == 0 && (now = oh_now_ms()) < until) {
		if (poll(fds, a->watch >= 0 ? 2 : 1, (int)(until - now)) > 0 &&
		    (fds[0].revents != 0 || (fds[1].revents != 0 && is_news(a->watch)))) {
			if (stop_signal == 0)
				(void)poll(fds, 1, SETTLE_MS);
			break;
		}
	}
}

/* ---- the loop
 * ----------------------------------------------------------------------------------------- */

static void
look(struct agent *a)
{
	struct oh_spool_losses losses = a->others;

	a->others = (struct oh_spool_losses){ 0 };
	oh_spool_scan(&a->spool, oh_batch_note, a->batch);
	a->leaving = oh_spool_sweep(&a->spool);
	a->spool.held = a->ready ? oh_batch_files(a->batch) : 0;
	oh_spool_trim(&a->spool, &a->o->limits, &losses);
	a->state.lost_size += losses.by_size;
	a->state.lost_age += losses.by_age;
	a->state.lost_bytes += losses.bytes;
	if (losses.by_size + losses.by_age > 0)
		trouble(a, "spool", "profiles were removed to keep its limits");
	if (a->spool.markers > 0)
		a->alone_since_ms = 0;
	else if (a->alone_since_ms == 0)
		a->alone_since_ms = oh_now_ms();
}

/* Have all programs ended, and is all done or has it been tried long enough? */
static bool
may_end(const struct agent *a)
{
	int64_t alone_ms = oh_now_ms() - a->alone_since_ms;

	if (!a->o->with_processes || a->alone_since_ms == 0)
		return false;
	return a->leaving == 0 && alone_ms >= (a->spool.count == 0 ? GRACE_MS : a->o->linger_ms);
}

/*
 * Leave, unless somebody has come meanwhile who saw our lock and relies on us.
 * True if we are not the agent any more.
 */
static bool
left(struct agent *a)
{
	size_t before = a->spool.count;

	save(a, true);
	oh_spool_unlock(&a->spool);
	oh_spool_scan(&a->spool, NULL, NULL);
	if (a->spool.markers == 0 && a->spool.count <= before)
		return true;
	return oh_spool_lock(&a->spool, &a->fatal) != 1;
}

/* False: an error, in a->fatal. */
static bool
loop(struct agent *a)
{
	for (;;) {
		bool last = stopping(a) || a->o->once;

		look(a);
		save(a, false);
		send_metrics(a, false);
		if (a->gave_up && last)
			return true;
		if (must_give_up(a))
			return true;
		if ((a->ready || a->spool.count > 0 || oh_batch_part(a->batch) != NULL) &&
		    (a->next_ms <= oh_now_ms() || stopping(a))) {
			a->gave_up = false;
			if (a->ready || build(a)) {
				if (a->ready && !send_one(a))
					return false;
				continue;
			}
			if (a->fatal.text[0] != '\0')
				return false;
		}
		if (last)
			return true;
		if (may_end(a) && left(a))
			return a->fatal.text[0] == '\0';
		wait_for_news(a);
	}
}

static bool
set_up(struct agent *a)
{
	const struct oh_agent_options *o = a->o;
	struct oh_batch_options lo = { .service = o->service,
		.no_symbols = o->no_symbols,
		.max_request = o->max_request,
		.max_profile = MAX_PROFILE,
		.cmd = "agent" };

	if (!oh_export_config_read(&a->config, "agent", OH_EXPORT_PROFILES, &o->wish, &a->fatal))
		return false;
	(void)snprintf(a->state.endpoint, sizeof(a->state.endpoint), "%s", a->config.shown);
	(void)snprintf(a->state.protocol, sizeof(a->state.protocol), "%s",
	    oh_export_protocol_name(a->config.protocol));
	/* Where the library started us, standard error leads nowhere. */
	if (a->config.warning[0] != '\0')
		trouble(a, "", a->config.warning);
	a->export = oh_export_new(&a->config, &a->fatal);
	if (a->export == NULL)
		return false;
	oh_export_limit(a->export, must_give_up, a);
	if (o->metrics_ms > 0) {
		if (a->config.protocol == OH_EXPORT_PYROSCOPE)
			return oh_error_set(
			    &a->fatal, "--metrics: Pyroscope takes none; use it with OTLP");
		if (!oh_export_config_read(
			&a->metrics_config, "agent", OH_EXPORT_METRICS, &o->wish, &a->fatal))
			return false;
		a->metrics = oh_export_new(&a->metrics_config, &a->fatal);
		if (a->metrics == NULL)
			return false;
		oh_export_limit(a->metrics, must_give_up, a);
	}
	a->batch = oh_batch_create(&a->config, &lo);
	a->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (a->watch >= 0 &&
	    inotify_add_watch(a->watch, a->spool.path, IN_MOVED_TO | IN_CLOSE_WRITE) < 0) {
		(void)close(a->watch);
		a->watch = -1;
	}
	/* Of a program that started us: its folder may be on something to be unmounted. */
	if (o->with_processes && chdir("/") != 0)
		return oh_error_set(&a->fatal, "/: %s", strerror(errno));
	return catch_signals(&a->fatal);
}

int
oh_agent_run(const struct oh_agent_options *o)
{
	struct agent a = { .o = o, .watch = -1, .start_ns = oh_spool_now_ns() };
	int rc = OH_EXIT_BAD, locked = -1;

	if (oh_spool_open(&a.spool, o->folder, true, &a.fatal))
		locked = oh_spool_lock(&a.spool, &a.fatal);
	if (locked == 0)
		rc = OH_EXIT_OK;
	if (locked == 1) {
		oh_agent_state_load(&a.state, &a.spool);
		a.state.pid = getpid();
		a.state.started_s = (int64_t)time(NULL);
		a.state.trouble[0] = '\0';
		a.begun = a.state;
		if (o->with_processes)
			oh_spools_sweep(a.spool.path, o->limits.max_age_ns, &a.others);
		if (set_up(&a) && loop(&a)) {
			send_metrics(&a, true);
			oh_spool_scan(&a.spool, NULL, NULL);
			rc = o->once && (a.refused_any || a.spool.count > 0) ? OH_EXIT_FINDINGS
									     : OH_EXIT_OK;
			if (o->once && rc != OH_EXIT_OK) {
				(void)fprintf(stderr, "otheap: agent: %s: %zu left, ", a.spool.path,
				    a.spool.count);
				oh_print_clean(stderr,
				    a.state.trouble[0] != '\0' ? a.state.trouble : "see --status");
				(void)fputc('\n', stderr);
			}
		} else {
			trouble(&a, "", a.fatal.text);
		}
		if (a.spool.lock >= 0)
			save(&a, true);
	}
	if (a.fatal.text[0] != '\0')
		(void)fprintf(stderr, "otheap: agent: %s\n", a.fatal.text);
	oh_batch_free(a.batch);
	oh_export_free(a.export);
	oh_export_free(a.metrics);
	oh_export_config_free(&a.config);
	oh_export_config_free(&a.metrics_config);
	if (a.watch >= 0)
		(void)close(a.watch);
	oh_spool_close(&a.spool);
	return rc;
}

int
oh_agent_status(const char *folder)
{
	struct oh_error err = { "" };
	struct oh_agent_state st;
	struct oh_spool s;
	bool running;

	if (!oh_spool_open(&s, folder, false, &err)) {
		(void)fprintf(stderr, "otheap: agent: %s\n", err.text);
		oh_spool_close(&s);
		return OH_EXIT_BAD;
	}
	running = oh_spool_is_locked(&s);
	oh_agent_state_load(&st, &s);
	if (!running) { /* what is there may have changed since */
		oh_spool_scan(&s, NULL, NULL);
		st.taken += s.count - st.spooled;
		st.spooled = s.count;
		st.spooled_bytes = s.bytes;
		st.programs = s.markers;
	}
	oh_agent_state_print(&st, running, stdout);
	oh_spool_close(&s);
	return OH_EXIT_OK;
}
