#include "dstream/op_order.h"

#include "base/assert.h"
#include "dstream/row_buffer.h"

#include <stdlib.h>
#include <string.h>

/* ---- plan ---- */

static bool bind_item(ds_planner *planner, const ds_app_stream *stream, const ds_schema *result,
                      ds_order_item *item)
{
    ds_scope scope = {.columns = result,
                      .allow_window = stream->has_window,
                      .place = "order_by",
                      .functions = planner->functions};
    ds_expr_error error;
    const char *path = stream->order_by.path;
    if (ds_expr_bind(planner->arena, item->expr, &scope, &error) != DS_OK) {
        ds_diag_error_in(planner->diagnostics, path, error.offset, error.length, "%s",
                         error.message);
        return false;
    }
    ds_type type = ds_expr_type(item->expr);
    if (type.kind != DS_LIST && type.kind != DS_NULL_TYPE)
        return true;
    ds_diag_error_in(planner->diagnostics, path, item->offset, item->length,
                     "order_by wants values that have an order, not %s", ds_type_name(type));
    return false;
}

static bool parse_items(ds_planner *planner, const ds_app_stream *stream, ds_order_item **items,
                        uint32_t *n)
{
    *n = 0;
    if (stream->order_by.text == NULL)
        return true;
    ds_expr_error error;
    const char *text = stream->order_by.text;
    if (ds_order_parse(planner->arena, text, strlen(text), items, n, &error) == DS_OK)
        return true;
    ds_diag_error_in(planner->diagnostics, stream->order_by.path, error.offset, error.length, "%s",
                     error.message);
    return false;
}

const ds_order_plan *ds_order_plan_new(ds_planner *planner, const ds_app_stream *stream,
                                       const ds_schema *result)
{
    ds_order_item *items = NULL;
    uint32_t n;
    if (!parse_items(planner, stream, &items, &n))
        return NULL;
    ds_arena *arena = planner->arena;
    ds_order_plan *plan = DS_ARENA_NEW(arena, ds_order_plan);
    plan->limit = stream->limit;
    plan->keys = DS_ARENA_ARRAY(arena, ds_sort_key, n + 1);
    plan->n_keys = n;
    plan->computed_types = DS_ARENA_ARRAY(arena, ds_type, n + 1);
    plan->reads = DS_ARENA_ARRAY(arena, bool, result->n_fields + 1);
    ds_expr **exprs = DS_ARENA_ARRAY(arena, ds_expr *, n + 1);
    bool fine = true;
    for (uint32_t i = 0; i < n; i++) {
        if (!bind_item(planner, stream, result, &items[i])) {
            fine = false;
            continue;
        }
        if (ds_expr_column(items[i].expr) < 0) {
            plan->computed_types[plan->n_computed] = ds_expr_type(items[i].expr);
            exprs[plan->n_computed++] = items[i].expr;
        }
    }
    if (!fine)
        return NULL;
    uint32_t computed = 0;
    for (uint32_t i = 0; i < n; i++) {
        int column = ds_expr_column(items[i].expr);
        uint32_t at = column < 0 ? computed++ : plan->n_computed + (uint32_t)column;
        plan->keys[i] = (ds_sort_key){at, items[i].descending, items[i].nulls_first};
    }
    if (plan->n_computed > 0)
        plan->program = ds_program_new(arena, exprs, plan->n_computed);
    plan->each = DS_ARENA_ARRAY(arena, ds_program *, plan->n_computed + 1);
    for (uint32_t i = 0; i < plan->n_computed; i++)
        plan->each[i] = ds_program_new(arena, &exprs[i], 1);
    for (uint32_t c = 0; c < result->n_fields; c++)
        plan->reads[c] = true; /* ties are broken by all columns */
    return plan;
}

uint32_t ds_order_types(ds_planner *planner, const ds_order_plan *plan, const ds_schema *schema,
                        const ds_type **types)
{
    uint32_t n = plan->n_computed + schema->n_fields;
    ds_type *all = DS_ARENA_ARRAY(planner->arena, ds_type, n + 1);
    for (uint32_t i = 0; i < plan->n_computed; i++)
        all[i] = plan->computed_types[i];
    for (uint32_t i = 0; i < schema->n_fields; i++)
        all[plan->n_computed + i] = schema->fields[i].type;
    *types = all;
    return n;
}

/* ---- run ---- */

static ds_sorter *new_sorter(ds_frame *frame, const ds_node *node)
{
    const ds_stage_input *input = ds_plan_input(frame->plan, node);
    const ds_order_plan *plan = node->order;
    return ds_sorter_new(input->types, input->n_types, plan->keys, plan->n_keys, plan->limit,
                         frame->budget);
}

void ds_order_state_free(void *state)
{
    ds_sorter_free(state);
}

/* An item that overflows is null, and counted. */
static void null_errors(ds_frame *frame, const ds_column **column, const uint64_t *errors,
                        uint32_t n)
{
    ds_column *copy = DS_ARENA_NEW(frame->chunk_arena, ds_column);
    *copy = **column;
    copy->validity = ds_arena_alloc(frame->chunk_arena, ds_bitmap_words(n) * 8);
    for (size_t w = 0; w < ds_bitmap_words(n); w++)
        copy->validity[w] =
            ((*column)->validity == NULL ? ~(uint64_t)0 : (*column)->validity[w]) & ~errors[w];
    *column = copy;
}

