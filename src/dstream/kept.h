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

/* The memory of windows of groups that it keeps. Looks at each of their panes. */
size_t ds_kept_window_bytes(const ds_kept *kept);

/* ---- As bytes ---- */

/* The time after which a state of it has something to do without rows (ds_kept_state_acts_ms);
 * INT64_MAX: none ever has. */
int64_t ds_kept_acts_ms(const ds_kept *kept);

/* True if the root of this input of the stage keeps something. The rest is for such inputs. */
bool ds_kept_keeps(const ds_kept *kept, uint32_t input);

/*
 * Saves what the root of `input` keeps as a part (base/saved.h): all of it, or what changed since
 * the part before, which was saved or loaded; without one, all of it. A whole part and those
 * after it are a chain: loaded in order they make what was saved, with the same results later on.
 * Writes nothing if nothing changed (not if `whole`), in next to no time. Costs what it writes; a
 * few MiB of memory at a time. Fails as `to` does: then the next part is a whole one.
 */
ds_status ds_kept_save(ds_kept *kept, uint32_t input, bool whole, const ds_save_to *to,
                       ds_error *error);

/* What was saved last, or that nothing had changed, becomes part of a whole one that is made
 * elsewhere, of it and the chain before: the next part follows that one. */
void ds_kept_folded(ds_kept *kept, uint32_t input);

/* True if the next part is a whole one, even if that is not asked for: none was saved or loaded, or
 * nothing of what was is there any more. */
bool ds_kept_saves_whole(const ds_kept *kept, uint32_t input);

/* Adds a part to what was loaded before: first a whole one, then changes in the order in which they
 * were saved. Of parts of a node with the same ds_kept_signature. Never trusts the bytes:
 * DS_ERR_PROTOCOL; then kept may only be freed. Reads to the end of the part, not beyond. */
ds_status ds_kept_load(ds_kept *kept, uint32_t input, const ds_load_from *from, ds_error *error);

/* After loading, for all roots: the batch it stands at, which is not before the one at which the
 * last part was saved. */
void ds_kept_stand(ds_kept *kept, int64_t batch_ms);

/*
 * What a chain of this node (which keeps something) depends on, as JSON text that a person can
 * read: equal text, and a chain that was saved of the one can be loaded into the other. Free it.
 */
char *ds_kept_signature(const ds_node *root);

#endif
