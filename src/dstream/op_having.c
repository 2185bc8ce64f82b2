#include "dstream/op_having.h"

const ds_having_plan *ds_having_plan_new(ds_planner *planner, const ds_app_stream *stream,
                                         const ds_schema *result)
{
    ds_scope scope = {.columns = result,
                      .allow_window = stream->has_window,
                      .allow_timed_out = stream->state != NULL,
                      .place = "having"};
    ds_expr *expr = ds_planner_bind_condition(planner, &stream->having, &scope);
    if (expr == NULL)
        return NULL;
    ds_having_plan *plan = DS_ARENA_NEW(planner->arena, ds_having_plan);
    plan->reads = DS_ARENA_ARRAY(planner->arena, bool, result->n_fields + 1);
    plan->never = ds_expr_type(expr).kind == DS_NULL_TYPE;
    ds_expr_columns(expr, plan->reads);
    plan->program = ds_program_new(planner->arena, &expr, 1);
    return plan;
}

void ds_having_push(ds_frame *frame, const ds_node *node, const ds_chunk *chunk)
{
    const ds_having_plan *plan = node->having;
    const ds_column *condition;
    uint64_t *errors;
    if (plan->never)
        return;
    ds_frame_run(frame, plan->program, node->window_ms, chunk, &condition, &errors);
    ds_frame_count_values(frame, errors, frame->faults, chunk->n_rows);
    const uint64_t *kept = ds_where_true(frame->chunk_arena, condition, errors, chunk->n_rows);
    uint32_t *indexes = ds_arena_alloc(frame->chunk_arena, chunk->n_rows * sizeof *indexes);
    uint32_t n = ds_bitmap_indexes(kept, chunk->n_rows, indexes);
    if (n == chunk->n_rows) {
        ds_frame_push(frame, node, chunk);
    } else if (n > 0) {
        ds_chunk rows = ds_frame_gather(frame, chunk, node->wanted, indexes, n);
        ds_frame_push(frame, node, &rows);
    }
}
