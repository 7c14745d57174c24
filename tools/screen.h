/* SPDX-License-Identifier: Apache-2.0 */
/*
 * screen.h - the terminal as a page of lines, and its keys.
 *
 * One per process.  Whatever ends the process, but for SIGKILL, the terminal is
 * as it was: at exit, by SIGINT, SIGTERM, SIGHUP and SIGQUIT, and while it is
 * stopped by Ctrl-Z.
 */
#ifndef OH_TOOLS_SCREEN_H
#define OH_TOOLS_SCREEN_H

#include <stddef.h>

#include "core/base.h"

/* What oh_screen_key() returns beside the bytes of characters. */
enum {
	OH_KEY_NONE = 0, /* none in time */
	OH_KEY_UP = 256,
	OH_KEY_DOWN,
	OH_KEY_PAGE_UP,
	OH_KEY_PAGE_DOWN,
	OH_KEY_HOME,
	OH_KEY_END,
	OH_KEY_ESCAPE,
	OH_KEY_REDRAW, /* another size, or we were away */
	OH_KEY_OTHER,  /* one that has no name here */
	OH_KEY_GONE,   /* there is no terminal any more */
};

/* How a line looks. */
enum oh_screen_look { OH_SCREEN_PLAIN, OH_SCREEN_BOLD, OH_SCREEN_REVERSE, OH_SCREEN_WARM };

/* Are standard input and output a terminal that can show a page? */
bool oh_screen_usable(void);

/* Take the terminal over, until oh_screen_close(), which may be called at any time. */
void oh_screen_open(void);
void oh_screen_close(void);

/* Of the terminal now; at least 1. */
void oh_screen_size(unsigned *ret_rows, unsigned *ret_columns);

/*
 * Draw a page: begin, a line at a time from the top, end.  A line is cut to
 * the width; it is text that a terminal can be shown, in UTF-8.  Lines that
 * do not fit are left out.
 */
void oh_screen_begin(void);
void oh_screen_line(const char *text, size_t len, enum oh_screen_look look);
void oh_screen_end(void);

/* The next key, or OH_KEY_NONE after `timeout_ms`, or when `fd` (-1: none) is readable. */
int oh_screen_key(int timeout_ms, int fd);

#endif
