/* The heap half of column.h: buffers that string views refer to. */
#include "columnar/column.h"

#include <stdlib.h>

#define TEXT_BUFFER ((uint32_t)64 << 10)

void ds_heap_init(ds_heap *heap, ds_arena *arena)
{
    *heap = (ds_heap){.arena = arena};
}

void ds_heap_fini(ds_heap *heap)
{
    free(heap->buffers);
    *heap = (ds_heap){0};
}

void ds_heap_reset(ds_heap *heap)
{
    heap->n_buffers = 0;
    heap->tail = NULL;
    heap->tail_left = 0;
}

void ds_heap_forget_text(ds_heap *heap)
{
    heap->tail = NULL;
    heap->tail_left = 0;
}

uint32_t ds_heap_add(ds_heap *heap, const char *bytes)
{
    if (heap->n_buffers == heap->capacity) {
        heap->capacity = heap->capacity == 0 ? 16 : heap->capacity * 2;
        heap->buffers = ds_realloc(heap->buffers, heap->capacity, sizeof *heap->buffers);
    }
    heap->buffers[heap->n_buffers] = bytes;
    return heap->n_buffers++;
}

char *ds_heap_text(ds_heap *heap, uint32_t length, uint32_t *buffer, uint32_t *offset)
{
    if (length > TEXT_BUFFER / 4) { /* a buffer of its own: the tail stays useful */
        char *own = ds_arena_alloc(heap->arena, length);
        *buffer = ds_heap_add(heap, own);
        *offset = 0;
        return own;
    }
    if (heap->tail == NULL || heap->tail_left < length) {
        heap->tail = ds_arena_alloc(heap->arena, TEXT_BUFFER);
        heap->tail_left = TEXT_BUFFER;
        heap->tail_offset = 0;
        heap->tail_buffer = ds_heap_add(heap, heap->tail);
    }
    char *text = heap->tail + heap->tail_offset;
    *buffer = heap->tail_buffer;
    *offset = heap->tail_offset;
    heap->tail_offset += length;
    heap->tail_left -= length;
    return text;
}

ds_view ds_view_copy(ds_heap *heap, const char *bytes, uint32_t length)
{
    if (length <= DS_INLINE_BYTES)
        return ds_view_at(bytes, length, 0, 0);
    uint32_t buffer, offset;
    memcpy(ds_heap_text(heap, length, &buffer, &offset), bytes, length);
    return ds_view_at(bytes, length, buffer, offset);
}

int ds_view_compare(const ds_heap *heap, const ds_view *a, const ds_view *b)
{
    uint32_t least = a->length < b->length ? a->length : b->length;
    int order = memcmp(ds_view_bytes(heap, a), ds_view_bytes(heap, b), least);
    if (order != 0)
        return order;
    return (a->length > b->length) - (a->length < b->length);
}
