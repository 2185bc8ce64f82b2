/*
 * A window of whole rows (window without an aggregate): the rows of the batches in
 * (t - size, t], again at every slide, in the order batch, source, position.
 *
 * First half: the wanted columns of all rows go to the window's stage (to one partition if
 * some node below depends on their order, to the partitions of their keys if they are to be joined
 * by them, else to the partition of the task's number). Second half: the pieces are kept as they
 * are, by batch, and replayed when the window is due.
 */
#ifndef DS_DSTREAM_OP_WINDOW_H
#define DS_DSTREAM_OP_WINDOW_H

#include "dstream/op_group.h"
#include "dstream/row_buffer.h"
#include "dstream/row_window.h"

typedef struct ds_window_plan {
    int64_t size_ms, slide_ms, step_ms; /* step: the parent's slide */
    const uint32_t *keys;               /* columns, or NULL: rows are not put together by key */
    uint32_t n_keys;
} ds_window_plan;

/* True if some window of the given shape holds the batch at t (slide > size leaves gaps). */
bool ds_window_covers(int64_t size_ms, int64_t slide_ms, int64_t t_ms);

/* First half of every node that takes whole rows: window and collected sinks. */
void ds_collect_push(ds_frame *frame, const ds_node *node, const ds_chunk *chunk);
ds_status ds_collect_flush(ds_frame *frame, const ds_node *node, ds_error *error);
void ds_collect_state_free(const ds_node *node, void *state);
size_t ds_collect_state_bytes(const ds_node *node, const void *state);

/* Second half; *applied as in ds_group_reduce_window. */
ds_status ds_window_reduce(ds_frame *frame, const ds_node *node, ds_row_window *window,
                           bool *applied, const ds_piece_bytes *pieces, uint32_t n_pieces,
                           ds_error *error);

#endif
