/* Joins against a nested loop: all kinds, types of keys, nulls, duplicates, where the sides are. */
#include "base/random.h"
#include "dstream/op_join.h"

#include "unit/engine.h"

static const char *const kinds[] = {"inner", "left", "right", "full"};

/* ---- a nested loop ---- */

#define MOST 400

/* A row of either side: a key, which may be null, and a number of its own. */
typedef struct pair {
    int key; /* -1: null */
    int number;
} pair;

typedef struct side {
    pair rows[MOST];
    int n;
} side;

/* How a key is written in a source of that type. */
static void print_key(ds_buffer *out, const char *type, int key)
{
    if (key < 0)
        ds_buffer_append_text(out, "null");
    else if (strcmp(type, "string") == 0)
        ds_buffer_printf(out, "'a key that is too long to stand in a view, %d'", key);
    else if (strcmp(type, "timestamp") == 0)
        ds_buffer_printf(out, "'2026-01-01T00:%02d:00Z'", key % 60);
    else if (strcmp(type, "bool") == 0)
        ds_buffer_append_text(out, key % 2 == 0 ? "false" : "true");
    else if (strcmp(type, "float") == 0)
        ds_buffer_printf(out, "%d.0", key);
    else
        ds_buffer_printf(out, "%d", key);
}

static void print_rows(ds_buffer *out, const side *rows, const char *type)
{
    for (int i = 0; i < rows->n; i++) {
        ds_buffer_append_text(out, i == 0 ? "{ 'k': " : ", { 'k': ");
        print_key(out, type, rows->rows[i].key);
        ds_buffer_printf(out, ", 'n': %d }", rows->rows[i].number);
    }
}

static side some_rows(ds_random *random, int n, int n_keys)
{
    side s = {.n = n};
    for (int i = 0; i < n; i++)
        s.rows[i] = (pair){(int)ds_random_below(random, (uint64_t)n_keys + 1) - 1, (int)i + 1};
    return s;
}

static void print_number(ds_buffer *out, const pair *row)
{
    if (row == NULL)
        ds_buffer_append_text(out, "null");
    else
        ds_buffer_printf(out, "%d", row->number);
}

static void print_joined(ds_buffer *out, bool *first, const char *type, int key, const pair *left,
                         const pair *right)
{
    ds_buffer_append_text(out, *first ? "[ { 'k': " : ", { 'k': ");
    *first = false;
    print_key(out, type, key);
    ds_buffer_append_text(out, ", 'n': ");
    print_number(out, left);
    ds_buffer_append_text(out, ", 'b.n': ");
    print_number(out, right);
    ds_buffer_append_text(out, " }");
}

static void nested_loop(ds_buffer *out, const side *left, const side *right, int kind,
                        const char *type)
{
    bool met[MOST] = {false}, first = true;
    out->length = 0;
    for (int i = 0; i < left->n; i++) {
        bool alone = true;
        for (int k = 0; k < right->n; k++) {
            int key = left->rows[i].key;
            if (key < 0 || key != right->rows[k].key)
                continue;
            alone = false;
            met[k] = true;
            print_joined(out, &first, type, key, &left->rows[i], &right->rows[k]);
        }
        if (alone && (kind == DS_JOIN_LEFT || kind == DS_JOIN_FULL))
            print_joined(out, &first, type, left->rows[i].key, &left->rows[i], NULL);
    }
    for (int k = 0; k < right->n; k++)
        if (!met[k] && (kind == DS_JOIN_RIGHT || kind == DS_JOIN_FULL))
            print_joined(out, &first, type, right->rows[k].key, NULL, &right->rows[k]);
    ds_buffer_append_text(out, first ? "[]" : " ]");
    ds_buffer_text(out);
}

static void print_source(ds_buffer *out, const char *name, const char *type, const side *rows)
{
    ds_buffer_printf(out,
                     "'%s': { 'type': 'queue', 'schema': { 'k': '%s', 'n': 'int' },"
                     " 'batches': [ [], [ ",
                     name, type);
    print_rows(out, rows, type);
    ds_buffer_append_text(out, " ], [] ] }");
}

