/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_export.c - the OTEL_EXPORTER_OTLP_ variables, and what answers mean.
 */
#include "tests/unit/tools/wirebuild.h"

#include <stdlib.h>
#include <unistd.h>

#include "tools/export_answer.h"
#include "tools/export_config.h"

/* ---- the variables ------------------------------------------------------------------------ */

static const char *const variables[] = { "ENDPOINT", "PROTOCOL", "HEADERS", "TIMEOUT",
	"COMPRESSION", "CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE", "INSECURE" };

static void
clear(void)
{
	char name[80];

	for (size_t i = 0; i < OH_ARRAY_LEN(variables); i++) {
		(void)snprintf(name, sizeof(name), "OTEL_EXPORTER_OTLP_%s", variables[i]);
		(void)unsetenv(name);
		(void)snprintf(name, sizeof(name), "OTEL_EXPORTER_OTLP_PROFILES_%s", variables[i]);
		(void)unsetenv(name);
		(void)snprintf(name, sizeof(name), "OTEL_EXPORTER_OTLP_METRICS_%s", variables[i]);
		(void)unsetenv(name);
	}
	(void)unsetenv("OTHEAP_PROTOCOL");
}

static void
set(const char *what, const char *value)
{
	char name[80];

	(void)snprintf(name, sizeof(name), "OTEL_EXPORTER_OTLP_%s", what);
	(void)setenv(name, value, 1);
}

static struct oh_export_config
read_all(enum oh_export_signal signal, const struct oh_export_wish *wish)
{
	struct oh_export_config c;
	struct oh_error err = { "" };

	ck_assert_msg(oh_export_config_read(&c, "test", signal, wish, &err), "%s", err.text);
	return c;
}

static void
assert_url(enum oh_export_signal signal, const char *url)
{
	struct oh_export_config c = read_all(signal, NULL);

	ck_assert_str_eq(c.url, url);
	oh_export_config_free(&c);
}

START_TEST(a_base_gets_a_path_and_a_signals_endpoint_does_not)
{
	static const char *const bases[][2] = {
		{ "http://h:4318", "http://h:4318/v1development/profiles" },
		{ "http://h:4318/", "http://h:4318/v1development/profiles" },
		{ "http://h/x", "http://h/x/v1development/profiles" },
		{ "https://h/x/", "https://h/x/v1development/profiles" },
		/* Nothing of it is changed, whatever it looks like. */
		{ "http://h/x//", "http://h/x//v1development/profiles" },
		{ "http://h/x/../y", "http://h/x/../y/v1development/profiles" },
		{ "http://h/v1development/profiles",
		    "http://h/v1development/profiles/v1development/profiles" },
		{ "http://h/x?a=b#c", "http://h/x/v1development/profiles" },
	};
	static const char *const whole[][2] = {
		{ "http://h:4318", "http://h:4318/" },
		{ "http://h/x", "http://h/x" },
		{ "http://h/x/", "http://h/x/" },
		{ "http://h//x/../y/%2f?a=b", "http://h//x/../y/%2f?a=b" },
	};

	clear();
	assert_url(OH_EXPORT_PROFILES, "http://localhost:4318/v1development/profiles");
	for (size_t i = 0; i < OH_ARRAY_LEN(bases); i++) {
		set("ENDPOINT", bases[i][0]);
		assert_url(OH_EXPORT_PROFILES, bases[i][1]);
	}
	assert_url(OH_EXPORT_METRICS, "http://h/x/v1/metrics");
	for (size_t i = 0; i < OH_ARRAY_LEN(whole); i++) {
		set("PROFILES_ENDPOINT", whole[i][0]);
		assert_url(OH_EXPORT_PROFILES, whole[i][1]);
	}
	/* An empty one is none. */
	set("PROFILES_ENDPOINT", "");
	assert_url(OH_EXPORT_PROFILES, "http://h/x/v1development/profiles");
	/* Metrics beside the profiles, where nothing else is said. */
	clear();
	set("PROFILES_ENDPOINT", "http://h/in/v1development/profiles");
	assert_url(OH_EXPORT_METRICS, "http://h/in/v1/metrics");
}
END_TEST

#define GRPC "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"

