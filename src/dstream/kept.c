#include "base/assert.h"
#include "base/paged.h"
#include "dstream/kept_record.h"
#include "dstream/op_join.h"
#include "dstream/op_order.h"

#include <stdlib.h>

typedef ds_kept_root kept_root;

ds_kept *ds_kept_new(const ds_stage *stage, ds_budget *budget)
{
    DS_ASSERT(stage->keyed);
    ds_kept *kept = ds_calloc(1, sizeof *kept + stage->n_inputs * sizeof kept->roots[0]);
    kept->stage = stage;
    kept->budget = budget;
    kept->n_roots = stage->n_inputs;
    for (uint32_t i = 0; i < stage->n_inputs; i++) {
        const ds_node *node = stage->inputs[i].root;
        kept_root *root = &kept->roots[i];
        root->version_ms = DS_NO_BATCH;
        if (!ds_node_keeps(node))
            continue;
        if (node->kind == DS_NODE_STATE)
            root->state = ds_kept_state_new(node, budget);
        else if (node->kind == DS_NODE_GROUP)
            root->groups = ds_window_new(&node->group->window, budget);
        else
            root->rows = ds_row_window_new(budget);
    }
    return kept;
}

void ds_kept_free(ds_kept *kept)
{
    if (kept == NULL)
        return;
    for (uint32_t i = 0; i < kept->n_roots; i++) {
        ds_window_free(kept->roots[i].groups);
        ds_row_window_free(kept->roots[i].rows);
        ds_kept_state_free(kept->roots[i].state);
    }
    free(kept);
}

/* A task that fails may have applied its batch to some roots: they wait for the others. */
int64_t ds_kept_version(const ds_kept *kept)
{
    int64_t version = INT64_MAX;
    for (uint32_t i = 0; i < kept->n_roots; i++)
        if (kept->roots[i].version_ms < version)
            version = kept->roots[i].version_ms;
    return version;
}

/* A batch is applied as a whole: before it is, there has to be room for what it may bring. Tables
 * take two or three times what a piece does; a pane that ends is written once more. */
static ds_status make_sure_of_room(const ds_frame *frame, const kept_root *root,
                                   const ds_piece_bytes *pieces, uint32_t n_pieces, ds_error *error)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < n_pieces; i++)
        bytes += pieces[i].length;
    if (root->rows == NULL)
        bytes *= 3;
    if (root->groups != NULL)
        bytes += ds_window_open_bytes(root->groups);
    return ds_paged_reserve(frame->kept->paged, frame->kept, bytes, error);
}

static ds_status reduce_kept(ds_frame *frame, const ds_node *node, kept_root *root,
                             const ds_piece_bytes *pieces, uint32_t n_pieces, ds_error *error)
{
    if (root->version_ms > frame->batch_ms)
        return ds_error_set(error, DS_ERR_INTERNAL,
                            "a task of batch %lld came after batch %lld was applied",
                            (long long)frame->batch_ms, (long long)root->version_ms);
    bool applied = root->version_ms == frame->batch_ms;
    if (!applied)
        DS_TRY(make_sure_of_room(frame, root, pieces, n_pieces, error));
    ds_status status;
    if (root->state != NULL)
        status = ds_state_reduce(frame, node, root->state, &applied, pieces, n_pieces, error);
    else if (root->groups != NULL)
        status =
            ds_group_reduce_window(frame, node, root->groups, &applied, pieces, n_pieces, error);
    else
        status = ds_window_reduce(frame, node, root->rows, &applied, pieces, n_pieces, error);
    if (applied)
        root->version_ms = frame->batch_ms;
    return status;
}

static ds_status replay_all(ds_frame *frame, const ds_node *node, const ds_piece_bytes *pieces,
                            uint32_t n_pieces, ds_error *error)
{
    int64_t position = 0;
    for (uint32_t i = 0; i < n_pieces; i++)
        DS_TRY(ds_rows_replay(frame, node, &pieces[i], &position, error));
    return DS_OK;
}