/* Joins two sides in all four ways, with an empty batch before and behind. */
static void check_sides(const side *left, const side *right, const char *left_type,
                        const char *right_type, const char *result_type)
{
    ds_buffer sources = {0}, streams = {0}, expected = {0};
    print_source(&sources, "a", left_type, left);
    ds_buffer_append_text(&sources, ", ");
    print_source(&sources, "b", right_type, right);
    for (int kind = 0; kind < 4; kind++)
        ds_buffer_printf(&streams,
                         "%s'%s': { 'from': 'a', 'join': { 'with': 'b', 'on': ['k'],"
                         " 'type': '%s' } }",
                         kind > 0 ? ", " : "", kinds[kind], kinds[kind]);
    engine e;
    engine_open(&e, ds_buffer_text(&sources), ds_buffer_text(&streams), "inner left right full");
    for (int batch = 0; batch < 3; batch++) {
        engine_batch(&e);
        for (int kind = 0; kind < 4; kind++) {
            nested_loop(&expected, left, right, kind, result_type);
            engine_rows(&e, kinds[kind], batch == 1 ? expected.data : "[]");
        }
    }
    engine_close(&e);
    ds_buffer_fini(&sources);
    ds_buffer_fini(&streams);
    ds_buffer_fini(&expected);
}

START_TEST(as_a_nested_loop)
{
    static const struct {
        int left, right, keys;
    } sizes[] = {{0, 0, 1},    {1, 0, 1},    {0, 1, 1},    {1, 1, 1},       {40, 30, 3},
                 {5, 200, 60}, {200, 5, 60}, {60, 60, 20}, {100, 100, 1000}};
    ds_random random;
    for (size_t i = 0; i < 4 * sizeof sizes / sizeof *sizes; i++) {
        size_t s = i / 4;
        ds_random_init(&random, i + 1);
        side left = some_rows(&random, sizes[s].left, sizes[s].keys);
        side right = some_rows(&random, sizes[s].right, sizes[s].keys);
        check_sides(&left, &right, "int", "int", "int");
    }
}
END_TEST

START_TEST(keys_of_every_type)
{
    static const struct {
        const char *left, *right, *result;
        int keys;
    } types[] = {{"string", "string", "string", 20},
                 {"float", "float", "float", 20},
                 {"timestamp", "timestamp", "timestamp", 20},
                 {"bool", "bool", "bool", 2},
                 {"int", "float", "float", 20},
                 {"float", "int", "float", 20}};
    ds_random random;
    ds_random_init(&random, 7);
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        side left = some_rows(&random, 50, types[t].keys);
        side right = some_rows(&random, 40, types[t].keys);
        check_sides(&left, &right, types[t].left, types[t].right, types[t].result);
    }
}
END_TEST

/* ---- several keys, lists, names ---- */

#define TWO_KEYS                                                                                   \
    "'a': { 'type': 'queue', 'schema': { 'u': 'int', 'd': 'string', 'l': 'list<string>' },"        \
    "  'batches': [ [ { 'u': 1, 'd': 'x', 'l': [ 'one', 'a rather long element' ] },"              \
    "                 { 'u': 1, 'd': 'y', 'l': null }, { 'u': 2, 'd': null, 'l': [] },"            \
    "                 { 'u': null, 'd': 'x', 'l': [ 'q' ] } ] ] },"                                \
    "'b': { 'type': 'queue', 'schema': { 'day': 'string', 'id': 'int', 'l': 'list<float>' },"      \
    "  'batches': [ [ { 'day': 'x', 'id': 1, 'l': [ 1.5 ] }, { 'day': null, 'id': 2 },"            \
    "                 { 'day': 'y', 'id': 1, 'l': [ 2.5, null ] },"                                \
    "                 { 'day': 'y', 'id': 2, 'l': [] } ] ] }"

