/*
 * What partitions keep, saved and loaded: a twin is made of the parts of chains again and again,
 * and then every task runs with the original and with the twin, which must give the same bytes.
 */
#include "dstream/kept.h"

#include "base/random.h"
#include "unit/engine.h"
#include "unit/saved_bytes.h"

#define PARTS 200

typedef struct chain {
    uint32_t stage, partition, input;
    uint32_t n; /* parts */
    saved_bytes parts[PARTS];
} chain;

typedef struct twins {
    engine e;
    ds_random random;
    chain *chains;
    uint32_t n_chains;
    uint64_t whole_bytes, change_bytes, n_changes, n_nothing;
} twins;

/* ---- Chains ---- */

static void empty_chain(chain *c)
{
    while (c->n > 0)
        ds_buffer_fini(&c->parts[--c->n].buffer);
}

static void add_chains(twins *t, const ds_stage *stage)
{
    for (uint32_t p = 0; p < stage->n_partitions; p++)
        for (uint32_t i = 0; i < stage->n_inputs; i++)
            if (ds_node_keeps(stage->inputs[i].root)) {
                t->chains = ds_realloc(t->chains, t->n_chains + 1, sizeof *t->chains);
                t->chains[t->n_chains++] = (chain){.stage = stage->id, .partition = p, .input = i};
            }
}

/* Starts the twin, too. */
static void twins_start(twins *t, uint64_t seed)
{
    ck_assert_msg(t->e.plan != NULL, "%s", t->e.p.app.said.data);
    ds_random_init(&t->random, seed);
    t->e.twin = ds_keyed_store_new(&t->e.budget);
    for (uint32_t s = 0; s < t->e.plan->n_stages; s++)
        if (t->e.plan->stages[s].keyed)
            add_chains(t, &t->e.plan->stages[s]);
    ck_assert_uint_gt(t->n_chains, 0);
}

static void twins_close(twins *t)
{
    for (uint32_t c = 0; c < t->n_chains; c++)
        empty_chain(&t->chains[c]);
    free(t->chains);
    ds_keyed_store_free(t->e.twin);
    engine_close(&t->e);
}

/* ---- Saving ---- */

static ds_kept *take(twins *t, ds_keyed_store *store, const chain *c, bool empty)
{
    const ds_stage *stage = &t->e.plan->stages[c->stage];
    int64_t at = t->e.keyed_ms[c->stage][c->partition];
    ds_kept *kept;
    ds_error error;
    const ds_keyed_wish wish = {.expected_ms = empty ? DS_NO_BATCH : at,
                                .batch_ms = empty ? INT64_MAX : at};
    ds_status status = ds_keyed_store_take(store, stage, c->partition, &wish, &kept, &error);
    ck_assert_msg(status == DS_OK, "%s", error.message);
    return kept;
}

static void put(twins *t, ds_keyed_store *store, const chain *c)
{
    ds_keyed_store_put(store, &t->e.plan->stages[c->stage], c->partition);
}

static void save_chain(twins *t, ds_keyed_store *store, chain *c, bool whole)
{
    ds_error error;
    saved_bytes part = {{0}, 0}, again = {{0}, 0};
    ds_save_to to = saved_to(&part);
    ds_kept *kept = take(t, store, c, false);
    ck_assert(ds_kept_keeps(kept, c->input));
    ck_assert_int_eq(ds_kept_save(kept, c->input, whole, &to, &error), DS_OK);
    to = saved_to(&again); /* now nothing has changed */
    ck_assert_int_eq(ds_kept_save(kept, c->input, false, &to, &error), DS_OK);
    ck_assert_uint_eq(again.buffer.length, 0);
    ck_assert(!whole || part.buffer.length > 0);
    put(t, store, c);
    if (whole)
        empty_chain(c);
    *(whole ? &t->whole_bytes : &t->change_bytes) += part.buffer.length;
    t->n_changes += !whole;
    t->n_nothing += part.buffer.length == 0;
    ck_assert_uint_lt(c->n, PARTS);
    if (part.buffer.length > 0)
        c->parts[c->n++] = part;
}

