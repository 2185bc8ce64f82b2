/* union, flat_map, where and select, and what becomes of rows that overflow in them. */
#include "unit/engine.h"

#define BIG "9223372036854775807"

static void run_one(engine *e, const char *schema, const char *rows, const char *streams,
                    const char *tested)
{
    char *source = NULL;
    ck_assert_int_gt(asprintf(&source,
                              "'in': { 'type': 'queue', 'schema': { %s }, 'batches': [ [ %s ] ] }",
                              schema, rows),
                     0);
    engine_open(e, source, streams, tested);
    free(source);
    engine_batch(e);
}

START_TEST(where_keeps_what_is_true)
{
    engine e;
    run_one(&e, "'n': 'int', 's': 'string'",
            "{ 'n': 1, 's': 'a' }, { 'n': 5, 's': 'b' }, { 's': 'c' }, { 'n': 7 }",
            "'a': { 'from': 'in', 'where': 'n > 4' }, 'b': { 'from': 'in', 'where': 'not n > 4' },"
            "'c': { 'from': 'in', 'where': 'null' }, 'd': { 'from': 'in', 'where': 'true' },"
            "'e': { 'from': 'in' }",
            "a b c d e");
    engine_in_order(&e, "a", "[ { 'n': 5, 's': 'b' }, { 'n': 7, 's': null } ]");
    engine_in_order(&e, "b", "[ { 'n': 1, 's': 'a' } ]");
    engine_rows(&e, "c", "[]");
    engine_in_order(&e, "d",
                    "[ { 'n': 1, 's': 'a' }, { 'n': 5, 's': 'b' }, { 'n': null, 's': 'c' },"
                    "  { 'n': 7, 's': null } ]");
    engine_in_order(&e, "e",
                    "[ { 'n': 1, 's': 'a' }, { 'n': 5, 's': 'b' }, { 'n': null, 's': 'c' },"
                    "  { 'n': 7, 's': null } ]");
    ck_assert_uint_eq(e.sum.rows_in, 4);
    engine_close(&e);
}
END_TEST

START_TEST(select_names_and_computes)
{
    engine e;
    run_one(&e, "'n': 'int', 'x': 'float'", "{ 'n': 3, 'x': 0.5 }, { 'n': null, 'x': 1.5 }",
            "'a': { 'from': 'in', 'select': { 'x': 'n', 'n': 'x', 'z': 'n * 2 + x' } },"
            "'b': { 'from': 'in', 'select': { '*': true, 'x': 'n', 'y': 'x' } },"
            "'c': { 'from': 'in', 'select': { 'at': 'batch_time()', 'one': '1', 's': '`text`' } }",
            "a b c");
    engine_in_order(&e, "a",
                    "[ { 'x': 3, 'n': 0.5, 'z': 6.5 }, { 'x': null, 'n': 1.5, 'z': null } ]");
    engine_in_order(&e, "b",
                    "[ { 'n': 3, 'x': 3, 'y': 0.5 }, { 'n': null, 'x': null, 'y': 1.5 } ]");
    engine_in_order(&e, "c",
                    "[ { 'at': '1970-01-01T00:00:01Z', 'one': 1, 's': 'text' },"
                    "  { 'at': '1970-01-01T00:00:01Z', 'one': 1, 's': 'text' } ]");
    engine_close(&e);
}
END_TEST