START_TEST(grpc_is_secure_unless_somebody_says_otherwise)
{
	clear();
	set("PROTOCOL", "grpc");
	assert_url(OH_EXPORT_PROFILES, "http://localhost:4317" GRPC);
	set("ENDPOINT", "h:4317");
	assert_url(OH_EXPORT_PROFILES, "https://h:4317" GRPC);
	set("INSECURE", "TRUE");
	assert_url(OH_EXPORT_PROFILES, "http://h:4317" GRPC);
	set("PROFILES_INSECURE", "false");
	assert_url(OH_EXPORT_PROFILES, "https://h:4317" GRPC);
	set("INSECURE", "false");
	set("PROFILES_INSECURE", "true");
	assert_url(OH_EXPORT_PROFILES, "http://h:4317" GRPC);
	set("PROFILES_INSECURE", "1");
	assert_url(OH_EXPORT_PROFILES, "https://h:4317" GRPC);
	set("ENDPOINT", "https://h:4317/path");
	assert_url(OH_EXPORT_PROFILES, "https://h:4317" GRPC);
	set("PROFILES_ENDPOINT", "http://other");
	assert_url(OH_EXPORT_PROFILES, "http://other" GRPC);
	clear();
}
END_TEST

START_TEST(a_password_is_not_shown)
{
	struct oh_export_config c;

	clear();
	set("PROFILES_ENDPOINT", "http://user:secret@h/x?key=secret");
	c = read_all(OH_EXPORT_PROFILES, NULL);
	ck_assert_ptr_nonnull(strstr(c.url, "secret"));
	ck_assert_str_eq(c.shown, "http://h/x");
	oh_export_config_free(&c);
	clear();
}
END_TEST

START_TEST(headers_are_pairs_with_encoded_values)
{
	char one[] = "b=plain %41", two[] = "New=x", *wished[] = { one, two };
	struct oh_export_wish wish = { .headers = wished, .header_count = 2 };
	struct oh_export_config c;

	clear();
	set("HEADERS", "a=1, b = x%2Cy%20z+ ,c=k=v,nothing,=v,bad name=1,d=%zz,e=a%0Db,"
		       "content-length=5,f=,g=a%00b");
	c = read_all(OH_EXPORT_PROFILES, NULL);
	ck_assert_uint_eq(c.header_count, 4);
	ck_assert_str_eq(c.headers[0], "a: 1");
	ck_assert_str_eq(c.headers[1], "b: x,y z+");
	ck_assert_str_eq(c.headers[2], "c: k=v");
	ck_assert_str_eq(c.headers[3], "f;"); /* an empty value, as libcurl wants it */
	oh_export_config_free(&c);
	c = read_all(OH_EXPORT_PROFILES, &wish);
	ck_assert_uint_eq(c.header_count, 5);
	ck_assert_str_eq(c.headers[1], "b: plain %41");
	ck_assert_str_eq(c.headers[4], "New: x");
	oh_export_config_free(&c);
	/* All of those for the signal, or all of the general ones. */
	set("PROFILES_HEADERS", "z=9");
	c = read_all(OH_EXPORT_PROFILES, NULL);
	ck_assert_uint_eq(c.header_count, 1);
	oh_export_config_free(&c);
	clear();
}
END_TEST

START_TEST(what_makes_no_sense_is_ignored)
{
	static const char *const bad[] = { "-1", "1.5", "10s", "x", "99999999999" };
	struct oh_export_config c;

	clear();
	set("PROTOCOL", "http/json");
	set("COMPRESSION", "zip");
	for (size_t i = 0; i < OH_ARRAY_LEN(bad); i++) {
		set("TIMEOUT", bad[i]);
		c = read_all(OH_EXPORT_PROFILES, NULL);
		ck_assert_int_eq(c.timeout_ms, 10000);
		ck_assert_int_eq(c.protocol, OH_EXPORT_HTTP);
		ck_assert(c.gzip);
		oh_export_config_free(&c);
	}
	set("TIMEOUT", "0");
	set("COMPRESSION", "NONE");
	set("PROTOCOL", "GRPC");
	/* As if it were not there: the general one holds. */
	set("PROFILES_TIMEOUT", "soon");
	set("PROFILES_COMPRESSION", "zip");
	c = read_all(OH_EXPORT_PROFILES, NULL);
	ck_assert_int_eq(c.timeout_ms, 0);
	ck_assert_int_eq(c.protocol, OH_EXPORT_GRPC);
	ck_assert(!c.gzip);
	oh_export_config_free(&c);
	clear();
}
END_TEST

