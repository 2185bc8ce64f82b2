/* order_by over more rows than a task may hold: several runs, merged in one or more steps. */
#include "unit/twins.h"

#define CSV                                                                                        \
    "'in': { 'type': 'stdin', 'format': 'csv',"                                                    \
    "        'schema': { 'k': 'string', 'n': 'int', 'w': 'string' } }"

static uint64_t run(const char *streams, const char *tested, uint32_t n_rows, size_t share_bytes)
{
    twins t;
    ds_random random;
    ds_random_init(&random, n_rows);
    twins_open(&t, CSV, streams, tested, share_bytes);
    for (int batch = 0; batch < 3; batch++) {
        for (int block = 0; block < 4; block++) {
            char *text = twins_records(&random, n_rows, n_rows);
            twins_feed(&t, "in", text);
            free(text);
        }
        twins_batch(&t);
    }
    twins_close(&t);
    return t.spilled_bytes;
}

START_TEST(all_rows_in_order)
{
    ck_assert_uint_gt(run("'o_a': { 'from': 'in', 'order_by': 'n desc, w' },"
                          "'o_b': { 'from': 'in', 'order_by': 'length(k) + n, k desc' },"
                          "'o_c': { 'from': ['in', 'in'], 'order_by': 'k' }",
                          "o_a o_b o_c", 3000, 200 << 10),
                      100000);
}
END_TEST

START_TEST(the_first_rows)
{
    run("'o_a': { 'from': 'in', 'order_by': 'n, k', 'limit': 7 },"
        "'o_b': { 'from': 'in', 'order_by': 'w', 'limit': 5000 },"
        "'o_c': { 'from': 'in', 'order_by': 'w', 'limit': 0 },"
        "'o_d': { 'from': 'in', 'limit': 3000 },"
        "'o_e': { 'from': 'in', 'order_by': 'k', 'limit': 1000000 }",
        "o_a o_b o_c o_d o_e", 3000, 150 << 10);
}
END_TEST

/* So little memory that there are more runs than can be merged at once. */
START_TEST(runs_that_are_merged_in_steps)
{
    ck_assert_uint_gt(
        run("'a': { 'from': 'in', 'group_by': ['k', 'n', 'w'], 'aggregate': { 'c': 'count()' } },"
            "'o_b': { 'from': 'a', 'order_by': 'w, n' },"
            "'o_c': { 'from': 'a', 'order_by': 'n desc', 'limit': 4000 }",
            "o_b o_c", 6000, 64 << 10),
        1000000);
}
END_TEST

/* Lists are passed over by the order, and rows of a window come again and again. */
START_TEST(windows_and_lists_in_order)
{
    run("'r': { 'from': 'in', 'window': '2s' },"
        "'o_a': { 'from': 'r', 'order_by': 'w, k' },"
        "'l': { 'from': 'in', 'select': { 'p': 'split(w)', 'n': 'n', 'k': 'k' } },"
        "'o_l': { 'from': 'l', 'order_by': 'n, k' },"
        "'o_r': { 'from': 'o_a', 'where': 'n > 0' }",
        "o_a o_l", 1500, 100 << 10);
}
END_TEST

/* Rows of long texts leave soon, however few they are. */
START_TEST(long_texts)
{
    twins t;
    ds_random random;
    ds_random_init(&random, 3);
    twins_open(&t, CSV,
               "'o_a': { 'from': 'in', 'order_by': 'k' },"
               "'o_b': { 'from': 'in', 'order_by': 'n', 'limit': 3 }",
               "o_a o_b", 200 << 10);
    char *padding = ds_alloc(60001);
    memset(padding, 'x', 60000);
    padding[60000] = '\0';
    for (int block = 0; block < 6; block++) {
        ds_buffer text = {0};
        for (int i = 0; i < 10; i++)
            ds_buffer_printf(&text, "%d%s,%d,w\n", (int)ds_random_below(&random, 1000), padding,
                             (int)ds_random_below(&random, 1000));
        twins_feed(&t, "in", ds_buffer_text(&text));
        ds_buffer_fini(&text);
    }
    free(padding);
    twins_batch(&t);
    ck_assert_uint_gt(t.spilled_bytes, 1000000);
    twins_close(&t);
}
END_TEST

UNIT_MAIN("order_runs", all_rows_in_order, the_first_rows, runs_that_are_merged_in_steps,
          windows_and_lists_in_order, long_texts)
