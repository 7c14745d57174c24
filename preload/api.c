/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api.c - what a program can ask of us by calling: preload/otheap.h.
 */
#include <errno.h>
#include <string.h>

#include "core/base.h"
#include "preload/dump.h"
#include "preload/otheap.h"
#include "preload/worker.h"

static int
ask(unsigned what, char *path, size_t path_size, unsigned timeout_ms)
{
	char none[8];
	int err = oh_worker_ask(what, timeout_ms);

	if (err == -ESRCH)
		return ENODEV;
	if (err != 0)
		return -err;
	if (path == NULL || path_size == 0) {
		path = none;
		path_size = sizeof(none);
	}
	err = oh_dump_last(path, path_size);
	path[path_size - 1] = '\0';
	return -err;
}

OH_EXPORT int
otheap_dump(char *path, size_t path_size, unsigned timeout_ms)
{
	return ask(OH_ASK_API, path, path_size, timeout_ms);
}

OH_EXPORT int
otheap_baseline(char *path, size_t path_size, unsigned timeout_ms)
{
	return ask(OH_ASK_API | OH_ASK_BASELINE, path, path_size, timeout_ms);
}

OH_EXPORT int
otheap_start(unsigned timeout_ms)
{
	return ask(OH_ASK_API | OH_ASK_START, NULL, 0, timeout_ms);
}

OH_EXPORT int
otheap_stop(unsigned timeout_ms)
{
	return ask(OH_ASK_API | OH_ASK_STOP, NULL, 0, timeout_ms);
}

OH_EXPORT int
otheap_leak_check(
    struct otheap_leaks *ret, size_t size, char *path, size_t path_size, unsigned timeout_ms)
{
	struct otheap_leaks leaks;
	int err = ask(OH_ASK_API | OH_ASK_LEAKS, path, path_size, timeout_ms);

	if (err != 0)
		return err;
	if (!oh_dump_verdict(&leaks))
		return ENOTSUP;
	memcpy(ret, &leaks, size < sizeof(leaks) ? size : sizeof(leaks));
	return 0;
}
