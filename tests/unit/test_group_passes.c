/* Tables that do not fit: what is made in passes over parts of the keys, and early hand-outs. */
#include "unit/paged_kit.h"
#include "unit/twins.h"

#define CSV                                                                                        \
    "'in': { 'type': 'stdin', 'format': 'csv',"                                                    \
    "        'schema': { 'k': 'string', 'n': 'int', 'w': 'string' } }"

static void run(const char *streams, const char *tested, uint32_t n_rows, uint32_t n_keys)
{
    twins t;
    ds_random random;
    ds_random_init(&random, n_keys);
    twins_open(&t, CSV, streams, tested, 100 << 10);
    for (int batch = 0; batch < 3; batch++) {
        for (int block = 0; block < 3; block++) {
            char *text = twins_records(&random, n_rows, n_keys);
            twins_feed(&t, "in", text);
            free(text);
        }
        twins_batch(&t);
    }
    ck_assert_uint_gt(t.spilled_bytes, 0);
    twins_close(&t);
}

START_TEST(exact_aggregates)
{
    run("'a': { 'from': 'in', 'group_by': ['k'], 'aggregate': {"
        "  'n': 'count()', 's': 'sum(n)', 'least': 'min(w)', 'm': 'avg(n)', 'd': "
        "'count_distinct(n)',"
        "  'f': 'first(w)', 'l': 'last(w)' } },"
        "'d': { 'from': 'in', 'distinct': true },"
        "'g': { 'from': 'in', 'group_by': ['w', 'n'] }",
        "a d g", 4000, 5000);
}
END_TEST

START_TEST(lists_of_one_key_with_half_of_all_rows)
{
    run("'a': { 'from': 'in', 'group_by': ['k'], 'aggregate': {"
        "  'l': 'collect_list(w)', 's': 'collect_set(n)', 'm': 'median(n)',"
        "  'j': 'string_agg(w, `;`)' } }",
        "a", 1500, 1000);
}
END_TEST

/* What comes of a table that is made in passes goes into others of the task. */
START_TEST(streams_behind_a_table)
{
    run("'a': { 'from': 'in', 'group_by': ['k', 'w'], 'aggregate': { 'n': 'count()' } },"
        "'b': { 'from': 'a', 'group_by': ['w'], 'aggregate': { 'n': 'sum(n)', 'k': 'max(k)' } },"
        "'c': { 'from': 'a', 'where': 'n > 1', 'select': { 'x': 'k || w' } },"
        "'o_d': { 'from': 'a', 'order_by': 'n desc, k', 'limit': 100 },"
        "'e': { 'from': ['a', 'a'], 'aggregate': { 'n': 'sum(n)' } },"
        "'f': { 'from': 'a', 'having': 'n > 2' }",
        "b c o_d e f", 4000, 4000);
}
END_TEST

START_TEST(a_total_is_one_pass)
{
    run("'a': { 'from': 'in', 'aggregate': { 'n': 'count()', 'd': 'count_distinct(k)' } },"
        "'b': { 'from': 'in', 'group_by': ['k', 'n', 'w'] }",
        "a b", 4000, 3000);
}
END_TEST

START_TEST(joins_of_tables_and_of_rows)
{
    run("'a': { 'from': 'in', 'group_by': ['k'], 'aggregate': { 'n': 'count()', 'w': 'max(w)' } },"
        "'b': { 'from': 'in', 'where': 'n > 0', 'group_by': ['k'],"
        "       'aggregate': { 's': 'sum(n)', 'v': 'min(w)' } },"
        "'ab': { 'from': 'a', 'join': { 'with': 'b', 'on': ['k'], 'type': 'full' } },"
        "'c': { 'from': 'in', 'where': 'n > 480' },"
        "'ac': { 'from': 'a', 'join': { 'with': 'c', 'on': ['k'], 'type': 'left' } },"
        "'cc': { 'from': 'c', 'join': { 'with': 'c', 'on': ['k', 'n'] } },"
        "'r': { 'from': 'ab', 'repartition': 3 }",
        "ab ac cc r", 4000, 4000);
}
END_TEST

