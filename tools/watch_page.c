/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_page.c - the live view on a terminal: a page, and what its keys do.
 *
 * Shape	head, then a table with one row selected, or the call stacks of that
 *	row, or help; the last line says which keys there are, asks for the
 *	filter, or says what happened.
 */
#include "tools/watch_page.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/screen.h"

#define EVERY_LEAST_S 0.1
#define EVERY_MOST_S 3600.0

enum page { TABLE, DETAIL, HELP };

struct view {
	struct oh_watch_look *l;
	struct oh_watch *w;
	struct oh_watch_source *source;
	enum page page;
	bool frozen, typing, quit;
	bool over; /* no more looks: `result` says why */
	enum oh_tables_result result;
	char typed[sizeof(((struct oh_watch_look *)0)->filter)];
	char message[300];
	uint32_t row;    /* selected, as a row of the view */
	size_t selected; /* its place in the order */
	size_t first;    /* first row, or line of DETAIL and HELP, on the page */
	size_t fit;      /* how many of them the page holds */
	size_t lines;    /* of DETAIL and HELP */
};

static const char keys[] =
    "Keys\n"
    "\n"
    "  up, down, k, j     select a row          PgUp, PgDn, Home, End  move by pages\n"
    "  Enter              its call stacks       Esc, Backspace         back\n"
    "  l  g  r  b         sort by live bytes, growth, allocation rate, live blocks\n"
    "  s                  sort by the next of these\n"
    "  t                  functions, or whole call stacks\n"
    "  c                  by itself, or with everything it calls (functions)\n"
    "  /                  filter by a regular expression; an empty one shows all again\n"
    "  p, space           freeze, and go on\n"
    "  + -                look twice or half as often\n"
    "  h, ?               this text            q  quit\n"
    "\n"
    "growth/min: bytes more than at the start of the window, for a minute of it.\n"
    "alloc/s, calls/s: allocated since about 10 seconds ago, whether freed or not.\n"
    "+-: half of the 95 % interval, where not every allocation is sampled.\n"
    "A row in colour has grown by more than that.\n";

/* ---- drawing ------------------------------------------------------------------------ */

/* Lines [skip, skip + most) of a text. */
static size_t
put_lines(const char *text, size_t skip, size_t most, enum oh_screen_look first)
{
	size_t n = 0, put = 0;

	for (const char *s = text; *s != '\0'; n++) {
		size_t len = strcspn(s, "\n");

		if (n >= skip && put < most) {
			oh_screen_line(s, len, n == 0 ? first : OH_SCREEN_PLAIN);
			put++;
		}
		s += len + (s[len] == '\n');
	}
	for (; put < most; put++)
		oh_screen_line("", 0, OH_SCREEN_PLAIN);
	return n;
}

static enum oh_screen_look
look_of_row(const struct view *v, size_t i)
{
	const struct oh_watch_row *row = &v->w->rows[v->l->view][v->l->order[i]];

	if (i == v->selected)
		return OH_SCREEN_REVERSE;
	return oh_watch_grows(v->w, oh_watch_row_values(v->l, row)) ? OH_SCREEN_WARM
								    : OH_SCREEN_PLAIN;
}

/* Title and rows. */
static void
draw_table(struct view *v, size_t room, unsigned columns)
{
	char *text = NULL;
	size_t len = 0, i = v->first;
	FILE *to;

	v->fit = room > 1 ? room - 1 : 0;
	if (v->selected < v->first)
		v->first = v->selected;
	if (v->fit > 0 && v->selected >= v->first + v->fit)
		v->first = v->selected - v->fit + 1;
	i = v->first;
	to = open_memstream(&text, &len);
	if (to == NULL)
		return;
	oh_watch_put_rows(to, v->l, v->w, v->first, v->fit, v->selected, columns);
	(void)fclose(to);
	for (char *s = text; *s != '\0' && room > 0; room--) {
		size_t n = strcspn(s, "\n");

		oh_screen_line(s, n, s == text ? OH_SCREEN_BOLD : look_of_row(v, i++));
		s += n + (s[n] == '\n');
	}
	for (; room > 0; room--)
		oh_screen_line("", 0, OH_SCREEN_PLAIN);
	free(text);
}

static void
draw_text(struct view *v, size_t room)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	if (to == NULL)
		return;
	if (v->page == HELP)
		(void)fputs(keys, to);
	else if (v->row < v->w->row_count[v->l->view])
		oh_watch_put_detail(to, v->l, v->w, v->row);
	(void)fclose(to);
	v->fit = room;
	v->lines = put_lines(text, v->first, room, OH_SCREEN_BOLD);
	free(text);
}

