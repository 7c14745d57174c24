/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_settings.c - the parts of a report that say how far to trust it: settings, losses.
 */
#include "tools/report.h"

#include <stddef.h>
#include <string.h>

#define COMMENTS_MOST 500

static const struct {
	const char *reason, *words;
} reasons[] = {
	{ "memory_full",
	    "samples lost because the profiler's tables were full: values are too low; "
	    "raise OTHEAP_MAX_MEMORY or the sampling interval" },
	{ "reentrant",
	    "allocations while the profiler was at work in the same thread, not counted" },
	{ "stack_truncated", "call stacks cut at the limit of frames; values are not affected" },
	{ "stack_broken",
	    "call stacks cut where no unwind rule was found; values are not affected" },
	{ "free_missed",
	    "blocks that were given back in a way the profiler does not see; until then "
	    "they were shown as in use" },
	{ "dump_failed", "profiles that could not be written" },
	{ "dump_sandboxed", "profiles not written because the program had confined itself" },
	{ "dump_coalesced", "requests for a profile that were merged; nothing is lost" },
	{ "threads_uncounted", "threads that are missing from the exact totals" },
};

static const char *
explain(const char *s)
{
	for (size_t i = 0; i < OH_ARRAY_LEN(reasons); i++) {
		size_t n = strlen(reasons[i].reason);

		if (strncmp(s, reasons[i].reason, n) == 0 && s[n] == ' ')
			return reasons[i].words;
	}
	return "";
}

static void
put_lost(FILE *to, const struct oh_report *r)
{
	static const char key[] = "dropped: ";
	const struct oh_profile *p = r->last;
	size_t n = 0;
	bool known = false;

	(void)fputs(
	    "<section id=\"lost\" aria-labelledby=\"lost-h\">\n<h2 id=\"lost-h\">What the profiler "
	    "lost</h2>\n",
	    to);
	for (size_t i = 0; i < p->comment_count; i++) {
		const char *s = oh_profile_string(p, p->comments[i]);

		if (strncmp(s, key, sizeof(key) - 1) != 0)
			continue;
		known = true;
		s += sizeof(key) - 1;
		if (strcmp(s, "none") == 0)
			continue;
		if (n++ == 0)
			(void)fputs(
			    "<div class=\"scroll\"><table class=\"data pairs\"><tbody>\n", to);
		(void)fputs("<tr><td>", to);
		oh_report_name(to, s);
		(void)fprintf(to, "</td><td>%s</td></tr>\n", explain(s));
	}
	if (n > 0)
		(void)fputs("</tbody></table></div>\n", to);
	else
		(void)fputs(known ? "<p>Nothing: every sample and every frame was kept.</p>\n"
				  : "<p class=\"note\">Not known: these profiles do not say.</p>\n",
		    to);
	(void)fputs("</section>\n", to);
}

void
oh_report_settings(FILE *to, const struct oh_report *r)
{
	const struct oh_profile *p = r->last;
	char time[64], name[40];

	(void)fputs(
	    "<section id=\"settings\" aria-labelledby=\"settings-h\">\n<h2 id=\"settings-h\">"
	    "Settings</h2>\n<p class=\"note\">What the last profile says of itself.</p>\n"
	    "<div class=\"scroll\"><table class=\"data pairs\"><tbody>\n<tr><td>file</td><td>",
	    to);
	oh_report_name(to, r->dumps[r->count - 1].file);
	(void)fprintf(to, "</td></tr>\n<tr><td>taken</td><td>%s",
	    *oh_report_time(time, p->time_ns) ? time : "not known");
	if (p->duration_ns > 0) {
		(void)fputs(", ", to);
		oh_report_duration(to, (double)p->duration_ns);
		(void)fputs(" after the start", to);
	}
	(void)fputs("</td></tr>\n<tr><td>shown</td><td>", to);
	oh_report_name(to, r->type_name);
	if (r->a->focus != NULL || r->a->ignore != NULL) {
		(void)fputs(", only a part of the samples", to);
		if (r->a->focus != NULL) {
			(void)fputs("; with ", to);
			oh_report_name(to, r->a->focus);
		}
		if (r->a->ignore != NULL) {
			(void)fputs("; without ", to);
			oh_report_name(to, r->a->ignore);
		}
	}
	(void)fputs("</td></tr>\n", to);
	for (size_t i = 0; i < p->comment_count && i < COMMENTS_MOST; i++) {
		const char *s = oh_profile_string(p, p->comments[i]), *value = strstr(s, ": ");

		if (strncmp(s, "dropped: ", 9) == 0)
			continue;
		(void)fputs("<tr><td>", to);
		if (value != NULL && value - s < (ptrdiff_t)sizeof(name)) {
			(void)snprintf(name, sizeof(name), "%.*s", (int)(value - s), s);
			oh_report_name(to, name);
			(void)fputs("</td><td><span class=\"clamp\">", to);
			oh_report_name(to, value + 2);
			(void)fputs("</span>", to);
		} else {
			(void)fputs("written by</td><td>", to);
			oh_report_name(to, s);
		}
		(void)fputs("</td></tr>\n", to);
	}
	(void)fputs("</tbody></table></div>\n</section>\n", to);
	put_lost(to, r);
}
