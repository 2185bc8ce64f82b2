/* group_by, aggregate, distinct, having: from rows to results over map and reduce tasks. */
#include "unit/engine.h"

#define BIG "9223372036854775807"

static void open_lists(engine *e, const char *schema, const char *batches, const char *streams,
                       const char *tested)
{
    char *source = NULL;
    ck_assert_int_gt(asprintf(&source,
                              "'in': { 'type': 'queue', 'schema': { %s }, 'batches': [ %s ] }",
                              schema, batches),
                     0);
    engine_open(e, source, streams, tested);
    free(source);
}

/* ---- keys ---- */

START_TEST(groups_by_keys)
{
    engine e;
    open_lists(
        &e, "'s': 'string', 'n': 'int', 'x': 'float'",
        "[ { 's': 'a', 'n': 1, 'x': 1.5 }, { 's': 'b', 'n': 2, 'x': 0.5 }, { 's': 'a', 'n': 1 },"
        "  { 's': null, 'n': 3 }, { 's': null, 'n': null }, { 's': 'a', 'n': 5, 'x': 2.0 } ]",
        "'a': { 'from': 'in', 'group_by': ['s'],"
        "       'aggregate': { 'c': 'count()', 'cn': 'count(n)', 'sn': 'sum(n)', 'ax': 'avg(x)' } "
        "},"
        "'b': { 'from': 'in', 'group_by': ['n', 's'], 'aggregate': { 'c': 'count()' } },"
        "'d': { 'from': 'in', 'group_by': ['s'] },"
        "'r': { 'from': 'in', 'group_by': ['s'],"
        "       'aggregate': { 'r': 'sum(n) * 10 + count() / 2.0', 's2': 's || `!`',"
        "                      't': 'batch_time()' } }",
        "a b d r");
    engine_batch(&e);
    engine_rows(&e, "a",
                "[ { 's': 'a', 'c': 3, 'cn': 3, 'sn': 7, 'ax': 1.75 },"
                "  { 's': 'b', 'c': 1, 'cn': 1, 'sn': 2, 'ax': 0.5 },"
                "  { 's': null, 'c': 2, 'cn': 1, 'sn': 3, 'ax': null } ]");
    engine_rows(&e, "b",
                "[ { 'n': 1, 's': 'a', 'c': 2 }, { 'n': 5, 's': 'a', 'c': 1 },"
                "  { 'n': 2, 's': 'b', 'c': 1 }, { 'n': 3, 's': null, 'c': 1 },"
                "  { 'n': null, 's': null, 'c': 1 } ]");
    engine_rows(&e, "d", "[ { 's': 'a' }, { 's': 'b' }, { 's': null } ]");
    engine_rows(&e, "r",
                "[ { 's': 'a', 'r': 71.5, 's2': 'a!', 't': '1970-01-01T00:00:01Z' },"
                "  { 's': 'b', 'r': 20.5, 's2': 'b!', 't': '1970-01-01T00:00:01Z' },"
                "  { 's': null, 'r': 31.0, 's2': null, 't': '1970-01-01T00:00:01Z' } ]");
    engine_close(&e);
}
END_TEST

START_TEST(distinct_rows)
{
    engine e;
    open_lists(
        &e, "'s': 'string', 'x': 'float', 'b': 'bool', 't': 'timestamp'",
        "[ { 's': 'a', 'x': 0.0 }, { 's': 'a', 'x': -0.0 }, { 's': 'a', 'x': null, 'b': true },"
        "  { 's': 'a', 'b': true }, { 's': null, 't': '2026-01-01T00:00:00Z' },"
        "  { 't': '2026-01-01T00:00:00Z' }, { 's': 'a text that does not fit a view' },"
        "  { 's': 'a text that does not fit a view' } ]",
        "'a': { 'from': 'in', 'distinct': true },"
        "'b': { 'from': 'in', 'group_by': ['s'], 'aggregate': { 'k': 'count() > 1' },"
        "       'select': { 's': 's' }, 'distinct': true }",
        "a b");
    engine_batch(&e);
    engine_rows(&e, "a",
                "[ { 's': 'a', 'x': 0.0, 'b': null, 't': null },"
                "  { 's': 'a', 'x': null, 'b': true, 't': null },"
                "  { 's': null, 'x': null, 'b': null, 't': '2026-01-01T00:00:00Z' },"
                "  { 's': 'a text that does not fit a view', 'x': null, 'b': null, 't': null } ]");
    engine_rows(&e, "b",
                "[ { 's': 'a', 'k': true }, { 's': null, 'k': true },"
                "  { 's': 'a text that does not fit a view', 'k': true } ]");
    engine_close(&e);
}
END_TEST

