/*
 * order_by and limit: a total order over all rows of a time. Each task of the parents sorts
 * its rows (or keeps the first n), one task brings the runs together.
 *
 * A run is a number of small pieces. A task that has more rows than it may hold writes several
 * runs; the task that merges them holds one piece of each, and where there are too many runs even
 * for that, it merges some of them to longer ones first.
 */
#ifndef DS_DSTREAM_OP_ORDER_H
#define DS_DSTREAM_OP_ORDER_H

#include "columnar/sort.h"
#include "dstream/op_group.h"

typedef struct ds_order_plan {
    ds_program *program; /* the computed order items; NULL: none */
    ds_program **each;   /* each of them alone: to learn which of them overflowed */
    uint32_t n_computed;
    ds_type *computed_types;
    ds_sort_key *keys; /* columns: the computed ones first, then the stream's */
    uint32_t n_keys;
    int64_t limit; /* -1: none */
    bool *reads;
} ds_order_plan;

/* Binds order_by and limit over the result's columns. NULL on errors. */
const ds_order_plan *ds_order_plan_new(ds_planner *planner, const ds_app_stream *stream,
                                       const ds_schema *result);
/* The types of the rows in a run: computed items, then all columns. Returns how many. */
uint32_t ds_order_types(ds_planner *planner, const ds_order_plan *plan, const ds_schema *schema,
                        const ds_type **types);

/* First half. */
void ds_order_push(ds_frame *frame, const ds_node *node, const ds_chunk *chunk);
ds_status ds_order_flush(ds_frame *frame, const ds_node *node, ds_error *error);
void ds_order_state_free(void *state);
size_t ds_order_state_bytes(const void *state);

/* How large the pieces of a run are: the task that merges holds one of each run. */
size_t ds_order_piece_bytes(const ds_frame *frame);

/* Second half. */
ds_status ds_order_reduce(ds_frame *frame, const ds_node *node, const ds_piece_bytes *pieces,
                          uint32_t n_pieces, ds_error *error);

#endif