START_TEST(flat_map_gives_a_row_for_each_element)
{
    engine e;
    run_one(&e, "'n': 'int', 'l': 'list<int>', 's': 'string'",
            "{ 'n': 1, 'l': [ 10, null, 30 ], 's': 'x y' }, { 'n': 2, 'l': [], 's': '' },"
            "{ 'n': 3, 'l': null, 's': null }, { 'n': 4, 'l': [ 40 ], 's': 'z' }",
            "'a': { 'from': 'in', 'flat_map': { 'e': 'l' }, 'select': { 'n': 'n', 'e': 'e' } },"
            "'b': { 'from': 'in', 'flat_map': { 'l': 'l' } },"
            "'c': { 'from': 'in', 'flat_map': { 'w': 'split(s)' }, 'where': 'w != `x`',"
            "       'select': { 'w': 'w', 'up': 'upper(w)', 'n': 'n' } },"
            "'d': { 'from': 'in', 'flat_map': { 's': 'array(s, `a text that is rather long`)' },"
            "       'where': 'n = 4', 'select': { 's': 's' } },"
            "'e': { 'from': 'in', 'flat_map': { 'b': 'array(n > 2, true)' }, 'where': 'b',"
            "       'select': { 'n': 'n' } }",
            "a b c d e");
    engine_in_order(&e, "a",
                    "[ { 'n': 1, 'e': 10 }, { 'n': 1, 'e': null }, { 'n': 1, 'e': 30 },"
                    "  { 'n': 4, 'e': 40 } ]");
    engine_in_order(&e, "b",
                    "[ { 'n': 1, 'l': 10, 's': 'x y' }, { 'n': 1, 'l': null, 's': 'x y' },"
                    "  { 'n': 1, 'l': 30, 's': 'x y' }, { 'n': 4, 'l': 40, 's': 'z' } ]");
    engine_in_order(&e, "c",
                    "[ { 'w': 'y', 'up': 'Y', 'n': 1 }, { 'w': 'z', 'up': 'Z', 'n': 4 } ]");
    engine_in_order(&e, "d", "[ { 's': 'z' }, { 's': 'a text that is rather long' } ]");
    engine_rows(&e, "e",
                "[ { 'n': 1 }, { 'n': 2 }, { 'n': 3 }, { 'n': 3 }, { 'n': 4 }, { 'n': 4 } ]");
    engine_close(&e);
}
END_TEST

/* Nobody asks which rows the elements come from; one of them overflows, and has none. */
START_TEST(flat_map_that_nobody_traces)
{
    engine e;
    run_one(&e, "'n': 'int', 's': 'string'",
            "{ 'n': 1, 's': 'a b a' }, { 'n': " BIG ", 's': '' }, { 'n': null, 's': null },"
            "{ 'n': 2, 's': 'b' }",
            "'w': { 'from': 'in', 'flat_map': { 'w': 'split(s)' } },"
            "'a': { 'from': 'w', 'group_by': ['w'], 'aggregate': { 'c': 'count()' } },"
            "'m': { 'from': 'in', 'flat_map': { 'e': 'array(n + 1, n)' } },"
            "'b': { 'from': 'm', 'group_by': ['e'], 'aggregate': { 'c': 'count()' } }",
            "a b");
    engine_rows(&e, "a", "[ { 'w': 'a', 'c': 2 }, { 'w': 'b', 'c': 2 } ]");
    engine_rows(&e, "b",
                "[ { 'e': 1, 'c': 1 }, { 'e': 2, 'c': 2 }, { 'e': 3, 'c': 1 },"
                "  { 'e': null, 'c': 2 } ]");
    ck_assert_uint_eq(e.sum.overflow_rows, 1);
    engine_close(&e);
}
END_TEST

/* More rows than a chunk holds come of one chunk. */
START_TEST(flat_map_makes_many_chunks)
{
    engine e;
    engine_open(&e, "'in': { 'type': 'rate', 'rows_per_second': 1 }",
                "'a': { 'from': 'in', 'flat_map': { 'e': 'array(value, value + 1, value + 2)' },"
                "       'select': { 'e': 'e', 'd': 'e - value' } },"
                "'t': { 'from': 'a', 'group_by': ['d'],"
                "       'aggregate': { 'n': 'count()', 's': 'sum(e)', 'l': 'last(e)' } }",
                "t");
    engine_feed_rate(&e, "in", 0, 5000);
    engine_batch(&e);
    engine_rows(&e, "t",
                "[ { 'd': 0, 'n': 5000, 's': 12497500, 'l': 4999 },"
                "  { 'd': 1, 'n': 5000, 's': 12502500, 'l': 5000 },"
                "  { 'd': 2, 'n': 5000, 's': 12507500, 'l': 5001 } ]");
    engine_close(&e);
}
END_TEST

/* ---- overflows ---- */

