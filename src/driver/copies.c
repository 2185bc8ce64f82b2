/*
 * Second copies of slow tasks: whose result counts, and what becomes of the other run.
 *
 * The first result of a task is taken, and the task's own run is the one that it came from. The
 * other one goes on, as nobody can stop it, and reads blocks and pieces of a batch that may be
 * committed meanwhile. So nothing of that batch, nor of later ones, is released before it has
 * ended: releases wait in a queue (release.c). That cannot be for ever: an executor that
 * does not come to its end long after the other is given up.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <inttypes.h>

/* The copy of a task that runs beside its own run, or NULL. */
static ds_copy *copy_of(const ds_driver *d, int64_t batch_ms, uint32_t stage, uint32_t partition,
                        const ds_batch_task *task)
{
    if (!task->copied || task->state != DS_TASK_RUNNING)
        return NULL;
    return ds_copies_find(&d->copies, batch_ms, stage, partition, task->attempt + 1);
}

static int64_t give_up_us(const ds_driver *d, const ds_batch_task *task)
{
    int64_t took_us = d->now_us - task->handed_us;
    return d->now_us + (took_us > DS_COPY_WAIT_US ? took_us : DS_COPY_WAIT_US);
}

void ds_driver_note_copy(ds_driver *d, const ds_batch *batch, uint32_t stage, uint32_t partition,
                         uint64_t executor_id)
{
    ds_batch_task *task = &batch->stages[stage].tasks[partition];
    DS_ASSERT(task->state == DS_TASK_RUNNING && !task->copied && task->executor_id != executor_id);
    char time[DS_CLOCK_TEXT];
    ds_log_info("batch %s: stage %u, partition %u has run on executor %" PRIu64 " for %" PRId64
                " ms: executor %" PRIu64 " gets a second copy",
                ds_clock_text(batch->time_ms, time), stage, partition, task->executor_id,
                (d->now_us - task->handed_us) / 1000, executor_id);
    task->copied = true;
    d->progress.copies++;
    ds_copies_add(&d->copies, &(ds_copy){.batch_ms = batch->time_ms,
                                         .stage = stage,
                                         .partition = partition,
                                         .attempt = task->attempt + 1,
                                         .executor_id = executor_id,
                                         .handed_us = d->now_us,
                                         .slow_id = task->executor_id,
                                         .give_up_us = INT64_MAX});
}

bool ds_driver_promote_copy(ds_driver *d, int64_t batch_ms, uint32_t stage, uint32_t partition,
                            ds_batch_task *task)
{
    ds_copy *copy = copy_of(d, batch_ms, stage, partition, task);
    if (copy == NULL)
        return false;
    task->executor_id = copy->executor_id;
    task->attempt = copy->attempt;
    task->handed_us = copy->handed_us;
    ds_copies_remove(&d->copies, copy);
    return true;
}

/* The copy was faster: it becomes the task's own run. */
static void swap(const ds_driver *d, ds_batch_task *task, ds_copy *copy)
{
    const ds_copy own = *copy;
    DS_ASSERT(copy->slow_id == task->executor_id);
    copy->executor_id = task->executor_id;
    copy->attempt = task->attempt;
    copy->handed_us = task->handed_us;
    copy->give_up_us = give_up_us(d, task);
    task->executor_id = own.executor_id;
    task->attempt = own.attempt;
    task->handed_us = own.handed_us;
}

bool ds_driver_copy_ends(ds_driver *d, ds_batch *batch, ds_executor_entry *from,
                         const ds_task_result *result)
{
    ds_copy *copy = ds_copies_find(&d->copies, result->batch_ms, result->stage, result->partition,
                                   result->attempt);
    if (copy == NULL || copy->executor_id != from->id)
        return false;
    bool runs = batch != NULL && batch->state == DS_BATCH_RUNNING &&
                result->partition < batch->stages[result->stage].n_tasks;
    ds_batch_task *task = runs ? &batch->stages[result->stage].tasks[result->partition] : NULL;
    bool counts =
        runs && copy_of(d, result->batch_ms, result->stage, result->partition, task) == copy;
    if (counts && result->status == DS_OK) {
        swap(d, task, copy);
        return true;
    }
    ds_registry_end_task(&d->registry, from);
    ds_copies_remove(&d->copies, copy);
    d->progress.retries += counts;
    if (counts && result->status == DS_ERR_DATA)
        ds_driver_end(d, DS_ERR_DATA, result->message);
    else
        ds_driver_let_release(d);
    return false;
}

void ds_driver_outrun_copy(ds_driver *d, const ds_task_result *result, const ds_batch_task *task)
{
    ds_copy *copy = copy_of(d, result->batch_ms, result->stage, result->partition, task);
    if (copy == NULL)
        return;
    copy->slow_id = 0;
    copy->give_up_us = give_up_us(d, task);
}

void ds_driver_copies_of(ds_driver *d, uint64_t executor_id)
{
    ds_copies_lose(&d->copies, executor_id);
    ds_driver_let_release(d);
}

void ds_driver_watch_copies(ds_driver *d)
{
    for (size_t i = 0; i < d->copies.n; i++) {
        const ds_copy *copy = &d->copies.list[i];
        if (d->now_us < copy->give_up_us)
            continue;
        ds_executor_entry *entry = ds_registry_find(&d->registry, copy->executor_id);
        DS_ASSERT(entry != NULL && entry->state == DS_EXECUTOR_READY);
        ds_driver_lose(d, entry, "a task that was done elsewhere did not end there");
        i = SIZE_MAX; /* the list is another one now */
    }
}

int64_t ds_driver_copies_deadline(const ds_driver *d)
{
    int64_t deadline = INT64_MAX;
    for (size_t i = 0; i < d->copies.n; i++)
        if (d->copies.list[i].give_up_us < deadline)
            deadline = d->copies.list[i].give_up_us;
    if (!d->plan->app->speculation.enabled)
        return deadline;
    for (const ds_batch *batch = d->batches; batch != NULL; batch = batch->next)
        for (uint32_t s = 0; s < d->plan->n_stages && batch->state == DS_BATCH_RUNNING; s++) {
            const ds_batch_stage *stage = &batch->stages[s];
            if (stage->ready && !stage->done && stage->n_done > 0 && !d->plan->stages[s].keyed &&
                d->copies_due_us < deadline)
                deadline = d->copies_due_us;
        }
    return deadline;
}