/* ---- empty batches ---- */

START_TEST(a_total_has_one_row_always)
{
    engine e;
    open_lists(
        &e, "'n': 'int', 's': 'string'", "[ { 'n': 2, 's': 'x' }, { 'n': 5 } ], [], [ { } ]",
        "'t': { 'from': 'in', 'aggregate': { 'c': 'count()', 'cn': 'count(n)', 's': 'sum(n)',"
        "       'm': 'max(s)', 'd': 'count_distinct(n)', 'l': 'collect_list(n)',"
        "       'z': 'count() + 1' } },"
        "'k': { 'from': 'in', 'group_by': ['n'], 'aggregate': { 'c': 'count()' } },"
        "'h': { 'from': 't', 'where': 'c = 0' }",
        "t k h");
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'c': 2, 'cn': 2, 's': 7, 'm': 'x', 'd': 2, 'l': [ 2, 5 ], 'z': 3 } ]");
    engine_rows(&e, "h", "[]");
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'c': 0, 'cn': 0, 's': null, 'm': null, 'd': 0, 'l': null, 'z': 1 } ]");
    engine_rows(&e, "k", "[]"); /* a group has a row only when its key is there */
    ck_assert_uint_eq(engine_count_rows(&e, "h"), 1);
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'c': 1, 'cn': 0, 's': null, 'm': null, 'd': 0, 'l': null, 'z': 2 } ]");
    engine_rows(&e, "k", "[ { 'n': null, 'c': 1 } ]");
    engine_batch(&e);
    ck_assert_uint_eq(engine_count_rows(&e, "t"), 1);
    engine_close(&e);
}
END_TEST

START_TEST(having_looks_at_results)
{
    engine e;
    open_lists(
        &e, "'k': 'string', 'n': 'int'",
        "[ { 'k': 'a', 'n': 1 }, { 'k': 'a', 'n': 2 }, { 'k': 'b', 'n': 5 }, { 'k': 'c' } ]",
        "'h': { 'from': 'in', 'group_by': ['k'], 'aggregate': { 's': 'sum(n)', 'c': 'count()' },"
        "       'having': 's > 2 and k != `z`' },"
        "'i': { 'from': 'in', 'group_by': ['k'], 'aggregate': { 'c': 'count()' },"
        "       'having': 'null' },"
        "'j': { 'from': 'in', 'aggregate': { 'c': 'count()' }, 'having': 'c > 100' }",
        "h i j");
    engine_batch(&e);
    engine_rows(&e, "h", "[ { 'k': 'a', 's': 3, 'c': 2 }, { 'k': 'b', 's': 5, 'c': 1 } ]");
    engine_rows(&e, "i", "[]");
    engine_rows(&e, "j", "[]");
    engine_close(&e);
}
END_TEST

/* ---- overflows ---- */

START_TEST(an_argument_that_overflows_spoils_its_column_of_its_group)
{
    engine e;
    open_lists(&e, "'k': 'string', 'n': 'int', 'm': 'int'",
               "[ { 'k': 'a', 'n': 1, 'm': 2 }, { 'k': 'a', 'n': " BIG ", 'm': 3 },"
               "  { 'k': 'b', 'n': 4, 'm': 5 }, { 'k': 'c', 'n': " BIG ", 'm': 1 } ]",
               "'g': { 'from': 'in', 'group_by': ['k'],"
               "       'aggregate': { 'c': 'count()', 'p': 'sum(n * m)', 'q': 'sum(m)',"
               "                      'r': 'max(n + 0)', 'z': 'coalesce(sum(n * m), 0) + count()',"
               "                      'd': 'count(n * m)' } }",
               "g");
    engine_batch(&e);
    engine_rows(&e, "g",
                "[ { 'k': 'a', 'c': 2, 'p': null, 'q': 5, 'r': " BIG ", 'z': null, 'd': null },"
                "  { 'k': 'b', 'c': 1, 'p': 20, 'q': 5, 'r': 4, 'z': 21, 'd': 1 },"
                "  { 'k': 'c', 'c': 1, 'p': " BIG ", 'q': 1, 'r': " BIG ", 'z': null, 'd': 1 } ]");
    ck_assert_uint_eq(e.sum.overflow_rows, 0);
    ck_assert_uint_eq(e.sum.overflow_values, 4); /* p, z and d of a; z of c by its own + */
    engine_close(&e);
}
END_TEST

