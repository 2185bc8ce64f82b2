/* The second half of order_by and limit: the runs of all tasks as one (op_order.h). */
#include "columnar/merge.h"
#include "dstream/op_order.h"
#include "dstream/row_buffer.h"

#include <stdlib.h>

/* What is merged, in one task. */
typedef struct merging {
    ds_frame *frame;
    const ds_node *node;
    const ds_stage_input *input;
    ds_piece_bytes *pieces; /* of all runs, run by run */
    uint32_t n_pieces, room;
    uint32_t *next; /* by run of the merger: its next piece */
    uint32_t *end;
} merging;

static bool begins_run(const merging *m, uint32_t piece)
{
    return piece == 0 || !m->pieces[piece].continues;
}

static uint32_t count_runs(const merging *m)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n_pieces; i++)
        n += begins_run(m, i);
    return n;
}

static ds_status next_piece(void *arg, uint32_t run, ds_arena *arena, ds_piece **piece,
                            ds_error *error)
{
    merging *m = arg;
    if (m->next[run] == m->end[run])
        return DS_OK;
    const ds_piece_bytes *from = &m->pieces[m->next[run]++];
    const void *bytes;
    DS_TRY(ds_frame_piece(m->frame, arena, from, &bytes, error));
    return ds_piece_open(arena, &m->frame->heap, bytes, from->length, m->input->types,
                         m->input->n_types, piece, error);
}

/* A merger of n_runs runs, from the run that begins with a piece on. Returns the piece behind. */
static uint32_t open_runs(merging *m, uint32_t first, uint32_t n_runs, uint32_t window,
                          ds_merger **merger)
{
    const ds_order_plan *plan = m->node->order;
    uint32_t at = first;
    for (uint32_t r = 0; r < n_runs; r++) {
        m->next[r] = at++;
        while (at < m->n_pieces && !begins_run(m, at))
            at++;
        m->end[r] = at;
    }
    const ds_merge_rows rows = {m->input->types, m->input->n_types, plan->keys, plan->n_keys};
    const ds_merge_source source = {m, next_piece};
    *merger = ds_merger_new(&rows, n_runs, window, &source, &m->frame->heap, m->frame->budget);
    return at;
}

#define OVERHEAD ((size_t)40 << 10) /* of a run: its arenas */

/* How many runs may be merged at once, and how many rows are looked at of each. */
typedef struct width {
    uint32_t n_runs, window;
} width;

static width width_of(const merging *m)
{
    size_t most = m->frame->share_bytes / 2, largest = 0, row = sizeof(uint64_t);
    for (uint32_t i = 0; i < m->n_pieces; i++)
        if (m->pieces[i].bytes == NULL && m->pieces[i].length > largest)
            largest = m->pieces[i].length;
    for (uint32_t c = 0; c < m->input->n_types; c++)
        row += ds_type_width(m->input->types[c]) + 1;
    uint32_t n_runs = count_runs(m);
    size_t each = most / (n_runs > 0 ? n_runs : 1) / 2 / row;
    uint32_t window = each > DS_CHUNK_ROWS ? DS_CHUNK_ROWS : each < 256 ? 256 : (uint32_t)each;
    size_t fits = most / (largest + window * row + OVERHEAD);
    return (width){fits < 8 ? 8 : fits > UINT32_MAX ? UINT32_MAX : (uint32_t)fits, window};
}

static void add_piece(merging *to, const ds_piece_bytes *piece)
{
    if (to->n_pieces == to->room) {
        to->room = to->room == 0 ? 64 : to->room * 2;
        to->pieces = ds_realloc(to->pieces, to->room, sizeof *to->pieces);
    }
    to->pieces[to->n_pieces++] = *piece;
}

/* Writes what is in the buffer as the next piece of a run. */
static ds_status keep_piece(merging *to, ds_row_buffer *buffer, bool continues, ds_error *error)
{
    ds_frame *frame = to->frame;
    ds_piece_bytes piece;
    uint32_t n_columns = to->input->n_types;
    ds_column **columns = ds_calloc(n_columns, sizeof *columns);
    uint32_t n = ds_row_buffer_rows(buffer, columns);
    ds_status status =
        frame->out.keep(frame->out.arg, &frame->heap, (const ds_column *const *)columns, n_columns,
                        n, &piece, error);
    piece.continues = continues;
    if (status == DS_OK)
        add_piece(to, &piece);
    ds_row_buffer_clear(buffer);
    free(columns);
    return status;
}

