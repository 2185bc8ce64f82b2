/* Functions of the user's own in every clause: results, and what becomes of their errors. */
#include "unit/engine.h"

#define BIG "9223372036854775807"

#define FUNCTIONS                                                                                  \
    "'twice': { 'lua': 'function(x) if x == 13 then error([[unlucky]]) end return x and 2 * x "    \
    "end', 'args': ['int'], 'returns': 'int' },"                                                   \
    "'parts': { 'lua': 'function(s) if s == [[no]] then error([[no]]) end local r = {} "           \
    "for w in s:gmatch([[%%a+]]) do r[#r + 1] = w end return r end',"                              \
    "           'args': ['string'], 'returns': 'list<string>' },"                                  \
    "'spread': { 'lua': ['local m = {}', 'function m.init() return {} end',"                       \
    "                    'function m.update(s, x)',"                                               \
    "                    '  if x == 13 then error([[unlucky]]) end',"                              \
    "                    '  if not s.least or x < s.least then s.least = x end',"                  \
    "                    '  if not s.most or x > s.most then s.most = x end',"                     \
    "                    '  return s', 'end', 'function m.merge(a, b)',"                           \
    "                    '  return m.update(m.update(a, b.least), b.most)', 'end',"                \
    "                    'function m.finish(s) return s.most and s.most - s.least end',"           \
    "                    'return m'],"                                                             \
    "            'args': ['int'], 'returns': 'int', 'aggregate': true },"                          \
    "'some': { 'lua': ['return { init = function() end, update = function(s, x) return x end,',"   \
    "                  'merge = function(a, b) return b end,',"                                    \
    "                  'finish = function(s) if not s then error([[none]]) end return s end }'],"  \
    "          'args': ['int'], 'returns': 'int', 'aggregate': true }"

/* An app with these functions; sources of type queue. */
static void open_app(engine *e, const char *schema, const char *batches, const char *more,
                     const char *streams, const char *tested)
{
    ds_buffer text = {0};
    ds_buffer_printf(&text,
                     "{ 'version': 1, 'name': 't', 'batch': { 'interval': '1s' },\n"
                     "'executors': { 'key_partitions': 3 }, 'functions': { " FUNCTIONS " },\n"
                     "'sources': { 'in': { 'type': 'queue', 'schema': { %s }, 'batches': [ %s ] "
                     "%s } },\n'streams': { %s }, 'sinks': {} }",
                     schema, batches, more, streams);
    *e = (engine){.p = plan_whole(ds_buffer_text(&text), tested)};
    ds_buffer_fini(&text);
    engine_start(e);
}

START_TEST(rows_with_errors_are_dropped)
{
    engine e;
    open_app(&e, "'n': 'int', 's': 'string'",
             "[ { 'n': 1, 's': 'a b' }, { 'n': 13, 's': 'c' }, { 'n': 3, 's': 'no' },"
             "  { 'n': " BIG ", 's': 'd' }, { 'n': 5, 's': 'e f13' } ]",
             "",
             "'a': { 'from': 'in', 'select': { 'm': 'twice(n)', 's': 's' } },"
             "'b': { 'from': 'in', 'where': 'twice(n) > 5', 'select': { 'n': 'n' } },"
             "'c': { 'from': 'in', 'flat_map': { 'w': 'parts(s)' } },"
             "'d': { 'from': 'in', 'where': 'n < 10 and twice(n) > 0',"
             "       'select': { 'o': 'twice(twice(n)) + n' } },"
             "'e': { 'from': 'in', 'select': { 'o': 'n + 1' } },"
             "'f': { 'from': 'in', 'flat_map': { 'w': 'parts(s)' },"
             "       'select': { 'x': 'if(w = s, twice(13), 1)' } }",
             "a b c d e");
    ck_assert_msg(e.plan != NULL, "%s", e.p.app.said.data);
    engine_batch(&e);
    engine_rows(&e, "a",
                "[ { 'm': 2, 's': 'a b' }, { 'm': 6, 's': 'no' }, { 'm': 10, 's': 'e f13' } ]");
    engine_rows(&e, "b", "[ { 'n': 3 }, { 'n': 5 } ]");
    engine_rows(&e, "c",
                "[ { 'n': 1, 's': 'a b', 'w': 'a' }, { 'n': 1, 's': 'a b', 'w': 'b' },"
                "  { 'n': 13, 's': 'c', 'w': 'c' }, { 'n': " BIG ", 's': 'd', 'w': 'd' },"
                "  { 'n': 5, 's': 'e f13', 'w': 'e' }, { 'n': 5, 's': 'e f13', 'w': 'f' } ]");
    engine_rows(&e, "d", "[ { 'o': 5 }, { 'o': 15 }, { 'o': 25 } ]");
    ck_assert_uint_eq(e.sum.function_rows, 2 + 2 + 1); /* of a, b and c */
    ck_assert_uint_eq(e.sum.overflow_rows, 1);         /* of e */
    ck_assert_uint_eq(e.sum.function_values, 0);
    engine_close(&e);
}
END_TEST

