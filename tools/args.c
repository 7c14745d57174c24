/* SPDX-License-Identifier: Apache-2.0 */
/*
 * args.c - the options that several subcommands share, and what they mean.
 */
#include "tools/args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/filter.h"
#include "tools/mem.h"
#include "tools/symbols.h"

/* A terminal shows lines that fit; a file gets them whole. */
static unsigned
terminal_columns(void)
{
	struct winsize w;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

void
oh_args_init(struct oh_args *a, const char *cmd)
{
	memset(a, 0, sizeof(*a));
	a->cmd = cmd;
	a->count = 20;
	a->max_bytes = OH_PROFILE_MAX_DEFAULT;
	a->view = OH_VIEW_FUNCTIONS;
	a->unit = OH_BYTES_AUTO;
	a->names.columns = terminal_columns();
}

bool
oh_args_bad_option(const char *cmd, int c, char *const *argv)
{
	if (c == ':')
		(void)fprintf(
		    stderr, "otheap: %s: option '%s' needs a value\n", cmd, argv[optind - 1]);
	else
		(void)fprintf(stderr,
		    "otheap: %s: unknown option '%s'; otheap %s --help lists them\n", cmd,
		    argv[optind - 1], cmd);
	return false;
}

bool
oh_args_bad_value(
    const struct oh_args *a, const char *option, const char *value, const char *expected)
{
	(void)fprintf(
	    stderr, "otheap: %s: %s '%s': expected %s\n", a->cmd, option, value, expected);
	return false;
}

static bool
parse_count(const char *s, uint64_t *ret)
{
	return strspn(s, "0123456789") == strlen(s) && oh_parse_size(s, ret);
}

/* A folder that must be there, made absolute: NULL after one line on stderr. */
static char *
folder(const struct oh_args *a, const char *option, const char *name)
{
	char *path = realpath(name, NULL);
	struct stat st;

	if (path != NULL && strchr(path, ':') == NULL && stat(path, &st) == 0 &&
	    S_ISDIR(st.st_mode))
		return path;
	(void)fprintf(stderr, "otheap: %s: %s '%s': %s\n", a->cmd, option, name,
	    path == NULL                ? strerror(errno)
	    : strchr(path, ':') != NULL ? "the name has a ':' in it"
					: strerror(ENOTDIR));
	free(path);
	return NULL;
}

static bool
take_root(struct oh_args *a, const char *name)
{
	free(a->root);
	a->root = folder(a, "--root", name);
	return a->root != NULL;
}

static bool
take_debug_dir(struct oh_args *a, const char *name)
{
	char *path = folder(a, "--debug-dir", name), *list;

	if (path == NULL)
		return false;
	if (a->debug_dirs == NULL) {
		a->debug_dirs = path;
		return true;
	}
	if (asprintf(&list, "%s:%s", a->debug_dirs, path) >= 0) {
		free(a->debug_dirs);
		a->debug_dirs = list;
	}
	free(path);
	return true;
}

/* What --by may be: a view, or something else than functions. */
static bool
take_by(struct oh_args *a, const char *what)
{
	static const struct {
		const char *name;
		enum oh_view view;
		enum oh_group_by by;
	} known[] = {
		{ "function", OH_VIEW_FUNCTIONS, OH_GROUP_NONE },
		{ "line", OH_VIEW_LINES, OH_GROUP_NONE },
		{ "stack", OH_VIEW_STACKS, OH_GROUP_NONE },
		{ "thread", OH_VIEW_FUNCTIONS, OH_GROUP_THREAD },
		{ "size", OH_VIEW_FUNCTIONS, OH_GROUP_SIZE },
		{ "module", OH_VIEW_FUNCTIONS, OH_GROUP_MODULE },
	};

	for (size_t i = 0; i < OH_ARRAY_LEN(known); i++)
		if (strcmp(what, known[i].name) == 0) {
			a->view = known[i].view;
			a->by = known[i].by;
			return true;
		}
	if (strncmp(what, "label=", 6) == 0 && what[6] != '\0') {
		a->view = OH_VIEW_FUNCTIONS;
		a->by = OH_GROUP_LABEL;
		a->by_key = what + 6;
		return true;
	}
	return oh_args_bad_value(
	    a, "--by", what, "function, line, stack, thread, size, module or label=KEY");
}

static bool
take_width(struct oh_args *a, const char *s)
{
	uint64_t n;

	if (!parse_count(s, &n) || n > 10000)
		return oh_args_bad_value(a, "--width", s, "a number of columns, 0 for no limit");
	a->names.columns = (unsigned)n;
	return true;
}

static bool
take(struct oh_args *a, int c, char **argv)
{
	switch (c) {
	case 's':
		a->sample_type = optarg;
		break;
	case 'n':
		if (!parse_count(optarg, &a->count))
			return oh_args_bad_value(a, "--count", optarg, "a number, 0 for all");
		a->count_given = true;
		break;
	case 'c':
		a->by_cum = true;
		break;
	case 'l':
		a->view = OH_VIEW_LINES;
		break;
	case 'o':
		a->output = optarg;
		break;
	case OH_OPT_FORMAT:
		a->format = optarg;
		break;
	case OH_OPT_STACKS:
		a->view = OH_VIEW_STACKS;
		break;
	case 'u':
		if (!oh_parse_byte_unit(optarg, &a->unit))
			return oh_args_bad_value(
			    a, "--unit", optarg, "auto, bytes, KiB, MiB or GiB");
		break;
	case OH_OPT_NO_SYMBOLS:
		a->no_symbols = true;
		break;
	case OH_OPT_FOCUS:
		a->focus = optarg;
		break;
	case OH_OPT_IGNORE:
		a->ignore = optarg;
		break;
	case OH_OPT_HIDE:
		a->hide = optarg;
		break;
	case OH_OPT_BY:
		return take_by(a, optarg);
	case OH_OPT_SHORT_NAMES:
		a->names.shorten = true;
		break;
	case OH_OPT_WIDTH:
		return take_width(a, optarg);
	case OH_OPT_SOURCE_PATH:
		a->source_path = optarg;
		break;
	case OH_OPT_TRIM_PATH:
		a->trim_path = optarg;
		break;
	case OH_OPT_FROM:
		a->from = optarg;
		break;
	case OH_OPT_TO:
		a->to = optarg;
		break;
	case OH_OPT_ROOT:
		return take_root(a, optarg);
	case OH_OPT_DEBUG_DIR:
		return take_debug_dir(a, optarg);
	case OH_OPT_FORCE:
		a->force = true;
		break;
	case OH_OPT_MIN:
		if (!parse_count(optarg, &a->min_percent) || a->min_percent > 100)
			return oh_args_bad_value(a, "--min", optarg, "a percentage, 0 to 100");
		break;
	case OH_OPT_MAX_SIZE:
		if (!oh_parse_size(optarg, &a->max_bytes) || a->max_bytes == 0 ||
		    a->max_bytes > OH_PROFILE_MAX_LIMIT)
			return oh_args_bad_value(
			    a, "--max-size", optarg, "a size up to 4095m, like 512m");
		break;
	case 'h':
		a->help = true;
		break;
	default:
		if (c >= OH_OPT_OTHERS && a->own != NULL)
			return a->own(a, c, optarg);
		return oh_args_bad_option(a->cmd, c, argv);
	}
	return true;
}

static bool
take_all(
    struct oh_args *a, int argc, char **argv, const char *letters, const struct option *options)
{
	int c;

	optind = 0; /* start over, also after another use in this process */
	opterr = 0;
	while (!a->help && (c = getopt_long(argc, argv, letters, options, NULL)) != -1)
		if (!take(a, c, argv))
			return false;
	return oh_filter_check(a->cmd, "--focus", a->focus) &&
	       oh_filter_check(a->cmd, "--ignore", a->ignore) &&
	       oh_filter_check(a->cmd, "--hide", a->hide);
}

/* Are there `least` to `most` arguments left? */
static bool
has_files(const struct oh_args *a, int argc, int least, int most)
{
	int n = argc - optind;

	if (n >= least && n <= most)
		return true;
	(void)fprintf(stderr, "otheap: %s: %s; otheap %s --help tells more\n", a->cmd,
	    n == 0      ? "no FILE given"
	    : n < least ? "another FILE is needed"
	    : most == 1 ? "more than one FILE given"
			: "too many FILEs given",
	    a->cmd);
	return false;
}

int
oh_args_start(struct oh_args *a, const char *help, int argc, char **argv, const char *letters,
    const struct option *options, int least, int most)
{
	if (!take_all(a, argc, argv, letters, options))
		return OH_EXIT_BAD;
	if (a->help) {
		(void)fputs(help, stdout);
		return OH_EXIT_OK;
	}
	return has_files(a, argc, least, most) ? OH_ARGS_GO : OH_EXIT_BAD;
}

struct oh_profile *
oh_args_read(const struct oh_args *a, const char *file)
{
	struct oh_error err = { "" };
	struct oh_profile *p = oh_profile_read(file, a->max_bytes, &err);

	if (p == NULL)
		(void)fprintf(stderr, "otheap: %s: %s\n", strcmp(file, "-") == 0 ? "(stdin)" : file,
		    err.text);
	return p;
}

int
oh_args_type(const struct oh_args *a, const char *file, const struct oh_profile *p)
{
	int type = oh_profile_find_type(p, a->sample_type);

	if (type >= 0 || a->sample_type == NULL)
		return type;
	(void)fprintf(stderr, "otheap: %s: no sample type '%s' in this profile, which has", file,
	    a->sample_type);
	for (size_t i = 0; i < p->type_count; i++) {
		(void)fputs(i == 0 ? " " : ", ", stderr);
		oh_print_clean(stderr, oh_profile_string(p, p->types[i].type));
	}
	(void)fputs(p->type_count == 0 ? " none\n" : "\n", stderr);
	return -2;
}

void
oh_args_names(const struct oh_args *a, struct oh_profile *p, int type, double *keep_with)
{
	/* A label needs no names, unless an expression asks for them. */
	bool unused =
	    (a->by == OH_GROUP_THREAD || a->by == OH_GROUP_SIZE || a->by == OH_GROUP_LABEL) &&
	    a->focus == NULL && a->ignore == NULL;

	if ((type >= 0 || type == OH_ARGS_EVERY) && !a->no_symbols && !unused) {
		uint8_t *wanted = type >= 0 ? oh_symbols_wanted(p, (unsigned)type) : NULL;

		oh_symbols_resolve(p, wanted);
		free(wanted);
	}
	oh_symbols_demangle(p);
	oh_filter_samples(p, a->focus, a->ignore, keep_with);
	oh_filter_hide(p, a->hide);
	oh_group_samples(p, a->by, a->by_key);
}
