/*
 * What holds of the driver's state between any two steps: that what it counts agrees with what is
 * there, and that nothing refers to what it has let go.
 */
#include "base/assert.h"
#include "driver/driver_state.h"

/* ---- batches ---- */

static uint32_t count_state(const ds_batch_stage *stage, ds_task_state state)
{
    uint32_t n = 0;
    for (uint32_t p = 0; p < stage->n_tasks; p++)
        n += stage->tasks[p].state == state;
    return n;
}

static void check_task(const ds_driver *d, const ds_batch *batch, const ds_batch_task *task)
{
    DS_ASSERT(task->state == DS_TASK_DONE || task->n_outputs == 0);
    DS_ASSERT(task->state == DS_TASK_WAITING || batch->begun);
    if (task->state != DS_TASK_RUNNING)
        return;
    DS_ASSERT(batch->state == DS_BATCH_RUNNING || batch->state == DS_BATCH_FAILED ||
              batch->state == DS_BATCH_RETAINED);
    const ds_executor_entry *at = ds_registry_find(&d->registry, task->executor_id);
    DS_ASSERT(at != NULL && at->state == DS_EXECUTOR_READY);
}

static void check_stage(const ds_driver *d, const ds_batch *batch, const ds_batch_stage *stage)
{
    for (uint32_t p = 0; p < stage->n_tasks; p++)
        check_task(d, batch, &stage->tasks[p]);
    for (uint32_t p = 0; p < stage->next; p++)
        DS_ASSERT(stage->tasks[p].state != DS_TASK_WAITING || batch->state == DS_BATCH_FAILED);
    for (uint32_t p = stage->fresh; p < stage->n_tasks; p++)
        DS_ASSERT(stage->tasks[p].state == DS_TASK_WAITING);
    DS_ASSERT(stage->n_done == count_state(stage, DS_TASK_DONE));
    DS_ASSERT(stage->n_running == count_state(stage, DS_TASK_RUNNING));
    DS_ASSERT(stage->n_again + (stage->n_tasks - stage->fresh) ==
              count_state(stage, DS_TASK_WAITING));
    DS_ASSERT(!stage->done || stage->n_done == stage->n_tasks);
}

static void check_stages(const ds_driver *d, const ds_batch *batch)
{
    uint32_t left = 0;
    for (uint32_t s = 0; s < d->plan->n_stages; s++) {
        check_stage(d, batch, &batch->stages[s]);
        left += !batch->stages[s].done;
    }
    /* Those of a batch from the checkpoint are not made, or not yet. */
    DS_ASSERT(batch->stages_left == left || batch->recovered || batch->unsettled);
}

static void check_batch(const ds_driver *d, const ds_batch *batch)
{
    DS_ASSERT(batch->time_ms <= d->last_ms);
    DS_ASSERT(batch->ticket <= d->next_ticket);
    DS_ASSERT(!batch->unsettled || !ds_batch_is_prepared(batch));
    DS_ASSERT(batch->state != DS_BATCH_RUNNING || batch->begun);
    switch (batch->state) {
    case DS_BATCH_ALLOTTED: DS_ASSERT(batch->ticket == 0); break;
    case DS_BATCH_RUNNING: DS_ASSERT(batch->ticket == 0 || batch->muted); break;
    case DS_BATCH_PREPARED: DS_ASSERT(batch->ticket != 0 && d->config.checkpoint); break;
    case DS_BATCH_READY: DS_ASSERT(ds_batch_is_done(batch)); break;
    case DS_BATCH_COMMITTING: DS_ASSERT(batch == d->batches && ds_batch_is_done(batch)); break;
    case DS_BATCH_FAILED: break;
    case DS_BATCH_RETAINED: DS_UNREACHABLE(); /* not in this list */
    }
    check_stages(d, batch);
}

