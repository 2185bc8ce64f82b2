#include "exec/batch_set.h"

#include "base/assert.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void ds_batch_set_fini(ds_batch_set *set)
{
    free(set->times);
    *set = (ds_batch_set){0};
}

/* The first that is not before batch_ms. */
static size_t find(const ds_batch_set *set, int64_t batch_ms)
{
    size_t from = 0, to = set->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (set->times[middle] < batch_ms)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

bool ds_batch_set_has(const ds_batch_set *set, int64_t batch_ms)
{
    if (set->any_older && batch_ms < set->older_ms)
        return true;
    size_t at = find(set, batch_ms);
    return at < set->n && set->times[at] == batch_ms;
}

/* The older half is forgotten one by one, and remembered as a whole. */
static void make_room(ds_batch_set *set)
{
    size_t half = set->n / 2;
    set->any_older = true;
    set->older_ms = set->times[half];
    set->n -= half;
    memmove(set->times, set->times + half, set->n * sizeof *set->times);
}

void ds_batch_set_add(ds_batch_set *set, int64_t batch_ms)
{
    if (ds_batch_set_has(set, batch_ms))
        return;
    if (set->times == NULL)
        set->times = ds_calloc(DS_BATCH_SET_KNOWN, sizeof *set->times);
    if (set->n == DS_BATCH_SET_KNOWN)
        make_room(set);
    size_t at = find(set, batch_ms);
    DS_ASSERT(set->n < DS_BATCH_SET_KNOWN && at <= set->n);
    memmove(set->times + at + 1, set->times + at, (set->n - at) * sizeof *set->times);
    set->times[at] = batch_ms;
    set->n++;
}