START_TEST(a_filter_decides_whether_an_argument_counts)
{
    engine e;
    open_lists(&e, "'k': 'int', 'n': 'int', 'm': 'int'",
               "[ { 'k': 1, 'n': 1, 'm': 2 }, { 'k': 1, 'n': " BIG ", 'm': 3 },"
               "  { 'k': 2, 'n': " BIG ", 'm': 3 }, { 'k': 2, 'n': 1, 'm': null } ]",
               "'g': { 'from': 'in', 'group_by': ['k'],"
               "       'aggregate': { 'a': 'sum(n * m) filter (where n < 100)',"
               "                      'b': 'sum(n * m) filter (where n > 100)',"
               "                      'c': 'count() filter (where n + 1 > 0)',"
               "                      'd': 'count() filter (where null)' } }",
               "g");
    engine_batch(&e);
    engine_rows(&e, "g",
                "[ { 'k': 1, 'a': 2, 'b': null, 'c': null, 'd': 0 },"
                "  { 'k': 2, 'a': null, 'b': null, 'c': null, 'd': 0 } ]");
    ck_assert_uint_eq(e.sum.overflow_values, 4); /* b and c of both; a of 2 is null of nothing */
    engine_close(&e);
}
END_TEST

/* Sums add up in a wider type: only a result that does not fit overflows, and then no expression
 * over it is a wrong number. */
START_TEST(a_sum_that_does_not_fit)
{
    engine e;
    open_lists(&e, "'k': 'int', 'n': 'int'",
               "[ { 'k': 1, 'n': " BIG " }, { 'k': 1, 'n': 1 }, { 'k': 1, 'n': -2 },"
               "  { 'k': 2, 'n': " BIG " }, { 'k': 2, 'n': 1 }, { 'k': 3, 'n': null } ]",
               "'g': { 'from': 'in', 'group_by': ['k'],"
               "       'aggregate': { 's': 'sum(n)', 'z': 'coalesce(sum(n), 0)',"
               "                      'i': 'sum(n) is null', 'c': 'count()' } }",
               "g");
    engine_batch(&e);
    engine_rows(
        &e, "g",
        "[ { 'k': 1, 's': 9223372036854775806, 'z': 9223372036854775806, 'i': false, 'c': 3 },"
        "  { 'k': 2, 's': null, 'z': null, 'i': null, 'c': 2 },"
        "  { 'k': 3, 's': null, 'z': 0, 'i': true, 'c': 1 } ]");
    ck_assert_uint_eq(e.sum.overflow_values, 3);
    engine_close(&e);
}
END_TEST

START_TEST(overflows_of_a_result)
{
    engine e;
    open_lists(&e, "'k': 'int', 'n': 'int'",
               "[ { 'k': 1, 'n': " BIG " }, { 'k': 2, 'n': 4 }, { 'k': 3, 'n': null } ]",
               "'g': { 'from': 'in', 'group_by': ['k'],"
               "       'aggregate': { 'a': 'sum(n) + 1', 'b': 'sum(n) - 1', 'c': 'k * 2' },"
               "       'having': 'a + 9223372036854775803 > 0' }",
               "g");
    engine_batch(&e);
    engine_rows(&e, "g", "[]");
    /* a of 1; then having: 5 + ... overflows for 2. */
    ck_assert_uint_eq(e.sum.overflow_values, 2);
    engine_close(&e);
}
END_TEST

/* ---- order ---- */

#define ORDERED                                                                                    \
    "'f': 'first(n)', 'l': 'last(n)', 'c': 'collect_list(n)', 't': 'string_agg(s, `,`)',"          \
    "'mn': 'min_by(n, 1)', 'mx': 'max_by(n, 1)'"

/* In the order batch, source, position: over several map tasks of two sources. */
START_TEST(ordered_aggregates_follow_the_records)
{
    engine e;
    engine_open(&e,
                "'b': { 'type': 'socket', 'listen': '127.0.0.1:1', 'format': 'json',"
                "       'schema': { 'n': 'int', 's': 'string' } },"
                "'a': { 'type': 'socket', 'listen': '127.0.0.1:2', 'format': 'json',"
                "       'schema': { 's': 'string', 'n': 'int' } }",
                "'u': { 'from': ['b', 'a'] }, 'g': { 'from': 'u', 'aggregate': { " ORDERED " } }",
                "g");
    engine_feed(&e, "b", "{'n':1,'s':'p'}\n{'n':2,'s':'q'}\n");
    engine_feed(&e, "a", "{'n':3,'s':'r'}\n");
    engine_feed(&e, "b", "{'n':4}\n{'n':5,'s':'t'}");
    engine_feed(&e, "a", "{'s':'u'}\n{'n':7,'s':'v'}");
    engine_batch(&e);
    engine_rows(
        &e, "g",
        "[ { 'f': 3, 'l': 5, 'c': [ 3, 7, 1, 2, 4, 5 ], 't': 'r,u,v,p,q,t', 'mn': 3, 'mx': 3 } ]");
    ck_assert_uint_eq(e.sum.rows_in, 7);
    engine_close(&e);
}
END_TEST

