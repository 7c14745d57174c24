/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trial.c - does the library work here?  Let it.
 *
 * The loader, a sandbox, a full disk, an allocator that is preloaded too: what
 * could be in the way shows best by doing it.
 */
#include "tools/trial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/library.h"
#include "tools/settings.h"
#include "tools/written.h"

#define PATTERN "trial.%n"
#define SAID "said"

static _Noreturn void
be_the_program(const char *library, const char *folder)
{
	char *preload = oh_library_preload(library, getenv("LD_PRELOAD"));
	const struct oh_option *options;
	char said[PATH_MAX + 16];
	size_t count;
	int fd;

	options = oh_options(&count);
	for (size_t i = 0; i < count; i++)
		(void)unsetenv(options[i].variable);
	(void)setenv("LD_PRELOAD", preload, 1);
	(void)setenv("OTHEAP_SAMPLE_INTERVAL", "1", 1);
	(void)setenv("OTHEAP_DIR", folder, 1);
	(void)setenv("OTHEAP_FILE", PATTERN, 1);
	(void)setenv("OTHEAP_DEBUG", "1", 1);
	(void)setenv("OTHEAP_OTLP", "0", 1);
	(void)snprintf(said, sizeof(said), "%s/" SAID, folder);
	fd = open(said, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(126);
	fd = open("/dev/null", O_RDWR);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
		_exit(126);
	(void)execl("/proc/self/exe", "otheap", "--version", (char *)NULL);
	_exit(127);
}

/* The file's first bytes. */
static void
read_said(const char *folder, char *to, size_t room)
{
	char path[PATH_MAX + 16];
	ssize_t n = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/" SAID, folder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, to, room - 1);
		(void)close(fd);
	}
	to[n > 0 ? n : 0] = '\0';
}

static void
judge(const char *folder, int status, struct oh_error *err)
{
	struct oh_written_list list = { 0 };
	char said[4096], name[32];
	const char *loader;

	read_said(folder, said, sizeof(said));
	oh_written_scan(&list, folder, PATTERN, 0, false, NULL);
	loader = strstr(said, "ERROR: ld.so: ");
	if (loader != NULL)
		(void)oh_error_set(
		    err, "the loader says: %.*s", (int)strcspn(loader + 14, "\n"), loader + 14);
	else if (WIFSIGNALED(status))
		(void)oh_error_set(err, "%s ended a program with the library in it",
		    oh_signal_name(name, WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		(void)oh_error_set(err, "a program with the library in it failed with status %d",
		    WEXITSTATUS(status));
	else if (strstr(said, "otheap: another_allocator_first=1") != NULL)
		(void)oh_error_set(err, "another allocator comes before the library; see "
					"/etc/ld.so.preload");
	else if (strstr(said, "otheap: on=1") == NULL)
		(void)oh_error_set(err, "the library did not start; OTHEAP_DEBUG=1 with a program "
					"shows more");
	else if (list.count == 0)
		(void)oh_error_set(err, "the library started but wrote no profile; a sandbox may "
					"not allow its system calls, see otheap(7)");
	oh_written_free(&list);
}

/* The folder of the trial and what is in it; nothing below. */
static void
remove_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		(void)unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir != NULL)
		(void)closedir(dir);
	(void)rmdir(folder);
}

int
oh_trial(const char *library, const char *folder, struct oh_error *ret_err)
{
	char own[PATH_MAX], absolute[PATH_MAX];
	int status = 0;
	pid_t pid;

	if (realpath(folder, absolute) == NULL)
		return errno;
	if ((size_t)snprintf(own, sizeof(own), "%s/.otheap-doctor-XXXXXX", absolute) >= sizeof(own))
		return ENAMETOOLONG;
	if (mkdtemp(own) == NULL)
		return errno;
	pid = fork();
	if (pid == 0)
		be_the_program(library, own);
	if (pid < 0)
		(void)oh_error_set(ret_err, "no new process: %s", strerror(errno));
	else if (waitpid(pid, &status, 0) != pid)
		(void)oh_error_set(ret_err, "waiting for a program: %s", strerror(errno));
	else
		judge(own, status, ret_err);
	remove_folder(own);
	return 0;
}
