/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach.h - is the collector that the environment names there, and does it take
 * profiles?
 */
#ifndef OH_TOOLS_REACH_H
#define OH_TOOLS_REACH_H

#include <stddef.h>

#include "core/base.h"

enum oh_reach {
	OH_REACH_OK,
	OH_REACH_NOTE, /* there, but not now */
	OH_REACH_NO,
};

/*
 * Send a request without any profile, which a collector answers and forgets.
 * `cmd` as for oh_export_config_read().  What there is to say, and what to do,
 * goes into text[size].
 */
enum oh_reach oh_reach_collector(const char *cmd, char *text, size_t size);

#endif
