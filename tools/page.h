/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page.h - the parts of the HTML pages, which are part of the command.
 *
 * A page is a text with marks, @STYLE@ for instance, each of which is replaced
 * once.  What replaces a mark is not looked at again: marks in names of a
 * profile stay as they are.
 */
#ifndef OH_TOOLS_PAGE_H
#define OH_TOOLS_PAGE_H

#include <stddef.h>
#include <stdio.h>

#include "core/base.h"

#pragma GCC visibility push(hidden)
/* The files of these names: tools/flame.html and so on.  Both pages begin with page.html. */
extern const char oh_page_head[];
extern const char oh_page_flame[];
extern const char oh_page_report[];
extern const char oh_page_report_css[];
extern const char oh_page_base_css[];
extern const char oh_page_flame_css[];
extern const char oh_page_flame_js[];
#pragma GCC visibility pop

struct oh_page_mark {
	const char *name; /* with its two @ */
	const char *text; /* NULL: call write */
	void (*write)(FILE *to, const void *arg);
	const void *arg;
};

/* Write a page; a mark that is not listed stays. */
void oh_page_write(FILE *to, const char *page, const struct oh_page_mark *marks, size_t count);

#endif
