#include "exec/saved_ranges.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct range {
    uint64_t offset, length;
} range;

struct ds_saved_ranges {
    pthread_mutex_t lock;
    ds_store *store;
    range *list; /* by offset */
    size_t n, capacity;
};

ds_saved_ranges *ds_saved_ranges_new(ds_store *store)
{
    ds_saved_ranges *ranges = ds_calloc(1, sizeof *ranges);
    pthread_mutex_init(&ranges->lock, NULL);
    ranges->store = store;
    return ranges;
}

void ds_saved_ranges_free(ds_saved_ranges *ranges)
{
    if (ranges == NULL)
        return;
    pthread_mutex_destroy(&ranges->lock);
    free(ranges->list);
    free(ranges);
}

/* The first that is not before offset. */
static size_t find(const ds_saved_ranges *ranges, uint64_t offset)
{
    size_t from = 0, to = ranges->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (ranges->list[middle].offset < offset)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

ds_status ds_saved_ranges_take(ds_saved_ranges *ranges, uint64_t length, uint64_t *offset,
                               ds_error *error)
{
    DS_ASSERT(length > 0);
    DS_TRY(ds_store_take_disk(ranges->store, length, offset, error));
    pthread_mutex_lock(&ranges->lock);
    if (ranges->n == ranges->capacity) {
        ranges->capacity = ranges->capacity == 0 ? 64 : ranges->capacity * 2;
        ranges->list = ds_realloc(ranges->list, ranges->capacity, sizeof *ranges->list);
    }
    size_t at = find(ranges, *offset);
    memmove(ranges->list + at + 1, ranges->list + at, (ranges->n - at) * sizeof *ranges->list);
    ranges->list[at] = (range){*offset, length};
    ranges->n++;
    pthread_mutex_unlock(&ranges->lock);
    return DS_OK;
}

void ds_saved_ranges_give(ds_saved_ranges *ranges, uint64_t offset, uint64_t length)
{
    pthread_mutex_lock(&ranges->lock);
    size_t at = find(ranges, offset);
    if (at < ranges->n && ranges->list[at].offset == offset && ranges->list[at].length == length) {
        ds_store_give(ranges->store, offset, length);
        ranges->n--;
        memmove(ranges->list + at, ranges->list + at + 1, (ranges->n - at) * sizeof *ranges->list);
    }
    pthread_mutex_unlock(&ranges->lock);
}

void ds_saved_ranges_clear(ds_saved_ranges *ranges)
{
    pthread_mutex_lock(&ranges->lock);
    for (size_t i = 0; i < ranges->n; i++)
        ds_store_give(ranges->store, ranges->list[i].offset, ranges->list[i].length);
    ranges->n = 0;
    pthread_mutex_unlock(&ranges->lock);
}
