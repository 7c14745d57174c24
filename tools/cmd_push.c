/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_push.c - otheap push: send profiles to a collector, by hand.
 */
#include "tools/args.h"
#include "tools/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "tools/export.h"
#include "tools/export_batch.h"
#include "tools/mem.h"
#include "tools/print.h"

#define RETRY_FIRST_MS 1000
#define RETRY_MOST_MS 15000
#define RETRY_FOR_S 60
#define RETRY_FOR_MAX_S 86400

static const char help[] =
    "usage: otheap push [OPTION...] FILE...\n"
    "\n"
    "Sends profiles to the collector that the standard OTEL_EXPORTER_OTLP_ variables name, by\n"
    "default the one of this machine.  FILE is a profile in pprof format; - is standard input.\n"
    "\n"
    "      --endpoint URL        instead of OTEL_EXPORTER_OTLP_ENDPOINT\n"
    "      --protocol PROTOCOL   http/protobuf (default), grpc or pyroscope; instead of\n"
    "                            OTHEAP_PROTOCOL and OTEL_EXPORTER_OTLP_PROTOCOL\n"
    "      --header NAME=VALUE   an HTTP header; may be given again and again\n"
    "      --service NAME        service.name of the profiles\n"
    "      --no-symbols          leave the names to the backend\n"
    "      --max-size SIZE       of a profile, unpacked (default 1g)\n"
    "      --retry-for SECONDS   how long to go on trying (default 60)\n"
    "  -o, --output FILE         write the request into FILE instead; - is standard output\n"
    "  -h, --help                this text\n"
    "\n"
    "Of several profiles of one process, in the order in which it wrote them, each is sent as\n"
    "what was allocated since the one before.\n"
    "\n"
    "exit status: 0 all were accepted, 1 some of it was refused, 2 wrong usage, an unreadable\n"
    "profile, or no collector\n";

enum {
	OPT_ENDPOINT = 256,
	OPT_PROTOCOL,
	OPT_HEADER,
	OPT_SERVICE,
	OPT_NO_SYMBOLS,
	OPT_MAX_SIZE,
	OPT_RETRY_FOR,
};

