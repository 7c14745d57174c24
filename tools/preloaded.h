/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preloaded.h - is our own library in this very process?
 */
#ifndef OH_TOOLS_PRELOADED_H
#define OH_TOOLS_PRELOADED_H

/*
 * If LD_PRELOAD names libotheap.so, start this program again without it: an
 * agent that is profiled would write profiles for itself to send, for ever.
 * Returns where there is nothing to do, or no way to.
 *
 *   argv  of the subcommand; argv[0] is its name
 */
void oh_preloaded_start_again(int argc, char **argv);

#endif
