#include "columnar/text_store.h"

#include "base/assert.h"

#define FIRST_BUFFER ((uint32_t)1 << 10)
#define LAST_BUFFER ((uint32_t)1 << 20)

void ds_text_store_init(ds_text_store *store, ds_budget *budget)
{
    *store = (ds_text_store){.budget = budget};
    ds_heap_init(&store->heap, NULL);
}

/* Before the bytes of a buffer. */
typedef struct head {
    _Alignas(16) size_t size; /* of the buffer with its head */
} head;

static void free_buffer(ds_text_store *store, const char *bytes)
{
    head *h = (head *)(uintptr_t)bytes - 1; /* a heap's are const; these are the store's own */
    store->bytes -= h->size;
    ds_budget_free(store->budget, h, h->size);
}

void ds_text_store_fini(ds_text_store *store)
{
    for (uint32_t i = 0; i < store->heap.n_buffers && !store->lends; i++)
        free_buffer(store, store->heap.buffers[i]);
    ds_heap_fini(&store->heap);
    *store = (ds_text_store){0};
}

void ds_text_store_clear(ds_text_store *store)
{
    DS_ASSERT(!store->lends);
    ds_heap *heap = &store->heap;
    for (uint32_t i = 0; i < heap->n_buffers; i++)
        if (heap->buffers[i] != store->tail)
            free_buffer(store, heap->buffers[i]);
    ds_heap_reset(heap);
    if (store->tail != NULL)
        ds_heap_add(heap, store->tail);
    store->tail_used = 0;
    store->used = store->dropped = 0;
}

void ds_text_store_lend(ds_text_store *store)
{
    DS_ASSERT(store->heap.n_buffers == 0);
    store->lends = true;
}

void ds_text_store_set(ds_text_store *store, uint32_t buffer, const char *bytes)
{
    DS_ASSERT(store->lends);
    while (store->heap.n_buffers <= buffer)
        ds_heap_add(&store->heap, NULL);
    store->heap.buffers[buffer] = bytes;
}

static char *add_buffer(ds_text_store *store, uint32_t size)
{
    size_t whole = sizeof(head) + size;
    head *h = ds_budget_alloc(store->budget, whole);
    h->size = whole;
    store->bytes += whole;
    ds_heap_add(&store->heap, (char *)(h + 1));
    return (char *)(h + 1);
}

/* The tail is always the last buffer: a text too long for any tail takes its place. */
ds_view ds_text_store_copy(ds_text_store *store, const ds_heap *heap, const ds_view *view)
{
    uint32_t length = view->length;
    if (store->tail == NULL || length > store->tail_size - store->tail_used) {
        uint32_t size = store->tail == NULL ? FIRST_BUFFER : store->tail_size;
        if (store->tail != NULL && size < LAST_BUFFER)
            size *= 2;
        if (size > LAST_BUFFER)
            size = LAST_BUFFER;
        store->tail_size = length > size ? length : size;
        store->tail = add_buffer(store, store->tail_size);
        store->tail_used = 0;
    }
    char *text = store->tail + store->tail_used;
    memcpy(text, ds_view_bytes(heap, view), length);
    ds_view kept = ds_view_at(text, length, store->heap.n_buffers - 1, store->tail_used);
    store->tail_used += length;
    store->used += length;
    return kept;
}

uint32_t ds_text_store_export(ds_text_store *store, ds_heap *heap)
{
    uint32_t n = store->heap.n_buffers, base = store->exported;
    if (n == 0)
        return 0;
    const char *const *mine = store->heap.buffers;
    if ((uint64_t)base + n <= heap->n_buffers &&
        memcmp(&heap->buffers[base], mine, n * sizeof *mine) == 0)
        return base;
    store->exported = heap->n_buffers;
    for (uint32_t i = 0; i < n; i++)
        ds_heap_add(heap, mine[i]);
    return store->exported;
}

int ds_text_compare(const ds_heap *heap_a, const ds_view *a, const ds_heap *heap_b,
                    const ds_view *b)
{
    uint32_t least = a->length < b->length ? a->length : b->length;
    int order = memcmp(ds_view_bytes(heap_a, a), ds_view_bytes(heap_b, b), least);
    if (order != 0)
        return order;
    return (a->length > b->length) - (a->length < b->length);
}