static const struct option long_options[] = {
	{ "endpoint", required_argument, NULL, OPT_ENDPOINT },
	{ "protocol", required_argument, NULL, OPT_PROTOCOL },
	{ "header", required_argument, NULL, OPT_HEADER },
	{ "service", required_argument, NULL, OPT_SERVICE },
	{ "no-symbols", no_argument, NULL, OPT_NO_SYMBOLS },
	{ "max-size", required_argument, NULL, OPT_MAX_SIZE },
	{ "retry-for", required_argument, NULL, OPT_RETRY_FOR },
	{ "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct push {
	struct oh_export_wish wish;
	size_t header_cap;
	struct oh_batch_options batch_options;
	const char *output;
	int64_t retry_for_ms;
	bool help;

	struct oh_export_config config;
	struct oh_export *export;
	struct oh_batch *batch;
	int64_t until_ms;
	uint64_t files, requests;
	bool refused;
};

static bool
complain(const char *what, const char *why)
{
	(void)fprintf(stderr, "otheap: push: ");
	oh_print_clean(stderr, what);
	(void)fputs(": ", stderr);
	oh_print_clean(stderr, why);
	(void)fputc('\n', stderr);
	return false;
}

/* Keep a header, and take it off the list of processes, where everybody could read it. */
static void
take_header(struct push *h, char *text)
{
	h->wish.headers =
	    oh_xgrow(h->wish.headers, &h->header_cap, h->wish.header_count + 1, sizeof(char *));
	h->wish.headers[h->wish.header_count++] = strdup(text);
	memset(text, '*', strlen(text));
}

static bool
take(struct push *h, int c, char **argv)
{
	switch (c) {
	case OPT_ENDPOINT:
		h->wish.endpoint = optarg;
		return true;
	case OPT_PROTOCOL:
		h->wish.protocol = optarg;
		return true;
	case OPT_HEADER:
		take_header(h, optarg);
		return true;
	case OPT_SERVICE:
		h->batch_options.service = optarg;
		return *optarg != '\0' || complain("--service ''", "expected a name");
	case OPT_NO_SYMBOLS:
		h->batch_options.no_symbols = true;
		return true;
	case OPT_MAX_SIZE:
		if (oh_parse_size(optarg, &h->batch_options.max_profile) &&
		    h->batch_options.max_profile > 0 &&
		    h->batch_options.max_profile <= OH_PROFILE_MAX_LIMIT)
			return true;
		(void)fprintf(stderr,
		    "otheap: push: --max-size '%s': expected a size up to 4095m, like 512m\n",
		    optarg);
		return false;
	case OPT_RETRY_FOR:
		if (*optarg != '\0' && strspn(optarg, "0123456789") == strlen(optarg) &&
		    strlen(optarg) < 6 && atoi(optarg) <= RETRY_FOR_MAX_S) {
			h->retry_for_ms = atoi(optarg) * INT64_C(1000);
			return true;
		}
		(void)fprintf(stderr,
		    "otheap: push: --retry-for '%s': expected seconds, 0 to 86400\n", optarg);
		return false;
	case 'o':
		h->output = optarg;
		return true;
	case 'h':
		h->help = true;
		return true;
	default:
		return oh_args_bad_option("push", c, argv);
	}
}

static bool
parse(struct push *h, int argc, char **argv)
{
	int c;

	optind = 0;
	opterr = 0;
	while (!h->help && (c = getopt_long(argc, argv, ":ho:", long_options, NULL)) != -1)
		if (!take(h, c, argv))
			return false;
	if (h->help || optind < argc)
		return true;
	(void)fputs("otheap: push: no FILE given; otheap push --help tells more\n", stderr);
	return false;
}

/* ---- one request ------------------------------------------------------------------------------
 */

static void
sleep_ms(int64_t ms)
{
	if (ms > 0)
		(void)poll(NULL, 0, (int)ms);
}

/* Until it is answered for good.  False: it was not, and the reason was said. */
static bool
deliver(struct push *h)
{
	struct oh_answer a;
	uint64_t random = 0;
	int64_t wait, now;

	for (unsigned failures = 1;; failures++) {
		oh_batch_send(h->batch, h->export, &a);
		if (a.verdict != OH_LATER)
			break;
		(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
		wait =
		    oh_retry_wait_ms(failures, RETRY_FIRST_MS, RETRY_MOST_MS, a.after_ms, random);
		now = oh_now_ms();
		if (h->until_ms == 0)
			h->until_ms = now + h->retry_for_ms;
		if (a.hopeless || now + wait > h->until_ms)
			return complain(h->config.shown, a.text);
		sleep_ms(wait);
	}
	h->requests++;
	h->until_ms = 0;
	if (a.verdict == OH_REFUSED) {
		h->refused = true;
		(void)complain(h->config.shown, a.text);
	} else if (a.rejected > 0) {
		char words[400];

		h->refused = true;
		(void)snprintf(words, sizeof(words), "%" PRId64 " profiles were rejected: %s",
		    a.rejected, a.text);
		(void)complain(h->config.shown, words);
	} else if (a.text[0] != '\0') {
		(void)complain(h->config.shown, a.text);
	}
	return true;
}

static bool
flush(struct push *h)
{
	bool good;

	if (oh_batch_files(h->batch) == 0)
		return true;
	good = oh_batch_is_empty(h->batch) || deliver(h);
	h->files += oh_batch_count(h->batch);
	oh_batch_reset(h->batch);
	return good;
}

/* Add one file, sending what is full.  False, and the reason was said. */
static bool
add(struct push *h, const char *file)
{
	struct oh_error err = { "" };
	const char *name = strcmp(file, "-") == 0 ? "(stdin)" : file;
	enum oh_batched rc;

	for (;;) {
		size_t before = oh_batch_files(h->batch);

		rc = oh_batch_add(h->batch, NULL, file, &err);
		if (rc == OH_BATCH_ADDED)
			return true;
		if (rc != OH_BATCH_FULL)
			return complain(name, err.text);
		if (h->output != NULL)
			return complain(name, "does not fit into one request with the rest; "
					      "write fewer at once");
		if (oh_batch_files(h->batch) == before && before == 0)
			return complain(name, "too large to be sent");
		if (!flush(h))
			return false;
	}
}

static bool
write_output(struct push *h)
{
	bool to_stdout = strcmp(h->output, "-") == 0, good;
	size_t len = 0;
	uint8_t *message = oh_batch_message(h->batch, &len);
	FILE *to = to_stdout ? stdout : fopen(h->output, "we");

	good = to != NULL && fwrite(message, 1, len, to) == len;
	good = to != NULL && (to_stdout ? fflush(to) : fclose(to)) == 0 && good;
	if (!good)
		(void)complain(to_stdout ? "standard output" : h->output, strerror(errno));
	free(message);
	return good;
}

static bool
push_all(struct push *h, int count, char **files)
{
	struct oh_error err = { "" };

	if (!oh_export_config_read(&h->config, "push", OH_EXPORT_PROFILES, &h->wish, &err)) {
		(void)fprintf(stderr, "otheap: push: %s\n", err.text);
		return false;
	}
	if (h->output != NULL && h->config.protocol == OH_EXPORT_PYROSCOPE)
		return complain("--output", "a request of Pyroscope is the profile itself");
	h->export = oh_export_new(&h->config, &err);
	if (h->export == NULL) {
		(void)fprintf(stderr, "otheap: push: %s\n", err.text);
		return false;
	}
	/* A file is a message whole, whatever a server may take. */
	if (h->output != NULL)
		h->batch_options.max_request = OH_REQUEST_MAX;
	h->batch_options.cmd = "push";
	h->batch = oh_batch_create(&h->config, &h->batch_options);
	for (int i = 0; i < count; i++)
		if (!add(h, files[i]))
			return false;
	return h->output != NULL ? write_output(h) : flush(h);
}

static int
push(int argc, char **argv)
{
	struct push h = { .retry_for_ms = RETRY_FOR_S * INT64_C(1000) };
	int rc = OH_EXIT_BAD;

	if (parse(&h, argc, argv)) {
		if (h.help) {
			(void)fputs(help, stdout);
			rc = OH_EXIT_OK;
		} else {
			if (push_all(&h, argc - optind, argv + optind))
				rc = h.refused ? OH_EXIT_FINDINGS : OH_EXIT_OK;
		}
	}
	for (size_t i = 0; i < h.wish.header_count; i++)
		free(h.wish.headers[i]);
	free(h.wish.headers);
	oh_batch_free(h.batch);
	oh_export_free(h.export);
	oh_export_config_free(&h.config);
	return rc;
}

const struct oh_command oh_cmd_push = {
	.name = "push",
	.run = push,
	.summary = "send profiles to a collector",
	.help = help,
};
