/*
 * What a batch does when bytes are gone: outputs of its tasks, and blocks it was to read, that lay
 * in a store which nobody holds and whose executor is lost.
 *
 * A task that is done runs again if what it wrote is gone and still wanted: rows for a sink
 * always are, pieces as long as the stage that reads them is not done. Going through the
 * stages from the last to the first finds all of them in one pass, since a stage that has
 * to run again wants its own inputs again. Then the stages that lost inputs wait until these
 * are there, under new references; their tasks that run meanwhile may succeed all the same.
 *
 * Of a batch that may be applied again the pieces for keyed stages stay wanted when these are done,
 * too. Once it is committed nothing else is there any more: what a stage between reads has to
 * be made anew in full.
 *
 * Blocks are there once, or as a replica, too, and perhaps in the log: from there map tasks read
 * those that are gone, others they leave out.
 */
#include "base/assert.h"
#include "scheduler/batch.h"

typedef struct losing {
    ds_batch *batch;
    const ds_plan *plan;
    ds_gone_fn gone;
    const void *arg;
    bool *in_full; /* by stage: all that its tasks wrote is wanted, and gone */
} losing;

static bool is_missed(const losing *l, const ds_output *output)
{
    DS_ASSERT(output->kind != DS_OUTPUT_PIECES || output->target < l->plan->n_stages);
    if (output->kind == DS_OUTPUT_FILE || !l->gone(l->arg, &output->ref))
        return false;
    if (output->kind == DS_OUTPUT_BYTES)
        return true;
    return !l->batch->stages[output->target].done ||
           (l->batch->replays && l->plan->stages[output->target].keyed);
}

static bool misses_output(const losing *l, const ds_batch_task *task)
{
    for (uint32_t i = 0; i < task->n_outputs; i++)
        if (is_missed(l, &task->outputs[i]))
            return true;
    return false;
}

/* A committed batch has only what keyed stages read. */
static void want_parents(const losing *l, uint32_t id)
{
    const ds_stage *plan = &l->plan->stages[id];
    if (l->batch->state != DS_BATCH_RETAINED || plan->keyed || plan->root->kind == DS_NODE_SOURCE)
        return;
    for (uint32_t i = 0; i < plan->n_parents; i++)
        l->in_full[plan->parents[i]] = true;
    l->batch->stages[id].ready = false;
}

static uint32_t redo_tasks(const losing *l, uint32_t id)
{
    uint32_t n = 0;
    ds_batch_stage *stage = &l->batch->stages[id];
    for (uint32_t p = 0; p < stage->n_tasks; p++) {
        ds_batch_task *task = &stage->tasks[p];
        if (task->state != DS_TASK_DONE || !(l->in_full[id] || misses_output(l, task)))
            continue;
        task->n_outputs = 0;
        DS_ASSERT(stage->n_done > 0);
        stage->n_done--;
        ds_batch_begin_again(stage, p);
        n++;
    }
    if (n > 0 && stage->done) {
        stage->done = false;
        l->batch->stages_left++;
    }
    if (n > 0)
        want_parents(l, id);
    return n;
}

static bool lost_inputs(const losing *l, const ds_batch_stage *stage)
{
    for (uint32_t i = 0; i < stage->n_inputs; i++)
        if (l->gone(l->arg, &stage->inputs[i].ref))
            return true;
    return false;
}

/* Failures of tasks whose inputs are gone are not held against them. */
static void wait_for_parents(ds_batch_stage *stage)
{
    DS_ASSERT(!stage->done);
    stage->ready = false;
    for (uint32_t p = 0; p < stage->n_tasks; p++)
        stage->tasks[p].failures = 0, stage->tasks[p].not_before_us = 0;
}

uint32_t ds_batch_lose_outputs(ds_batch *batch, const ds_plan *plan, ds_gone_fn gone,
                               const void *arg)
{
    const losing l = {batch, plan, gone, arg,
                      DS_ARENA_ARRAY(batch->arena, bool, plan->n_stages + 1)};
    uint32_t n = 0;
    DS_ASSERT(!batch->recovered || batch->muted);
    for (uint32_t s = plan->n_stages; s-- > 0;)
        n += redo_tasks(&l, s);
    for (uint32_t s = 0; s < plan->n_stages; s++) {
        ds_batch_stage *stage = &batch->stages[s];
        if (!lost_inputs(&l, stage)) /* of one that became done while it waited, too */
            continue;
        /* Its tasks that run may end well meanwhile: then it is done, and a replay has to wait. */
        stage->stale = stage->stale || (batch->replays && plan->stages[s].keyed);
        if (!stage->done)
            wait_for_parents(stage);
    }
    ds_batch_advance(batch, plan); /* some may be there again already, under other references */
    return n;
}

/* ---- blocks ---- */

const char *ds_input_log_path(ds_arena *arena, const char *folder, const ds_log_place *place)
{
    char name[DS_LOG_NAME];
    ds_log_place_name(name, place);
    return ds_arena_printf(arena, "%s/%s", folder, name);
}

void ds_input_use_log(ds_input *input)
{
    if (input->kind != DS_INPUT_BLOCK || input->log.receiver_id == 0)
        return;
    DS_ASSERT(input->path[0] != '\0');
    input->kind = DS_INPUT_LOG;
    input->ref = (ds_ref){.length = input->ref.length};
}

/* The inputs are the allotment's too, which stays what it was: the task gets a list of its own. */
static void keep_blocks(const losing *l, ds_batch_task *task, ds_lost_blocks *lost)
{
    DS_ASSERT(task->state == DS_TASK_WAITING);
    ds_input *kept = DS_ARENA_ARRAY(l->batch->arena, ds_input, task->n_inputs + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < task->n_inputs; i++) {
        const ds_input *input = &task->inputs[i];
        if (input->kind != DS_INPUT_BLOCK || !l->gone(l->arg, &input->ref)) {
            kept[n++] = *input;
            continue;
        }
        if (input->replica.executor_id != 0 && !l->gone(l->arg, &input->replica)) {
            kept[n] = *input;
            kept[n].ref = input->replica;
            kept[n++].replica = (ds_ref){0};
            lost->replaced++;
            continue;
        }
        if (input->log.receiver_id != 0) {
            kept[n] = *input;
            ds_input_use_log(&kept[n++]);
            lost->logged++;
            continue;
        }
        lost->blocks++;
        lost->bytes += input->ref.length;
        lost->records += input->to - input->from;
    }
    task->inputs = kept;
    task->n_inputs = n;
    task->failures = 0;
}

static bool has_lost_block(const losing *l, const ds_batch_task *task)
{
    for (uint32_t i = 0; i < task->n_inputs; i++)
        if (task->inputs[i].kind == DS_INPUT_BLOCK && l->gone(l->arg, &task->inputs[i].ref))
            return true;
    return false;
}

ds_lost_blocks ds_batch_lose_blocks(ds_batch *batch, uint32_t stage_id, ds_gone_fn gone,
                                    const void *arg)
{
    const losing l = {.batch = batch, .gone = gone, .arg = arg};
    const ds_batch_stage *stage = &batch->stages[stage_id];
    ds_lost_blocks lost = {0};
    for (uint32_t p = 0; p < stage->n_tasks; p++)
        if (stage->tasks[p].state == DS_TASK_WAITING && has_lost_block(&l, &stage->tasks[p]))
            keep_blocks(&l, &stage->tasks[p], &lost);
    return lost;
}
