/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hidden.h - the frames that readers of our profiles leave out.
 */
#ifndef OH_PROTO_HIDDEN_H
#define OH_PROTO_HIDDEN_H

/*
 * Frames that readers hide, with all they call, so that an allocation is
 * booked to who said `new`, Box::new or push_back, not to the library's own
 * function between that and malloc, which is the same for all.  pprof matches
 * the whole name, cut at the first '('; readers that do not cut or demangle
 * match too.  Kept to what RE2 and POSIX extended expressions have in common.
 * The Rust names are those of both mangling schemes.
 */
#define OH_HIDDEN_FRAMES \
	"operator new ?(\\[\\])?(\\(.*\\))?|_Zn[aw][jm].*" \
	"|(std::|__gnu_cxx::)(__1::)?(__)?(new_)?allocator(_traits)?(<.*>)?::allocate(\\(.*\\))?" \
	"|std::_Vector_base(<.*>)?::_M_allocate(\\(.*\\))?" \
	"|std::__1::__libcpp_(allocate|operator_new).*" \
	"|(__rust|__rdl|__rg)_(alloc|alloc_zeroed|realloc)" \
	"|<?alloc::(alloc|raw_vec)::.*|<?hashbrown::raw::alloc::.*"

#endif
