/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hidden.h - the frames that readers of our profiles leave out.
 */
#ifndef OH_PROTO_HIDDEN_H
#define OH_PROTO_HIDDEN_H

/*
 * Frames that readers hide, with all they call, so that a C++ allocation is
 * booked to who said `new`.  pprof matches the whole name, cut at the first
 * '('; readers that do not cut or demangle match too.  Kept to what RE2 and
 * POSIX extended expressions have in common.
 */
#define OH_HIDDEN_FRAMES "operator new ?(\\[\\])?(\\(.*\\))?|_Zn[aw][jm].*"

#endif
