/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_destination.c - two programs share an agent only if they send to the same
 * place, with the same rights.
 */
#include "unit.h"

#include "core/destination.h"

static uint8_t key[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static uint64_t network = 1;

/* By the arguments, as if they were the environment. */
#define of(...) of_list((const char *[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static uint64_t
of_list(const char *const *env)
{
	return oh_destination(key, (char *const *)env, network);
}

#define A "OTEL_EXPORTER_OTLP_ENDPOINT=http://a"
#define B "OTEL_EXPORTER_OTLP_ENDPOINT=http://b"
#define H1 "OTEL_EXPORTER_OTLP_HEADERS=token=1"
#define H2 "OTEL_EXPORTER_OTLP_HEADERS=token=2"

/* The example of the paper, and empty input as the authors' own program has it. */
START_TEST(the_hash_is_that_of_its_authors)
{
	uint8_t data[15];

	for (uint8_t i = 0; i < sizeof(data); i++)
		data[i] = i;
	ck_assert_uint_eq(oh_siphash(key, data, sizeof(data)), UINT64_C(0xa129ca6149be45e5));
	ck_assert_uint_eq(oh_siphash(key, data, 0), UINT64_C(0x726fdb47dd0e0e31));
}
END_TEST

START_TEST(what_says_where_and_as_whose_makes_a_difference)
{
	const char *const all[] = { A, B, H1, "OTEL_EXPORTER_OTLP_PROFILES_HEADERS=token=1",
		"OTHEAP_PROTOCOL=grpc", "OTHEAP_PROTOCOL=pyroscope",
		"OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_CERTIFICATE=/ca",
		"OTEL_EXPORTER_OTLP_CLIENT_KEY=/key", "https_proxy=http://p", "NO_PROXY=a",
		"SSL_CERT_FILE=/ca" };
	uint64_t none = of();

	for (size_t i = 0; i < OH_ARRAY_LEN(all); i++) {
		ck_assert_uint_ne(of(all[i]), none);
		for (size_t j = 0; j < i; j++)
			ck_assert_uint_ne(of(all[i]), of(all[j]));
	}
	ck_assert_uint_ne(of(A, H1), of(A, H2));
	ck_assert_uint_ne(of(A, H1), of(A));
	uint64_t here = of(A);
	network++;
	ck_assert_uint_ne(of(A), here);
	network--;
}
END_TEST

START_TEST(what_does_not_makes_none)
{
	ck_assert_uint_eq(of(A, H1), of(H1, A));
	ck_assert_uint_eq(of(A, H1), of("PATH=/bin", A, "OTEL_SERVICE_NAME=shop", H1));
	ck_assert_uint_eq(of(A), of(A, "OTEL_EXPORTER_OTLP_HEADERS="));
	ck_assert_uint_eq(of(), of_list(NULL));
	ck_assert_uint_eq(
	    of(A, "OTHEAP_PROTOCOLS=1", "XOTEL_EXPORTER_OTLP_ENDPOINT=http://b"), of(A));
}
END_TEST

/* As getenv() has it. */
START_TEST(of_two_with_one_name_the_first_counts)
{
	ck_assert_uint_eq(of(A, B), of(A));
	ck_assert_uint_eq(of(B, A), of(B));
	ck_assert_uint_eq(of(A, A), of(A));
}
END_TEST

START_TEST(without_the_key_it_tells_nothing)
{
	uint64_t with = of(A, H1);

	key[0] ^= 1;
	ck_assert_uint_ne(of(A, H1), with);
	key[0] ^= 1;
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, the_hash_is_that_of_its_authors);
	tcase_add_test(tc, what_says_where_and_as_whose_makes_a_difference);
	tcase_add_test(tc, what_does_not_makes_none);
	tcase_add_test(tc, of_two_with_one_name_the_first_counts);
	tcase_add_test(tc, without_the_key_it_tells_nothing);
}

int
main(void)
{
	return unit_run("destination", add);
}
