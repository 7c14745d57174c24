/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.c - a running process, as /proc shows it (proc(5)).
 *
 * A process ID may be another process a moment later.  The pidfd is opened
 * before anything is read, and signals go by it, so that what was read is of
 * the process that is signalled.
 */
#include "tools/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/library.h"
#include "tools/settings.h"
#include "tools/spool_user.h"
#include "tools/tables.h"

#define FILE_MAX_BYTES ((size_t)32 << 20) /* of /proc: maps of huge programs are some MiB */

bool
oh_process_parse(const char *text, pid_t *ret_pid)
{
	long v;

	if (*text == '\0' || strspn(text, "0123456789") != strlen(text) || strlen(text) > 10)
		return false;
	v = strtol(text, NULL, 10);
	if (v < 1 || v > INT_MAX)
		return false;
	*ret_pid = (pid_t)v;
	return true;
}

/* ---- files of /proc ------------------------------------------------------------- */

/* All of /proc/PID/NAME with a NUL behind it, or NULL with errno.  Free it. */
static char *
slurp(pid_t pid, const char *name, size_t *ret_len)
{
	char path[64], *text = NULL;
	size_t len = 0, cap = 0;
	ssize_t n;
	int fd, error;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	do {
		text = oh_xgrow(text, &cap, len + 4096, 1);
		n = read(fd, text + len, cap - len - 1);
		if (n > 0)
			len += (size_t)n;
	} while ((n > 0 && len < FILE_MAX_BYTES) || (n < 0 && errno == EINTR));
	error = errno;
	(void)close(fd);
	text[len] = '\0';
	if (n < 0 && len == 0) {
		free(text);
		errno = error;
		return NULL;
	}
	if (ret_len != NULL)
		*ret_len = len;
	return text;
}

/* Where the value of `key` begins in the text of a status file, or "". */
static const char *
field(const char *status, const char *key)
{
	size_t len = strlen(key);

	for (const char *s = status; s != NULL && *s != '\0'; s = strchr(s, '\n')) {
		s += *s == '\n';
		if (strncmp(s, key, len) == 0 && s[len] == ':')
			return s + len + 1 + strspn(s + len + 1, " \t");
	}
	return "";
}

/* The last of the numbers in a line. */
static long
last_number(const char *s)
{
	long v = 0;

	while (*s != '\0' && *s != '\n') {
		if (*s >= '0' && *s <= '9') {
			char *end;

			v = strtol(s, &end, 10);
			s = end;
		} else {
			s++;
		}
	}
	return v;
}

static void
read_link(pid_t pid, const char *name, char ret[PATH_MAX])
{
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	n = readlink(path, ret, PATH_MAX - 1);
	ret[n > 0 ? n : 0] = '\0';
}

static bool
read_status(struct oh_process *p, struct oh_error *err)
{
	char *status = slurp(p->pid, "status", NULL);
	pid_t tgid;

	if (status == NULL)
		return oh_error_set(err, "no such process");
	tgid = (pid_t)strtol(field(status, "Tgid"), NULL, 10);
	if (tgid > 0 && tgid != p->pid) {
		/* A thread. */
		p->pid = tgid;
		free(status);
		status = slurp(p->pid, "status", NULL);
		if (status == NULL)
			return oh_error_set(err, "no such process");
	}
	(void)snprintf(p->name, sizeof(p->name), "%.*s", (int)strcspn(field(status, "Name"), "\n"),
	    field(status, "Name"));
	p->state = field(status, "State")[0];
	p->uid = (uid_t)strtoul(field(status, "Uid"), NULL, 10);
	p->caught = strtoull(field(status, "SigCgt"), NULL, 16);
	p->ignored = strtoull(field(status, "SigIgn"), NULL, 16);
	p->seccomp = (int)strtol(field(status, "Seccomp"), NULL, 10);
	p->inner_pid = (pid_t)last_number(field(status, "NSpid"));
	if (p->inner_pid <= 0)
		p->inner_pid = p->pid;
	free(status);
	if (p->state == 'Z' || p->state == 'X')
		return oh_error_set(err, "it has ended; its parent has not yet taken notice");
	return true;
}

