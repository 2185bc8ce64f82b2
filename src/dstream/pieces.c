#include "dstream/pieces.h"

#include "columnar/piece.h"

static ds_status take_rows(ds_frame *frame, const ds_stage_input *input, const ds_piece *piece,
                           ds_take_rows_fn take, void *arg, ds_error *error)
{
    uint32_t n_rows = ds_piece_length(piece);
    for (uint32_t from = 0; from < n_rows; from += DS_CHUNK_ROWS) {
        uint32_t n = n_rows - from < DS_CHUNK_ROWS ? n_rows - from : DS_CHUNK_ROWS;
        ds_arena *arena = frame->chunk_arena;
        ds_column **columns = DS_ARENA_ARRAY(arena, ds_column *, input->n_types + 1);
        DS_TRY(ds_piece_take(piece, arena, from, n, columns, error));
        DS_TRY(take(arg, (const ds_column *const *)columns, n));
        ds_arena_reset(arena);
    }
    return DS_OK;
}

static ds_status take_piece(ds_frame *frame, const ds_stage_input *input, ds_arena *arena,
                            const ds_piece_bytes *from, ds_take_rows_fn take, void *arg,
                            ds_error *error)
{
    const void *bytes;
    ds_piece *piece;
    DS_TRY(ds_frame_piece(frame, arena, from, &bytes, error));
    DS_TRY(ds_piece_open(arena, &frame->heap, bytes, from->length, input->types, input->n_types,
                         &piece, error));
    return take_rows(frame, input, piece, take, arg, error);
}

ds_status ds_pieces_each(ds_frame *frame, const ds_node *root, const ds_piece_bytes *pieces,
                         uint32_t n_pieces, ds_take_rows_fn take, void *arg, ds_error *error)
{
    const ds_stage_input *input = ds_plan_input(frame->plan, root);
    ds_arena *arena = ds_arena_new(frame->budget);
    ds_status status = DS_OK;
    for (uint32_t i = 0; i < n_pieces && status == DS_OK; i++) {
        status = take_piece(frame, input, arena, &pieces[i], take, arg, error);
        ds_arena_reset(arena);
    }
    ds_arena_free(arena);
    return status;
}
