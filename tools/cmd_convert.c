/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_convert.c - otheap convert: profiles of other formats, and into them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/args.h"
#include "tools/cmd.h"
#include "tools/convert.h"
#include "tools/mem.h"
#include "tools/outfile.h"
#include "tools/profile_write.h"

static const char help[] =
    "usage: otheap convert [OPTION...] FILE -o OUT\n"
    "\n"
    "Writes the profile FILE in another format.\n"
    "\n"
    "  -o, --output OUT        the file to write; - is standard output\n"
    "      --from FORMAT       of FILE: pprof, folded, speedscope, heap or firefox (default:\n"
    "                          what it looks like)\n"
    "      --to FORMAT         of OUT: pprof, folded, speedscope, heap or firefox (default:\n"
    "                          pprof for .pb.gz and .pb, folded for .folded, .collapsed and\n"
    "                          .txt, speedscope for .speedscope.json, heap for .heap,\n"
    "                          firefox for .json)\n"
    "  -s, --sample-type TYPE  to folded: what to write; to speedscope: what is shown first\n"
    "                          (default: as otheap top); from folded: what it is\n"
    "      --focus REGEX       only stacks with a function or file that matches\n"
    "      --ignore REGEX      no stacks with a function or file that matches\n"
    "      --hide REGEX        without the frames that match; their callers get the value\n"
    "      --no-symbols        do not look for names in the programs\n"
    "      --max-size SIZE     refuse a file with more than this when unpacked (default 1g)\n"
    "  -h, --help              this text\n"
    "\n"
    "folded: lines root;...;leaf VALUE.  heap: text of gperftools, tcmalloc and jemalloc; its\n"
    "sampled figures are scaled when it is read.  firefox: for profiler.firefox.com.\n"
    "\n"
    "exit status: 0 fine; 2 wrong usage, bad file, a profile that the format cannot hold, or\n"
    "an output that cannot be written\n";

static const struct option options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "from", required_argument, NULL, OH_OPT_FROM },
	{ "to", required_argument, NULL, OH_OPT_TO },
	OH_ARGS_COMMON,
};

#define EVERY_FORMAT "pprof, folded, speedscope, heap or firefox"

static const char *const names[OH_FILE_FORMATS] = {
	[OH_FILE_PPROF] = "pprof",
	[OH_FILE_FOLDED] = "folded",
	[OH_FILE_SPEEDSCOPE] = "speedscope",
	[OH_FILE_HEAP] = "heap",
	[OH_FILE_FIREFOX] = "firefox",
};

/* The format that a user calls so; OH_FILE_FORMATS if there is none. */
static enum oh_file_format
format_of(const char *name)
{
	unsigned f = 0;

	while (f < OH_FILE_FORMATS && strcmp(name, names[f]) != 0)
		f++;
	return (enum oh_file_format)f;
}

