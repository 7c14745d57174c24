/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_agent.c - otheap agent: bring the profiles of a folder to a collector.
 */
#include "tools/args.h"
#include "tools/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/agent.h"
#include "tools/export.h"
#include "tools/mem.h"
#include "tools/preloaded.h"
#include "tools/print.h"
#include "tools/settings.h"
#include "tools/spool_user.h"

#define SECOND_MS INT64_C(1000)
#define DAY_S INT64_C(86400)

static const char help[] =
    "usage: otheap agent --spool DIR [OPTION...]\n"
    "       otheap agent --status [--spool DIR]\n"
    "\n"
    "Sends the profiles that programs write into DIR to the collector that the standard\n"
    "OTEL_EXPORTER_OTLP_ variables name, and removes those that have arrived.  One agent per\n"
    "folder: a second one ends at once.\n"
    "\n"
    "      --spool DIR          the folder; made if it is not there\n"
    "      --with-processes     end when every program that writes there has ended\n"
    "      --once               send what is there now, try each request once, and end\n"
    "      --status             print what the agent of DIR has done, and end; without --spool,\n"
    "                           of each folder of yours that nobody named\n"
    "      --endpoint URL       instead of OTEL_EXPORTER_OTLP_ENDPOINT\n"
    "      --protocol PROTOCOL  http/protobuf, grpc or pyroscope; instead of OTHEAP_PROTOCOL\n"
    "                           and OTEL_EXPORTER_OTLP_PROTOCOL\n"
    "      --service NAME       service.name of every profile\n"
    "      --no-symbols         leave the names to the backend\n"
    "      --max-bytes SIZE     of DIR; the oldest profiles are removed first (default 256m)\n"
    "      --max-age TIME       of a profile (default 24h)\n"
    "      --max-request SIZE   before compression (default 8m, grpc 3584k)\n"
    "      --retry-first TIME   wait after the first failure; doubles each time (default 1s)\n"
    "      --retry-most TIME    the longest wait (default 60s)\n"
    "      --linger TIME        with --with-processes: how long to go on trying (default 5m)\n"
    "      --flush TIME         the same after SIGTERM (default 5s)\n"
    "      --metrics TIME       send metrics of the agent itself that often\n"
    "  -h, --help               this text\n"
    "\n"
    "TIME is a number with ms, s, m, h or d.\n"
    "\n"
    "exit status: 0 done; 1 with --once if anything is left or was refused; 2 wrong usage or\n"
    "settings, or the folder cannot be used\n";

enum {
	OPT_SPOOL = 256,
	OPT_WITH_PROCESSES,
	OPT_ONCE,
	OPT_STATUS,
	OPT_ENDPOINT,
	OPT_PROTOCOL,
	OPT_SERVICE,
	OPT_NO_SYMBOLS,
	OPT_MAX_BYTES,
	OPT_MAX_AGE,
	OPT_MAX_REQUEST,
	OPT_RETRY_FIRST,
	OPT_RETRY_MOST,
	OPT_LINGER,
	OPT_FLUSH,
	OPT_METRICS,
};

static const struct option long_options[] = {
	{ "spool", required_argument, NULL, OPT_SPOOL },
	{ "with-processes", no_argument, NULL, OPT_WITH_PROCESSES },
	{ "once", no_argument, NULL, OPT_ONCE },
	{ "status", no_argument, NULL, OPT_STATUS },
	{ "endpoint", required_argument, NULL, OPT_ENDPOINT },
	{ "protocol", required_argument, NULL, OPT_PROTOCOL },
	{ "service", required_argument, NULL, OPT_SERVICE },
	{ "no-symbols", no_argument, NULL, OPT_NO_SYMBOLS },
	{ "max-bytes", required_argument, NULL, OPT_MAX_BYTES },
	{ "max-age", required_argument, NULL, OPT_MAX_AGE },
	{ "max-request", required_argument, NULL, OPT_MAX_REQUEST },
	{ "retry-first", required_argument, NULL, OPT_RETRY_FIRST },
	{ "retry-most", required_argument, NULL, OPT_RETRY_MOST },
	{ "linger", required_argument, NULL, OPT_LINGER },
	{ "flush", required_argument, NULL, OPT_FLUSH },
	{ "metrics", required_argument, NULL, OPT_METRICS },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* "90s", "250ms", "2h" in milliseconds, up to 365 days. */
static bool
parse_time(const char *s, int64_t *ret_ms)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = { { "ms", 1 }, { "s", SECOND_MS }, { "m", 60 * SECOND_MS },
		{ "h", 3600 * SECOND_MS }, { "d", DAY_S * SECOND_MS } };
	size_t digits = strspn(s, "0123456789");
	int64_t n;

	if (digits == 0 || digits > 9)
		return false;
	n = strtol(s, NULL, 10);
	for (size_t i = 0; i < OH_ARRAY_LEN(units); i++)
		if (strcmp(s + digits, units[i].unit) == 0) {
			*ret_ms = n * units[i].ms;
			return *ret_ms <= 365 * DAY_S * SECOND_MS;
		}
	return n == 0 && s[digits] == '\0' && (*ret_ms = 0, true);
}

static bool
bad_value(const char *option, const char *value, const char *expected)
{
	(void)fprintf(stderr, "otheap: agent: %s '%s': expected %s\n", option, value, expected);
	return false;
}

static bool
take_time(const char *option, int64_t *ret_ms)
{
	return parse_time(optarg, ret_ms) ||
	       bad_value(option, optarg, "a time like 500ms, 30s, 5m, 2h or 1d");
}

static bool
take_size(const char *option, uint64_t *ret, uint64_t least, const char *expected)
{
	return (oh_parse_size(optarg, ret) && *ret >= least && *ret <= INT64_MAX) ||
	       bad_value(option, optarg, expected);
}

