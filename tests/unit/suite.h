/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suite.h - how does a unit test program run its tests?
 *
 * For all of tests/unit: each program is one suite, its main() one call.
 */
#ifndef OH_TESTS_UNIT_SUITE_H
#define OH_TESTS_UNIT_SUITE_H

#include <check.h>

/* ck_assert for loops: Check makes a system call for each of its own. */
#define UNIT_CHECK(cond) \
	do { \
		if (!(cond)) \
			ck_abort_msg("not so: %s", #cond); \
	} while (0)

/*
 * Run the tests that `tests` adds; the exit status of the program.  It may set
 * another timeout than 120 s.  CK_FORK=no in the environment runs all in one process.
 */
static inline int
unit_run(const char *name, void (*tests)(TCase *))
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *r;
	int failed;

	tcase_set_timeout(tc, 120);
	tests(tc);
	suite_add_tcase(s, tc);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}

#endif