/* Two streams of one source, brought together again: the rows are in the order of the source's
 * records, not stream by stream. */
START_TEST(ordered_aggregates_over_streams_of_one_source)
{
    engine e;
    open_lists(&e, "'n': 'int', 's': 'string'",
               "[ { 'n': 1, 's': 'a' }, { 'n': 2, 's': 'b' }, { 'n': 3, 's': 'c' },"
               "  { 'n': 4, 's': 'd' }, { 'n': 5, 's': 'e' } ]",
               "'odd': { 'from': 'in', 'where': 'n % 2 = 1' }, 'even': { 'from': 'in', 'where': 'n "
               "% 2 = 0' },"
               "'u': { 'from': ['even', 'odd'] },"
               "'g': { 'from': 'u', 'aggregate': { " ORDERED " } },"
               "'m': { 'from': 'in', 'flat_map': { 'e': 'array(1, 2)' } },"
               "'h': { 'from': 'm', 'aggregate': { 'c': 'collect_list(n * 10 + e)' } }",
               "g h");
    engine_batch(&e);
    engine_rows(
        &e, "g",
        "[ { 'f': 1, 'l': 5, 'c': [ 1, 2, 3, 4, 5 ], 't': 'a,b,c,d,e', 'mn': 1, 'mx': 1 } ]");
    engine_rows(&e, "h", "[ { 'c': [ 11, 12, 21, 22, 31, 32, 41, 42, 51, 52 ] } ]");
    engine_close(&e);
}
END_TEST

/* ---- large tables ---- */

/* A table that grows too large leaves in parts: results are the same, in order, too. */
START_TEST(large_tables_leave_in_parts)
{
    engine e;
    engine_open(
        &e, "'in': { 'type': 'rate', 'rows_per_second': 1 }",
        "'odd': { 'from': 'in', 'where': 'value % 2 = 1' },"
        "'even': { 'from': 'in', 'where': 'value % 2 = 0' },"
        "'u': { 'from': ['even', 'odd'],"
        "       'select': { 'k': 'value % 150000', 'v': 'value',"
        "                   's': 'lpad(cast(value as string), 100, `x`)' } },"
        "'g': { 'from': 'u', 'group_by': ['k'],"
        "       'aggregate': { 'n': 'count()', 'f': 'first(s)', 'l': 'last(v)' } },"
        "'w': { 'from': 'g', 'where': 'n != 2 or l != k + 150000 or"
        "       cast(replace(f, `x`, ``) as int) != k' },"
        "'t': { 'from': 'g', 'aggregate': { 'n': 'count()', 's': 'sum(n)', 'l': 'sum(l)' } },"
        "'one': { 'from': 'u', 'aggregate': { 'f': 'first(v)', 'l': 'last(v)',"
        "         'x': 'length(max(s))' } }",
        "w t one");
    e.once = true;
    engine_feed_rate(&e, "in", 0, 300000);
    engine_batch(&e);
    /* More than one output for the group: it left in parts. */
    const ds_batch_task *map = &e.batch->stages[0].tasks[0];
    ck_assert_uint_gt(map->n_outputs, 2);
    engine_rows(&e, "w", "[]");
    engine_rows(&e, "t", "[ { 'n': 150000, 's': 300000, 'l': 33749925000 } ]");
    engine_rows(&e, "one", "[ { 'f': 0, 'l': 299999, 'x': 100 } ]");
    engine_close(&e);
}
END_TEST

/* The order holds across the parts: of two streams of one source, within one chunk. */
static void check_order_across_parts(int width)
{
    engine e;
    char *streams = NULL;
    ck_assert_int_gt(
        asprintf(&streams,
                 "'odd': { 'from': 'in', 'where': 'value %% 2 = 1' },"
                 "'even': { 'from': 'in', 'where': 'value %% 2 = 0' },"
                 "'u': { 'from': ['odd', 'even'], 'select': {"
                 "       'v': 'value', 's': 'rpad(cast(value as string), %d, `y`)' } },"
                 "'l': { 'from': 'u', 'aggregate': { 's': 'collect_list(s)' } },"
                 "'m': { 'from': 'l', 'flat_map': { 's': 's' },"
                 "       'select': { 'v': 'cast(replace(s, `y`, ``) as int)' } },"
                 "'g': { 'from': 'm', 'aggregate': { 'c': 'collect_list(v)' } },"
                 "'ok': { 'from': 'g', 'select': { 'ok': 'c = array_sort(c)', 'n': 'size(c)' } }",
                 width),
        0);
    engine_open(&e, "'in': { 'type': 'rate', 'rows_per_second': 1 }", streams, "ok");
    free(streams);
    e.once = true;
    engine_feed_rate(&e, "in", 0, 120000);
    engine_batch(&e);
    ck_assert_uint_gt(e.batch->stages[0].tasks[0].n_outputs, 1);
    engine_rows(&e, "ok", "[ { 'ok': true, 'n': 120000 } ]");
    engine_close(&e);
}

