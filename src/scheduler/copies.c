#include "scheduler/copies.h"

#include "base/assert.h"
#include "base/memory.h"

#include <stdlib.h>

void ds_copies_fini(ds_copies *copies)
{
    free(copies->list);
    *copies = (ds_copies){0};
}

void ds_copies_add(ds_copies *copies, const ds_copy *copy)
{
    DS_ASSERT(copy->executor_id != 0);
    if (copies->n == copies->capacity) {
        copies->capacity = copies->capacity == 0 ? 16 : copies->capacity * 2;
        copies->list = ds_realloc(copies->list, copies->capacity, sizeof *copies->list);
    }
    copies->list[copies->n++] = *copy;
}

void ds_copies_remove(ds_copies *copies, ds_copy *copy)
{
    DS_ASSERT(copy >= copies->list && copy < copies->list + copies->n);
    *copy = copies->list[--copies->n];
}

ds_copy *ds_copies_find(const ds_copies *copies, int64_t batch_ms, uint32_t stage,
                        uint32_t partition, uint32_t attempt)
{
    for (size_t i = 0; i < copies->n; i++) {
        ds_copy *c = &copies->list[i];
        if (c->batch_ms == batch_ms && c->stage == stage && c->partition == partition &&
            c->attempt == attempt)
            return c;
    }
    return NULL;
}

void ds_copies_lose(ds_copies *copies, uint64_t executor_id)
{
    for (size_t i = 0; i < copies->n;)
        if (copies->list[i].executor_id == executor_id)
            ds_copies_remove(copies, &copies->list[i]);
        else
            i++;
}

uint32_t ds_copies_on(const ds_copies *copies, uint64_t executor_id)
{
    uint32_t n = 0;
    for (size_t i = 0; i < copies->n; i++)
        n += copies->list[i].executor_id == executor_id;
    return n;
}

bool ds_copies_slow(const ds_copies *copies, uint64_t executor_id)
{
    DS_ASSERT(executor_id != 0);
    for (size_t i = 0; i < copies->n; i++)
        if (copies->list[i].slow_id == executor_id)
            return true;
    return false;
}

int64_t ds_copies_oldest_ms(const ds_copies *copies)
{
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < copies->n; i++)
        if (copies->list[i].batch_ms < oldest)
            oldest = copies->list[i].batch_ms;
    return oldest;
}

bool ds_copies_of(const ds_copies *copies, int64_t batch_ms)
{
    for (size_t i = 0; i < copies->n; i++)
        if (copies->list[i].batch_ms == batch_ms)
            return true;
    return false;
}
