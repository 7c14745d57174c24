/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode.c - pprof files as OTLP requests in files, for tests; and how fast.
 *
 *   encode [-n] [-l] [-m BYTES] [-p PID] OUT FILE...
 *   encode -b SECONDS FILE
 *   encode -M OUT
 *
 * The first writes all files into as few requests as there is room for: OUT.0,
 * OUT.1, ...  Files of one process count as exports that follow each other.
 *   -n        without names
 *   -l        with numeric labels
 *   -m BYTES  most bytes of a request
 *   -p PID    the resource is that of this process; else what the file says
 *
 * The second encodes the same file again and again and compresses what comes
 * out, and prints: samples of the file, distinct stacks, bytes of the request,
 * bytes compressed, samples encoded in a second of CPU time (without reading
 * and compressing), and most memory this process had, in KiB.
 *
 * The third writes a request of metrics, one of each kind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <zlib.h>

#include "tools/otlp.h"
#include "tools/otlp_metrics.h"
#include "tools/otlp_names.h"
#include "tools/otlp_rows.h"

static const char *out;
static unsigned requests;

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "encode: %s: %s\n", what, why);
	exit(2);
}

static struct oh_profile *
profile_of(const char *path)
{
	struct oh_error err = { "" };
	struct oh_profile *p = oh_profile_read(path, OH_PROFILE_MAX_DEFAULT, &err);

	if (p == NULL)
		die(path, err.text);
	return p;
}

static void
write_request(struct oh_otlp *o)
{
	char path[4096];
	size_t count, bytes;
	const struct iovec *parts = oh_otlp_finish(o, &count, &bytes);
	FILE *f;

	if (parts == NULL)
		return;
	(void)snprintf(path, sizeof(path), "%s.%u", out, requests++);
	f = fopen(path, "w");
	if (f == NULL)
		die(path, "cannot be written");
	for (size_t i = 0; i < count; i++)
		(void)fwrite(parts[i].iov_base, 1, parts[i].iov_len, f);
	if (fclose(f) != 0)
		die(path, "cannot be written");
	printf("%s %zu profiles %zu samples %zu bytes\n", path, oh_otlp_profiles(o),
	    oh_otlp_samples(o), bytes);
	oh_otlp_reset(o);
}

static void
encode_files(char **files, const struct oh_otlp_options *options, bool named, pid_t pid)
{
	struct oh_binaries *binaries = oh_binaries_create();
	struct oh_otlp *o = oh_otlp_create(options, binaries);
	struct oh_otlp_seen *seen = oh_otlp_seen_create();
	struct oh_names *names = oh_names_create(0);

	for (; *files != NULL; files++) {
		struct oh_profile *p = profile_of(*files);
		struct oh_resource *resource = oh_resource_create();
		struct oh_otlp_source from = { .resource = resource, .seen = seen };
		struct oh_error err = { "" };
		enum oh_otlp_added added;
		struct oh_rows rows;
		size_t row = 0;

		if (pid != 0 && !oh_resource_of_process(resource, pid, 0))
			die(*files, "no such process");
		oh_resource_of_profile(resource, p);
		if (pid == 0)
			oh_resource_of_host(resource);
		if (!oh_resource_of_settings(resource, getenv("OTEL_RESOURCE_ATTRIBUTES"),
			getenv("OTEL_SERVICE_NAME"), &err))
			die("OTEL_RESOURCE_ATTRIBUTES", err.text);
		oh_resource_complete(resource);
		if (named)
			oh_names_resolve(names, p, "");
		oh_rows_make(&rows, p, options->numeric_labels);
		from.rows = &rows;
		while ((added = oh_otlp_add(o, p, &from, &row)) != OH_OTLP_ADDED)
			write_request(o);
		oh_otlp_seen_advance(seen, p, &rows);
		oh_rows_release(&rows);
		oh_resource_free(resource);
		oh_profile_free(p);
	}
	write_request(o);
	oh_names_free(names);
	oh_otlp_seen_free(seen);
	oh_otlp_free(o);
	oh_binaries_free(binaries);
}

/* ---- how fast -------------------------------------------------------------------- */

