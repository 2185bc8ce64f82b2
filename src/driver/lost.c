/* What goes with an executor whose store the driver does not hold: its blocks and outputs. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <inttypes.h>

static bool is_gone(const void *arg, const ds_ref *ref)
{
    const ds_driver *d = arg;
    const ds_executor_entry *entry = ds_registry_find(&d->registry, ref->executor_id);
    return entry == NULL || (entry->state == DS_EXECUTOR_GONE && !entry->store_open);
}

/* Blocks of a batch that was committed were given back then. */
static bool is_block_gone(const void *arg, const ds_ref *ref)
{
    (void)arg;
    (void)ref;
    return true;
}

/* ---- received blocks ---- */

void ds_driver_count_loss(ds_driver *d, ds_loss_cause cause, const ds_loss *loss, uint64_t unknown)
{
    DS_ASSERT(cause < DS_LOSS_CAUSES);
    ds_loss_add(&d->progress.lost[cause], loss);
    d->progress.unknown_lost[cause] += unknown;
    d->progress.blocks_lost += loss->blocks;
    d->progress.bytes_lost += loss->bytes;
    d->progress.records_lost += loss->records;
}

void ds_driver_lose_logged(ds_driver *d, const ds_loss *damaged, const ds_loss *missing)
{
    ds_driver_count_loss(d, DS_LOST_DAMAGED, damaged, 0);
    ds_driver_count_loss(d, DS_LOST_MISSING, missing, 0);
}

/* There is no other copy, nor are they in a log: the records are counted, named and left out. */
static void report(ds_driver *d, const char *source, const ds_lost_blocks *lost)
{
    if (lost->blocks == 0)
        return;
    const ds_loss loss = {lost->blocks, lost->records, lost->bytes};
    DS_ASSERT(lost->unsafe <= lost->blocks);
    ds_driver_count_loss(d, DS_LOST_WITH_EXECUTORS, &loss, 0);
    d->progress.blocks_lost_unsafe += lost->unsafe;
    d->progress.blocks_single += lost->single;
    ds_log_error("source %s: %" PRIu64 " received blocks (%" PRIu64 " records, %" PRIu64
                 " bytes) were lost with the executor that held them, and are left out",
                 source, lost->blocks, lost->records, lost->bytes);
    if (lost->unsafe > 0)
        ds_log_error("source %s: %" PRIu64 " of them had not come to a second process yet", source,
                     lost->unsafe);
}

bool ds_driver_lose_blocks(ds_driver *d, ds_batch *batch, uint32_t stage)
{
    const ds_node *root = d->plan->stages[stage].root;
    if (root->kind != DS_NODE_SOURCE || root->source->type == DS_SOURCE_TABLE)
        return false;
    ds_gone_fn gone = batch->state == DS_BATCH_RETAINED ? is_block_gone : is_gone;
    ds_lost_blocks lost = ds_batch_lose_blocks(batch, stage, gone, d);
    report(d, d->plan->stages[stage].root->stream, &lost);
    return lost.blocks + lost.logged + lost.replaced > 0;
}

/* Executors vanish again and again. It is not the fault of the batch, and what it was given is
 * still there: it goes on, but not at once for ever. */
static void wait_longer(const ds_driver *d, ds_batch *batch, const char *time)
{
    const uint32_t more = batch->losses - DS_BATCH_LOSSES - 1;
    const int64_t wait = DS_RETRY_US << (more < 6 ? more : 6);
    const int64_t at = d->now_us + (wait < DS_RETRY_MOST_US ? wait : DS_RETRY_MOST_US);
    for (uint32_t s = 0; s < d->plan->n_stages; s++) {
        ds_batch_stage *stage = &batch->stages[s];
        for (uint32_t p = 0; p < stage->n_tasks && p < stage->fresh; p++)
            if (stage->tasks[p].state == DS_TASK_WAITING)
                stage->tasks[p].not_before_us = at;
        stage->again_us = 0;
    }
    if ((batch->losses & (batch->losses - 1)) == 0)
        ds_log_error("batch %s: outputs of its tasks were lost with executors %u times: executors "
                     "are lost again and again; it waits longer before it tries again",
                     time, batch->losses);
}

static void run_again(ds_driver *d, ds_batch *batch, uint32_t n_tasks)
{
    DS_ASSERT(n_tasks > 0 && !ds_batch_is_done(batch));
    char time[DS_CLOCK_TEXT];
    ds_clock_text(batch->time_ms, time);
    d->progress.retries += n_tasks;
    batch->losses++;
    ds_log_warn("batch %s: %u tasks run again, as their output was lost with an executor", time,
                n_tasks);
    if (batch->losses > DS_BATCH_LOSSES)
        wait_longer(d, batch, time);
    if (batch->state == DS_BATCH_RUNNING || batch->state == DS_BATCH_RETAINED)
        return;
    DS_ASSERT(batch->state == DS_BATCH_PREPARED || batch->state == DS_BATCH_READY);
    batch->state = DS_BATCH_RUNNING;
    if (!batch->muted)
        batch->ticket = 0; /* a new record will replace the one that says it is prepared */
    batch->commit_not_before_us = 0;
}

void ds_driver_check_outputs(ds_driver *d, ds_batch *batch)
{
    /* While it commits the disk works with it; afterwards we come here again. */
    batch->unchecked = batch->state == DS_BATCH_COMMITTING;
    if (batch->unchecked || batch->state == DS_BATCH_FAILED || (batch->recovered && !batch->muted))
        return;
    bool was_open = !ds_batch_is_done(batch);
    uint32_t n = ds_batch_lose_outputs(batch, d->plan, is_gone, d);
    if (batch->state == DS_BATCH_RETAINED && !was_open && !ds_batch_is_done(batch))
        d->n_open++;
    if (n > 0)
        run_again(d, batch, n);
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        ds_driver_lose_blocks(d, batch, s);
}

void ds_driver_store_of(ds_driver *d, const ds_executor_entry *lost)
{
    DS_ASSERT(lost->state == DS_EXECUTOR_GONE);
    if (lost->store_open)
        return;
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        ds_lost_blocks blocks = ds_intake_lose(&d->intakes[i], lost->id);
        report(d, d->intakes[i].source->name, &blocks);
    }
    for (size_t i = d->retained.first; i < d->retained.n; i++)
        ds_driver_check_outputs(d, d->retained.list[i]);
    for (ds_batch *batch = d->batches; batch != NULL; batch = batch->next)
        ds_driver_check_outputs(d, batch);
    ds_driver_chains_of(d, lost);
    ds_driver_saves_of(d, lost);
}
