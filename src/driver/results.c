/*
 * What becomes of tasks: they are done, fail, or are lost with their executor. Who fails is tried
 * again a few times, elsewhere if possible; what others are to blame for is not held against it.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <inttypes.h>
#include <stdio.h>

#define TASK_TIME_PART 8u /* of a stage's mean, that a task makes */

/* ---- results ---- */

/* How long tasks of a stage take; one that takes much longer than those before is believed. */
static void note_time(ds_driver *d, const ds_task_result *result)
{
    DS_ASSERT(result->stage < d->plan->n_stages);
    uint64_t *mean_us = &d->task_us[result->stage];
    if (*mean_us == 0 || result->busy_us > *mean_us * TASK_TIME_PART)
        *mean_us = result->busy_us;
    else
        *mean_us = (*mean_us * (TASK_TIME_PART - 1) + result->busy_us) / TASK_TIME_PART + 1;
}

static ds_batch *find_batch(ds_driver *d, int64_t time_ms)
{
    for (ds_batch *batch = d->batches; batch != NULL; batch = batch->next)
        if (batch->time_ms == time_ms)
            return batch;
    return d->n_open > 0 ? ds_retained_find(&d->retained, time_ms) : NULL;
}

static bool output_fits(const ds_plan *plan, const ds_executor_entry *from, const ds_output *output)
{
    if (output->kind == DS_OUTPUT_PIECES &&
        (output->target >= plan->n_stages ||
         output->input >= plan->stages[output->target].n_inputs))
        return false;
    if (output->kind != DS_OUTPUT_PIECES && output->target >= plan->n_sinks)
        return false;
    if (output->kind == DS_OUTPUT_FILE)
        return ds_sink_is_staged(plan->sinks[output->target]);
    uint64_t end = from->store_bytes + from->spill_bytes;
    return output->ref.executor_id == from->id && output->ref.offset <= end &&
           output->ref.length <= end - output->ref.offset;
}

static bool outputs_fit(const ds_plan *plan, const ds_executor_entry *from,
                        const ds_task_result *result)
{
    for (uint32_t i = 0; i < result->n_outputs; i++)
        if (!output_fits(plan, from, &result->outputs[i]))
            return false;
    return true;
}

/* A message has room for so many inputs of a task: a batch with more can never run. */
static void check_inputs(ds_driver *d, ds_batch *batch)
{
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        if (batch->stages[s].n_inputs > DS_MESSAGE_LIST_LIMIT)
            ds_driver_fail_batch(d, batch, DS_ERR_NO_MEMORY,
                                 "it has too many pieces: make limits.block larger, or its "
                                 "batches smaller");
}