static bool
take(struct oh_agent_options *o, int c, bool *ret_status)
{
	int64_t age_ms;

	switch (c) {
	case OPT_SPOOL:
		o->folder = optarg;
		return *optarg != '\0' || bad_value("--spool", optarg, "a folder");
	case OPT_WITH_PROCESSES:
		o->with_processes = true;
		return true;
	case OPT_ONCE:
		o->once = true;
		return true;
	case OPT_STATUS:
		*ret_status = true;
		return true;
	case OPT_ENDPOINT:
		o->wish.endpoint = optarg;
		return true;
	case OPT_PROTOCOL:
		o->wish.protocol = optarg;
		return true;
	case OPT_SERVICE:
		o->service = optarg;
		return *optarg != '\0' || bad_value("--service", optarg, "a name");
	case OPT_NO_SYMBOLS:
		o->no_symbols = true;
		return true;
	case OPT_MAX_BYTES:
		return take_size(
		    "--max-bytes", &o->limits.max_bytes, 4096, "a size of 4k or more, like 256m");
	case OPT_MAX_AGE:
		if (!take_time("--max-age", &age_ms))
			return false;
		o->limits.max_age_ns = age_ms * 1000000;
		return true;
	case OPT_MAX_REQUEST:
		return take_size("--max-request", &o->max_request, 4096,
			   "a size from 4k to 64m, like 4m") &&
		       (o->max_request <= OH_REQUEST_MAX ||
			   bad_value("--max-request", optarg, "a size from 4k to 64m, like 4m"));
	case OPT_RETRY_FIRST:
		return take_time("--retry-first", &o->retry_first_ms);
	case OPT_RETRY_MOST:
		return take_time("--retry-most", &o->retry_most_ms);
	case OPT_LINGER:
		return take_time("--linger", &o->linger_ms);
	case OPT_FLUSH:
		return take_time("--flush", &o->flush_ms);
	case OPT_METRICS:
		return take_time("--metrics", &o->metrics_ms) &&
		       (o->metrics_ms >= SECOND_MS || bad_value("--metrics", optarg, "1s or more"));
	default:
		return false;
	}
}

/*
 * The program that started us must not be held by anything of ours: not its
 * pipes, which somebody may read to their end, nor its terminal.  (Its folder
 * is left once the settings are read, which may name files in it.)
 */
static void
detach(void)
{
	int null;

	(void)close_range(3, ~0U, 0);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	(void)setsid(); /* fails where it was done already */
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		(void)dup2(null, fd);
	(void)umask(077);
}

/* Of each destination that a program of ours has, or had lately. */
static int
status_of_all(void)
{
	const char *named = oh_setting_value(environ, "OTHEAP_SPOOL");
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
	char folder[PATH_MAX], name[OH_SPOOL_NAME_BYTES], path[PATH_MAX];
	int rc = OH_EXIT_OK;
	size_t count = 0;

	if (*named == '/')
		return oh_agent_status(named);
	for (size_t i = 0; oh_spools_folder(i, runtime_dir, geteuid(), folder) != NULL; i++) {
		DIR *d = opendir(folder);

		while (d != NULL && oh_spools_next(d, name)) {
			if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >=
			    sizeof(path))
				continue;
			(void)printf("%s%-10s %s\n", count++ > 0 ? "\n" : "", "Folder", path);
			if (oh_agent_status(path) != OH_EXIT_OK)
				rc = OH_EXIT_BAD;
		}
		if (d != NULL)
			(void)closedir(d);
	}
	if (count == 0) {
		(void)fprintf(stderr,
		    "otheap: agent: no folder of yours is below %s; name one with --spool\n",
		    oh_spools_folder(0, runtime_dir, geteuid(), folder) != NULL ? folder : "/tmp");
		return OH_EXIT_BAD;
	}
	return rc;
}

static int
agent(int argc, char **argv)
{
	struct oh_agent_options o = {
		.limits = { .max_bytes = UINT64_C(256) << 20, .max_age_ns = DAY_S * 1000000000 },
		.retry_first_ms = SECOND_MS,
		.retry_most_ms = 60 * SECOND_MS,
		.linger_ms = 300 * SECOND_MS,
		.flush_ms = 5 * SECOND_MS,
	};
	char folder[PATH_MAX];
	bool status = false;
	int c;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		if (c == 'h') {
			(void)fputs(help, stdout);
			return OH_EXIT_OK;
		}
		if (c == ':' || c == '?') {
			(void)oh_args_bad_option("agent", c, argv);
			return OH_EXIT_BAD;
		}
		if (!take(&o, c, &status))
			return OH_EXIT_BAD;
	}
	if (optind < argc || (o.folder == NULL && !status)) {
		(void)fprintf(stderr, "otheap: agent: %s; otheap agent --help tells more\n",
		    optind == argc ? "no --spool given" : "it takes no arguments but options");
		return OH_EXIT_BAD;
	}
	if (status)
		return o.folder != NULL ? oh_agent_status(o.folder) : status_of_all();
	oh_preloaded_start_again(argc, argv);
	if (o.with_processes && !o.once) {
		/* Where it is now: relative to the folder that we leave. */
		if (o.folder[0] != '/' && mkdir(o.folder, 0700) != 0 && errno != EEXIST)
			(void)fprintf(stderr, "otheap: agent: %s: %s\n", o.folder, strerror(errno));
		if (realpath(o.folder, folder) != NULL)
			o.folder = folder;
		detach();
	}
	return oh_agent_run(&o);
}

const struct oh_command oh_cmd_agent = {
	.name = "agent",
	.run = agent,
	.summary = "send the profiles of a folder to a collector",
	.help = help,
};
