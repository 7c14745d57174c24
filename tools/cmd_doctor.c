/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_doctor.c - otheap doctor: will profiling work here?
 *
 * One line for each question: `ok`, `no` with what to do, or `note` for what
 * makes the answer poorer but does not stand in the way.
 */
#include "tools/args.h"
#include "tools/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <gnu/libc-version.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tools/export_config.h"
#include "tools/library.h"
#include "tools/mem.h"
#include "tools/print.h"
#include "tools/process.h"
#include "tools/program.h"
#include "tools/reach.h"
#include "tools/settings.h"
#include "tools/trial.h"

static const char help[] =
    "usage: otheap doctor [OPTION...] [PROGRAM | PID]\n"
    "\n"
    "Says whether profiling will work here, and what to do if not: on this machine with\n"
    "these settings, for a program that is yet to be started, or for a running one.  Tries\n"
    "the library on a small program of its own; PROGRAM is only looked at.\n"
    "\n"
    "      --library FILE  libotheap.so, if it is not beside this command or in ../lib\n"
    "  -h, --help          this text\n"
    "\n"
    "ok    fine\n"
    "note  works, but something will be missing\n"
    "no    does not work; the line says what to do\n"
    "\n"
    "exit status: 0 profiling will work, 1 it will not, 2 wrong usage\n";

enum {
	OPT_LIBRARY = 256,
};

static const struct option long_options[] = {
	{ "library", required_argument, NULL, OPT_LIBRARY },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct options {
	const char *library, *what; /* NULL = not given */
	bool help;
};

extern char **environ;

/* Was any line a `no`? */
static bool bad;

static void __attribute__((format(printf, 3, 4)))
say(const char *mark, const char *about, const char *fmt, ...)
{
	char text[2 * PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)printf("%-4s  %-9s  ", mark, about);
	oh_print_clean(stdout, text);
	(void)putchar('\n');
	if (strcmp(mark, "no") == 0)
		bad = true;
}

static bool
parse(int argc, char **argv, struct options *o)
{
	int c;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		if (c == OPT_LIBRARY) {
			o->library = optarg;
		} else if (c == 'h') {
			o->help = true;
			return true;
		} else {
			return oh_args_bad_option("doctor", c, argv);
		}
	}
	if (argc - optind > 1) {
		(void)fputs("otheap: doctor: more than one PROGRAM or PID given; otheap doctor "
			    "--help tells more\n",
		    stderr);
		return false;
	}
	if (optind < argc)
		o->what = argv[optind];
	return true;
}

/* ---- this machine and these settings ------------------------------------------------ */

static void
check_system(void)
{
	struct utsname u;
	unsigned major = 0, minor = 0;
	const char *version = gnu_get_libc_version();

	(void)uname(&u);
	(void)sscanf(version, "%u.%u", &major, &minor);
	if (major > 2 || (major == 2 && minor >= 35))
		say("ok", "system", "%s %s on %s, glibc %s", u.sysname, u.release, u.machine,
		    version);
	else
		say("no", "system", "glibc %s: the library needs 2.35 or later", version);
}

/* The OTHEAP_ variables of an environment. */
static void
check_settings(char *const *envp)
{
	static const char prefix[] = "OTHEAP_", test[] = "OTHEAP_TEST_";
	const char *interval = oh_setting_value(envp, "OTHEAP_SAMPLE_INTERVAL");
	unsigned set = 0, wrong = 0;

	for (char *const *e = envp; e != NULL && *e != NULL; e++) {
		size_t len = strcspn(*e, "=");
		const char *value = (*e)[len] != '\0' ? *e + len + 1 : "";
		const struct oh_option *o;

		if (strncmp(*e, prefix, sizeof(prefix) - 1) != 0 ||
		    strncmp(*e, test, sizeof(test) - 1) == 0)
			continue;
		o = oh_option_find(*e, len);
		set++;
		if (o == NULL || (*value != '\0' && !oh_setting_valid(o->setting, value)))
			wrong++;
		if (o == NULL)
			say("note", "settings",
			    "%.*s: no such setting, it is ignored; otheap(7) lists them", (int)len,
			    *e);
		else if (*value != '\0' && !oh_setting_valid(o->setting, value))
			say("note", "settings", "%s=%s: expected %s; %s is used", o->variable,
			    value, o->setting->expected, o->setting->initial);
	}
	if (strspn(interval, "0") == strcspn(interval, "kKmMgG"))
		say("no", "settings", "OTHEAP_SAMPLE_INTERVAL=%s records nothing; leave it unset",
		    interval);
	else if (set == 0)
		say("ok", "settings", "the defaults");
	else if (wrong == 0)
		say("ok", "settings", "%u set in the environment, each makes sense", set);
}

