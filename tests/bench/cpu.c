/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu.c FILE COMMAND... - run a command and append to FILE the CPU time in
 * milliseconds that it and its descendants took, with BENCH_RSS set also their
 * largest resident size in KiB; ends with its exit status.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	struct rusage ru;
	char line[64];
	int status;

	if (argc < 3)
		return 2;
	pid_t pid = fork();
	if (pid == 0) {
		(void)execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	(void)getrusage(RUSAGE_CHILDREN, &ru);
	double ms = (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e3 +
		    (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e3;
	int fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	int n = getenv("BENCH_RSS") != NULL
		    ? snprintf(line, sizeof(line), "%.2f %ld\n", ms, ru.ru_maxrss)
		    : snprintf(line, sizeof(line), "%.2f\n", ms);
	int rc = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (rc != 0)
		(void)fprintf(stderr, "bench: %s ended with %d\n", argv[2], rc);
	else if (write(fd, line, (size_t)n) != n)
		rc = 1;
	return rc;
}