static void
assert_protocol(enum oh_export_protocol expected, const struct oh_export_wish *wish)
{
	struct oh_export_config c = read_all(OH_EXPORT_PROFILES, wish);

	ck_assert_int_eq(c.protocol, expected);
	oh_export_config_free(&c);
}

START_TEST(the_option_wins_over_our_variable_and_that_over_theirs)
{
	struct oh_export_wish wish = { .protocol = "http/protobuf" };

	clear();
	set("PROTOCOL", "grpc");
	(void)setenv("OTHEAP_PROTOCOL", "pyroscope", 1);
	assert_protocol(OH_EXPORT_PYROSCOPE, NULL);
	assert_protocol(OH_EXPORT_HTTP, &wish);
	/* What is none of them, and none at all. */
	static const char *const as_not_set[] = { "auto", "", "http/json", "Pyroscope" };
	for (size_t i = 0; i < OH_ARRAY_LEN(as_not_set); i++) {
		(void)setenv("OTHEAP_PROTOCOL", as_not_set[i], 1);
		assert_protocol(OH_EXPORT_GRPC, NULL);
	}
	clear();
}
END_TEST

START_TEST(a_protocol_that_is_none_is_as_not_set)
{
	clear();
	set("PROTOCOL", "grpc");
	set("PROFILES_PROTOCOL", "http/json");
	assert_protocol(OH_EXPORT_GRPC, NULL);
	/* Theirs does not take ours. */
	set("PROFILES_PROTOCOL", "pyroscope");
	assert_protocol(OH_EXPORT_GRPC, NULL);
	set("PROFILES_PROTOCOL", "http/protobuf");
	assert_protocol(OH_EXPORT_HTTP, NULL);
	clear();
}
END_TEST

START_TEST(pyroscope_is_told_where_profiles_go_in_general_and_in_particular)
{
	clear();
	(void)setenv("OTHEAP_PROTOCOL", "pyroscope", 1);
	assert_url(OH_EXPORT_PROFILES, "http://localhost:4040/ingest");
	set("ENDPOINT", "http://h:1/general");
	assert_url(OH_EXPORT_PROFILES, "http://h:1/general/ingest");
	set("PROFILES_ENDPOINT", "http://h:2/base");
	assert_url(OH_EXPORT_PROFILES, "http://h:2/base/ingest");
	clear();
}
END_TEST

START_TEST(an_endpoint_or_a_file_that_cannot_be_used_is_an_error)
{
	static const char *const bad[] = { "localhost:4318", "ftp://h", "http://", "http://a b/" };
	struct oh_export_config c;
	struct oh_error err;

	clear();
	for (size_t i = 0; i < OH_ARRAY_LEN(bad); i++) {
		set("ENDPOINT", bad[i]);
		err.text[0] = '\0';
		ck_assert_msg(!oh_export_config_read(&c, "test", OH_EXPORT_PROFILES, NULL, &err),
		    "%s", bad[i]);
		ck_assert_ptr_nonnull(strstr(err.text, "OTEL_EXPORTER_OTLP_ENDPOINT: "));
		oh_export_config_free(&c);
	}
	clear();
	set("PROFILES_CERTIFICATE", "/nosuch.pem");
	err.text[0] = '\0';
	ck_assert(!oh_export_config_read(&c, "test", OH_EXPORT_PROFILES, NULL, &err));
	ck_assert_str_eq(err.text,
	    "OTEL_EXPORTER_OTLP_PROFILES_CERTIFICATE: /nosuch.pem: No such file or directory");
	oh_export_config_free(&c);
	clear();
}
END_TEST

START_TEST(the_path_of_a_certificate_is_whole_and_keeps_its_links)
{
	char folder[] = "/tmp/otheap-test.XXXXXX", link[64];
	struct oh_export_config c;

	clear();
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(link, sizeof(link), "%s/ca.pem", folder);
	ck_assert_int_eq(symlink("/dev/null", link), 0);
	set("CERTIFICATE", link);
	c = read_all(OH_EXPORT_PROFILES, NULL);
	ck_assert_str_eq(c.ca, link);
	oh_export_config_free(&c);
	ck_assert_int_eq(chdir(folder), 0);
	set("CERTIFICATE", "ca.pem");
	c = read_all(OH_EXPORT_PROFILES, NULL);
	ck_assert_str_eq(c.ca, link);
	oh_export_config_free(&c);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(unlink(link) | rmdir(folder), 0);
	clear();
}
END_TEST

