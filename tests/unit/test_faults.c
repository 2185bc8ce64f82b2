/* Failures of functions, and bad records, are told at a limited rate, and none is forgotten. */
#include "driver/driver_state.h"
#include "driver/faults.h"

#include "unit/unit.h"

#include <unistd.h>

static ds_bad_sample samples[] = {
    {DS_BAD_REASON_SLOTS, "a file", "vanished"},
    {DS_SAMPLE_FUNCTION, "score", "score.lua:3: no"},
};

static void show_faults(ds_driver *d, const ds_task_result *result)
{
    ds_driver_show_faults(d, "table t", result);
}

static void count_table(ds_driver *d, const ds_task_result *result)
{
    ds_driver_count_table(d, 0, result);
}

/* What is logged of a result. Valid until the next call. */
static const char *logged(ds_driver *d, const ds_task_result *result,
                          void (*show)(ds_driver *, const ds_task_result *))
{
    static char said[4096];
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    fflush(stderr);
    int saved = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    show(d, result);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    fclose(file);
    return said;
}

/* Of a task with these failures. */
static const char *said_of(ds_driver *d, uint64_t rows, uint64_t values, uint32_t n_samples)
{
    const ds_task_result result = {.function_rows = rows,
                                   .function_values = values,
                                   .samples = samples,
                                   .n_samples = n_samples};
    return logged(d, &result, show_faults);
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

/* A file that is gone is told with the bad records, and is none of them. */
START_TEST(bad_records_that_are_not_shown)
{
    ds_app_source source = {.name = "logs"};
    ds_source_counts counts = {.name = "logs"};
    ds_intake intake = {.source = &source};
    ds_driver d = {.now_us = 100000000, .intakes = &intake, .n_intakes = 1, .counts = &counts};
    ds_task_result result = {.bad = {3}, .samples = samples, .n_samples = 1};
    ck_assert_ptr_nonnull(strstr(logged(&d, &result, count_table), "a file: vanished"));
    ck_assert_uint_eq(counts.bad_total, 3);
    d.now_us += DS_SHOWN_EVERY_US;
    ck_assert_ptr_nonnull(strstr(logged(&d, &result, count_table),
                                 "source logs: 3 more bad records were counted and not shown"));
}
END_TEST

UNIT_MAIN("faults", what_failed_and_why, not_too_often, bad_records_that_are_not_shown)