/* With everything that flat_map made of a row. */
START_TEST(siblings_go_together)
{
    engine e;
    open_app(
        &e, "'k': 'int', 'l': 'list<int>'",
        "[ { 'k': 1, 'l': [1, 2] }, { 'k': 2, 'l': [3, 13, 4, 13] }, { 'k': 3, 'l': [5] } ]", "",
        "'a': { 'from': 'in', 'flat_map': { 'e': 'l' }, 'select': { 'k': 'k', 'm': 'twice(e)' } },"
        "'b': { 'from': 'in', 'flat_map': { 'e': 'l' }, 'where': 'twice(e) < 7',"
        "       'select': { 'e': 'e' } }",
        "a b");
    engine_batch(&e);
    engine_rows(&e, "a", "[ { 'k': 1, 'm': 2 }, { 'k': 1, 'm': 4 }, { 'k': 3, 'm': 10 } ]");
    engine_rows(&e, "b", "[ { 'e': 1 }, { 'e': 2 } ]");
    ck_assert_uint_eq(e.sum.function_rows, 2); /* rows that came in */
    engine_close(&e);
}
END_TEST

START_TEST(the_strictest_source_decides)
{
    engine e;
    open_app(&e, "'n': 'int'", "[ { 'n': 1 } ], [ { 'n': 13 } ]", ", 'on_error': 'fail'",
             "'a': { 'from': 'in', 'select': { 'm': 'twice(n)' } }", "a");
    engine_batch(&e);
    ck_assert_int_eq(engine_try(&e), DS_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(e.message, "function twice failed: functions.twice:1: unlucky"));
    engine_close(&e);
}
END_TEST

START_TEST(arguments_and_results_of_aggregates)
{
    engine e;
    open_app(&e, "'k': 'string', 'n': 'int'",
             "[ { 'k': 'a', 'n': 1 }, { 'k': 'a', 'n': 13 }, { 'k': 'b', 'n': 3 },"
             "  { 'k': 'c', 'n': 6 }, { 'k': 'd', 'n': null }, { 'k': 'e', 'n': 7 },"
             "  { 'k': 'e', 'n': 4611686018427387904 } ]",
             "",
             "'g': { 'from': 'in', 'group_by': ['k'],"
             "       'aggregate': { 'c': 'count()', 's': 'sum(twice(n))', 'm': 'max(n)',"
             "                      'f': 'count() filter (where twice(n) > 7)',"
             "                      'z': 'coalesce(sum(twice(n)), 0) + count()',"
             "                      't': 'twice(count(n) + 5)', 'u': 'twice(sum(n) + 7)',"
             "                      'o': 'max(n * 4)' } }",
             "g");
    engine_batch(&e);
    engine_rows(
        &e, "g",
        "[ { 'k': 'a', 'c': 2, 's': null, 'm': 13, 'f': null, 'z': null, 't': 14, 'u': 42, 'o': 52 "
        "},"
        "  { 'k': 'b', 'c': 1, 's': 6, 'm': 3, 'f': 0, 'z': 7, 't': 12, 'u': 20, 'o': 12 },"
        "  { 'k': 'c', 'c': 1, 's': 12, 'm': 6, 'f': 1, 'z': 13, 't': 12, 'u': null, 'o': 24 },"
        "  { 'k': 'd', 'c': 1, 's': null, 'm': null, 'f': 0, 'z': 1, 't': 10, 'u': null, 'o': null "
        "},"
        "  { 'k': 'e', 'c': 2, 's': null, 'm': 4611686018427387904, 'f': null, 'z': null,"
        "    't': 14, 'u': null, 'o': null } ]");
    /* a: s f z; c: u; e: s f z u by the argument beyond 2^53. */
    ck_assert_uint_eq(e.sum.function_values, 3 + 1 + 4);
    ck_assert_uint_eq(e.sum.overflow_values, 1); /* o of e */
    ck_assert_uint_eq(e.sum.function_rows, 0);
    engine_close(&e);
}
END_TEST