static void
draw_bottom(const struct view *v)
{
	char line[600];

	if (v->typing)
		(void)snprintf(line, sizeof(line), "filter: %s_%s%s", v->typed,
		    v->message[0] != '\0' ? "   " : "", v->message);
	else
		(void)snprintf(line, sizeof(line), "%s%s%s%s",
		    v->over     ? "[ENDED] "
		    : v->frozen ? "[FROZEN] "
				: "",
		    v->message, v->message[0] != '\0' ? "   " : "",
		    v->page == TABLE
			? "q quit  h help  Enter stacks  l g r b sort  t view  / filter  p freeze"
			: "q quit  Esc back");
	oh_screen_line(line, strlen(line),
	    v->over || v->frozen || v->typing ? OH_SCREEN_REVERSE : OH_SCREEN_PLAIN);
}

static void
draw(struct view *v)
{
	unsigned rows, columns;
	char *text = NULL;
	size_t len = 0, head;
	FILE *to;

	oh_screen_size(&rows, &columns);
	/* A small terminal has more use for rows. */
	head = rows >= 12 ? OH_WATCH_HEAD_LINES : rows >= 6 ? 1 : 0;
	oh_screen_begin();
	to = open_memstream(&text, &len);
	if (to != NULL) {
		if (v->w->looks > 0)
			oh_watch_put_head(to, v->l, v->w);
		(void)fclose(to);
		(void)put_lines(text, 0, head, OH_SCREEN_BOLD);
		free(text);
	}
	if (rows > head + 1) {
		if (v->page == TABLE)
			draw_table(v, rows - head - 1, columns);
		else
			draw_text(v, rows - head - 1);
	}
	draw_bottom(v);
	oh_screen_end();
}

/* ---- what keys do ------------------------------------------------------------------------ */

static void
select_place(struct view *v, size_t place)
{
	if (place >= v->l->count)
		place = v->l->count > 0 ? v->l->count - 1 : 0;
	v->selected = place;
	if (v->l->count > 0)
		v->row = v->l->order[place];
}

/* After a look: the first row stays the first, another is followed. */
static void
follow(struct view *v)
{
	if (v->selected != 0)
		for (size_t i = 0; i < v->l->count; i++)
			if (v->l->order[i] == v->row) {
				select_place(v, i);
				return;
			}
	if (v->page != DETAIL)
		select_place(v, v->selected);
}

static void
reorder(struct view *v)
{
	oh_watch_order(v->l, v->w);
	follow(v);
}

static void
set_view(struct view *v, enum oh_watch_view view)
{
	v->l->view = view;
	v->page = TABLE;
	v->first = v->selected = 0;
	reorder(v);
}

static void
move(struct view *v, long by)
{
	if (v->page == TABLE) {
		long to = (long)v->selected + by;

		select_place(v, to < 0 ? 0 : (size_t)to);
	} else {
		long last = (long)v->lines - (long)v->fit, to = (long)v->first + by;

		if (to > last)
			to = last;
		v->first = to < 0 ? 0 : (size_t)to;
	}
}

static void
set_page(struct view *v, enum page page)
{
	if (page == DETAIL && v->l->count == 0)
		return;
	v->page = page;
	v->first = 0;
}

static void
type(struct view *v, int key)
{
	size_t len = strlen(v->typed);
	struct oh_error err = { "" };

	v->message[0] = '\0';
	if (key == OH_KEY_ESCAPE) {
		v->typing = false;
	} else if (key == '\r' || key == '\n') {
		if (oh_watch_filter(v->l, v->typed, &err)) {
			v->typing = false;
			v->first = v->selected = 0;
			reorder(v);
		} else {
			(void)snprintf(v->message, sizeof(v->message), "(%s)", err.text);
		}
	} else if (key == 0x7f || key == '\b') {
		/* A character may have several bytes. */
		while (len > 0 && ((unsigned char)v->typed[len - 1] & 0xc0) == 0x80)
			len--;
		v->typed[len > 0 ? len - 1 : 0] = '\0';
	} else if (key == 'U' - '@') {
		v->typed[0] = '\0';
	} else if (key >= ' ' && key < 256 && len + 1 < sizeof(v->typed)) {
		v->typed[len] = (char)key;
		v->typed[len + 1] = '\0';
	}
}

