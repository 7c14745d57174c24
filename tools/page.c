/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page.c - the parts of the HTML pages, which are part of the command.
 */
#include "tools/page.h"

#include <string.h>

#define PART(symbol, file) \
	__asm__(".pushsection .rodata\n" \
		".globl " #symbol "\n" \
		".hidden " #symbol "\n" #symbol ":\n" \
		".incbin \"tools/" file "\"\n" \
		".byte 0\n" \
		".popsection\n")

PART(oh_page_head, "page.html");
PART(oh_page_flame, "flame.html");
PART(oh_page_report, "report.html");
PART(oh_page_report_css, "report.css");
PART(oh_page_base_css, "page.css");
PART(oh_page_flame_css, "flame.css");
PART(oh_page_flame_js, "flame.js");

static const struct oh_page_mark *
find(const struct oh_page_mark *marks, size_t count, const char *at)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(at, marks[i].name, strlen(marks[i].name)) == 0)
			return &marks[i];
	return NULL;
}

void
oh_page_write(FILE *to, const char *page, const struct oh_page_mark *marks, size_t count)
{
	while (*page != '\0') {
		const char *at = strchr(page, '@');
		const struct oh_page_mark *m;

		if (at == NULL)
			at = page + strlen(page);
		(void)fwrite(page, 1, (size_t)(at - page), to);
		page = at;
		if (*at == '\0')
			break;
		m = find(marks, count, at);
		if (m == NULL) {
			(void)putc('@', to);
			page = at + 1;
			continue;
		}
		if (m->text != NULL)
			(void)fputs(m->text, to);
		else
			m->write(to, m->arg);
		page = at + strlen(m->name);
	}
}
