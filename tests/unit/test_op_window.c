/* Windows over batches: of groups, of rows, of windows; gaps; reruns; what is kept. */
#include "dstream/kept.h"

#include "unit/engine.h"

#define LISTS(batches)                                                                             \
    "'in': { 'type': 'queue', 'schema': { 'k': 'string', 'n': 'int' }, 'batches': [ " batches " ]" \
    " }"
#define ONE_TO_SIX                                                                                 \
    LISTS("[ { 'k': 'a', 'n': 1 } ], [ { 'k': 'b', 'n': 2 } ], [ { 'k': 'a', 'n': 3 } ],"          \
          "[ { 'k': 'a', 'n': 4 } ], [], [ { 'k': 'b', 'n': 6 } ]")

/* Runs a batch for each text, which the stream's rows have to be; NULL: not looked at. */
static void check_batches(engine *e, const char *stream, const char *const *expected, int n)
{
    for (int i = 0; i < n; i++) {
        engine_batch(e);
        if (expected[i] != NULL)
            engine_rows(e, stream, expected[i]);
    }
}
#define CHECK(e, stream, ...)                                                                      \
    do {                                                                                           \
        static const char *const expected_[] = {__VA_ARGS__};                                      \
        check_batches(e, stream, expected_, (int)(sizeof expected_ / sizeof *expected_));          \
    } while (0)

START_TEST(tumbling)
{
    engine e;
    engine_open(&e, ONE_TO_SIX,
                "'w': { 'from': 'in', 'window': '2s', 'group_by': ['k'],"
                "       'aggregate': { 's': 'sum(n)', 'c': 'count()' } }",
                "w");
    CHECK(&e, "w", "[]", "[ { 'k': 'a', 's': 1, 'c': 1 }, { 'k': 'b', 's': 2, 'c': 1 } ]", "[]",
          "[ { 'k': 'a', 's': 7, 'c': 2 } ]", "[]", "[ { 'k': 'b', 's': 6, 'c': 1 } ]", "[]", "[]");
    engine_close(&e);
}
END_TEST

/* It is computed at every due time from the first, whether or not the window is full yet, and
 * goes on after the input ends. Keys that drop to nothing disappear. */
START_TEST(sliding)
{
    engine e;
    engine_open(&e, ONE_TO_SIX,
                "'w': { 'from': 'in', 'window': { 'size': '3s', 'slide': '1s' }, 'group_by': ['k'],"
                "       'aggregate': { 's': 'sum(n)', 'm': 'min(n)', 'x': 'avg(n)',"
                "                      'l': 'collect_list(n)' } }",
                "w");
    CHECK(&e, "w", "[ { 'k': 'a', 's': 1, 'm': 1, 'x': 1.0, 'l': [ 1 ] } ]",
          "[ { 'k': 'a', 's': 1 , 'm': 1, 'x': 1.0, 'l': [ 1 ] },"
          "  { 'k': 'b', 's': 2, 'm': 2, 'x': 2.0, 'l': [ 2 ] } ]",
          "[ { 'k': 'a', 's': 4, 'm': 1, 'x': 2.0, 'l': [ 1, 3 ] },"
          "  { 'k': 'b', 's': 2, 'm': 2, 'x': 2.0, 'l': [ 2 ] } ]",
          "[ { 'k': 'a', 's': 7, 'm': 3, 'x': 3.5, 'l': [ 3, 4 ] },"
          "  { 'k': 'b', 's': 2, 'm': 2, 'x': 2.0, 'l': [ 2 ] } ]",
          "[ { 'k': 'a', 's': 7, 'm': 3, 'x': 3.5, 'l': [ 3, 4 ] } ]",
          "[ { 'k': 'a', 's': 4, 'm': 4, 'x': 4.0, 'l': [ 4 ] },"
          "  { 'k': 'b', 's': 6, 'm': 6, 'x': 6.0, 'l': [ 6 ] } ]",
          "[ { 'k': 'b', 's': 6, 'm': 6, 'x': 6.0, 'l': [ 6 ] } ]",
          "[ { 'k': 'b', 's': 6, 'm': 6, 'x': 6.0, 'l': [ 6 ] } ]", "[]", "[]");
    engine_close(&e);
}
END_TEST