enum oh_file_format
oh_guess_format(struct oh_input *in, struct oh_error *err)
{
	const uint8_t *b;
	size_t n = oh_input_peek(in, 4096, &b, err), i = 0;

	if (n > 4096)
		n = 4096;
	/* No text has other control characters; every pprof profile begins with a few. */
	for (size_t k = 0; k < n; k++)
		if (b[k] < 0x20 && b[k] != '\t' && b[k] != '\n' && b[k] != '\r')
			return OH_FILE_PPROF;
	while (i < n && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r'))
		i++;
	if (i == n)
		return OH_FILE_PPROF;
	if (b[i] == '{')
		return memmem(b, n, "\"preprocessedProfileVersion\"", 28) != NULL
			   ? OH_FILE_FIREFOX
			   : OH_FILE_SPEEDSCOPE;
	if ((n - i >= 13 && memcmp(b + i, "heap profile:", 13) == 0) ||
	    (n - i >= 8 && memcmp(b + i, "heap_v2/", 8) == 0))
		return OH_FILE_HEAP;
	return OH_FILE_FOLDED;
}

/* ---- which formats ------------------------------------------------------------- */

static bool
unknown(const char *option, const char *name, const char *expected)
{
	(void)fprintf(stderr, "otheap: convert: %s '%s': expected %s\n", option, name, expected);
	return false;
}

static bool
by_ending(const char *path, enum oh_file_format *ret)
{
	static const struct {
		const char *ending;
		enum oh_file_format format;
	} endings[] = {
		{ ".pb.gz", OH_FILE_PPROF },
		{ ".pprof", OH_FILE_PPROF },
		{ ".pb", OH_FILE_PPROF },
		{ ".folded", OH_FILE_FOLDED },
		{ ".collapsed", OH_FILE_FOLDED },
		{ ".txt", OH_FILE_FOLDED },
		{ ".speedscope.json", OH_FILE_SPEEDSCOPE },
		{ ".speedscope", OH_FILE_SPEEDSCOPE },
		{ ".heap", OH_FILE_HEAP },
		{ ".json", OH_FILE_FIREFOX },
	};
	size_t n = strlen(path);

	for (size_t i = 0; i < OH_ARRAY_LEN(endings); i++) {
		size_t k = strlen(endings[i].ending);

		if (n > k && strcmp(path + n - k, endings[i].ending) == 0) {
			*ret = endings[i].format;
			return true;
		}
	}
	return false;
}

static bool
formats(const struct oh_args *a, enum oh_file_format *from, enum oh_file_format *to)
{
	if (a->output == NULL) {
		(void)fputs("otheap: convert: --output OUT is needed\n", stderr);
		return false;
	}
	*from = OH_FILE_FORMATS; /* not given */
	if (a->from != NULL) {
		*from = format_of(a->from);
		if (*from == OH_FILE_FORMATS)
			return unknown("--from", a->from, EVERY_FORMAT);
	}
	if (a->to != NULL) {
		*to = format_of(a->to);
		if (*to == OH_FILE_FORMATS)
			return unknown("--to", a->to, EVERY_FORMAT);
	} else if (!by_ending(a->output, to)) {
		(void)fprintf(stderr,
		    "otheap: convert: %s: its ending names no format; --to says which\n",
		    a->output);
		return false;
	}
	if (*to == OH_FILE_PPROF && strcmp(a->output, "-") == 0 && isatty(STDOUT_FILENO)) {
		(void)fputs("otheap: convert: a profile is not for a terminal; give a file to -o\n",
		    stderr);
		return false;
	}
	return true;
}

/* ---- work -------------------------------------------------------------------------- */

static struct oh_profile *
read_file(
    const struct oh_args *a, const char *file, enum oh_file_format *from, struct oh_error *err)
{
	struct oh_input *in = oh_input_open(file, a->max_bytes, err);
	struct oh_profile *p = NULL;

	if (in == NULL)
		return NULL;
	if (*from == OH_FILE_FORMATS)
		*from = oh_guess_format(in, err);
	if (*from == OH_FILE_PPROF)
		return oh_profile_read_input(in, err); /* ends it, too */
	if (*from == OH_FILE_FOLDED)
		p = oh_folded_read(in, a->sample_type != NULL ? a->sample_type : "samples", err);
	else if (*from == OH_FILE_SPEEDSCOPE)
		p = oh_speedscope_read(in, a->max_bytes, err);
	else if (*from == OH_FILE_FIREFOX)
		p = oh_firefox_read(in, a->max_bytes, err);
	else
		p = oh_heap_read(in, err);
	oh_input_free(in);
	return p;
}

static bool
write_file(const struct oh_args *a, const char *file, struct oh_profile *p, unsigned type,
    enum oh_file_format to)
{
	const char *program = oh_profile_comment(p, "program: ");
	struct oh_error err = { "" };
	struct oh_outfile f;
	bool good = true;

	if (!oh_outfile_open(&f, a->output))
		return false;
	switch (to) {
	case OH_FILE_FOLDED:
		oh_folded_write(f.to, p, type);
		break;
	case OH_FILE_SPEEDSCOPE:
		oh_speedscope_write(f.to, p, type, program ? program : file);
		break;
	case OH_FILE_HEAP:
		good = oh_heap_write(f.to, p, &err);
		break;
	case OH_FILE_FIREFOX:
		oh_firefox_write(f.to, p, program ? program : file);
		break;
	default:
		good = oh_profile_write(p, f.to);
		break;
	}
	if (err.text[0] != '\0')
		(void)fprintf(stderr, "otheap: %s: %s\n", file, err.text);
	return oh_outfile_close(&f, good) && good;
}

static bool
convert_file(const struct oh_args *a, const char *file)
{
	enum oh_file_format from, to;
	struct oh_error err = { "" };
	struct oh_profile *p;
	bool good = false;
	int type;

	if (!formats(a, &from, &to))
		return false;
	p = read_file(a, file, &from, &err);
	if (p == NULL) {
		(void)fprintf(stderr, "otheap: %s: %s\n", strcmp(file, "-") == 0 ? "(stdin)" : file,
		    err.text);
		return false;
	}
	type = oh_args_type(a, file, p);
	if (type == -1 && to != OH_FILE_PPROF)
		(void)fprintf(stderr, "otheap: %s: no sample types, nothing to convert\n", file);
	if (type >= 0 || (type == -1 && to == OH_FILE_PPROF)) {
		if (to == OH_FILE_PPROF && a->sample_type != NULL && type >= 0)
			p->default_type = p->types[type].type;
		/* Heap text holds no names. */
		if (to != OH_FILE_HEAP || a->focus != NULL || a->ignore != NULL || a->hide != NULL)
			oh_args_names(a, p, OH_ARGS_EVERY, NULL);
		good = write_file(a, file, p, type >= 0 ? (unsigned)type : 0, to);
	}
	oh_profile_free(p);
	return good;
}

static int
convert(int argc, char **argv)
{
	struct oh_args a;
	int rc;

	oh_args_init(&a, "convert");
	rc = oh_args_start(&a, help, argc, argv, ":s:o:h", options, 1, 1);
	if (rc != OH_ARGS_GO)
		return rc;
	return convert_file(&a, argv[optind]) ? OH_EXIT_OK : OH_EXIT_BAD;
}

const struct oh_command oh_cmd_convert = {
	.name = "convert",
	.run = convert,
	.summary = "from and to folded stacks, speedscope, heap text, Firefox Profiler",
	.help = help,
};
