/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_chart.c - the timeline of a report.
 *
 * Lines and areas are in an SVG picture that is stretched to the width there is;
 * words would be stretched with it, so they stand beside it, placed in percent.
 */
#include "tools/report.h"

#include <math.h>
#include <string.h>

#include "tools/print.h"

#define WIDTH 1000.0
#define HEIGHT 240.0
#define DOTS_MAX 300 /* more would be one thick line */
#define TICKS_MAX 6

struct chart {
	FILE *to;
	const struct oh_report *r;
	double top;  /* value at the upper edge */
	double step; /* of the grid */
	double unit; /* the step is a round number of these */
	const char *unit_name;
};

/* ---- scales ----------------------------------------------------------------------- */

/* The least of 1, 2, 5, 10, 20 ... (or 0.5, 0.2 ...) that is at least x. */
static double
round_up(double x)
{
	double power = pow(10, floor(log10(x)));
	static const double steps[] = { 1, 2, 5 };

	for (size_t i = 0; i < OH_ARRAY_LEN(steps); i++)
		if (steps[i] * power >= x * (1 - 1e-9))
			return steps[i] * power;
	return 10 * power;
}

static double
half_width(const struct oh_report_dump *d)
{
	return d->variance >= 0 ? oh_estimate_half_width(d->variance) : 0;
}

static void
scale_values(struct chart *c)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double most = 0;
	size_t i = 0;

	for (size_t k = 0; k < c->r->count; k++)
		most = fmax(most, (double)c->r->dumps[k].total + half_width(&c->r->dumps[k]));
	c->unit = 1;
	c->unit_name = "";
	if (strcmp(c->r->unit, "bytes") == 0) {
		for (; i + 1 < OH_ARRAY_LEN(names) && most >= 1024 * c->unit; i++)
			c->unit *= 1024;
		c->unit_name = names[i];
	}
	most = fmax(most, 1);
	c->step = round_up(most / c->unit / (TICKS_MAX - 1)) * c->unit;
	if (c->unit <= 1)
		c->step = fmax(c->step, 1);
	c->top = ceil(most / c->step * (1 - 1e-9)) * c->step;
}

static double
x_of(const struct chart *c, size_t i)
{
	const struct oh_report_dump *d = c->r->dumps;
	size_t n = c->r->count;

	if (c->r->timed)
		return WIDTH * ((double)d[i].time_ns - (double)d[0].time_ns) /
		       ((double)d[n - 1].time_ns - (double)d[0].time_ns);
	return WIDTH * (double)i / (double)(n - 1);
}

static double
y_of(const struct chart *c, double value)
{
	return HEIGHT - HEIGHT * fmin(fmax(value / c->top, 0), 1);
}

/* ---- the picture -------------------------------------------------------------------- */

/* The dumps [from, end) are of one process. */
static void
put_run(const struct chart *c, size_t from, size_t end)
{
	const struct oh_report_dump *d = c->r->dumps;
	bool errors = true;

	for (size_t i = from; i < end; i++)
		errors = errors && d[i].variance >= 0;
	if (errors && end - from > 1) {
		for (size_t i = from; i < end; i++)
			(void)fprintf(c->to, "%s%.1f %.1f",
			    i == from ? "<path class=\"band\" d=\"M" : "L", x_of(c, i),
			    y_of(c, (double)d[i].total + half_width(&d[i])));
		for (size_t i = end; i-- > from;)
			(void)fprintf(c->to, "L%.1f %.1f", x_of(c, i),
			    y_of(c, (double)d[i].total - half_width(&d[i])));
		(void)fputs("Z\"/>\n", c->to);
	} else if (errors) {
		(void)fprintf(c->to, "<path class=\"bar\" d=\"M%.1f %.1fV%.1f\"/>\n", x_of(c, from),
		    y_of(c, (double)d[from].total + half_width(&d[from])),
		    y_of(c, (double)d[from].total - half_width(&d[from])));
	}
	for (size_t i = from; i < end; i++)
		(void)fprintf(c->to, "%s%.1f %.1f", i == from ? "<path class=\"line\" d=\"M" : "L",
		    x_of(c, i), y_of(c, (double)d[i].total));
	(void)fputs("\"/>\n", c->to);
}

static void
put_picture(const struct chart *c)
{
	const struct oh_report_dump *d = c->r->dumps;
	size_t n = c->r->count, from = 0;
	char time[64];

	(void)fprintf(c->to,
	    "<svg viewBox=\"0 0 %.0f %.0f\" preserveAspectRatio=\"none\" role=\"img\" "
	    "aria-label=\"Timeline; the table below has its values\">\n",
	    WIDTH, HEIGHT);
	for (double v = 0; v <= c->top * (1 + 1e-9); v += c->step)
		(void)fprintf(c->to,
		    "<line class=\"grid\" x1=\"0\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/>\n", WIDTH,
		    y_of(c, v), y_of(c, v));
	for (size_t i = 1; i <= n; i++)
		if (i == n || !d[i].follows) {
			put_run(c, from, i);
			from = i;
		}
	for (size_t i = 0; i < n && n <= DOTS_MAX; i++) {
		(void)fprintf(c->to, "<path class=\"dot\" d=\"M%.1f %.1fh0\"><title>", x_of(c, i),
		    y_of(c, (double)d[i].total));
		oh_report_estimate(c->to, c->r, (double)d[i].total, d[i].variance);
		if (*oh_report_time(time, d[i].time_ns) != '\0')
			(void)fprintf(c->to, "\n%s", time);
		(void)fputs("</title></path>\n", c->to);
	}
	(void)fputs("</svg>\n", c->to);
}

