/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_symbolize.c - otheap symbolize: a profile with the names in it.
 *
 * For machines that have not the programs and debug files, and for readers
 * that find fewer names than we do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/args.h"
#include "tools/cmd.h"
#include "tools/mem.h"
#include "tools/module.h"
#include "tools/outfile.h"
#include "tools/profile_write.h"
#include "tools/symbols.h"

#define PROGRESS_NS INT64_C(200000000) /* between two lines */

static const char help[] =
    "usage: otheap symbolize [OPTION...] FILE -o OUT\n"
    "\n"
    "Writes the profile FILE as OUT with the names, files, lines and inlined calls of its\n"
    "addresses, so that it can be read where the programs are not.  What has a name keeps it.\n"
    "\n"
    "  -o, --output OUT        the file to write; - is standard output\n"
    "      --root DIR          the programs and libraries are below DIR, not below /\n"
    "      --debug-dir DIR     look here too for them and their debug files: by path, by\n"
    "                          name, or as .build-id/ab/cdef.debug; may be repeated\n"
    "      --force             look for the names again of what has one\n"
    "      --max-size SIZE     refuse a file with more than this when unpacked (default 1g)\n"
    "  -h, --help              this text\n"
    "\n"
    "Files are told by their build ID.  debuginfod servers are asked if DEBUGINFOD_URLS is\n"
    "set.  C++ and Rust names are demangled.\n"
    "\n"
    "exit status: 0 fine, also if nothing was found; 2 wrong usage, bad file or an output\n"
    "that cannot be written\n";

static const struct option options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "root", required_argument, NULL, OH_OPT_ROOT },
	{ "debug-dir", required_argument, NULL, OH_OPT_DEBUG_DIR },
	{ "force", no_argument, NULL, OH_OPT_FORCE },
	{ "max-size", required_argument, NULL, OH_OPT_MAX_SIZE },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* ---- progress -------------------------------------------------------------------- */

static int64_t shown_ns; /* when progress was last printed; 0 = never */

static int64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
show_progress(size_t done, size_t of)
{
	int64_t now = now_ns();

	if (shown_ns == 0)
		shown_ns = now; /* short work shows nothing */
	if (now - shown_ns < PROGRESS_NS && done < of)
		return;
	if (done < of)
		(void)fprintf(stderr, "\rotheap: symbolize: %zu of %zu addresses", done, of);
	else
		(void)fputs("\r\033[K", stderr);
	shown_ns = now;
}

/* ---- work ------------------------------------------------------------------------- */

/* The lines that locations have already, to go back to. */
struct lines {
	uint32_t *at, *count;
};

static void
forget_names(struct oh_profile *p, struct lines *old)
{
	size_t bytes = p->location_count * sizeof(*old->at);

	old->at = oh_xcalloc(p->location_count, sizeof(*old->at));
	old->count = oh_xcalloc(p->location_count, sizeof(*old->count));
	if (bytes == 0)
		return;
	memcpy(old->at, p->line_at, bytes);
	memcpy(old->count, p->line_count, bytes);
	memset(p->line_count, 0, bytes);
}

static void
remember_names(struct oh_profile *p, struct lines *old)
{
	for (size_t l = 0; l < p->location_count && old->at != NULL; l++)
		if (p->line_count[l] == 0) {
			p->line_at[l] = old->at[l];
			p->line_count[l] = old->count[l];
		}
	free(old->at);
	free(old->count);
}

static void
name_all(const struct oh_args *a, struct oh_profile *p)
{
	struct lines old = { NULL, NULL };
	struct oh_symbols *s;

	if (a->force)
		forget_names(p, &old);
	s = oh_symbols_create(p, false);
	oh_symbols_progress(s, isatty(STDERR_FILENO) ? show_progress : NULL);
	oh_symbols_run(s, NULL);
	oh_symbols_free(s);
	remember_names(p, &old);
	oh_symbols_demangle(p);
}

/* Of what samples refer to: nothing else is written. */
static void
print_summary(const char *out, const struct oh_profile *p)
{
	uint8_t *used = oh_xcalloc(p->location_count, 1);
	size_t named = 0, all = 0;

	for (uint32_t f = 0; f < p->frame_at[p->sample_count]; f++)
		used[p->frames[f]] = 1;
	for (size_t l = 0; l < p->location_count; l++) {
		all += used[l];
		named += used[l] != 0 && p->line_count[l] > 0;
	}
	oh_print_clean(stdout, out);
	(void)printf(": %zu of %zu addresses have names\n", named, all);
	free(used);
}

static bool
save(const char *out, const struct oh_profile *p)
{
	struct oh_outfile f;

	return oh_outfile_open(&f, out) && oh_outfile_close(&f, oh_profile_write(p, f.to));
}

static int
symbolize_file(const struct oh_args *a, const char *file)
{
	struct oh_profile *p;
	bool good;

	if (a->output == NULL) {
		(void)fputs("otheap: symbolize: --output OUT is needed\n", stderr);
		return OH_EXIT_BAD;
	}
	if (strcmp(a->output, "-") == 0 && isatty(STDOUT_FILENO)) {
		(void)fputs(
		    "otheap: symbolize: a profile is not for a terminal; give a file to -o\n",
		    stderr);
		return OH_EXIT_BAD;
	}
	p = oh_args_read(a, file);
	if (p == NULL)
		return OH_EXIT_BAD;
	oh_module_places(a->root, a->debug_dirs);
	name_all(a, p);
	oh_module_places(NULL, NULL);
	good = save(a->output, p);
	if (good && strcmp(a->output, "-") != 0)
		print_summary(a->output, p);
	oh_profile_free(p);
	return good ? OH_EXIT_OK : OH_EXIT_BAD;
}

static int
symbolize(int argc, char **argv)
{
	struct oh_args a;
	int rc;

	oh_args_init(&a, "symbolize");
	rc = oh_args_start(&a, help, argc, argv, ":o:h", options, 1, 1);
	if (rc == OH_ARGS_GO)
		rc = symbolize_file(&a, argv[optind]);
	free(a.root);
	free(a.debug_dirs);
	return rc;
}

const struct oh_command oh_cmd_symbolize = {
	.name = "symbolize",
	.run = symbolize,
	.summary = "write a profile with names, files, lines and inlined calls in it",
	.help = help,
};