static bool has_run(const twins *t, const chain *c)
{
    return t->e.keyed_ms[c->stage][c->partition] != DS_NO_BATCH;
}

/* Saves all chains of the original, or of the twin. */
static void save_all(twins *t, ds_keyed_store *store, bool whole)
{
    for (uint32_t c = 0; c < t->n_chains; c++)
        if (has_run(t, &t->chains[c]))
            save_chain(t, store, &t->chains[c], whole || t->chains[c].n == 0);
}

/* ---- Loading ---- */

static ds_status load_chain(ds_kept *kept, chain *c, ds_error *error)
{
    for (uint32_t i = 0; i < c->n; i++) {
        ds_load_from from = saved_from(&c->parts[i]);
        DS_TRY(ds_kept_load(kept, c->input, &from, error));
        ck_assert_uint_eq(c->parts[i].at, c->parts[i].buffer.length);
    }
    return DS_OK;
}

static bool is_first_input(const twins *t, uint32_t i)
{
    return i == 0 || t->chains[i - 1].stage != t->chains[i].stage ||
           t->chains[i - 1].partition != t->chains[i].partition;
}

/* Makes a store anew of the chains, which are up to date. */
static void load_all(twins *t, ds_keyed_store **store)
{
    ds_error error;
    ds_keyed_store_free(*store);
    *store = ds_keyed_store_new(&t->e.budget);
    for (uint32_t i = 0; i < t->n_chains; i++) {
        chain *c = &t->chains[i];
        if (!has_run(t, c) || !is_first_input(t, i))
            continue;
        ds_kept *kept = take(t, *store, c, true);
        for (uint32_t k = i; k < t->n_chains && (k == i || !is_first_input(t, k)); k++) {
            ds_status status = load_chain(kept, &t->chains[k], &error);
            ck_assert_msg(status == DS_OK, "%s", error.message);
        }
        ds_kept_stand(kept, t->e.keyed_ms[c->stage][c->partition]);
        put(t, *store, c);
    }
}

/* After a batch: nothing; a save; or a save, of one or the other, and the other made of it. */
static void save_and_load(twins *t)
{
    bool whole = ds_random_below(&t->random, 12) == 0;
    switch (ds_random_below(&t->random, 6)) {
    case 0:
    case 1: save_all(t, t->e.keyed, whole); break;
    case 2:
        save_all(t, t->e.keyed, whole);
        load_all(t, &t->e.twin);
        break;
    case 3: /* the twin goes on with the chain, as the one that was loaded last */
        save_all(t, t->e.keyed, whole);
        load_all(t, &t->e.twin);
        load_all(t, &t->e.keyed);
        t->e.env.keyed = t->e.keyed;
        break;
    default: break;
    }
}

/* ---- Apps ---- */

#define SOURCE                                                                                     \
    "'in': { 'type': 'socket', 'listen': '127.0.0.1:1', 'format': 'json', 'schema': {"             \
    " 'k': 'string', 'n': 'int', 'x': 'float', 's': 'string', 'b': 'bool' } }"

static void random_records(twins *t, ds_buffer *records, uint32_t n)
{
    static const char *const texts[] = {"", "a", "a text that does not fit a view",
                                        "another text that is long", "zzz"};
    ds_random *r = &t->random;
    for (uint32_t i = 0; i < n; i++) {
        ds_buffer_printf(records, "{ 'k': 'key %u%s', 'n': %d, 'x': %d.%u",
                         (unsigned)ds_random_below(r, 30),
                         ds_random_below(r, 3) == 0 ? " with a long text" : "",
                         (int)ds_random_below(r, 200) - 100, (int)ds_random_below(r, 50) - 20,
                         (unsigned)ds_random_below(r, 10000));
        if (ds_random_below(r, 5) > 0)
            ds_buffer_printf(records, ", 's': '%s'", texts[ds_random_below(r, 5)]);
        if (ds_random_below(r, 5) > 0)
            ds_buffer_printf(records, ", 'b': %s", ds_random_below(r, 2) == 0 ? "true" : "false");
        ds_buffer_append_text(records, " }\n");
    }
}