/* Groups of which one has half of all values; where there is paged memory it goes there. */
static void run_wide(const char *streams, const char *tested, uint32_t n_rows, uint32_t n_keys)
{
    twins t;
    paged_kit k;
    ds_budget kept;
    ds_random random;
    ds_random_init(&random, n_keys);
    twins_open(&t, CSV, streams, tested, 100 << 10);
    paged_open(&k, 64 << 20, 80 << 10, 64 << 10);
    ds_budget_init(&kept, &t.tight.budget, 0);
    kept.paged = k.paged;
    t.tight.env.kept = &kept;
    for (int batch = 0; batch < 2; batch++) {
        for (int block = 0; block < 4; block++) {
            char *text = twins_records(&random, n_rows, n_keys);
            twins_feed(&t, "in", text);
            free(text);
        }
        twins_batch(&t);
        ck_assert_int_gt(ds_budget_recent_peak(&kept), 64 << 10);
        ck_assert_int_eq(kept.used_bytes, 0);
    }
    twins_close(&t);
    paged_close(&k);
}

START_TEST(one_key_with_half_of_all_values)
{
    run_wide("'a': { 'from': 'in', 'select': { '*': true, 'x': 'hash(cast(n as string) || w)' }, "
             "'group_by': ['k'],"
             "  'aggregate': { 'd': 'count_distinct(x)', 'm': 'median(x)', 's': 'collect_set(x)',"
             "  'l': 'collect_list(n)', 'j': 'string_agg(w, `;`)', 'n': 'count()' } }",
             "a", 4000, 500);
}
END_TEST

START_TEST(a_total_of_many_values)
{
    run_wide("'a': { 'from': 'in', 'aggregate': { 'd': 'count_distinct(md5(k || cast(n as string) "
             "|| w))' } },"
             "'b': { 'from': 'in', 'aggregate': { 'q': 'quantile(n * 1.5 - hash(w) % 1000, 0.9)',"
             "       'd': 'count_distinct(hash(w) % 5000)' } }",
             "a b", 4000, 5000);
}
END_TEST

START_TEST(a_result_that_is_too_large)
{
    engine e;
    paged_kit k;
    ds_budget kept;
    engine_open(&e, CSV,
                "'a': { 'from': 'in', 'group_by': ['w'], 'aggregate': { 'l': 'collect_list(n)' } }",
                "a");
    engine_tighten(&e, 300 << 10, 200 << 10);
    paged_open(&k, 64 << 20, 80 << 10, 64 << 10);
    ds_budget_init(&kept, &e.budget, 0);
    kept.paged = k.paged;
    e.env.kept = &kept;
    for (int block = 0; block < 40; block++) {
        ds_buffer text = {0};
        for (int i = 0; i < 4000; i++)
            ds_buffer_printf(&text, "k,%d,one with all rows whose name is rather long\n", i);
        engine_feed(&e, "in", ds_buffer_text(&text));
        ds_buffer_fini(&text);
    }
    e.once = true;
    e.budget.limit_bytes = 1 << 20;
    ck_assert_int_eq(engine_try(&e), DS_ERR_NO_MEMORY);
    ck_assert_str_eq(e.message,
                     "stream a: the result of the group w = \"one with all rows whose name "
                     "is rather ... needs more memory than a task has "
                     "(executors.memory or limits.memory)");
    engine_close(&e);
    paged_close(&k);
}
END_TEST

/* Without anything else to do, a group alone may have what memory there is, but not more. */
START_TEST(one_group_that_is_too_large)
{
    engine e;
    ds_random random;
    ds_random_init(&random, 1);
    engine_open(&e, CSV,
                "'a': { 'from': 'in', 'group_by': ['w'], 'aggregate': { 'l': 'collect_list(k)' } }",
                "a");
    engine_tighten(&e, 300 << 10, 300 << 10);
    for (int block = 0; block < 4; block++) {
        ds_buffer text = {0};
        for (int i = 0; i < 3000; i++)
            ds_buffer_printf(&text, "a key that is rather long, and another one %d %d,1,w\n", block,
                             i);
        char *csv = text.data;
        for (char *c = csv; *c != '\0'; c++) /* two commas a line are for the format */
            if (c[0] == ',' && c[1] == ' ')
                *c = ';';
        engine_feed(&e, "in", ds_buffer_text(&text));
        ds_buffer_fini(&text);
    }
    e.once = true;
    e.budget.limit_bytes = 1 << 20;
    ck_assert_int_eq(engine_try(&e), DS_ERR_NO_MEMORY);
    ck_assert_str_eq(e.message,
                     "stream a: the group w = \"w\" alone needs more memory than there is "
                     "(executors.memory or limits.memory)");
    engine_close(&e);
}
END_TEST

UNIT_MAIN("group_passes", exact_aggregates, lists_of_one_key_with_half_of_all_rows,
          streams_behind_a_table, joins_of_tables_and_of_rows, a_total_is_one_pass,
          one_key_with_half_of_all_values, a_total_of_many_values, a_result_that_is_too_large,
          one_group_that_is_too_large)
