/*
 * Text that outlives the heap it came from: keys of a table, the smallest string of a group.
 *
 * A store owns its buffers and hands out views that refer to them by index. What is no longer
 * needed is only counted; when more than half is waste the owner moves what is alive to a new
 * store. A store may also lend: then it owns nothing, its buffers are set from outside, and
 * views pass through it as they are (windows keep text with the pane it came in).
 */
#ifndef DS_COLUMNAR_TEXT_STORE_H
#define DS_COLUMNAR_TEXT_STORE_H

#include "columnar/column.h"

typedef struct ds_text_store {
    ds_heap heap; /* its buffers; no arena */
    ds_budget *budget;
    char *tail; /* the buffer being filled: the last one */
    uint32_t tail_size, tail_used;
    size_t bytes;         /* of all buffers */
    size_t used, dropped; /* bytes put in; of these no longer needed */
    uint32_t exported;    /* where in a heap the last export put them */
    bool lends;
} ds_text_store;

/* Prepares an empty store that charges budget (borrowed, may be NULL). */
void ds_text_store_init(ds_text_store *store, ds_budget *budget);
void ds_text_store_fini(ds_text_store *store);
/* Forgets all text and keeps one buffer. Not for a store that lends. */
void ds_text_store_clear(ds_text_store *store);

/* Makes an empty store one that lends. Buffers are set by number; NULL is a free place. */
void ds_text_store_lend(ds_text_store *store);
void ds_text_store_set(ds_text_store *store, uint32_t buffer, const char *bytes);

/* Copies the text of a long view of heap in, and returns a view of the store. */
ds_view ds_text_store_copy(ds_text_store *store, const ds_heap *heap, const ds_view *view);

/* A view of the store with the text of a view of heap (which is the store's, if it lends). */
static inline ds_view ds_text_store_keep(ds_text_store *store, const ds_heap *heap,
                                         const ds_view *view)
{
    if (view->length <= DS_INLINE_BYTES || store->lends)
        return *view;
    return ds_text_store_copy(store, heap, view);
}

/* Counts the text of a view of the store as waste. */
static inline void ds_text_store_drop(ds_text_store *store, const ds_view *view)
{
    if (view->length > DS_INLINE_BYTES)
        store->dropped += view->length;
}

/* True if what is alive should move to a new store. */
static inline bool ds_text_store_wasteful(const ds_text_store *store)
{
    return store->dropped > ((size_t)32 << 10) && store->dropped > store->used / 2 && !store->lends;
}

/* Adds the buffers to a task's heap, once (asked again it finds them there). Long views of
 * the store then need the result added to their buffer. */
uint32_t ds_text_store_export(ds_text_store *store, ds_heap *heap);

/* A view of the store as one of the heap that it was exported to. By words: what is changed a part
 * at a time and then read as a whole has to wait for its way through memory. */
static inline ds_view ds_text_store_view(const ds_view *view, uint32_t base)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t words[2];
    memcpy(words, view, sizeof words);
    uint32_t buffer = (uint32_t)words[1] + (view->length > DS_INLINE_BYTES ? base : 0);
    words[1] = words[1] >> 32 << 32 | buffer;
    ds_view out;
    memcpy(&out, words, sizeof out);
#else
    ds_view out = *view;
    if (out.length > DS_INLINE_BYTES)
        out.ref.buffer += base;
#endif
    return out;
}

/* Equality and order (by code point) of views of two heaps. */
static inline bool ds_text_equal(const ds_heap *heap_a, const ds_view *a, const ds_heap *heap_b,
                                 const ds_view *b)
{
    if (a->length <= DS_INLINE_BYTES)
        return memcmp(a, b, sizeof *a) == 0;
    return memcmp(a, b, 8) == 0 &&
           memcmp(ds_view_bytes(heap_a, a), ds_view_bytes(heap_b, b), a->length) == 0;
}

/* < 0, 0, > 0, by code point. */
int ds_text_compare(const ds_heap *heap_a, const ds_view *a, const ds_heap *heap_b,
                    const ds_view *b);

#endif
