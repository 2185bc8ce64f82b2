#include "dstream/op_where.h"

#include "columnar/expr_failure.h"

const ds_where_plan *ds_where_plan_new(ds_planner *planner, const ds_app_text *text,
                                       const ds_schema *input, const char *const *qualifiers)
{
    ds_scope scope = {.columns = input, .qualifiers = qualifiers, .place = "where"};
    ds_expr *expr = ds_planner_bind_condition(planner, text, &scope);
    if (expr == NULL)
        return NULL;
    ds_where_plan *plan = DS_ARENA_NEW(planner->arena, ds_where_plan);
    plan->reads = DS_ARENA_ARRAY(planner->arena, bool, input->n_fields + 1);
    plan->never = ds_expr_type(expr).kind == DS_NULL_TYPE;
    ds_expr_columns(expr, plan->reads);
    plan->may_fail = ds_expr_may_fail(expr);
    plan->program = ds_program_new(planner->arena, &expr, 1);
    return plan;
}

uint64_t *ds_where_true(ds_arena *arena, const ds_column *condition, const uint64_t *errors,
                        uint32_t n)
{
    size_t words = ds_bitmap_words(n);
    uint64_t *kept = ds_arena_alloc(arena, words * sizeof *kept);
    for (size_t i = 0; i < words; i++) {
        uint64_t valid = condition->validity == NULL ? ~(uint64_t)0 : condition->validity[i];
        kept[i] = condition->bits[i] & valid & ~errors[i];
    }
    return kept;
}

uint32_t ds_where_run(ds_frame *frame, const ds_where_plan *plan, const ds_chunk *chunk,
                      uint32_t *indexes, uint64_t **errors)
{
    const ds_column *condition;
    if (plan->never) {
        *errors = ds_frame_no_errors(frame, chunk->n_rows);
        return 0;
    }
    ds_frame_run(frame, plan->program, 0, chunk, &condition, errors);
    const uint64_t *kept = ds_where_true(frame->chunk_arena, condition, *errors, chunk->n_rows);
    return ds_bitmap_indexes(kept, chunk->n_rows, indexes);
}
