#include "dstream/op_select.h"

#include "columnar/expr_failure.h"

#include <string.h>

/* The output's columns in order: all of the input for "*", then each item, which adds a column
 * or takes the place of the one with its name. */
static void make_output(ds_planner *planner, const ds_app_stream *stream, const ds_schema *input,
                        ds_schema *output, const ds_app_item ***items)
{
    uint32_t most = (stream->select_all ? input->n_fields : 0) + stream->n_select;
    *output = ds_planner_schema(planner, most);
    *items = DS_ARENA_ARRAY(planner->arena, const ds_app_item *, most + 1);
    output->n_fields = 0;
    if (stream->select_all) {
        memcpy(output->fields, input->fields, input->n_fields * sizeof *input->fields);
        output->n_fields = input->n_fields;
    }
    for (uint32_t i = 0; i < stream->n_select; i++) {
        const ds_app_item *item = &stream->select[i];
        int at = ds_schema_find(output, item->name);
        uint32_t column = at >= 0 ? (uint32_t)at : output->n_fields++;
        output->fields[column] = (ds_field){item->name, DS_TYPE(DS_NULL_TYPE)};
        (*items)[column] = item;
    }
}

const ds_select_plan *ds_select_plan_new(ds_planner *planner, const ds_app_stream *stream,
                                         const ds_schema *input, const char *const *qualifiers,
                                         ds_schema *output)
{
    const ds_app_item **items;
    make_output(planner, stream, input, output, &items);
    ds_arena *arena = planner->arena;
    uint32_t n = output->n_fields;
    ds_select_plan *plan = DS_ARENA_NEW(arena, ds_select_plan);
    plan->n_columns = n;
    plan->from_input = DS_ARENA_ARRAY(arena, int, n + 1);
    plan->computed = DS_ARENA_ARRAY(arena, uint32_t, n + 1);
    plan->reads = DS_ARENA_ARRAY(arena, bool, input->n_fields + 1);
    ds_expr **exprs = DS_ARENA_ARRAY(arena, ds_expr *, n + 1);
    bool fine = true;
    ds_scope scope = {.columns = input, .qualifiers = qualifiers, .place = "select"};
    for (uint32_t c = 0; c < n; c++) {
        if (items[c] == NULL) {
            plan->from_input[c] = (int)c;
            continue;
        }
        ds_expr *expr = ds_planner_bind_column(planner, &items[c]->expr, &scope);
        if (expr == NULL) {
            fine = false;
            continue;
        }
        output->fields[c].type = ds_expr_type(expr);
        plan->from_input[c] = ds_expr_column(expr);
        if (plan->from_input[c] < 0) {
            ds_expr_columns(expr, plan->reads);
            plan->may_fail = plan->may_fail || ds_expr_may_fail(expr);
            plan->computed[c] = plan->n_computed;
            exprs[plan->n_computed++] = expr;
        }
    }
    if (plan->n_computed > 0 && fine)
        plan->program = ds_program_new(arena, exprs, plan->n_computed);
    return fine ? plan : NULL;
}

ds_chunk ds_select_run(ds_frame *frame, const ds_select_plan *plan, const ds_chunk *chunk,
                       uint64_t **errors)
{
    ds_arena *arena = frame->chunk_arena;
    const ds_column **computed = DS_ARENA_ARRAY(arena, const ds_column *, plan->n_computed + 1);
    if (plan->program != NULL)
        ds_frame_run(frame, plan->program, 0, chunk, computed, errors);
    else
        *errors = ds_frame_no_errors(frame, chunk->n_rows);
    const ds_column **columns = DS_ARENA_ARRAY(arena, const ds_column *, plan->n_columns + 1);
    for (uint32_t c = 0; c < plan->n_columns; c++)
        columns[c] = plan->from_input[c] >= 0 ? chunk->columns[plan->from_input[c]]
                                              : computed[plan->computed[c]];
    return (ds_chunk){chunk->n_rows, plan->n_columns, columns, chunk->positions};
}
