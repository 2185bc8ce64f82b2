/*
 * Who runs what. Batches in the order of time, stages in the order of the plan, tasks in the
 * order of their partitions. A task of a stage that keeps something goes to the owner of its key
 * partition; any other to the executor with the least to do, a little more than it has threads
 * for: so one that joins has its part in them at once. Tasks leave bundled, one message for each
 * executor and round.
 */
#include "base/assert.h"
#include "driver/bundles.h"
#include "scheduler/speculation.h"

#include <string.h>

/* Tasks that an executor is given ahead, for each thread: of sources, which may be of any size
 * (more where nobody else could have them), and of key partitions, four for a thread
 * (executors.key_partitions): all of them in one message. Of these as many more as take no more
 * than a moment, going by those before: else a stage of many small tasks takes as many round trips.
 * Of sources also more if they are done sooner than the driver may find a core to hear of it: but
 * no more than half of an even part of what is left, so that all come to an end together, and who
 * joins has something to do.
 */
#define SOURCE_TASKS 2u
#define ALONE_TASKS 8u
#define SOURCE_AHEAD_US 8000u
#define KEY_TASKS 4u
#define MOST_TASKS 64u
#define AHEAD_US 1000u

#define MOST_COPIES 16u /* of a stage, in one go */

/* The versions of the tables that the rows of the stage are joined with. */
void ds_driver_add_tables(const ds_driver *d, const ds_batch *batch, ds_arena *arena, ds_task *task)
{
    const ds_stage *stage = &d->plan->stages[task->stage];
    if (stage->n_tables == 0)
        return;
    task->tables = DS_ARENA_ARRAY(arena, ds_table_use, stage->n_tables);
    for (uint32_t i = 0; i < batch->n_tables; i++)
        for (uint32_t t = 0; t < stage->n_tables; t++)
            if (stage->tables[t] == batch->tables[i].source)
                task->tables[task->n_tables++] = (ds_table_use){
                    batch->tables[i].source, task->mode == DS_TASK_NORMAL
                                                 ? batch->tables[i].version
                                                 : ds_driver_table_version(d, &batch->tables[i])};
    DS_ASSERT(task->n_tables == stage->n_tables);
}

static uint8_t mode_of(const ds_batch *batch)
{
    return batch->prints ? DS_TASK_PRINTS : batch->muted ? DS_TASK_MUTED : DS_TASK_NORMAL;
}

static void add_run(ds_bundles *round, const ds_batch *batch, uint32_t stage_id, uint32_t partition,
                    uint32_t attempt, ds_executor_entry *entry)
{
    ds_driver *d = round->driver;
    const ds_batch_stage *stage = &batch->stages[stage_id];
    const ds_batch_task *from = &stage->tasks[partition];
    bool map = d->plan->stages[stage_id].root->kind == DS_NODE_SOURCE;
    DS_ASSERT(batch->state == DS_BATCH_RUNNING || batch->state == DS_BATCH_RETAINED);
    ds_task task = {.batch_ms = batch->time_ms,
                    .plan_id = 1,
                    .stage = stage_id,
                    .partition = partition,
                    .attempt = attempt,
                    .zero_ms = d->zero_ms,
                    .keyed_ms = DS_NO_BATCH,
                    .inputs = map ? from->inputs : stage->inputs,
                    .n_inputs = map ? from->n_inputs : stage->n_inputs,
                    .mode = mode_of(batch)};
    if (map)
        ds_driver_await_tails(d, batch, d->plan->stages[stage_id].root, from);
    ds_driver_add_tables(d, batch, ds_bundles_arena(round), &task);
    if (d->keyed[stage_id] != NULL)
        ds_driver_keyed_begins(d, ds_bundles_arena(round), &task);
    ds_bundles_add(round, entry, &task);
    ds_registry_begin_task(&d->registry, entry);
    d->progress.tasks++;
}