static void run(twins *t, int batches)
{
    uint32_t busy = 0;
    for (int i = 0; i < batches; i++) {
        ds_buffer records = {0};
        if (ds_random_below(&t->random, 12) == 0)
            busy = (uint32_t)ds_random_below(&t->random, 3); /* none, few or many rows */
        if (busy > 0)
            random_records(t, &records, (uint32_t)ds_random_below(&t->random, busy == 1 ? 4 : 60));
        if (records.length > 0)
            engine_feed(&t->e, "in", ds_buffer_text(&records));
        ds_buffer_fini(&records);
        engine_batch(&t->e);
        save_and_load(t);
    }
}

static void run_streams(const char *streams, const char *tested, uint64_t seeds)
{
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        twins t = {.n_chains = 0};
        engine_open(&t.e, SOURCE, streams, tested);
        twins_start(&t, seed);
        run(&t, 120);
        twins_close(&t);
    }
}

START_TEST(windows_of_groups)
{
    static const char *const windows[] = {
        "'2s'",
        "{ 'size': '6s', 'slide': '1s' }",
        "{ 'size': '5s', 'slide': '2s' }",
        "{ 'size': '2s', 'slide': '5s' }",
        "{ 'size': '20s', 'slide': '4s' }",
        "'7s'",
    };
    for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
        char *streams = NULL;
        ck_assert_int_gt(
            asprintf(&streams,
                     "'w': { 'from': 'in', 'window': %s, 'group_by': ['k'], 'aggregate': {"
                     "'c': 'count()', 's': 'sum(n)', 'x': 'sum(x)', 'v': 'variance(x)',"
                     "'m': 'min(s)', 'f': 'first(s)', 'l': 'collect_list(n)', 'd': 'median(x)',"
                     "'u': 'count_distinct(s)', 't': 'approx_top_k(s, 2)', 'o': 'max(n * n)',"
                     "'q': 'approx_quantile(x, 0.5)', 'a': 'approx_count_distinct(k)' } }",
                     windows[w]),
            0);
        run_streams(streams, "w", 2);
        free(streams);
    }
}
END_TEST

START_TEST(windows_without_keys)
{
    run_streams("'w': { 'from': 'in', 'window': { 'size': '4s', 'slide': '1s' },"
                "       'aggregate': { 'c': 'count()', 'x': 'avg(x)', 'm': 'max(s)' } },"
                "'v': { 'from': 'w', 'window': { 'size': '3s', 'slide': '1s' },"
                "       'aggregate': { 'x': 'sum(x)' } }",
                "w v", 3);
}
END_TEST

START_TEST(windows_of_rows)
{
    run_streams("'w': { 'from': 'in', 'window': { 'size': '5s', 'slide': '2s' } },"
                "'o': { 'from': 'w', 'select': { 'k': 'k', 's': 's', 'n': 'n' } },"
                "'v': { 'from': 'in', 'window': { 'size': '3s', 'slide': '1s' } },"
                "'j': { 'from': 'v', 'join': { 'with': 'v2', 'on': ['k'] },"
                "       'select': { 'k': 'k', 'n': 'v.n', 'm': 'v2.n' } },"
                "'v2': { 'from': 'in', 'where': 'b', 'window': { 'size': '6s', 'slide': '1s' } }",
                "o j", 3);
}
END_TEST

START_TEST(states)
{
    run_streams("'c': { 'from': 'in', 'state': { 'key': ['k'], 'set': {"
                "       'n': 'coalesce(state.n, 0) + count()', 's': 'coalesce(last(s), state.s)' },"
                "       'timeout': '5s', 'remove_when': 'n > 7' } },"
                "'all': { 'from': 'in', 'state': { 'key': ['k'], 'emit': 'all', 'set': {"
                "       'x': 'coalesce(state.x / 2, 0.0) + coalesce(sum(x), 0.0)' },"
                "       'timeout': '9s', 'remove_when': 'x > 20' } },"
                "'now': { 'from': 'c', 'snapshot': true }",
                "c all now", 4);
}
END_TEST

UNIT_MAIN("kept", windows_of_groups, windows_without_keys, windows_of_rows, states)
