/*
 * Key partitions: where each stands, which task it may be given next, and how it comes to stand
 * there again when its owner is lost.
 *
 * Batches are applied to a partition of a keyed stage one by one, in the order of time, whatever
 * else goes on; one task of it is out at a time. What was applied since the last save can be
 * applied again: it is retained, or not committed yet. So a partition that is gone begins with its
 * chain (what was saved of it), and is given replays of these batches, which change it and
 * nothing else. Then it goes on. (If its chain cannot be read: unread.c.)
 *
 * The same happens when it does not stand where it should (its executor says so, or a task of an
 * earlier batch has to run again).
 *
 * What holds for each partition: it has in it all batches up to the one where it stands that were
 * begun and concern its stage, each once. A batch is begun when its tasks may be handed out for
 * the first time. From then on it has its place in that order until it is given up or a save
 * covers it: while it runs, is prepared, is being committed, is retained, and also while it waits
 * to run again from the beginning, because its outputs are lost or its table is. Behind the
 * place where a partition stands one is responsible for each of these batches:
 *
 *   - its own task of the partition, as long as that is not done: it never ran, its output is gone,
 *     or all of the batch runs again;
 *   - a replay, once it is: then the partition is `behind`;
 *
 * and neither goes out before the partition has all that comes before. If a batch runs again while
 * a partition stands beyond it, that goes back, and is applied again what comes later; if it
 * stands right there, its executor makes the results of what it has. A second loss in the midst
 * of this lets the partition begin once more with its chain. A new driver has every partition do
 * so, and begins all batches of the checkpoint anew, in order.
 */
#include "base/assert.h"
#include "base/log.h"
#include "driver/bundles.h"

#include <inttypes.h>
#include <stdio.h>

#define MOST_LOSSES 4u   /* how often, in a row, a partition may not be where it should be */
#define MOST_FAILURES 4u /* of a replay, in a row; */
#define MOST_PASSING 32u /* those for want of memory may pass */

/* ---- where it stands ---- */

static void count_lost(ds_driver *d, uint32_t stage_id, uint32_t partition)
{
    const ds_stage *stage = &d->plan->stages[stage_id];
    d->progress.panes_lost++;
    d->acts_ms[stage_id][partition] = DS_NO_BATCH;
    for (uint32_t i = 0; i < stage->n_inputs; i++) {
        const ds_node *node = stage->inputs[i].root;
        bool state = node->kind == DS_NODE_STATE;
        if (ds_node_keeps(node))
            ds_log_error("stream %s: the %s of key partition %u %s lost; %s", node->stream,
                         state ? "state" : "windows", partition, state ? "was" : "were",
                         state ? "it begins anew"
                               : "they begin anew, and results that overlap the loss are too low");
    }
}

/* It is not with its owner: it begins with what was saved, and goes on from there. */
static void fall_back(ds_driver *d, uint32_t stage, uint32_t partition)
{
    ds_keyed *k = &d->keyed[stage][partition];
    DS_ASSERT(!k->busy);
    bool saved = ds_chains_has(&d->chains, stage, partition);
    if (d->config.saves ? k->gap : k->stands_ms != DS_NO_BATCH)
        count_lost(d, stage, partition);
    k->gap = false;
    k->loaded = false;
    k->based = saved ? d->chains.save : 0;
    k->stands_ms = saved ? d->chains.batch_ms : DS_NO_BATCH;
    k->failures = 0;
    k->not_before_us = 0;
    if (!k->behind && d->config.saves) {
        k->behind = true;
        d->n_behind++;
    }
}

static void catch_up(ds_driver *d, ds_keyed *k)
{
    DS_ASSERT(k->behind && d->n_behind > 0);
    k->behind = false;
    d->n_behind--;
}

void ds_driver_lose_partitions(ds_driver *d, uint64_t executor_id)
{
    DS_ASSERT(executor_id != 0);
    uint32_t n = 0;
    for (uint32_t s = 0; s < d->plan->n_stages; s++) {
        for (uint32_t p = 0; d->keyed[s] != NULL && p < d->plan->stages[s].n_partitions; p++) {
            if (d->owners[p] != executor_id)
                continue;
            d->keyed[s][p].busy = d->keyed[s][p].replaying = false;
            n += d->keyed[s][p].stands_ms != DS_NO_BATCH;
            fall_back(d, s, p);
        }
    }
    for (uint32_t p = 0; p < d->plan->key_partitions; p++)
        if (d->owners[p] == executor_id)
            d->owners[p] = 0;
    if (n > 0 && d->config.saves)
        ds_log_warn("%u key partitions were with executor %" PRIu64 ": others begin with what was "
                    "saved of them, and apply %zu batches again",
                    n, executor_id, ds_retained_count(&d->retained));
}