static void hand_out(ds_bundles *round, const ds_batch *batch, uint32_t stage_id,
                     uint32_t partition, ds_executor_entry *entry)
{
    ds_batch_task *task = &batch->stages[stage_id].tasks[partition];
    DS_ASSERT(task->state == DS_TASK_WAITING);
    add_run(round, batch, stage_id, partition, task->attempt, entry);
    ds_batch_begin(&batch->stages[stage_id], partition);
    task->executor_id = entry->id;
    task->handed_us = round->driver->now_us;
}

/* ---- who ---- */

/* Who is slow is given nothing more until it comes to an end; unless everybody is. */
static bool all_slow(const ds_driver *d)
{
    if (d->copies.n < ds_registry_count(&d->registry, DS_EXECUTOR_READY))
        return false;
    for (size_t i = 0; i < d->registry.n; i++)
        if (d->registry.list[i]->state == DS_EXECUTOR_READY &&
            !ds_copies_slow(&d->copies, d->registry.list[i]->id))
            return false;
    return true;
}

/* What an executor has to be, for a task. */
typedef struct suitable {
    const ds_driver *d;
    uint64_t has_it; /* or 0: nobody */
    uint64_t avoid;  /* or 0 */
    bool slow;       /* it may be */
} suitable;

static bool is_suitable(const void *arg, const ds_executor_entry *entry)
{
    const suitable *s = arg;
    return entry->id != s->has_it && entry->id != s->avoid &&
           (s->slow || !ds_copies_slow(&s->d->copies, entry->id));
}

/* A task that failed somewhere goes elsewhere, if there is an elsewhere. */
static ds_executor_entry *any_executor(ds_driver *d, const ds_batch_task *task, uint32_t ahead)
{
    DS_ASSERT(ahead > 0);
    suitable s = {.d = d,
                  .has_it = task->state == DS_TASK_RUNNING ? task->executor_id : 0,
                  .avoid = task->avoid,
                  .slow = all_slow(d)};
    ds_executor_entry *best = ds_choice_best(&d->registry.by_running, ahead, is_suitable, &s);
    if (best != NULL || s.avoid == 0)
        return best;
    s.avoid = 0;
    return ds_choice_best(&d->registry.by_running, ahead, is_suitable, &s);
}

/* The owner of a key partition: who keeps what is kept of it, as long as it lives. One without an
 * owner goes to who owns the fewest. */
ds_executor_entry *ds_driver_owner(ds_driver *d, uint32_t partition)
{
    DS_ASSERT(partition < d->plan->key_partitions);
    ds_executor_entry *owner = ds_registry_find(&d->registry, d->owners[partition]);
    if (owner != NULL && owner->state == DS_EXECUTOR_READY)
        return owner;
    owner = ds_driver_best_owner(d);
    if (owner == NULL)
        return NULL;
    ds_registry_own(&d->registry, owner);
    d->owners[partition] = owner->id;
    return owner;
}

/* ---- rounds ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* True if there is one executor, and no other is to come. */
static bool is_alone(const ds_driver *d)
{
    const uint32_t *states = d->registry.states;
    DS_ASSERT(states[DS_EXECUTOR_GONE] <= d->registry.n);
    return states[DS_EXECUTOR_READY] == 1 && d->registry.n - states[DS_EXECUTOR_GONE] == 1;
}

static uint32_t sources_ahead(const ds_driver *d, const ds_batch_stage *stage, uint64_t task_us)
{
    const uint64_t cores = d->registry.by_running.cores;
    DS_ASSERT(stage->fresh <= stage->n_tasks);
    if (is_alone(d))
        return ALONE_TASKS;
    if (task_us == 0 || cores == 0)
        return SOURCE_TASKS;
    uint64_t fit = SOURCE_AHEAD_US / task_us, part = (stage->n_tasks - stage->fresh) / (2 * cores);
    uint64_t most = fit < part ? fit : part;
    return most < SOURCE_TASKS ? SOURCE_TASKS : most > ALONE_TASKS ? ALONE_TASKS : (uint32_t)most;
}

