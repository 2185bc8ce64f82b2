/*
 * A whole plan run by hand, one thread, batch by batch: the tasks of every stage of every batch,
 * each of them twice, which must not make a difference.
 *
 *     engine e;
 *     engine_open(&e, "'in': { 'type': 'queue', ... }", "'a': { ... }", "a");
 *     engine_batch(&e);
 *     engine_rows(&e, "a", "[ { 'n': 1 } ]");
 *     engine_close(&e);
 *
 * Sources of type queue give their lists, batch after batch; others what engine_feed or
 * engine_feed_rate gave. Every input is a task of its own unless block_bytes says otherwise.
 */
#ifndef DS_TESTS_ENGINE_H
#define DS_TESTS_ENGINE_H

#include "columnar/piece.h"
#include "columnar/rows.h"
#include "exec/task.h"
#include "scheduler/batch.h"

#include "unit/plan_unit.h"

#define ENGINE_FED 64
#define ENGINE_STAGES 16
#define ENGINE_STORE ((uint64_t)256 << 20)
#define ENGINE_ID 7
#define ENGINE_OTHER 8 /* an executor that reads tables */

typedef struct engine_fed {
    uint32_t source;
    ds_input input;
} engine_fed;

typedef struct engine {
    planned p;
    const ds_plan *plan;
    ds_spill *spill; /* NULL: none, see engine_tighten */
    ds_store *store;
    ds_batch_ranges *ranges;
    ds_peers *peers;
    ds_keyed_store *keyed;
    ds_collection *collection;
    ds_store *others; /* where the bytes of tables lie */
    ds_tables *tables;
    ds_table_use uses[8]; /* the versions that the next batch joins with */
    uint32_t n_uses;
    ds_budget budget;
    ds_scratch scratch;
    ds_task_env env;
    int64_t **keyed_ms; /* by stage and partition */
    int64_t time_ms;    /* of the batch that ran last */
    uint64_t next_list, block_bytes;
    engine_fed fed[ENGINE_FED]; /* of the next batch */
    uint32_t n_fed;
    bool once;                               /* run each task once only */
    uint8_t modes[ENGINE_STAGES];            /* of their tasks; all are normal at first */
    void (*shape)(void *arg, ds_task *task); /* NULL; or changes each task before it runs */
    void *shape_arg;
    ds_keyed_store *twin; /* NULL, or what the second run of each task keeps */
    ds_batch *batch;      /* that ran last */
    ds_commit commit;
    ds_task_result sum; /* counters of its tasks */
    uint32_t n_tasks;
    char message[DS_ERROR_TEXT]; /* of the task that failed */
} engine;

static inline void engine_make_store(engine *e, uint64_t bytes)
{
    ds_error error;
    ck_assert_int_eq(ds_store_new_spilling(bytes, e->spill, &e->store, &error), DS_OK);
    e->ranges = ds_batch_ranges_new(e->store);
    e->peers = ds_peers_new();
    ds_peers_add_store(e->peers, ENGINE_ID, e->store);
    ck_assert_int_eq(ds_store_new(ENGINE_STORE, &e->others, &error), DS_OK);
    ds_peers_add_store(e->peers, ENGINE_OTHER, e->others);
    e->env.store = e->store;
    e->env.ranges = e->ranges;
    e->env.peers = e->peers;
}

static inline void engine_free_store(engine *e)
{
    ds_peers_free(e->peers);
    ds_batch_ranges_free(e->ranges);
    ds_store_free(e->store);
    ds_store_free(e->others);
    ds_spill_free(e->spill);
}

static inline void engine_make_tables(engine *e)
{
    const ds_table_builder builder = {e->plan, e->peers, &e->budget};
    e->env.tables = e->tables = ds_tables_new(&builder, ENGINE_ID, e->store);
}

