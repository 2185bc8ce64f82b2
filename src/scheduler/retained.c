#include "scheduler/retained.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

void ds_retained_fini(ds_retained *retained)
{
    for (size_t i = retained->first; i < retained->n; i++)
        ds_batch_free(retained->list[i]);
    free(retained->list);
    *retained = (ds_retained){0};
}

size_t ds_retained_count(const ds_retained *retained)
{
    DS_ASSERT(retained->first <= retained->n);
    return retained->n - retained->first;
}

ds_batch *ds_retained_oldest(const ds_retained *retained)
{
    return retained->first < retained->n ? retained->list[retained->first] : NULL;
}

/* Room at the end: what is gone at the beginning, if that is half of it, or more memory. */
static void make_room(ds_retained *retained)
{
    if (retained->n < retained->capacity)
        return;
    if (retained->first > retained->n / 2) {
        retained->n -= retained->first;
        memmove(retained->list, retained->list + retained->first, retained->n * sizeof(ds_batch *));
        retained->first = 0;
        return;
    }
    retained->capacity = retained->capacity == 0 ? 64 : retained->capacity * 2;
    retained->list = ds_realloc(retained->list, retained->capacity, sizeof(ds_batch *));
}

void ds_retained_add(ds_retained *retained, ds_batch *batch)
{
    DS_ASSERT(ds_retained_count(retained) == 0 ||
              retained->list[retained->n - 1]->time_ms < batch->time_ms);
    make_room(retained);
    batch->next = NULL;
    retained->list[retained->n++] = batch;
}

size_t ds_retained_after(const ds_retained *retained, int64_t time_ms)
{
    size_t from = retained->first, to = retained->n;
    if (from < to && retained->list[to - 1]->time_ms <= time_ms)
        return to; /* as most often */
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (retained->list[middle]->time_ms <= time_ms)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

ds_batch *ds_retained_find(const ds_retained *retained, int64_t time_ms)
{
    size_t after = ds_retained_after(retained, time_ms);
    if (after == retained->first || retained->list[after - 1]->time_ms != time_ms)
        return NULL;
    return retained->list[after - 1];
}

ds_batch *ds_retained_take_oldest(ds_retained *retained)
{
    DS_ASSERT(retained->first < retained->n);
    return retained->list[retained->first++];
}