START_TEST(several_keys_and_lists)
{
    engine e;
    engine_open(&e, TWO_KEYS,
                "'j': { 'from': 'a', 'join': { 'with': 'b', 'on': { 'd': 'day', 'u': 'id' } } },"
                "'f': { 'from': 'a', 'join': { 'with': 'b', 'on': { 'd': 'day', 'u': 'id' },"
                "       'type': 'full' } }",
                "j f");
    engine_batch(&e);
    engine_rows(&e, "j",
                "[ { 'u': 1, 'd': 'x', 'l': [ 'one', 'a rather long element' ], 'b.l': [ 1.5 ] },"
                "  { 'u': 1, 'd': 'y', 'l': null, 'b.l': [ 2.5, null ] } ]");
    engine_rows(&e, "f",
                "[ { 'u': 1, 'd': 'x', 'l': [ 'one', 'a rather long element' ], 'b.l': [ 1.5 ] },"
                "  { 'u': 1, 'd': 'y', 'l': null, 'b.l': [ 2.5, null ] },"
                "  { 'u': 2, 'd': null, 'l': [], 'b.l': null },"
                "  { 'u': null, 'd': 'x', 'l': [ 'q' ], 'b.l': null },"
                "  { 'u': 2, 'd': null, 'l': null, 'b.l': null },"
                "  { 'u': 2, 'd': 'y', 'l': null, 'b.l': [] } ]");
    engine_close(&e);
}
END_TEST

#define CLICKS                                                                                     \
    "'shown': { 'type': 'queue', 'schema': { 'ad': 'int', 'site': 'string' }, 'batches': ["        \
    "  [ { 'ad': 1, 'site': 'p' }, { 'ad': 2, 'site': 'q' } ], [ { 'ad': 3, 'site': 'p' } ],"      \
    "  [], [ { 'ad': 1, 'site': 'r' } ] ] },"                                                      \
    "'clicks': { 'type': 'queue', 'schema': { 'ad': 'int', 'user': 'string' }, 'batches': ["       \
    "  [ { 'ad': 1, 'user': 'u' } ], [ { 'ad': 2, 'user': 'v' }, { 'ad': 3, 'user': 'u' } ],"      \
    "  [ { 'ad': 1, 'user': 'w' } ], [] ] }"

/* The clauses behind the join see its columns by their names, those of both parents, and aliases
 * of the key. */
START_TEST(clauses_behind_a_join)
{
    engine e;
    engine_open(
        &e, CLICKS,
        "'j': { 'from': 'shown', 'join': { 'with': 'clicks', 'on': ['ad'] },"
        "  'where': 'shown.ad = clicks.ad and clicks.user <> `v`',"
        "  'select': { 'who': 'clicks.user', 'where': 'shown.site', 'ad': 'ad' } },"
        "'n': { 'from': 'shown', 'join': { 'with': 'clicks', 'on': ['ad'], 'type': 'left' },"
        "  'group_by': ['site'], 'aggregate': { 'clicks': 'count(clicks.user)', 'n': 'count()',"
        "  'most': 'max(shown.ad)' } },"
        "'w': { 'from': 'shown', 'join': { 'with': 'clicks', 'on': ['ad'] },"
        "  'flat_map': { 'part': 'split(concat(site, ` `, clicks.user))' }, 'window': '2s',"
        "  'group_by': ['part'], 'aggregate': { 'n': 'count()' }, 'having': 'n > 1' }",
        "j n w");
    engine_batch(&e);
    engine_rows(&e, "j", "[ { 'who': 'u', 'where': 'p', 'ad': 1 } ]");
    engine_rows(&e, "n",
                "[ { 'site': 'p', 'clicks': 1, 'n': 1, 'most': 1 },"
                "  { 'site': 'q', 'clicks': 0, 'n': 1, 'most': 2 } ]");
    engine_batch(&e);
    engine_rows(&e, "j", "[ { 'who': 'u', 'where': 'p', 'ad': 3 } ]");
    engine_rows(&e, "w", "[ { 'part': 'u', 'n': 2 }, { 'part': 'p', 'n': 2 } ]");
    engine_close(&e);
}
END_TEST

/* ---- where the sides are ---- */

