#include "exec/saved_ranges.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BITE (UINT64_C(256) << 10) /* bytes that are given back in one go */

typedef struct range {
    uint64_t offset, length;
} range;

struct ds_saved_ranges {
    pthread_mutex_t lock;
    ds_store *store;
    range *list; /* by offset */
    size_t n, capacity;
    range *noted; /* that are to be given back */
    size_t n_noted, noted_capacity;
    void (*wake)(void *arg);
    void *arg;
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
    free(ranges->noted);
    free(ranges);
}

/* One more place behind n. */
static range *grow(range *list, size_t n, size_t *capacity)
{
    if (n < *capacity)
        return list;
    *capacity = *capacity == 0 ? 64 : *capacity * 2;
    return ds_realloc(list, *capacity, sizeof *list);
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
    ds_saved_ranges_clean(ranges, NULL);
    DS_TRY(ds_store_take_disk(ranges->store, length, offset, error));
    pthread_mutex_lock(&ranges->lock);
    ranges->list = grow(ranges->list, ranges->n, &ranges->capacity);
    size_t at = find(ranges, *offset);
    memmove(ranges->list + at + 1, ranges->list + at, (ranges->n - at) * sizeof *ranges->list);
    ranges->list[at] = (range){*offset, length};
    ranges->n++;
    pthread_mutex_unlock(&ranges->lock);
    return DS_OK;
}

/* ---- giving back ---- */

void ds_saved_ranges_note(ds_saved_ranges *ranges, void (*wake)(void *arg), void *arg)
{
    pthread_mutex_lock(&ranges->lock);
    ranges->wake = wake;
    ranges->arg = arg;
    pthread_mutex_unlock(&ranges->lock);
}

static void note(ds_saved_ranges *ranges, range given)
{
    ranges->noted = grow(ranges->noted, ranges->n_noted, &ranges->noted_capacity);
    ranges->noted[ranges->n_noted++] = given;
    ranges->wake(ranges->arg);
}

static bool take_noted(ds_saved_ranges *ranges, range *noted)
{
    pthread_mutex_lock(&ranges->lock);
    bool any = ranges->n_noted > 0;
    if (any)
        *noted = ranges->noted[--ranges->n_noted];
    pthread_mutex_unlock(&ranges->lock);
    return any;
}

/* From its end on. */
static void give_in_bites(ds_store *store, range r, ds_pace *pace)
{
    while (r.length > 0) {
        uint64_t kept = (r.length - 1) / BITE * BITE;
        ds_store_trim(store, r.offset, r.length, kept);
        ds_pace_step(pace, r.length - kept);
        r.length = kept;
    }
}

void ds_saved_ranges_clean(ds_saved_ranges *ranges, ds_pace *pace)
{
    range noted;
    while (take_noted(ranges, &noted))
        give_in_bites(ranges->store, noted, pace);
}

void ds_saved_ranges_give(ds_saved_ranges *ranges, uint64_t offset, uint64_t length)
{
    pthread_mutex_lock(&ranges->lock);
    size_t at = find(ranges, offset);
    if (at < ranges->n && ranges->list[at].offset == offset && ranges->list[at].length == length) {
        ranges->n--;
        memmove(ranges->list + at, ranges->list + at + 1, (ranges->n - at) * sizeof *ranges->list);
        if (ranges->wake != NULL)
            note(ranges, (range){offset, length});
        else
            ds_store_give(ranges->store, offset, length);
    }
    pthread_mutex_unlock(&ranges->lock);
}

void ds_saved_ranges_clear(ds_saved_ranges *ranges)
{
    ds_saved_ranges_clean(ranges, NULL);
    pthread_mutex_lock(&ranges->lock);
    for (size_t i = 0; i < ranges->n; i++)
        ds_store_give(ranges->store, ranges->list[i].offset, ranges->list[i].length);
    ranges->n = 0;
    pthread_mutex_unlock(&ranges->lock);
}
