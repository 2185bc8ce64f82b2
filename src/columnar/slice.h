/* Parts of columns, without copying. */
#ifndef DS_COLUMNAR_SLICE_H
#define DS_COLUMNAR_SLICE_H

#include "columnar/column.h"

/* Rows from .. from + n of a column, where from is a multiple of 64. Arrays are shared. */
static inline ds_column ds_column_slice(const ds_column *column, uint32_t from, uint32_t n)
{
    ds_column part = *column;
    part.length = n;
    if (part.validity != NULL)
        part.validity += from / 64;
    if (part.type.kind == DS_BOOL)
        part.bits += from / 64;
    else
        part.values = (char *)part.values + from * ds_type_width(part.type);
    return part;
}

/* As above for several columns: fills parts[i], and pointers[i] to it. */
static inline void ds_columns_slice(const ds_column *const *columns, uint32_t n_columns,
                                    uint32_t from, uint32_t n, ds_column *parts,
                                    const ds_column **pointers)
{
    for (uint32_t i = 0; i < n_columns; i++) {
        parts[i] = ds_column_slice(columns[i], from, n);
        pointers[i] = &parts[i];
    }
}

#endif
