/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.c - the signals we handle, and how the host does not notice.
 *
 * Only a default action is ever taken over: a handler that the program
 * installs, or a signal that it ignores, wins and is not fought.  To the
 * program our handlers do not exist: asking for a disposition says SIG_DFL
 * where ours is installed (Python installs its KeyboardInterrupt only over
 * SIG_DFL), and setting SIG_DFL brings ours back (node resets every signal
 * when it starts).  Programs that make the system call themselves see ours,
 * and may replace it.
 *
 * The handlers make raw system calls only: no lock, no errno, little stack.
 */
#include "preload/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "core/base.h"
#include "core/atomic.h"
#include "core/command.h"
#include "core/layout.h"
#include "core/sys.h"
#include "preload/lifecycle.h"
#include "preload/next.h"
#include "preload/worker.h"

static int dump_signal;
static uint64_t managed; /* bit n - 1: signal n was at its default when we came */

/*
 * The value that sigqueue(3) gives says what is wanted; kill(2) gives none.
 * An unknown one, of a newer command, gets a profile: it waits for one.
 */
static void
on_dump(int sig, siginfo_t *info, void *context)
{
	static const unsigned commands[] = {
		[OH_COMMAND_DUMP] = OH_ASK_SIGNAL,
		[OH_COMMAND_BASELINE] = OH_ASK_BASELINE,
		[OH_COMMAND_START] = OH_ASK_START,
		[OH_COMMAND_STOP] = OH_ASK_STOP,
		[OH_COMMAND_LEAKS] = OH_ASK_SIGNAL | OH_ASK_LEAKS,
	};
	int value = info->si_code == SI_QUEUE ? info->si_value.sival_int : OH_COMMAND_DUMP;

	(void)sig;
	(void)context;
	if (value < 0 || (size_t)value >= OH_ARRAY_LEN(commands))
		value = OH_COMMAND_DUMP;
	oh_worker_request(commands[value]);
}

static void on_end(int sig);

static void
our_action(int sig, struct sigaction *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->sa_flags = SA_RESTART;
	if (sig == dump_signal) {
		ret->sa_sigaction = on_dump;
		ret->sa_flags |= SA_SIGINFO;
	} else {
		ret->sa_handler = on_end;
	}
	sigfillset(&ret->sa_mask);
}

/* For who would send the dump signal: with a handler of the program's it means something else. */
static void
publish(bool ours)
{
	oh_store_relaxed(&oh_root.signal, OH_ROOT_SIGNAL + (ours ? (uint32_t)dump_signal : 0));
}

static void
set_handler(int sig)
{
	struct sigaction sa;

	our_action(sig, &sa);
	(void)oh_next.sigaction(sig, &sa, NULL);
}

static bool
is_managed(int sig)
{
	return sig >= 1 && sig <= 64 && (managed >> (sig - 1) & 1) != 0;
}

/*
 * The end by a signal: write the profile, then let the default action happen.
 * As the first process of a PID namespace we outlive it, as without us.
 */
static void
on_end(int sig)
{
	uint64_t bit = UINT64_C(1) << (sig - 1);

	oh_last_profile();
	oh_sys_default_action(sig);
	(void)OH_SYS(tgkill, oh_sys_getpid(), oh_sys_gettid(), sig, 0, 0, 0);
	(void)OH_SYS(rt_sigprocmask, SIG_UNBLOCK, &bit, 0, sizeof(bit), 0, 0);
	/* Still here. */
	(void)OH_SYS(rt_sigprocmask, SIG_BLOCK, &bit, 0, sizeof(bit), 0, 0);
	set_handler(sig);
	oh_not_the_last();
}

void
oh_signals_init(int dump, bool and_exit)
{
	int wanted[] = { dump, and_exit ? SIGTERM : 0, and_exit ? SIGINT : 0 };
	struct sigaction now;

	dump_signal = dump;
	publish(false);
	for (size_t i = 0; i < OH_ARRAY_LEN(wanted); i++) {
		int sig = wanted[i];
		if (sig == 0 || oh_next.sigaction(sig, NULL, &now) != 0 ||
		    (now.sa_flags & SA_SIGINFO) != 0 || now.sa_handler != SIG_DFL)
			continue;
		managed |= UINT64_C(1) << (sig - 1);
		set_handler(sig);
		if (sig == dump)
			publish(true);
	}
}

/* ---- what the program asks and sets ------------------------------------------ */

static void
hide(struct sigaction *old)
{
	if (old->sa_sigaction == on_dump || old->sa_handler == on_end)
		memset(old, 0, sizeof(*old));
}

OH_EXPORT int
sigaction(int sig, const struct sigaction *restrict act, struct sigaction *restrict old)
{
	if (!is_managed(sig))
		return oh_next.sigaction(sig, act, old);

	/* In one call: between two, the signal could come and really do its default. */
	struct sigaction ours;
	if (act != NULL && (act->sa_flags & SA_SIGINFO) == 0 && act->sa_handler == SIG_DFL) {
		our_action(sig, &ours);
		act = &ours;
	}
	int rc = oh_next.sigaction(sig, act, old);
	if (rc == 0 && act != NULL && sig == dump_signal)
		publish(act == &ours);
	if (rc == 0 && old != NULL)
		hide(old);
	return rc;
}

/* glibc's older functions, by way of sigaction as it does itself. */
static sighandler_t
set_by(int sig, sighandler_t handler, int flags)
{
	struct sigaction act, old;

	if (handler == SIG_ERR || sig < 1 || sig > 64) {
		errno = EINVAL;
		return SIG_ERR;
	}
	memset(&act, 0, sizeof(act));
	act.sa_handler = handler;
	act.sa_flags = flags;
	if ((flags & SA_NODEFER) == 0)
		(void)sigaddset(&act.sa_mask, sig);
	return sigaction(sig, &act, &old) != 0 ? SIG_ERR : old.sa_handler;
}

/* What we do not manage goes to glibc's own, which knows of siginterrupt(3). */
#define SETTER(name, flags) \
	OH_EXPORT sighandler_t name(int sig, sighandler_t handler) \
	{ \
		if (is_managed(sig)) \
			return set_by(sig, handler, flags); \
		return oh_next.name(sig, handler); \
	}

OH_EXPORT sighandler_t bsd_signal(int sig, sighandler_t handler);

SETTER(signal, SA_RESTART)
SETTER(bsd_signal, SA_RESTART)
SETTER(ssignal, SA_RESTART)
SETTER(sysv_signal, (int)(SA_RESETHAND | SA_NODEFER))
SETTER(__sysv_signal, (int)(SA_RESETHAND | SA_NODEFER))