/* Windows of whole rows on both sides, put together by key where they are kept. */
START_TEST(windows_on_both_sides)
{
    engine e;
    engine_open(&e, CLICKS,
                "'s': { 'from': 'shown', 'window': { 'size': '2s', 'slide': '1s' } },"
                "'c': { 'from': 'clicks', 'where': 'ad > 0',"
                "       'window': { 'size': '3s', 'slide': '1s' } },"
                "'j': { 'from': 's', 'join': { 'with': 'c', 'on': ['ad'] } }",
                "j");
    ck_assert(plan_node(e.plan, "j", DS_NODE_EXCHANGE)->exchange->here);
    static const char *const expected[] = {
        "[ { 'ad': 1, 'site': 'p', 'user': 'u' } ]",
        "[ { 'ad': 1, 'site': 'p', 'user': 'u' }, { 'ad': 2, 'site': 'q', 'user': 'v' },"
        "  { 'ad': 3, 'site': 'p', 'user': 'u' } ]",
        "[ { 'ad': 3, 'site': 'p', 'user': 'u' } ]",
        "[ { 'ad': 1, 'site': 'r', 'user': 'w' } ]",
        "[ { 'ad': 1, 'site': 'r', 'user': 'w' } ]",
        "[]"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        engine_batch(&e);
        engine_rows(&e, "j", expected[i]);
    }
    engine_close(&e);
}
END_TEST

/* Groups, with a window and without, joins of joins, a stream joined with itself: one stage. */
START_TEST(streams_keyed_alike)
{
    engine e;
    engine_open(
        &e, CLICKS,
        "'s': { 'from': 'shown', 'group_by': ['ad'], 'aggregate': { 'n': 'count()' } },"
        "'c': { 'from': 'clicks', 'window': { 'size': '2s', 'slide': '1s' }, 'group_by': ['ad'],"
        "       'aggregate': { 'n': 'count()' }, 'having': 'n > 0' },"
        "'k': { 'from': 's', 'select': { 'twice': '2 * n', 'key': 'ad' } },"
        "'f': { 'from': 's', 'join': { 'with': 'c', 'on': ['ad'], 'type': 'full' } },"
        "'g': { 'from': 'f', 'join': { 'with': 'k', 'on': { 'ad': 'key' }, 'type': 'left' } },"
        "'x': { 'from': 'g', 'join': { 'with': 'g', 'on': ['ad'] }, 'where': 'n > 0' },"
        "'y': { 'from': 'shown', 'join': { 'with': 'x', 'on': ['ad'], 'type': 'left' } }",
        "f g x y");
    ck_assert_uint_eq(e.plan->stages[plan_stage(e.plan, "s", DS_NODE_GROUP)->id].n_joins, 4);
    engine_batch(&e);
    engine_rows(&e, "f", "[ { 'ad': 1, 'n': 1, 'c.n': 1 }, { 'ad': 2, 'n': 1, 'c.n': null } ]");
    engine_rows(&e, "g",
                "[ { 'ad': 1, 'n': 1, 'c.n': 1, 'twice': 2 },"
                "  { 'ad': 2, 'n': 1, 'c.n': null, 'twice': 2 } ]");
    engine_rows(&e, "x",
                "[ { 'ad': 1, 'n': 1, 'c.n': 1, 'twice': 2, 'g.n': 1, 'g.c.n': 1, 'g.twice': 2 },"
                "  { 'ad': 2, 'n': 1, 'c.n': null, 'twice': 2, 'g.n': 1, 'g.c.n': null,"
                "    'g.twice': 2 } ]");
    engine_rows(&e, "y",
                "[ { 'ad': 1, 'site': 'p', 'n': 1, 'twice': 2 },"
                "  { 'ad': 2, 'site': 'q', 'n': 1, 'twice': 2 } ]");
    engine_batch(&e);
    engine_rows(&e, "f",
                "[ { 'ad': 3, 'n': 1, 'c.n': 1 }, { 'ad': 1, 'n': null, 'c.n': 1 },"
                "  { 'ad': 2, 'n': null, 'c.n': 1 } ]");
    engine_rows(&e, "y", "[ { 'ad': 3, 'site': 'p', 'n': 1, 'twice': 2 } ]");
    engine_batch(&e);
    engine_rows(&e, "g",
                "[ { 'ad': 1, 'n': null, 'c.n': 1, 'twice': null },"
                "  { 'ad': 2, 'n': null, 'c.n': 1, 'twice': null },"
                "  { 'ad': 3, 'n': null, 'c.n': 1, 'twice': null } ]");
    engine_rows(&e, "x", "[]");
    engine_close(&e);
}
END_TEST