static void drop_chain(ds_driver *d, uint32_t stage, uint32_t partition)
{
    ds_driver_fail_changes_of(d, stage, partition);
    ds_chains_drop(&d->chains, stage, partition);
    d->keyed[stage][partition].gap = true;
}

void ds_driver_drop_chain(ds_driver *d, uint32_t stage, uint32_t partition)
{
    ds_driver_fail_save_of(d, stage, partition);
    drop_chain(d, stage, partition);
    fall_back(d, stage, partition);
}

void ds_driver_keyed_lost(ds_driver *d, uint32_t stage, uint32_t partition)
{
    ds_keyed *k = &d->keyed[stage][partition];
    ds_driver_fail_save_of(d, stage, partition);
    if (k->losses++ >= MOST_LOSSES) {
        char why[DS_ERROR_TEXT];
        snprintf(why, sizeof why, "stream %s: key partition %u cannot be put together again",
                 d->plan->stages[stage].root->stream, partition);
        ds_driver_end(d, DS_ERR_INTERNAL, why);
        return;
    }
    fall_back(d, stage, partition);
}

/* ---- what comes next ---- */

/* True for a batch that partitions were, or are to be, applied: one that runs again because its
 * outputs are lost has its place while it waits for that, too. */
static bool is_under_way(const ds_batch *batch)
{
    return batch->begun && batch->state != DS_BATCH_FAILED;
}

/* True if the batch is, or will be, applied to partitions of the stage. */
static bool concerns(const ds_batch *batch, uint32_t stage)
{
    const ds_batch_stage *of = &batch->stages[stage];
    return of->n_tasks > 0 || (of->runs && !of->done);
}

static bool is_applied(const ds_batch *batch, uint32_t stage, uint32_t partition)
{
    const ds_batch_stage *of = &batch->stages[stage];
    return partition < of->n_tasks && of->tasks[partition].state == DS_TASK_DONE;
}

/* True if the batch comes after where the partition stands, or is there and has to run once more
 * for its results. */
static bool is_to_come(const ds_driver *d, const ds_batch *batch, uint32_t stage,
                       uint32_t partition)
{
    const int64_t stands_ms = d->keyed[stage][partition].stands_ms;
    return concerns(batch, stage) &&
           (batch->time_ms > stands_ms ||
            (batch->time_ms == stands_ms && !is_applied(batch, stage, partition)));
}

/* The next batch for a partition, of those that were begun; or NULL. */
static ds_batch *next_batch(const ds_driver *d, uint32_t stage, uint32_t partition)
{
    const int64_t stands_ms = d->keyed[stage][partition].stands_ms;
    const int64_t before_ms = stands_ms == DS_NO_BATCH ? DS_NO_BATCH : stands_ms - 1;
    for (size_t i = ds_retained_after(&d->retained, before_ms); i < d->retained.n; i++)
        if (is_to_come(d, d->retained.list[i], stage, partition))
            return d->retained.list[i];
    for (ds_batch *batch = d->batches; batch != NULL; batch = batch->next)
        if (is_under_way(batch) && is_to_come(d, batch, stage, partition))
            return batch;
    return NULL;
}

/* True if this batch, or a later one, was applied to the partition once. */
static bool was_applied_since(const ds_batch *batch, uint32_t stage, uint32_t partition)
{
    if (batch->state == DS_BATCH_RETAINED || is_applied(batch, stage, partition))
        return true;
    for (; batch != NULL; batch = batch->next)
        if (is_under_way(batch) && is_applied(batch, stage, partition))
            return true;
    return false;
}

/* A save that waits for its end takes these out of the list: they are not begun any more. */
static bool is_leaving(const ds_driver *d, const ds_batch *batch)
{
    return ds_driver_save_is_whole(d) && batch->time_ms <= d->save.batch_ms;
}

