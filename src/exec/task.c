#include "exec/task.h"

#include "base/assert.h"
#include "base/paged.h"
#include "columnar/piece.h"
#include "columnar/user_functions.h"
#include "exec/restore.h"
#include "exec/shuffle.h"
#include "exec/task_faults.h"
#include "exec/task_kept.h"
#include "exec/task_sinks.h"

#include <stdlib.h>
#include <string.h>

#define MOST_OUTPUTS 16384u /* of one task; a flush of its tables is one */

/*
 * What leaves a task depends on its mode (ds_task_mode). One that runs again for a batch that was
 * committed before computes as it did then, so that panes and state change in the same way; but
 * what the world has seen already goes nowhere, and a replay gives nothing to later stages either.
 */

/* A task while it runs. */
typedef struct running {
    const ds_task_env *env;
    const ds_task *task;
    ds_frame frame;
    ds_task_sinks *sinks;
    ds_dead_letters *letters; /* NULL: the app has none */
    ds_arena *arena;
    ds_output *outputs;
    uint32_t n_outputs, capacity;
    ds_table_version_use **tables; /* that were taken */
    uint32_t n_tables;
    ds_fault_notes notes;
    ds_shuffle_pieces pieces; /* that it reads */
    bool has_kept;            /* the partition was taken from the keyed store */
    uint64_t spilled_bytes;
    int64_t acts_ms; /* of what is kept */
} running;

static ds_output *add_output(running *run)
{
    if (run->n_outputs == run->capacity) {
        run->capacity = run->capacity == 0 ? 16 : run->capacity * 2;
        run->outputs = ds_realloc(run->outputs, run->capacity, sizeof *run->outputs);
    }
    return &run->outputs[run->n_outputs++];
}

static void count_spilled(running *run, const ds_ref *ref)
{
    if (ds_store_is_on_disk(run->env->store, ref->offset))
        run->spilled_bytes += ref->length;
}

static bool is_muted(const running *run)
{
    DS_ASSERT(run->task->mode <= DS_TASK_REPLAY);
    return run->task->mode != DS_TASK_NORMAL;
}

static ds_status on_shuffle(void *arg, const ds_node *root, const ds_heap *heap,
                            const ds_partition_rows *rows, uint32_t n_partitions,
                            uint32_t n_columns, ds_error *error)
{
    running *run = arg;
    DS_ASSERT(root->stage != DS_NO_STAGE && n_partitions > 0);
    if (run->task->mode == DS_TASK_REPLAY)
        return DS_OK;
    if (run->n_outputs >= MOST_OUTPUTS)
        return ds_error_set(error, DS_ERR_NO_MEMORY,
                            "a task has too much output: make its "
                            "batches smaller");
    ds_ref ref = {.executor_id = run->env->executor_id};
    DS_TRY(ds_shuffle_write(run->env->store, run->env->ranges, run->task->batch_ms, heap, rows,
                            n_partitions, n_columns, &ref, error));
    if (run->env->plan->stages[root->stage].keyed)
        ds_batch_ranges_retain(run->env->ranges, run->task->batch_ms, ref.offset);
    count_spilled(run, &ref);
    uint64_t n_rows = 0;
    for (uint32_t p = 0; p < n_partitions; p++)
        n_rows += rows[p].n_rows;
    *add_output(run) = (ds_output){.kind = DS_OUTPUT_PIECES,
                                   .target = root->stage,
                                   .input = root->input,
                                   .rows = n_rows,
                                   .ref = ref,
                                   .length = ref.length,
                                   .path = ""};
    return DS_OK;
}

static ds_status on_sink(void *arg, const ds_node *node, const ds_heap *heap, const ds_chunk *chunk,
                         ds_error *error)
{
    running *run = arg;
    DS_ASSERT(heap == &run->frame.heap);
    const bool prints = run->task->mode == DS_TASK_PRINTS && !ds_sink_is_staged(node->sink);
    if (is_muted(run) && !prints)
        return DS_OK;
    return ds_task_sinks_write(run->sinks, &run->frame, node, chunk, error);
}