/* A stream joined with what is made of it elsewhere cannot share a stage with it. */
START_TEST(a_stream_and_what_is_made_of_it)
{
    engine e;
    engine_open(&e, CLICKS,
                "'s': { 'from': 'shown', 'group_by': ['site'], 'aggregate': { 'n': 'count()' } },"
                "'t': { 'from': 's', 'aggregate': { 'all': 'sum(n)', 'site': 'min(site)' } },"
                "'j': { 'from': 's', 'join': { 'with': 't', 'on': ['site'], 'type': 'left' } },"
                "'b': { 'from': 's', 'group_by': ['n'], 'aggregate': { 'site': 'min(site)' } },"
                "'c': { 'from': 'b', 'group_by': ['site'], 'aggregate': { 'm': 'sum(n)' } },"
                "'k': { 'from': 's', 'join': { 'with': 'c', 'on': ['site'], 'type': 'full' } }",
                "j k");
    engine_batch(&e);
    engine_rows(&e, "j",
                "[ { 'site': 'p', 'n': 1, 'all': 2 }, { 'site': 'q', 'n': 1, 'all': null } ]");
    engine_rows(&e, "k", "[ { 'site': 'p', 'n': 1, 'm': 1 }, { 'site': 'q', 'n': 1, 'm': null } ]");
    engine_batch(&e);
    engine_batch(&e);
    engine_rows(&e, "j", "[]"); /* the total without keys has a row: on the right side */
    engine_close(&e);
}
END_TEST

START_TEST(a_union_joins)
{
    engine e;
    engine_open(&e, CLICKS,
                "'a': { 'from': 'clicks', 'select': { 'ad': 'ad', 'site': 'user' } },"
                "'j': { 'from': ['shown', 'a'], 'join': { 'with': 'clicks', 'on': ['ad'] },"
                "       'where': 'clicks.user = `u`' }",
                "j");
    engine_batch(&e);
    engine_rows(&e, "j",
                "[ { 'ad': 1, 'site': 'p', 'user': 'u' }, { 'ad': 1, 'site': 'u', 'user': 'u' } ]");
    engine_close(&e);
}
END_TEST

/* ---- large ---- */

#define RATES                                                                                      \
    "'a': { 'type': 'rate', 'rows_per_second': 1 }, 'b': { 'type': 'rate', 'rows_per_second': 1 }"

/* One key that has half of all rows on both sides: 20,000 times 20,000 results never stand anywhere
 * together. */
START_TEST(one_key_with_half_of_all_rows)
{
    engine e;
    engine_open(&e, RATES,
                "'x': { 'from': 'a', 'select': { 'k': 'if(value % 2 = 0, -1, value)' } },"
                "'y': { 'from': 'b', 'select': { 'k': 'if(value % 2 = 0, -1, value)' } },"
                "'j': { 'from': 'x', 'join': { 'with': 'y', 'on': ['k'] },"
                "       'group_by': ['k'], 'aggregate': { 'n': 'count()' }, 'having': 'n > 1' }",
                "j");
    e.once = true;
    engine_feed_rate(&e, "a", 0, 6000);
    engine_feed_rate(&e, "b", 0, 4000);
    engine_batch(&e);
    engine_rows(&e, "j", "[ { 'k': -1, 'n': 6000000 } ]");
    ck_assert_int_lt(e.budget.peak_bytes, 8 << 20);
    engine_close(&e);
}
END_TEST

/* Little memory for each of very many threads: the smaller side is held in several tables, one
 * after the other, and rows that never meet come out once. */
