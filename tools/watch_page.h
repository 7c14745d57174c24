/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_page.h - the live view on a terminal.
 */
#ifndef OH_TOOLS_WATCH_PAGE_H
#define OH_TOOLS_WATCH_PAGE_H

#include "tools/watch.h"

/* Where looks come from. */
struct oh_watch_source {
	/* Take one: afterwards the watch and the order of the look are new. */
	enum oh_tables_result (*look)(void *arg, struct oh_error *err);
	void *arg;
	const int *pidfd; /* readable when the program has ended; -1 = cannot tell */
	uint64_t count;   /* looks until the end; 0 = no end */
	bool executed;    /* set by look(): it is another program now; whoever says so clears it */
};

/*
 * Show the page until the user or `count` ends it.  Returns OH_TABLES_OK, or
 * why there was nothing more to be seen, with err set.
 */
enum oh_tables_result oh_watch_page_run(struct oh_watch_look *l, struct oh_watch *w,
    struct oh_watch_source *source, struct oh_error *err);

#endif
