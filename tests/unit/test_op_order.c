/* order_by and limit: one total order over all tasks, ties, nulls. */
#include "unit/engine.h"

#define BIG "9223372036854775807"
#define SCHEMA "'n': 'int', 'x': 'float', 's': 'string', 'l': 'list<int>'"

static void run_one(engine *e, const char *rows, const char *streams, const char *tested)
{
    char *source = NULL;
    ck_assert_int_gt(asprintf(&source,
                              "'in': { 'type': 'queue', 'schema': { " SCHEMA
                              " }, 'batches': [ [ %s ] ] }",
                              rows),
                     0);
    engine_open(e, source, streams, tested);
    free(source);
    engine_batch(e);
}

START_TEST(orders_by_expressions)
{
    engine e;
    run_one(&e,
            "{ 'n': 3, 's': 'b' }, { 'n': 1, 's': 'd' }, { 's': 'a' }, { 'n': 2, 's': 'c' },"
            "{ 'n': -5, 's': null }",
            "'a': { 'from': 'in', 'order_by': 'n' }, 'd': { 'from': 'in', 'order_by': 'n desc' },"
            "'af': { 'from': 'in', 'order_by': 'n nulls first' },"
            "'dl': { 'from': 'in', 'order_by': 'n desc nulls last' },"
            "'e': { 'from': 'in', 'order_by': 'abs(n) desc, s' },"
            "'t': { 'from': 'in', 'order_by': 's desc' }",
            "a d af dl e t");
    /* null sorts after every value, in desc before. */
    engine_in_order(&e, "a", "[ { 'n': -5 }, { 'n': 1 }, { 'n': 2 }, { 'n': 3 }, { 'n': null } ]");
    engine_in_order(&e, "d", "[ { 'n': null }, { 'n': 3 }, { 'n': 2 }, { 'n': 1 }, { 'n': -5 } ]");
    engine_in_order(&e, "af", "[ { 'n': null }, { 'n': -5 }, { 'n': 1 }, { 'n': 2 }, { 'n': 3 } ]");
    engine_in_order(&e, "dl", "[ { 'n': 3 }, { 'n': 2 }, { 'n': 1 }, { 'n': -5 }, { 'n': null } ]");
    engine_in_order(&e, "e", "[ { 'n': null }, { 'n': -5 }, { 'n': 3 }, { 'n': 2 }, { 'n': 1 } ]");
    engine_in_order(&e, "t",
                    "[ { 's': null }, { 's': 'd' }, { 's': 'c' }, { 's': 'b' }, { 's': 'a' } ]");
    engine_close(&e);
}
END_TEST

/* Ties are broken by the remaining columns from left to right; lists are passed over. */
START_TEST(ties_are_broken_by_the_other_columns)
{
    engine e;
    run_one(
        &e,
        "{ 'n': 2, 'x': 1.5, 's': 'z', 'l': [ 1 ] }, { 'n': 1, 'x': 2.5, 's': 'y', 'l': [ 2 ] },"
        "{ 'n': 2, 'x': 1.5, 's': 'a', 'l': [ 9 ] }, { 'n': 1, 'x': 2.5, 's': null, 'l': null },"
        "{ 'n': 1, 'x': 0.5, 's': 'y', 'l': [ 3 ] }",
        "'a': { 'from': 'in', 'order_by': 'x desc' }, 'b': { 'from': 'in', 'limit': 3 }", "a b");
    engine_in_order(&e, "a",
                    "[ { 'n': 1, 'x': 2.5, 's': 'y' }, { 'n': 1, 'x': 2.5, 's': null },"
                    "  { 'n': 2, 'x': 1.5, 's': 'a' }, { 'n': 2, 'x': 1.5, 's': 'z' },"
                    "  { 'n': 1, 'x': 0.5, 's': 'y' } ]");
    engine_in_order(&e, "b",
                    "[ { 'n': 1, 'x': 0.5, 's': 'y' }, { 'n': 1, 'x': 2.5, 's': 'y' },"
                    "  { 'n': 1, 'x': 2.5, 's': null } ]");
    engine_close(&e);
}
END_TEST

START_TEST(limits)
{
    engine e;
    run_one(&e, "{ 'n': 3 }, { 'n': 1 }, { 'n': 2 }",
            "'zero': { 'from': 'in', 'order_by': 'n', 'limit': 0 },"
            "'one': { 'from': 'in', 'order_by': 'n desc', 'limit': 1 },"
            "'many': { 'from': 'in', 'limit': 1000000 },"
            "'c': { 'from': 'zero', 'aggregate': { 'k': 'count()' } },"
            "'again': { 'from': 'many', 'limit': 2 }",
            "zero one many c again");
    engine_rows(&e, "zero", "[]");
    engine_in_order(&e, "one", "[ { 'n': 3 } ]");
    engine_in_order(&e, "many", "[ { 'n': 1 }, { 'n': 2 }, { 'n': 3 } ]");
    engine_rows(&e, "c", "[ { 'k': 0 } ]");
    engine_in_order(&e, "again", "[ { 'n': 1 }, { 'n': 2 } ]");
    engine_close(&e);
}
END_TEST

