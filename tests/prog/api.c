/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api.c - a program that asks the library, if it is there: `api [confined]`.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "../../preload/otheap.h"
#include "prog.h"

static void *kept[100];

SITE static void
site_kept(void)
{
	for (int i = 0; i < 100; i++)
		kept[i] = hide(malloc(1000));
}

SITE static void
site_lost(void)
{
	for (int i = 0; i < 50; i++) {
		void *volatile p = malloc(777);
		p = NULL;
		(void)p;
	}
}

SITE static void
site_unseen(void)
{
	for (int i = 0; i < 10; i++)
		(void)hide(malloc(10));
}

/* What the calls before left on the stack. */
SITE static void
wipe(void)
{
	volatile char old[16384];

	for (size_t i = 0; i < sizeof(old); i++)
		old[i] = 0;
}

static void
at_end(void)
{
	char path[100] = "";

	if (otheap_dump != NULL)
		say("at exit %d", otheap_dump(path, sizeof(path), 30000));
}

int
main(void)
{
	struct otheap_leaks leaks;
	char path[4096], cut[5];

	if (otheap_dump == NULL || otheap_baseline == NULL || otheap_start == NULL ||
	    otheap_stop == NULL || otheap_leak_check == NULL) {
		say("not there");
		return 0;
	}
	CHECK(atexit(at_end) == 0);
	site_kept();
	errno = 77;
	CHECK(otheap_dump(path, sizeof(path), 30000) == 0);
	CHECK(errno == 77);
	say("dump %s", path);
	CHECK(otheap_baseline(path, sizeof(path), 30000) == 0);
	say("baseline %s", path);
	CHECK(otheap_dump(cut, sizeof(cut), 30000) == 0);
	CHECK(strlen(cut) == 4 && strncmp(cut, path, 4) == 0);
	CHECK(otheap_dump(NULL, 0, 30000) == 0);
	CHECK(otheap_stop(30000) == 0);
	site_unseen();
	CHECK(otheap_start(30000) == 0);
	site_lost();
	wipe();
	memset(&leaks, 0xff, sizeof(leaks));
	int err = otheap_leak_check(&leaks, sizeof(leaks), path, sizeof(path), 30000);
	say("check %d %s", err, path);
	if (err == 0)
		say("lost %.0f %.0f errors %.0f %.0f", leaks.lost_blocks, leaks.lost_bytes,
		    leaks.lost_blocks_error, leaks.lost_bytes_error);
	/* One of an older header. */
	memset(&leaks, 0, sizeof(leaks));
	if (err == 0)
		CHECK(otheap_leak_check(&leaks, sizeof(double), NULL, 0, 30000) == 0 &&
		      leaks.lost_bytes == 0);
	pid_t child = fork();
	if (child == 0) {
		err = otheap_dump(path, sizeof(path), 30000);
		say("child %d", err);
		_exit(bad_count);
	}
	int status = 1;
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(kept[99] != NULL);
	return bad_count != 0 ? 98 : 0;
}