static void check_retained(const ds_driver *d)
{
    int64_t before_ms = DS_NO_BATCH;
    uint32_t open = 0;
    for (size_t i = d->retained.first; i < d->retained.n; i++) {
        const ds_batch *batch = d->retained.list[i];
        DS_ASSERT(batch->state == DS_BATCH_RETAINED && batch->muted);
        DS_ASSERT(batch->time_ms > before_ms && ds_batch_applied(batch, d->plan));
        before_ms = batch->time_ms;
        open += !ds_batch_is_done(batch);
        check_stages(d, batch);
    }
    DS_ASSERT(open == d->n_open);
    DS_ASSERT(d->batches == NULL || d->batches->time_ms > before_ms);
}

static void check_batches(const ds_driver *d)
{
    uint32_t n = 0;
    for (const ds_batch *batch = d->batches; batch != NULL; batch = batch->next) {
        check_batch(d, batch);
        DS_ASSERT(batch->next == NULL || batch->time_ms < batch->next->time_ms);
        n++;
    }
    DS_ASSERT(n == d->n_batches);
}

/* ---- executors ---- */

static uint32_t count_tasks(const ds_driver *d, uint64_t executor_id)
{
    uint32_t n = 0;
    for (const ds_batch *batch = d->batches; batch != NULL; batch = batch->next)
        for (uint32_t s = 0; s < d->plan->n_stages; s++)
            for (uint32_t p = 0; p < batch->stages[s].n_tasks; p++)
                n += batch->stages[s].tasks[p].state == DS_TASK_RUNNING &&
                     batch->stages[s].tasks[p].executor_id == executor_id;
    return n;
}

static uint32_t count_open(const ds_driver *d, uint64_t executor_id)
{
    uint32_t n = 0;
    for (size_t i = d->retained.first; i < d->retained.n; i++)
        for (uint32_t s = 0; s < d->plan->n_stages; s++)
            for (uint32_t p = 0; p < d->retained.list[i]->stages[s].n_tasks; p++) {
                const ds_batch_task *task = &d->retained.list[i]->stages[s].tasks[p];
                n += task->state == DS_TASK_RUNNING && task->executor_id == executor_id;
            }
    return n;
}

static uint32_t count_replays(const ds_driver *d, uint64_t executor_id)
{
    uint32_t n = 0;
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        for (uint32_t p = 0; d->keyed[s] != NULL && p < d->plan->stages[s].n_partitions; p++)
            n += d->keyed[s][p].replaying && d->owners[p] == executor_id;
    return n;
}

static bool has_receiver(const ds_intake *intake)
{
    return ds_intake_has_receiver(intake) &&
           (intake->phase == DS_INTAKE_STARTING || intake->phase == DS_INTAKE_RUNNING);
}

static uint32_t count_receivers(const ds_driver *d, uint64_t executor_id)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < d->n_intakes; i++)
        n += has_receiver(&d->intakes[i]) && d->intakes[i].executor_id == executor_id;
    return n;
}

static uint32_t count_owned(const ds_driver *d, uint64_t executor_id)
{
    uint32_t n = 0;
    for (uint32_t p = 0; p < d->plan->key_partitions; p++)
        n += d->owners[p] == executor_id;
    return n;
}

static void check_chosen(const ds_choice *choice, const ds_executor_entry *entry)
{
    size_t at = entry->chosen[choice->load];
    bool there = at < choice->n && choice->heap[at] == entry;
    DS_ASSERT(there == (entry->state == DS_EXECUTOR_READY));
}

static void check_executor(const ds_driver *d, const ds_executor_entry *entry)
{
    bool talks = entry->state == DS_EXECUTOR_INTRODUCED || entry->state == DS_EXECUTOR_READY;
    DS_ASSERT(entry->id <= d->registry.next_id);
    DS_ASSERT(talks == (entry->peer != 0));
    DS_ASSERT(ds_registry_find(&d->registry, entry->id) == entry);
    DS_ASSERT(!talks || ds_registry_of_peer(&d->registry, entry->peer) == entry);
    check_chosen(&d->registry.by_running, entry);
    check_chosen(&d->registry.by_owned, entry);
    DS_ASSERT(entry->state == DS_EXECUTOR_GONE || entry->hold_until_ms == INT64_MAX);
    if (entry->state == DS_EXECUTOR_GONE)
        return;
    DS_ASSERT(entry->running == count_tasks(d, entry->id) + count_open(d, entry->id) +
                                    count_replays(d, entry->id) +
                                    ds_copies_on(&d->copies, entry->id));
    DS_ASSERT(entry->receivers == count_receivers(d, entry->id));
    DS_ASSERT(entry->owned == count_owned(d, entry->id));
    DS_ASSERT(entry->state == DS_EXECUTOR_READY || entry->running + entry->owned == 0);
}

