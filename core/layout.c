/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.c - the root of all tables, and the note that leads to it.
 *
 * Why a note: it is in memory wherever the library is, also when its file was
 * replaced or removed; it needs no symbol that a program could interpose, and
 * `readelf -n` shows it.  Its word is relative, so the loader has nothing to
 * do for it and it may be read before anything of the library ran.
 */
#include "core/layout.h"

#include "core/drops.h"

#ifndef OH_VERSION
#define OH_VERSION "?"
#endif

/* used: the only mention of it may be the one in the note. */
__attribute__((used)) struct oh_root oh_root = {
	.magic = { 'o', 't', 'h', 'e', 'a', 'p', '\r', '\n' },
	.version = OH_LAYOUT_VERSION,
	.bytes = sizeof(struct oh_root),
	.sizes = OH_ROOT_SIZES_INIT,
	.drop_count = OH_DROP_COUNT,
	.state = OH_ROOT_NOT_YET,
	.release = OH_VERSION,
};

_Static_assert(sizeof(OH_VERSION) <= sizeof(oh_root.release), "room for the version");
_Static_assert(sizeof(OH_NOTE_NAME) == 7, "namesz below");
_Static_assert(OH_NOTE_ROOT == 1, "type below");

__asm__(".pushsection .note.otheap, \"a\", @note\n"
	"	.balign 4\n"
	"	.long 7\n" /* namesz */
	"	.long 8\n" /* descsz */
	"	.long 1\n" /* type */
	"	.asciz \"" OH_NOTE_NAME "\"\n"
	"	.balign 4\n"
	"0:	.quad oh_root - 0b\n"
	".popsection\n");
