/* where: keeps the rows for which a condition is true (not null). */
#ifndef DS_DSTREAM_OP_WHERE_H
#define DS_DSTREAM_OP_WHERE_H

#include "dstream/frame.h"
#include "dstream/planner.h"

typedef struct ds_where_plan {
    ds_program *program; /* one output: the condition */
    bool *reads;         /* columns of the input that it reads */
    bool never;          /* the condition is the literal null */
    bool may_fail;       /* for some row: an overflow, or a function of the user's own */
} ds_where_plan;

/* Binds the clause over `input`. NULL on errors. */
const ds_where_plan *ds_where_plan_new(ds_planner *planner, const ds_app_text *text,
                                       const ds_schema *input, const char *const *qualifiers);

/* Writes the numbers of the rows that are kept to indexes (room for all); returns how many.
 * Rows whose evaluation failed are not kept; their bits are set in *errors. */
uint32_t ds_where_run(ds_frame *frame, const ds_where_plan *plan, const ds_chunk *chunk,
                      uint32_t *indexes, uint64_t **errors);

/* The rows for which a bool column is true and no error is set: a bitmap in arena. */
uint64_t *ds_where_true(ds_arena *arena, const ds_column *condition, const uint64_t *errors,
                        uint32_t n);

#endif
