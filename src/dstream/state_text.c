#include "dstream/state_text.h"

#include "base/assert.h"
#include "columnar/growable.h"

#include <stdlib.h>

#define NO_BUFFER UINT32_MAX
#define FIRST_SIZE ((uint32_t)1 << 10)
#define RELIEF 16u /* owners here and there, before pages may have to go */
#define MOST_SIZE ((uint32_t)256 << 10)

typedef struct entry { /* before each value */
    uint32_t id, length;
} entry;

static uint32_t entry_bytes(uint32_t length)
{
    return (uint32_t)sizeof(entry) + ((length + 7) & ~(uint32_t)7);
}

void ds_state_text_init(ds_state_text *text, ds_budget *budget)
{
    *text = (ds_state_text){.tail = NO_BUFFER, .next_size = FIRST_SIZE, .budget = budget};
    ds_heap_init(&text->heap, NULL);
}

static char *bytes_of(const ds_state_text *text, uint32_t buffer)
{
    return (char *)(uintptr_t)text->heap.buffers[buffer]; /* a heap's are const; these are ours */
}

void ds_state_text_fini(ds_state_text *text)
{
    for (uint32_t b = 0; b < text->heap.n_buffers; b++)
        if (bytes_of(text, b) != NULL)
            ds_budget_free(text->budget, bytes_of(text, b), text->buffers[b].size);
    ds_grow_free(text->buffers, &text->buffers_room, sizeof *text->buffers, text->budget);
    ds_grow_free(text->unused, &text->unused_room, sizeof *text->unused, text->budget);
    ds_grow_free(text->wasteful, &text->wasteful_room, sizeof *text->wasteful, text->budget);
    ds_heap_fini(&text->heap);
    *text = (ds_state_text){0};
}

/* ---- Buffers ---- */

static uint32_t add_buffer(ds_state_text *text, uint32_t size)
{
    uint32_t b = text->n_unused > 0 ? text->unused[--text->n_unused] : text->heap.n_buffers;
    char *bytes = ds_budget_alloc(text->budget, size);
    if (b == text->heap.n_buffers)
        ds_heap_add(&text->heap, bytes);
    else
        text->heap.buffers[b] = bytes;
    text->buffers = ds_grow(text->buffers, &text->buffers_room, (uint64_t)b + 1,
                            sizeof *text->buffers, text->budget);
    text->buffers[b] = (ds_text_buffer){.size = size};
    text->bytes += size;
    return b;
}

static void free_buffer(ds_state_text *text, uint32_t b)
{
    uint32_t size = text->buffers[b].size;
    ds_budget_free(text->budget, bytes_of(text, b), size);
    text->bytes -= size;
    text->heap.buffers[b] = NULL;
    text->unused = ds_grow(text->unused, &text->unused_room, (uint64_t)text->n_unused + 1,
                           sizeof *text->unused, text->budget);
    text->unused[text->n_unused++] = b;
}

/* The buffer that is being filled may become wasteful, too: it is looked at when it is full. */
static void check_waste(ds_state_text *text, uint32_t b)
{
    ds_text_buffer *buffer = &text->buffers[b];
    if (b == text->tail || buffer->wasteful || buffer->dropped <= buffer->used / 2)
        return;
    buffer->wasteful = true;
    text->wasteful = ds_grow(text->wasteful, &text->wasteful_room, (uint64_t)text->n_wasteful + 1,
                             sizeof *text->wasteful, text->budget);
    text->wasteful[text->n_wasteful++] = b;
}

/* A buffer with room for so many bytes: the tail, or one of its own for a long value. */
static uint32_t buffer_for(ds_state_text *text, uint32_t need)
{
    uint32_t tail = text->tail;
    if (tail != NO_BUFFER && need <= text->buffers[tail].size - text->buffers[tail].used)
        return tail;
    if (need > MOST_SIZE / 4)
        return add_buffer(text, need);
    while (text->next_size < need)
        text->next_size *= 2;
    text->tail = add_buffer(text, text->next_size);
    if (text->next_size < MOST_SIZE)
        text->next_size *= 2;
    if (tail != NO_BUFFER)
        check_waste(text, tail);
    return text->tail;
}

