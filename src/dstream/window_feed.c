/*
 * Rows are added as they come, if the window lies in memory. If it lies on disk, each row would
 * touch some page anywhere: then many of them are gathered, put in the order in which the table has
 * its keys, and added in that order. Rows of one key stay in theirs, so nothing comes out
 * differently but the order of the groups.
 */
#include "dstream/window_feed.h"

#include "columnar/keys.h"
#include "dstream/op_group.h"
#include "dstream/pieces.h"
#include "dstream/row_buffer.h"

#define MOST_ROWS ((uint32_t)256 << 10) /* that are sorted at once */

typedef struct feed {
    ds_frame *frame;
    const ds_group_spec *spec;
    const ds_stage_input *input;
    ds_window *window;
    ds_row_buffer *rows; /* NULL: none were gathered so far */
} feed;

static void add(feed *f, const ds_column *const *columns, uint32_t n)
{
    ds_window_add(f->window, f->frame->batch_ms, &f->frame->heap, columns, n);
}

/* The numbers of rows in the order of the table. */
static const uint32_t *in_order(const feed *f, ds_arena *arena, const ds_column *const *columns,
                                uint32_t n)
{
    uint64_t *hashes = ds_arena_alloc(arena, n * sizeof *hashes);
    uint64_t *sorted = ds_arena_alloc(arena, n * sizeof *sorted);
    uint32_t *order = ds_arena_alloc(arena, n * sizeof *order);
    ds_hash_rows(&f->frame->heap, columns, f->spec->n_keys, n, hashes);
    ds_keys_order(hashes, n, sorted, order);
    return order;
}

/* A chunk at a time, so that they are not all there twice. */
static ds_status add_sorted(feed *f)
{
    ds_frame *frame = f->frame;
    uint32_t n = ds_row_buffer_count(f->rows), n_columns = f->input->n_types;
    ds_arena *arena = ds_arena_new(frame->budget), *chunk = ds_arena_new(frame->budget);
    ds_column **all = DS_ARENA_ARRAY(arena, ds_column *, n_columns + 1);
    ds_row_buffer_rows(f->rows, all);
    const uint32_t *order = in_order(f, arena, (const ds_column *const *)all, n);
    for (uint32_t from = 0; from < n; from += DS_CHUNK_ROWS) {
        uint32_t some = n - from < DS_CHUNK_ROWS ? n - from : DS_CHUNK_ROWS;
        const ds_column **columns = DS_ARENA_ARRAY(chunk, const ds_column *, n_columns + 1);
        for (uint32_t c = 0; c < n_columns; c++)
            columns[c] = ds_column_gather(chunk, all[c], order + from, some);
        add(f, columns, some);
        ds_arena_reset(chunk);
    }
    ds_arena_free(chunk);
    ds_arena_free(arena);
    ds_row_buffer_clear(f->rows);
    return DS_OK;
}

static bool are_many(const feed *f)
{
    return ds_row_buffer_bytes(f->rows) > f->frame->share_bytes / 4 ||
           ds_row_buffer_count(f->rows) > MOST_ROWS;
}

static ds_status take_rows(void *arg, const ds_column *const *columns, uint32_t n)
{
    feed *f = arg;
    bool on_disk = ds_budget_step(f->frame->kept, DS_CHUNK_ROWS) < DS_CHUNK_ROWS;
    if (f->rows == NULL && (!on_disk || f->spec->n_keys == 0)) {
        add(f, columns, n);
        return DS_OK;
    }
    if (f->rows == NULL) {
        f->rows = ds_row_buffer_new(f->input->types, f->input->n_types, f->frame->budget);
        ds_row_buffer_own(f->rows, &f->frame->heap);
    }
    ds_row_buffer_add(f->rows, columns, NULL, n);
    return are_many(f) ? add_sorted(f) : DS_OK;
}

ds_status ds_window_feed(ds_frame *frame, const ds_node *node, ds_window *window,
                         const ds_piece_bytes *pieces, uint32_t n_pieces, ds_error *error)
{
    feed f = {.frame = frame,
              .spec = &node->group->spec,
              .input = ds_plan_input(frame->plan, node),
              .window = window};
    ds_status status = ds_pieces_each(frame, node, pieces, n_pieces, take_rows, &f, error);
    if (f.rows != NULL && ds_row_buffer_count(f.rows) > 0 && status == DS_OK)
        status = add_sorted(&f);
    ds_row_buffer_free(f.rows);
    return status;
}