static inline void engine_start(engine *e)
{
    ck_assert_msg(e->p.plan != NULL, "%s", e->p.app.said.data);
    e->plan = e->p.plan;
    engine_make_store(e, ENGINE_STORE);
    ds_budget_init(&e->budget, NULL, 0);
    e->keyed = ds_keyed_store_new(&e->budget);
    e->env = (ds_task_env){.plan = e->plan,
                           .store = e->store,
                           .ranges = e->ranges,
                           .peers = e->peers,
                           .keyed = e->keyed,
                           .budget = &e->budget,
                           .executor_id = ENGINE_ID,
                           .epoch = 0xE1,
                           .collection = e->collection = ds_collection_new(),
                           .kept_folder = ""};
    engine_make_tables(e);
    e->keyed_ms = ds_calloc(e->plan->n_stages, sizeof *e->keyed_ms);
    for (uint32_t s = 0; s < e->plan->n_stages; s++) {
        uint32_t n = e->plan->stages[s].n_partitions;
        e->keyed_ms[s] = ds_calloc(n + 1, sizeof **e->keyed_ms);
        for (uint32_t p = 0; p < n; p++)
            e->keyed_ms[s][p] = DS_NO_BATCH;
    }
    e->block_bytes = 1;
}

static inline void engine_open(engine *e, const char *sources, const char *streams,
                               const char *tested)
{
    *e = (engine){.p = plan_well(sources, streams, tested)};
    engine_start(e);
}

/* From now on there is little memory: for the store, which goes on on disk, and for each task.
 * Right after opening. */
static inline void engine_tighten(engine *e, uint64_t store_bytes, size_t share_bytes)
{
    ds_tables_free(e->tables);
    engine_free_store(e);
    e->spill = ds_spill_new("/tmp", (uint64_t)1 << 30);
    engine_make_store(e, store_bytes);
    engine_make_tables(e);
    e->env.share_bytes = share_bytes;
}

/* Of a whole app file, with its sinks. */
static inline void engine_open_app(engine *e, const char *text)
{
    *e = (engine){.p = plan_whole(text, NULL)};
    engine_start(e);
}

/* Forgets the panes, as when an executor is lost. */
static inline void engine_lose_panes(engine *e)
{
    ds_keyed_store_free(e->keyed);
    e->env.keyed = e->keyed = ds_keyed_store_new(&e->budget);
}

static inline void engine_forget_batch(engine *e)
{
    if (e->batch == NULL)
        return;
    ds_batch_ranges_release(e->ranges, e->batch->time_ms);
    ds_batch_free(e->batch);
    e->batch = NULL;
    ck_assert_uint_eq(ds_store_used(e->store), 0);
    ck_assert_uint_eq(e->spill == NULL ? 0 : ds_spill_used(e->spill), 0);
}

static inline void engine_close(engine *e)
{
    engine_forget_batch(e);
    ds_keyed_store_free(e->keyed);
    ds_collection_free(e->collection);
    ds_tables_free(e->tables);
    ck_assert_int_eq(e->budget.used_bytes, 0); /* nothing is left charged */
    ds_scratch_fini(&e->scratch);
    engine_free_store(e);
    for (uint32_t s = 0; s < e->plan->n_stages; s++)
        free(e->keyed_ms[s]);
    free(e->keyed_ms);
    plan_close(&e->p);
}

/* ---- input ---- */

static inline uint32_t engine_source(const engine *e, const char *name)
{
    for (uint32_t i = 0; i < e->plan->app->n_sources; i++)
        if (strcmp(e->plan->app->sources[i].name, name) == 0)
            return i;
    ck_abort_msg("no source %s", name);
    return 0;
}

static inline void engine_add(engine *e, const char *source, ds_input input)
{
    ck_assert_uint_lt(e->n_fed, ENGINE_FED);
    input.path = input.path == NULL ? "" : input.path;
    e->fed[e->n_fed++] = (engine_fed){engine_source(e, source), input};
}

/* Gives records (separated by newlines, ' for ") as a block of a source to the next batch. */
static inline void engine_feed(engine *e, const char *source, const char *records)
{
    if (records[0] == '\0')
        return;
    char *text = unit_quoted(records);
    ds_input input = {.kind = DS_INPUT_BLOCK, .ref = {ENGINE_ID, 0, strlen(text)}};
    int64_t next_ms = e->time_ms + e->plan->app->interval_ms;
    ck_assert_int_eq(
        ds_batch_ranges_take(e->ranges, next_ms, strlen(text), &input.ref.offset, NULL), DS_OK);
    ck_assert_int_eq(ds_store_put(e->store, input.ref.offset, text, strlen(text), NULL), DS_OK);
    free(text);
    engine_add(e, source, input);
}

