/* A batch that was committed and may run again, made small: only what a replay needs stays. */
#include "base/assert.h"
#include "scheduler/batch.h"
#include "scheduler/id_map.h"

#include <stdlib.h>
#include <string.h>

/* A batch on its way into a smaller arena. */
typedef struct shrinking {
    ds_batch *batch;
    const ds_plan *plan;
    ds_arena *arena; /* the new one */
} shrinking;

bool ds_batch_applied(const ds_batch *batch, const ds_plan *plan)
{
    for (uint32_t s = 0; s < plan->n_stages; s++)
        if (plan->stages[s].keyed && batch->stages[s].n_tasks > 0)
            return true;
    return false;
}

static ds_input *copy_inputs(const shrinking *s, const ds_input *inputs, uint32_t n)
{
    ds_input *copies = DS_ARENA_ARRAY(s->arena, ds_input, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        copies[i] = inputs[i];
        copies[i].path = inputs[i].path[0] == '\0' ? "" : ds_arena_strdup(s->arena, inputs[i].path);
        ds_input_use_log(&copies[i]); /* blocks are released */
    }
    return copies;
}

/* Those of a table are the table's, and stay as long as its version does. */
static void copy_allotments(const shrinking *s)
{
    ds_batch *batch = s->batch;
    ds_allotment *copies = DS_ARENA_ARRAY(s->arena, ds_allotment, s->plan->app->n_sources + 1);
    for (uint32_t i = 0; i < batch->n_allotments; i++) {
        copies[i] = batch->allotments[i];
        if (s->plan->app->sources[copies[i].source].type != DS_SOURCE_TABLE)
            copies[i].inputs = copy_inputs(s, copies[i].inputs, copies[i].n_inputs);
    }
    batch->allotments = copies;
}

/* What a map task reads: mostly a part of what its source was allotted. */
static ds_input *find_inputs(const shrinking *s, const ds_allotment *before,
                             const ds_batch_task *task)
{
    for (uint32_t i = 0; i < s->batch->n_allotments; i++) {
        const ds_allotment *from = &before[i];
        if (from->n_inputs > 0 && task->inputs >= from->inputs &&
            task->inputs < from->inputs + from->n_inputs)
            return s->batch->allotments[i].inputs + (task->inputs - from->inputs);
    }
    return copy_inputs(s, task->inputs, task->n_inputs);
}

/* Only pieces for keyed stages are of use any more. */
static void keep_outputs(const shrinking *s, ds_batch_task *task)
{
    const ds_output *from = task->outputs;
    uint32_t n = task->n_outputs;
    task->n_outputs = 0;
    task->outputs = NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (from[i].kind != DS_OUTPUT_PIECES || !s->plan->stages[from[i].target].keyed)
            continue;
        if (task->outputs == NULL)
            task->outputs = DS_ARENA_ARRAY(s->arena, ds_output, n - i);
        task->outputs[task->n_outputs] = from[i];
        task->outputs[task->n_outputs++].path = "";
    }
}

static void copy_tasks(const shrinking *s, const ds_allotment *before, ds_batch_stage *stage)
{
    ds_batch_task *copies = DS_ARENA_ARRAY(s->arena, ds_batch_task, stage->n_tasks + 1);
    for (uint32_t p = 0; p < stage->n_tasks; p++) {
        copies[p] = stage->tasks[p];
        DS_ASSERT(copies[p].state == DS_TASK_DONE);
        if (copies[p].n_inputs > 0)
            copies[p].inputs = find_inputs(s, before, &copies[p]);
        keep_outputs(s, &copies[p]);
    }
    stage->tasks = copies;
}

static void copy_stages(const shrinking *s, const ds_allotment *before)
{
    ds_batch *batch = s->batch;
    ds_batch_stage *copies = DS_ARENA_ARRAY(s->arena, ds_batch_stage, s->plan->n_stages + 1);
    for (uint32_t id = 0; id < s->plan->n_stages; id++) {
        ds_batch_stage *stage = &copies[id];
        *stage = batch->stages[id];
        DS_ASSERT(stage->done);
        stage->inputs = NULL;
        if (s->plan->stages[id].keyed)
            stage->inputs = copy_inputs(s, batch->stages[id].inputs, stage->n_inputs);
        else
            stage->n_inputs = 0;
        if (stage->n_tasks > 0)
            copy_tasks(s, before, stage);
    }
    batch->stages = copies;
}

static void copy_tables(const shrinking *s)
{
    ds_batch *batch = s->batch;
    ds_batch_table *copies = DS_ARENA_ARRAY(s->arena, ds_batch_table, batch->n_tables + 1);
    if (batch->n_tables > 0)
        memcpy(copies, batch->tables, batch->n_tables * sizeof *copies);
    batch->tables = copies;
}

/* What its pieces take of each store. */
static void count_held(const shrinking *s)
{
    ds_batch *batch = s->batch;
    ds_id_map known = {0};
    size_t most = 0;
    for (uint32_t id = 0; id < s->plan->n_stages; id++)
        most += batch->stages[id].n_inputs;
    ds_held_bytes *held = ds_calloc(most + 1, sizeof *held);
    for (uint32_t id = 0; id < s->plan->n_stages; id++)
        for (uint32_t i = 0; i < batch->stages[id].n_inputs; i++) {
            const ds_ref *ref = &batch->stages[id].inputs[i].ref;
            ds_held_bytes *there = ds_id_map_find(&known, ref->executor_id);
            if (there == NULL) {
                there = &held[batch->n_held++];
                there->executor_id = ref->executor_id;
                ds_id_map_add(&known, ref->executor_id, there);
            }
            there->bytes += ref->length;
        }
    batch->held = DS_ARENA_ARRAY(s->arena, ds_held_bytes, batch->n_held + 1);
    memcpy(batch->held, held, batch->n_held * sizeof *held);
    ds_id_map_fini(&known);
    free(held);
}

void ds_batch_retain(ds_batch *batch, const ds_plan *plan)
{
    DS_ASSERT(ds_batch_is_done(batch) && batch->held == NULL);
    ds_arena *before = batch->arena;
    const shrinking s = {batch, plan, ds_arena_new(NULL)};
    const ds_allotment *allotments = batch->allotments;
    copy_allotments(&s);
    copy_stages(&s, allotments);
    copy_tables(&s);
    ds_plan_due(plan, s.arena, batch->time_ms, &batch->due);
    count_held(&s);
    batch->state = DS_BATCH_RETAINED;
    batch->muted = batch->committed = true;
    batch->commit = (ds_commit){.batch_ms = batch->time_ms};
    batch->blocks = NULL;
    batch->letters = NULL;
    batch->n_blocks = batch->n_letters = 0;
    batch->bad = NULL;
    batch->arena = s.arena;
    ds_arena_free(before);
}
