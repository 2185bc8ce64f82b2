#include "exec/batch_ranges.h"

#include "base/assert.h"
#include "exec/by_batch.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct range {
    uint64_t offset, length;
    bool retained, marked; /* at most one of them */
} range;

typedef struct batch_list {
    range *list;
    size_t n, capacity, n_marked;
} batch_list;

struct ds_batch_ranges {
    pthread_mutex_t lock;
    ds_store *store;
    ds_by_batch batches; /* a few, or some thousand while they are retained */
};

ds_batch_ranges *ds_batch_ranges_new(ds_store *store)
{
    ds_batch_ranges *ranges = ds_calloc(1, sizeof *ranges);
    pthread_mutex_init(&ranges->lock, NULL);
    ranges->store = store;
    return ranges;
}

static void free_batch(batch_list *batch)
{
    free(batch->list);
    free(batch);
}

void ds_batch_ranges_free(ds_batch_ranges *ranges)
{
    if (ranges == NULL)
        return;
    for (size_t i = 0; i < ranges->batches.n; i++)
        free_batch(ranges->batches.items[i].value);
    ds_by_batch_fini(&ranges->batches);
    pthread_mutex_destroy(&ranges->lock);
    free(ranges);
}

static batch_list *find(const ds_batch_ranges *ranges, int64_t batch_ms)
{
    return ds_by_batch_find(&ranges->batches, batch_ms);
}

static batch_list *find_or_add(ds_batch_ranges *ranges, int64_t batch_ms)
{
    batch_list *batch = find(ranges, batch_ms);
    if (batch != NULL)
        return batch;
    batch = ds_calloc(1, sizeof *batch);
    ds_by_batch_add(&ranges->batches, batch_ms, batch);
    return batch;
}

ds_status ds_batch_ranges_take(ds_batch_ranges *ranges, int64_t batch_ms, uint64_t length,
                               uint64_t *offset, ds_error *error)
{
    DS_ASSERT(length > 0);
    DS_TRY(ds_store_take_any(ranges->store, length, offset, error));
    pthread_mutex_lock(&ranges->lock);
    batch_list *batch = find_or_add(ranges, batch_ms);
    if (batch->n == batch->capacity) {
        batch->capacity = batch->capacity == 0 ? 8 : batch->capacity * 2;
        batch->list = ds_realloc(batch->list, batch->capacity, sizeof *batch->list);
    }
    batch->list[batch->n++] = (range){*offset, length, false, false};
    pthread_mutex_unlock(&ranges->lock);
    return DS_OK;
}

void ds_batch_ranges_retain(ds_batch_ranges *ranges, int64_t batch_ms, uint64_t offset)
{
    pthread_mutex_lock(&ranges->lock);
    batch_list *batch = find(ranges, batch_ms);
    DS_ASSERT(batch != NULL);
    size_t i = batch->n;
    while (i > 0 && batch->list[i - 1].offset != offset) /* it was taken just now */
        i--;
    DS_ASSERT(i > 0);
    batch->n_marked -= batch->list[i - 1].marked;
    batch->list[i - 1].retained = true;
    batch->list[i - 1].marked = false;
    pthread_mutex_unlock(&ranges->lock);
}

void ds_batch_ranges_commit(ds_batch_ranges *ranges, int64_t batch_ms)
{
    pthread_mutex_lock(&ranges->lock);
    batch_list *batch = find(ranges, batch_ms);
    for (size_t i = 0; batch != NULL && i < batch->n; i++) {
        range *r = &batch->list[i];
        batch->n_marked += !r->retained && !r->marked;
        r->marked = !r->retained;
    }
    pthread_mutex_unlock(&ranges->lock);
}

/* Gives back the ranges of a batch, all of them or those that are marked. With the lock. */
static void give(ds_batch_ranges *ranges, batch_list *batch, bool all)
{
    size_t kept = 0;
    for (size_t i = 0; i < batch->n; i++) {
        const range r = batch->list[i];
        if (all || r.marked)
            ds_store_give(ranges->store, r.offset, r.length);
        else
            batch->list[kept++] = r;
    }
    DS_ASSERT(kept <= batch->n && (!all || kept == 0));
    batch->n = kept;
    batch->n_marked = 0;
}

void ds_batch_ranges_sweep(ds_batch_ranges *ranges, int64_t batch_ms)
{
    pthread_mutex_lock(&ranges->lock);
    batch_list *batch = find(ranges, batch_ms);
    if (batch != NULL && batch->n_marked > 0)
        give(ranges, batch, false);
    pthread_mutex_unlock(&ranges->lock);
}

void ds_batch_ranges_release(ds_batch_ranges *ranges, int64_t batch_ms)
{
    pthread_mutex_lock(&ranges->lock);
    batch_list *batch = ds_by_batch_take(&ranges->batches, batch_ms);
    if (batch != NULL) {
        give(ranges, batch, true);
        free_batch(batch);
    }
    pthread_mutex_unlock(&ranges->lock);
}