static ds_status reduce_root(ds_frame *frame, const ds_node *node, kept_root *root,
                             const ds_piece_bytes *pieces, uint32_t n_pieces, ds_error *error)
{
    if (ds_node_keeps(node))
        return reduce_kept(frame, node, root, pieces, n_pieces, error);
    switch (node->kind) {
    case DS_NODE_EXCHANGE:
        return node->exchange->keys != NULL /* its join reads the pieces */
                   ? DS_OK
                   : replay_all(frame, node, pieces, n_pieces, error);
    case DS_NODE_GROUP: return ds_group_reduce(frame, node, pieces, n_pieces, error);
    case DS_NODE_ORDER: return ds_order_reduce(frame, node, pieces, n_pieces, error);
    case DS_NODE_SINK: return replay_all(frame, node, pieces, n_pieces, error);
    default: DS_UNREACHABLE();
    }
}

/* The pieces of each input stand together, in the order of the inputs. */
static ds_status check_inputs(const ds_stage *stage, const ds_piece_bytes *pieces,
                              uint32_t n_pieces, ds_error *error)
{
    for (uint32_t i = 0; i < n_pieces; i++)
        if (pieces[i].input >= stage->n_inputs || (i > 0 && pieces[i].input < pieces[i - 1].input))
            return ds_error_set(error, DS_ERR_PROTOCOL, "a task was given pieces of no input");
    return DS_OK;
}

static ds_join_pieces pieces_of(const ds_stage *stage, const ds_node *exchange,
                                const ds_piece_bytes *pieces, uint32_t n_pieces)
{
    ds_join_pieces of = {pieces, 0};
    if (exchange->stage != stage->id)
        return of; /* its rows were pushed */
    while (n_pieces > 0 && of.pieces->input < exchange->input) {
        of.pieces++;
        n_pieces--;
    }
    while (of.n < n_pieces && of.pieces[of.n].input == exchange->input)
        of.n++;
    return of;
}

/* All roots have made their rows: the joins make theirs, the first one first. */
static ds_status reduce_joins(ds_frame *frame, const ds_piece_bytes *pieces, uint32_t n_pieces,
                              ds_error *error)
{
    const ds_stage *stage = frame->stage;
    for (uint32_t i = 0; i < stage->n_joins; i++) {
        const ds_node *join = stage->joins[i];
        if (!frame->due->emits[join->id])
            continue;
        const ds_join_pieces sides[2] = {
            pieces_of(stage, join->parents[DS_LEFT_SIDE], pieces, n_pieces),
            pieces_of(stage, join->parents[DS_RIGHT_SIDE], pieces, n_pieces)};
        DS_TRY(ds_join_reduce(frame, join, sides, error));
    }
    return DS_OK;
}

/* What has nothing to do at this time stands at the batch, too. */
static void all_applied(ds_kept *kept, int64_t batch_ms)
{
    for (uint32_t i = 0; i < kept->n_roots; i++)
        kept->roots[i].version_ms = batch_ms;
}

int64_t ds_kept_acts_ms(const ds_kept *kept)
{
    int64_t acts_ms = INT64_MAX;
    for (uint32_t i = 0; i < kept->n_roots; i++) {
        const kept_root *root = &kept->roots[i];
        if (root->state == NULL)
            continue;
        int64_t ms =
            ds_kept_state_acts_ms(kept->stage->inputs[i].root, root->state, root->version_ms);
        acts_ms = ms < acts_ms ? ms : acts_ms;
    }
    return acts_ms;
}

ds_status ds_stage_reduce(ds_frame *frame, ds_kept *kept, const ds_piece_bytes *pieces,
                          uint32_t n_pieces, ds_error *error)
{
    const ds_stage *stage = frame->stage;
    DS_ASSERT(stage->keyed == (kept != NULL));
    DS_TRY(check_inputs(stage, pieces, n_pieces, error));
    frame->kept = kept == NULL ? NULL : kept->budget;
    for (uint32_t i = 0, from = 0, n; i < stage->n_inputs; i++, from += n) {
        for (n = 0; from + n < n_pieces && pieces[from + n].input == i;)
            n++;
        if (ds_node_runs(stage->inputs[i].root, frame->due))
            DS_TRY(reduce_root(frame, stage->inputs[i].root, kept == NULL ? NULL : &kept->roots[i],
                               pieces + from, n, error));
    }
    if (kept != NULL)
        all_applied(kept, frame->batch_ms);
    return reduce_joins(frame, pieces, n_pieces, error);
}

size_t ds_kept_window_bytes(const ds_kept *kept)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < kept->n_roots; i++)
        if (kept->roots[i].groups != NULL)
            bytes += ds_window_bytes(kept->roots[i].groups);
    return bytes;
}