/* The order holds over the tasks of several partitions, with clauses before and behind. */
START_TEST(one_order_over_all_tasks)
{
    engine e;
    engine_open(&e,
                "'in': { 'type': 'socket', 'listen': '127.0.0.1:1', 'format': 'csv',"
                "        'schema': { 'k': 'string', 'n': 'int' } }",
                "'g': { 'from': 'in', 'group_by': ['k'], 'aggregate': { 's': 'sum(n)' },"
                "       'having': 's != 77', 'order_by': 's % 10, k desc', 'limit': 12 },"
                "'w': { 'from': 'in', 'where': 'n > 80', 'order_by': 'n desc' }",
                "g w");
    ds_buffer text = {0};
    for (int i = 0; i < 100; i++) {
        ds_buffer_printf(&text, "key%02d,%d\n", i % 40, i);
        if (i % 9 == 0) {
            engine_feed(&e, "in", ds_buffer_text(&text));
            text.length = 0;
        }
    }
    engine_feed(&e, "in", ds_buffer_text(&text));
    ds_buffer_fini(&text);
    engine_batch(&e);
    engine_in_order(
        &e, "w",
        "[ { 'n': 99 }, { 'n': 98 }, { 'n': 97 }, { 'n': 96 }, { 'n': 95 }, { 'n': 94 },"
        "  { 'n': 93 }, { 'n': 92 }, { 'n': 91 }, { 'n': 90 }, { 'n': 89 }, { 'n': 88 },"
        "  { 'n': 87 }, { 'n': 86 }, { 'n': 85 }, { 'n': 84 }, { 'n': 83 }, { 'n': 82 },"
        "  { 'n': 81 } ]");
    /* Sums: 3k + 120 for k < 20, else 2k + 40. Those that end with 0: k = 0, 10, 20, 25, 30, 35. */
    engine_in_order(
        &e, "g",
        "[ { 'k': 'key35', 's': 110 }, { 'k': 'key30', 's': 100 }, { 'k': 'key25', 's': 90 },"
        "  { 'k': 'key20', 's': 80 }, { 'k': 'key10', 's': 150 }, { 'k': 'key00', 's': 120 },"
        "  { 'k': 'key17', 's': 171 }, { 'k': 'key07', 's': 141 },"
        "  { 'k': 'key36', 's': 112 }, { 'k': 'key31', 's': 102 }, { 'k': 'key26', 's': 92 },"
        "  { 'k': 'key21', 's': 82 } ]");
    engine_close(&e);
}
END_TEST

START_TEST(large_orders)
{
    engine e;
    engine_open(&e, "'in': { 'type': 'rate', 'rows_per_second': 1 }",
                "'o': { 'from': 'in', 'select': { 'v': '(value * 7919) % 100003', 's': "
                "'md5(cast(value as string))' },"
                "       'order_by': 'v' },"
                "'t': { 'from': 'o', 'limit': 3 },"
                "'c': { 'from': 'o', 'aggregate': { 'n': 'count()', 's': 'sum(v)', 'f': 'min(v)', "
                "'m': 'max(v)' } },"
                "'z': { 'from': 'in', 'order_by': 'value desc', 'limit': 2 }",
                "t c z");
    e.once = true;
    engine_feed_rate(&e, "in", 0, 60000);
    engine_feed_rate(&e, "in", 60000, 100003);
    engine_batch(&e);
    engine_in_order(&e, "t", "[ { 'v': 0 }, { 'v': 1 }, { 'v': 2 } ]");
    engine_rows(&e, "c", "[ { 'n': 100003, 's': 5000250003, 'f': 0, 'm': 100002 } ]");
    engine_in_order(&e, "z", "[ { 'value': 100002 }, { 'value': 100001 } ]");
    engine_close(&e);
}
END_TEST

/* An item that overflows is null for its row, and counted; other items are not touched. */
START_TEST(items_that_overflow)
{
    engine e;
    run_one(&e,
            "{ 'n': " BIG ", 's': 'bb' }, { 'n': 1, 's': 'ccc' }, { 'n': 2, 's': 'a' },"
            "{ 'n': " BIG ", 's': 'a' }",
            "'a': { 'from': 'in', 'order_by': 'n + 1, length(s) desc' },"
            "'b': { 'from': 'in', 'order_by': 'length(s), n + 1 desc' }",
            "a b");
    engine_in_order(&e, "a",
                    "[ { 'n': 1, 's': 'ccc' }, { 'n': 2, 's': 'a' }, { 'n': " BIG ", 's': 'bb' },"
                    "  { 'n': " BIG ", 's': 'a' } ]");
    engine_in_order(&e, "b",
                    "[ { 'n': " BIG ", 's': 'a' }, { 'n': 2, 's': 'a' }, { 'n': " BIG
                    ", 's': 'bb' },"
                    "  { 'n': 1, 's': 'ccc' } ]");
    ck_assert_uint_eq(e.sum.overflow_values, 4);
    ck_assert_uint_eq(e.sum.overflow_rows, 0);
    engine_close(&e);
}
END_TEST

START_TEST(window_times_in_order_by)
{
    engine e;
    engine_open(
        &e,
        "'in': { 'type': 'queue', 'schema': { 'n': 'int' },"
        "        'batches': [ [ { 'n': 1 } ], [ { 'n': 2 }, { 'n': 9 } ] ] }",
        "'a': { 'from': 'in', 'window': '2s', 'group_by': ['n'], 'aggregate': { 'c': 'count()' },"
        "       'having': 'to_unix(window_end()) = 2 and to_unix(window_start()) = 0',"
        "       'order_by': 'abs(n - to_unix(window_end())), n' }",
        "a");
    engine_batch(&e);
    engine_rows(&e, "a", "[]");
    engine_batch(&e);
    engine_in_order(&e, "a", "[ { 'n': 2 }, { 'n': 1 }, { 'n': 9 } ]");
    engine_close(&e);
}
END_TEST

UNIT_MAIN("op_order", orders_by_expressions, ties_are_broken_by_the_other_columns, limits,
          one_order_over_all_tasks, large_orders, items_that_overflow, window_times_in_order_by)