static ds_status on_dropped(void *arg, const ds_node *node, ds_drop_reason reason,
                            const ds_schema *schema, const ds_heap *heap, const ds_chunk *chunk,
                            ds_error *error)
{
    running *run = arg;
    if (run->letters == NULL)
        return DS_OK;
    return ds_dead_letters_rows(run->letters, node->stream, reason, schema, heap, chunk, error);
}

static ds_status on_load(void *arg, const ds_piece_bytes *piece, size_t length, void *to,
                         ds_error *error)
{
    const running *run = arg;
    DS_ASSERT(piece->number < run->pieces.n_refs && length <= piece->length);
    ds_ref ref = run->pieces.refs[piece->number];
    ref.length = length;
    ds_status status = ds_peers_copy(run->env->peers, &ref, to, error);
    return status == DS_ERR_LOST ? DS_ERR_UNAVAILABLE : status;
}

static ds_status on_keep(void *arg, const ds_heap *heap, const ds_column *const *columns,
                         uint32_t n_columns, uint32_t n_rows, ds_piece_bytes *piece,
                         ds_error *error)
{
    running *run = arg;
    const ds_task_env *env = run->env;
    size_t size = ds_piece_size(heap, columns, n_columns, n_rows);
    ds_ref ref = {.executor_id = env->executor_id, .length = size};
    DS_TRY(ds_batch_ranges_take(env->ranges, run->task->batch_ms, size, &ref.offset, error));
    DS_TRY(ds_store_put_piece(env->store, ref.offset, size, heap, columns, n_columns, n_rows, NULL,
                              error));
    count_spilled(run, &ref);
    *piece = (ds_piece_bytes){.bytes = ds_peers_mapped(env->peers, &ref), .length = size};
    if (piece->bytes == NULL)
        piece->number = ds_shuffle_pieces_add(&run->pieces, run->frame.arena, &ref);
    return DS_OK;
}

/* Finds the pieces of this task's partition, in the order of the inputs. Pieces that are gone say
 * nothing about the panes that the task would change: another status tells the driver. */
static ds_status read_pieces(running *run, ds_error *error)
{
    const ds_task *task = run->task;
    ds_status status =
        ds_shuffle_read(run->env->peers, task->inputs, task->n_inputs,
                        run->frame.stage->n_partitions, task->partition, run->frame.arena,
                        run->frame.budget, run->frame.load_bytes, &run->pieces, error);
    return status == DS_ERR_LOST ? DS_ERR_UNAVAILABLE : status;
}

static ds_status run_keyed(running *run, ds_error *error)
{
    const ds_shuffle_pieces *pieces = &run->pieces;
    ds_kept *kept;
    DS_TRY(ds_task_kept_take(run->env, run->task, &kept, error));
    run->has_kept = kept != NULL; /* until the task ends: text of results may lie in it */
    run->acts_ms = DS_NO_BATCH;   /* not known */
    if (kept != NULL) {
        DS_TRY(read_pieces(run, error));
        DS_TRY(ds_stage_reduce(&run->frame, kept, pieces->list, pieces->n, error));
        run->acts_ms = ds_kept_acts_ms(kept);
    }
    ds_task_kept_collect(run->env, run->task, kept);
    return DS_OK;
}

static ds_status run_reduce(running *run, ds_error *error)
{
    const ds_shuffle_pieces *pieces = &run->pieces;
    if (run->frame.stage->keyed)
        return run_keyed(run, error);
    DS_TRY(read_pieces(run, error));
    return ds_stage_reduce(&run->frame, NULL, pieces->list, pieces->n, error);
}

