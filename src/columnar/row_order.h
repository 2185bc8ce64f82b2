/*
 * A total order of rows: by the items of an order_by, then by the remaining columns from left to
 * right (lists are passed over).
 *
 * Rows are compared by a prefix first, 64 bits that order as the first column does, so that most
 * comparisons look no further:
 *
 *     bit 63       whether the value is null, as nulls first or last want it
 *     bits 62..0   the upper 63 bits of the value, made to order as an unsigned number: an
 *                  int with its sign flipped, the bits of a float likewise, the first 8
 *                  bytes of a string; all flipped if the order descends
 */
#ifndef DS_COLUMNAR_ROW_ORDER_H
#define DS_COLUMNAR_ROW_ORDER_H

#include "columnar/column.h"

typedef struct ds_sort_key {
    uint32_t column; /* index in the columns of the rows */
    bool descending;
    bool nulls_first;
} ds_sort_key;

typedef struct ds_row_order {
    ds_sort_key *keys; /* all columns that are compared */
    uint32_t n_keys;
} ds_row_order;

/* Prepares the order of rows with these columns; keys are copied. */
void ds_row_order_init(ds_row_order *order, const ds_type *types, uint32_t n_columns,
                       const ds_sort_key *keys, uint32_t n_keys);
void ds_row_order_fini(ds_row_order *order);

/* The prefixes of rows from .. from + n of columns. */
void ds_row_order_prefixes(const ds_row_order *order, const ds_heap *heap,
                           const ds_column *const *columns, uint32_t from, uint32_t n,
                           uint64_t *prefixes);

/* The same, of the first column that is compared alone. */
void ds_row_order_prefixes_of(const ds_row_order *order, const ds_heap *heap,
                              const ds_column *column, uint32_t from, uint32_t n,
                              uint64_t *prefixes);

/* < 0, 0, > 0: row i of columns a against row j of columns b, both with text in heap. Does not look
 * at prefixes: for rows that have the same one. */
int ds_row_order_compare(const ds_row_order *order, const ds_heap *heap, ds_column *const *a,
                         uint32_t i, ds_column *const *b, uint32_t j);
/* The same for rows whose text is in heaps of their own. */
int ds_row_order_compare_apart(const ds_row_order *order, const ds_heap *heap_a,
                               const ds_column *const *a, uint32_t i, const ds_heap *heap_b,
                               const ds_column *const *b, uint32_t j);

#endif
