#include "scheduler/batch.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

#define KEYS_OF_THREAD 4u                /* executors.key_partitions, as it is computed */
#define PART_BYTES ((uint64_t)512 << 10) /* less is not worth another task */

ds_batch *ds_batch_new(const ds_plan *plan, int64_t time_ms)
{
    ds_batch *batch = ds_calloc(1, sizeof *batch);
    batch->time_ms = time_ms;
    batch->arena = ds_arena_new(NULL);
    ds_plan_due(plan, batch->arena, time_ms, &batch->due);
    batch->allotments = DS_ARENA_ARRAY(batch->arena, ds_allotment, plan->app->n_sources + 1);
    batch->stages = DS_ARENA_ARRAY(batch->arena, ds_batch_stage, plan->n_stages + 1);
    batch->bad = DS_ARENA_ARRAY(batch->arena, uint64_t, plan->app->n_sources + 1);
    return batch;
}

void ds_batch_free(ds_batch *batch)
{
    if (batch == NULL)
        return;
    ds_arena_free(batch->arena);
    free(batch);
}

uint64_t ds_input_size(const ds_input *input)
{
    switch (input->kind) {
    case DS_INPUT_FILE:
    case DS_INPUT_TAIL: return input->to - input->from;
    case DS_INPUT_RATE: return (input->to - input->from) * 32;
    case DS_INPUT_QUEUE: return UINT64_MAX / 2; /* never joined */
    default: return input->ref.length;
    }
}

/* ---- stages ---- */

/* A batch that began anew has had tasks with these numbers before. */
static void begin_attempts(const ds_batch *batch, ds_batch_stage *stage)
{
    for (uint32_t p = 0; p < stage->n_tasks; p++)
        stage->tasks[p].attempt = batch->first_attempt;
}

/* How inputs become tasks: a task has up to `bytes`, and one of `n_parts` even parts of `total`. */
typedef struct split {
    uint64_t bytes, total, n_parts;
} split;

/* All that is not much is shared by the threads there are as a rule. What decides is the same
 * whenever the batch runs again: the order in which values are added up depends on it. */
static split split_of(const ds_plan *plan, const ds_allotment *allotment, uint64_t block_bytes)
{
    const uint64_t threads = plan->key_partitions / KEYS_OF_THREAD;
    split s = {.bytes = block_bytes, .n_parts = 1};
    for (uint32_t i = 0; i < allotment->n_inputs && s.total / block_bytes < threads; i++)
        s.total += ds_input_size(&allotment->inputs[i]);
    if (s.total / block_bytes >= threads)
        return s;
    s.n_parts = s.total / PART_BYTES < threads ? s.total / PART_BYTES : threads;
    return s;
}

/* In which of the even parts the middle of an input lies, behind `before` bytes of others. */
static uint64_t part_of(const split *s, uint64_t before, uint64_t more)
{
    return s->n_parts < 2 ? 0 : (before + more / 2) * s->n_parts / s->total;
}

static void add_map_tasks(ds_batch *batch, ds_batch_stage *stage, const ds_plan *plan,
                          const ds_allotment *allotment, uint64_t block_bytes)
{
    DS_ASSERT(stage->tasks == NULL && stage->n_tasks == 0);
    const split s = split_of(plan, allotment, block_bytes);
    stage->tasks = DS_ARENA_ARRAY(batch->arena, ds_batch_task, allotment->n_inputs + 1);
    uint64_t size = 0, before = 0, part = 0;
    for (uint32_t i = 0; i < allotment->n_inputs; i++) {
        uint64_t more = ds_input_size(&allotment->inputs[i]), last_part = part;
        part = part_of(&s, before, more);
        bool joins = stage->n_tasks > 0 && part == last_part && size + more <= s.bytes &&
                     stage->tasks[stage->n_tasks - 1].n_inputs < DS_TASK_INPUTS;
        if (!joins) {
            stage->tasks[stage->n_tasks++].inputs = &allotment->inputs[i];
            size = 0;
        }
        stage->tasks[stage->n_tasks - 1].n_inputs++;
        size += more;
        before += more;
    }
    DS_ASSERT(stage->n_tasks <= allotment->n_inputs);
    begin_attempts(batch, stage);
}

static const ds_allotment *allotment_of(const ds_batch *batch, const ds_plan *plan,
                                        const ds_app_source *source)
{
    for (uint32_t i = 0; i < batch->n_allotments; i++)
        if (&plan->app->sources[batch->allotments[i].source] == source)
            return &batch->allotments[i];
    return NULL;
}

