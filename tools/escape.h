/* SPDX-License-Identifier: Apache-2.0 */
/*
 * escape.h - strings of a profile in files that programs read.
 *
 * A name in a profile is whatever its writer liked.  Each function here writes
 * one that cannot break out of its place in the format; what is not well-formed
 * UTF-8 becomes U+FFFD.
 */
#ifndef OH_TOOLS_ESCAPE_H
#define OH_TOOLS_ESCAPE_H

#include <stdio.h>

#include "core/base.h"

/*
 * With quotes around it.  '<', '>', '&' and the line separators of JavaScript
 * are written as \uXXXX, so the same text may stand in a script of an HTML page.
 */
void oh_put_json(FILE *to, const char *s);

/* With quotes around it (RFC 4180); control characters become spaces. */
void oh_put_csv(FILE *to, const char *s);

/* A frame of a folded stack: ';' becomes ':', control characters become spaces. */
void oh_put_folded(FILE *to, const char *s);

/* The same inside a quoted field of CSV. */
void oh_put_csv_frame(FILE *to, const char *s);

/* Text or attribute value of XML and HTML; what XML forbids becomes U+FFFD. */
void oh_put_xml(FILE *to, const char *s);

/*
 * The same for a reader's eyes: what does not show or turns the direction of
 * the text becomes U+FFFD as well, and after `most` characters there is "...".
 */
void oh_put_html(FILE *to, const char *s, size_t most);

#endif
