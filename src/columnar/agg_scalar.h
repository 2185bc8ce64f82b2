/* One value of a column in a record: for the aggregates that keep values. */
#ifndef DS_COLUMNAR_AGG_SCALAR_H
#define DS_COLUMNAR_AGG_SCALAR_H

#include "base/assert.h"
#include "columnar/agg_state.h"

typedef union ds_scalar {
    int64_t i; /* bool, int, timestamp */
    double f;
    ds_view v; /* of the state's text */
} ds_scalar;

_Static_assert(sizeof(ds_scalar) == 16, "as ds_agg_kernels.n_scalars says");

/* These are inlined into loops where kind is a constant. */
#define DS_SCALAR_INLINE static inline __attribute__((always_inline))

DS_SCALAR_INLINE ds_scalar ds_scalar_load(ds_kind kind, const ds_column *column, uint32_t row)
{
    ds_scalar value = {0};
    if (kind == DS_STRING)
        value.v = column->views[row];
    else if (kind == DS_FLOAT)
        value.f = column->floats[row];
    else if (kind == DS_BOOL)
        value.i = ds_bit_get(column->bits, row);
    else
        value.i = column->ints[row];
    return value;
}

DS_SCALAR_INLINE int ds_scalar_compare(ds_kind kind, const ds_heap *heap_a, const ds_scalar *a,
                                       const ds_heap *heap_b, const ds_scalar *b)
{
    if (kind == DS_STRING)
        return ds_text_compare(heap_a, &a->v, heap_b, &b->v);
    if (kind == DS_FLOAT)
        return (a->f > b->f) - (a->f < b->f);
    return (a->i > b->i) - (a->i < b->i);
}

/* As ds_scalar_compare for two values of one heap, where kind is no constant. */
static inline int ds_scalar_order(ds_kind kind, const ds_heap *heap, const ds_scalar *a,
                                  const ds_scalar *b)
{
    return ds_scalar_compare(kind, heap, a, heap, b);
}

/* Replaces what a record keeps by a value of heap. */
DS_SCALAR_INLINE void ds_scalar_replace(ds_kind kind, ds_text_store *text, ds_scalar *kept,
                                        const ds_heap *heap, const ds_scalar *value)
{
    if (kind == DS_STRING) {
        ds_text_store_drop(text, &kept->v);
        kept->v = ds_text_store_keep(text, heap, &value->v);
    } else {
        *kept = *value;
    }
}

/* Writes a value of the state's text (exported at base) to a column. */
static inline void ds_scalar_put(ds_column *column, uint32_t row, const ds_scalar *value,
                                 uint32_t base)
{
    switch (column->type.kind) {
    case DS_BOOL: ds_bit_put(column->bits, row, value->i != 0); break;
    case DS_STRING: column->views[row] = ds_text_store_view(&value->v, base); break;
    case DS_FLOAT: column->floats[row] = value->f; break;
    default: column->ints[row] = value->i; break;
    }
}

/* Calls fn(kind, ...) with the kind as a constant: fn is inlined once for each. */
#define DS_SCALAR_SWITCH(kind, fn, ...)                                                            \
    do {                                                                                           \
        switch (kind) {                                                                            \
        case DS_BOOL: fn(DS_BOOL, __VA_ARGS__); break;                                             \
        case DS_INT:                                                                               \
        case DS_TIMESTAMP: fn(DS_INT, __VA_ARGS__); break;                                         \
        case DS_FLOAT: fn(DS_FLOAT, __VA_ARGS__); break;                                           \
        case DS_STRING: fn(DS_STRING, __VA_ARGS__); break;                                         \
        default: DS_UNREACHABLE();                                                                 \
        }                                                                                          \
    } while (0)

#endif