/* ---- Values ---- */

ds_view ds_state_text_put(ds_state_text *text, uint32_t id, const char *bytes, uint32_t length)
{
    if (length <= DS_INLINE_BYTES)
        return ds_view_at(bytes, length, 0, 0);
    DS_ASSERT(length < UINT32_MAX - 64);
    uint32_t need = entry_bytes(length), b = buffer_for(text, need);
    ds_text_buffer *buffer = &text->buffers[b];
    entry head = {id, length};
    char *to = bytes_of(text, b) + buffer->used;
    memcpy(to, &head, sizeof head);
    memcpy(to + sizeof head, bytes, length);
    ds_view view = ds_view_at(bytes, length, b, buffer->used + (uint32_t)sizeof head);
    buffer->used += need;
    return view;
}

void ds_state_text_drop(ds_state_text *text, const ds_view *view)
{
    if (view->length <= DS_INLINE_BYTES)
        return;
    ds_text_buffer *buffer = &text->buffers[view->ref.buffer];
    buffer->dropped += entry_bytes(view->length);
    DS_ASSERT(buffer->dropped <= buffer->used);
    check_waste(text, view->ref.buffer);
}

void ds_state_text_renumber(ds_state_text *text, const ds_view *view, uint32_t id)
{
    if (view->length <= DS_INLINE_BYTES)
        return;
    entry head = {id, view->length};
    memcpy(bytes_of(text, view->ref.buffer) + view->ref.offset - sizeof head, &head, sizeof head);
}

/* ---- Tidying ---- */

/* Moves what is alive in a buffer to the end of the log. */
static void move_living(ds_state_text *text, uint32_t b, ds_text_owner_fn owner, void *arg)
{
    uint32_t used = text->buffers[b].used;
    if (text->buffers[b].dropped == used)
        return;
    const char *bytes = bytes_of(text, b);
    for (uint32_t at = 0, n = 0; at < used; n++) {
        entry head;
        if (n % RELIEF == 0)
            ds_budget_relieve(text->budget);
        memcpy(&head, bytes + at, sizeof head);
        ds_view *view = owner(arg, head.id, b, at + (uint32_t)sizeof head);
        if (view != NULL)
            *view = ds_state_text_put(text, head.id, bytes + at + sizeof head, head.length);
        at += entry_bytes(head.length);
    }
}

void ds_state_text_tidy(ds_state_text *text, ds_text_owner_fn owner, void *arg)
{
    /* What is moved may fill the tail, which then joins the list. */
    for (uint32_t i = 0; i < text->n_wasteful; i++) {
        move_living(text, text->wasteful[i], owner, arg);
        free_buffer(text, text->wasteful[i]);
    }
    text->n_wasteful = 0;
    uint32_t tail = text->tail;
    if (tail == NO_BUFFER || text->buffers[tail].dropped < text->buffers[tail].used ||
        text->buffers[tail].used == 0)
        return;
    text->buffers[tail].used = text->buffers[tail].dropped = 0; /* nothing in it is alive */
}

uint32_t ds_state_text_export(ds_state_text *text, ds_heap *heap)
{
    uint32_t n = text->heap.n_buffers, base = text->exported;
    if (n == 0)
        return 0;
    const char *const *mine = text->heap.buffers;
    if ((uint64_t)base + n <= heap->n_buffers &&
        memcmp(&heap->buffers[base], mine, n * sizeof *mine) == 0)
        return base;
    text->exported = heap->n_buffers;
    for (uint32_t i = 0; i < n; i++)
        ds_heap_add(heap, mine[i]);
    return text->exported;
}
