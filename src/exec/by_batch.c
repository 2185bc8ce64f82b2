#include "exec/by_batch.h"

#include "base/assert.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void ds_by_batch_fini(ds_by_batch *list)
{
    free(list->items);
    *list = (ds_by_batch){0};
}

/* How many are before this time. */
static size_t count_before(const ds_by_batch *list, int64_t batch_ms)
{
    size_t from = 0, to = list->n;
    if (to > 0 && list->items[to - 1].batch_ms < batch_ms)
        return to;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (list->items[middle].batch_ms < batch_ms)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

void *ds_by_batch_find(const ds_by_batch *list, int64_t batch_ms)
{
    size_t at = count_before(list, batch_ms);
    return at < list->n && list->items[at].batch_ms == batch_ms ? list->items[at].value : NULL;
}

void ds_by_batch_add(ds_by_batch *list, int64_t batch_ms, void *value)
{
    size_t at = count_before(list, batch_ms);
    DS_ASSERT(value != NULL && (at == list->n || list->items[at].batch_ms != batch_ms));
    if (list->n == list->capacity) {
        list->capacity = list->capacity == 0 ? 16 : list->capacity * 2;
        list->items = ds_realloc(list->items, list->capacity, sizeof *list->items);
    }
    memmove(list->items + at + 1, list->items + at, (list->n - at) * sizeof *list->items);
    list->items[at] = (ds_by_batch_item){batch_ms, value};
    list->n++;
}

void *ds_by_batch_take(ds_by_batch *list, int64_t batch_ms)
{
    size_t at = count_before(list, batch_ms);
    if (at == list->n || list->items[at].batch_ms != batch_ms)
        return NULL;
    void *value = list->items[at].value;
    list->n--;
    memmove(list->items + at, list->items + at + 1, (list->n - at) * sizeof *list->items);
    return value;
}