/* ---- answers -----------------------------------------------------------------------------------
 */

START_TEST(four_statuses_of_http_are_tried_again)
{
	for (long status = 200; status < 600; status++) {
		struct oh_answer a;
		bool later = status == 429 || (status >= 502 && status <= 504);

		oh_answer_http(&a, status, OH_BODY_OTHER, "7", NULL, 0, 0);
		ck_assert_msg(a.verdict == (status < 300 ? OH_SENT
					       : later   ? OH_LATER
							 : OH_REFUSED),
		    "%ld", status);
		ck_assert_int_eq(a.after_ms, later ? 7000 : -1);
	}
}
END_TEST

START_TEST(a_web_page_takes_no_profiles)
{
	struct oh_answer a;

	oh_answer_http(&a, 200, OH_BODY_PAGE, NULL, (const uint8_t *)"<html>", 6, 0);
	ck_assert_int_eq(a.verdict, OH_LATER);
	ck_assert(a.hopeless);
	ck_assert_ptr_nonnull(strstr(a.text, "web page"));
	/* With any other status that says all. */
	oh_answer_http(&a, 404, OH_BODY_PAGE, NULL, (const uint8_t *)"<html>", 6, 0);
	ck_assert_int_eq(a.verdict, OH_REFUSED);
}
END_TEST

START_TEST(six_statuses_of_grpc_are_tried_again)
{
	static const bool later[17] = {
		[1] = true, [4] = true, [10] = true, [11] = true, [14] = true, [15] = true
	};
	/* A google.rpc.Status whose only detail is a RetryInfo of 2 s. */
	static const char details[] =
	    "GjAKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SBAoCCAI";
	struct oh_answer a;

	for (int status = 1; status <= 16; status++) {
		oh_answer_grpc(&a, 200, status, "no%20good", NULL, NULL, 0);
		ck_assert_msg(a.verdict == (later[status] ? OH_LATER : OH_REFUSED), "%d", status);
		ck_assert_ptr_nonnull(strstr(a.text, ": no good"));
		ck_assert_int_eq(a.after_ms, -1);
	}
	oh_answer_grpc(&a, 200, 8, NULL, details, NULL, 0);
	ck_assert_int_eq(a.verdict, OH_LATER);
	ck_assert_int_eq(a.after_ms, 2000);
	oh_answer_grpc(&a, 200, 8, NULL, "not base64!", NULL, 0);
	ck_assert_int_eq(a.verdict, OH_REFUSED);
	oh_answer_grpc(&a, 200, 0, NULL, NULL, NULL, 0);
	ck_assert_int_eq(a.verdict, OH_SENT);
	oh_answer_grpc(&a, 503, -1, NULL, NULL, NULL, 0);
	ck_assert_int_eq(a.verdict, OH_LATER);
	oh_answer_grpc(&a, 404, -1, NULL, NULL, NULL, 0);
	ck_assert_int_eq(a.verdict, OH_REFUSED);
}
END_TEST

START_TEST(a_partial_success_is_read)
{
	struct wb partial = { .len = 0 }, response = { .len = 0 }, frame = { .len = 0 };
	struct oh_answer a;

	wb_int(&partial, 1, 3);
	wb_bytes(&partial, 2, "too\nold", 7);
	wb_bytes(&response, 1, partial.b, partial.len);
	oh_answer_http(&a, 200, OH_BODY_OTLP, NULL, response.b, response.len, 0);
	ck_assert_int_eq(a.verdict, OH_SENT);
	ck_assert_int_eq(a.rejected, 3);
	ck_assert_ptr_nonnull(strstr(a.text, "old"));
	ck_assert_ptr_null(strchr(a.text, '\n'));
	/* Every cut of it is some answer, and none that reads beyond its end. */
	for (size_t n = 0; n < response.len; n++)
		oh_answer_http(&a, 200, OH_BODY_OTLP, NULL, response.b, n, 0);

	frame.len = 5;
	frame.b[4] = (uint8_t)response.len;
	memcpy(frame.b + 5, response.b, response.len);
	frame.len += response.len;
	oh_answer_grpc(&a, 200, 0, NULL, NULL, frame.b, frame.len);
	ck_assert_int_eq(a.rejected, 3);
	frame.b[1] = 0xff; /* longer than it is */
	oh_answer_grpc(&a, 200, 0, NULL, NULL, frame.b, frame.len);
	ck_assert_int_eq(a.rejected, 0);
	ck_assert_int_eq(a.verdict, OH_SENT);
}
END_TEST

