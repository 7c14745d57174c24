/* SPDX-License-Identifier: Apache-2.0 */
/*
 * phases.c - a program that does what each line of its input says:
 *
 *	first N SIZE	N blocks, kept (site_first)
 *	second N SIZE	the same (site_second)
 *	third N SIZE	the same (site_third)
 *	free		free those of first
 *	grow SIZE	realloc those of first
 *	lose N SIZE	N blocks that nothing points to any more (site_lose)
 *	exit N		end with this status when the input ends
 *	space N, files N	no more than that many bytes of address space, descriptors
 *	user N		be that user and group from now on
 *	data N	open $DATA as descriptor 2, 1: to append; 2: a connection there
 *	daemon		go on in a grandchild
 *	wait N		that many ms
 *	elsewhere	children go to another PID namespace
 *
 * and then says `did LINE`.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "prog.h"

#define MOST 100000

static void *kept[3][MOST];
static int count[3];

#define PHASE(name, i) \
	SITE static void name(int n, size_t size) \
	{ \
		while (n-- > 0 && count[i] < MOST) \
			kept[i][count[i]++] = hide(malloc(size)); \
	}

PHASE(site_first, 0)
PHASE(site_second, 1)
PHASE(site_third, 2)

SITE static void
site_lose(int n, size_t size)
{
	while (n-- > 0) {
		void *volatile block = malloc(size);
		block = NULL;
		(void)block;
	}
}

static void
free_first(void)
{
	while (count[0] > 0)
		free(kept[0][--count[0]]);
}

SITE static void
grow_first(size_t size)
{
	for (int i = 0; i < count[0]; i++)
		kept[0][i] = realloc(kept[0][i], size);
}

static void
limit(int what, int n)
{
	struct rlimit to = { (rlim_t)n, (rlim_t)n };

	CHECK(setrlimit(what, &to) == 0);
}

/* A connection; who is at its other end keeps in $DATA what comes. */
static int
connection(void)
{
	int pair[2], to;
	char c;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	if (fork() > 0) {
		CHECK(close(pair[1]) == 0);
		return pair[0];
	}
	close(pair[0]);
	to = open(getenv("DATA"), O_WRONLY | O_CREAT, 0600);
	while (read(pair[1], &c, 1) == 1 && write(to, &c, 1) == 1)
		;
	_exit(0);
}

/* As a program that has closed all it had. */
static void
put_data(int n)
{
	(void)close(STDERR_FILENO);
	CHECK((n == 2 ? connection()
		      : open(getenv("DATA"), O_RDWR | O_CREAT | (n == 1 ? O_APPEND : 0), 0600)) ==
	      STDERR_FILENO);
}

static void
go_behind(void)
{
	if (fork() > 0)
		_exit(0);
	CHECK(setsid() > 0);
	if (fork() > 0)
		_exit(0);
}

static void
be_user(int n)
{
	CHECK(setresgid((gid_t)n, (gid_t)n, (gid_t)n) == 0);
	CHECK(setresuid((uid_t)n, (uid_t)n, (uid_t)n) == 0);
}

/* One line, without stdio, which has a buffer; false at the end. */
static int
read_line(char *line, size_t room)
{
	size_t len = 0;
	char c;

	while (read(STDIN_FILENO, &c, 1) == 1) {
		if (c == '\n') {
			line[len] = '\0';
			return 1;
		}
		if (len + 1 < room)
			line[len++] = c;
	}
	return 0;
}

int
main(void)
{
	char line[100], word[20];
	int status = 0;

	say("ready");
	while (read_line(line, sizeof(line))) {
		int n = 0, size = 0;

		if (sscanf(line, "%19s %d %d", word, &n, &size) < 1)
			continue;
		if (strcmp(word, "first") == 0)
			site_first(n, (size_t)size);
		else if (strcmp(word, "second") == 0)
			site_second(n, (size_t)size);
		else if (strcmp(word, "third") == 0)
			site_third(n, (size_t)size);
		else if (strcmp(word, "free") == 0)
			free_first();
		else if (strcmp(word, "grow") == 0)
			grow_first((size_t)n);
		else if (strcmp(word, "lose") == 0)
			site_lose(n, (size_t)size);
		else if (strcmp(word, "exit") == 0)
			status = n;
		else if (strcmp(word, "space") == 0)
			limit(RLIMIT_AS, n);
		else if (strcmp(word, "files") == 0)
			limit(RLIMIT_NOFILE, n);
		else if (strcmp(word, "user") == 0)
			be_user(n);
		else if (strcmp(word, "data") == 0)
			put_data(n);
		else if (strcmp(word, "wait") == 0)
			usleep((unsigned)n * 1000);
		else if (strcmp(word, "daemon") == 0)
			go_behind();
		else if (strcmp(word, "elsewhere") == 0)
			CHECK(unshare(CLONE_NEWPID) == 0);
		else
			say("bad line %s", line);
		say("did %s", line);
	}
	return bad_count != 0 ? 98 : status;
}
