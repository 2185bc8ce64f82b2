/*
 * Total order of rows, and the first n of them.
 *
 * A sorter takes chunks and gives back rows in order: by the order items, then by the
 * remaining columns from left to right (lists are passed over), then as they came.
 */
#ifndef DS_COLUMNAR_SORT_H
#define DS_COLUMNAR_SORT_H

#include "columnar/row_order.h"

typedef struct ds_sorter ds_sorter;

/* Makes a sorter of rows with these columns. limit < 0: all rows; else only the first limit
 * rows are kept (memory in proportion to limit). Charges budget. Free it. */
ds_sorter *ds_sorter_new(const ds_type *types, uint32_t n_columns, const ds_sort_key *keys,
                         uint32_t n_keys, int64_t limit, ds_budget *budget);
void ds_sorter_free(ds_sorter *sorter);

/* Adds rows (copied; text too). */
void ds_sorter_add(ds_sorter *sorter, const ds_heap *heap, const ds_column *const *columns,
                   uint32_t n_rows);

/* Of rows that may be added next (n <= DS_CHUNK_ROWS) and of which only the first column of the
 * order is known: those that may be among the first, ascending. Returns how many; n if nothing is
 * known yet, or all may be. */
uint32_t ds_sorter_choose(const ds_sorter *sorter, const ds_heap *heap, const ds_column *column,
                          uint32_t n, uint32_t *rows);

/* What it holds, in bytes. */
size_t ds_sorter_bytes(const ds_sorter *sorter);
/* Lets go of rows behind the limit, if that is worth it; returns what it holds then. */
size_t ds_sorter_prune(ds_sorter *sorter);

/* Sorts what was added: returns the number of rows that can be read. */
uint64_t ds_sorter_finish(ds_sorter *sorter);

/* Rows from .. from + n of the sorted order, gathered into arena; text stays in the sorter's
 * memory, which is added to heap. n <= DS_CHUNK_ROWS. */
void ds_sorter_rows(ds_sorter *sorter, ds_arena *arena, ds_heap *heap, uint64_t from, uint32_t n,
                    ds_column **columns);

#endif