static inline void engine_feed_rate(engine *e, const char *source, uint64_t from, uint64_t to)
{
    engine_add(e, source, (ds_input){.kind = DS_INPUT_RATE, .from = from, .to = to});
}

/* Gives a table (records as for engine_feed) a new version, with which batches join from now on. */
static inline void engine_table(engine *e, const char *source, const char *records)
{
    char *text = unit_quoted(records);
    uint32_t index = engine_source(e, source), u = 0;
    while (u < e->n_uses && e->uses[u].source != index)
        u++;
    if (u == e->n_uses)
        e->uses[e->n_uses++] = (ds_table_use){.source = index};
    ds_input input = {.kind = DS_INPUT_BLOCK, .ref = {ENGINE_OTHER, 0, strlen(text)}, .path = ""};
    if (text[0] != '\0') {
        ck_assert(ds_store_take(e->others, strlen(text), &input.ref.offset));
        memcpy(ds_store_bytes(e->others, input.ref.offset), text, strlen(text));
    }
    ds_tables_add(e->tables, index, ++e->uses[u].version, &input, text[0] != '\0', NULL);
    free(text);
}

static inline void engine_allot(engine *e, ds_batch *batch)
{
    const ds_app *app = e->plan->app;
    for (uint32_t i = 0; i < app->n_sources; i++) {
        ds_allotment *a = &batch->allotments[batch->n_allotments++];
        *a = (ds_allotment){.source = i};
        a->inputs = DS_ARENA_ARRAY(batch->arena, ds_input, e->n_fed + 1);
        if (json_array_size(json_array_get(app->sources[i].batches, e->next_list)) > 0)
            a->inputs[a->n_inputs++] =
                (ds_input){.kind = DS_INPUT_QUEUE, .from = e->next_list, .path = ""};
        for (uint32_t f = 0; f < e->n_fed; f++)
            if (e->fed[f].source == i)
                a->inputs[a->n_inputs++] = e->fed[f].input;
    }
    e->next_list++;
    e->n_fed = 0;
}

/* ---- running ---- */

static inline void engine_same_output(engine *e, const ds_output *a, const ds_output *b)
{
    ck_assert_uint_eq(a->kind, b->kind);
    ck_assert_uint_eq(a->target, b->target);
    ck_assert_uint_eq(a->rows, b->rows);
    ck_assert_uint_eq(a->length, b->length);
    ck_assert_uint_eq(a->checksum, b->checksum);
    if (a->kind != DS_OUTPUT_FILE)
        ck_assert_mem_eq(ds_store_range(e->store, a->ref.offset, a->length),
                         ds_store_range(e->store, b->ref.offset, b->length), a->length);
}

static inline void engine_same_result(engine *e, const ds_task_result *a, const ds_task_result *b)
{
    ck_assert_uint_eq(a->status, b->status);
    ck_assert_str_eq(a->message, b->message);
    ck_assert_uint_eq(a->rows_in, b->rows_in);
    ck_assert_uint_eq(a->bytes_in, b->bytes_in);
    ck_assert_uint_eq(a->replaced, b->replaced);
    ck_assert_uint_eq(a->lost_bytes, b->lost_bytes);
    ck_assert_uint_eq(a->overflow_rows, b->overflow_rows);
    ck_assert_uint_eq(a->overflow_values, b->overflow_values);
    ck_assert_uint_eq(a->function_rows, b->function_rows);
    ck_assert_uint_eq(a->function_values, b->function_values);
    ck_assert_mem_eq(a->bad, b->bad, sizeof a->bad);
    ck_assert_uint_eq(a->n_samples, b->n_samples);
    ck_assert_uint_eq(a->n_outputs, b->n_outputs);
    for (uint32_t i = 0; i < a->n_outputs; i++)
        engine_same_output(e, &a->outputs[i], &b->outputs[i]);
}

