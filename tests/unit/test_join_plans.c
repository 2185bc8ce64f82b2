/*
 * Random graphs of streams, run as they are, and run again with a repartition before each side of
 * every join, so that nothing is where it could be used without a shuffle. The rows are the same.
 */
#include "base/random.h"
#include "dstream/op_broadcast.h"

#include "unit/engine.h"

#define STREAMS 9
#define BATCHES 4

static uint32_t below(ds_random *random, uint32_t n)
{
    return (uint32_t)ds_random_below(random, n);
}

/* Every stream has the columns k and n, both ints. */
static void append_rows(ds_buffer *out, ds_random *random)
{
    uint32_t n = below(random, 3) == 0 ? 0 : below(random, 7);
    for (uint32_t i = 0; i < n; i++) {
        ds_buffer_printf(out, "%s{ 'n': %u", i > 0 ? ", " : "", below(random, 4));
        if (below(random, 6) > 0)
            ds_buffer_printf(out, ", 'k': %u", below(random, 5));
        ds_buffer_append_text(out, " }");
    }
}

static void append_source(ds_buffer *out, const char *name, ds_random *random)
{
    ds_buffer_printf(
        out, "'%s': { 'type': 'queue', 'schema': { 'k': 'int', 'n': 'int' }, 'batches': [", name);
    for (int b = 0; b < BATCHES; b++) {
        ds_buffer_append_text(out, b > 0 ? "], [" : "[");
        append_rows(out, random);
    }
    ds_buffer_append_text(out, "]] }");
}

static const char *name_of(uint32_t i, char text[static 8])
{
    snprintf(text, 8, i < 2 ? "q%u" : "s%u", i);
    return text;
}

/* suffix: "" or "_r", the parent spread first. */
static void append_join(ds_buffer *out, const char *left, const char *right, const char *suffix,
                        ds_random *random)
{
    static const char *const kinds[] = {"inner", "left", "right", "full"};
    const char *kind = kinds[below(random, 4)];
    switch (below(random, 4)) {
    case 0:
        ds_buffer_printf(out,
                         "'from': '%s%s', 'join': { 'with': '%s%s', 'on': { 'n': 'n', 'k': 'k' },"
                         " 'type': '%s' }",
                         left, suffix, right, suffix, kind);
        break;
    case 1:
        ds_buffer_printf(out,
                         "'from': '%s%s', 'join': { 'with': '%s%s', 'on': { 'n': 'k' },"
                         " 'type': '%s' }, 'select': { 'k': 'n', 'n': 'coalesce(k, 0)' }",
                         left, suffix, right, suffix, kind);
        break;
    default:
        ds_buffer_printf(out,
                         "'from': '%s%s', 'join': { 'with': '%s%s', 'on': ['k'], 'type': '%s' },"
                         " 'select': { 'n': 'coalesce(n, 0) + 2 * coalesce(%s%s.n, 0)',"
                         " 'k': 'k' }",
                         left, suffix, right, suffix, kind, right, suffix);
        break;
    }
}

/* One stream over one or two of the streams before it. */
static void append_stream(ds_buffer *out, uint32_t i, const char *suffix, ds_random *random)
{
    static const char *const clauses[] = {
        "'where': 'n > 0'",
        "'select': { 'n': 'n + 1', 'k': 'k' }",
        "'select': { 'k': 'n', 'n': 'k' }, 'having': 'k < 9'",
        "'group_by': ['k'], 'aggregate': { 'n': 'count()' }",
        "'group_by': ['k'], 'aggregate': { 'n': 'sum(n)' }, 'having': 'n > 0'",
        "'window': { 'size': '2s', 'slide': '1s' }, 'group_by': ['k'],"
        " 'aggregate': { 'n': 'max(n)' }",
        "'window': { 'size': '2s', 'slide': '1s' }",
        "'distinct': true",
        "'group_by': ['n', 'k']",
        "'limit': 5",
        "'state': { 'key': ['k'], 'set': { 'n': 'coalesce(state.n, 0) + count()' },"
        "           'emit': 'all' }",
        "'join': { 'with': 't', 'on': ['k'], 'type': 'left' },"
        " 'select': { 'k': 'k', 'n': 'coalesce(t.n, n)' }",
        "'join': { 'with': 't', 'on': { 'n': 'k' } }, 'select': { 'n': 'n', 'k': 'k' }",
    };
    char self[8], left[8], right[8];
    name_of(i, self);
    name_of(below(random, i), left);
    name_of(below(random, 2) == 0 ? i - 1 : below(random, i), right);
    ds_buffer_printf(out, "%s'%s': { ", i > 2 ? ", " : "", self);
    uint32_t kind = below(random, 24);
    if (kind < 13) {
        ds_buffer_printf(out, "'from': '%s', %s", right, clauses[kind]);
        if (kind == 8)
            ds_buffer_printf(out, " }, '%s_': { 'from': '%s', 'select': { 'k': 'k', 'n': 'n' }",
                             self, self);
    } else if (kind < 15) {
        ds_buffer_printf(out, "'from': ['%s', '%s']", left, right);
    } else {
        append_join(out, left, right, suffix, random);
    }
    ds_buffer_append_text(out, " }");
    ds_buffer_printf(out, ", '%s_r': { 'from': '%s', 'repartition': 2 }", self, self);
}

