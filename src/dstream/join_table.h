/*
 * The side of a join that is held: its rows, found by key.
 *
 * Rows are added in parts, which stay where they are: the table knows of each row only its part and
 * the next row of the same key. They are numbered in the order in which they came. Once all are in,
 * any number of threads may look rows up: an executor may hold one table for all its tasks.
 */
#ifndef DS_DSTREAM_JOIN_TABLE_H
#define DS_DSTREAM_JOIN_TABLE_H

#include "columnar/keys.h"

#define DS_NO_ROW UINT32_MAX
#define DS_JOIN_TABLE_ROWS (UINT32_C(1) << 31) /* what one can hold */

typedef struct ds_join_table ds_join_table;

/* Makes an empty table for keys of these types, at least one; heap is that of its rows' text.
 * Charges budget (both borrowed). Free it. */
ds_join_table *ds_join_table_new(const ds_type *key_types, uint32_t n_keys, const ds_heap *heap,
                                 ds_budget *budget);
void ds_join_table_free(ds_join_table *table);

/* Adds n_rows rows (there may be more than in a chunk). columns (those that nobody wants are NULL)
 * are borrowed as long as the table; keys[k] is the number of key column k. 10 to 30 ns a row. */
void ds_join_table_add(ds_join_table *table, const ds_column *const *columns, const uint32_t *keys,
                       uint32_t n_rows);

/* How many rows there are, and what the table itself takes, without their columns. */
uint32_t ds_join_table_rows(const ds_join_table *table);
size_t ds_join_table_bytes(const ds_join_table *table);
const ds_heap *ds_join_table_heap(const ds_join_table *table);

/* first[i]: the first row with the key of row i (at most a chunk of them), or DS_NO_ROW. A key with
 * a null in it has no row. */
void ds_join_table_find(const ds_join_table *table, const ds_heap *heap,
                        const ds_column *const *keys, uint32_t n_rows, uint32_t *first);
/* The next row of the same key, or DS_NO_ROW. */
uint32_t ds_join_table_next(const ds_join_table *table, uint32_t row);

/* Values of one column in rows[0..n), in arena. The table's text must be in the heap that they are
 * for, `base` buffers later. */
ds_column *ds_join_table_column(const ds_join_table *table, ds_arena *arena, uint32_t column,
                                ds_type type, const uint32_t *rows, uint32_t n, uint32_t base);

#endif