static inline void engine_count(engine *e, const ds_task_result *r)
{
    e->n_tasks++;
    e->sum.rows_in += r->rows_in;
    e->sum.bytes_in += r->bytes_in;
    e->sum.replaced += r->replaced;
    e->sum.lost_bytes += r->lost_bytes;
    e->sum.overflow_rows += r->overflow_rows;
    e->sum.overflow_values += r->overflow_values;
    e->sum.function_rows += r->function_rows;
    e->sum.function_values += r->function_values;
    e->sum.spilled_bytes += r->spilled_bytes;
    for (uint32_t i = 0; i < DS_BAD_REASON_SLOTS; i++)
        e->sum.bad[i] += r->bad[i];
}

static inline ds_task engine_task(engine *e, uint32_t s, uint32_t p)
{
    const ds_batch_stage *stage = &e->batch->stages[s];
    bool map = e->plan->stages[s].root->kind == DS_NODE_SOURCE;
    return (ds_task){.batch_ms = e->time_ms,
                     .stage = s,
                     .partition = p,
                     .mode = s < ENGINE_STAGES ? e->modes[s] : DS_TASK_NORMAL,
                     .keyed_ms = map ? DS_NO_BATCH : e->keyed_ms[s][p],
                     .inputs = map ? stage->tasks[p].inputs : stage->inputs,
                     .n_inputs = map ? stage->tasks[p].n_inputs : stage->n_inputs,
                     .tables = e->uses,
                     .n_tables = e->plan->stages[s].n_tables > 0 ? e->n_uses : 0};
}

static inline ds_status engine_run_task(engine *e, uint32_t s, uint32_t p)
{
    ds_arena *arena = e->batch->arena;
    ds_task task = engine_task(e, s, p);
    if (e->shape != NULL)
        e->shape(e->shape_arg, &task);
    ds_task_result result, again;
    ds_task_run(&e->env, &task, &e->scratch, arena, &result);
    if (!e->once) {
        ds_task_env env = e->env;
        env.keyed = e->twin != NULL ? e->twin : env.keyed;
        task.attempt = 1;
        ds_task_run(&env, &task, &e->scratch, arena, &again);
        engine_same_result(e, &result, &again);
        result = again;
    }
    snprintf(e->message, sizeof e->message, "%s", result.message);
    if (result.status != DS_OK)
        return (ds_status)result.status;
    engine_count(e, &result);
    if (e->plan->stages[s].keyed)
        e->keyed_ms[s][p] = e->time_ms;
    ds_batch_task_done(e->batch, e->plan, s, p, result.outputs, result.n_outputs);
    return DS_OK;
}

/* Runs the next batch; the status of the first task that fails. */
static inline ds_status engine_try(engine *e)
{
    if (e->batch != NULL) { /* what was fed since stays */
        ds_batch_ranges_release(e->ranges, e->batch->time_ms);
        ds_batch_free(e->batch);
    }
    e->time_ms += e->plan->app->interval_ms;
    e->batch = ds_batch_new(e->plan, e->time_ms);
    e->sum = (ds_task_result){0};
    e->n_tasks = 0;
    engine_allot(e, e->batch);
    ds_batch_make_stages(e->batch, e->plan, e->block_bytes);
    for (uint32_t s = 0; s < e->plan->n_stages; s++)
        for (uint32_t p = 0; p < e->batch->stages[s].n_tasks; p++)
            DS_TRY(engine_run_task(e, s, p));
    ck_assert(ds_batch_is_done(e->batch));
    e->commit = ds_batch_commit(e->batch, e->plan);
    return DS_OK;
}

static inline void engine_batch(engine *e)
{
    ds_status status = engine_try(e);
    ck_assert_msg(status == DS_OK, "%s", e->message);
}

static inline void engine_batches(engine *e, int n)
{
    for (int i = 0; i < n; i++)
        engine_batch(e);
}

/* ---- results ---- */