static uint64_t more_than(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

static ds_loss more_loss(const ds_loss *now, const ds_loss *before)
{
    return (ds_loss){more_than(now->blocks, before->blocks),
                     more_than(now->records, before->records),
                     more_than(now->bytes, before->bytes)};
}

static bool is_any(const ds_task_loss *loss)
{
    return loss->bytes + loss->damaged.blocks + loss->missing.blocks > 0;
}

/* What is lost of a task's input and was not when it ran before; from now on it is counted. */
static ds_task_loss note_loss(const ds_batch *batch, ds_batch_task *task,
                              const ds_task_result *result)
{
    const ds_task_loss now = {result->lost_bytes, result->damaged, result->missing};
    if (!is_any(&now))
        return (ds_task_loss){0};
    if (task->lost == NULL)
        task->lost = DS_ARENA_NEW(batch->arena, ds_task_loss);
    const ds_task_loss more = {more_than(now.bytes, task->lost->bytes),
                               more_loss(&now.damaged, &task->lost->damaged),
                               more_loss(&now.missing, &task->lost->missing)};
    task->lost->bytes += more.bytes;
    ds_loss_add(&task->lost->damaged, &more.damaged);
    ds_loss_add(&task->lost->missing, &more.missing);
    return more;
}

static void on_success(ds_driver *d, ds_batch *batch, ds_executor_entry *from,
                       const ds_task_result *result)
{
    DS_ASSERT(result->status == DS_OK);
    ds_batch_task *task = &batch->stages[result->stage].tasks[result->partition];
    if (!task->counted && !batch->muted) {
        ds_driver_count_result(d, batch, result);
        ds_driver_figure_result(d, result);
        note_time(d, result);
    }
    const ds_task_loss more = note_loss(batch, task, result);
    if (task->counted ? is_any(&more) : batch->muted)
        ds_driver_count_missing(d, result, &more);
    task->counted = true;
    task->took_us = d->now_us - task->handed_us;
    ds_driver_outrun_copy(d, result, task);
    if (d->keyed[result->stage] != NULL)
        ds_driver_keyed_done(d, from, result);
    if (!ds_batch_task_done(batch, d->plan, result->stage, result->partition, result->outputs,
                            result->n_outputs))
        return;
    if (batch->state == DS_BATCH_RETAINED)
        ds_driver_close_retained(d, batch);
    else
        check_inputs(d, batch);
}

static void back_off(const ds_driver *d, ds_batch_task *task)
{
    DS_ASSERT(task->state == DS_TASK_WAITING && task->failures > 0);
    int64_t wait = DS_RETRY_US << (task->failures < 6 ? task->failures - 1 : 5);
    task->not_before_us = d->now_us + (wait < DS_RETRY_MOST_US ? wait : DS_RETRY_MOST_US);
}

static bool is_unread(const ds_task_result *result)
{
    return result->status == DS_ERR_LOST || result->status == DS_ERR_UNAVAILABLE;
}

/* True if a task failed for want of inputs that are gone: pieces that are made again, and wait
 * for it, or blocks that are left out from now on. */
static bool lacked_inputs(ds_driver *d, ds_batch *batch, const ds_task_result *result)
{
    if (!is_unread(result))
        return false;
    if (!batch->stages[result->stage].ready || batch->unsettled)
        return true;
    return ds_driver_lose_blocks(d, batch, result->stage);
}

/* A full disk fails every task again and again: a few of them are shown at a time. */
static void show_failure(ds_driver *d, const ds_batch *batch, const ds_task_result *result)
{
    if (d->now_us - d->failures_since_us >= DS_SHOWN_EVERY_US) {
        d->failures_since_us = d->now_us;
        d->failures_shown = 0;
    }
    if (d->failures_shown++ >= DS_SHOWN_MOST)
        return;
    char time[DS_CLOCK_TEXT];
    ds_log_warn("batch %s: stage %u, partition %u failed (attempt %u): %s",
                ds_clock_text(batch->time_ms, time), result->stage, result->partition,
                result->attempt, result->message);
}

/* True if a task found no memory while batches before its own still hold some, as when nobody
 * reads the console: it waits for them, and that is not held against it. */
static bool waits_for_memory(const ds_driver *d, ds_batch *batch, const ds_task_result *result)
{
    if (result->status != DS_ERR_NO_MEMORY || (d->batches == batch && d->releases == NULL))
        return false;
    DS_ASSERT(batch->state == DS_BATCH_RETAINED || d->batches->time_ms <= batch->time_ms);
    ds_batch_stage *stage = &batch->stages[result->stage];
    stage->tasks[result->partition].not_before_us = d->now_us + DS_RETRY_US;
    if (!batch->waited) {
        char time[DS_CLOCK_TEXT];
        ds_log_warn("batch %s waits until the batches before it are committed: %s",
                    ds_clock_text(batch->time_ms, time), result->message);
    }
    batch->waited = true;
    return true;
}

/* Pieces of a retained batch that cannot be made again are missing from now on. */
static void give_up(ds_driver *d, ds_batch *batch, const ds_task_result *result)
{
    if (batch->state != DS_BATCH_RETAINED) {
        ds_driver_fail_batch(d, batch, (ds_status)result->status, result->message);
        return;
    }
    char time[DS_CLOCK_TEXT];
    d->progress.panes_lost++;
    ds_log_error("batch %s: what was lost of it with an executor cannot be made again: %s",
                 ds_clock_text(batch->time_ms, time), result->message);
    if (ds_batch_task_done(batch, d->plan, result->stage, result->partition, NULL, 0))
        ds_driver_close_retained(d, batch);
}

static void on_failure(ds_driver *d, ds_batch *batch, ds_executor_entry *from,
                       const ds_task_result *result)
{
    DS_ASSERT(result->status != DS_OK);
    ds_driver_figure_failure(d, result->stage);
    ds_batch_stage *stage = &batch->stages[result->stage];
    ds_batch_task *task = &stage->tasks[result->partition];
    if (result->status == DS_ERR_DATA) {
        ds_driver_end(d, DS_ERR_DATA, result->message);
        return;
    }
    d->progress.retries++;
    if (ds_driver_promote_copy(d, result->batch_ms, result->stage, result->partition, task)) {
        show_failure(d, batch, result);
        return;
    }
    ds_batch_begin_again(stage, result->partition);
    if (lacked_inputs(d, batch, result) || waits_for_memory(d, batch, result))
        return;
    if (d->keyed[result->stage] != NULL && ds_driver_unread(d, from, result))
        return;
    if (result->status == DS_ERR_LOST && d->keyed[result->stage] != NULL) {
        show_failure(d, batch, result);
        ds_driver_keyed_lost(d, result->stage, result->partition);
        return;
    }
    task->failures++;
    ds_driver_doubt_tails(d, d->plan->stages[result->stage].root);
    task->avoid = task->executor_id;
    show_failure(d, batch, result);
    /* A full disk: the batch waits until there is room. Want of memory may pass, too: other tasks
     * end, and what is being saved gets written; and who has inputs that nobody can read may be
     * lost without our knowing it yet. But these have only so many attempts. */
    if (result->status == DS_ERR_IO || result->status == DS_ERR_NO_MEMORY || is_unread(result))
        back_off(d, task);
    if (result->status != DS_ERR_IO && task->failures >= DS_TASK_ATTEMPTS)
        give_up(d, batch, result);
}

/* The task that a result is about, or NULL: it is late, or comes a second time. */
static ds_batch_task *task_of(ds_driver *d, const ds_batch *batch, const ds_executor_entry *from,
                              const ds_task_result *result)
{
    if (batch == NULL || result->stage >= d->plan->n_stages)
        return NULL;
    const ds_batch_stage *stage = &batch->stages[result->stage];
    if (result->partition >= stage->n_tasks)
        return NULL;
    ds_batch_task *task = &stage->tasks[result->partition];
    bool expected = task->state == DS_TASK_RUNNING && task->executor_id == from->id &&
                    task->attempt == result->attempt;
    return expected ? task : NULL;
}

static void on_result(ds_driver *d, ds_executor_entry *from, const ds_task_result *result)
{
    if (result->attempt >= DS_REPLAY_ATTEMPTS) {
        ds_driver_on_replayed(d, from, result);
        return;
    }
    ds_batch *batch = find_batch(d, result->batch_ms);
    ds_batch_task *task = task_of(d, batch, from, result);
    if (task == NULL && ds_driver_copy_ends(d, batch, from, result))
        task = task_of(d, batch, from, result);
    if (task == NULL)
        return;
    ds_registry_end_task(&d->registry, from);
    if (d->keyed[result->stage] != NULL)
        ds_driver_keyed_ends(d, result->stage, result->partition);
    if (batch->state == DS_BATCH_FAILED) {
        ds_batch_end(&batch->stages[result->stage], result->partition);
        return;
    }
    DS_ASSERT(batch->state == DS_BATCH_RUNNING || batch->state == DS_BATCH_RETAINED);
    ds_driver_note_result(d, from, result);
    if (result->status != DS_OK) {
        on_failure(d, batch, from, result);
    } else if (outputs_fit(d->plan, from, result)) {
        on_success(d, batch, from, result);
    } else {
        ds_task_result wrong = *result;
        wrong.status = DS_ERR_PROTOCOL;
        wrong.message = "its result names output that cannot be";
        on_failure(d, batch, from, &wrong);
    }
}

void ds_driver_on_results(ds_driver *d, ds_executor_entry *from, const ds_msg_task_results *results)
{
    for (uint32_t i = 0; i < results->n_results && d->phase != DS_PHASE_ENDED; i++)
        on_result(d, from, &results->results[i]);
    if (d->phase != DS_PHASE_ENDED && from->state == DS_EXECUTOR_READY)
        ds_driver_judge(d, from, results);
}

/* ---- tasks of who is lost ---- */

/* Executors are lost one after the other while they have it: somebody may be killing them, which
 * passes. */
static void outwait(const ds_driver *d, ds_batch_task *task)
{
    DS_ASSERT(task->state == DS_TASK_WAITING);
    if (task->losses <= DS_TASK_LOSSES_AT_ONCE)
        return;
    uint32_t more = task->losses - DS_TASK_LOSSES_AT_ONCE - 1;
    int64_t wait = DS_OUTWAIT_US << (more < 5 ? more : 5);
    task->not_before_us = d->now_us + (wait < DS_OUTWAIT_MOST_US ? wait : DS_OUTWAIT_MOST_US);
}

/* A task of a lost executor runs again; that is not held against it. But one that was on very many
 * is taken for the reason: a record that makes any executor fall would do so for ever. */
static void lose_task(ds_driver *d, ds_batch *batch, uint32_t s, uint32_t p)
{
    ds_batch_task *task = &batch->stages[s].tasks[p];
    d->progress.retries++;
    if (ds_driver_promote_copy(d, batch->time_ms, s, p, task))
        return;
    ds_batch_begin_again(&batch->stages[s], p);
    if (d->keyed[s] != NULL)
        ds_driver_keyed_ends(d, s, p);
    task->losses++;
    outwait(d, task);
    if (task->losses < DS_TASK_LOSSES || batch->state == DS_BATCH_RETAINED)
        return;
    char why[160];
    snprintf(
        why, sizeof why,
        "%u executors were lost while they had a task of it (stage %u, partition %u); the last "
        "was executor %" PRIu64,
        task->losses, s, p, task->executor_id);
    ds_driver_fail_batch(d, batch, DS_ERR_INTERNAL, why);
}

static void lose_tasks(ds_driver *d, ds_batch *batch, uint64_t executor_id)
{
    for (uint32_t s = 0; s < d->plan->n_stages; s++) {
        ds_batch_stage *stage = &batch->stages[s];
        for (uint32_t p = 0; p < stage->n_tasks; p++)
            if (stage->tasks[p].state == DS_TASK_RUNNING &&
                stage->tasks[p].executor_id == executor_id)
                lose_task(d, batch, s, p);
    }
}

void ds_driver_tasks_of(ds_driver *d, uint64_t executor_id)
{
    ds_driver_copies_of(d, executor_id);
    for (size_t i = d->retained.first; d->n_open > 0 && i < d->retained.n; i++)
        lose_tasks(d, d->retained.list[i], executor_id);
    for (ds_batch *batch = d->batches; batch != NULL; batch = batch->next)
        lose_tasks(d, batch, executor_id);
}