/* Adds the outputs of the map tasks for one input of a stage, or only counts them. */
static uint32_t add_inputs(const ds_batch *batch, const ds_stage *stage, uint32_t input,
                           ds_input *to)
{
    uint32_t n = 0;
    for (uint32_t p = 0; p < stage->n_parents; p++) {
        const ds_batch_stage *from = &batch->stages[stage->parents[p]];
        for (uint32_t t = 0; t < from->n_tasks; t++)
            for (uint32_t o = 0; o < from->tasks[t].n_outputs; o++) {
                const ds_output *output = &from->tasks[t].outputs[o];
                if (output->kind != DS_OUTPUT_PIECES || output->target != stage->id ||
                    output->input != input)
                    continue;
                if (to != NULL)
                    to[n] = (ds_input){
                        .kind = DS_INPUT_PIECES, .ref = output->ref, .input = input, .path = ""};
                n++;
            }
    }
    return n;
}

/* All outputs for a stage, in the order of its inputs and, for each, of the stages and partitions
 * that wrote them. */
static void gather_inputs(ds_batch *batch, const ds_plan *plan, uint32_t id)
{
    const ds_stage *stage = &plan->stages[id];
    ds_batch_stage *to = &batch->stages[id];
    uint32_t most = 0;
    for (uint32_t i = 0; i < stage->n_inputs; i++)
        most += add_inputs(batch, stage, i, NULL);
    to->inputs = DS_ARENA_ARRAY(batch->arena, ds_input, most + 1);
    to->n_inputs = 0;
    for (uint32_t i = 0; i < stage->n_inputs; i++)
        to->n_inputs += add_inputs(batch, stage, i, to->inputs + to->n_inputs);
    DS_ASSERT(to->n_inputs == most);
}

static void add_reduce_tasks(ds_batch *batch, const ds_plan *plan, uint32_t id)
{
    ds_batch_stage *stage = &batch->stages[id];
    gather_inputs(batch, plan, id);
    DS_ASSERT(stage->tasks == NULL || stage->n_tasks == plan->stages[id].n_partitions);
    if (stage->tasks != NULL)
        return; /* it had lost inputs, and has them again */
    if (stage->n_inputs == 0 && !ds_stage_due_always(&plan->stages[id], &batch->due) &&
        !(batch->saves && plan->stages[id].keyed))
        return;
    stage->n_tasks = plan->stages[id].n_partitions;
    stage->tasks = DS_ARENA_ARRAY(batch->arena, ds_batch_task, stage->n_tasks);
    begin_attempts(batch, stage);
}

static bool parents_done(const ds_batch *batch, const ds_stage *stage)
{
    DS_ASSERT(stage->n_parents == 0 || stage->parents[stage->n_parents - 1] < stage->id);
    for (uint32_t p = 0; p < stage->n_parents; p++)
        if (!batch->stages[stage->parents[p]].done)
            return false;
    return true;
}

void ds_batch_advance(ds_batch *batch, const ds_plan *plan)
{
    for (uint32_t id = 0; id < plan->n_stages; id++) {
        ds_batch_stage *stage = &batch->stages[id];
        if (stage->stale && parents_done(batch, &plan->stages[id])) {
            gather_inputs(batch, plan, id);
            stage->stale = false;
        }
        if (stage->done || stage->ready || !parents_done(batch, &plan->stages[id]))
            continue;
        if (stage->runs && plan->stages[id].root->kind != DS_NODE_SOURCE)
            add_reduce_tasks(batch, plan, id);
        stage->ready = true;
        if (stage->n_tasks == 0) {
            stage->done = true;
            DS_ASSERT(batch->stages_left > 0);
            batch->stages_left--;
        }
    }
}

/* Which stages make something for a keyed one, or are one. */
static const bool *feeds_keyed(const ds_batch *batch, const ds_plan *plan)
{
    bool *feeds = DS_ARENA_ARRAY(batch->arena, bool, plan->n_stages + 1);
    for (uint32_t id = plan->n_stages; id-- > 0;) {
        const ds_stage *stage = &plan->stages[id];
        feeds[id] = feeds[id] || stage->keyed;
        for (uint32_t p = 0; p < stage->n_parents && feeds[id]; p++)
            feeds[stage->parents[p]] = true;
    }
    return feeds;
}

static bool stage_runs(const ds_batch *batch, const ds_plan *plan, uint32_t id)
{
    if (batch->muted && !batch->prints && !feeds_keyed(batch, plan)[id])
        return false;
    return batch->due.stage_runs[id] || (batch->saves && plan->stages[id].keyed);
}

void ds_batch_make_stages(ds_batch *batch, const ds_plan *plan, uint64_t block_bytes)
{
    batch->stages_left = plan->n_stages;
    for (uint32_t id = 0; id < plan->n_stages; id++) {
        const ds_node *root = plan->stages[id].root;
        ds_batch_stage *stage = &batch->stages[id];
        stage->runs = stage_runs(batch, plan, id);
        if (!stage->runs || root->kind != DS_NODE_SOURCE)
            continue;
        const ds_allotment *allotment = allotment_of(batch, plan, root->source);
        if (allotment != NULL)
            add_map_tasks(batch, stage, plan, allotment, block_bytes);
    }
    ds_batch_advance(batch, plan);
}