static uint32_t ahead_of(const ds_driver *d, const ds_batch *batch, uint32_t stage_id)
{
    uint64_t task_us = d->task_us[stage_id]; /* 0: not known */
    if (d->plan->stages[stage_id].root->kind == DS_NODE_SOURCE)
        return sources_ahead(d, &batch->stages[stage_id], task_us);
    uint64_t fit = task_us == 0 ? 0 : AHEAD_US / task_us;
    return fit < KEY_TASKS ? KEY_TASKS : fit > MOST_TASKS ? MOST_TASKS : (uint32_t)fit;
}

/* False if nobody has room for it. */
static bool give(ds_bundles *round, const ds_batch *batch, uint32_t stage_id, uint32_t partition)
{
    ds_driver *d = round->driver;
    const ds_batch_task *task = &batch->stages[stage_id].tasks[partition];
    ds_executor_entry *entry = d->plan->stages[stage_id].keyed
                                   ? ds_driver_owner(d, partition)
                                   : any_executor(d, task, ahead_of(d, batch, stage_id));
    if (entry == NULL) {
        round->more = true;
        return false;
    }
    hand_out(round, batch, stage_id, partition, entry);
    return true;
}

static bool may_apply(ds_bundles *round, const ds_batch *batch, uint32_t stage_id,
                      uint32_t partition)
{
    ds_driver *d = round->driver;
    if (!d->plan->stages[stage_id].keyed || ds_driver_may_apply(d, batch, stage_id, partition))
        return true;
    round->more = true; /* it may as soon as what is before it was applied */
    return false;
}

/* Those that have run, or were passed over; all others are behind them. How long there is nothing
 * to do for them is noted: there may be many that are done before the first that waits. False if
 * nobody has room. */
static bool dispatch_again(ds_bundles *round, const ds_batch *batch, uint32_t stage_id)
{
    ds_driver *d = round->driver;
    ds_batch_stage *stage = &batch->stages[stage_id];
    int64_t again_us = INT64_MAX, due_us = INT64_MAX;
    stage->again_us = 0;
    while (stage->tasks[stage->next].state != DS_TASK_WAITING)
        stage->next++;
    uint32_t left = stage->n_again;
    for (uint32_t p = stage->next; left > 0; p++) {
        DS_ASSERT(p < stage->fresh);
        const ds_batch_task *task = &stage->tasks[p];
        if (task->state != DS_TASK_WAITING)
            continue;
        left--;
        if (task->not_before_us > d->now_us)
            due_us = earlier(due_us, task->not_before_us);
        else if (!may_apply(round, batch, stage_id, p))
            again_us = 0;
        else if (!give(round, batch, stage_id, p))
            return false;
    }
    stage->again_us = earlier(again_us, due_us);
    stage->due_us = due_us;
    return true;
}

static void dispatch_stage(ds_bundles *round, const ds_batch *batch, uint32_t stage_id)
{
    ds_driver *d = round->driver;
    ds_batch_stage *stage = &batch->stages[stage_id];
    DS_ASSERT(stage->ready && !stage->done);
    if (stage->n_again > 0 && stage->again_us <= d->now_us &&
        !dispatch_again(round, batch, stage_id))
        return;
    for (uint32_t p = stage->fresh; p < stage->n_tasks; p++)
        if (may_apply(round, batch, stage_id, p) && !give(round, batch, stage_id, p))
            return;
}

static void dispatch_batch(ds_bundles *round, ds_batch *batch)
{
    for (uint32_t s = 0; s < round->driver->plan->n_stages; s++)
        if (batch->stages[s].ready && !batch->stages[s].done)
            dispatch_stage(round, batch, s);
}

