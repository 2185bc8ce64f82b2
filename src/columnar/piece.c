/* Writing pieces (piece_layout.h). */
#include "base/assert.h"
#include "columnar/narrow.h"
#include "columnar/piece_layout.h"

#define BLOCK 64u

/* Where parts go. Without a base nothing is written: that measures. */
typedef struct out {
    char *base;
    size_t at;
    const ds_heap *heap;
    const uint8_t *spared; /* by column; NULL: all values are written in full */
} out;

static void *put(out *o, size_t bytes)
{
    char *part = o->base == NULL ? NULL : o->base + o->at;
    if (part != NULL && ds_piece_padded(bytes) != bytes)
        memset(part + ds_piece_padded(bytes) - 8, 0, 8);
    o->at += ds_piece_padded(bytes);
    return part;
}

/* Writes bits [from, from + n) of a bitmap, with zeros behind. */
static void put_bits(out *o, const uint64_t *bits, size_t from, size_t n)
{
    size_t words = ds_bitmap_words(n), shift = from % 64, last = (from + n - 1) / 64;
    uint64_t *to = put(o, words * 8);
    if (to == NULL || n == 0)
        return;
    for (size_t i = 0; i < words; i++) {
        size_t at = from / 64 + i;
        uint64_t word = bits[at] >> shift;
        if (shift != 0 && at < last)
            word |= bits[at + 1] << (64 - shift);
        to[i] = word;
    }
    if (n % 64 != 0)
        to[words - 1] &= ((uint64_t)1 << (n % 64)) - 1;
}

