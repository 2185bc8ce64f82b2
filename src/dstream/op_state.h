/*
 * state and snapshot.
 *
 * First half, in the stages of the parents: as of a group (op_group.h); a state node's plan is a
 * group plan that has a `state`. Second half, one task for each key partition: the partials are
 * merged, and the partition's state (state.h) is changed once for each batch, in a step that
 * cannot fail half-way. What the batch emits is then read from the state: the keys that
 * changed, those that timed out, or all; and all for each snapshot. So a task that runs again
 * gives the same rows, and no rows are kept for that.
 *
 * The results of a group are computed from keys, the old values of the state and the calls, in
 * this order. All keys of a chunk time out, or none of them does: timed_out() is a constant.
 */
#ifndef DS_DSTREAM_OP_STATE_H
#define DS_DSTREAM_OP_STATE_H

#include "base/saved.h"
#include "dstream/op_group.h"
#include "dstream/state.h"

typedef struct ds_state_plan {
    ds_state_spec spec;
    bool emit_all;
    ds_program *remove_when; /* over keys and values; NULL: never */
    ds_chunk *initial;       /* rows of keys and values */
    uint32_t n_initial;      /* chunks */
    ds_heap heap;            /* of their text */
} ds_state_plan;

/* The state clause of a stream over rows, as a group plan that has a state; NULL on errors.
 * qualifiers: of the rows, as in ds_group_plan_new. */
ds_group_plan *ds_state_plan_new(ds_planner *planner, const ds_app_stream *stream,
                                 const ds_schema *rows, const char *const *qualifiers,
                                 ds_schema *output);

/* True if a state node has something to do without rows: time-outs, all keys, snapshots. */
bool ds_state_acts_alone(const ds_node *node);

/* The state of one partition, with what came of its last batch. */
typedef struct ds_kept_state ds_kept_state;
ds_kept_state *ds_kept_state_new(const ds_node *node, ds_budget *budget);
void ds_kept_state_free(ds_kept_state *kept);
/* What it keeps (borrowed). */
ds_state *ds_kept_state_of(ds_kept_state *kept);

/* Puts and takes the frames of a part (kept.h): tag 2: u64 whether it has its initial rows; then
 * those of state.h, where the rest is said. */
bool ds_kept_state_unsaved(const ds_kept_state *kept);
ds_status ds_kept_state_save(ds_kept_state *kept, bool whole, ds_saver *saver, ds_error *error);
ds_status ds_kept_state_load(ds_kept_state *kept, bool whole, ds_loader *loader, ds_error *error);

/* The time after which a state that stands at version_ms has something to do without rows: a key
 * times out, or rows of all keys are wanted. INT64_MAX: it never has. */
int64_t ds_kept_state_acts_ms(const ds_node *node, const ds_kept_state *kept, int64_t version_ms);

/* Second half; *applied as in ds_group_reduce_window. */
ds_status ds_state_reduce(ds_frame *frame, const ds_node *node, ds_kept_state *kept, bool *applied,
                          const ds_piece_bytes *pieces, uint32_t n_pieces, ds_error *error);

#endif