/* The library among the mapped files, also if its file was replaced since. */
static void
find_library(struct oh_process *p, const char *maps)
{
	for (const char *line = maps; *line != '\0';) {
		size_t len = strcspn(line, "\n");
		const char *path = memchr(line, '/', len), *name;
		size_t path_len = path != NULL ? (size_t)(line + len - path) : 0;

		name = path != NULL ? memrchr(path, '/', path_len) : NULL;
		if (name != NULL &&
		    strncmp(name + 1, OH_LIBRARY_NAME, sizeof(OH_LIBRARY_NAME) - 1) == 0) {
			(void)snprintf(p->library, sizeof(p->library), "%.*s", (int)path_len, path);
			/* Its first part comes first (proc(5): by address). */
			p->library_at = strtoull(line, NULL, 16);
			return;
		}
		line += len + (line[len] == '\n');
	}
}

static void
read_environment(struct oh_process *p)
{
	size_t len, count = 0, cap = 0;

	p->env_text = slurp(p->pid, "environ", &len);
	if (p->env_text == NULL)
		return;
	for (size_t at = 0; at < len; at += strlen(p->env_text + at) + 1) {
		p->envp = oh_xgrow(p->envp, &cap, count + 2, sizeof(*p->envp));
		p->envp[count++] = p->env_text + at;
	}
	p->envp = oh_xgrow(p->envp, &cap, count + 1, sizeof(*p->envp));
	p->envp[count] = NULL;
}

/* Does the process see the files that we see, by the same paths? */
static bool
same_files(pid_t pid)
{
	char theirs[PATH_MAX], ours[PATH_MAX];

	read_link(pid, "root", theirs);
	if (strcmp(theirs, "/") != 0)
		return false;
	read_link(pid, "ns/mnt", theirs);
	read_link(getpid(), "ns/mnt", ours);
	return strcmp(theirs, ours) == 0;
}

bool
oh_process_open(pid_t pid, struct oh_process *p, struct oh_error *err)
{
	char *maps;

	memset(p, 0, sizeof(*p));
	p->pid = pid;
	p->pidfd = -1;
	/* For a thread, read_status() finds its process, and there is no pidfd. */
	p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (!read_status(p, err))
		return false;
	if (!same_files(p->pid))
		(void)snprintf(p->root, sizeof(p->root), "/proc/%d/root", (int)p->pid);
	read_link(p->pid, "exe", p->exe);
	read_link(p->pid, "cwd", p->cwd);
	maps = slurp(p->pid, "maps", NULL);
	if (maps != NULL)
		find_library(p, maps);
	free(maps);
	read_environment(p);
	return true;
}

void
oh_process_close(struct oh_process *p)
{
	if (p->pidfd >= 0)
		(void)close(p->pidfd);
	free(p->envp);
	free(p->env_text);
}

/* ---- by name --------------------------------------------------------------------- */

/* Is the part after the last '/' of `path` this name?  Also of a file that was removed. */
static bool
is_called(const char *path, const char *name)
{
	static const char deleted[] = " (deleted)";
	const char *slash = strrchr(path, '/');
	const char *base = slash != NULL ? slash + 1 : path;
	size_t len = strlen(name);

	return strncmp(base, name, len) == 0 &&
	       (base[len] == '\0' || strcmp(base + len, deleted) == 0);
}

static bool
match(pid_t pid, const char *name, struct oh_process_match *ret)
{
	char exe[PATH_MAX], *comm = slurp(pid, "comm", NULL), *args = NULL, *maps;
	struct oh_process p = { 0 };
	size_t len = 0;
	bool good;

	if (comm == NULL)
		return false;
	comm[strcspn(comm, "\n")] = '\0';
	read_link(pid, "exe", exe);
	args = slurp(pid, "cmdline", &len);
	good = args != NULL && len > 0 && /* else it has ended, or is the kernel's */
	       (strcmp(comm, name) == 0 || is_called(exe, name) || is_called(args, name));
	if (good) {
		ret->pid = pid;
		for (size_t i = 0; i + 1 < len; i++)
			if (args[i] == '\0')
				args[i] = ' ';
		(void)snprintf(ret->command, sizeof(ret->command), "%s", args);
		maps = slurp(pid, "maps", NULL);
		if (maps != NULL)
			find_library(&p, maps);
		ret->has_library = p.library[0] != '\0';
		free(maps);
	}
	free(args);
	free(comm);
	return good;
}

