/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threadname.c - the labels of threads: one small number per distinct name.
 *
 * Memory ordering
 *	[N1] names[i]: stored with the release half of acq_rel once the text is
 *	     complete; loaded with acquire.
 */
#include "core/threadname.h"

#include <string.h>
#include <sys/prctl.h>

#include "core/arena.h"
#include "core/atomic.h"
#include "core/base.h"
#include "core/sys.h"

#define NAME_BYTES 16 /* TASK_COMM_LEN of the kernel */

static const char *names[OH_THREAD_NAMES_MAX] = { "" }; /* [N1] */

uint32_t
oh_thread_name_current(void)
{
	char name[NAME_BYTES + 1] = { 0 };
	const char *kept = NULL;

	if (oh_sys_forbidden() || OH_SYS(prctl, PR_GET_NAME, name, 0, 0, 0, 0) != 0 ||
	    name[0] == '\0')
		return 0;
	for (uint32_t i = 1; i < OH_THREAD_NAMES_MAX; i++) {
		const char *known = oh_load_acquire(&names[i]); /* [N1] */
		if (known == NULL) {
			if (kept == NULL) {
				uint32_t id = oh_arena_alloc(sizeof(name), OH_ARENA_UNIT);
				if (id == 0)
					return 0;
				kept = memcpy(oh_arena_at(id), name, sizeof(name));
			}
			if (oh_cas_acq_rel(&names[i], &known, kept)) /* [N1] */
				return i;
		}
		if (strcmp(known, name) == 0)
			return i;
	}
	return 0;
}

const char *const *
oh_thread_names(uint32_t *ret_count)
{
	uint32_t n = 1;

	while (n < OH_THREAD_NAMES_MAX && oh_load_acquire(&names[n]) != NULL) /* [N1] */
		n++;
	*ret_count = n;
	return names;
}
