/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mixed.c - uses a little of everything, and frees each block with free().
 *
 * For programs with an allocator of their own: whoever hands out a block must
 * be the one that gets it back.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#include "prog.h"

SITE static void
site_mixed(void)
{
	char *text = NULL, *line = NULL;
	size_t n = 0;

	for (int i = 0; i < 200; i++) {
		free(hide(malloc(1000)));
		free(hide(calloc(10, 10)));
		void *p = reallocarray(NULL, 10, 10);
		p = reallocarray(p, 20, 10);
		p = realloc(p, 10);
		free(p);
		free(strdup("text"));
		CHECK(asprintf(&text, "%d", i) > 0);
		free(text);
	}
	FILE *f = fmemopen((void *)"line\n", 5, "r");
	CHECK(f != NULL && getline(&line, &n, f) == 5);
	fclose(f);
	free(line);
	char *path = realpath("/", NULL);
	CHECK(path != NULL && strcmp(path, "/") == 0);
	free(path);
}

static void *
thread(void *arg)
{
	site_mixed();
	return arg;
}

int
main(void)
{
	pthread_t t[4];

	site_mixed();
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&t[i], NULL, thread, NULL) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	printf("done\n");
	return bad_count != 0;
}
