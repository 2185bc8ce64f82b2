/*
 * having: keeps the rows of a result for which a condition is true. An overflow in it makes
 * the condition null (the row is not kept), and is counted.
 */
#ifndef DS_DSTREAM_OP_HAVING_H
#define DS_DSTREAM_OP_HAVING_H

#include "dstream/op_where.h"

typedef struct ds_having_plan {
    ds_program *program;
    bool *reads;
    bool never; /* the condition is the literal null */
} ds_having_plan;

/* Binds the clause over the result's columns. NULL on errors. */
const ds_having_plan *ds_having_plan_new(ds_planner *planner, const ds_app_stream *stream,
                                         const ds_schema *result);

/* Filters a chunk of results (borrowed) and passes the rest on. */
void ds_having_push(ds_frame *frame, const ds_node *node, const ds_chunk *chunk);

#endif
