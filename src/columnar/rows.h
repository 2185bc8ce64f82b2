/*
 * Rows given as JSON objects in the app file: batches of a `queue`, input and expectations of
 * the tests. The slow, friendly way in; data never comes this way.
 */
#ifndef DS_COLUMNAR_ROWS_H
#define DS_COLUMNAR_ROWS_H

#include "base/error.h"
#include "columnar/column.h"
#include "columnar/schema.h"

#include <jansson.h>

/*
 * Turns a JSON list of objects into chunks in arena (missing columns null; timestamps as
 * RFC 3339 text; int where a float is wanted is fine). DS_ERR_APP on an unknown column or a
 * wrong type: *bad_row is the row's index, *bad_column the key or NULL; both optional.
 * Positions are first_position, + 1, ...
 */
ds_status ds_rows_from_json(ds_arena *arena, ds_heap *heap, const ds_schema *schema,
                            const json_t *rows, int64_t first_position, ds_chunk **chunks,
                            uint32_t *n_chunks, size_t *bad_row, const char **bad_column,
                            ds_error *error);

/* How rows differ from what a test expects. */
typedef struct ds_rows_difference {
    bool equal;
    char *text; /* in the arena: a readable difference, several lines */
} ds_rows_difference;

/*
 * Compares rows with expected JSON objects as a multiset, or in order. Only the columns the
 * objects name are compared (all objects name the same). Numbers by value (2 = 2.0, floats
 * within a relative 1e-9, or 1e-12), timestamps as instants, lists in order, null only with
 * null. DS_ERR_APP if an expectation names an unknown column, or objects differ in columns.
 */
ds_status ds_rows_compare(ds_arena *arena, const ds_schema *schema, const ds_heap *heap,
                          const ds_chunk *chunks, uint32_t n_chunks, const json_t *expected,
                          bool ordered, ds_rows_difference *difference, ds_error *error);

#endif
