/*
 * What a key partition of a stage keeps from batch to batch: the panes of windows, state.
 *
 * It stands at a version, the last batch that was applied. A task applies its batch once: run
 * again for the same batch it only computes the results anew. So a task may run twice, late
 * or in two places without effect on what is kept.
 */
#ifndef DS_DSTREAM_KEPT_H
#define DS_DSTREAM_KEPT_H

#include "dstream/op_state.h"
#include "dstream/op_window.h"

typedef struct ds_kept ds_kept;

/* Makes the empty state of a keyed stage; charges budget. Free with ds_kept_free. */
ds_kept *ds_kept_new(const ds_stage *stage, ds_budget *budget);
void ds_kept_free(ds_kept *kept);

/* The batch it stands at, or DS_NO_BATCH. */
int64_t ds_kept_version(const ds_kept *kept);

/*
 * Runs the roots of the frame's stage over the pieces of one partition, in the order of the
 * stage's inputs and, of each, of the map partitions. kept is NULL for stages that keep nothing.
 * DS_ERR_INTERNAL if kept stands behind the frame's batch.
 */
ds_status ds_stage_reduce(ds_frame *frame, ds_kept *kept, const ds_piece_bytes *pieces,
                          uint32_t n_pieces, ds_error *error);

#endif