void ds_batch_allot(ds_batch *batch, uint32_t source, ds_input *inputs, uint32_t n_inputs)
{
    uint32_t i = 0;
    while (i < batch->n_allotments && batch->allotments[i].source != source)
        i++;
    if (i == batch->n_allotments)
        batch->allotments[batch->n_allotments++] = (ds_allotment){.source = source};
    batch->allotments[i].inputs = inputs;
    batch->allotments[i].n_inputs = n_inputs;
}

/* What is in the counters already is not counted again. */
static void keep_counted(const ds_batch_stage *from, ds_batch_stage *to)
{
    for (uint32_t p = 0; p < from->n_tasks && from->n_tasks == to->n_tasks; p++)
        to->tasks[p].counted = from->tasks[p].counted;
}

void ds_batch_restart(ds_batch *batch, const ds_plan *plan, uint64_t block_bytes)
{
    const ds_batch_stage *before = batch->stages;
    for (uint32_t s = 0; s < plan->n_stages; s++) {
        DS_ASSERT(!ds_batch_stage_runs(&before[s]));
        for (uint32_t p = 0; p < before[s].n_tasks; p++)
            if (before[s].tasks[p].attempt >= batch->first_attempt)
                batch->first_attempt = before[s].tasks[p].attempt + 2; /* one may be a copy */
    }
    DS_ASSERT(batch->state == DS_BATCH_ALLOTTED || batch->state == DS_BATCH_RUNNING);
    batch->stages = DS_ARENA_ARRAY(batch->arena, ds_batch_stage, plan->n_stages + 1);
    ds_batch_make_stages(batch, plan, block_bytes);
    for (uint32_t s = 0; s < plan->n_stages; s++)
        keep_counted(&before[s], &batch->stages[s]);
}

/* A task is in no state for the moment. */
static void leave_state(ds_batch_stage *stage, uint32_t partition)
{
    DS_ASSERT(partition < stage->n_tasks);
    ds_task_state state = stage->tasks[partition].state;
    stage->n_running -= state == DS_TASK_RUNNING;
    if (state != DS_TASK_WAITING)
        return;
    if (partition < stage->fresh) {
        stage->n_again--;
        return;
    }
    stage->n_again += partition - stage->fresh; /* they are passed over */
    stage->fresh = partition + 1;
    stage->again_us = 0;
}

void ds_batch_begin(ds_batch_stage *stage, uint32_t partition)
{
    DS_ASSERT(stage->tasks[partition].state == DS_TASK_WAITING);
    leave_state(stage, partition);
    stage->tasks[partition].state = DS_TASK_RUNNING;
    stage->n_running++;
}

void ds_batch_end(ds_batch_stage *stage, uint32_t partition)
{
    DS_ASSERT(stage->tasks[partition].state == DS_TASK_RUNNING);
    leave_state(stage, partition);
    stage->tasks[partition].state = DS_TASK_WAITING;
    stage->n_again++;
}

void ds_batch_begin_again(ds_batch_stage *stage, uint32_t partition)
{
    ds_batch_task *task = &stage->tasks[partition];
    DS_ASSERT(partition < stage->n_tasks);
    leave_state(stage, partition);
    task->state = DS_TASK_WAITING;
    stage->n_again++;
    stage->again_us = 0;
    task->attempt += task->copied ? 2 : 1;
    task->copied = false;
    if (partition < stage->next)
        stage->next = partition;
}

bool ds_batch_task_done(ds_batch *batch, const ds_plan *plan, uint32_t stage_id, uint32_t partition,
                        const ds_output *outputs, uint32_t n_outputs)
{
    ds_batch_stage *stage = &batch->stages[stage_id];
    ds_batch_task *task = &stage->tasks[partition];
    DS_ASSERT(partition < stage->n_tasks && !stage->done);
    DS_ASSERT(task->state != DS_TASK_DONE);
    leave_state(stage, partition);
    task->state = DS_TASK_DONE;
    task->outputs = DS_ARENA_ARRAY(batch->arena, ds_output, n_outputs + 1);
    task->n_outputs = n_outputs;
    for (uint32_t i = 0; i < n_outputs; i++) {
        task->outputs[i] = outputs[i];
        task->outputs[i].path = ds_arena_strdup(batch->arena, outputs[i].path);
    }
    if (++stage->n_done < stage->n_tasks)
        return false;
    DS_ASSERT(stage->n_done == stage->n_tasks && batch->stages_left > 0);
    stage->done = true;
    batch->stages_left--;
    ds_batch_advance(batch, plan);
    return true;
}

bool ds_batch_stage_runs(const ds_batch_stage *stage)
{
    return stage->n_running > 0;
}

bool ds_batch_is_done(const ds_batch *batch)
{
    return batch->stages_left == 0;
}