static void put_bools(out *o, const ds_column *column, size_t from, size_t n)
{
    uint64_t *to = o->base == NULL ? NULL : (uint64_t *)(o->base + o->at);
    put_bits(o, column->bits, from, n);
    if (to == NULL || column->validity == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        if (ds_column_is_null(column, from + i))
            ds_bit_clear(to, i);
}

static void put_words(out *o, const ds_column *column, size_t from, size_t n)
{
    int64_t *to = put(o, n * 8);
    if (to == NULL || n == 0)
        return;
    memcpy(to, column->ints + from, n * 8);
    if (column->validity == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        if (ds_column_is_null(column, from + i))
            to[i] = 0;
}

/* The values of up to n rows from `row` on, n itself becoming how many, with zero for null. */
static const int64_t *some_words(const ds_column *column, size_t row, size_t *n, int64_t *block)
{
    if (column->validity == NULL)
        return column->ints + row;
    *n = *n < BLOCK ? *n : BLOCK;
    for (size_t i = 0; i < *n; i++)
        block[i] = ds_column_is_null(column, row + i) ? 0 : column->ints[row + i];
    return block;
}

static void put_narrow(out *o, const ds_column *column, size_t n, uint32_t bytes)
{
    char *to = put(o, n * bytes);
    int64_t block[BLOCK];
    for (size_t row = 0, some; to != NULL && row < n; row += some) {
        some = n - row;
        const int64_t *words = some_words(column, row, &some, block);
        ds_narrow_put(to + row * bytes, words, some, bytes);
    }
}

static uint32_t spared_of(const ds_column *column, uint32_t n)
{
    int64_t block[BLOCK];
    uint64_t bits = 0;
    if (column->type.kind != DS_INT && column->type.kind != DS_TIMESTAMP)
        return 0;
    for (size_t row = 0, some; row < n; row += some) {
        some = n - row;
        const int64_t *words = some_words(column, row, &some, block);
        bits |= ds_narrow_bits(words, some);
    }
    return 8 - ds_narrow_bytes(bits);
}

static size_t text_size(const ds_column *column, size_t from, size_t n)
{
    size_t bytes = 0;
    for (size_t i = from; i < from + n; i++)
        if (column->views[i].length > DS_INLINE_BYTES && !ds_column_is_null(column, i))
            bytes += column->views[i].length;
    return bytes;
}

/* Returns the bytes of text. */
static size_t put_strings(out *o, const ds_column *column, size_t from, size_t n)
{
    ds_view *to = put(o, n * sizeof *to);
    size_t place = o->at, bytes = text_size(column, from, n);
    char *text = put(o, bytes);
    if (to == NULL)
        return bytes;
    for (size_t i = 0; i < n; i++) {
        const ds_view *view = &column->views[from + i];
        if (ds_column_is_null(column, from + i)) {
            memset(&to[i], 0, sizeof to[i]);
        } else if (view->length <= DS_INLINE_BYTES) {
            to[i] = *view;
        } else {
            memcpy(text, ds_view_bytes(o->heap, view), view->length);
            to[i] = ds_view_at(text, view->length, 0, (uint32_t)place);
            text += view->length;
            place += view->length;
        }
    }
    return bytes;
}

/* Writes validity and values of a column that is not a list; returns the bytes of text. */
static size_t put_scalars(out *o, const ds_column *column, size_t from, size_t n)
{
    if (column->validity != NULL)
        put_bits(o, column->validity, from, n);
    switch (column->type.kind) {
    case DS_BOOL: put_bools(o, column, from, n); return 0;
    case DS_STRING: return put_strings(o, column, from, n);
    default: put_words(o, column, from, n); return 0;
    }
}

static size_t put_list(out *o, const ds_column *column, uint32_t n)
{
    if (column->validity != NULL)
        put_bits(o, column->validity, 0, n);
    uint32_t from = column->offsets[0], length = column->offsets[n] - from;
    uint32_t *offsets = put(o, ((size_t)n + 1) * sizeof *offsets);
    if (offsets != NULL)
        for (size_t i = 0; i <= n; i++)
            offsets[i] = column->offsets[i] - from;
    ds_piece_child *child = put(o, sizeof *child);
    if (child != NULL)
        *child =
            (ds_piece_child){.length = length, .has_validity = column->child->validity != NULL};
    return put_scalars(o, column->child, from, length);
}

static size_t put_sparing(out *o, const ds_column *column, uint32_t n, uint32_t spared)
{
    if (column->validity != NULL)
        put_bits(o, column->validity, 0, n);
    put_narrow(o, column, n, 8 - spared);
    return 0;
}

static size_t put_piece(out *o, const ds_column *const *columns, uint32_t n_columns,
                        uint32_t n_rows)
{
    ds_piece_header *header = put(o, sizeof *header);
    ds_piece_column *headers = put(o, n_columns * sizeof *headers);
    for (uint32_t c = 0; c < n_columns; c++) {
        const ds_column *column = columns[c];
        DS_ASSERT(column->length >= n_rows);
        bool list = column->type.kind == DS_LIST;
        uint8_t spared = o->spared == NULL ? 0 : o->spared[c];
        size_t text = n_rows == 0   ? 0
                      : spared != 0 ? put_sparing(o, column, n_rows, spared)
                      : list        ? put_list(o, column, n_rows)
                                    : put_scalars(o, column, 0, n_rows);
        if (headers != NULL)
            headers[c] = (ds_piece_column){.kind = column->type.kind,
                                           .element = column->type.element,
                                           .has_validity = n_rows > 0 && column->validity != NULL,
                                           .spared = spared,
                                           .text_bytes = (uint32_t)text};
    }
    if (header != NULL)
        *header =
            (ds_piece_header){.magic = DS_PIECE_MAGIC,
                              .version = o->spared == NULL ? DS_PIECE_VERSION : DS_PIECE_NARROW,
                              .n_columns = (uint16_t)n_columns,
                              .n_rows = n_rows,
                              .length = o->at};
    return o->at;
}

size_t ds_piece_size(const ds_heap *heap, const ds_column *const *columns, uint32_t n_columns,
                     uint32_t n_rows)
{
    out o = {.heap = heap};
    return put_piece(&o, columns, n_columns, n_rows);
}

size_t ds_piece_write(void *to, const ds_heap *heap, const ds_column *const *columns,
                      uint32_t n_columns, uint32_t n_rows)
{
    return ds_piece_write_narrow(to, heap, columns, n_columns, n_rows, NULL);
}

size_t ds_piece_size_narrow(const ds_heap *heap, const ds_column *const *columns,
                            uint32_t n_columns, uint32_t n_rows, uint8_t *spared)
{
    out o = {.heap = heap, .spared = spared};
    for (uint32_t c = 0; c < n_columns; c++) {
        uint32_t most = n_rows == 0 ? 0 : c == 0 ? 7 : 8, some = spared_of(columns[c], n_rows);
        spared[c] = (uint8_t)(some < most ? some : most);
    }
    return put_piece(&o, columns, n_columns, n_rows);
}

size_t ds_piece_write_narrow(void *to, const ds_heap *heap, const ds_column *const *columns,
                             uint32_t n_columns, uint32_t n_rows, const uint8_t *spared)
{
    DS_ASSERT((uintptr_t)to % 8 == 0 && n_columns <= UINT16_MAX);
    out o = {.base = to, .heap = heap, .spared = spared};
    size_t size = put_piece(&o, columns, n_columns, n_rows);
    DS_ASSERT(size <= UINT32_MAX);
    return size;
}
