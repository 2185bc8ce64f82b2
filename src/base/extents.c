#include "base/extents.h"

#include "base/assert.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void ds_extents_init(ds_extents *extents, uint64_t size)
{
    *extents = (ds_extents){.capacity = 16, .size = size};
    extents->list = ds_calloc(extents->capacity, sizeof *extents->list);
    extents->list[0] = (ds_extent){0, size};
    extents->n = size > 0;
}

void ds_extents_fini(ds_extents *extents)
{
    free(extents->list);
    *extents = (ds_extents){0};
}

static void remove_extent(ds_extents *extents, size_t i)
{
    extents->n--;
    memmove(&extents->list[i], &extents->list[i + 1], (extents->n - i) * sizeof *extents->list);
}

static void insert_extent(ds_extents *extents, size_t i, ds_extent e)
{
    if (extents->n == extents->capacity) {
        extents->capacity *= 2;
        extents->list = ds_realloc(extents->list, extents->capacity, sizeof *extents->list);
    }
    memmove(&extents->list[i + 1], &extents->list[i], (extents->n - i) * sizeof *extents->list);
    extents->list[i] = e;
    extents->n++;
}

bool ds_extents_take(ds_extents *extents, uint64_t length, uint64_t *offset)
{
    DS_ASSERT(length > 0);
    for (size_t i = 0; i < extents->n; i++) {
        ds_extent *e = &extents->list[i];
        if (e->length < length)
            continue;
        *offset = e->offset;
        e->offset += length;
        e->length -= length;
        if (e->length == 0)
            remove_extent(extents, i);
        extents->used += length;
        if (extents->peak < extents->used)
            extents->peak = extents->used;
        return true;
    }
    return false;
}

/* Index of the first free extent behind offset. */
static size_t find_behind(const ds_extents *extents, uint64_t offset)
{
    size_t low = 0, high = extents->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (extents->list[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void ds_extents_give(ds_extents *extents, uint64_t offset, uint64_t length)
{
    DS_ASSERT(length > 0 && offset <= extents->size && length <= extents->size - offset);
    size_t i = find_behind(extents, offset);
    ds_extent *before = i > 0 ? &extents->list[i - 1] : NULL;
    ds_extent *behind = i < extents->n ? &extents->list[i] : NULL;
    /* What is given must have been taken: a range given twice would be handed out twice. */
    DS_ASSERT(before == NULL || before->offset + before->length <= offset);
    DS_ASSERT(behind == NULL || offset + length <= behind->offset);
    DS_ASSERT(length <= extents->used);
    extents->used -= length;
    bool joins_before = before != NULL && before->offset + before->length == offset;
    bool joins_behind = behind != NULL && offset + length == behind->offset;
    if (joins_before) {
        before->length += length + (joins_behind ? behind->length : 0);
        if (joins_behind)
            remove_extent(extents, i);
    } else if (joins_behind) {
        behind->offset = offset;
        behind->length += length;
    } else {
        insert_extent(extents, i, (ds_extent){offset, length});
    }
}

uint64_t ds_extents_end(const ds_extents *extents)
{
    if (extents->n == 0)
        return extents->size;
    const ds_extent *last = &extents->list[extents->n - 1];
    return last->offset + last->length == extents->size ? last->offset : extents->size;
}
