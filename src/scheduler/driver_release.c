/*
 * When executors may use memory again: blocks as soon as their batch is committed, what its tasks
 * wrote then or, of what keyed stages read, when a save covers the batch.
 */
#include "base/assert.h"
#include "scheduler/driver_state.h"

#include <stdlib.h>

static void add_range(ds_msg_release *release, const ds_batch_blocks *blocks)
{
    DS_ASSERT(blocks->first <= blocks->last);
    release->blocks[release->n_blocks].receiver_id = blocks->receiver_id;
    release->blocks[release->n_blocks].first = blocks->first;
    release->blocks[release->n_blocks].last = blocks->last;
    release->n_blocks++;
}

static bool listens(const ds_executor_entry *entry)
{
    return entry->peer != 0 && entry->state != DS_EXECUTOR_GONE;
}

/* Tells every executor that the batch is over; or that it is committed, and retained. */
static void tell(ds_driver *d, const ds_batch *batch, bool retained)
{
    struct ds_block_range *ranges = ds_calloc(batch->n_blocks + 1, sizeof *ranges);
    for (size_t i = 0; i < d->registry.n; i++) {
        const ds_executor_entry *entry = d->registry.list[i];
        if (!listens(entry))
            continue;
        int64_t batches[] = {batch->time_ms};
        ds_message message = {.type = DS_MSG_RELEASE};
        ds_msg_release *release = &message.release;
        *release = (ds_msg_release){.blocks = ranges};
        if (retained)
            *release = (ds_msg_release){.blocks = ranges, .committed = batches, .n_committed = 1};
        else
            *release = (ds_msg_release){.blocks = ranges, .batches = batches, .n_batches = 1};
        for (uint32_t b = 0; b < batch->n_blocks; b++)
            if (batch->blocks[b].executor_id == entry->id)
                add_range(release, &batch->blocks[b]);
        ds_driver_send(d, entry, &message);
    }
    free(ranges);
}

static void count_held(ds_driver *d, const ds_batch *batch, bool more)
{
    for (uint32_t i = 0; i < batch->n_held; i++) {
        ds_executor_entry *entry = ds_registry_find(&d->registry, batch->held[i].executor_id);
        if (entry == NULL)
            continue;
        DS_ASSERT(more || entry->retained_bytes >= batch->held[i].bytes);
        entry->retained_bytes += more ? batch->held[i].bytes : 0;
        entry->retained_bytes -= more ? 0 : batch->held[i].bytes;
    }
}

bool ds_driver_retains(const ds_driver *d, const ds_batch *batch)
{
    return d->config.saves && batch->state != DS_BATCH_FAILED && ds_batch_applied(batch, d->plan);
}

void ds_driver_let_go(ds_driver *d, ds_batch *batch)
{
    bool retained = ds_driver_retains(d, batch);
    tell(d, batch, retained);
    if (!retained) {
        ds_batch_free(batch);
        return;
    }
    ds_batch_retain(batch, d->plan);
    ds_retained_add(&d->retained, batch);
    count_held(d, batch, true);
    ds_driver_check_outputs(d, batch); /* some may have been lost while it was committed */
}

void ds_driver_close_retained(ds_driver *d, const ds_batch *batch)
{
    DS_ASSERT(batch->state == DS_BATCH_RETAINED && d->n_open > 0);
    d->n_open -= ds_batch_is_done(batch);
}

/* In messages of as many batches as there is room for. */
static void tell_released(ds_driver *d, int64_t *batches, uint32_t n)
{
    for (uint32_t from = 0; from < n; from += DS_MESSAGE_LIST_LIMIT) {
        uint32_t some = n - from < DS_MESSAGE_LIST_LIMIT ? n - from : DS_MESSAGE_LIST_LIMIT;
        for (size_t i = 0; i < d->registry.n; i++) {
            ds_message message = {.type = DS_MSG_RELEASE};
            message.release = (ds_msg_release){.batches = batches + from, .n_batches = some};
            if (listens(d->registry.list[i]))
                ds_driver_send(d, d->registry.list[i], &message);
        }
    }
}

void ds_driver_release_retained(ds_driver *d, int64_t up_to_ms)
{
    size_t most = ds_retained_count(&d->retained);
    int64_t *batches = ds_calloc(most + 1, sizeof *batches);
    uint32_t n = 0;
    for (ds_batch *batch; (batch = ds_retained_oldest(&d->retained)) != NULL;) {
        if (batch->time_ms > up_to_ms)
            break;
        batches[n++] = batch->time_ms;
        count_held(d, batch, false);
        d->n_open -= !ds_batch_is_done(batch);
        ds_batch_free(ds_retained_take_oldest(&d->retained));
    }
    DS_ASSERT(n <= most);
    if (n > 0) {
        tell_released(d, batches, n);
        ds_driver_drop_tables(d);
        ds_driver_drop_stores(d);
        ds_driver_trim_logs(d);
    }
    free(batches);
}
