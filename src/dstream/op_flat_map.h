/* flat_map: one row for each element of a list; the other columns are kept. */
#ifndef DS_DSTREAM_OP_FLAT_MAP_H
#define DS_DSTREAM_OP_FLAT_MAP_H

#include "dstream/frame.h"
#include "dstream/planner.h"

typedef struct ds_flat_map_plan {
    ds_program *program; /* one output: the list */
    uint32_t column;     /* where the element goes in the output: a new or a replaced column */
    uint32_t n_columns;  /* of the output */
    bool *reads;         /* columns of the input that the expression reads */
    bool may_fail;       /* for some row: an overflow, or a function of the user's own */
} ds_flat_map_plan;

/* Binds the clause over `input`; *output becomes the schema behind it. NULL on errors. */
const ds_flat_map_plan *ds_flat_map_plan_new(ds_planner *planner, const ds_app_item *item,
                                             const ds_schema *input, const char *const *qualifiers,
                                             ds_schema *output);

/* The rows made from one chunk: at most DS_CHUNK_ROWS at a time. */
typedef struct ds_flat_map_rows {
    const ds_column *elements; /* all of them */
    const uint32_t *origins;   /* the row of the chunk that each comes from; NULL: not asked for */
    uint32_t n_rows;
} ds_flat_map_rows;

/* Evaluates the list for all rows of chunk; a row whose evaluation failed has its bit set in
 * *errors and no elements. traced: origins are asked for. */
void ds_flat_map_run(ds_frame *frame, const ds_flat_map_plan *plan, const ds_chunk *chunk,
                     bool traced, ds_flat_map_rows *rows, uint64_t **errors);

/* Rows from .. from + DS_CHUNK_ROWS of them as a chunk; `wanted` of its columns. from is a
 * multiple of DS_CHUNK_ROWS. Without origins none but the elements may be wanted, and chunk has no
 * positions. */
ds_chunk ds_flat_map_slice(ds_frame *frame, const ds_flat_map_plan *plan, const ds_chunk *chunk,
                           const ds_flat_map_rows *rows, uint32_t from, const bool *wanted);

#endif