size_t
oh_process_find(const char *name, struct oh_process_match **ret)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	size_t count = 0, cap = 0;

	*ret = NULL;
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		struct oh_process_match m;
		struct stat st;
		pid_t pid;

		if (!oh_process_parse(entry->d_name, &pid) || pid == getpid() ||
		    fstatat(dirfd(dir), entry->d_name, &st, 0) != 0 ||
		    (geteuid() != 0 && st.st_uid != geteuid()) || !match(pid, name, &m))
			continue;
		*ret = oh_xgrow(*ret, &cap, count + 1, sizeof(**ret));
		(*ret)[count++] = m;
	}
	if (dir != NULL)
		(void)closedir(dir);
	return count;
}

/* ---- may we, and would it answer? ------------------------------------------------ */

int
oh_process_signal(const struct oh_process *p, int signal, int value)
{
	siginfo_t info = { .si_signo = signal, .si_code = SI_QUEUE };
	siginfo_t *with = value != 0 ? &info : NULL;

	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_int = value;
	if (p->pidfd >= 0)
		return syscall(SYS_pidfd_send_signal, p->pidfd, signal, with, 0) == 0 ? 0 : errno;
	if (with != NULL)
		return sigqueue(p->pid, signal, info.si_value) == 0 ? 0 : errno;
	return kill(p->pid, signal) == 0 ? 0 : errno;
}

bool
oh_process_lives(const struct oh_process *p)
{
	struct oh_process now = { .pid = p->pid };
	struct oh_error ignored = { "" };

	return oh_process_signal(p, 0, 0) != ESRCH && read_status(&now, &ignored);
}

bool
oh_process_is_ours(const struct oh_process *p, struct oh_error *err)
{
	const struct passwd *user = getpwuid(p->uid);
	char path[64], who[64];
	int fd;

	if (user != NULL)
		(void)snprintf(who, sizeof(who), "%s", user->pw_name);
	else
		(void)snprintf(who, sizeof(who), "uid %u", (unsigned)p->uid);
	if (oh_process_signal(p, 0, 0) == EPERM)
		return oh_error_set(err,
		    "it belongs to %s, and you may not signal it; try as that user or as root",
		    who);
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)p->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return oh_error_set(err,
		    "it belongs to %s, and its memory map may not be read: %s%s", who,
		    strerror(errno), geteuid() != 0 ? "; try as root" : "");
	(void)close(fd);
	return true;
}

bool
oh_process_has_library(const struct oh_process *p, struct oh_error *err)
{
	if (p->library[0] != '\0')
		return true;
	return oh_error_set(err,
	    OH_LIBRARY_NAME " is not loaded in it; start the program with: otheap run -- %s",
	    p->name);
}

/* Do all threads of the process block this signal? */
static bool
all_block(const struct oh_process *p, int signal)
{
	char path[64];
	struct dirent *entry;
	bool all = true;
	size_t seen = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)p->pid);
	dir = opendir(path);
	if (dir == NULL)
		return false;
	while (all && (entry = readdir(dir)) != NULL) {
		char name[300], *status;

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(name, sizeof(name), "task/%s/status", entry->d_name);
		status = slurp(p->pid, name, NULL);
		if (status == NULL)
			continue;
		all = (strtoull(field(status, "SigBlk"), NULL, 16) >> (signal - 1) & 1) != 0;
		seen++;
		free(status);
	}
	(void)closedir(dir);
	return all && seen > 0;
}

bool
oh_process_listens(const struct oh_process *p, int *ret_signal, struct oh_error *err)
{
	pid_t pid = p->pid;
	struct oh_memory memory = { oh_memory_of_process, &pid };
	int signal = 0, now = oh_tables_signal(&memory, p->library_at);
	char name[32];

	(void)oh_signal_parse(oh_setting_value(p->envp, "OTHEAP_SIGNAL"), &signal);
	/* The library knows better: where a program writes its title the environment is gone. */
	if (now > 0)
		signal = now;
	if (signal == 0)
		return oh_error_set(err, "it was started with OTHEAP_SIGNAL=none");
	(void)oh_signal_name(name, signal);
	if ((p->ignored >> (signal - 1) & 1) != 0)
		return oh_error_set(err, "it ignores %s; start it with another --signal", name);
	/* The default action of most signals is the end. */
	if ((p->caught >> (signal - 1) & 1) == 0)
		return oh_error_set(err,
		    "it has no handler for %s, which would end it; OTHEAP_DEBUG=1 shows why the "
		    "library is off",
		    name);
	if (now == 0)
		return oh_error_set(err,
		    "%s is not for a profile there: the program has a handler of its own, or "
		    "OTHEAP_SIGNAL was none; start it with another --signal",
		    name);
	if (p->state == 'T' || p->state == 't')
		return oh_error_set(
		    err, "it is stopped; continue it with: kill -CONT %d", (int)p->pid);
	if (all_block(p, signal))
		return oh_error_set(
		    err, "all its threads block %s; start it with another --signal", name);
	*ret_signal = signal;
	return true;
}