START_TEST(retry_after_is_seconds_or_a_date)
{
	/* 784111777: the date that RFC 9110 has in its examples. */
	static const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";

	ck_assert_int_eq(oh_retry_after_ms("0", 0), 0);
	ck_assert_int_eq(oh_retry_after_ms(" 120", 0), 120000);
	ck_assert_int_eq(oh_retry_after_ms(date, 784111770), 7000);
	ck_assert_int_eq(oh_retry_after_ms(date, 784111780), 0);
	ck_assert_int_eq(oh_retry_after_ms("Sunday, 06-Nov-94 08:49:37 GMT", 784111770), 7000);
	ck_assert_int_eq(oh_retry_after_ms("Sun Nov  6 08:49:37 1994", 784111770), 7000);
	ck_assert_int_eq(oh_retry_after_ms("99999999999999999999", 0), 3600000);
	ck_assert_int_eq(oh_retry_after_ms("soon", 0), -1);
	ck_assert_int_eq(oh_retry_after_ms("", 0), -1);
	ck_assert_int_eq(oh_retry_after_ms("-5", 0), -1);
}
END_TEST

START_TEST(waits_double_up_to_a_bound_and_are_not_all_alike)
{
	int64_t seen = -1;
	bool differ = false;

	for (unsigned failures = 1; failures < 100; failures++) {
		int64_t full = failures < 7 ? 1000 << (failures - 1) : 60000;

		for (uint64_t random = 0; random < 1000; random += 37) {
			int64_t w = oh_retry_wait_ms(failures, 1000, 60000, -1, random * random);

			ck_assert_int_ge(w, full / 2);
			ck_assert_int_le(w, full);
			differ = differ || (seen >= 0 && seen != w);
			seen = w;
		}
	}
	ck_assert(differ);
	/* What the server asks for is the least. */
	for (uint64_t random = 0; random < 100; random++) {
		ck_assert_int_ge(oh_retry_wait_ms(1, 1000, 60000, 30000, random), 30000);
		ck_assert_int_ge(oh_retry_wait_ms(9, 1000, 60000, 0, random), 30000);
	}
	ck_assert_int_eq(oh_retry_wait_ms(1, 0, 0, -1, 12345), 0);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, a_base_gets_a_path_and_a_signals_endpoint_does_not);
	tcase_add_test(tc, grpc_is_secure_unless_somebody_says_otherwise);
	tcase_add_test(tc, a_password_is_not_shown);
	tcase_add_test(tc, headers_are_pairs_with_encoded_values);
	tcase_add_test(tc, what_makes_no_sense_is_ignored);
	tcase_add_test(tc, the_option_wins_over_our_variable_and_that_over_theirs);
	tcase_add_test(tc, a_protocol_that_is_none_is_as_not_set);
	tcase_add_test(tc, pyroscope_is_told_where_profiles_go_in_general_and_in_particular);
	tcase_add_test(tc, an_endpoint_or_a_file_that_cannot_be_used_is_an_error);
	tcase_add_test(tc, the_path_of_a_certificate_is_whole_and_keeps_its_links);
	tcase_add_test(tc, four_statuses_of_http_are_tried_again);
	tcase_add_test(tc, a_web_page_takes_no_profiles);
	tcase_add_test(tc, six_statuses_of_grpc_are_tried_again);
	tcase_add_test(tc, a_partial_success_is_read);
	tcase_add_test(tc, retry_after_is_seconds_or_a_date);
	tcase_add_test(tc, waits_double_up_to_a_bound_and_are_not_all_alike);
}

int
main(void)
{
	return unit_run("export", add);
}