/* Writes all rows of a merger as one run. */
static ds_status keep_run(merging *to, ds_merger *merger, ds_error *error)
{
    ds_frame *frame = to->frame;
    int64_t limit = to->node->order->limit, total = 0;
    ds_row_buffer *buffer = ds_row_buffer_new(to->input->types, to->input->n_types, frame->budget);
    ds_status status = DS_OK;
    bool continues = false;
    for (uint32_t n = 1; n > 0 && status == DS_OK && (limit < 0 || total < limit); total += n) {
        ds_column **columns =
            DS_ARENA_ARRAY(frame->chunk_arena, ds_column *, to->input->n_types + 1);
        status = ds_merger_next(merger, frame->chunk_arena, columns, &n, error);
        if (status != DS_OK)
            break;
        ds_row_buffer_add(buffer, (const ds_column *const *)columns, NULL, n);
        ds_arena_reset(frame->chunk_arena);
        bool full = ds_row_buffer_bytes(buffer) >= ds_order_piece_bytes(frame) ||
                    ds_merger_used_up(merger) > frame->flush_bytes;
        if (!full && n > 0)
            continue;
        if (ds_row_buffer_count(buffer) > 0) {
            status = keep_piece(to, buffer, continues, error);
            continues = true;
        }
        ds_merger_let_go(merger);
        if (status == DS_OK)
            status = ds_frame_next_chunk(frame);
    }
    ds_row_buffer_free(buffer);
    return status;
}

/* Merges the runs by so many at a time: there are fewer then. */
static ds_status merge_some(merging *m, width w, ds_error *error)
{
    merging to = *m;
    to.pieces = NULL;
    to.n_pieces = to.room = 0;
    uint32_t left = count_runs(m), at = 0;
    ds_status status = DS_OK;
    while (left > 0 && status == DS_OK) {
        uint32_t n = left < w.n_runs ? left : w.n_runs;
        ds_merger *merger;
        at = open_runs(m, at, n, w.window, &merger);
        status = keep_run(&to, merger, error);
        ds_merger_free(merger);
        left -= n;
    }
    free(m->pieces);
    *m = to;
    return status;
}

static ds_status push_merged(merging *m, ds_merger *merger, ds_error *error)
{
    ds_frame *frame = m->frame;
    const ds_order_plan *plan = m->node->order;
    uint32_t n_types = m->input->n_types, n;
    for (int64_t left = plan->limit < 0 ? INT64_MAX : plan->limit; left > 0; left -= n) {
        ds_column **columns = DS_ARENA_ARRAY(frame->chunk_arena, ds_column *, n_types + 1);
        DS_TRY(ds_merger_next(merger, frame->chunk_arena, columns, &n, error));
        if (n == 0)
            return DS_OK;
        n = n > left ? (uint32_t)left : n;
        for (uint32_t c = 0; c < n_types; c++)
            columns[c]->length = n;
        ds_chunk chunk = {n, n_types - plan->n_computed,
                          (const ds_column *const *)columns + plan->n_computed, NULL};
        ds_frame_push(frame, m->node, &chunk);
        DS_TRY(ds_frame_next_chunk(frame));
        if (ds_merger_used_up(merger) > frame->flush_bytes && ds_frame_settle(frame))
            ds_merger_let_go(merger);
    }
    return DS_OK;
}

static void free_merger(void *merger)
{
    ds_merger_free(merger);
}

static ds_status merge(merging *m, ds_error *error)
{
    width w = width_of(m);
    m->next = DS_ARENA_ARRAY(m->frame->arena, uint32_t, count_runs(m) + 1);
    m->end = DS_ARENA_ARRAY(m->frame->arena, uint32_t, count_runs(m) + 1);
    while (count_runs(m) > w.n_runs && m->frame->out.keep != NULL) {
        DS_TRY(merge_some(m, w, error));
        w = width_of(m);
    }
    ds_merger *merger;
    open_runs(m, 0, count_runs(m), w.window, &merger);
    /* Text of the rows lies in the pieces, and may be kept until the task ends. */
    ds_arena_on_free(m->frame->arena, free_merger, merger);
    return push_merged(m, merger, error);
}

ds_status ds_order_reduce(ds_frame *frame, const ds_node *node, const ds_piece_bytes *pieces,
                          uint32_t n_pieces, ds_error *error)
{
    merging m = {.frame = frame, .node = node, .input = ds_plan_input(frame->plan, node)};
    for (uint32_t i = 0; i < n_pieces; i++)
        add_piece(&m, &pieces[i]);
    ds_status status = merge(&m, error);
    free(m.pieces);
    return status;
}
