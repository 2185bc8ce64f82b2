/*
 * Columns, chunks and heaps: data in the Apache Arrow memory layout.
 *
 * A chunk is up to DS_CHUNK_ROWS rows as columns. A column has a validity bitmap (bit i of
 * word i / 64; absent when no row is null; bits behind the length mean nothing) and values:
 *
 *     bool              a bitmap like validity
 *     int, timestamp    int64_t
 *     float             double
 *     string            ds_view (Arrow's string view)
 *     list              uint32_t offsets[length + 1] into the child column
 *
 * Under a null the value is any bits, but may always be read: a view there has to be a valid
 * view, offsets never decrease. So kernels compute on all rows and combine validity a word
 * at a time.
 *
 * A view of up to 12 bytes holds them inline; a longer one refers to a buffer of the chunk's
 * heap. All chunks of one task share one heap, so a view may be copied from column to column
 * and keeps its meaning; nothing is copied when a field is cut from a block. What outlives
 * the task is made compact by ds_piece_write (piece.h).
 *
 * Ownership: columns and their arrays live in arenas and are never freed one by one.
 */
#ifndef DS_COLUMNAR_COLUMN_H
#define DS_COLUMNAR_COLUMN_H

#include "base/arena.h"
#include "columnar/type.h"

#include <string.h>

#define DS_CHUNK_ROWS 2048u
#define DS_CHUNK_WORDS (DS_CHUNK_ROWS / 64)
#define DS_INLINE_BYTES 12u

typedef struct ds_view {
    uint32_t length; /* bytes */
    union {
        char inlined[DS_INLINE_BYTES]; /* length <= 12; zero behind the text */
        struct {
            char prefix[4];
            uint32_t buffer; /* index in the heap */
            uint32_t offset; /* bytes into that buffer */
        } ref;
    };
} ds_view;

/* The buffers that views of one task refer to. One owner; not thread-safe. */
typedef struct ds_heap {
    const char **buffers; /* the bytes are borrowed or belong to arena */
    uint32_t n_buffers;
    uint32_t capacity;
    ds_arena *arena; /* borrowed: where ds_heap_text puts text */
    char *tail;      /* free bytes of the newest text buffer */
    uint32_t tail_left;
    uint32_t tail_offset;
    uint32_t tail_buffer;
} ds_heap;

/* Prepares a heap whose text goes into arena (borrowed; must live as long as the views). */
void ds_heap_init(ds_heap *heap, ds_arena *arena);
void ds_heap_fini(ds_heap *heap);

/* Forgets all buffers (the arena is the caller's to reset). */
void ds_heap_reset(ds_heap *heap);

/* The heap's own text is about to go with its arena: what comes next is put elsewhere. Buffers keep
 * their numbers. */
void ds_heap_forget_text(ds_heap *heap);

/* Adds a borrowed buffer of less than 4 GiB; returns its index. */
uint32_t ds_heap_add(ds_heap *heap, const char *bytes);

/* Returns length writable bytes of the heap's own and the place they will have; NUL-free
 * text of up to 12 bytes is better made with ds_view_make. The bytes belong to the heap. */
char *ds_heap_text(ds_heap *heap, uint32_t length, uint32_t *buffer, uint32_t *offset);

/* A view of bytes that lie in a buffer of the heap (inline if short). */
static inline ds_view ds_view_at(const char *bytes, uint32_t length, uint32_t buffer,
                                 uint32_t offset)
{
    ds_view view = {.length = length};
    if (length <= DS_INLINE_BYTES) {
        memset(view.inlined, 0, sizeof view.inlined);
        memcpy(view.inlined, bytes, length);
    } else {
        memcpy(view.ref.prefix, bytes, 4);
        view.ref.buffer = buffer;
        view.ref.offset = offset;
    }
    return view;
}

/* A view of a copy of bytes, made in the heap if it is not short. */
ds_view ds_view_copy(ds_heap *heap, const char *bytes, uint32_t length);

/* The bytes of a view (not terminated). Points into *view itself when inline: borrowed. */
static inline const char *ds_view_bytes(const ds_heap *heap, const ds_view *view)
{
    return view->length <= DS_INLINE_BYTES ? view->inlined
                                           : heap->buffers[view->ref.buffer] + view->ref.offset;
}

