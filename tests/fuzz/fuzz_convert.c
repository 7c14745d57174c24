/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_convert.c - any bytes as folded stacks, speedscope JSON and heap text: read, write
 * in every format, and read what was written.
 *
 *   with -fsanitize=fuzzer    a libFuzzer target
 *   with -DOH_FUZZ_REPLAY     see replay.h
 *
 * Names are never looked for, so no file that the bytes name is opened.
 */
#include "tests/fuzz/replay.h"

#include "tools/convert.h"
#include "tools/profile_write.h"

#define MAX_BYTES (UINT64_C(4) << 20) /* unpacked */

static struct oh_profile *
read_as(enum oh_file_format format, const void *data, size_t size, struct oh_error *err)
{
	struct oh_input *in = oh_input_open_mem(data, size, MAX_BYTES, err);
	struct oh_profile *p = NULL;

	if (in == NULL)
		return NULL;
	(void)oh_guess_format(in, err);
	switch (format) {
	case OH_FILE_FOLDED:
		p = oh_folded_read(in, "space", err);
		break;
	case OH_FILE_SPEEDSCOPE:
		p = oh_speedscope_read(in, MAX_BYTES, err);
		break;
	case OH_FILE_HEAP:
		p = oh_heap_read(in, err);
		break;
	case OH_FILE_FIREFOX:
		p = oh_firefox_read(in, MAX_BYTES, err);
		break;
	default:
		return oh_profile_read_input(in, err);
	}
	oh_input_free(in);
	return p;
}

/* Write it; false if the format cannot hold it. */
static bool
write_as(enum oh_file_format format, struct oh_profile *p, char **ret, size_t *ret_len)
{
	struct oh_error err = { "" };
	FILE *to = open_memstream(ret, ret_len);
	bool good = true;

	if (to == NULL)
		abort();
	switch (format) {
	case OH_FILE_FOLDED:
		oh_folded_write(to, p, (unsigned)p->type_count - 1);
		break;
	case OH_FILE_SPEEDSCOPE:
		oh_speedscope_write(to, p, 0, "fuzz");
		break;
	case OH_FILE_HEAP:
		good = oh_heap_write(to, p, &err);
		break;
	case OH_FILE_FIREFOX:
		oh_firefox_write(to, p, "fuzz");
		break;
	default:
		good = oh_profile_write(p, to);
		break;
	}
	if (fclose(to) != 0)
		abort();
	return good;
}

/* What we wrote we can read, and a pprof file has every sample. */
static void
there_and_back(struct oh_profile *p)
{
	for (int f = 0; f < OH_FILE_FORMATS; f++) {
		struct oh_error err = { "" };
		struct oh_profile *again;
		char *bytes = NULL;
		size_t len = 0;

		if (write_as((enum oh_file_format)f, p, &bytes, &len) && len > 0) {
			again = read_as((enum oh_file_format)f, bytes, len, &err);
			if (again == NULL ||
			    (f == OH_FILE_PPROF && again->sample_count != p->sample_count)) {
				(void)fprintf(stderr, "format %d: %s\n", f, err.text);
				abort();
			}
			oh_profile_free(again);
		}
		free(bytes);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum oh_file_format formats[] = { OH_FILE_FOLDED, OH_FILE_SPEEDSCOPE,
		OH_FILE_HEAP, OH_FILE_FIREFOX };

	for (size_t i = 0; i < OH_ARRAY_LEN(formats); i++) {
		struct oh_error err = { "" };
		struct oh_profile *p = read_as(formats[i], data, size, &err);

		if (p == NULL && (err.text[0] == '\0' || strchr(err.text, '\n') != NULL))
			abort(); /* one line, always */
		if (p != NULL && p->type_count > 0)
			there_and_back(p);
		oh_profile_free(p);
	}
	return 0;
}
