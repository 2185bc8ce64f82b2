/*
 * When executors may use memory again: blocks as soon as their batch is committed, what its tasks
 * wrote then or, of what keyed stages read, when a save covers the batch.
 */
#include "base/assert.h"
#include "driver/driver_state.h"

#include <stdlib.h>
#include <string.h>

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

/* What a message says, but for blocks of other executors. */
typedef struct ds_held_release {
    struct ds_held_release *next;
    int64_t *batches; /* ascending */
    uint32_t n_batches;
    bool committed; /* and retained */
    ds_batch_blocks *blocks;
    uint32_t n_blocks;
} held_release;

/* Whoever receives wants its credit, and tasks may want the room. Most often nobody does before
 * the next batch begins: then it is not worth waking the executor for. */
static bool is_urgent(const ds_executor_entry *entry, const ds_msg_release *release)
{
    return release->n_blocks > 0 || entry->running > 0 || entry->receivers > 0;
}

static void send(ds_driver *d, const held_release *held)
{
    struct ds_block_range *ranges = ds_calloc(held->n_blocks + 1, sizeof *ranges);
    for (size_t i = 0; i < d->registry.n; i++) {
        const ds_executor_entry *entry = d->registry.list[i];
        if (!listens(entry))
            continue;
        ds_message message = {.type = DS_MSG_RELEASE};
        ds_msg_release *release = &message.release;
        *release = (ds_msg_release){.blocks = ranges};
        if (held->committed)
            *release = (ds_msg_release){
                .blocks = ranges, .committed = held->batches, .n_committed = held->n_batches};
        else
            *release = (ds_msg_release){
                .blocks = ranges, .batches = held->batches, .n_batches = held->n_batches};
        for (uint32_t b = 0; b < held->n_blocks; b++)
            if (held->blocks[b].executor_id == entry->id)
                add_range(release, &held->blocks[b]);
        if (is_urgent(entry, release))
            ds_driver_send(d, entry, &message);
        else
            ds_driver_send_later(d, entry, &message);
    }
    free(ranges);
}

/* True while a copy of a task may read what it releases (copies.c). */
static bool must_wait(const ds_driver *d, const held_release *held)
{
    DS_ASSERT(held->n_batches > 0);
    return ds_copies_oldest_ms(&d->copies) <= held->batches[held->n_batches - 1];
}

/* They stay in order. */
static void give(ds_driver *d, const held_release *release)
{
    if (d->releases == NULL && !must_wait(d, release)) {
        send(d, release);
        return;
    }
    held_release *held = ds_calloc(1, sizeof *held);
    *held = *release;
    held->next = NULL;
    held->batches = ds_calloc(release->n_batches + 1, sizeof *held->batches);
    held->blocks = ds_calloc(release->n_blocks + 1, sizeof *held->blocks);
    memcpy(held->batches, release->batches, release->n_batches * sizeof *held->batches);
    if (release->n_blocks > 0)
        memcpy(held->blocks, release->blocks, release->n_blocks * sizeof *held->blocks);
    if (d->releases == NULL)
        d->last_release = &d->releases;
    *d->last_release = held;
    d->last_release = &held->next;
}

static void drop_first(ds_driver *d)
{
    held_release *held = d->releases;
    d->releases = held->next;
    free(held->batches);
    free(held->blocks);
    free(held);
}

void ds_driver_let_release(ds_driver *d)
{
    if (d->phase == DS_PHASE_ENDED)
        return;
    for (; d->releases != NULL && !must_wait(d, d->releases); drop_first(d))
        send(d, d->releases);
    if (d->copies.n == 0) { /* these waited, too */
        ds_driver_drop_tables(d);
        ds_driver_drop_stores(d);
    }
}

void ds_driver_release_all(ds_driver *d)
{
    for (; d->releases != NULL; drop_first(d))
        send(d, d->releases);
}

void ds_driver_forget_releases(ds_driver *d)
{
    while (d->releases != NULL)
        drop_first(d);
}

/* Tells every executor that the batch is over; or that it is committed, and retained. */
static void tell(ds_driver *d, ds_batch *batch, bool retained)
{
    const held_release release = {.batches = &batch->time_ms,
                                  .n_batches = 1,
                                  .committed = retained,
                                  .blocks = batch->blocks,
                                  .n_blocks = batch->n_blocks};
    give(d, &release);
}

static void count_held(ds_driver *d, const ds_batch *batch, bool more)
{
    for (uint32_t i = 0; i < batch->n_held; i++) {
        ds_executor_entry *entry = ds_registry_find(&d->registry, batch->held[i].executor_id);
        if (entry == NULL)
            continue;
        uint64_t bytes = batch->held[i].bytes;
        DS_ASSERT(more || entry->retained_bytes >= bytes);
        ds_registry_retain(&d->registry, entry,
                           more ? entry->retained_bytes + bytes : entry->retained_bytes - bytes);
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
        give(d, &(held_release){.batches = batches + from, .n_batches = some});
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
    }
    free(batches);
}
