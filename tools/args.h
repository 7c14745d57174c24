/* SPDX-License-Identifier: Apache-2.0 */
/*
 * args.h - the options that several subcommands share, and what they mean.
 */
#ifndef OH_TOOLS_ARGS_H
#define OH_TOOLS_ARGS_H

#include <getopt.h>

#include "core/base.h"
#include "tools/aggregate.h"
#include "tools/group.h"
#include "tools/place.h"
#include "tools/print.h"
#include "tools/profile.h"

struct oh_args {
	const char *cmd;         /* name of the subcommand */
	const char *sample_type; /* NULL: the profile's default */
	const char *focus, *ignore, *hide;
	const char *output; /* NULL: not given */
	const char *format; /* of --format; NULL: not given */
	const char *source_path, *trim_path;
	const char *from, *to;   /* formats of files */
	char *root, *debug_dirs; /* absolute; ':' between them.  Who asks for them frees them */
	uint64_t count;          /* rows; 0 = all */
	bool count_given;
	uint64_t max_bytes;
	enum oh_view view;
	enum oh_byte_unit unit;
	enum oh_group_by by;
	const char *by_key; /* of OH_GROUP_LABEL */
	struct oh_names names;
	bool by_cum, no_symbols, force;
	uint64_t min_percent; /* of --min */
	bool help;            /* asked for: print it and no more */
	/* Takes what is not below OH_OPT_OTHERS nor a letter above; false after one line on stderr.
	 */
	bool (*own)(struct oh_args *a, int c, const char *value);
	void *own_data;
};

/* val of the long options without a letter. */
enum {
	OH_OPT_STACKS = 256,
	OH_OPT_NO_SYMBOLS,
	OH_OPT_MAX_SIZE,
	OH_OPT_FOCUS,
	OH_OPT_IGNORE,
	OH_OPT_FORCE,
	OH_OPT_MIN,
	OH_OPT_FORMAT,
	OH_OPT_HIDE,
	OH_OPT_BY,
	OH_OPT_SHORT_NAMES,
	OH_OPT_WIDTH,
	OH_OPT_SOURCE_PATH,
	OH_OPT_TRIM_PATH,
	OH_OPT_ROOT,
	OH_OPT_DEBUG_DIR,
	OH_OPT_FROM,
	OH_OPT_TO,
	OH_OPT_OTHERS, /* what one subcommand alone has begins here */
};

/* For a table of long options: those of every subcommand that prints a table of rows. */
#define OH_ARGS_TABLE \
	{ "count", required_argument, NULL, 'n' }, { "cum", no_argument, NULL, 'c' }, \
	    { "lines", no_argument, NULL, 'l' }, { "stacks", no_argument, NULL, OH_OPT_STACKS }, \
	    { "sites", no_argument, NULL, OH_OPT_STACKS }, OH_ARGS_TEXT

/* Of every subcommand that prints values and names as text. */
#define OH_ARGS_TEXT \
	{ "unit", required_argument, NULL, 'u' }, \
	    { "short-names", no_argument, NULL, OH_OPT_SHORT_NAMES }, \
	{ \
		"width", required_argument, NULL, OH_OPT_WIDTH \
	}

/* The same for every subcommand that reads a profile, and the end of the table. */
#define OH_ARGS_COMMON \
	{ "sample-type", required_argument, NULL, 's' }, \
	    { "no-symbols", no_argument, NULL, OH_OPT_NO_SYMBOLS }, \
	    { "max-size", required_argument, NULL, OH_OPT_MAX_SIZE }, \
	    { "focus", required_argument, NULL, OH_OPT_FOCUS }, \
	    { "ignore", required_argument, NULL, OH_OPT_IGNORE }, \
	    { "hide", required_argument, NULL, OH_OPT_HIDE }, { "help", no_argument, NULL, 'h' }, \
	{ \
		NULL, 0, NULL, 0 \
	}

#define OH_ARGS_EVERY (-3) /* every sample type */

void oh_args_init(struct oh_args *a, const char *cmd);

/*
 * The first steps of such a subcommand, after oh_args_init(): options, --help,
 * and are there `least` to `most` arguments left, argv[optind ..]?  Returns the
 * exit code if that was all or it went wrong, which was said on stderr in one
 * line; OH_ARGS_GO if there is work to do.
 */
#define OH_ARGS_GO (-1)
int oh_args_start(struct oh_args *a, const char *help, int argc, char **argv, const char *letters,
    const struct option *options, int least, int most);

/*
 * Say what is wrong with the option that getopt_long() has just answered with
 * `c`: ':' for a value that is missing (option letters begin with ':'), else
 * it is unknown.  Returns false.
 */
bool oh_args_bad_option(const char *cmd, int c, char *const *argv);

/* Say what an option expects in place of `value`; returns false. */
bool oh_args_bad_value(
    const struct oh_args *a, const char *option, const char *value, const char *expected);

/* Read a profile; NULL after one line on stderr. */
struct oh_profile *oh_args_read(const struct oh_args *a, const char *file);

/*
 * The index of the sample type asked for; -1 if the profile has no types and
 * none was asked for; -2 after one line on stderr.
 */
int oh_args_type(const struct oh_args *a, const char *file, const struct oh_profile *p);

/*
 * Give the frames of samples with a value of `type` (OH_ARGS_EVERY: of all) their names, then leave
 * only the samples that --focus and --ignore say, without the frames that
 * --hide says, put together as --by says.  keep_with is an array that runs
 * beside the samples, or NULL.
 */
void oh_args_names(const struct oh_args *a, struct oh_profile *p, int type, double *keep_with);

#endif