static bool is_ready(const ds_driver *d, uint64_t executor_id)
{
    const ds_executor_entry *entry = ds_registry_find(&d->registry, executor_id);
    return entry != NULL && entry->state == DS_EXECUTOR_READY;
}

/* The newest batch of which the partition's task is done; of those that can be applied again. */
static int64_t applied_ms(const ds_driver *d, uint32_t stage, uint32_t partition)
{
    int64_t newest_ms = DS_NO_BATCH;
    for (const ds_batch *batch = d->batches; batch != NULL; batch = batch->next) {
        const ds_batch_stage *of = &batch->stages[stage];
        if (batch->state != DS_BATCH_FAILED && partition < of->n_tasks &&
            of->tasks[partition].state == DS_TASK_DONE)
            newest_ms = batch->time_ms;
    }
    for (size_t i = d->retained.n; newest_ms == DS_NO_BATCH && i-- > d->retained.first;)
        if (d->retained.list[i]->stages[stage].n_tasks > 0)
            newest_ms = d->retained.list[i]->time_ms;
    return newest_ms;
}

/* Somebody is responsible for what was applied before and is not in it now (replay.c). */
static void check_keyed(const ds_driver *d, uint32_t stage, uint32_t partition)
{
    const ds_keyed *k = &d->keyed[stage][partition];
    DS_ASSERT(k->stands_ms == DS_NO_BATCH || k->stands_ms <= d->last_ms);
    DS_ASSERT(!k->loaded || (d->owners[partition] != 0 && k->stands_ms != DS_NO_BATCH));
    DS_ASSERT(k->loaded || k->stands_ms == DS_NO_BATCH || k->stands_ms == d->chains.batch_ms);
    DS_ASSERT(!k->replaying || (k->busy && k->behind && k->replay_ms > k->stands_ms));
    DS_ASSERT(!k->behind || d->config.saves);
    DS_ASSERT(!d->config.saves || k->behind || k->stands_ms >= applied_ms(d, stage, partition));
}

static void check_partitions(const ds_driver *d)
{
    for (uint32_t p = 0; p < d->plan->key_partitions; p++)
        DS_ASSERT(d->owners[p] == 0 || is_ready(d, d->owners[p]));
    uint32_t behind = 0;
    for (uint32_t s = 0; s < d->plan->n_stages; s++) {
        DS_ASSERT((d->keyed[s] != NULL) == d->plan->stages[s].keyed);
        for (uint32_t p = 0; d->keyed[s] != NULL && p < d->plan->stages[s].n_partitions; p++) {
            check_keyed(d, s, p);
            behind += d->keyed[s][p].behind;
        }
    }
    DS_ASSERT(behind == d->n_behind);
}

static void check_save(const ds_driver *d)
{
    const ds_save *save = &d->save;
    uint32_t missing = 0, slots = 0;
    for (uint32_t r = 0; r < d->chains.n_roots; r++)
        slots += d->chains.roots[r].n_partitions;
    for (uint32_t i = 0; i < slots && save->active; i++)
        missing += !save->came[i];
    DS_ASSERT(!save->active || missing == save->missing);
    DS_ASSERT(!save->active || save->batch_ms > d->chains.batch_ms);
    DS_ASSERT(d->chains.save <= save->number);
    const ds_batch *oldest = ds_retained_oldest(&d->retained);
    DS_ASSERT(oldest == NULL || oldest->time_ms > d->chains.batch_ms);
}

/* ---- sources ---- */