/* Completes shuffle writers and sinks, and hands the outputs to the result. */
static ds_status finish(running *run, ds_task_result *result, ds_error *error)
{
    DS_ASSERT(result->n_outputs == 0);
    DS_TRY(ds_frame_finish(&run->frame));
    uint32_t n_sinks = 0;
    const ds_output *sinks;
    ds_output letters;
    uint32_t n_letters = 0;
    DS_TRY(ds_dead_letters_finish(run->letters, run->arena, &letters, &n_letters, error));
    DS_TRY(ds_task_sinks_finish(run->sinks, &run->frame, run->arena, &sinks, &n_sinks, error));
    if (n_letters > 0)
        *add_output(run) = letters;
    result->outputs = DS_ARENA_ARRAY(run->arena, ds_output, run->n_outputs + n_sinks + 1);
    for (uint32_t i = 0; i < run->n_outputs; i++)
        result->outputs[i] = run->outputs[i];
    for (uint32_t i = 0; i < n_sinks; i++) {
        result->outputs[run->n_outputs + i] = sinks[i];
        if (sinks[i].kind == DS_OUTPUT_BYTES)
            count_spilled(run, &sinks[i].ref);
    }
    result->n_outputs = run->n_outputs + n_sinks;
    return DS_OK;
}

/* Takes what rows are looked up in as they pass. Bytes of a table that are gone say nothing about
 * panes, as those of pieces. */
static ds_status take_tables(running *run, ds_error *error)
{
    DS_ASSERT(run->n_tables == 0);
    const ds_task *task = run->task;
    const ds_stage *stage = run->frame.stage;
    if (stage->n_tables == 0)
        return DS_OK;
    ds_arena *arena = run->frame.arena;
    ds_broadcast **broadcasts = DS_ARENA_ARRAY(arena, ds_broadcast *, run->env->plan->n_nodes + 1);
    run->tables = DS_ARENA_ARRAY(run->arena, ds_table_version_use *, task->n_tables + 1);
    for (uint32_t i = 0; i < task->n_tables; i++) {
        ds_status status = ds_tables_take(run->env->tables, &task->tables[i], broadcasts,
                                          &run->tables[run->n_tables], error);
        if (status != DS_OK)
            return status == DS_ERR_LOST ? DS_ERR_UNAVAILABLE : status;
        run->n_tables++;
    }
    for (uint32_t i = 0; i < stage->n_lookups; i++)
        if (broadcasts[stage->lookups[i]->id] == NULL)
            return ds_error_set(error, DS_ERR_PROTOCOL, "a task lacks a table that it reads");
    run->frame.broadcasts = broadcasts;
    return DS_OK;
}

/* The records of a table were counted, shown and kept when it was loaded. */
static void forget_counts(ds_task_result *result)
{
    result->rows_in = result->bytes_in = result->replaced = 0;
    memset(result->bad, 0, sizeof result->bad);
    result->n_samples = 0;
}

static ds_status run_stage(running *run, ds_scratch *scratch, ds_task_result *result,
                           ds_error *error)
{
    const ds_stage *stage = run->frame.stage;
    const bool table =
        stage->root->kind == DS_NODE_SOURCE && stage->root->source->type == DS_SOURCE_TABLE;
    const ds_source_context source = {.frame = &run->frame,
                                      .node = stage->root,
                                      .task = run->task,
                                      .peers = run->env->peers,
                                      .scratch = scratch,
                                      .letters = table ? NULL : run->letters,
                                      .arena = run->arena};
    ds_status status = take_tables(run, error);
    if (status == DS_OK)
        status = stage->root->kind == DS_NODE_SOURCE ? ds_task_source_run(&source, result, error)
                                                     : run_reduce(run, error);
    if (table)
        forget_counts(result);
    if (status == DS_OK)
        status = ds_task_faults_check(&run->frame, &run->notes, error);
    if (status == DS_OK)
        status = finish(run, result, error);
    /* What a push deep in the pipeline reported counts more than what came of it. */
    if (run->frame.status != DS_OK) {
        *error = run->frame.error;
        return run->frame.status;
    }
    return status;
}

static bool is_valid(const ds_plan *plan, const ds_task *task, const char **why)
{
    static const char nowhere[] = "a task names a stage, partition or mode that its plan has not";
    *why = nowhere;
    if (task->stage >= plan->n_stages || task->mode > DS_TASK_REPLAY)
        return false;
    const ds_stage *stage = &plan->stages[task->stage];
    if (stage->n_partitions > 0 && task->partition >= stage->n_partitions)
        return false;
    *why = "a task brings saved parts that are no chain of its partition";
    return ds_restore_fits(stage, task);
}

