#include "dstream/op_window.h"

#include "base/assert.h"
#include "columnar/keys.h"
#include "dstream/row_scatter.h"

#include <stdlib.h>

bool ds_window_covers(int64_t size_ms, int64_t slide_ms, int64_t t_ms)
{
    /* The first window that ends at or after t has to begin before it. */
    return ds_ceil_to(t_ms, slide_ms) - size_ms < t_ms;
}

/* ---- first half ---- */

static bool has_keys(const ds_node *node)
{
    return node->kind == DS_NODE_WINDOW && node->window->keys != NULL;
}

void ds_collect_state_free(const ds_node *node, void *state)
{
    if (has_keys(node))
        ds_row_scatter_free(state);
    else
        ds_row_buffer_free(state);
}

size_t ds_collect_state_bytes(const ds_node *node, const void *state)
{
    return has_keys(node) ? ds_row_scatter_bytes(state) : ds_row_buffer_bytes(state);
}

/* What a node collects are the wanted columns of its parent (a window's rows have the columns
 * of its parent, and so has a sink). */
static uint32_t wanted_columns(const ds_node *node, const ds_chunk *chunk,
                               const ds_column **columns)
{
    uint32_t n = 0;
    for (uint32_t c = 0; c < node->schema.n_fields; c++)
        if (node->wanted[c])
            columns[n++] = chunk->columns[c];
    return n;
}

/* To the partitions of their keys. */
static void scatter(ds_frame *frame, const ds_node *node, const ds_column *const *columns,
                    const ds_chunk *chunk)
{
    const ds_window_plan *plan = node->window;
    if (frame->states[node->id] == NULL)
        frame->states[node->id] =
            ds_row_scatter_new(ds_plan_input(frame->plan, node), frame->budget);
    const ds_column *keys[DS_MAX_KEYS];
    for (uint32_t k = 0; k < plan->n_keys; k++)
        keys[k] = chunk->columns[plan->keys[k]];
    ds_row_scatter_by_key(frame->states[node->id], frame, columns, keys, plan->n_keys,
                          frame->plan->stages[node->stage].n_partitions, chunk->n_rows);
}

void ds_collect_push(ds_frame *frame, const ds_node *node, const ds_chunk *chunk)
{
    const ds_stage_input *input = ds_plan_input(frame->plan, node);
    const ds_column **columns =
        DS_ARENA_ARRAY(frame->chunk_arena, const ds_column *, node->schema.n_fields + 1);
    uint32_t n = wanted_columns(node, chunk, columns);
    DS_ASSERT(n == input->n_types);
    void **state = &frame->states[node->id];
    if (has_keys(node)) {
        scatter(frame, node, columns, chunk);
    } else {
        if (*state == NULL)
            *state = ds_row_buffer_new(input->types, input->n_types, frame->budget);
        ds_row_buffer_add(*state, columns, node->ordered ? chunk->positions : NULL, chunk->n_rows);
    }
    frame->full = frame->full || ds_collect_state_bytes(node, *state) > frame->flush_bytes;
}

ds_status ds_collect_flush(ds_frame *frame, const ds_node *node, ds_error *error)
{
    ds_row_buffer *buffer = frame->states[node->id];
    if (buffer == NULL)
        return DS_OK;
    if (has_keys(node))
        return ds_row_scatter_flush(frame->states[node->id], frame, node, error);
    const ds_stage *stage = &frame->plan->stages[node->stage];
    const ds_stage_input *input = ds_plan_input(frame->plan, node);
    ds_partition_rows *rows = DS_ARENA_ARRAY(frame->arena, ds_partition_rows, stage->n_partitions);
    uint32_t mine = frame->partition % stage->n_partitions;
    for (uint32_t p = 0; p < stage->n_partitions; p++)
        rows[p].columns = DS_ARENA_ARRAY(frame->arena, ds_column *, input->n_types + 1);
    rows[mine].n_rows = ds_row_buffer_rows(buffer, rows[mine].columns);
    if (rows[mine].n_rows == 0)
        return DS_OK;
    for (uint32_t p = 0; p < stage->n_partitions; p++)
        for (uint32_t c = 0; p != mine && c < input->n_types; c++)
            rows[p].columns[c] = ds_column_nulls(frame->arena, input->types[c], 0);
    ds_status status = frame->out.shuffle(frame->out.arg, node, &frame->heap, rows,
                                          stage->n_partitions, input->n_types, error);
    ds_row_buffer_clear(buffer);
    return status;
}

/* ---- second half ---- */

/* Copies of all pieces; none if one cannot be had. */
static ds_status copy_pieces(ds_frame *frame, ds_row_window *window, const ds_piece_bytes *pieces,
                             uint32_t n_pieces, void **copies, ds_error *error)
{
    ds_status status = DS_OK;
    uint32_t n = 0;
    for (; n < n_pieces && status == DS_OK; n++) {
        copies[n] = ds_row_window_alloc(window, pieces[n].length);
        if (pieces[n].bytes != NULL)
            memcpy(copies[n], pieces[n].bytes, pieces[n].length);
        else
            status =
                frame->out.load(frame->out.arg, &pieces[n], pieces[n].length, copies[n], error);
    }
    while (status != DS_OK && n > 0) {
        n--;
        ds_row_window_forget(window, copies[n], pieces[n].length);
    }
    return status;
}

static ds_status apply(ds_frame *frame, const ds_node *node, ds_row_window *window,
                       const ds_piece_bytes *pieces, uint32_t n_pieces, ds_error *error)
{
    void **copies = DS_ARENA_ARRAY(frame->arena, void *, n_pieces + 1);
    DS_TRY(copy_pieces(frame, window, pieces, n_pieces, copies, error));
    for (uint32_t i = 0; i < n_pieces; i++)
        ds_row_window_add(window, frame->batch_ms, copies[i], pieces[i].length);
    /* What no later window holds goes now, but for the rows that are about to be replayed. */
    int64_t oldest = ds_floor_to(frame->batch_ms, node->slide_ms) - node->window->size_ms;
    if (frame->batch_ms % node->slide_ms != 0)
        oldest += node->slide_ms;
    ds_row_window_drop(window, oldest);
    return DS_OK;
}

ds_status ds_window_reduce(ds_frame *frame, const ds_node *node, ds_row_window *window,
                           bool *applied, const ds_piece_bytes *pieces, uint32_t n_pieces,
                           ds_error *error)
{
    if (!*applied)
        DS_TRY(apply(frame, node, window, pieces, n_pieces, error));
    *applied = true;
    if (!frame->due->emits[node->id])
        return DS_OK;
    int64_t position = 0;
    for (uint32_t i = 0; i < ds_row_window_count(window); i++) {
        const ds_window_piece *kept = ds_row_window_piece(window, i);
        const ds_piece_bytes piece = {.bytes = kept->bytes, .length = kept->length};
        DS_TRY(ds_rows_replay(frame, node, &piece, &position, error));
    }
    return DS_OK;
}
