/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_print.c - numbers and strings as people read them.
 */
#include "tests/unit/tools/wirebuild.h"

#include <stdlib.h>

#include "tools/demangle.h"
#include "tools/print.h"

static void
assert_value(long double value, const char *unit, enum oh_byte_unit u, const char *text)
{
	char buf[OH_VALUE_MAX];

	ck_assert_str_eq(oh_format_value(buf, value, unit, u), text);
}

START_TEST(values_are_shown_in_readable_units)
{
	assert_value(0, "bytes", OH_BYTES_AUTO, "0 B");
	assert_value(1023, "bytes", OH_BYTES_AUTO, "1023 B");
	assert_value(1024, "bytes", OH_BYTES_AUTO, "1.00 KiB");
	assert_value(1536, "bytes", OH_BYTES_AUTO, "1.50 KiB");
	assert_value(1048575, "bytes", OH_BYTES_AUTO, "1.00 MiB"); /* not 1024.00 KiB */
	assert_value(-3.5 * 1024 * 1024, "bytes", OH_BYTES_AUTO, "-3.50 MiB");
	assert_value((long double)INT64_MAX, "bytes", OH_BYTES_AUTO, "8.00 EiB");
	assert_value((long double)INT64_MAX, "bytes", OH_BYTES_EXACT, "9223372036854775807");
	assert_value((long double)INT64_MIN, "bytes", OH_BYTES_EXACT, "-9223372036854775808");
	assert_value(1024, "bytes", OH_BYTES_MIB, "0.00 MiB");
	assert_value(3 * 1024, "bytes", OH_BYTES_KIB, "3.00 KiB");
	assert_value(0x1p31, "bytes", OH_BYTES_GIB, "2.00 GiB");
	assert_value(12345, "count", OH_BYTES_AUTO, "12345");
	assert_value(1500000, "nanoseconds", OH_BYTES_AUTO, "1.50 ms");
	assert_value(90, "seconds", OH_BYTES_AUTO, "1.50 min");
}
END_TEST

START_TEST(percentages_of_nothing_are_zero)
{
	char buf[OH_VALUE_MAX];

	ck_assert_str_eq(oh_format_percent(buf, 1, 3), "33.3%");
	ck_assert_str_eq(oh_format_percent(buf, 1, 0), "0.0%");
}
END_TEST

START_TEST(sizes_and_units_are_parsed_or_refused)
{
	static const char *const bad[] = { "", "-1", "1x", "k", "1 k", "99999999999999999999",
		"18014398509481985k", "1auto" };
	enum oh_byte_unit u;
	uint64_t n;

	ck_assert(oh_parse_size("512", &n) && n == 512);
	ck_assert(oh_parse_size("64k", &n) && n == 65536);
	ck_assert(oh_parse_size("3MiB", &n) && n == 3 << 20);
	ck_assert(oh_parse_size("2g", &n) && n == UINT64_C(2) << 30);
	for (size_t i = 0; i < OH_ARRAY_LEN(bad); i++)
		ck_assert_msg(!oh_parse_size(bad[i], &n), "%s", bad[i]);
	ck_assert(oh_parse_byte_unit("MiB", &u) && u == OH_BYTES_MIB);
	ck_assert(oh_parse_byte_unit("bytes", &u) && u == OH_BYTES_EXACT);
	ck_assert(!oh_parse_byte_unit("furlongs", &u));
}
END_TEST

static void
assert_clean(const char *s, const char *shown)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	oh_print_clean(f, s);
	(void)fclose(f);
	ck_assert_str_eq(text, shown);
	free(text);
}

START_TEST(strings_cannot_command_a_terminal)
{
	assert_clean("plain text", "plain text");
	assert_clean("\x1b[2J", "?[2J");
	assert_clean("a\nb\tc\x7f", "a?b?c?");
	assert_clean("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
	assert_clean("\xc2\x9b"
		     "31m",
	    "??31m"); /* a control character of two bytes */
	assert_clean("\xff\xc3", "??");
	assert_clean("\xe2\x82", "??");
}
END_TEST

static void
assert_demangled(const char *symbol, const char *name)
{
	char buf[OH_DEMANGLE_MAX];

	ck_assert_str_eq(oh_demangle(buf, symbol, false), name);
}

START_TEST(names_are_demangled_without_parameters)
{
	char buf[OH_DEMANGLE_MAX];

	assert_demangled("main", "main");
	assert_demangled("_ZN3app5Cache6insertEi", "app::Cache::insert");
	assert_demangled("_ZN12_GLOBAL__N_14nameEv", "(anonymous namespace)::name");
	assert_demangled("_ZSt4moveIRiEONSt16remove_referenceIT_E4typeEOS2_", "std::move<int&>");
	assert_demangled("_ZL5twicei.part.0", "twice");
	assert_demangled(
	    "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad");
	assert_demangled("_RNvC6_123foo3bar", "123foo::bar");
	assert_demangled("_Z", "_Z");
	assert_demangled("_Znot_a_name", "_Znot_a_name");
	ck_assert_str_eq(
	    oh_demangle(buf, "_ZN3app5Cache6insertEi", true), "app::Cache::insert(int)");
}
END_TEST

START_TEST(a_name_that_explodes_is_left_mangled)
{
	/*
	 * f(pair<a, a>, ...): S_ is pair, S1_ is pair<a, a>, and each further
	 * parameter a pair of two of the one before it: 2^30 letters in all.
	 */
	char symbol[1024] = "_Z1fSt4pairI1aS0_E", buf[OH_DEMANGLE_MAX];
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	ck_assert_str_eq(oh_demangle(buf, "_Z1fSt4pairI1aS0_ES_IS1_S1_E", true),
	    "f(std::pair<a, a>, std::pair<std::pair<a, a>, std::pair<a, a> >)");
	for (int i = 1; i <= 30; i++)
		(void)snprintf(symbol + strlen(symbol), sizeof(symbol) - strlen(symbol),
		    "S_IS%c_S%c_E", digits[i], digits[i]);
	ck_assert_ptr_eq(oh_demangle(buf, symbol, true), symbol);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, values_are_shown_in_readable_units);
	tcase_add_test(tc, percentages_of_nothing_are_zero);
	tcase_add_test(tc, sizes_and_units_are_parsed_or_refused);
	tcase_add_test(tc, strings_cannot_command_a_terminal);
	tcase_add_test(tc, names_are_demangled_without_parameters);
	tcase_add_test(tc, a_name_that_explodes_is_left_mangled);
}

int
main(void)
{
	return unit_run("print", add);
}
