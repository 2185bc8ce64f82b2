/* Rows of several columns as one. */
#ifndef DS_COLUMNAR_GATHER_H
#define DS_COLUMNAR_GATHER_H

#include "columnar/column.h"

/* One value: which column has it, and in which row. */
typedef struct ds_place {
    const ds_column *column;
    uint32_t row;
} ds_place;

/* Makes a column (in arena) of the values at places[0..n), all of this type. Long views of
 * the sources have `base` added to their buffer. */
ds_column *ds_gather_places(ds_arena *arena, ds_type type, const ds_place *places, uint32_t n,
                            uint32_t base);

/*
 * Lists as text, for what can keep one string of any length for each group: a box is a piece
 * of one row.
 *
 * Boxes the lists of rows[0..n) (NULL: of all rows 0 .. n-1): makes a string column as long as
 * lists in arena, whose other rows are ''. The boxes are added to heap; text of the lists is
 * in source.
 */
ds_column *ds_box_lists(ds_arena *arena, ds_heap *heap, const ds_heap *source,
                        const ds_column *lists, const uint32_t *rows, uint32_t n);

/* Makes lists of this type of boxes in heap. Null, or bytes that are no such box, give null. */
ds_column *ds_unbox_lists(ds_arena *arena, ds_heap *heap, const ds_column *boxes, ds_type type);

#endif