bool ds_driver_may_apply(ds_driver *d, const ds_batch *batch, uint32_t stage, uint32_t partition)
{
    const ds_keyed *k = &d->keyed[stage][partition];
    if (k->busy || k->not_before_us > d->now_us || is_leaving(d, batch))
        return false;
    if (k->stands_ms > batch->time_ms) { /* its output is gone, and it was not the last one */
        ds_driver_fail_save_of(d, stage, partition);
        fall_back(d, stage, partition);
    }
    if (k->behind && next_batch(d, stage, partition) != batch)
        return false;
    if (batch->state == DS_BATCH_RETAINED)
        return true;
    for (const ds_batch *before = d->batches; before != batch; before = before->next)
        if (is_under_way(before) && concerns(before, stage) &&
            !is_applied(before, stage, partition))
            return false;
    return true;
}

/* ---- tasks ---- */

/* True if some batch would be missing from the partition from now on. */
static bool passes_over(const ds_driver *d, const ds_task *task)
{
    const int64_t stands_ms = d->keyed[task->stage][task->partition].stands_ms;
    for (size_t i = ds_retained_after(&d->retained, stands_ms);
         i < d->retained.n && d->retained.list[i]->time_ms < task->batch_ms; i++)
        if (concerns(d->retained.list[i], task->stage))
            return true;
    for (const ds_batch *batch = d->batches; batch != NULL && batch->time_ms < task->batch_ms;
         batch = batch->next)
        if (batch->time_ms > stands_ms && batch->begun && batch->state != DS_BATCH_FAILED &&
            concerns(batch, task->stage))
            return true;
    return false;
}

void ds_driver_keyed_begins(ds_driver *d, ds_arena *arena, ds_task *task)
{
    ds_keyed *k = &d->keyed[task->stage][task->partition];
    DS_ASSERT(!k->busy && k->stands_ms <= task->batch_ms && d->owners[task->partition] != 0);
    DS_ASSERT(!d->config.saves || !passes_over(d, task));
    k->busy = true;
    task->keyed_ms = k->stands_ms;
    if (!k->loaded && k->stands_ms != DS_NO_BATCH)
        task->saved =
            ds_chains_parts(&d->chains, task->stage, task->partition, arena, &task->n_saved);
    ds_driver_save_task(d, arena, task);
}

void ds_driver_keyed_ends(ds_driver *d, uint32_t stage, uint32_t partition)
{
    d->keyed[stage][partition].busy = false;
}

void ds_driver_keyed_done(ds_driver *d, ds_executor_entry *from, const ds_task_result *result)
{
    ds_keyed *k = &d->keyed[result->stage][result->partition];
    DS_ASSERT(!k->busy && k->stands_ms <= result->batch_ms);
    d->acts_ms[result->stage][result->partition] = result->acts_ms;
    ds_driver_could_read(d, from, k);
    k->stands_ms = result->batch_ms;
    k->loaded = true;
    if (!k->behind)
        k->losses = 0;
}

/* ---- replays ---- */

/* What it reads is there, and no task of the batch has to come first. */
static bool can_replay(const ds_driver *d, const ds_batch *batch, uint32_t stage,
                       uint32_t partition)
{
    return is_applied(batch, stage, partition) && !batch->stages[stage].stale &&
           !batch->unsettled && !batch->unchecked && !is_leaving(d, batch);
}

static void hand_out(ds_bundles *round, const ds_batch *batch, uint32_t stage_id,
                     uint32_t partition)
{
    ds_driver *d = round->driver;
    ds_keyed *k = &d->keyed[stage_id][partition];
    ds_executor_entry *owner = ds_driver_owner(d, partition);
    if (owner == NULL)
        return;
    const ds_batch_stage *stage = &batch->stages[stage_id];
    ds_task task = {.batch_ms = batch->time_ms,
                    .plan_id = 1,
                    .stage = stage_id,
                    .partition = partition,
                    .attempt = DS_REPLAY_ATTEMPTS + ++k->replays,
                    .zero_ms = d->zero_ms,
                    .inputs = stage->inputs,
                    .n_inputs = stage->n_inputs,
                    .mode = DS_TASK_REPLAY};
    ds_driver_add_tables(d, batch, ds_bundles_arena(round), &task);
    ds_driver_keyed_begins(d, ds_bundles_arena(round), &task);
    k->replaying = true;
    k->replay_ms = batch->time_ms;
    ds_bundles_add(round, owner, &task);
    round->more = true; /* what comes behind it */
    ds_registry_begin_task(&d->registry, owner);
    d->progress.tasks++;
}

