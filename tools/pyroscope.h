/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pyroscope.h - a profile as Pyroscope's own way in takes it: POST /ingest with
 * the pprof file as the body and everything else in the query.
 */
#ifndef OH_TOOLS_PYROSCOPE_H
#define OH_TOOLS_PYROSCOPE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base.h"
#include "tools/mem.h"
#include "tools/otlp.h"
#include "tools/profile.h"

struct oh_pyroscope {
	uint8_t *body; /* pprof, gzip */
	size_t len;
	char *query; /* behind the '?', encoded */
};

/*
 * Make the two of a profile.  alloc_* become what was allocated since what is
 * in `seen` (NULL: since the start), as Pyroscope adds up what it gets, and
 * `seen` takes the profile in; numeric labels go, and samples that are then of
 * the same stack and labels are added up.  The profile is changed so; an empty
 * body says that nothing is left.  The service's name is the application's, other
 * attributes of the resource are its labels, with '_' for what a label cannot
 * have.  oh_pyroscope_free() it.  False with *err.
 */
bool oh_pyroscope_make(struct oh_pyroscope *ret, struct oh_profile *p, struct oh_otlp_seen *seen,
    const struct oh_resource *resource, struct oh_error *err);
void oh_pyroscope_free(struct oh_pyroscope *y);

#endif
