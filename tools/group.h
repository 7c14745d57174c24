/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group.h - look at samples by something other than their functions: by
 * thread, size class, module or any label.
 *
 * The stacks of the profile are replaced by what is asked for, so that every
 * view and every format can show it.
 */
#ifndef OH_TOOLS_GROUP_H
#define OH_TOOLS_GROUP_H

#include "core/base.h"
#include "tools/profile.h"

enum oh_group_by {
	OH_GROUP_NONE,   /* functions, lines or stacks: nothing to replace */
	OH_GROUP_THREAD, /* text label `thread` */
	OH_GROUP_SIZE,   /* number label `bytes`, in classes that double */
	OH_GROUP_MODULE, /* the files that the frames are of, repeated ones once */
	OH_GROUP_LABEL,  /* any label, by its key */
};

#define OH_GROUP_NAME_MAX 80

/*
 * Replace the stack of each sample by one frame, or with OH_GROUP_MODULE by
 * one for each module on it.  The profile's drop_frames is applied first.
 *
 *   key   of OH_GROUP_LABEL
 *
 * A sample without the label gets "(no thread)", "(no KEY)" or "(size not
 * known)".  Of a label that a sample has several times the first counts.
 */
void oh_group_samples(struct oh_profile *p, enum oh_group_by by, const char *key);

/*
 * The class of a block of `size` bytes, 0 <= size: "65 - 128 B", "1 - 2 KiB".
 * Classes end at powers of two and are 16 bytes at least.  Writes into
 * buf[OH_GROUP_NAME_MAX] and returns it.
 */
const char *oh_group_size_class(char *buf, int64_t size);

#endif