static void replay_partition(ds_bundles *round, uint32_t stage, uint32_t partition)
{
    ds_driver *d = round->driver;
    ds_keyed *k = &d->keyed[stage][partition];
    if (!k->behind || k->busy || k->not_before_us > d->now_us)
        return;
    const ds_batch *batch = next_batch(d, stage, partition);
    if (batch == NULL || !was_applied_since(batch, stage, partition))
        catch_up(d, k);
    else if (can_replay(d, batch, stage, partition))
        hand_out(round, batch, stage, partition);
}

void ds_driver_replay(ds_driver *d, ds_bundles *round)
{
    for (uint32_t s = 0; d->n_behind > 0 && s < d->plan->n_stages; s++)
        for (uint32_t p = 0; d->keyed[s] != NULL && p < d->plan->stages[s].n_partitions; p++)
            replay_partition(round, s, p);
}

bool ds_driver_replays(const ds_driver *d, int64_t batch_ms)
{
    for (uint32_t s = 0; d->n_behind > 0 && s < d->plan->n_stages; s++)
        for (uint32_t p = 0; d->keyed[s] != NULL && p < d->plan->stages[s].n_partitions; p++)
            if (d->keyed[s][p].replaying && d->keyed[s][p].replay_ms == batch_ms)
                return true;
    return false;
}

int64_t ds_driver_replay_deadline(const ds_driver *d)
{
    int64_t deadline = INT64_MAX;
    for (uint32_t s = 0; d->n_behind > 0 && s < d->plan->n_stages; s++)
        for (uint32_t p = 0; d->keyed[s] != NULL && p < d->plan->stages[s].n_partitions; p++) {
            const ds_keyed *k = &d->keyed[s][p];
            if (k->behind && !k->busy && k->not_before_us > d->now_us &&
                k->not_before_us < deadline)
                deadline = k->not_before_us;
        }
    return deadline;
}

/* A full disk, or want of memory, may pass; anything else came of this very batch when it ran for
 * the first time, and did not then. */
static void on_failure(ds_driver *d, ds_executor_entry *from, ds_keyed *k,
                       const ds_task_result *result)
{
    d->progress.retries++;
    if (ds_driver_unread(d, from, result))
        return;
    if (result->status == DS_ERR_LOST) {
        ds_driver_keyed_lost(d, result->stage, result->partition);
        return;
    }
    int64_t wait = DS_RETRY_US << (k->failures < 6 ? k->failures : 6);
    k->not_before_us = d->now_us + (wait < DS_RETRY_MOST_US ? wait : DS_RETRY_MOST_US);
    bool passes = result->status == DS_ERR_NO_MEMORY || result->status == DS_ERR_UNAVAILABLE;
    if (++k->failures == 1)
        ds_log_warn("stream %s: key partition %u: a batch cannot be applied again: %s",
                    d->plan->stages[result->stage].root->stream, result->partition,
                    result->message);
    if (result->status != DS_ERR_IO && k->failures >= (passes ? MOST_PASSING : MOST_FAILURES))
        ds_driver_end(d, (ds_status)result->status, result->message);
}

void ds_driver_on_replayed(ds_driver *d, ds_executor_entry *from, const ds_task_result *result)
{
    if (result->stage >= d->plan->n_stages || d->keyed[result->stage] == NULL ||
        result->partition >= d->plan->stages[result->stage].n_partitions)
        return;
    ds_keyed *k = &d->keyed[result->stage][result->partition];
    if (!k->replaying || d->owners[result->partition] != from->id ||
        k->replay_ms != result->batch_ms || DS_REPLAY_ATTEMPTS + k->replays != result->attempt)
        return;
    DS_ASSERT(k->busy && k->behind);
    ds_registry_end_task(&d->registry, from);
    k->busy = k->replaying = false;
    if (result->status != DS_OK) {
        on_failure(d, from, k, result);
        return;
    }
    k->failures = 0;
    ds_driver_keyed_done(d, from, result);
}

/* ---- what is gone ---- */

void ds_driver_chains_of(ds_driver *d, const ds_executor_entry *lost)
{
    DS_ASSERT(lost->state == DS_EXECUTOR_GONE && !lost->store_open);
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        for (uint32_t p = 0; d->keyed[s] != NULL && p < d->plan->stages[s].n_partitions; p++) {
            if (!ds_chains_part_lies_in(&d->chains, s, p, lost->id))
                continue;
            drop_chain(d, s, p);
            if (!d->keyed[s][p].loaded)
                fall_back(d, s, p);
        }
}