static inline uint32_t engine_sink(const engine *e, const char *name)
{
    for (uint32_t i = 0; i < e->plan->n_sinks; i++)
        if (strcmp(e->plan->sinks[i]->name, name) == 0)
            return i;
    ck_abort_msg("%s is not tested", name);
    return 0;
}

/* The rows of a sink in the last batch, as chunks in the batch's arena. */
static inline ds_chunk *engine_chunks(engine *e, const char *stream, ds_heap *heap, uint32_t *n)
{
    ds_arena *arena = e->batch->arena;
    const ds_schema *schema = ds_plan_find(e->plan, stream)->schema;
    uint32_t sink = engine_sink(e, stream), most = 0;
    for (uint32_t i = 0; i < e->commit.n_bytes; i++)
        most += (uint32_t)(e->commit.bytes[i].rows / DS_CHUNK_ROWS) + 1;
    ds_chunk *chunks = DS_ARENA_ARRAY(arena, ds_chunk, most + 1);
    ds_type *types = DS_ARENA_ARRAY(arena, ds_type, schema->n_fields + 1);
    for (uint32_t c = 0; c < schema->n_fields; c++)
        types[c] = schema->fields[c].type;
    *n = 0;
    for (uint32_t i = 0; i < e->commit.n_bytes; i++) {
        const ds_output *output = &e->commit.bytes[i];
        if (output->target != sink)
            continue;
        ds_column **columns = DS_ARENA_ARRAY(arena, ds_column *, schema->n_fields + 1);
        uint32_t rows;
        ds_error error;
        ds_status status =
            ds_piece_read(arena, heap, ds_store_range(e->store, output->ref.offset, output->length),
                          output->length, types, schema->n_fields, columns, &rows, &error);
        ck_assert_msg(status == DS_OK, "%s", error.message);
        ck_assert_uint_eq(rows, output->rows);
        for (uint32_t from = 0; from < rows; from += DS_CHUNK_ROWS) {
            uint32_t count = rows - from < DS_CHUNK_ROWS ? rows - from : DS_CHUNK_ROWS;
            uint32_t *indexes = DS_ARENA_ARRAY(arena, uint32_t, count);
            for (uint32_t r = 0; r < count; r++)
                indexes[r] = from + r;
            const ds_column **cut = DS_ARENA_ARRAY(arena, const ds_column *, schema->n_fields + 1);
            for (uint32_t c = 0; c < schema->n_fields; c++)
                cut[c] = ds_column_gather(arena, columns[c], indexes, count);
            chunks[(*n)++] = (ds_chunk){count, schema->n_fields, cut, NULL};
        }
    }
    return chunks;
}

static inline uint64_t engine_count_rows(engine *e, const char *stream)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < e->commit.n_bytes; i++)
        if (e->commit.bytes[i].target == engine_sink(e, stream))
            n += e->commit.bytes[i].rows;
    return n;
}

static inline void engine_compare(engine *e, const char *stream, const char *expected, bool ordered)
{
    char *text = unit_quoted(expected);
    json_error_t why;
    json_t *json = json_loads(text, 0, &why);
    ck_assert_msg(json != NULL, "%s in %s", why.text, text);
    free(text);
    ds_heap heap;
    ds_heap_init(&heap, e->batch->arena);
    uint32_t n;
    ds_chunk *chunks = engine_chunks(e, stream, &heap, &n);
    ds_rows_difference difference;
    ds_error error = {.message = ""};
    ds_status status = ds_rows_compare(e->batch->arena, ds_plan_find(e->plan, stream)->schema,
                                       &heap, chunks, n, json, ordered, &difference, &error);
    ck_assert_msg(status == DS_OK, "%s: %s", stream, error.message);
    ck_assert_msg(difference.equal, "%s at %d ms:\n%s", stream, (int)e->time_ms, difference.text);
    ds_heap_fini(&heap);
    json_decref(json);
}

/* Compares the rows that a tested stream had in the last batch, in any order or in this one. */
static inline void engine_rows(engine *e, const char *stream, const char *expected)
{
    engine_compare(e, stream, expected, false);
}

static inline void engine_in_order(engine *e, const char *stream, const char *expected)
{
    engine_compare(e, stream, expected, true);
}

#endif