START_TEST(more_than_one_table)
{
    engine e = {.p = plan_whole(
                    "{ 'version': 1, 'name': 't', 'batch': { 'interval': '1s' },"
                    "'executors': { 'key_partitions': 1, 'cores': 256 },"
                    "'sources': { " RATES " }, 'streams': {"
                    "'x': { 'from': 'a', 'select': { 'k': 'value / 3' } },"
                    "'y': { 'from': 'b', 'select': { 'k': 'value / 2 + 1000', 'v': 'value' } },"
                    "'j': { 'from': 'x', 'join': { 'with': 'y', 'on': ['k'], 'type': 'full' } },"
                    "'n': { 'from': 'j', 'aggregate': { 'n': 'count()', 'met': 'count(v) filter"
                    " (where k < 80000)', 'last': 'max(k)', 'alone': 'count() filter (where v is"
                    " null)', 'sum': 'sum(v)' } } } }",
                    "n")};
    engine_start(&e);
    e.once = true;
    e.budget.limit_bytes = 400 << 20;
    uint64_t n = 240000;
    for (uint64_t at = 0; at < n; at += 20000) {
        engine_feed_rate(&e, "a", at, at + 20000);
        engine_feed_rate(&e, "b", at, at + 20000);
    }
    engine_batch(&e);
    /* Keys 0 .. 79,999, three times each; 1,000 .. 120,999, twice each. */
    ck_assert_uint_gt(plan_node(e.plan, "j", DS_NODE_JOIN)->join->n_keys, 0);
    engine_rows(&e, "n",
                "[ { 'n': 559000, 'met': 474000, 'last': 120999, 'alone': 3000,"
                "    'sum': 53763722000 } ]");
    engine_close(&e);
}
END_TEST

START_TEST(keys_of_a_megabyte)
{
    const size_t length = 1 << 20;
    engine e = {
        .p = plan_whole("{ 'version': 1, 'name': 't', 'batch': { 'interval': '1s' },"
                        "'limits': { 'record': '2MiB' }, 'sources': { 'a': { 'type': 'stdin' },"
                        "'b': { 'type': 'socket', 'connect': 'h:1' } }, 'streams': {"
                        "'j': { 'from': 'a', 'join': { 'with': 'b', 'on': ['line'] },"
                        "       'select': { 'n': 'length(line)', 'end': 'right(line, 1)' } } } }",
                        "j")};
    engine_start(&e);
    ds_buffer long_lines = {0};
    for (int i = 0; i < 3; i++) {
        char *room = ds_buffer_reserve(&long_lines, length);
        memset(room, 'x', length);
        long_lines.length += length;
        ds_buffer_append_text(&long_lines, i == 0 ? "a\n" : "b\n");
    }
    engine_feed(&e, "a", ds_buffer_text(&long_lines));
    engine_feed(&e, "b", ds_buffer_text(&long_lines));
    engine_batch(&e);
    engine_rows(&e, "j",
                "[ { 'n': 1048577, 'end': 'a' }, { 'n': 1048577, 'end': 'b' },"
                "  { 'n': 1048577, 'end': 'b' }, { 'n': 1048577, 'end': 'b' },"
                "  { 'n': 1048577, 'end': 'b' } ]");
    ds_buffer_fini(&long_lines);
    engine_close(&e);
}
END_TEST

/* ---- repartition, cache ---- */

START_TEST(repartition_spreads_evenly)
{
    engine e;
    engine_open(&e, RATES,
                "'r': { 'from': 'a', 'where': 'value >= 0', 'repartition': 5, 'cache': true },"
                "'c': { 'from': 'r', 'select': { 'v': 'value * 2' }, 'where': 'value % 2 = 1' },"
                "'n': { 'from': 'r', 'aggregate': { 'n': 'count()', 's': 'sum(value)' } }",
                "c n");
    const ds_stage *stage = plan_stage(e.plan, "r", DS_NODE_EXCHANGE);
    ck_assert_uint_eq(stage->n_partitions, 5);
    ck_assert(!stage->keyed);
    engine_feed_rate(&e, "a", 0, 5000);
    engine_feed_rate(&e, "a", 5000, 5007);
    engine_batch(&e);
    engine_rows(&e, "n", "[ { 'n': 5007, 's': 12532521 } ]");
    ck_assert_uint_eq(engine_count_rows(&e, "c"), 2503);
    for (uint32_t p = 0; p < 5; p++)
        ck_assert_uint_le(e.batch->stages[stage->id].tasks[p].n_outputs, 2);
    engine_batch(&e);
    engine_rows(&e, "n", "[ { 'n': 0, 's': null } ]");
    engine_close(&e);
}
END_TEST

UNIT_MAIN("op_join", as_a_nested_loop, keys_of_every_type, several_keys_and_lists,
          clauses_behind_a_join, windows_on_both_sides, streams_keyed_alike,
          a_stream_and_what_is_made_of_it, a_union_joins, one_key_with_half_of_all_rows,
          more_than_one_table, keys_of_a_megabyte, repartition_spreads_evenly)