START_TEST(a_row_that_overflows_is_dropped_and_counted)
{
    engine e;
    run_one(&e, "'n': 'int', 'k': 'int'",
            "{ 'n': 1, 'k': 1 }, { 'n': " BIG
            ", 'k': 2 }, { 'n': 3, 'k': 3 }, { 'n': null, 'k': 4 }",
            "'a': { 'from': 'in', 'select': { 'k': 'k', 'm': 'n + 1' } },"
            "'b': { 'from': 'in', 'where': 'n + 1 > 0', 'select': { 'k': 'k' } },"
            "'c': { 'from': 'in', 'where': 'k != 2', 'select': { 'k': 'k', 'm': 'n + 1' } },"
            "'d': { 'from': 'in', 'where': 'k != 2 and n + 1 > 2', 'select': { 'k': 'k' } }",
            "a b c d");
    engine_in_order(&e, "a", "[ { 'k': 1, 'm': 2 }, { 'k': 3, 'm': 4 }, { 'k': 4, 'm': null } ]");
    engine_in_order(&e, "b", "[ { 'k': 1 }, { 'k': 3 } ]");
    engine_in_order(&e, "c", "[ { 'k': 1, 'm': 2 }, { 'k': 3, 'm': 4 }, { 'k': 4, 'm': null } ]");
    engine_in_order(&e, "d", "[ { 'k': 3 } ]");
    ck_assert_uint_eq(e.sum.overflow_rows, 2); /* in a and in b: c and d never look */
    ck_assert_uint_eq(e.sum.rows_in, 4);
    for (int i = 0; i < DS_BAD_REASONS; i++)
        ck_assert_uint_eq(e.sum.bad[i], 0); /* no bad record */
    engine_close(&e);
}
END_TEST

/* A row is dropped as it came into the stream: with all that flat_map made of it. */
START_TEST(siblings_go_together)
{
    engine e;
    run_one(&e, "'n': 'int', 'l': 'list<int>'",
            "{ 'n': 1, 'l': [ 1, 2 ] }, { 'n': 2, 'l': [ 1, " BIG ", 3 ] },"
            "{ 'n': 3, 'l': [ " BIG " ] }, { 'n': 4, 'l': [ 5 ] }",
            "'a': { 'from': 'in', 'flat_map': { 'e': 'l' },"
            "       'select': { 'n': 'n', 'm': 'e + 1' } },"
            "'b': { 'from': 'in', 'flat_map': { 'e': 'l' }, 'where': 'e + 1 > 0',"
            "       'select': { 'n': 'n', 'e': 'e' } },"
            "'c': { 'from': 'in', 'flat_map': { 'e': 'l' }, 'where': 'e < 100',"
            "       'select': { 'n': 'n', 'm': 'e + 1' } }",
            "a b c");
    engine_in_order(&e, "a", "[ { 'n': 1, 'm': 2 }, { 'n': 1, 'm': 3 }, { 'n': 4, 'm': 6 } ]");
    engine_in_order(&e, "b", "[ { 'n': 1, 'e': 1 }, { 'n': 1, 'e': 2 }, { 'n': 4, 'e': 5 } ]");
    engine_in_order(&e, "c",
                    "[ { 'n': 1, 'm': 2 }, { 'n': 1, 'm': 3 }, { 'n': 2, 'm': 2 },"
                    "  { 'n': 2, 'm': 4 }, { 'n': 4, 'm': 6 } ]");
    ck_assert_uint_eq(e.sum.overflow_rows, 4); /* rows that came in, not elements */
    engine_close(&e);
}
END_TEST

START_TEST(the_list_itself_overflows)
{
    engine e;
    run_one(&e, "'n': 'int'", "{ 'n': 1 }, { 'n': " BIG " }, { 'n': null }",
            "'a': { 'from': 'in', 'flat_map': { 'e': 'array(n, n + 1)' } }", "a");
    engine_in_order(&e, "a",
                    "[ { 'n': 1, 'e': 1 }, { 'n': 1, 'e': 2 }, { 'n': null, 'e': null },"
                    "  { 'n': null, 'e': null } ]");
    ck_assert_uint_eq(e.sum.overflow_rows, 1);
    engine_close(&e);
}
END_TEST

