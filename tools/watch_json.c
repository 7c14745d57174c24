/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_json.c - a look at a running program as one line of JSON.
 *
 * Numbers are raw; what is not known yet is null; next to an estimate stands
 * its standard error.
 */
#include "tools/watch.h"

#include <math.h>
#include <time.h>

#include "tools/escape.h"

static void
put_number(FILE *to, double v)
{
	if (fabs(v) < 0x1p53 && v == floor(v))
		(void)fprintf(to, "%.0f", v);
	else
		(void)fprintf(to, "%.9g", v);
}

/* key: value * factor; null where there is no factor yet. */
static void
put_scaled(FILE *to, const char *key, double v, double factor)
{
	(void)fprintf(to, ", \"%s\": ", key);
	if (factor > 0)
		put_number(to, v * factor);
	else
		(void)fputs("null", to);
}

static void
put_integer(FILE *to, const char *key, uint64_t v)
{
	(void)fprintf(to, ", \"%s\": %llu", key, (unsigned long long)v);
}

static void
put_text(FILE *to, const char *key, const char *s)
{
	(void)fprintf(to, ", \"%s\": ", key);
	oh_put_json(to, s);
}

static void
put_values(FILE *to, const struct oh_watch *w, const struct oh_watch_values *v)
{
	double per_min = w->growth_s > 0 ? 60 / w->growth_s : 0;
	double per_s = w->rate_s > 0 ? 1 / w->rate_s : 0;

	(void)fputs("\"live_bytes\": ", to);
	put_number(to, v->live_bytes);
	put_scaled(to, "live_bytes_stderr", sqrt(v->live_variance), 1);
	put_scaled(to, "live_blocks", v->blocks, 1);
	put_scaled(to, "growth_bytes_per_min", v->grown_bytes, per_min);
	put_scaled(to, "growth_bytes_per_min_stderr", sqrt(v->grown_variance), per_min);
	put_scaled(to, "alloc_bytes_per_s", v->alloc_bytes, per_s);
	put_scaled(to, "alloc_bytes_per_s_stderr", sqrt(v->alloc_variance), per_s);
	put_scaled(to, "alloc_blocks_per_s", v->alloc_blocks, per_s);
}

static void
put_frames(FILE *to, const struct oh_watch *w, uint32_t stack)
{
	const struct oh_watch_stack *s = &w->stacks[stack];
	struct oh_watch_place p;
	bool first = true;

	(void)fputs(", \"frames\": [", to);
	for (uint32_t f = 0; f < s->frame_count; f++) {
		uint32_t l = w->p->frames[s->frame_at + f];

		for (uint32_t i = f == 0 ? s->first_line : 0; oh_watch_place(w, l, i, &p); i++) {
			(void)fputs(first ? "{\"function\": " : ", {\"function\": ", to);
			first = false;
			oh_put_json(to, p.name);
			put_text(to, "file", p.file);
			put_integer(to, "line", p.line);
			put_text(to, "module", p.module);
			(void)putc('}', to);
		}
	}
	(void)putc(']', to);
}

static void
put_head(FILE *to, const struct oh_watch_look *l, const struct oh_watch *w)
{
	static const char *const names[OH_DROP_COUNT] = {
#define X(id, name, text) name,
		OH_DROP_LIST(X)
#undef X
	};
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)fprintf(to, "{\"time_ns\": %lld%09ld", (long long)now.tv_sec, now.tv_nsec);
	put_text(to, "program", l->program);
	put_integer(to, "pid", (uint64_t)l->pid);
	put_integer(
	    to, "duration_ns", (uint64_t)(w->time_ns > w->start_ns ? w->time_ns - w->start_ns : 0));
	put_integer(to, "period", w->interval_bytes);
	(void)fprintf(to, ", \"recording\": %s", w->stopped ? "false" : "true");
	put_integer(to, "samples", w->samples);
	put_integer(to, "samples_live", w->samples_live);
	put_integer(to, "own_memory_bytes", w->own_bytes);
	put_integer(to, "threads", w->threads);
	put_integer(to, "threads_unsure", w->threads_unsure);
	(void)fputs(", \"dropped\": {", to);
	for (unsigned i = 0, n = 0; i < OH_DROP_COUNT; i++)
		if (w->drops[i] != 0)
			(void)fprintf(to, "%s\"%s\": %llu", n++ > 0 ? ", " : "", names[i],
			    (unsigned long long)w->drops[i]);
	(void)putc('}', to);
	put_integer(to, "not_understood", w->skipped);
	put_integer(to, "total_alloc_bytes", w->total_bytes);
	put_integer(to, "total_alloc_calls", w->total_calls);
	put_scaled(to, "total_alloc_bytes_per_s", w->total_bytes_rate, w->rate_s > 0 ? 1 : 0);
	put_scaled(to, "total_alloc_calls_per_s", w->total_calls_rate, w->rate_s > 0 ? 1 : 0);
	put_scaled(to, "growth_window_s", w->growth_s, w->growth_s > 0 ? 1 : 0);
	put_scaled(to, "rate_window_s", w->rate_s, w->rate_s > 0 ? 1 : 0);
	put_text(to, "view", l->view == OH_WATCH_STACKS ? "stacks" : "functions");
	put_text(to, "sort", oh_watch_sort_names[l->sort]);
	(void)fprintf(to, ", \"cum\": %s", l->cum ? "true" : "false");
	put_text(to, "filter", l->filter);
}

void
oh_watch_put_json(FILE *to, const struct oh_watch_look *l, const struct oh_watch *w, size_t rows)
{
	put_head(to, l, w);
	(void)fputs(", \"all\": {", to);
	put_values(to, w, &w->sum);
	(void)putc('}', to);
	put_integer(to, "row_count", l->count);
	(void)fputs(", \"rows\": [", to);
	for (size_t i = 0; i < l->count && i < rows; i++) {
		const struct oh_watch_row *row = &w->rows[l->view][l->order[i]];

		(void)fputs(i > 0 ? ", {" : "{", to);
		put_values(to, w, oh_watch_row_values(l, row));
		if (l->view == OH_WATCH_STACKS) {
			put_frames(to, w, l->order[i]);
		} else {
			put_text(to, "function", oh_profile_string(w->p, row->name));
			put_text(to, "file", oh_profile_string(w->p, row->file));
			put_integer(to, "line", row->line);
			put_text(to, "module", oh_profile_string(w->p, row->module));
		}
		(void)putc('}', to);
	}
	(void)fputs("]}\n", to);
}
