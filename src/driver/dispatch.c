/*
 * Who runs what. Batches in the order of time, stages in the order of the plan, tasks in the
 * order of their partitions. A task of a stage that keeps something goes to the owner of its key
 * partition; any other to the executor with the least to do, a little more than it has threads
 * for: so one that joins has its part in them at once. Tasks leave bundled, one message for each
 * executor and round.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "driver/bundles.h"
#include "driver/faults.h"
#include "scheduler/speculation.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tasks that an executor is given ahead, for each thread: of sources, which may be of any size
 * (more where nobody else could have them), and of key partitions, four for a thread
 * (executors.key_partitions): all of them in one message. Of these as many more as take no more
 * than a moment, going by those before: else a stage of many small tasks takes as many round trips.
 */
#define SOURCE_TASKS 2u
#define ALONE_TASKS 8u
#define KEY_TASKS 4u
#define MOST_TASKS 64u
#define AHEAD_US 1000u
#define TASK_TIME_PART 8u /* of a stage's mean, that a task makes */

#define MOST_COPIES 16u /* of a stage, in one go */
#define WHERE_TEXT 512  /* of what names a place in the log */

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

static uint32_t ahead_of(const ds_driver *d, uint32_t stage_id)
{
    if (d->plan->stages[stage_id].root->kind == DS_NODE_SOURCE)
        return is_alone(d) ? ALONE_TASKS : SOURCE_TASKS;
    uint64_t task_us = d->task_us[stage_id]; /* 0: not known */
    uint64_t fit = task_us == 0 ? 0 : AHEAD_US / task_us;
    return fit < KEY_TASKS ? KEY_TASKS : fit > MOST_TASKS ? MOST_TASKS : (uint32_t)fit;
}

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

