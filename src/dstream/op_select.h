/* select: names and computes the columns of the output. */
#ifndef DS_DSTREAM_OP_SELECT_H
#define DS_DSTREAM_OP_SELECT_H

#include "dstream/frame.h"
#include "dstream/planner.h"

typedef struct ds_select_plan {
    uint32_t n_columns;  /* of the output */
    int *from_input;     /* by output column: the input column it is, or -1 */
    uint32_t *computed;  /* by output column with -1: the program's output */
    ds_program *program; /* NULL if nothing is computed */
    uint32_t n_computed;
    bool *reads;   /* columns of the input that computed ones read */
    bool may_fail; /* for some row: an overflow, or a function of the user's own */
} ds_select_plan;

/* Binds the clause over `input`; *output becomes the schema behind it. NULL on errors. */
const ds_select_plan *ds_select_plan_new(ds_planner *planner, const ds_app_stream *stream,
                                         const ds_schema *input, const char *const *qualifiers,
                                         ds_schema *output);

/* Computes the output columns for all rows of chunk. Rows that failed are set in *errors. */
ds_chunk ds_select_run(ds_frame *frame, const ds_select_plan *plan, const ds_chunk *chunk,
                       uint64_t **errors);

#endif
