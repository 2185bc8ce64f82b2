/*
 * The clauses that work row by row, as one operator: union (from), flat_map, where, select.
 *
 * They share one rule (app-format, section 6): a row whose expression overflows anywhere in
 * them is dropped "as it came into the stream", with everything flat_map made of it, and
 * counted. So a chunk is carried through all of them before anything is pushed on.
 */
#ifndef DS_DSTREAM_OP_ROWS_H
#define DS_DSTREAM_OP_ROWS_H

#include "dstream/op_flat_map.h"
#include "dstream/op_select.h"
#include "dstream/op_where.h"

typedef struct ds_rows_plan {
    ds_schema input;        /* the columns of the first parent */
    uint32_t **permutation; /* by parent: where each column is there; NULL: the same order */
    const ds_flat_map_plan *flat_map;
    ds_schema exploded; /* behind flat_map */
    const ds_where_plan *where;
    const ds_select_plan *select;
    bool *wanted_input, *wanted_exploded, *wanted_kept; /* before each clause */
} ds_rows_plan;

/* Makes the union of a stream's parents, which have schemas `parents`: the operator without any
 * other clause. Without a union n_parents is 1. */
ds_rows_plan *ds_union_plan_new(ds_planner *planner, const ds_app_stream *stream,
                                const ds_schema *const *parents, uint32_t n_parents);

/* Adds flat_map, where and select of the stream. qualifiers: those of the columns so far, and one
 * more for what flat_map may add. *output becomes its schema. False on errors that leave it open;
 * others leave out a clause. */
bool ds_rows_plan_clauses(ds_planner *planner, ds_rows_plan *plan, const ds_app_stream *stream,
                          const char *const *qualifiers, ds_schema *output);

/* Decides which columns are needed where, given those wanted of the output (whole: and all of the
 * input); marks the columns of parent number `parent` in wanted_parent (may be called once for
 * each parent). */
void ds_rows_plan_want(ds_planner *planner, ds_rows_plan *plan, const bool *wanted, bool whole,
                       uint32_t parent, bool *wanted_parent);

/* True if some clause may fail for a row. */
bool ds_rows_plan_may_fail(const ds_rows_plan *plan);

/* Carries a chunk of parent number `parent` through the clauses and pushes what is left. */
void ds_rows_push(ds_frame *frame, const ds_node *node, uint32_t parent, const ds_chunk *chunk);

#endif