START_TEST(a_total_over_a_window)
{
    engine e;
    engine_open(&e, ONE_TO_SIX,
                "'w': { 'from': 'in', 'window': { 'size': '4s', 'slide': '2s' },"
                "       'aggregate': { 's': 'sum(n)', 'c': 'count()', 'd': 'count_distinct(k)' } }",
                "w");
    CHECK(&e, "w", "[]", "[ { 's': 3, 'c': 2, 'd': 2 } ]", "[]", "[ { 's': 10, 'c': 4, 'd': 2 } ]",
          "[]", "[ { 's': 13, 'c': 3, 'd': 2 } ]", "[]", "[ { 's': 6, 'c': 1, 'd': 1 } ]", "[]",
          "[ { 's': null, 'c': 0, 'd': 0 } ]");
    engine_close(&e);
}
END_TEST

START_TEST(gaps)
{
    engine e;
    engine_open(
        &e, ONE_TO_SIX,
        "'w': { 'from': 'in', 'window': { 'size': '2s', 'slide': '3s' },"
        "       'aggregate': { 's': 'sum(n)', 'from': 'window_start()', 'to': 'window_end()' } },"
        "'r': { 'from': 'in', 'window': { 'size': '1s', 'slide': '3s' } }",
        "w r");
    engine_batches(&e, 3);
    engine_rows(&e, "w",
                "[ { 's': 5, 'from': '1970-01-01T00:00:01Z', 'to': '1970-01-01T00:00:03Z' } ]");
    engine_rows(&e, "r", "[ { 'n': 3 } ]");
    engine_batches(&e, 3);
    engine_rows(&e, "w",
                "[ { 's': 6, 'from': '1970-01-01T00:00:04Z', 'to': '1970-01-01T00:00:06Z' } ]");
    engine_rows(&e, "r", "[ { 'n': 6 } ]");
    engine_close(&e);
}
END_TEST

START_TEST(distinct_in_a_window)
{
    engine e;
    engine_open(
        &e, ONE_TO_SIX,
        "'w': { 'from': 'in', 'select': { 'k': 'k' }, 'window': { 'size': '2s', 'slide': '1s' },"
        "       'distinct': true }",
        "w");
    CHECK(&e, "w", "[ { 'k': 'a' } ]", "[ { 'k': 'a' }, { 'k': 'b' } ]",
          "[ { 'k': 'a' }, { 'k': 'b' } ]", "[ { 'k': 'a' } ]", "[ { 'k': 'a' } ]",
          "[ { 'k': 'b' } ]", "[ { 'k': 'b' } ]", "[]");
    engine_close(&e);
}
END_TEST

/* ---- rows ---- */

START_TEST(a_window_of_rows)
{
    engine e;
    engine_open(
        &e, ONE_TO_SIX,
        "'w': { 'from': 'in', 'window': { 'size': '3s', 'slide': '2s' },"
        "       'select': { 'n': 'n', 'k': 'k || ` of a window`', 't': 'to_unix(batch_time())' } }",
        "w");
    CHECK(&e, "w", "[]",
          /* Clauses before the window run once for each batch: batch_time() is that batch's. */
          "[ { 'n': 1, 'k': 'a of a window', 't': 1 }, { 'n': 2, 'k': 'b of a window', 't': 2 } ]",
          "[]",
          "[ { 'n': 2, 'k': 'b of a window', 't': 2 }, { 'n': 3, 'k': 'a of a window', 't': 3 },"
          "  { 'n': 4, 'k': 'a of a window', 't': 4 } ]",
          "[]",
          "[ { 'n': 4, 'k': 'a of a window', 't': 4 }, { 'n': 6, 'k': 'b of a window', 't': 6 } ]",
          "[]", "[ { 'n': 6, 'k': 'b of a window', 't': 6 } ]", "[]", "[]");
    engine_close(&e);
}
END_TEST

/* Over rows of which nobody reads a column, only their number. */
START_TEST(a_window_of_rows_that_are_counted)
{
    engine e;
    engine_open(&e, ONE_TO_SIX,
                "'w': { 'from': 'in', 'window': { 'size': '3s', 'slide': '1s' } },"
                "'c': { 'from': 'w', 'aggregate': { 'c': 'count()' } }",
                "c");
    CHECK(&e, "c", "[ { 'c': 1 } ]", "[ { 'c': 2 } ]", "[ { 'c': 3 } ]", "[ { 'c': 3 } ]",
          "[ { 'c': 2 } ]", "[ { 'c': 2 } ]", "[ { 'c': 1 } ]", "[ { 'c': 1 } ]", "[ { 'c': 0 } ]");
    engine_close(&e);
}
END_TEST