/* What is kept of a key partition is in one place. */
static void copy_slow_tasks(ds_bundles *round, const ds_batch *batch, uint32_t stage_id)
{
    ds_driver *d = round->driver;
    const ds_batch_stage *stage = &batch->stages[stage_id];
    if (!stage->ready || stage->done || d->plan->stages[stage_id].keyed)
        return;
    uint32_t slow[MOST_COPIES];
    uint32_t n =
        ds_speculation_find(&d->plan->app->speculation, stage, d->now_us, slow, MOST_COPIES);
    for (uint32_t i = 0; i < n; i++) {
        const ds_batch_task *task = &stage->tasks[slow[i]];
        ds_executor_entry *entry = any_executor(d, task, ahead_of(d, batch, stage_id));
        if (entry == NULL)
            return;
        ds_driver_note_copy(d, batch, stage_id, slow[i], entry->id);
        add_run(round, batch, stage_id, slow[i], task->attempt + 1, entry);
    }
}

/* Now and then. */
static bool is_time_for_copies(ds_driver *d)
{
    const ds_app_speculation *settings = &d->plan->app->speculation;
    if (!settings->enabled || d->now_us < d->copies_due_us)
        return false;
    d->copies_due_us = d->now_us + settings->interval_ms * 1000;
    return true;
}

static void copy_all_slow_tasks(ds_bundles *round)
{
    ds_driver *d = round->driver;
    for (const ds_batch *batch = d->batches; batch != NULL; batch = batch->next)
        for (uint32_t s = 0; s < d->plan->n_stages; s++)
            if (batch->state == DS_BATCH_RUNNING && !batch->unsettled)
                copy_slow_tasks(round, batch, s);
}

void ds_driver_dispatch(ds_driver *d)
{
    ds_bundles round = {.driver = d};
    if (!ds_driver_tails_found(d))
        return;
    ds_driver_replay(d, &round);
    for (size_t i = d->retained.first; d->n_open > 0 && i < d->retained.n; i++)
        if (!ds_batch_is_done(d->retained.list[i]))
            dispatch_batch(&round, d->retained.list[i]);
    for (ds_batch *batch = d->batches; batch != NULL; batch = batch->next)
        if (batch->state == DS_BATCH_RUNNING && !batch->unsettled)
            dispatch_batch(&round, batch);
    ds_driver_replay(d, &round); /* of those that had to go back for one of these */
    if (is_time_for_copies(d))
        copy_all_slow_tasks(&round);
    ds_bundles_send(&round);
}

/* When the next task of a batch that waits may go out again. */
static int64_t batch_deadline(const ds_driver *d, const ds_batch *batch)
{
    int64_t deadline = INT64_MAX;
    for (uint32_t s = 0; s < d->plan->n_stages; s++) {
        const ds_batch_stage *stage = &batch->stages[s];
        if (stage->ready && stage->n_again > 0 && stage->due_us > d->now_us)
            deadline = earlier(deadline, stage->due_us);
    }
    return deadline;
}

int64_t ds_driver_dispatch_deadline(const ds_driver *d)
{
    int64_t deadline = INT64_MAX;
    if (d->phase == DS_PHASE_STARTING)
        return deadline; /* batches of a checkpoint wait for executors */
    if (d->journal_retry_us != 0)
        deadline = d->journal_retry_us;
    deadline = earlier(deadline, ds_driver_marks_deadline(d));
    for (const ds_batch *batch = d->batches; batch != NULL; batch = batch->next) {
        if (batch->state == DS_BATCH_READY && batch == d->batches)
            deadline = earlier(deadline, ds_driver_commit_due(d, batch));
        if (batch->state == DS_BATCH_ALLOTTED && batch->commit_not_before_us > d->now_us)
            deadline = earlier(deadline, batch->commit_not_before_us);
        if (batch->state == DS_BATCH_RUNNING)
            deadline = earlier(deadline, batch_deadline(d, batch));
    }
    for (size_t i = d->retained.first; d->n_open > 0 && i < d->retained.n; i++)
        deadline = earlier(deadline, batch_deadline(d, d->retained.list[i]));
    return earlier(deadline, ds_driver_replay_deadline(d));
}