/* False if nobody has room for it. */
static bool give(ds_bundles *round, const ds_batch *batch, uint32_t stage_id, uint32_t partition)
{
    ds_driver *d = round->driver;
    const ds_batch_task *task = &batch->stages[stage_id].tasks[partition];
    ds_executor_entry *entry = d->plan->stages[stage_id].keyed
                                   ? ds_driver_owner(d, partition)
                                   : any_executor(d, task, ahead_of(d, stage_id));
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
        ds_executor_entry *entry = any_executor(d, task, ahead_of(d, stage_id));
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

/* ---- results ---- */

static void count_source(ds_driver *d, ds_source_counts *counts, const ds_task_result *result)
{
    DS_ASSERT(counts >= d->counts && counts < d->counts + d->n_intakes);
    counts->rows += result->rows_in;
    counts->bytes += result->bytes_in;
    counts->replaced += result->replaced;
    counts->lost_bytes += result->lost_bytes;
    d->progress.bytes_lost += result->lost_bytes;
    ds_driver_lose_logged(d, result);
    uint64_t bad = 0;
    for (int i = 0; i < DS_BAD_REASONS; i++) {
        counts->bad[i] += result->bad[i];
        bad += result->bad[i];
    }
    counts->bad_total += bad;
    d->progress.bad_total += bad;
}

static void count_errors(ds_progress *p, const ds_task_result *result)
{
    p->overflow_rows += result->overflow_rows;
    p->overflow_values += result->overflow_values;
    p->function_rows += result->function_rows;
    p->function_values += result->function_values;
}

static void count_result(ds_driver *d, ds_batch *batch, const ds_task_result *result)
{
    ds_progress *p = &d->progress;
    batch->rows_in += result->rows_in;
    p->rows_in += result->rows_in;
    p->bytes_in += result->bytes_in;
    count_errors(p, result);
    p->spilled_bytes += result->spilled_bytes;
    const ds_node *root = d->plan->stages[result->stage].root;
    if (root->kind != DS_NODE_SOURCE)
        return;
    ptrdiff_t source = root->source - d->plan->app->sources;
    count_source(d, &d->counts[source], result);
    for (int i = 0; i < DS_BAD_REASONS; i++)
        batch->bad[source] += result->bad[i];
}

/* Bad records are shown at a limited rate; all are counted. True if one more may be shown. */
static bool may_show(ds_driver *d, ds_intake *intake)
{
    if (d->now_us - intake->shown_since_us >= DS_SHOWN_EVERY_US) {
        if (intake->hidden > 0)
            ds_log_warn("source %s: %" PRIu64 " more bad records were counted and not shown",
                        intake->source->name, intake->hidden);
        intake->shown_since_us = d->now_us;
        intake->shown = intake->hidden = 0;
    }
    if (intake->shown >= DS_SHOWN_MOST)
        return false;
    intake->shown++;
    return true;
}

static void show_sample(const char *name, const ds_bad_sample *sample)
{
    if (sample->reason < DS_BAD_REASONS)
        ds_log_warn("source %s: bad record (%s): %s: %s", name,
                    ds_bad_reason_name((ds_bad_reason)sample->reason), sample->where,
                    sample->detail);
    else
        ds_log_warn("source %s: %s: %s", name, sample->where, sample->detail);
}

static void show_samples(ds_driver *d, ds_intake *intake, const ds_task_result *result)
{
    uint64_t bad = 0, shown = 0;
    for (int i = 0; i < DS_BAD_REASONS; i++)
        bad += result->bad[i];
    for (uint32_t i = 0; i < result->n_samples; i++) {
        if (result->samples[i].reason == DS_SAMPLE_FUNCTION)
            continue;
        if (!may_show(d, intake))
            break;
        show_sample(intake->source->name, &result->samples[i]);
        shown++;
    }
    intake->hidden += bad > shown ? bad - shown : 0;
}

static void show_overflow(const char *where, const ds_task_result *result)
{
    if (result->overflow_rows > 0)
        ds_log_warn("%s: %" PRIu64 " rows were dropped for an overflow", where,
                    result->overflow_rows);
    if (result->overflow_values > 0)
        ds_log_warn("%s: %" PRIu64 " values became null for an overflow", where,
                    result->overflow_values);
}

/* Most results have none, and then there is nothing to write. */
static void show_errors(ds_driver *d, const ds_task_result *result)
{
    if (result->overflow_rows == 0 && result->overflow_values == 0 && result->function_rows == 0 &&
        result->function_values == 0 && result->n_samples == 0)
        return;
    char time[DS_CLOCK_TEXT], where[WHERE_TEXT];
    snprintf(where, sizeof where, "stream %s, batch %s",
             d->plan->stages[result->stage].root->stream, ds_clock_text(result->batch_ms, time));
    show_overflow(where, result);
    ds_driver_show_faults(d, where, result);
}

void ds_driver_count_table(ds_driver *d, uint32_t source, const ds_task_result *result)
{
    char where[WHERE_TEXT];
    snprintf(where, sizeof where, "table %s", d->counts[source].name);
    count_source(d, &d->counts[source], result);
    count_errors(&d->progress, result);
    show_samples(d, &d->intakes[source], result);
    show_overflow(where, result);
    ds_driver_show_faults(d, where, result);
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

/* A batch runs again for what is kept, and what it was given is not there any more: windows and
 * state lack it from now on. Its bad records were shown when it ran first. */
static void count_missing(ds_driver *d, const ds_task_result *result)
{
    const ds_node *root = d->plan->stages[result->stage].root;
    char time[DS_CLOCK_TEXT];
    ds_clock_text(result->batch_ms, time);
    for (uint32_t i = 0; i < result->n_samples && root->kind == DS_NODE_SOURCE; i++)
        if (result->samples[i].reason == DS_BAD_REASON_SLOTS)
            ds_log_error("source %s: batch %s is applied again, and windows and state lack some "
                         "of it: %s: %s",
                         root->source->name, time, result->samples[i].where,
                         result->samples[i].detail);
    if (root->kind != DS_NODE_SOURCE)
        return;
    ds_driver_lose_logged(d, result);
    d->counts[root->source - d->plan->app->sources].lost_bytes += result->lost_bytes;
    d->progress.bytes_lost += result->lost_bytes;
}

static void on_success(ds_driver *d, ds_batch *batch, ds_executor_entry *from,
                       const ds_task_result *result)
{
    DS_ASSERT(result->status == DS_OK);
    ds_batch_task *task = &batch->stages[result->stage].tasks[result->partition];
    if (!task->counted && !batch->muted) {
        const ds_node *root = d->plan->stages[result->stage].root;
        count_result(d, batch, result);
        ds_driver_figure_result(d, result);
        note_time(d, result);
        if (root->kind == DS_NODE_SOURCE)
            show_samples(d, &d->intakes[root->source - d->plan->app->sources], result);
        show_errors(d, result);
    }
    if (!task->counted && batch->muted)
        count_missing(d, result);
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