/* The bytes of a block are in the store of an executor that is known, or in the log. */
static void check_waiting(const ds_driver *d, const ds_intake *intake,
                          const ds_waiting_block *block)
{
    const ds_ref *replica = &block->replica;
    DS_ASSERT(block->safe || intake->source->replicas > 1);
    DS_ASSERT(replica->executor_id == 0 ||
              (block->safe && replica->executor_id != block->executor_id &&
               ds_registry_find(&d->registry, replica->executor_id) != NULL));
    if (block->executor_id != 0) {
        DS_ASSERT(ds_registry_find(&d->registry, block->executor_id) != NULL);
        return;
    }
    DS_ASSERT(intake->log_folder != NULL && block->block.log.receiver_id != 0);
    DS_ASSERT(ds_log_place_compare(&block->block.log, &intake->log_end) <= 0);
}

static void check_intake(const ds_driver *d, const ds_intake *intake)
{
    DS_ASSERT(!has_receiver(intake) || is_ready(d, intake->executor_id));
    for (size_t i = 0; i < intake->n_blocks; i++)
        check_waiting(d, intake, &intake->blocks[i]);
    DS_ASSERT(intake->replication.tended <= intake->n_blocks);
    for (size_t i = 0; i < intake->replication.tended; i++)
        DS_ASSERT(intake->blocks[i].safe);
    DS_ASSERT(intake->replication.number == 0 || is_ready(d, intake->replication.executor_id));
    size_t unread = 0;
    for (size_t i = 0; i < intake->n_files; i++) {
        const ds_seen_file *file = &intake->files[i];
        DS_ASSERT(file->taken <= file->size);
        unread += file->size != UINT64_MAX && file->taken < file->size;
    }
    DS_ASSERT(unread == intake->n_unread);
    for (uint32_t i = 0; i < intake->tail.n; i++)
        DS_ASSERT(i == 0 || intake->tail.files[i - 1].number < intake->tail.files[i].number);
}

static void check_table(const ds_driver *d, const ds_table *table)
{
    DS_ASSERT(!table->loading || is_ready(d, table->loader));
    for (uint32_t v = 0; v < table->n_versions; v++) {
        const ds_table_version *version = &table->versions[v];
        DS_ASSERT(version->number < table->next);
        DS_ASSERT(v == 0 || table->versions[v - 1].number < version->number);
        DS_ASSERT(version->gone || version->executor_id == 0 ||
                  ds_registry_find(&d->registry, version->executor_id) != NULL);
    }
}

static void check_tick(const ds_driver *d)
{
    DS_ASSERT(d->gap_to_ms == DS_NO_BATCH || d->gap_to_ms > d->last_ms);
    DS_ASSERT(d->gap_to_ms == DS_NO_BATCH || !d->tick.active);
    if (!d->tick.active)
        return;
    DS_ASSERT(d->tick.time_ms > d->last_ms);
    DS_ASSERT(d->tick.n_cuts_due <= d->registry.n);
    for (uint32_t i = 0; i < d->tick.n_cuts_due; i++)
        DS_ASSERT(is_ready(d, d->tick.cuts_due[i]));
}

static void check_registry(const ds_driver *d)
{
    uint32_t n[DS_EXECUTOR_STATES] = {0};
    uint64_t used = 0;
    for (size_t i = 0; i < d->registry.n; i++) {
        DS_ASSERT(d->registry.list[i]->place == i);
        check_executor(d, d->registry.list[i]);
        n[d->registry.list[i]->state]++;
        used += d->registry.list[i]->used_bytes;
    }
    for (uint32_t state = 0; state < DS_EXECUTOR_STATES; state++)
        DS_ASSERT(n[state] == ds_registry_count(&d->registry, (ds_executor_state)state));
    DS_ASSERT(n[DS_EXECUTOR_READY] == d->registry.by_running.n);
    DS_ASSERT(used == d->registry.used_bytes);
}

void ds_driver_check(const ds_driver *d)
{
    if (d->phase == DS_PHASE_ENDED)
        return; /* whatever was under way is left as it was */
    check_batches(d);
    check_retained(d);
    check_registry(d);
    check_partitions(d);
    check_save(d);
    for (uint32_t i = 0; i < d->n_intakes; i++)
        check_intake(d, &d->intakes[i]);
    for (uint32_t i = 0; i < d->n_tables; i++)
        check_table(d, &d->tables[i]);
    check_tick(d);
}