START_TEST(order_of_rows_of_a_window)
{
    engine e;
    engine_open(&e,
                "'b': { 'type': 'socket', 'listen': '127.0.0.1:1', 'format': 'csv', 'schema': { "
                "'n': 'int' } },"
                "'a': { 'type': 'socket', 'listen': '127.0.0.1:2', 'format': 'csv', 'schema': { "
                "'n': 'int' } }",
                "'odd': { 'from': 'b', 'where': 'n % 2 = 1' }, 'even': { 'from': 'b', 'where': 'n "
                "% 2 = 0' },"
                "'w': { 'from': ['odd', 'a', 'even'], 'window': { 'size': '2s', 'slide': '1s' } },"
                "'g': { 'from': 'w', 'aggregate': { 'l': 'collect_list(n)', 'f': 'first(n)', 'z': "
                "'last(n)' } }",
                "g");
    engine_feed(&e, "b", "1\n2\n3\n");
    engine_feed(&e, "a", "100\n");
    engine_feed(&e, "b", "4\n5\n");
    engine_batch(&e);
    engine_rows(&e, "g", "[ { 'l': [ 100, 1, 2, 3, 4, 5 ], 'f': 100, 'z': 5 } ]");
    engine_feed(&e, "b", "6\n7\n");
    engine_batch(&e);
    engine_rows(&e, "g", "[ { 'l': [ 100, 1, 2, 3, 4, 5, 6, 7 ], 'f': 100, 'z': 7 } ]");
    engine_feed(&e, "a", "8\n");
    engine_batch(&e);
    engine_rows(&e, "g", "[ { 'l': [ 6, 7, 8 ], 'f': 6, 'z': 8 } ]");
    engine_close(&e);
}
END_TEST

/* ---- windows of windows ---- */

START_TEST(stacked)
{
    engine e;
    engine_open(
        &e, ONE_TO_SIX,
        "'w': { 'from': 'in', 'window': '2s', 'group_by': ['k'], 'aggregate': { 's': 'sum(n)' } },"
        "'v': { 'from': 'w', 'window': '4s', 'aggregate': { 't': 'sum(s)', 'c': 'count()' } },"
        "'r': { 'from': 'w', 'window': { 'size': '6s', 'slide': '2s' } },"
        "'x': { 'from': 'r', 'group_by': ['k'], 'aggregate': { 'c': 'count()', 's': 'sum(s)' } }",
        "v x");
    engine_batches(&e, 4);
    engine_rows(&e, "v", "[ { 't': 10, 'c': 3 } ]");
    engine_rows(&e, "x", "[ { 'k': 'a', 'c': 2, 's': 8 }, { 'k': 'b', 'c': 1, 's': 2 } ]");
    engine_batches(&e, 2);
    engine_rows(&e, "v", "[]");
    engine_rows(&e, "x", "[ { 'k': 'a', 'c': 2, 's': 8 }, { 'k': 'b', 'c': 2, 's': 8 } ]");
    engine_batches(&e, 2);
    engine_rows(&e, "v", "[ { 't': 6, 'c': 1 } ]");
    engine_rows(&e, "x", "[ { 'k': 'a', 'c': 1, 's': 7 }, { 'k': 'b', 'c': 1, 's': 6 } ]");
    engine_close(&e);
}
END_TEST

/* ---- overflows ---- */

/* What overflowed spoils the windows that hold it, and no other. */
START_TEST(overflows_leave_with_their_batch)
{
    engine e;
    engine_open(
        &e,
        LISTS("[ { 'k': 'a', 'n': 9223372036854775807 } ], [ { 'k': 'a', 'n': 2 } ],"
              "[ { 'k': 'a', 'n': 3 } ]"),
        "'w': { 'from': 'in', 'window': { 'size': '2s', 'slide': '1s' }, 'group_by': ['k'],"
        "       'aggregate': { 'p': 'sum(n * 2)', 's': 'coalesce(sum(n), 0)', 'c': 'count()' } }",
        "w");
    engine_batch(&e);
    engine_rows(&e, "w", "[ { 'k': 'a', 'p': null, 's': 9223372036854775807, 'c': 1 } ]");
    ck_assert_uint_eq(e.sum.overflow_values, 1);
    engine_batch(&e);
    engine_rows(&e, "w", "[ { 'k': 'a', 'p': null, 's': null, 'c': 2 } ]");
    ck_assert_uint_eq(e.sum.overflow_values, 2);
    engine_batch(&e);
    engine_rows(&e, "w", "[ { 'k': 'a', 'p': 10, 's': 5, 'c': 2 } ]");
    ck_assert_uint_eq(e.sum.overflow_values, 0);
    engine_close(&e);
}
END_TEST