START_TEST(results_are_filtered_and_sorted)
{
    engine e;
    open_app(&e, "'n': 'int'", "[ { 'n': 3 }, { 'n': 13 }, { 'n': 1 }, { 'n': 2 } ]", "",
             "'h': { 'from': 'in', 'group_by': ['n'], 'having': 'twice(n) > 3' },"
             "'o': { 'from': 'in', 'order_by': 'twice(n) desc' }",
             "h o");
    engine_batch(&e);
    engine_rows(&e, "h", "[ { 'n': 3 }, { 'n': 2 } ]");
    engine_in_order(&e, "o", "[ { 'n': 13 }, { 'n': 3 }, { 'n': 2 }, { 'n': 1 } ]");
    ck_assert_uint_eq(e.sum.function_values, 2); /* one each, and the item is null */
    engine_close(&e);
}
END_TEST

/* Several tasks, key partitions and batches; one group fails in one of them. */
START_TEST(aggregates_in_lua)
{
    engine e;
    open_app(&e, "'k': 'string', 'n': 'int'",
             "[ { 'k': 'a', 'n': 5 }, { 'k': 'b', 'n': 1 }, { 'k': 'a', 'n': 9 } ],"
             "[ { 'k': 'a', 'n': 13 }, { 'k': 'b', 'n': 4 }, { 'k': 'c', 'n': null } ], []",
             "",
             "'g': { 'from': 'in', 'group_by': ['k'], 'aggregate': { 'd': 'spread(n)', 'n': "
             "'count()' } },"
             "'w': { 'from': 'in', 'window': { 'size': '3s', 'slide': '1s' }, 'group_by': ['k'],"
             "       'aggregate': { 'd': 'spread(n)', 'h': 'spread(n) / 2.0', 's': 'sum(n)' } },"
             "'t': { 'from': 'in', 'window': { 'size': '2s', 'slide': '1s' },"
             "       'aggregate': { 'd': 'spread(n)' } },"
             "'f': { 'from': 'in', 'aggregate': { 'd': 'spread(n) filter (where n < 13)' } }",
             "g w t f");
    engine_batch(&e);
    engine_rows(&e, "g", "[ { 'k': 'a', 'd': 4, 'n': 2 }, { 'k': 'b', 'd': 0, 'n': 1 } ]");
    engine_rows(
        &e, "w",
        "[ { 'k': 'a', 'd': 4, 'h': 2.0, 's': 14 }, { 'k': 'b', 'd': 0, 'h': 0.0, 's': 1 } ]");
    engine_rows(&e, "t", "[ { 'd': 8 } ]");
    engine_rows(&e, "f", "[ { 'd': 8 } ]");
    ck_assert_uint_eq(e.sum.function_values, 0);
    engine_batch(&e);
    engine_rows(&e, "g",
                "[ { 'k': 'a', 'd': null, 'n': 1 }, { 'k': 'b', 'd': 0, 'n': 1 },"
                "  { 'k': 'c', 'd': null, 'n': 1 } ]");
    engine_rows(
        &e, "w",
        "[ { 'k': 'a', 'd': null, 'h': null, 's': 27 }, { 'k': 'b', 'd': 3, 'h': 1.5, 's': 5 },"
        "  { 'k': 'c', 'd': null, 'h': null, 's': null } ]");
    engine_rows(&e, "t", "[ { 'd': null } ]");
    engine_rows(&e, "f", "[ { 'd': 0 } ]");
    ck_assert_uint_eq(e.sum.function_values, 1 + 2 + 1);
    engine_batch(&e);
    engine_rows(
        &e, "w",
        "[ { 'k': 'a', 'd': null, 'h': null, 's': 27 }, { 'k': 'b', 'd': 3, 'h': 1.5, 's': 5 },"
        "  { 'k': 'c', 'd': null, 'h': null, 's': null } ]");
    engine_batch(&e); /* only the second is left */
    engine_rows(
        &e, "w",
        "[ { 'k': 'a', 'd': null, 'h': null, 's': 13 }, { 'k': 'b', 'd': 0, 'h': 0.0, 's': 4 },"
        "  { 'k': 'c', 'd': null, 'h': null, 's': null } ]");
    engine_batch(&e);
    engine_rows(&e, "w", "[]");
    engine_rows(&e, "t", "[ { 'd': null } ]");
    ck_assert_uint_eq(e.sum.function_values, 0);
    engine_close(&e);
}
END_TEST

