#include "exec/batch_ranges.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct range {
    int64_t batch_ms;
    uint64_t offset, length;
} range;

struct ds_batch_ranges {
    pthread_mutex_t lock;
    ds_store *store;
    range *list;
    size_t n, capacity;
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
    ranges->list[ranges->n++] = (range){batch_ms, *offset, length};
    pthread_mutex_unlock(&ranges->lock);
    return DS_OK;
}

void ds_batch_ranges_release(ds_batch_ranges *ranges, int64_t batch_ms)
{
    pthread_mutex_lock(&ranges->lock);
    size_t kept = 0;
    for (size_t i = 0; i < ranges->n; i++) {
        if (ranges->list[i].batch_ms == batch_ms)
            ds_store_give(ranges->store, ranges->list[i].offset, ranges->list[i].length);
        else
            ranges->list[kept++] = ranges->list[i];
    }
    DS_ASSERT(kept <= ranges->n);
    ranges->n = kept;
    pthread_mutex_unlock(&ranges->lock);
}