/* ---- what is kept ---- */

/* Whatever the slide, the window and the batches: against sums made by hand. */
static void check_against_sums(int size, int slide)
{
    char *streams = NULL;
    engine e;
    ck_assert_int_gt(
        asprintf(&streams,
                 "'w': { 'from': 'in', 'window': { 'size': '%ds', 'slide': '%ds' },"
                 "       'aggregate': { 's': 'sum(value)', 'c': 'count()' } },"
                 "'r': { 'from': 'in', 'window': { 'size': '%ds', 'slide': '%ds' } },"
                 "'q': { 'from': 'r', 'aggregate': { 's': 'sum(value)', 'c': 'count()' } }",
                 size, slide, size, slide),
        0);
    engine_open(&e, "'in': { 'type': 'rate', 'rows_per_second': 1 }", streams, "w q");
    free(streams);
    uint64_t ends[41] = {0}; /* value behind the last of each batch */
    for (int t = 1; t <= 40; t++) {
        ends[t] = ends[t - 1] + (uint64_t)(t * 7 % 5);
        if (ends[t] > ends[t - 1])
            engine_feed_rate(&e, "in", ends[t - 1], ends[t]);
        engine_batch(&e);
        char expected[128] = "[]";
        if (t % slide == 0) {
            uint64_t from = ends[t > size ? t - size : 0], n = ends[t] - from;
            char sum[32] = "null";
            if (n > 0)
                snprintf(sum, sizeof sum, "%d", (int)((from + ends[t] - 1) * n / 2));
            snprintf(expected, sizeof expected, "[ { 's': %s, 'c': %d } ]", sum, (int)n);
        }
        engine_rows(&e, "w", expected);
        engine_rows(&e, "q", expected);
    }
    engine_close(&e);
}

START_TEST(windows_of_many_shapes)
{
    check_against_sums(1, 1);
    check_against_sums(5, 1);
    check_against_sums(5, 2);
    check_against_sums(4, 3);
    check_against_sums(2, 5);
    check_against_sums(12, 4);
    check_against_sums(7, 7);
}
END_TEST

/* A partition that is lost begins anew: what it held is missing, and nothing else. */
START_TEST(lost_panes_begin_anew)
{
    engine e;
    engine_open(&e, ONE_TO_SIX,
                "'w': { 'from': 'in', 'window': { 'size': '3s', 'slide': '1s' },"
                "       'aggregate': { 's': 'sum(n)' } }",
                "w");
    engine_batches(&e, 2);
    engine_rows(&e, "w", "[ { 's': 3 } ]");
    engine_lose_panes(&e);
    uint32_t w = plan_stage(e.plan, "w", DS_NODE_GROUP)->id;
    ck_assert_int_eq(engine_try(&e), DS_ERR_LOST);
    ck_assert_ptr_nonnull(strstr(e.message, "is not here, and should stand at 2000"));
    e.keyed_ms[w][0] = DS_NO_BATCH; /* what the driver decides then; the batch is given up here */
    engine_batch(&e);
    engine_rows(&e, "w", "[ { 's': 4 } ]");
    engine_batches(&e, 2);
    engine_rows(&e, "w", "[ { 's': 10 } ]");
    engine_close(&e);
}
END_TEST

/* A partition that stands at a later batch than a task's is not touched by it. */
START_TEST(a_late_task_changes_nothing)
{
    engine e;
    engine_open(&e, ONE_TO_SIX,
                "'w': { 'from': 'in', 'window': { 'size': '3s', 'slide': '1s' },"
                "       'aggregate': { 's': 'sum(n)' } }",
                "w");
    engine_batches(&e, 2);
    const ds_stage *stage = plan_stage(e.plan, "w", DS_NODE_GROUP);
    ds_task late = {.batch_ms = 1000, .stage = stage->id, .keyed_ms = 1000};
    ds_arena *arena = ds_arena_new(NULL);
    ds_task_result result;
    ds_task_run(&e.env, &late, &e.scratch, arena, &result);
    ck_assert_int_eq(result.status, DS_ERR_LOST);
    late.keyed_ms = 2000;
    ds_task_run(&e.env, &late, &e.scratch, arena, &result);
    ck_assert_int_eq(result.status, DS_ERR_LOST);
    ds_arena_free(arena);
    engine_batch(&e);
    engine_rows(&e, "w", "[ { 's': 6 } ]");
    engine_close(&e);
}
END_TEST