/* The last of very many elements still takes the first with it, chunks away. */
START_TEST(siblings_in_other_chunks)
{
    engine e;
    ds_buffer text = {0};
    for (int i = 0; i < 3 * (int)DS_CHUNK_ROWS; i++)
        ds_buffer_printf(&text, "%d ", i);
    char *rows = NULL;
    ck_assert_int_gt(asprintf(&rows, "{ 's': '7 8' }, { 's': '%s " BIG "' }, { 's': '9' }",
                              ds_buffer_text(&text)),
                     0);
    run_one(&e, "'s': 'string'", rows,
            "'a': { 'from': 'in', 'flat_map': { 'w': 'split(s)' },"
            "       'select': { 'm': 'cast(w as int) + 1' } }",
            "a");
    engine_in_order(&e, "a", "[ { 'm': 8 }, { 'm': 9 }, { 'm': 10 } ]");
    ck_assert_uint_eq(e.sum.overflow_rows, 1);
    free(rows);
    ds_buffer_fini(&text);
    engine_close(&e);
}
END_TEST

/* Under "on_error": "fail" an overflow ends the app like a bad record; in a union the strictest
 * source decides, wherever the row came from, and behind a shuffle, too. */
#define STRICT(lax_rows, strict_rows)                                                              \
    "'lax': { 'type': 'queue', 'schema': { 'n': 'int' }, 'batches': [ [" lax_rows "] ] },"         \
    "'strict': { 'type': 'queue', 'on_error': 'fail', 'schema': { 'n': 'int' },"                   \
    "            'batches': [ [" strict_rows "] ] }"

static void check_strict(const char *sources, const char *streams, const char *tested, bool fails)
{
    engine e;
    engine_open(&e, sources, streams, tested);
    ds_status status = engine_try(&e);
    ck_assert_int_eq(status, fails ? DS_ERR_DATA : DS_OK);
    if (fails)
        ck_assert_ptr_nonnull(strstr(e.message, "overflow"));
    engine_close(&e);
}

START_TEST(the_strictest_source_decides)
{
    const char *one = "'a': { 'from': 'strict', 'select': { 'm': 'n + 1' } }";
    const char *both = "'a': { 'from': ['lax', 'strict'], 'select': { 'm': 'n + 1' } }";
    const char *lax =
        "'a': { 'from': 'lax', 'select': { 'm': 'n + 1' } }, 'b': { 'from': 'strict' }";
    const char *behind = "'g': { 'from': 'strict', 'group_by': ['n'] },"
                         "'a': { 'from': 'g', 'select': { 'm': 'n + 1' } }";
    check_strict(STRICT("{ 'n': 1 }", "{ 'n': 1 }"), one, "a", false);
    check_strict(STRICT("{ 'n': 1 }", "{ 'n': " BIG " }"), one, "a", true);
    check_strict(STRICT("{ 'n': 1 }", "{ 'n': " BIG " }"), both, "a", true);
    check_strict(STRICT("{ 'n': " BIG " }", "{ 'n': 1 }"), both, "a", true);
    check_strict(STRICT("{ 'n': " BIG " }", "{ 'n': 1 }"), lax, "a b", false);
    check_strict(STRICT("", "{ 'n': " BIG " }"), behind, "a", true);
}
END_TEST

/* ---- union ---- */

START_TEST(a_union_permutes_columns)
{
    engine e;
    run_one(&e, "'n': 'int', 's': 'string', 'l': 'list<int>'",
            "{ 'n': 1, 's': 'a', 'l': [ 1 ] }, { 'n': 2, 's': 'b', 'l': null }",
            "'p': { 'from': 'in', 'select': { 's': 's', 'n': 'n', 'l': 'l' } },"
            "'q': { 'from': 'in', 'select': { 'l': 'l', 's': 's || `!`', 'n': 'n * 10' } },"
            "'u': { 'from': ['p', 'q'] },"
            "'v': { 'from': ['q', 'in'], 'where': 'n >= 2', 'select': { 's': 's' } }",
            "u v");
    engine_rows(&e, "u",
                "[ { 's': 'a', 'n': 1, 'l': [ 1 ] }, { 's': 'b', 'n': 2, 'l': null },"
                "  { 's': 'a!', 'n': 10, 'l': [ 1 ] }, { 's': 'b!', 'n': 20, 'l': null } ]");
    engine_rows(&e, "v", "[ { 's': 'a!' }, { 's': 'b!' }, { 's': 'b' } ]");
    engine_close(&e);
}
END_TEST

