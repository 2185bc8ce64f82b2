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

/* The last part is a whole one. */
static void empty_chain_but_last(chain *c)
{
    saved_bytes last = c->parts[--c->n];
    empty_chain(c);
    c->parts[c->n++] = last;
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
    if (ds_random_below(&t->random, 2) == 0)
        whole = whole || ds_kept_saves_whole(kept, c->input);
    ck_assert_int_eq(ds_kept_save(kept, c->input, whole, &to, &error), DS_OK);
    to = saved_to(&again); /* now nothing has changed */
    ck_assert_int_eq(ds_kept_save(kept, c->input, false, &to, &error), DS_OK);
    ck_assert_uint_eq(again.buffer.length, 0);
    ck_assert(!whole || part.buffer.length > 0);
    ck_assert(!ds_kept_saves_whole(kept, c->input));
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

/* With state tables of Lua: a partial is what the function makes of it. */
START_TEST(aggregates_of_the_users_own)
{
    twins t = {.n_chains = 0};
    ds_buffer text = {0};
    ds_buffer_append_text(
        &text,
        "{ 'version': 1, 'name': 't', 'batch': { 'interval': '1s' },"
        "  'executors': { 'key_partitions': 3 }, 'functions': { 'spread': { 'lua': ['local m = {}',"
        "    'function m.init() return {} end', 'function m.update(s, x)',"
        "    '  if not s.least or x < s.least then s.least = x end',"
        "    '  if not s.most or x > s.most then s.most = x end', '  return s', 'end',"
        "    'function m.merge(a, b)', '  if b.least then m.update(a, b.least) end',"
        "    '  if b.most then m.update(a, b.most) end', '  return a', 'end',"
        "    'function m.finish(s) return s.most and s.most - s.least end', 'return m'],"
        "  'args': ['int'], 'returns': 'int', 'aggregate': true } },"
        "  'sources': { " SOURCE " }, 'streams': {"
        "  'w': { 'from': 'in', 'window': { 'size': '7s', 'slide': '1s' }, 'group_by': ['k'],"
        "         'aggregate': { 'd': 'spread(n)', 'm': 'spread(n) + count()' } },"
        "  's': { 'from': 'in', 'window': '5s', 'aggregate': { 'd': 'spread(n)' } } },"
        "  'sinks': {} }");
    t.e = (engine){.p = plan_whole(ds_buffer_text(&text), "w s")};
    ds_buffer_fini(&text);
    engine_start(&t.e);
    twins_start(&t, 8);
    run(&t, 150);
    twins_close(&t);
}
END_TEST

/* ---- Chains that are not right ---- */

static const char *const kinds[] = {
    "'w': { 'from': 'in', 'window': { 'size': '6s', 'slide': '1s' }, 'group_by': ['k'],"
    "       'aggregate': { 'x': 'sum(x)', 's': 'max(s)', 'n': 'sum(n)' } }",
    "'w': { 'from': 'in', 'window': '10s', 'group_by': ['k'], 'aggregate': { 'x': 'sum(x)' } }",
    "'w': { 'from': 'in', 'window': { 'size': '6s', 'slide': '1s' } }",
    "'w': { 'from': 'in', 'state': { 'key': ['k'], 'set': { 's': 'last(s)', 'n': 'max(n)' },"
    "       'timeout': '5s' } }",
};
#define N_KINDS ((int)(sizeof kinds / sizeof *kinds))

/* A stream with chains of a whole and three changes. */
static void open_kind(twins *t, int kind)
{
    *t = (twins){.n_chains = 0};
    engine_open(&t->e, SOURCE, kinds[kind], "w");
    twins_start(t, 3);
    for (int i = 0; i < 4; i++) {
        ds_buffer records = {0};
        random_records(t, &records, 40);
        engine_feed(&t->e, "in", ds_buffer_text(&records));
        ds_buffer_fini(&records);
        engine_batch(&t->e);
        save_all(t, t->e.keyed, i == 0);
    }
    for (uint32_t c = 0; c < t->n_chains; c++)
        ck_assert_uint_le(t->chains[c].n, 4);
    ck_assert_uint_gt(t->chains[0].n, 2);
}

/* Loads some parts of the first chain; the status of the last. */
static ds_status load_parts(twins *t, const uint32_t *parts, uint32_t n)
{
    chain *c = &t->chains[0];
    ds_kept *kept = ds_kept_new(&t->e.plan->stages[c->stage], &t->e.budget);
    ds_status status = DS_OK;
    for (uint32_t i = 0; i < n && status == DS_OK; i++) {
        ds_load_from from = saved_from(&c->parts[parts[i]]);
        status = ds_kept_load(kept, c->input, &from, NULL);
        ck_assert(status == DS_OK || status == DS_ERR_PROTOCOL);
    }
    ds_kept_free(kept);
    return status;
}

START_TEST(parts_have_to_follow)
{
    twins t;
    open_kind(&t, _i);
    static const uint32_t good[] = {0, 1, 2, 0, 1}, gap[] = {0, 2}, again[] = {0, 1, 1};
    ck_assert_int_eq(load_parts(&t, good, 1), DS_OK);
    ck_assert_int_eq(load_parts(&t, good, 2), DS_OK);
    ck_assert_int_eq(load_parts(&t, good, 3), DS_OK);
    ck_assert_int_eq(load_parts(&t, good, 5), DS_OK); /* a whole begins anew */
    ck_assert_int_eq(load_parts(&t, good + 1, 1), DS_ERR_PROTOCOL);
    ck_assert_int_eq(load_parts(&t, gap, 2), DS_ERR_PROTOCOL);
    ck_assert_int_eq(load_parts(&t, again, 3), DS_ERR_PROTOCOL);
    twins_close(&t);
}
END_TEST

START_TEST(parts_of_other_kinds_are_refused)
{
    twins t, other;
    open_kind(&t, _i);
    open_kind(&other, (_i + 2) % N_KINDS);
    ds_buffer own = t.chains[0].parts[0].buffer;
    t.chains[0].parts[0].buffer = other.chains[0].parts[0].buffer;
    ck_assert_int_eq(load_parts(&t, (uint32_t[]){0}, 1), DS_ERR_PROTOCOL);
    t.chains[0].parts[0].buffer = own;
    twins_close(&t);
    twins_close(&other);
}
END_TEST

START_TEST(damaged_parts_are_refused)
{
    static const uint32_t parts[] = {0, 1};
    twins t;
    open_kind(&t, _i);
    for (uint32_t p = 0; p < 2; p++) {
        ds_buffer *bytes = &t.chains[0].parts[p].buffer;
        for (size_t i = 0; i < bytes->length; i += 1 + i / 64) {
            bytes->data[i] = (char)(bytes->data[i] ^ (1 << i % 8));
            ck_assert_int_eq(load_parts(&t, parts, p + 1), DS_ERR_PROTOCOL);
            bytes->data[i] = (char)(bytes->data[i] ^ (1 << i % 8));
        }
        size_t whole = bytes->length;
        for (bytes->length = 0; bytes->length < whole; bytes->length += 1 + bytes->length / 64)
            ck_assert_int_eq(load_parts(&t, parts, p + 1), DS_ERR_PROTOCOL);
        bytes->length = whole;
        ck_assert_int_eq(load_parts(&t, parts, p + 1), DS_OK);
    }
    twins_close(&t);
}
END_TEST

typedef struct limited {
    size_t left;
} limited;

static ds_status write_limited(void *arg, const void *bytes, size_t length, ds_error *error)
{
    limited *l = arg;
    (void)bytes;
    if (length > l->left)
        return ds_error_set(error, DS_ERR_IO, "full");
    l->left -= length;
    return DS_OK;
}

/* What was not written is not forgotten: the next part is a whole one. */
START_TEST(after_a_write_that_fails_all_is_saved)
{
    twins t;
    open_kind(&t, _i);
    chain *c = &t.chains[0];
    size_t whole = c->parts[0].buffer.length;
    for (size_t limit = 0; limit < whole; limit += 1 + whole / 20) {
        engine_feed(&t.e, "in", "{ 'k': 'key 1', 'n': 9, 'x': 0.5, 's': 'zzz' }");
        engine_batch(&t.e);
        limited l = {limit};
        const ds_save_to to = {.arg = &l, .write = write_limited};
        ds_kept *kept = take(&t, t.e.keyed, c, false);
        ds_status status = ds_kept_save(kept, c->input, limit % 2 == 0, &to, NULL);
        ck_assert(status == DS_ERR_IO || status == DS_OK);
        if (status == DS_OK) /* as if it were lost later */
            ck_assert_int_eq(
                ds_kept_save(kept, c->input, true,
                             &(ds_save_to){.arg = &(limited){0}, .write = write_limited}, NULL),
                DS_ERR_IO);
        put(&t, t.e.keyed, c);
        save_chain(&t, t.e.keyed, c, false);
        empty_chain_but_last(c);
        for (uint32_t i = 1; i < t.n_chains; i++)
            save_chain(&t, t.e.keyed, &t.chains[i], false);
        load_all(&t, &t.e.twin);
    }
    run(&t, 20);
    twins_close(&t);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case("kept", 240);
    const TTest *const tests[] = {windows_of_groups, windows_without_keys, windows_of_rows, states,
                                  aggregates_of_the_users_own};
    const TTest *const of_each[] = {parts_have_to_follow, parts_of_other_kinds_are_refused,
                                    damaged_parts_are_refused,
                                    after_a_write_that_fails_all_is_saved};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tcase, tests[i]);
    for (size_t i = 0; i < sizeof of_each / sizeof *of_each; i++)
        tcase_add_loop_test(tcase, of_each[i], 0, N_KINDS);
    return unit_run_case(tcase, "kept");
}