/* ---- words beside it ------------------------------------------------------------------ */

static void
put_y(const struct chart *c)
{
	(void)fputs("<div class=\"y\" aria-hidden=\"true\">", c->to);
	for (double v = 0; v <= c->top * (1 + 1e-9); v += c->step)
		(void)fprintf(c->to, "<span style=\"top:%.2f%%\">%.6g%s%s</span>",
		    100 * y_of(c, v) / HEIGHT, v / c->unit, v > 0 && *c->unit_name ? " " : "",
		    v > 0 ? c->unit_name : "");
	(void)fputs("</div>\n", c->to);
}

static void
put_x_label(const struct chart *c, double percent, const char *text)
{
	(void)fprintf(c->to, "<span%s style=\"left:%.2f%%\">%s</span>",
	    percent < 4    ? " class=\"start\""
	    : percent > 94 ? " class=\"end\""
			   : "",
	    percent, text);
}

/* Marks of time since the first dump, at round distances. */
static void
put_times(const struct chart *c)
{
	static const struct {
		double seconds;
		const char *name;
	} units[] = { { 1e-3, "ms" }, { 1, "s" }, { 60, "min" }, { 3600, "h" }, { 86400, "d" } };
	static const double round_60[] = { 1, 2, 5, 10, 15, 30 }, round_h[] = { 1, 2, 3, 6, 12 };
	double whole =
	    ((double)c->r->dumps[c->r->count - 1].time_ns - (double)c->r->dumps[0].time_ns) / 1e9;
	double least = whole / (TICKS_MAX - 1), step = 0;
	size_t u = 0;
	char text[64];

	while (u + 1 < OH_ARRAY_LEN(units) && least > units[u + 1].seconds / 2)
		u++;
	if (u == 1 || u == 2)
		for (size_t i = 0; i < OH_ARRAY_LEN(round_60) && step < least; i++)
			step = round_60[i] * units[u].seconds;
	else if (u == 3)
		for (size_t i = 0; i < OH_ARRAY_LEN(round_h) && step < least; i++)
			step = round_h[i] * units[u].seconds;
	if (step < least)
		step = round_up(least / units[u].seconds) * units[u].seconds;
	for (double t = 0; t <= whole * (1 + 1e-9); t += step) {
		(void)snprintf(text, sizeof(text), "%s%.6g %s", t > 0 ? "+" : "",
		    t / units[u].seconds, units[u].name);
		put_x_label(c, 100 * t / whole, text);
	}
}

static void
put_x(const struct chart *c)
{
	char text[64];

	(void)fputs("<div class=\"x\" aria-hidden=\"true\">", c->to);
	if (c->r->timed) {
		put_times(c);
	} else {
		put_x_label(c, 0, "1st profile");
		(void)snprintf(text, sizeof(text), "%zu", c->r->count);
		put_x_label(c, 100, text);
	}
	(void)fputs("</div>\n", c->to);
}

void
oh_report_chart(FILE *to, const struct oh_report *r)
{
	struct chart c = { .to = to, .r = r };
	size_t processes = 1;
	bool errors = false;
	char time[64];

	if (r->count < 2)
		return;
	for (size_t i = 0; i < r->count; i++) {
		processes += i > 0 && !r->dumps[i].follows;
		errors = errors || r->dumps[i].variance > 0;
	}
	scale_values(&c);
	(void)fputs("<figure class=\"chart\">\n", to);
	put_y(&c);
	put_picture(&c);
	put_x(&c);
	(void)fputs("<figcaption><span><i></i>", to);
	(void)fputs(
	    strcmp(r->type_name, "inuse_space") == 0 ? "live bytes" : "the values shown", to);
	(void)fputs("</span>", to);
	if (errors)
		(void)fputs("<span><i class=\"soft\"></i>95 % interval</span>", to);
	if (r->timed)
		(void)fprintf(
		    to, "<span>time since %s</span>", oh_report_time(time, r->dumps[0].time_ns));
	else
		(void)fputs(
		    "<span>in the order of the files: their times are not known</span>", to);
	if (processes > 1)
		(void)fprintf(
		    to, "<span>a new line begins with each of %zu processes</span>", processes);
	(void)fputs("</figcaption>\n</figure>\n", to);
}