static void
press(struct view *v, int key)
{
	static const char sorts[] = "lgrb"; /* in the order of enum oh_watch_sort */
	const char *sort = key > 0 && key < 128 ? strchr(sorts, key) : NULL;

	v->message[0] = '\0';
	if (sort != NULL) {
		v->l->sort = (enum oh_watch_sort)(sort - sorts);
		reorder(v);
		return;
	}
	switch (key) {
	case 'q':
		v->quit = true;
		break;
	case OH_KEY_ESCAPE:
	case 0x7f:
	case '\b':
		set_page(v, TABLE);
		break;
	case '\r':
	case '\n':
		set_page(v, v->page == TABLE ? DETAIL : TABLE);
		break;
	case 'h':
	case '?':
		set_page(v, v->page == HELP ? TABLE : HELP);
		break;
	case 's':
		v->l->sort = (v->l->sort + 1) % OH_WATCH_SORTS;
		reorder(v);
		break;
	case 't':
		set_view(v, (v->l->view + 1) % OH_WATCH_VIEWS);
		break;
	case 'c':
		v->l->cum = !v->l->cum;
		reorder(v);
		break;
	case '/':
		set_page(v, TABLE);
		v->typing = true;
		(void)snprintf(v->typed, sizeof(v->typed), "%s", v->l->filter);
		break;
	case 'p':
	case ' ':
		v->frozen = !v->frozen;
		break;
	case '+':
	case '=':
		v->l->every_s =
		    v->l->every_s / 2 < EVERY_LEAST_S ? EVERY_LEAST_S : v->l->every_s / 2;
		break;
	case '-':
		v->l->every_s = v->l->every_s * 2 > EVERY_MOST_S ? EVERY_MOST_S : v->l->every_s * 2;
		break;
	case OH_KEY_UP:
	case 'k':
		move(v, -1);
		break;
	case OH_KEY_DOWN:
	case 'j':
		move(v, 1);
		break;
	case OH_KEY_PAGE_UP:
		move(v, -(long)(v->fit > 0 ? v->fit : 1));
		break;
	case OH_KEY_PAGE_DOWN:
		move(v, (long)(v->fit > 0 ? v->fit : 1));
		break;
	case OH_KEY_HOME:
		move(v, -(1L << 40));
		break;
	case OH_KEY_END:
		move(v, 1L << 40);
		break;
	default:
		break;
	}
}

/* ---- the loop -------------------------------------------------------------------------------- */

static int64_t
now_ns(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void
look(struct view *v, struct oh_error *err)
{
	v->result = v->source->look(v->source->arg, err);
	if (v->result != OH_TABLES_OK) {
		v->over = true;
		(void)snprintf(v->message, sizeof(v->message), "%s",
		    v->result == OH_TABLES_ENDED ? "the program has ended" : err->text);
		return;
	}
	if (v->source->executed) {
		(void)snprintf(v->message, sizeof(v->message),
		    "it executed another program; counting from here");
		v->source->executed = false;
		v->first = v->selected = 0;
		v->page = TABLE;
	}
	follow(v);
}

enum oh_tables_result
oh_watch_page_run(struct oh_watch_look *l, struct oh_watch *w, struct oh_watch_source *source,
    struct oh_error *err)
{
	struct view v = { .l = l, .w = w, .source = source };
	uint64_t looks = 0;
	int64_t last = 0;

	/* What cannot be looked at once gets no page. */
	look(&v, err);
	if (v.over)
		return v.result;
	oh_screen_open();
	last = now_ns();
	looks = 1;
	while (!v.quit && (source->count == 0 || (looks < source->count && !v.over))) {
		bool running = !v.over && !v.frozen;
		int64_t left =
		    running ? last + (int64_t)(l->every_s * 1e9) - now_ns() : 3600000000000;
		int key;

		draw(&v);
		key =
		    oh_screen_key((int)((left + 999999) / 1000000), running ? *source->pidfd : -1);
		if (key == OH_KEY_GONE)
			break;
		if (key != OH_KEY_NONE && key != OH_KEY_REDRAW) {
			if (v.typing)
				type(&v, key);
			else
				press(&v, key);
		} else if (key == OH_KEY_NONE && running) {
			look(&v, err);
			last = now_ns();
			looks++;
		}
	}
	oh_screen_close();
	return v.over ? v.result : OH_TABLES_OK;
}
