/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.c - are these files OTLP requests as the specification wants them?
 *
 *   check FILE...
 *
 * Everything that otlpcheck.h knows, one test for each file: tables with their
 * zero entries, indices, no orphans, no duplicates, one shape of samples.
 */
#include <stdio.h>

#include "tests/unit/tools/otlpcheck.h"

static char **files;
static int count;

START_TEST(a_request_keeps_the_rules)
{
	FILE *f = fopen(files[_i], "rb");
	uint8_t *bytes = malloc(OH_OTLP_MAX_DEFAULT + 1);
	size_t len;
	Request *r;

	ck_assert_ptr_nonnull(f);
	len = fread(bytes, 1, OH_OTLP_MAX_DEFAULT + 1, f);
	(void)fclose(f);
	ck_assert_uint_le(len, OH_OTLP_MAX_DEFAULT);
	r = oh_otlp_check(bytes, len);
	protobuf_c_message_free_unpacked(&r->base, NULL);
	free(bytes);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_loop_test(tc, a_request_keeps_the_rules, 0, count);
}

int
main(int argc, char **argv)
{
	files = argv + 1;
	count = argc - 1;
	return unit_run("requests", add) || count < 1;
}