/* A large window of rows leaves its map tasks in parts, and comes back whole. */
START_TEST(large_windows_of_rows)
{
    engine e;
    engine_open(&e, "'in': { 'type': 'rate', 'rows_per_second': 1 }",
                "'w': { 'from': 'in', 'window': { 'size': '2s', 'slide': '1s' }, 'select': {"
                "       'v': 'value', 's': 'lpad(cast(value as string), 20, `x`)',"
                "       'a': 'value + 1', 'b': 'value + 2', 'c': 'value + 3', 'd': 'value + 4' } },"
                "'c': { 'from': 'w', 'aggregate': { 'n': 'count()', 's': 'sum(v)', 'f': 'first(s)',"
                "       'l': 'last(s)', 'd': 'count_distinct(s)', 'x': 'sum(a + b + c + d)' } }",
                "c");
    e.once = true;
    engine_feed_rate(&e, "in", 0, 600000);
    engine_batch(&e);
    ck_assert_uint_gt(e.batch->stages[0].tasks[0].n_outputs, 1);
    engine_feed_rate(&e, "in", 600000, 600001);
    engine_batch(&e);
    engine_rows(&e, "c",
                "[ { 'n': 600001, 's': 180000300000, 'd': 600001, 'x': 720007200010,"
                "    'f': 'xxxxxxxxxxxxxxxxxxx0', 'l': 'xxxxxxxxxxxxxx600000' } ]");
    engine_batch(&e);
    engine_rows(&e, "c",
                "[ { 'n': 1, 's': 600000, 'd': 1, 'x': 2400010,"
                "    'f': 'xxxxxxxxxxxxxx600000', 'l': 'xxxxxxxxxxxxxx600000' } ]");
    engine_close(&e);
}
END_TEST

/* Rows that no later window holds are let go. */
START_TEST(rows_of_the_past_are_let_go)
{
    engine e;
    engine_open(&e, "'in': { 'type': 'rate', 'rows_per_second': 1 }",
                "'w': { 'from': 'in', 'window': { 'size': '3s', 'slide': '1s' } }", "w");
    int64_t most = 0;
    for (int i = 0; i < 50; i++) {
        engine_feed_rate(&e, "in", 0, 100);
        engine_batch(&e);
        if (i == 10)
            most = e.budget.used_bytes;
        ck_assert_uint_eq(engine_count_rows(&e, "w"), i == 0 ? 100 : i == 1 ? 200 : 300);
    }
    ck_assert_int_gt(most, 0);
    ck_assert_int_eq(e.budget.used_bytes, most);
    engine_batches(&e, 3);
    ck_assert_uint_eq(engine_count_rows(&e, "w"), 0);
    engine_close(&e);
}
END_TEST

/* ---- the first n ---- */

#define FIRST 50
#define SLIDES 5

/* Of which keys, and how many: in every pane, or gone with it. */
typedef struct wanted_firsts {
    const char *key;
    uint32_t limit;
} wanted_firsts;

static const wanted_firsts the_usual = {"value % 10007", FIRST};

typedef struct firsts {
    int64_t keys[SLIDES][FIRST], results[SLIDES][FIRST];
    bool nulls[SLIDES][FIRST];
    uint64_t overflows;
} firsts;