/* The columns of the computed items. */
static void compute_items(ds_frame *frame, const ds_node *node, const ds_chunk *chunk,
                          const ds_column **columns)
{
    const ds_order_plan *plan = node->order;
    uint64_t *errors;
    ds_frame_run(frame, plan->program, node->window_ms, chunk, columns, &errors);
    if (ds_bitmap_count(errors, chunk->n_rows) == 0)
        return;
    for (uint32_t i = 0; i < plan->n_computed; i++) {
        ds_frame_run(frame, plan->each[i], node->window_ms, chunk, &columns[i], &errors);
        ds_frame_count_values(frame, errors, frame->faults, chunk->n_rows);
        if (ds_bitmap_count(errors, chunk->n_rows) > 0)
            null_errors(frame, &columns[i], errors, chunk->n_rows);
    }
}

void ds_order_push(ds_frame *frame, const ds_node *node, const ds_chunk *chunk)
{
    const ds_order_plan *plan = node->order;
    if (frame->states[node->id] == NULL)
        frame->states[node->id] = new_sorter(frame, node);
    uint32_t n = plan->n_computed + chunk->n_columns;
    const ds_column **columns = DS_ARENA_ARRAY(frame->chunk_arena, const ds_column *, n + 1);
    if (plan->program != NULL)
        compute_items(frame, node, chunk, columns);
    for (uint32_t c = 0; c < chunk->n_columns; c++)
        columns[plan->n_computed + c] = chunk->columns[c];
    ds_sorter *sorter = frame->states[node->id];
    ds_sorter_add(sorter, &frame->heap, columns, chunk->n_rows);
    frame->full = frame->full || (ds_sorter_bytes(sorter) > frame->flush_bytes &&
                                  ds_sorter_prune(sorter) > frame->flush_bytes);
}

size_t ds_order_state_bytes(const void *state)
{
    return ds_sorter_bytes(state);
}

/* ---- runs ---- */

#define MOST_PIECE ((size_t)256 << 10)
#define LEAST_PIECE ((size_t)16 << 10)
#define MOST_ROWS 65536u /* of a piece */

size_t ds_order_piece_bytes(const ds_frame *frame)
{
    size_t bytes = frame->flush_bytes / 32;
    return bytes < LEAST_PIECE ? LEAST_PIECE : bytes > MOST_PIECE ? MOST_PIECE : bytes;
}

/* Hands the rows of a buffer out as the next piece of a run. */
static ds_status put_piece(ds_frame *frame, const ds_node *node, ds_row_buffer *buffer,
                           bool continues, ds_error *error)
{
    uint32_t n_columns = ds_plan_input(frame->plan, node)->n_types;
    ds_partition_rows rows = {.columns = ds_calloc(n_columns, sizeof *rows.columns),
                              .continues = continues};
    rows.n_rows = ds_row_buffer_rows(buffer, rows.columns);
    ds_status status =
        frame->out.shuffle(frame->out.arg, node, &frame->heap, &rows, 1, n_columns, error);
    ds_row_buffer_clear(buffer);
    free(rows.columns);
    return status;
}

static ds_status put_run(ds_frame *frame, const ds_node *node, ds_sorter *sorter,
                         ds_row_buffer *buffer, ds_error *error)
{
    ds_arena *arena = ds_arena_new(frame->budget);
    uint32_t n_columns = ds_plan_input(frame->plan, node)->n_types;
    uint64_t total = ds_sorter_finish(sorter), done = 0;
    ds_status status = DS_OK;
    for (uint64_t at = 0, n; at < total && status == DS_OK; at += n) {
        n = total - at < DS_CHUNK_ROWS ? total - at : DS_CHUNK_ROWS;
        ds_column **columns = DS_ARENA_ARRAY(arena, ds_column *, n_columns + 1);
        ds_sorter_rows(sorter, arena, &frame->heap, at, (uint32_t)n, columns);
        ds_row_buffer_add(buffer, (const ds_column *const *)columns, NULL, (uint32_t)n);
        if (ds_row_buffer_bytes(buffer) < ds_order_piece_bytes(frame) && at + n < total &&
            at + n - done < MOST_ROWS)
            continue;
        status = put_piece(frame, node, buffer, done > 0, error);
        done = at + n;
        ds_arena_reset(arena);
    }
    ds_arena_free(arena);
    return status;
}

ds_status ds_order_flush(ds_frame *frame, const ds_node *node, ds_error *error)
{
    ds_sorter *sorter = frame->states[node->id];
    if (sorter == NULL)
        return DS_OK;
    const ds_stage_input *input = ds_plan_input(frame->plan, node);
    DS_ASSERT(frame->plan->stages[node->stage].n_partitions == 1);
    ds_row_buffer *buffer = ds_row_buffer_new(input->types, input->n_types, frame->budget);
    ds_status status = put_run(frame, node, sorter, buffer, error);
    ds_row_buffer_free(buffer);
    ds_sorter_free(sorter);
    frame->states[node->id] = NULL;
    return status;
}
