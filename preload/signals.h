/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.h - the signals we handle, and how the host does not notice.
 */
#ifndef OH_PRELOAD_SIGNALS_H
#define OH_PRELOAD_SIGNALS_H

#include <stdbool.h>

/*
 * Take over the default action of `dump_signal` (0 = none), which then asks
 * for a profile, and, if `and_exit`, of SIGTERM and SIGINT, which then write
 * the last profile before they end the process as they would have.  A signal
 * that is ignored or handled already is left alone.  Once, at start.
 */
void oh_signals_init(int dump_signal, bool and_exit);

#endif