ds_task ds_task_copy(ds_arena *arena, const ds_task *task)
{
    ds_task copy = *task;
    copy.inputs = DS_ARENA_ARRAY(arena, ds_input, task->n_inputs + 1);
    for (uint32_t i = 0; i < task->n_inputs; i++) {
        copy.inputs[i] = task->inputs[i];
        copy.inputs[i].path = ds_arena_strdup(arena, task->inputs[i].path);
    }
    copy.tables = DS_ARENA_ARRAY(arena, ds_table_use, task->n_tables + 1);
    for (uint32_t i = 0; i < task->n_tables; i++)
        copy.tables[i] = task->tables[i];
    copy.saved = DS_ARENA_ARRAY(arena, ds_saved_part, task->n_saved + 1);
    for (uint32_t i = 0; i < task->n_saved; i++) {
        copy.saved[i] = task->saved[i];
        copy.saved[i].path = ds_arena_strdup(arena, task->saved[i].path);
    }
    return copy;
}

void ds_task_run(const ds_task_env *env, const ds_task *task, ds_scratch *scratch, ds_arena *arena,
                 ds_task_result *result)
{
    *result = (ds_task_result){.batch_ms = task->batch_ms,
                               .plan_id = task->plan_id,
                               .stage = task->stage,
                               .partition = task->partition,
                               .attempt = task->attempt};
    if (!is_valid(env->plan, task, &result->message)) {
        result->status = DS_ERR_PROTOCOL;
        return;
    }
    result->message = "";
    ds_budget budget;
    ds_budget_init(&budget, env->budget, 0);
    ds_due due;
    ds_arena *due_arena = ds_arena_new(NULL);
    ds_plan_due(env->plan, due_arena, task->batch_ms, &due);
    running run = {.env = env, .task = task, .arena = arena, .acts_ms = INT64_MAX};
    ds_frame_out out = {&run, on_shuffle, on_sink, on_dropped, on_load, on_keep};
    ds_frame_init(&run.frame, env->plan, &env->plan->stages[task->stage], &due, task->batch_ms,
                  task->partition, &budget, &out);
    run.frame.zero_ms = task->zero_ms;
    run.frame.wide = env->kept != NULL && env->kept->paged != NULL ? env->kept : NULL;
    if (env->share_bytes > 0)
        ds_frame_share(&run.frame, env->share_bytes);
    ds_sink_context context = {.store = env->store,
                               .ranges = env->ranges,
                               .executor_id = env->executor_id,
                               .epoch = env->epoch,
                               .durable = env->plan->app->checkpoint_dir != NULL,
                               .task = task};
    run.sinks = ds_task_sinks_new(env->plan, &context);
    run.letters = is_muted(&run) ? NULL : ds_dead_letters_new(env->plan, &context);

    ds_error error = {0};
    ds_fault_notes *before = ds_fault_notes_use(&run.notes);
    result->status = run_stage(&run, scratch, result, &error);
    ds_fault_notes_use(before);
    if (result->status != DS_OK) {
        result->message = ds_arena_strdup(arena, error.message);
        result->outputs = NULL;
        result->n_outputs = 0;
    }
    ds_task_faults_take(result, &run.frame, &run.notes, arena);
    result->spilled_bytes = run.spilled_bytes;
    result->acts_ms = run.acts_ms;
    if (env->kept != NULL && env->kept->paged != NULL)
        result->spilled_bytes += ds_paged_recent(env->kept->paged);
    ds_task_sinks_free(run.sinks);
    ds_dead_letters_free(run.letters, result->status == DS_OK);
    ds_frame_fini(&run.frame);
    while (run.n_tables > 0)
        ds_tables_put(env->tables, run.tables[--run.n_tables]);
    ds_scratch_trim(scratch, env->share_bytes > 0 ? env->share_bytes / 16 : SIZE_MAX);
    if (run.has_kept)
        ds_keyed_store_put(env->keyed, &env->plan->stages[task->stage], task->partition);
    ds_arena_free(due_arena);
    free(run.outputs);
    DS_ASSERT(atomic_load(&budget.used_bytes) == 0);
}