/* The first of many keys, over panes that come and go: of the last slides. */
static void run_firsts(firsts *f, const wanted_firsts *wanted, const char *aggregate,
                       const char *order)
{
    char streams[1024];
    engine e;
    snprintf(streams, sizeof streams,
             "'rows': { 'from': 'in', 'select': { 'k': '%s',"
             "          'v': 'if(value %% 13003 = 0, 9223372036854775807, value * 31 %% 977)' } },"
             "'top': { 'from': 'rows', 'window': { 'size': '3s', 'slide': '1s' },"
             "         'group_by': ['k'], 'aggregate': { 'n': '%s', 'at': 'batch_time()' },"
             "         'order_by': '%s', 'limit': %u }",
             wanted->key, aggregate, order, wanted->limit);
    engine_open(&e, "'in': { 'type': 'rate', 'rows_per_second': 1 }", streams, "top");
    memset(f, 0, sizeof *f);
    for (uint32_t s = 0; s < SLIDES; s++) {
        engine_feed_rate(&e, "in", s * 7000, s * 7000 + 10500);
        engine_batch(&e);
        ds_heap heap;
        uint32_t n;
        ds_heap_init(&heap, e.batch->arena);
        const ds_chunk *chunk = engine_chunks(&e, "top", &heap, &n);
        ck_assert_uint_eq(n, 1);
        ck_assert_uint_eq(chunk->n_rows, wanted->limit);
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            f->keys[s][i] = chunk->columns[0]->ints[i];
            f->nulls[s][i] = ds_column_is_null(chunk->columns[1], i);
            f->results[s][i] = f->nulls[s][i] ? 0 : chunk->columns[1]->ints[i];
        }
        ds_heap_fini(&heap);
    }
    f->overflows = e.sum.overflow_values;
    engine_close(&e);
}

/* An order by something computed needs all rows. */
START_TEST(the_first_of_a_window_are_those_of_all_its_rows)
{
    static const char *const aggregates[] = {"count()", "max(v)", "min(v)", "sum(v)",
                                             "max(v) filter (where v > 900)"};
    static const char *const orders[][2] = {{"n desc", "n + 0 desc, n desc"},
                                            {"n asc", "n + 0, n"}};
    static const wanted_firsts wanted[] = {{"value % 10007", FIRST},
                                           {"value % 10007", 4},
                                           {"value / 2", FIRST},
                                           {"value / 2", 1},
                                           {"value / 2", 7}};
    const wanted_firsts *w = &wanted[_i];
    firsts *some = malloc(sizeof *some), *all = malloc(sizeof *all);
    for (uint32_t a = 0; a < sizeof aggregates / sizeof *aggregates; a++)
        for (uint32_t o = 0; o < sizeof orders / sizeof *orders; o++) {
            run_firsts(some, w, aggregates[a], orders[o][0]);
            run_firsts(all, w, aggregates[a], orders[o][1]);
            ck_assert_mem_eq(some->keys, all->keys, sizeof all->keys);
            ck_assert_mem_eq(some->results, all->results, sizeof all->results);
            ck_assert_mem_eq(some->nulls, all->nulls, sizeof all->nulls);
        }
    free(some);
    free(all);
}
END_TEST

/* Results that do not fit are counted, whether they are among the first or not. */
START_TEST(what_is_not_among_the_first_is_counted)
{
    firsts *down = malloc(sizeof *down), *up = malloc(sizeof *up), *keys = malloc(sizeof *keys);
    const wanted_firsts few = {"value % 10007", 2};
    const wanted_firsts *w = _i == 0 ? &the_usual : &few;
    run_firsts(down, w, "sum(v)", "n desc nulls last");
    run_firsts(up, w, "sum(v)", "n asc nulls last");
    run_firsts(keys, w, "sum(v)", "k");
    ck_assert_uint_gt(keys->overflows, 0);
    ck_assert_uint_eq(down->overflows, keys->overflows);
    ck_assert_uint_eq(up->overflows, keys->overflows);
    free(down);
    free(up);
    free(keys);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {tumbling,
                                  sliding,
                                  a_total_over_a_window,
                                  gaps,
                                  distinct_in_a_window,
                                  a_window_of_rows,
                                  a_window_of_rows_that_are_counted,
                                  order_of_rows_of_a_window,
                                  stacked,
                                  overflows_leave_with_their_batch,
                                  windows_of_many_shapes,
                                  lost_panes_begin_anew,
                                  a_late_task_changes_nothing,
                                  large_windows_of_rows,
                                  rows_of_the_past_are_let_go};
    TCase *tcase = unit_case("op_window", 30);
    tcase_add_loop_test(tcase, the_first_of_a_window_are_those_of_all_its_rows, 0, 5);
    tcase_add_loop_test(tcase, what_is_not_among_the_first_is_counted, 0, 2);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tcase, tests[i]);
    return unit_run_case(tcase, "op_window");
}
