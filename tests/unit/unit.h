/*
 * What every unit test program shares: one suite, one runner, the exit status.
 *
 *     #include "unit/unit.h"
 *     START_TEST(adds_up) { ck_assert_int_eq(1 + 1, 2); } END_TEST
 *     UNIT_MAIN("arena", adds_up, ...)
 */
#ifndef DS_TESTS_UNIT_H
#define DS_TESTS_UNIT_H

#include <check.h>
#include <stdlib.h>

/* Tests to be added to, each of which may take so long. */
static inline TCase *unit_case(const char *name, int seconds)
{
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, seconds);
    return tcase;
}

/* Runs them as a suite; the exit status. */
static inline int unit_run_case(TCase *tcase, const char *name)
{
    Suite *suite = suite_create(name);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static inline int unit_run(const char *name, const TTest *const *tests, size_t n)
{
    TCase *tcase = unit_case(name, 30);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(tcase, tests[i]);
    return unit_run_case(tcase, name);
}

#define UNIT_MAIN(name, ...)                                                                       \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return unit_run(name, tests, sizeof tests / sizeof *tests);                                \
    }

#endif