/* Of these widths some would fill the table amid a chunk, between the two streams' rows. */
START_TEST(order_holds_across_parts)
{
    check_order_across_parts(298);
    check_order_across_parts(409);
    check_order_across_parts(446);
}
END_TEST

/* ---- programs over the same expression ---- */

/* Arguments are evaluated alone, too, to learn which of them failed: prepared patterns serve
 * both, and are freed once. */
START_TEST(patterns_in_arguments)
{
    engine e;
    open_lists(&e, "'s': 'string', 'n': 'int'",
               "[ { 's': 'ab1', 'n': 1 }, { 's': 'b22', 'n': " BIG " }, { 's': null } ]",
               "'g': { 'from': 'in',"
               "       'aggregate': { 'm': 'max(regexp_extract(s, `([0-9]+)`))',"
               "                      'c': 'count() filter (where regexp_like(s, `^b`))',"
               "                      'o': 'sum(n + length(regexp_replace(s, `b`, ``)))',"
               "                      'x': 'regexp_replace(max(s), `b`, `c`)' } }",
               "g");
    engine_batch(&e);
    engine_rows(&e, "g", "[ { 'm': '22', 'c': 1, 'o': null, 'x': 'c22' } ]");
    ck_assert_uint_eq(e.sum.overflow_values, 1);
    engine_close(&e);
}
END_TEST

/* Small inputs join into one task; the result does not depend on it (sums of floats aside). */
START_TEST(tasks_do_not_change_results)
{
    for (uint64_t block_bytes = 1; block_bytes <= 1000; block_bytes *= 10) {
        engine e;
        engine_open(&e,
                    "'in': { 'type': 'socket', 'listen': '127.0.0.1:1', 'format': 'csv',"
                    "        'schema': { 'k': 'string', 'n': 'int' } }",
                    "'g': { 'from': 'in', 'group_by': ['k'], 'aggregate': { 'c': 'collect_list(n)',"
                    "       's': 'sum(n)', 'm': 'median(n)', 'd': 'count_distinct(n)' } }",
                    "g");
        e.block_bytes = block_bytes;
        for (int i = 0; i < 20; i++) {
            char text[64];
            snprintf(text, sizeof text, "k%d,%d\nk%d,%d\n", i % 3, i, (i + 1) % 3, 100 - i);
            engine_feed(&e, "in", text);
        }
        engine_batch(&e);
        ck_assert_uint_eq(e.batch->stages[0].n_tasks, block_bytes < 20     ? 20
                                                      : block_bytes == 100 ? 3
                                                                           : 1);
        engine_rows(
            &e, "g",
            "[ { 'k': 'k0', 'c': [ 0, 98, 3, 95, 6, 92, 9, 89, 12, 86, 15, 83, 18 ], 's': 606,"
            "    'm': 18.0, 'd': 13 },"
            "  { 'k': 'k1', 'c': [ 100, 1, 97, 4, 94, 7, 91, 10, 88, 13, 85, 16, 82, 19 ],"
            "    's': 707, 'm': 50.5, 'd': 14 },"
            "  { 'k': 'k2', 'c': [ 99, 2, 96, 5, 93, 8, 90, 11, 87, 14, 84, 17, 81 ],"
            "    's': 687, 'm': 81.0, 'd': 13 } ]");
        engine_close(&e);
    }
}
END_TEST

UNIT_MAIN("op_group", groups_by_keys, distinct_rows, a_total_has_one_row_always,
          having_looks_at_results, an_argument_that_overflows_spoils_its_column_of_its_group,
          a_filter_decides_whether_an_argument_counts, a_sum_that_does_not_fit,
          overflows_of_a_result, ordered_aggregates_follow_the_records,
          ordered_aggregates_over_streams_of_one_source, large_tables_leave_in_parts,
          order_holds_across_parts, patterns_in_arguments, tasks_do_not_change_results)