START_TEST(a_stream_may_stand_in_a_union_twice)
{
    engine e;
    run_one(&e, "'n': 'int'", "{ 'n': 1 }, { 'n': 2 }",
            "'a': { 'from': ['in', 'in'], 'where': 'n > 1' }, 'b': { 'from': ['a', 'in', 'a'] },"
            "'c': { 'from': 'b', 'group_by': ['n'], 'aggregate': { 'k': 'count()' } }",
            "a b c");
    engine_rows(&e, "a", "[ { 'n': 2 }, { 'n': 2 } ]");
    engine_rows(&e, "b",
                "[ { 'n': 2 }, { 'n': 2 }, { 'n': 1 }, { 'n': 2 }, { 'n': 2 }, { 'n': 2 } ]");
    engine_rows(&e, "c", "[ { 'n': 1, 'k': 1 }, { 'n': 2, 'k': 5 } ]");
    engine_close(&e);
}
END_TEST

START_TEST(a_union_over_stages)
{
    engine e;
    engine_open(
        &e,
        "'x': { 'type': 'queue', 'schema': { 'n': 'int', 's': 'string' },"
        "       'batches': [ [ { 'n': 1, 's': 'a' }, { 'n': 1, 's': 'b' } ], [],"
        "                    [ { 'n': 3, 's': 'c' } ] ] },"
        "'y': { 'type': 'queue', 'schema': { 's': 'string', 'n': 'int' },"
        "       'batches': [ [], [ { 'n': 2, 's': 'z' } ], [ { 'n': 3, 's': 'y' } ] ] }",
        "'g': { 'from': 'x', 'group_by': ['n'], 'aggregate': { 's': 'string_agg(s, `+`)' } },"
        "'u': { 'from': ['y', 'g'], 'where': 'n > 0' }",
        "u");
    engine_batch(&e);
    engine_rows(&e, "u", "[ { 's': 'a+b', 'n': 1 } ]");
    engine_batch(&e);
    engine_rows(&e, "u", "[ { 's': 'z', 'n': 2 } ]");
    engine_batch(&e);
    engine_rows(&e, "u", "[ { 's': 'y', 'n': 3 }, { 's': 'c', 'n': 3 } ]");
    engine_batch(&e);
    engine_rows(&e, "u", "[]");
    ck_assert_uint_eq(e.n_tasks, 0);
    engine_close(&e);
}
END_TEST

/* ---- having by itself ---- */

START_TEST(having_filters_any_result)
{
    engine e;
    run_one(&e, "'n': 'int', 'k': 'int'",
            "{ 'n': 1, 'k': 1 }, { 'n': 5, 'k': 2 }, { 'n': null, 'k': 3 }, { 'n': " BIG
            ", 'k': 4 }",
            "'a': { 'from': 'in', 'having': 'n > 1' }, 'b': { 'from': 'in', 'having': 'null' },"
            "'c': { 'from': 'in', 'having': 'n + 1 > 0' }, 'd': { 'from': 'in', 'having': 'true' }",
            "a b c d");
    engine_rows(&e, "a", "[ { 'k': 2 }, { 'k': 4 } ]");
    engine_rows(&e, "b", "[]");
    engine_rows(&e, "c", "[ { 'k': 1 }, { 'k': 2 } ]");
    engine_rows(&e, "d", "[ { 'k': 1 }, { 'k': 2 }, { 'k': 3 }, { 'k': 4 } ]");
    ck_assert_uint_eq(e.sum.overflow_rows, 0);
    ck_assert_uint_eq(e.sum.overflow_values, 1); /* the condition is null for it */
    engine_close(&e);
}
END_TEST

UNIT_MAIN("op_rows", where_keeps_what_is_true, select_names_and_computes,
          flat_map_gives_a_row_for_each_element, flat_map_that_nobody_traces,
          flat_map_makes_many_chunks, a_row_that_overflows_is_dropped_and_counted,
          siblings_go_together, the_list_itself_overflows, siblings_in_other_chunks,
          the_strictest_source_decides, a_union_permutes_columns,
          a_stream_may_stand_in_a_union_twice, a_union_over_stages, having_filters_any_result)
