/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lifecycle.c - the library's start, forks and end.
 *
 *	start	the constructor; with -z initfirst it runs before those of all
 *		other libraries.  What was allocated earlier passes uncounted.
 *	fork	the child goes on with what the parent had, under its own pid;
 *		its exit profile is written only if it sampled something itself.
 *		No lock is held across a fork, as there is none.
 *	vfork	the child borrows the parent's memory: anything that would
 *		write a profile compares the pid first.
 *	exec	the kernel ends the worker and resets our handlers; the new
 *		program loads the library again by itself.
 *	end	exit and return from main: a handler that is registered so early
 *		that it runs after all others and all destructors; quick_exit:
 *		the same; _exit and _Exit: the entry points below; SIGTERM,
 *		SIGINT: signals.c.
 *
 * Memory ordering
 *	[E1] last_done: one exchange with acq_rel decides which of several ends
 *	     at once writes the profile; nothing else hangs on its order.
 */
#include "preload/lifecycle.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "core/atomic.h"
#include "core/base.h"
#include "core/drops.h"
#include "core/modules.h"
#include "core/out.h"
#include "core/profiler.h"
#include "core/sys.h"
#include "preload/agent.h"
#include "preload/cxx.h"
#include "preload/dump.h"
#include "preload/launch.h"
#include "preload/next.h"
#include "preload/report.h"
#include "preload/signals.h"
#include "preload/stderr.h"
#include "preload/waiting.h"
#include "preload/worker.h"

struct oh_config oh_config;

static pid_t owner;        /* whose memory this is */
static uint32_t last_done; /* [E1] 1 once the last profile was asked for */

/* Itanium C++ ABI, 3.3.6.3; no handle: not tied to the unloading of a library. */
extern int __cxa_atexit(void (*fn)(void *), void *arg, void *dso);
extern int __cxa_at_quick_exit(void (*fn)(void *), void *dso);

static void
debug_line(const char *name, uint64_t value)
{
	struct oh_out o;

	oh_out_reset(&o);
	oh_out_str(&o, "otheap: ");
	oh_out_str(&o, name);
	oh_out_str(&o, "=");
	oh_out_u64(&o, value);
	oh_out_line(&o, STDERR_FILENO);
}

static void
debug_report(void)
{
	oh_config_print(&oh_config, STDERR_FILENO);
	debug_line("on", oh_profiler_on());
	debug_line("another_allocator_first", oh_next_shadowed());
	debug_line("samples", oh_profiler_samples());
	for (unsigned i = 0; i < OH_DROP_COUNT; i++)
		debug_line(oh_drop_names[i], oh_load_relaxed(&oh_drops[i]));
}

void
oh_last_profile(void)
{
	if (oh_sys_forbidden() || owner == 0 || oh_sys_getpid() != owner ||
	    oh_exchange_acq_rel(&last_done, 1) != 0) /* [E1] */
		return;
	if (oh_profiler_on() && oh_config.dump_at_exit && oh_profiler_samples() > 0) {
		int err = oh_worker_finish(oh_config.exit_timeout_ms);
		if (oh_config.leak_mode && (err == -EAGAIN || err == -ETIMEDOUT))
			oh_report_missing(err);
	} else if (oh_config.exporting && oh_sys_getpid() == 1) {
		/* The end of its children, too: a shell that has run them. */
		(void)oh_worker_ask(OH_ASK_SENT, oh_config.exit_timeout_ms);
	}
	if (oh_config.debug && oh_stderr_usable())
		debug_report();
}

void
oh_not_the_last(void)
{
	oh_worker_reopen();
	oh_store_relaxed(&last_done, 0);
}

/* The status that the process is to end with in place of its own; 0: its own. */
static int
leak_status(void)
{
	return oh_report_found_leaks() ? (int)oh_config.leak_exitcode : 0;
}

/*
 * The last of all handlers.  Another call of exit() goes on where this one is,
 * as it does in glibc for any handler: what is left is the C library's own.
 */
static void
at_exit(void *arg)
{
	(void)arg;
	oh_last_profile();
	if (leak_status() != 0 && oh_sys_getpid() == owner)
		oh_next.exit(leak_status());
}

static void
at_fast_exit(void *arg)
{
	(void)arg;
	oh_last_profile();
	if (leak_status() != 0 && oh_sys_getpid() == owner)
		oh_next._exit(leak_status());
}

static void
after_fork_in_child(void)
{
	pid_t parent = owner;

	owner = oh_sys_getpid();
	oh_store_relaxed(&last_done, 0);
	oh_dump_after_fork(parent);
	oh_waiting_after_fork();
	oh_report_after_fork();
	oh_agent_after_fork();
	oh_profiler_after_fork(&oh_self);
	oh_worker_after_fork();
}

static void __attribute__((constructor)) start(int argc, char **argv, char **envp)
{
	(void)argc;
	(void)oh_next_resolve();
	/* With more rights than its user has, a program takes no wishes from it. */
	bool secure = getauxval(AT_SECURE) != 0;
	oh_stderr_init();
	oh_config_read(&oh_config, secure ? NULL : envp, STDERR_FILENO);
	if (secure || oh_next_shadowed())
		oh_config.interval_bytes = 0;
	oh_sys_fail_at(oh_config.fail_at);
	oh_cxx_init(); /* dlsym allocates: not to be counted */
	int err = oh_profiler_init(&oh_config, argv);
	if (secure)
		return;
	owner = oh_sys_getpid();
	(void)__cxa_atexit(at_exit, NULL, NULL);
	(void)__cxa_at_quick_exit(at_fast_exit, NULL);
	if (err != 0)
		return;
	(void)pthread_atfork(NULL, NULL, after_fork_in_child);
	if (oh_config.leak_mode || oh_config.exporting)
		oh_launch_init(oh_config.command, envp);
	struct oh_worker_plan plan = {
		.work = oh_dump_run,
		.every_s = oh_config.dump_every_s,
		.baseline_after_s = oh_config.leak_baseline.after_s,
	};
	oh_worker_init(&plan);
	if (oh_config.exporting)
		oh_worker_request(OH_ASK_AGENT);
	if (oh_config.leak_baseline.kind == OH_BASELINE_START)
		oh_worker_request(OH_ASK_BASELINE);
	oh_signals_init(oh_config.signal, oh_config.dump_at_exit);
}

/* ---- entry points ------------------------------------------------------------- */

static _Noreturn void
end(void (*next)(int), int status)
{
	oh_last_profile();
	next(status);
	for (;;)
		(void)OH_SYS(exit_group, status, 0, 0, 0, 0, 0);
}

OH_EXPORT void
_exit(int status)
{
	end(oh_next._exit, status);
}

OH_EXPORT void
_Exit(int status)
{
	end(oh_next._Exit, status);
}

static int
unloads(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	*(unsigned long long *)arg = info->dlpi_subs;
	return 1; /* the first says it */
}

/*
 * What is known about addresses of an unloaded file must not be used for the
 * file that comes to the same place.  The loader's lock is taken here as
 * dlclose takes it itself; never where memory is allocated.
 */
OH_EXPORT int
dlclose(void *handle)
{
	unsigned long long before = 0, after = 0;

	(void)dl_iterate_phdr(unloads, &before);
	int rc = oh_next.dlclose(handle);
	(void)dl_iterate_phdr(unloads, &after);
	if (before != after)
		(void)oh_add_relaxed(&oh_modules_generation, 1);
	return rc;
}
