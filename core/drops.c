/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drops.c - everything that was lost or cut short, by reason.
 */
#include "core/drops.h"

uint64_t oh_drops[OH_DROP_COUNT];

const char *const oh_drop_names[OH_DROP_COUNT] = {
#define X(id, name, text) name,
	OH_DROP_LIST(X)
#undef X
};
