/*
 * Pieces from hostile peers: the first bytes choose the types wanted, the rest is the piece.
 * What is accepted must be safe to read in full, and must survive being written again.
 */
#include "base/assert.h"
#include "columnar/piece.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t read_all(const ds_heap *heap, const ds_column *column)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < column->length; i++) {
        sum += ds_column_is_null(column, i);
        switch (column->type.kind) {
        case DS_BOOL: sum += ds_bit_get(column->bits, i); break;
        case DS_STRING: {
            const ds_view *view = &column->views[i];
            const char *text = ds_view_bytes(heap, view);
            for (uint32_t b = 0; b < view->length; b++)
                sum += (unsigned char)text[b];
            break;
        }
        case DS_LIST: sum += column->offsets[i + 1] - column->offsets[i]; break;
        default: sum += (uint64_t)column->ints[i]; break;
        }
    }
    return column->type.kind == DS_LIST ? sum + read_all(heap, column->child) : sum;
}

/* Both kinds of pieces have the same values. */
static void read_again(const ds_heap *heap, ds_column **columns, const ds_type *types,
                       uint32_t n_types, uint32_t n_rows, const char *copy, size_t size)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_heap other;
    ds_heap_init(&other, arena);
    ds_column *again[8];
    uint32_t rows;
    DS_ASSERT(ds_piece_read(arena, &other, copy, size, types, n_types, again, &rows, NULL) ==
              DS_OK);
    DS_ASSERT(rows == n_rows);
    for (uint32_t c = 0; c < n_types; c++)
        for (uint32_t i = 0;
             i < n_rows && types[c].kind != DS_FLOAT && types[c].element != DS_FLOAT;
             i++) /* there may be NaNs */
            DS_ASSERT(ds_value_equal(heap, columns[c], i, &other, again[c], i));
    ds_heap_fini(&other);
    ds_arena_free(arena);
}

static void write_again(const ds_heap *heap, ds_column **columns, const ds_type *types,
                        uint32_t n_types, uint32_t n_rows)
{
    const ds_column *const *in = (const ds_column *const *)columns;
    uint8_t spared[8];
    size_t size = ds_piece_size(heap, in, n_types, n_rows);
    size_t narrow = ds_piece_size_narrow(heap, in, n_types, n_rows, spared);
    DS_ASSERT(narrow <= size);
    if (size > ((size_t)64 << 20)) /* views may share text: the copy can be far larger */
        return;
    char *copy = ds_alloc(size);
    DS_ASSERT(ds_piece_write(copy, heap, in, n_types, n_rows) == size);
    read_again(heap, columns, types, n_types, n_rows, copy, size);
    DS_ASSERT(ds_piece_write_narrow(copy, heap, in, n_types, n_rows, spared) == narrow);
    read_again(heap, columns, types, n_types, n_rows, copy, narrow);
    free(copy);
}

/* In parts it is refused as it is as a whole, or later, and has the same rows. */
static void read_parts(const ds_heap *heap, ds_column **whole, uint32_t n_rows, bool valid,
                       const char *bytes, size_t length, const ds_type *types, uint32_t n_types)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_heap other;
    ds_heap_init(&other, arena);
    ds_piece *piece;
    ds_column *part[8];
    ds_status status = ds_piece_open(arena, &other, bytes, length, types, n_types, &piece, NULL);
    DS_ASSERT(!valid || status == DS_OK);
    uint32_t total = status == DS_OK ? ds_piece_length(piece) : 0, at = 0;
    for (uint32_t n; at < total && status == DS_OK && n_types > 0; at += n) {
        n = total - at < 64 ? total - at : 64;
        status = ds_piece_take(piece, arena, at, n, part, NULL);
        DS_ASSERT(!valid || status == DS_OK);
        for (uint32_t c = 0; status == DS_OK && c < n_types; c++) {
            read_all(&other, part[c]);
            for (uint32_t i = 0; valid && i < n && types[c].kind != DS_FLOAT; i++)
                DS_ASSERT(ds_value_equal(heap, whole[c], at + i, &other, part[c], i));
        }
        if (at > 2000)
            break;
    }
    DS_ASSERT(!valid || total == n_rows);
    ds_heap_fini(&other);
    ds_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ds_type choices[] = {
        DS_TYPE(DS_BOOL),      DS_TYPE(DS_INT),    DS_TYPE(DS_FLOAT),     DS_TYPE(DS_STRING),
        DS_TYPE(DS_TIMESTAMP), DS_LIST_OF(DS_INT), DS_LIST_OF(DS_STRING), DS_LIST_OF(DS_BOOL)};
    ds_type types[8];
    if (size < 1 || size < 1 + (size_t)data[0] % 8)
        return 0;
    uint32_t n_types = data[0] % 8;
    for (uint32_t i = 0; i < n_types; i++)
        types[i] = choices[data[1 + i] % 8];
    size_t length = size - 1 - n_types;
    char *bytes = ds_alloc(length);
    memcpy(bytes, data + 1 + n_types, length);
    ds_arena *arena = ds_arena_new(NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    ds_column *columns[8];
    uint32_t n_rows;
    ds_error error;
    bool valid = ds_piece_read(arena, &heap, bytes, length, types, n_types, columns, &n_rows,
                               &error) == DS_OK;
    read_parts(&heap, columns, n_rows, valid, bytes, length, types, n_types);
    if (valid) {
        uint64_t sum = 0;
        for (uint32_t c = 0; c < n_types; c++)
            sum += read_all(&heap, columns[c]);
        __asm__ volatile("" : : "r"(sum));
        if (n_types > 0)
            write_again(&heap, columns, types, n_types, n_rows);
    }
    ds_heap_fini(&heap);
    ds_arena_free(arena);
    free(bytes);
    return 0;
}
