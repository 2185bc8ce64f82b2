#include "dstream/kept.h"

#include "base/assert.h"
#include "dstream/op_order.h"

#include <stdlib.h>

struct ds_kept {
    int64_t version_ms;
    ds_window *groups;   /* of a group node */
    ds_row_window *rows; /* of a window node */
};

ds_kept *ds_kept_new(const ds_stage *stage, ds_budget *budget)
{
    DS_ASSERT(stage->keyed);
    ds_kept *kept = ds_calloc(1, sizeof *kept);
    kept->version_ms = DS_NO_BATCH;
    if (stage->root->kind == DS_NODE_GROUP)
        kept->groups = ds_window_new(&stage->root->group->window, budget);
    else
        kept->rows = ds_row_window_new(stage->root->window, budget);
    return kept;
}

void ds_kept_free(ds_kept *kept)
{
    if (kept == NULL)
        return;
    ds_window_free(kept->groups);
    ds_row_window_free(kept->rows);
    free(kept);
}

int64_t ds_kept_version(const ds_kept *kept)
{
    return kept->version_ms;
}

static ds_status reduce_kept(ds_frame *frame, ds_kept *kept, const ds_piece_bytes *pieces,
                             uint32_t n_pieces, ds_error *error)
{
    const ds_node *root = frame->stage->root;
    if (kept->version_ms > frame->batch_ms)
        return ds_error_set(error, DS_ERR_INTERNAL,
                            "a task of batch %lld came after batch %lld was applied",
                            (long long)frame->batch_ms, (long long)kept->version_ms);
    bool applied = kept->version_ms == frame->batch_ms;
    ds_status status =
        kept->groups != NULL
            ? ds_group_reduce_window(frame, root, kept->groups, &applied, pieces, n_pieces, error)
            : ds_window_reduce(frame, root, kept->rows, &applied, pieces, n_pieces, error);
    if (applied)
        kept->version_ms = frame->batch_ms;
    return status;
}

static ds_status replay_all(ds_frame *frame, const ds_piece_bytes *pieces, uint32_t n_pieces,
                            ds_error *error)
{
    int64_t position = 0;
    for (uint32_t i = 0; i < n_pieces; i++)
        DS_TRY(ds_rows_replay(frame, frame->stage->root, pieces[i].bytes, pieces[i].length,
                              &position, error));
    return DS_OK;
}

ds_status ds_stage_reduce(ds_frame *frame, ds_kept *kept, const ds_piece_bytes *pieces,
                          uint32_t n_pieces, ds_error *error)
{
    const ds_node *root = frame->stage->root;
    DS_ASSERT(frame->stage->keyed == (kept != NULL));
    if (kept != NULL)
        return reduce_kept(frame, kept, pieces, n_pieces, error);
    switch (root->kind) {
    case DS_NODE_GROUP: return ds_group_reduce(frame, root, pieces, n_pieces, error);
    case DS_NODE_ORDER: return ds_order_reduce(frame, root, pieces, n_pieces, error);
    case DS_NODE_SINK: return replay_all(frame, pieces, n_pieces, error);
    default: DS_UNREACHABLE();
    }
}
