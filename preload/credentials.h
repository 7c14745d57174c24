/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials.h - whose rights does the worker write with?
 */
#ifndef OH_PRELOAD_CREDENTIALS_H
#define OH_PRELOAD_CREDENTIALS_H

/*
 * Give the calling thread the user, group and supplementary groups that the
 * process's first thread has now.
 *
 * In the kernel these belong to a thread; glibc changes them for all threads
 * that it knows of, and the worker is not one.  Without this, a daemon that
 * drops its privileges would keep a thread that writes files as root.  Where
 * it cannot be done, it is left.  The worker only; raw system calls.
 */
void oh_credentials_follow(void);

#endif