/* Equality of two views of one heap. */
static inline bool ds_view_equal(const ds_heap *heap, const ds_view *a, const ds_view *b)
{
    if (memcmp(a, b, 8) != 0) /* length and prefix */
        return false;
    if (a->length <= DS_INLINE_BYTES)
        return memcmp(a->inlined, b->inlined, DS_INLINE_BYTES) == 0;
    return memcmp(ds_view_bytes(heap, a), ds_view_bytes(heap, b), a->length) == 0;
}

/* Order by code point (which is the order of the bytes): < 0, 0, > 0. */
int ds_view_compare(const ds_heap *heap, const ds_view *a, const ds_view *b);

typedef struct ds_column {
    ds_type type;
    uint32_t length;
    uint64_t *validity; /* NULL: no nulls */
    union {
        void *values;
        uint64_t *bits;    /* bool */
        int64_t *ints;     /* int, timestamp, interval */
        double *floats;    /* float */
        ds_view *views;    /* string */
        uint32_t *offsets; /* list: length + 1 */
    };
    struct ds_column *child; /* list */
} ds_column;

typedef struct ds_chunk {
    uint32_t n_rows; /* <= DS_CHUNK_ROWS */
    uint32_t n_columns;
    const ds_column *const *columns; /* a column that is not wanted may be NULL */
    /* Where each row comes from within the task's input: ascending for rows as they are read;
     * rows made from one record (flat_map) share its number. NULL: rows have no order. */
    const int64_t *positions;
} ds_chunk;

/* Bitmaps. */
static inline size_t ds_bitmap_words(size_t bits)
{
    return (bits + 63) / 64;
}
static inline bool ds_bit_get(const uint64_t *bits, size_t i)
{
    return (bits[i >> 6] >> (i & 63)) & 1;
}
static inline void ds_bit_set(uint64_t *bits, size_t i)
{
    bits[i >> 6] |= (uint64_t)1 << (i & 63);
}
static inline void ds_bit_clear(uint64_t *bits, size_t i)
{
    bits[i >> 6] &= ~((uint64_t)1 << (i & 63));
}
static inline void ds_bit_put(uint64_t *bits, size_t i, bool value)
{
    uint64_t mask = (uint64_t)1 << (i & 63);
    bits[i >> 6] = (bits[i >> 6] & ~mask) | (value ? mask : 0);
}

/* Sets bits 0 .. n-1 and clears the rest of the last word. */
void ds_bitmap_fill(uint64_t *bits, size_t n);
/* How many of the first n bits are set. */
size_t ds_bitmap_count(const uint64_t *bits, size_t n);
/* Writes the numbers of the set bits among the first n to indexes; returns how many. */
uint32_t ds_bitmap_indexes(const uint64_t *bits, uint32_t n, uint32_t *indexes);

static inline bool ds_column_is_null(const ds_column *column, size_t row)
{
    return column->validity != NULL && !ds_bit_get(column->validity, row);
}

/* Bytes of one value in the values array: 8, 16, 4 (list offsets); 0 for bool (bitmap). */
size_t ds_type_width(ds_type type);

/* A column with room for n values (values not set; offsets[0] = 0 for lists, whose child the
 * caller makes), without validity. */
ds_column *ds_column_new(ds_arena *arena, ds_type type, uint32_t n);

/* As above in place: fills *column. */
void ds_column_init(ds_column *column, ds_arena *arena, ds_type type, uint32_t n);

/* Gives the column a validity bitmap with all n rows valid, if it has none. */
void ds_column_need_validity(ds_column *column, ds_arena *arena);

/* Makes all n rows null (values are valid to read). */
ds_column *ds_column_nulls(ds_arena *arena, ds_type type, uint32_t n);

/* Rows indexes[0..n) of a column, as a new one (lists too). Views stay as they are. */
ds_column *ds_column_gather(ds_arena *arena, const ds_column *column, const uint32_t *indexes,
                            uint32_t n);

/* Equality of two values of one type; nulls are equal to each other; -0.0 = 0.0; lists by
 * elements. Each column with its own heap. Slow path: for tests, sinks and ties. */
bool ds_value_equal(const ds_heap *heap_a, const ds_column *a, uint32_t row_a,
                    const ds_heap *heap_b, const ds_column *b, uint32_t row_b);

#endif