/* A signal that is ignored or blocked here is so in what is started from here. */
static void
check_signal(void)
{
	struct sigaction now;
	sigset_t mask;
	char name[32];
	int sig = 0;

	(void)oh_signal_parse(oh_setting_value(environ, "OTHEAP_SIGNAL"), &sig);
	if (sig == 0) {
		say("note", "signal", "OTHEAP_SIGNAL=none: no profile on request");
		return;
	}
	(void)oh_signal_name(name, sig);
	(void)sigprocmask(SIG_BLOCK, NULL, &mask);
	if (sigaction(sig, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
		say("note", "signal",
		    "%s is ignored here, so no profile on request; choose another OTHEAP_SIGNAL",
		    name);
	else if (sigismember(&mask, sig) == 1)
		say("note", "signal",
		    "%s is blocked here, so no profile on request; choose another OTHEAP_SIGNAL",
		    name);
	else
		say("ok", "signal", "%s asks for a profile; it is free here", name);
}

/* The library, and in which folder it can write. */
static void
check_library(const struct options *o)
{
	const char *folders[] = { oh_setting_value(environ, "OTHEAP_DIR"), getenv("TMPDIR"),
		"/tmp" };
	char path[PATH_MAX], folder[PATH_MAX];
	struct oh_error err = { "" };
	int first = 0;

	if (!oh_library_find(o->library, path, &err)) {
		say("no", "library", "%s", err.text);
		return;
	}
	say("ok", "library", "%s", path);
	for (size_t i = 0; i < OH_ARRAY_LEN(folders); i++) {
		int error = folders[i] != NULL && *folders[i] != '\0'
				? oh_trial(path, folders[i], &err)
				: ENOENT;

		if (i == 0)
			first = error;
		if (error != 0)
			continue;
		if (i == 0)
			say("ok", "folder", "%s can be written to",
			    realpath(folders[0], folder) != NULL ? folder : folders[0]);
		else
			say("note", "folder", "%s: %s; profiles go to %s, choose with OTHEAP_DIR",
			    folders[0], strerror(first), folders[i]);
		if (err.text[0] != '\0')
			say("no", "trial", "%s", err.text);
		else
			say("ok", "trial", "a small program with the library wrote a profile");
		return;
	}
	say("no", "folder", "%s: %s, nor can TMPDIR or /tmp be written to; set OTHEAP_DIR",
	    folders[0], strerror(first));
}

/* Where profiles are to be sent, if they are. */
static void
check_collector(void)
{
	static const char *const marks[] = {
		[OH_REACH_OK] = "ok", [OH_REACH_NOTE] = "note", [OH_REACH_NO] = "no"
	};
	char text[1024];

	if (oh_export_wanted())
		say(marks[oh_reach_collector("doctor", text, sizeof(text))], "collector", "%s",
		    text);
}

/* ---- a program's file ----------------------------------------------------------------- */

static void
check_names(const struct oh_program *p)
{
	if (p->debug || p->separate_debug)
		say("ok", "names", "debug information in %s: functions, files and lines",
		    p->debug ? "the program" : "a separate file");
	else if (p->symbols)
		say("note", "names",
		    "no debug information: functions, but no lines; build with -g, or install its "
		    "debug package");
	else
		say("note", "names",
		    "neither debug information nor symbols: addresses only; build with -g, "
		    "install its debug package, or set DEBUGINFOD_URLS");
	if (p->build_id[0] != '\0')
		say("ok", "build ID", "%s", p->build_id);
	else
		say("note", "build ID",
		    "none, so a profile is not told from one of another build; link with "
		    "-Wl,--build-id");
}

static void
check_program(const char *path)
{
	struct oh_program p, linked;
	struct oh_error err = { "" };
	const char *obstacle;
	char buf[256];

	if (!oh_program_read(path, &p, &err)) {
		say("no", "program", "%s", err.text);
		return;
	}
	if (p.script[0] != '\0')
		say("ok", "program", "%s, a script that %s runs", p.script, p.path);
	else
		say("ok", "program", "%s", p.path);
	/* One thing after the other, as the first is all that is told otherwise. */
	linked = p;
	linked.more_rights = false;
	linked.allocator[0] = '\0';
	obstacle = oh_program_obstacle(&linked, buf);
	if (obstacle != NULL) {
		say("no", "linkage", "it %s", obstacle);
		return;
	}
	say("ok", "linkage", "for x86-64, loaded by %s", p.interp);
	if (p.more_rights) {
		say("no", "rights", "it %s", oh_program_obstacle(&p, buf));
		p.more_rights = false;
	} else {
		say("ok", "rights", "no more than yours");
	}
	obstacle = oh_program_obstacle(&p, buf);
	if (obstacle != NULL)
		say("no", "allocator", "it %s", obstacle);
	else
		say("ok", "allocator", "%s",
		    p.needed[0] != '\0' ? p.needed : "not linked into the program");
	check_names(&p);
}

static void
check_named(const char *name)
{
	char path[PATH_MAX];
	int error = oh_program_find(name, path);

	if (error == 0)
		check_program(path);
	else if (error == ENOENT)
		say("no", "program", "%s: %s", name,
		    strchr(name, '/') != NULL ? "no such program" : "no such program in PATH");
	else
		say("no", "program", "%s: %s", name, strerror(error));
}

/* ---- a running program ------------------------------------------------------------------ */

static void
check_its_folder(const struct oh_process *p)
{
	char folder[PATH_MAX];
	struct stat st;

	if (!oh_process_folder(p, 0, folder))
		return;
	if (stat(folder, &st) == 0 && S_ISDIR(st.st_mode))
		say("ok", "folder", "%s", folder);
	else
		say("note", "folder", "%s: no such folder; profiles go to TMPDIR or /tmp", folder);
}

static void
check_process(pid_t pid, const struct options *o)
{
	struct oh_error err = { "" };
	struct oh_process p;
	int sig;
	char name[32], exe[PATH_MAX + sizeof(p.root)];

	if (!oh_process_open(pid, &p, &err)) {
		say("no", "process", "pid %d: %s", (int)pid, err.text);
		oh_process_close(&p);
		return;
	}
	say("ok", "process", "pid %d, %s", (int)p.pid, p.name);
	if (!oh_process_is_ours(&p, &err)) {
		say("no", "rights", "%s", err.text);
	} else if (!oh_process_has_library(&p, &err)) {
		say("ok", "rights", "it may be signalled and looked at");
		say("no", "library", "%s", err.text);
		/* And would it work then? */
		check_system();
		check_settings(environ);
		check_signal();
		check_library(o);
		(void)snprintf(exe, sizeof(exe), "%s%s", p.root, p.exe);
		check_program(exe);
	} else {
		say("ok", "rights", "it may be signalled and looked at");
		say("ok", "library", "%s", p.library);
		check_settings(p.envp);
		if (oh_process_listens(&p, &sig, &err))
			say("ok", "signal", "%s asks for a profile: otheap dump %d",
			    oh_signal_name(name, sig), (int)p.pid);
		else
			say("no", "signal", "%s", err.text);
		if (p.seccomp != 0)
			say("note", "sandbox",
			    "it has a seccomp filter; if it put that on itself, no profile is "
			    "written");
		check_its_folder(&p);
		if (p.exe[0] != '\0') {
			struct oh_program program;

			(void)snprintf(exe, sizeof(exe), "%s%s", p.root, p.exe);
			if (oh_program_read(exe, &program, &err))
				check_names(&program);
		}
	}
	oh_process_close(&p);
}

static int
doctor(int argc, char **argv)
{
	struct options o = { 0 };
	pid_t pid;

	if (!parse(argc, argv, &o))
		return OH_EXIT_BAD;
	if (o.help) {
		(void)fputs(help, stdout);
		return OH_EXIT_OK;
	}
	bad = false;
	if (o.what != NULL && oh_process_parse(o.what, &pid)) {
		check_process(pid, &o);
	} else {
		check_system();
		check_settings(environ);
		check_signal();
		check_library(&o);
		check_collector();
		if (o.what != NULL)
			check_named(o.what);
	}
	return bad ? OH_EXIT_FINDINGS : OH_EXIT_OK;
}

const struct oh_command oh_cmd_doctor = {
	.name = "doctor",
	.run = doctor,
	.summary = "will profiling work here, for this program or process?",
	.help = help,
};
