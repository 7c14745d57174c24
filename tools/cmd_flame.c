/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_flame.c - otheap flame: draw the call tree, or how it changed.
 */
#include <stdio.h>
#include <string.h>

#include "tools/args.h"
#include "tools/cmd.h"
#include "tools/compare.h"
#include "tools/flame.h"
#include "tools/mem.h"
#include "tools/merge.h"
#include "tools/outfile.h"
#include "tools/tree.h"

static const char help[] =
    "usage: otheap flame [OPTION...] FILE [BASE] -o OUT\n"
    "\n"
    "Draws a flame graph: a frame is as wide as what it and all it calls hold.  With BASE,\n"
    "an earlier profile, frames that grew are red and those that shrank are blue.\n"
    "\n"
    "  -o, --output OUT        OUT.html: one page that needs no network, with zoom, search,\n"
    "                          callers and every sample type; OUT.svg: a picture;\n"
    "                          -: the page on standard output\n"
    "      --format FORMAT     html or svg, whatever the name of OUT\n"
    "  -s, --sample-type TYPE  what to draw, or to show first (default: as otheap top)\n"
    "      --focus REGEX       only stacks with a function or file that matches\n"
    "      --ignore REGEX      no stacks with a function or file that matches\n"
    "      --hide REGEX        without the frames that match; their callers get the value\n"
    "      --force             compare also different programs and sampling intervals\n"
    "      --no-symbols        do not look for names in the programs\n"
    "      --max-size SIZE     refuse a file with more than this when unpacked (default 1g)\n"
    "  -h, --help              this text\n"
    "\n"
    "In the page a click zooms, Escape shows all, / searches, arrows move, Enter zooms.\n"
    "OUT is replaced when the new file is complete, and not at all if that fails.\n"
    "\n"
    "exit status: 0 fine, 2 wrong usage, bad file or an output that cannot be written\n";

static const struct option options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "format", required_argument, NULL, OH_OPT_FORMAT },
	{ "force", no_argument, NULL, OH_OPT_FORCE },
	OH_ARGS_COMMON,
};

static bool
ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n > k && strcmp(s + n - k, end) == 0;
}

/* Which picture: by --format, else by the name of the output. */
static bool
choose(const struct oh_args *a, bool *ret_svg)
{
	if (a->output == NULL) {
		(void)fputs("otheap: flame: --output OUT.html or OUT.svg is needed\n", stderr);
		return false;
	}
	if (a->format != NULL) {
		*ret_svg = strcmp(a->format, "svg") == 0;
		if (*ret_svg || strcmp(a->format, "html") == 0)
			return true;
		(void)fprintf(
		    stderr, "otheap: flame: --format '%s': expected html or svg\n", a->format);
		return false;
	}
	*ret_svg = ends_with(a->output, ".svg");
	if (*ret_svg || ends_with(a->output, ".html") || strcmp(a->output, "-") == 0)
		return true;
	(void)fprintf(stderr,
	    "otheap: flame: --output '%s': expected OUT.html or OUT.svg, or add --format\n",
	    a->output);
	return false;
}

static bool
write_out(const struct oh_args *a, const struct oh_flame *f)
{
	struct oh_outfile out;
	bool svg;

	if (!choose(a, &svg) || !oh_outfile_open(&out, a->output))
		return false;
	if (svg)
		oh_flame_svg(out.to, f);
	else
		oh_flame_html(out.to, f);
	return oh_outfile_close(&out, true);
}

static bool
draw(const struct oh_args *a, struct oh_profile *p, struct oh_flame *f)
{
	const char *program = oh_profile_comment(p, "program: ");
	const char *pid = oh_profile_comment(p, "pid: ");
	struct oh_tree tree;
	char title[512];
	bool good;

	oh_tree_build(&tree, p, f->types, f->type_count);
	(void)snprintf(title, sizeof(title), "%s%s%s: %s%s", program ? program : "heap profile",
	    pid ? ", pid " : "", pid ? pid : "", f->diff ? "growth of " : "",
	    oh_profile_string(p, p->types[f->types[f->start]].type));
	f->p = p;
	f->t = &tree;
	f->title = title;
	f->max_bytes = OH_FLAME_MAX_BYTES;
	good = write_out(a, f);
	oh_tree_free(&tree);
	return good;
}

static bool
flame_one(const struct oh_args *a, const char *file)
{
	struct oh_profile *p = oh_args_read(a, file);
	struct oh_flame f = { .about = file };
	int type = p ? oh_args_type(a, file, p) : -2;
	bool good = false;

	if (type == -1)
		(void)fprintf(stderr, "otheap: %s: no sample types, nothing to draw\n", file);
	if (type >= 0) {
		oh_flame_choose(&f, p, (unsigned)type);
		oh_args_names(a, p, OH_ARGS_EVERY, NULL);
		good = draw(a, p, &f);
	}
	oh_profile_free(p);
	return good;
}

static bool
flame_two(const struct oh_args *a, const char *file, const char *base)
{
	/* Types of the merged profile, see merge.h. */
	struct oh_flame f = { .diff = true, .types = { 2, 1 }, .type_count = 2 };
	struct oh_compared c;
	struct oh_merge m;
	char *names[] = { (char *)(uintptr_t)base, (char *)(uintptr_t)file }, about[1024];
	bool good = oh_compare_read(&c, a, names, 2);

	if (good) {
		oh_merge(&m, c.files, c.types, 2);
		oh_args_names(a, m.p, OH_ARGS_EVERY, NULL);
		(void)snprintf(about, sizeof(about), "%s, compared with %s", file, base);
		f.about = about;
		good = draw(a, m.p, &f);
		oh_merge_free(&m);
	}
	oh_compare_free(&c);
	return good;
}

static int
flame(int argc, char **argv)
{
	struct oh_args a;
	bool good, svg;
	int rc;

	oh_args_init(&a, "flame");
	rc = oh_args_start(&a, help, argc, argv, ":s:o:h", options, 1, 2);
	if (rc != OH_ARGS_GO)
		return rc;
	if (!choose(&a, &svg))
		return OH_EXIT_BAD;
	good = argc - optind == 1 ? flame_one(&a, argv[optind])
				  : flame_two(&a, argv[optind], argv[optind + 1]);
	return good ? OH_EXIT_OK : OH_EXIT_BAD;
}

const struct oh_command oh_cmd_flame = {
	.name = "flame",
	.run = flame,
	.summary = "draw a flame graph of a profile, or of what changed, as HTML or SVG",
	.help = help,
};