/* ---- where its profiles go --------------------------------------------------------- */

/* root + base + "/" + dir; false if any is missing. */
static bool
compose(const struct oh_process *p, const char *base, const char *dir, char ret[PATH_MAX])
{
	if (base == NULL || *base != '/' || dir == NULL)
		return false;
	return (size_t)snprintf(ret, PATH_MAX, "%s%s%s%s", p->root, base, *dir != '\0' ? "/" : "",
		   dir) < PATH_MAX;
}

/* Does it export, so that its profiles go to the spool? */
static bool
exports(const struct oh_process *p)
{
	static const char *const endpoints[] = { "OTEL_EXPORTER_OTLP_ENDPOINT",
		"OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT" };

	for (size_t i = 0; i < OH_ARRAY_LEN(endpoints); i++) {
		const char *value = oh_env_value(p->envp, endpoints[i]);

		if (value != NULL && *value != '\0')
			return strcmp(oh_setting_value(p->envp, "OTHEAP_OTLP"), "1") == 0;
	}
	return false;
}

/*
 * The i-th spool of those that nobody named: where it left its marker, else any
 * of its user's, else where they would be.  False: there are only *ret_count.
 */
static bool
spool_of_user(const struct oh_process *p, size_t i, size_t *ret_count, char ret_path[PATH_MAX])
{
	char folder[PATH_MAX], below[PATH_MAX], name[OH_SPOOL_NAME_BYTES];
	const char *runtime_dir = oh_env_value(p->envp, "XDG_RUNTIME_DIR");

	*ret_count = 0;
	for (int any = 0; any < 2 && *ret_count == 0; any++)
		for (size_t k = 0; oh_spools_folder(k, runtime_dir, p->uid, below) != NULL; k++) {
			DIR *d = compose(p, below, "", folder) ? opendir(folder) : NULL;

			while (d != NULL && oh_spools_next(d, name)) {
				if (any == 0 && !oh_spools_is_of(d, name, p->inner_pid))
					continue;
				if (*ret_count == i && !compose(p, below, name, ret_path))
					continue;
				if ((*ret_count)++ == i) {
					(void)closedir(d);
					return true;
				}
			}
			if (d != NULL)
				(void)closedir(d);
		}
	if (*ret_count == 0 && oh_spools_folder(0, runtime_dir, p->uid, below) != NULL &&
	    compose(p, below, "", ret_path)) {
		*ret_count = 1;
		return i == 0;
	}
	return false;
}

bool
oh_process_folder(const struct oh_process *p, size_t i, char ret_path[PATH_MAX])
{
	const char *dir = oh_setting_value(p->envp, "OTHEAP_DIR");
	const char *given = oh_env_value(p->envp, "OTHEAP_DIR");
	const char *spool = exports(p) ? oh_setting_value(p->envp, "OTHEAP_SPOOL") : "";
	struct {
		const char *base, *below;
	} places[4] = { { dir, "" }, { NULL, "" }, { oh_env_value(p->envp, "TMPDIR"), "" },
		{ "/tmp", "" } };
	size_t count;

	if (*spool == '/' && compose(p, spool, "", ret_path) && i-- == 0)
		return true;
	if (*spool != '/' && exports(p) && (given == NULL || *given == '\0')) {
		if (spool_of_user(p, i, &count, ret_path))
			return true;
		i -= count;
	}
	if (*dir != '/') {
		/* Below the folder where it started: the shell's word for that, or where it is. */
		places[0].base = oh_env_value(p->envp, "PWD");
		places[1].base = p->cwd;
		places[0].below = places[1].below = strcmp(dir, ".") == 0 ? "" : dir;
	}
	for (size_t k = 0; k < OH_ARRAY_LEN(places); k++)
		if (compose(p, places[k].base, places[k].below, ret_path) && i-- == 0)
			return true;
	return false;
}
