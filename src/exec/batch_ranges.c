#include "exec/batch_ranges.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct range {
    int64_t batch_ms;
    uint64_t offset, length;
    bool retained, marked; /* at most one of them */
} range;

struct ds_batch_ranges {
    pthread_mutex_t lock;
    ds_store *store;
    range *list;
    size_t n, capacity;
    size_t n_marked;
};

ds_batch_ranges *ds_batch_ranges_new(ds_store *store)
{
    ds_batch_ranges *ranges = ds_calloc(1, sizeof *ranges);
    pthread_mutex_init(&ranges->lock, NULL);
    ranges->store = store;
    return ranges;
}

void ds_batch_ranges_free(ds_batch_ranges *ranges)
{
    if (ranges == NULL)
        return;
    pthread_mutex_destroy(&ranges->lock);
    free(ranges->list);
    free(ranges);
}

ds_status ds_batch_ranges_take(ds_batch_ranges *ranges, int64_t batch_ms, uint64_t length,
                               uint64_t *offset, ds_error *error)
{
    DS_ASSERT(length > 0);
    DS_TRY(ds_store_take_any(ranges->store, length, offset, error));
    pthread_mutex_lock(&ranges->lock);
    if (ranges->n == ranges->capacity) {
        ranges->capacity = ranges->capacity == 0 ? 64 : ranges->capacity * 2;
        ranges->list = ds_realloc(ranges->list, ranges->capacity, sizeof *ranges->list);
    }
    ranges->list[ranges->n++] = (range){batch_ms, *offset, length, false, false};
    pthread_mutex_unlock(&ranges->lock);
    return DS_OK;
}

void ds_batch_ranges_retain(ds_batch_ranges *ranges, int64_t batch_ms, uint64_t offset)
{
    pthread_mutex_lock(&ranges->lock);
    size_t i = ranges->n;
    while (i > 0 && ranges->list[i - 1].offset != offset) /* it was taken just now */
        i--;
    DS_ASSERT(i > 0 && ranges->list[i - 1].batch_ms == batch_ms);
    range *r = &ranges->list[i - 1];
    ranges->n_marked -= r->marked;
    r->retained = true;
    r->marked = false;
    pthread_mutex_unlock(&ranges->lock);
}

void ds_batch_ranges_commit(ds_batch_ranges *ranges, int64_t batch_ms)
{
    pthread_mutex_lock(&ranges->lock);
    for (size_t i = 0; i < ranges->n; i++) {
        range *r = &ranges->list[i];
        if (r->batch_ms != batch_ms || r->retained || r->marked)
            continue;
        r->marked = true;
        ranges->n_marked++;
    }
    pthread_mutex_unlock(&ranges->lock);
}

/* Gives back the ranges of a batch, all of them or those that are marked. With the lock. */
static void give(ds_batch_ranges *ranges, int64_t batch_ms, bool all)
{
    size_t kept = 0;
    for (size_t i = 0; i < ranges->n; i++) {
        const range r = ranges->list[i];
        if (r.batch_ms != batch_ms || !(all || r.marked)) {
            ranges->list[kept++] = r;
            continue;
        }
        ranges->n_marked -= r.marked;
        ds_store_give(ranges->store, r.offset, r.length);
    }
    DS_ASSERT(kept <= ranges->n && ranges->n_marked <= kept);
    ranges->n = kept;
}

void ds_batch_ranges_sweep(ds_batch_ranges *ranges, int64_t batch_ms)
{
    pthread_mutex_lock(&ranges->lock);
    if (ranges->n_marked > 0)
        give(ranges, batch_ms, false);
    pthread_mutex_unlock(&ranges->lock);
}

void ds_batch_ranges_release(ds_batch_ranges *ranges, int64_t batch_ms)
{
    pthread_mutex_lock(&ranges->lock);
    give(ranges, batch_ms, true);
    pthread_mutex_unlock(&ranges->lock);
}
