#include "columnar/gather.h"

#include "base/assert.h"
#include "columnar/piece.h"
#include "columnar/text_store.h"

#include <stdlib.h>

static void gather_lists(ds_arena *arena, ds_column *out, const ds_place *places, uint32_t n,
                         uint32_t base)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t *offsets = places[i].column->offsets + places[i].row;
        total += offsets[1] - offsets[0];
        DS_ASSERT(total <= UINT32_MAX);
        out->offsets[i + 1] = (uint32_t)total;
    }
    ds_place *elements = ds_alloc((size_t)total * sizeof *elements);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t *offsets = places[i].column->offsets + places[i].row;
        for (uint32_t e = offsets[0]; e < offsets[1]; e++)
            elements[out->offsets[i] + e - offsets[0]] = (ds_place){places[i].column->child, e};
    }
    out->child =
        ds_gather_places(arena, ds_type_element(out->type), elements, (uint32_t)total, base);
    free(elements);
}

static void gather_validity(ds_arena *arena, ds_column *out, const ds_place *places, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (ds_column_is_null(places[i].column, places[i].row)) {
            ds_column_need_validity(out, arena);
            ds_bit_clear(out->validity, i);
        }
}

ds_column *ds_gather_places(ds_arena *arena, ds_type type, const ds_place *places, uint32_t n,
                            uint32_t base)
{
    ds_column *out = ds_column_new(arena, type, n);
    gather_validity(arena, out, places, n);
    switch (type.kind) {
    case DS_BOOL:
        memset(out->bits, 0, ds_bitmap_words(n) * 8);
        for (uint32_t i = 0; i < n; i++)
            ds_bit_put(out->bits, i, ds_bit_get(places[i].column->bits, places[i].row));
        break;
    case DS_STRING:
        for (uint32_t i = 0; i < n; i++)
            out->views[i] = ds_text_store_view(&places[i].column->views[places[i].row], base);
        break;
    case DS_LIST: gather_lists(arena, out, places, n, base); break;
    default:
        for (uint32_t i = 0; i < n; i++)
            out->ints[i] = places[i].column->ints[places[i].row];
        break;
    }
    return out;
}

/* ---- Boxes ---- */

static ds_view box_list(ds_arena *arena, ds_heap *heap, const ds_heap *source,
                        const ds_column *lists, uint32_t row)
{
    ds_column one = *lists;
    one.offsets += row;
    one.length = 1;
    one.validity = NULL;
    const ds_column *columns[] = {&one};
    size_t size = ds_piece_size(source, columns, 1, 1);
    char *bytes = ds_arena_alloc(arena, size);
    ds_piece_write(bytes, source, columns, 1, 1);
    return ds_view_at(bytes, (uint32_t)size, ds_heap_add(heap, bytes), 0);
}

ds_column *ds_box_lists(ds_arena *arena, ds_heap *heap, const ds_heap *source,
                        const ds_column *lists, const uint32_t *rows, uint32_t n)
{
    ds_column *boxes = ds_column_new(arena, DS_TYPE(DS_STRING), lists->length);
    memset(boxes->views, 0, lists->length * sizeof *boxes->views);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = rows == NULL ? i : rows[i];
        boxes->views[row] = box_list(arena, heap, source, lists, row);
    }
    return boxes;
}

/* The list in a box as a column of one row, or NULL. */
static const ds_column *unbox_list(ds_arena *arena, ds_heap *heap, const ds_view *box, ds_type type)
{
    char *bytes = ds_arena_alloc(arena, box->length); /* a piece has to be aligned */
    memcpy(bytes, ds_view_bytes(heap, box), box->length);
    ds_column *column;
    uint32_t rows;
    ds_status status =
        ds_piece_read(arena, heap, bytes, box->length, &type, 1, &column, &rows, NULL);
    return status == DS_OK && rows == 1 ? column : NULL;
}

ds_column *ds_unbox_lists(ds_arena *arena, ds_heap *heap, const ds_column *boxes, ds_type type)
{
    uint32_t n = boxes->length;
    ds_place *places = ds_alloc(n * sizeof *places);
    const ds_column *null = ds_column_nulls(arena, type, 1);
    for (uint32_t i = 0; i < n; i++) {
        const ds_column *list = NULL;
        if (!ds_column_is_null(boxes, i))
            list = unbox_list(arena, heap, &boxes->views[i], type);
        places[i] = (ds_place){list == NULL ? null : list, 0};
    }
    ds_column *lists = ds_gather_places(arena, type, places, n, 0);
    free(places);
    return lists;
}