START_TEST(state_is_set_by_functions)
{
    engine e;
    open_app(&e, "'k': 'string', 'n': 'int'",
             "[ { 'k': 'a', 'n': 5 }, { 'k': 'b', 'n': 1 }, { 'k': 'a', 'n': 9 } ],"
             "[ { 'k': 'a', 'n': 13 }, { 'k': 'b', 'n': 4 } ], [ { 'k': 'b', 'n': 2 } ]",
             "",
             "'s': { 'from': 'in', 'state': { 'key': ['k'], 'emit': 'all',"
             "       'set': { 'd': 'spread(n)', 't': 'twice(coalesce(state.t, 0) + count())',"
             "                'm': 'coalesce(max(twice(n)), state.m)' },"
             "       'remove_when': 'twice(t) > 40' } }",
             "s");
    engine_batch(&e);
    engine_rows(&e, "s",
                "[ { 'k': 'a', 'd': 4, 't': 4, 'm': 18 }, { 'k': 'b', 'd': 0, 't': 2, 'm': 2 } ]");
    engine_batch(&e);
    engine_rows(
        &e, "s",
        "[ { 'k': 'a', 'd': null, 't': 10, 'm': null }, { 'k': 'b', 'd': 0, 't': 6, 'm': 8 } ]");
    ck_assert_uint_eq(e.sum.function_values, 2);
    engine_batch(&e); /* a has no rows: spread of none is null, and 20 twice is not beyond 40 */
    engine_rows(
        &e, "s",
        "[ { 'k': 'a', 'd': null, 't': 20, 'm': null }, { 'k': 'b', 'd': 0, 't': 14, 'm': 4 } ]");
    ck_assert_uint_eq(e.sum.function_values, 0);
    engine_batch(&e); /* both are */
    engine_rows(&e, "s", "[]");
    engine_close(&e);
}
END_TEST

/* An aggregate that cannot even finish no rows fails for keys that have none in a batch. */
START_TEST(no_rows_may_fail_too)
{
    engine e;
    open_app(&e, "'k': 'string', 'n': 'int'", "[ { 'k': 'a', 'n': 5 } ], []", "",
             "'s': { 'from': 'in', 'state': { 'key': ['k'], 'emit': 'all',"
             "       'set': { 'w': 'coalesce(some(n), 7)', 'c': 'coalesce(state.c, 0) + 1' } } },"
             "'t': { 'from': 'in', 'aggregate': { 'w': 'some(n)', 'c': 'count()' } }",
             "s t");
    e.once = true; /* a task that runs again has nothing new to say */
    engine_batch(&e);
    engine_rows(&e, "s", "[ { 'k': 'a', 'w': 5, 'c': 1 } ]");
    engine_rows(&e, "t", "[ { 'w': 5, 'c': 1 } ]");
    ck_assert_uint_eq(e.sum.function_values, 0);
    engine_batch(&e);
    engine_rows(&e, "s", "[ { 'k': 'a', 'w': null, 'c': 2 } ]");
    engine_rows(&e, "t", "[ { 'w': null, 'c': 0 } ]");
    ck_assert_uint_eq(e.sum.function_values, 2);
    engine_close(&e);
}
END_TEST

START_TEST(samples_go_with_the_result)
{
    engine e;
    open_app(&e, "'n': 'int'", "[ { 'n': 13 }, { 'n': 13 }, { 'n': " BIG " } ]", "",
             "'a': { 'from': 'in', 'select': { 'm': 'twice(n)' } },"
             "'g': { 'from': 'in', 'aggregate': { 'd': 'spread(n)' } }",
             "a g");
    e.time_ms += 1000;
    e.batch = ds_batch_new(e.plan, e.time_ms);
    engine_allot(&e, e.batch);
    ds_batch_make_stages(e.batch, e.plan, e.block_bytes);
    ds_task task = engine_task(&e, 0, 0);
    ds_task_result result;
    ds_task_run(&e.env, &task, &e.scratch, e.batch->arena, &result);
    ck_assert_uint_eq(result.status, DS_OK);
    ck_assert_uint_eq(result.function_rows, 3);
    ck_assert_uint_eq(result.n_samples, 3); /* each once */
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_uint_eq(result.samples[i].reason, DS_SAMPLE_FUNCTION);
    ck_assert_str_eq(result.samples[0].where, "twice");
    ck_assert_str_eq(result.samples[0].detail, "functions.twice:1: unlucky");
    ck_assert_str_eq(result.samples[1].detail,
                     "argument 1 is " BIG ": Lua's numbers are exact up to 2^53");
    ck_assert_str_eq(result.samples[2].where, "spread");
    engine_close(&e);
}
END_TEST

UNIT_MAIN("op_functions", rows_with_errors_are_dropped, siblings_go_together,
          the_strictest_source_decides, arguments_and_results_of_aggregates,
          results_are_filtered_and_sorted, aggregates_in_lua, state_is_set_by_functions,
          no_rows_may_fail_too, samples_go_with_the_result)