static double
cpu_seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* As one that sends would: piece by piece, nothing kept. */
static size_t
compressed(const struct iovec *parts, size_t count)
{
	static uint8_t buffer[65536];
	z_stream z = { .next_in = NULL };
	size_t bytes = 0;

	if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		die("zlib", "cannot begin");
	for (size_t i = 0; i <= count; i++) {
		z.next_in = i < count ? parts[i].iov_base : NULL;
		z.avail_in = i < count ? (uInt)parts[i].iov_len : 0;
		do {
			z.next_out = buffer;
			z.avail_out = sizeof(buffer);
			(void)deflate(&z, i < count ? Z_NO_FLUSH : Z_FINISH);
			bytes += sizeof(buffer) - z.avail_out;
		} while (z.avail_out == 0);
	}
	(void)deflateEnd(&z);
	return bytes;
}

static void
measure(const char *path, double limit)
{
	struct oh_binaries *binaries = oh_binaries_create();
	struct oh_otlp_options options = { .max_bytes = OH_OTLP_MAX_LIMIT };
	struct oh_otlp *o = oh_otlp_create(&options, binaries);
	struct oh_resource *resource = oh_resource_create();
	struct oh_otlp_source from = { .resource = resource };
	struct oh_profile *p = profile_of(path);
	double spent = 0;
	size_t turns = 0, count, bytes, gzip = 0, samples = p->sample_count, stacks;
	const struct iovec *parts;
	struct rusage usage;

	oh_resource_of_host(resource);
	oh_resource_complete(resource);
	do {
		double before = cpu_seconds();
		size_t row = 0;

		oh_otlp_reset(o);
		(void)oh_otlp_add(o, p, &from, &row);
		stacks = row;
		parts = oh_otlp_finish(o, &count, &bytes);
		spent += cpu_seconds() - before;
		turns++;
		if (gzip == 0)
			gzip = compressed(parts, count);
	} while (spent < limit);
	(void)getrusage(RUSAGE_SELF, &usage);
	printf("%zu %zu %zu %zu %.0f %ld\n", samples, stacks, bytes, gzip,
	    (double)(samples * turns) / spent, usage.ru_maxrss);
}

static void
write_metrics(const char *path)
{
	static const struct oh_metric metrics[] = {
		{ "otheap.test.sent", "{profile}", "Sent.", OH_METRIC_COUNTER, 0, "result", "ok" },
		{ "otheap.test.sent", "{profile}", "Sent.", OH_METRIC_COUNTER, 7, "result", "bad" },
		{ "otheap.test.spool", "By", "Waiting.", OH_METRIC_UPDOWN, 4096, NULL, NULL },
		{ "otheap.test.age", "s", "Oldest.", OH_METRIC_GAUGE, -1, NULL, NULL },
	};
	struct oh_resource *resource = oh_resource_create();
	int64_t now = (int64_t)time(NULL) * INT64_C(1000000000);
	FILE *f = fopen(path, "w");
	uint8_t *bytes;
	size_t len;

	oh_resource_complete(resource);
	bytes = oh_metrics_encode(
	    resource, metrics, OH_ARRAY_LEN(metrics), now - INT64_C(5000000000), now, &len);
	if (f == NULL || fwrite(bytes, 1, len, f) != len || fclose(f) != 0)
		die(path, "cannot be written");
	free(bytes);
	oh_resource_free(resource);
}

int
main(int argc, char **argv)
{
	struct oh_otlp_options options = { .max_bytes = 0 };
	bool named = true;
	const char *metrics = NULL;
	double seconds = 0;
	pid_t pid = 0;
	int c;

	while ((c = getopt(argc, argv, "nlm:p:b:M:")) != -1) {
		if (c == 'n')
			named = false;
		else if (c == 'l')
			options.numeric_labels = true;
		else if (c == 'm')
			options.max_bytes = strtoull(optarg, NULL, 10);
		else if (c == 'p')
			pid = (pid_t)strtol(optarg, NULL, 10);
		else if (c == 'b')
			seconds = strtod(optarg, NULL);
		else if (c == 'M')
			metrics = optarg;
		else
			return 2;
	}
	argv += optind;
	if (metrics != NULL) {
		write_metrics(metrics);
		return 0;
	}
	if (seconds > 0 && argv[0] != NULL) {
		measure(argv[0], seconds);
		return 0;
	}
	if (argv[0] == NULL || argv[1] == NULL)
		die("usage", "encode [-n] [-l] [-m BYTES] [-p PID] OUT FILE...");
	out = argv[0];
	encode_files(argv + 1, &options, named, pid);
	return 0;
}
