/* Failures of functions are told at a limited rate, and none is forgotten. */
#include "driver/driver_state.h"
#include "driver/faults.h"

#include "unit/unit.h"

#include <unistd.h>

static ds_bad_sample samples[] = {
    {DS_BAD_REASON_SLOTS, "a file", "vanished"},
    {DS_SAMPLE_FUNCTION, "score", "score.lua:3: no"},
};

/* What is logged of a task with these failures. Valid until the next call. */
static const char *said_of(ds_driver *d, uint64_t rows, uint64_t values, uint32_t n_samples)
{
    static char said[4096];
    const ds_task_result result = {.function_rows = rows,
                                   .function_values = values,
                                   .samples = samples,
                                   .n_samples = n_samples};
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    fflush(stderr);
    int saved = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    ds_driver_show_faults(d, "table t", &result);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    fclose(file);
    return said;
}

START_TEST(what_failed_and_why)
{
    ds_driver d = {.now_us = 100000000};
    const char *said = said_of(&d, 3, 0, 2);
    ck_assert_ptr_nonnull(strstr(said, "table t: 3 rows were dropped"));
    ck_assert_ptr_nonnull(strstr(said, "function score: score.lua:3: no"));
    ck_assert_ptr_null(strstr(said, "vanished")); /* told elsewhere */
    ck_assert_ptr_null(strstr(said, "values"));
    said = said_of(&d, 0, 2, 1);
    ck_assert_ptr_nonnull(strstr(said, "2 values became null for an error in a function"));
    ck_assert_str_eq(said_of(&d, 0, 0, 1), "");
    ck_assert_ptr_nonnull(strstr(said_of(&d, 0, 0, 2), "function score"));
}
END_TEST

START_TEST(not_too_often)
{
    ds_driver d = {.now_us = 100000000};
    for (uint32_t i = 0; i < 3 * DS_SHOWN_MOST; i++) {
        const char *said = said_of(&d, 10, 1, 2);
        ck_assert((said[0] != '\0') == (i < DS_SHOWN_MOST));
        d.now_us += 1000;
    }
    d.now_us += DS_SHOWN_EVERY_US;
    const char *said = said_of(&d, 1, 0, 0);
    ck_assert_ptr_nonnull(
        strstr(said, "110 more failures of functions were counted and not shown"));
    ck_assert_ptr_nonnull(strstr(said, "1 rows were dropped"));
    d.now_us += DS_SHOWN_EVERY_US;
    ck_assert_ptr_null(strstr(said_of(&d, 1, 0, 0), "more failures"));
}
END_TEST

UNIT_MAIN("faults", what_failed_and_why, not_too_often)