static void open_graph(engine *e, uint64_t seed, const char *suffix)
{
    ds_random random;
    ds_random_init(&random, seed);
    ds_buffer sources = {0}, streams = {0}, tested = {0};
    append_source(&sources, "q0", &random);
    ds_buffer_append_text(&sources, ", ");
    append_source(&sources, "q1", &random);
    ds_buffer_append_text(&sources, ", 't': { 'type': 'table', 'path': 'x', 'format': 'json',"
                                    " 'schema': { 'k': 'int', 'n': 'int' } }");
    for (uint32_t i = 2; i < 2 + STREAMS; i++) {
        char name[8];
        append_stream(&streams, i, suffix, &random);
        ds_buffer_printf(&tested, "%s ", name_of(i, name));
    }
    ds_buffer_append_text(&streams, ", 'q0_r': { 'from': 'q0', 'repartition': 2 },"
                                    "'q1_r': { 'from': 'q1', 'repartition': 2 }");
    engine_open(e, ds_buffer_text(&sources), ds_buffer_text(&streams), ds_buffer_text(&tested));
    e->once = true; /* the bytes of rows of a state may differ in a bitmap without nulls */
    engine_table(e, "t", "{'k':1,'n':7}\n{'k':2}\n{'k':2,'n':3}\n{'n':1}\n{'k':4,'n':0}\n");
    ds_buffer_fini(&sources);
    ds_buffer_fini(&streams);
    ds_buffer_fini(&tested);
}

/* The rows of a stream in the last batch, as a list of objects. */
static void print_rows(engine *e, const char *stream, ds_buffer *out)
{
    ds_heap heap;
    ds_heap_init(&heap, e->batch->arena);
    uint32_t n;
    ds_chunk *chunks = engine_chunks(e, stream, &heap, &n);
    ds_buffer lines = {0};
    for (uint32_t i = 0; i < n; i++)
        ds_rows_write(&lines, DS_ROWS_JSON, ds_plan_find(e->plan, stream)->schema, &heap,
                      &chunks[i]);
    out->length = 0;
    ds_buffer_append_text(out, "[");
    for (size_t i = 0; i + 1 < lines.length; i++)
        ds_buffer_append_char(out, lines.data[i] == '\n' ? ',' : lines.data[i]);
    ds_buffer_append_text(out, "]");
    ds_buffer_text(out);
    ds_buffer_fini(&lines);
    ds_heap_fini(&heap);
}

/* Sides that are used where they are; those of joins with a table always are. */
static uint32_t n_fused(const ds_plan *plan)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        const ds_node *node = plan->nodes[i];
        n += node->kind == DS_NODE_EXCHANGE && node->stage == DS_NO_STAGE &&
             !ds_node_is_broadcast(node->children[0]);
    }
    return n;
}

START_TEST(the_same_rows_with_and_without_a_shuffle)
{
    uint32_t fused = 0, joins = 0;
    ds_buffer rows = {0};
    for (uint64_t seed = 1; seed <= 300; seed++) {
        engine e, spread;
        open_graph(&e, seed, "");
        open_graph(&spread, seed, "_r");
        ck_assert_uint_eq(n_fused(spread.plan), 0);
        fused += n_fused(e.plan);
        for (uint32_t s = 0; s < e.plan->n_stages; s++)
            joins += e.plan->stages[s].n_joins;
        for (int b = 0; b < BATCHES + 1; b++) {
            engine_batch(&e);
            engine_batch(&spread);
            for (uint32_t i = 2; i < 2 + STREAMS; i++) {
                char name[8];
                print_rows(&e, name_of(i, name), &rows);
                engine_rows(&spread, name, rows.data);
            }
        }
        engine_close(&e);
        engine_close(&spread);
    }
    ck_assert_uint_gt(joins, 400);
    ck_assert_uint_gt(fused, joins / 4);
    ds_buffer_fini(&rows);
}
END_TEST

UNIT_MAIN("join_plans", the_same_rows_with_and_without_a_shuffle)
