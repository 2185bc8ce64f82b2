#include "dstream/op_flat_map.h"

#include "base/assert.h"
#include "columnar/expr_failure.h"

#include <string.h>

const ds_flat_map_plan *ds_flat_map_plan_new(ds_planner *planner, const ds_app_item *item,
                                             const ds_schema *input, const char *const *qualifiers,
                                             ds_schema *output)
{
    int replaced = ds_schema_find(input, item->name);
    uint32_t n = input->n_fields + (replaced < 0 ? 1 : 0);
    *output = ds_planner_schema(planner, n);
    memcpy(output->fields, input->fields, input->n_fields * sizeof *input->fields);

    ds_flat_map_plan *plan = DS_ARENA_NEW(planner->arena, ds_flat_map_plan);
    plan->column = replaced < 0 ? input->n_fields : (uint32_t)replaced;
    plan->n_columns = n;
    plan->reads = DS_ARENA_ARRAY(planner->arena, bool, input->n_fields + 1);
    output->fields[plan->column] = (ds_field){item->name, DS_TYPE(DS_NULL_TYPE)};

    ds_scope scope = {.columns = input, .qualifiers = qualifiers, .place = "flat_map"};
    ds_expr *expr = ds_planner_bind_column(planner, &item->expr, &scope);
    if (expr == NULL)
        return NULL;
    ds_type type = ds_expr_type(expr);
    if (type.kind != DS_LIST) {
        ds_diag_error_in(
            planner->diagnostics, item->expr.path, 0, (uint32_t)strlen(item->expr.text),
            "flat_map wants a list, this is of type %s (split(…) or array(…) give one)",
            ds_type_name(type));
        return NULL;
    }
    output->fields[plan->column].type = ds_type_element(type);
    ds_expr_columns(expr, plan->reads);
    plan->may_fail = ds_expr_may_fail(expr);
    plan->program = ds_program_new(planner->arena, &expr, 1);
    return plan;
}

/* The elements of a list column may be used as they are when no row that counts for nothing (null
 * or failed) has any, and when they start where bitmaps can be cut. */
static bool is_contiguous(const ds_column *list, const uint64_t *errors, uint32_t n)
{
    if (list->offsets[0] % 64 != 0)
        return false;
    if (list->validity == NULL && ds_bitmap_count(errors, n) == 0)
        return true;
    for (uint32_t i = 0; i < n; i++)
        if ((ds_column_is_null(list, i) || ds_bit_get(errors, i)) &&
            list->offsets[i + 1] != list->offsets[i])
            return false;
    return true;
}

static ds_column *cut_column(ds_arena *arena, const ds_column *column, uint32_t from, uint32_t n)
{
    DS_ASSERT(from % 64 == 0);
    ds_column *cut = DS_ARENA_NEW(arena, ds_column);
    cut->type = column->type;
    cut->length = n;
    cut->validity = column->validity == NULL ? NULL : column->validity + from / 64;
    if (column->type.kind == DS_BOOL)
        cut->bits = column->bits + from / 64;
    else
        cut->values = (char *)column->values + (size_t)from * ds_type_width(column->type);
    return cut;
}

/* The rows that the elements come from, and which elements count, if these are asked for; returns
 * how many do. */
static uint32_t find_origins(const ds_column *list, const uint64_t *errors, uint32_t n,
                             uint32_t *origins, uint32_t *indexes)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (ds_column_is_null(list, i) || ds_bit_get(errors, i))
            continue;
        for (uint32_t e = list->offsets[i]; e < list->offsets[i + 1]; e++) {
            if (indexes != NULL)
                indexes[count] = e;
            origins[count++] = i;
        }
    }
    return count;
}

void ds_flat_map_run(ds_frame *frame, const ds_flat_map_plan *plan, const ds_chunk *chunk,
                     bool traced, ds_flat_map_rows *rows, uint64_t **errors)
{
    const ds_column *list;
    ds_arena *arena = frame->chunk_arena;
    ds_frame_run(frame, plan->program, 0, chunk, &list, errors);
    uint32_t n = chunk->n_rows, most = list->offsets[n] - list->offsets[0];
    *rows = (ds_flat_map_rows){.n_rows = most};
    bool contiguous = is_contiguous(list, *errors, n);
    if (contiguous)
        rows->elements = cut_column(arena, list->child, list->offsets[0], most);
    if (contiguous && !traced)
        return;
    uint32_t *origins = ds_arena_alloc(arena, (size_t)most * sizeof *origins);
    uint32_t *indexes = contiguous ? NULL : ds_arena_alloc(arena, (size_t)most * sizeof *indexes);
    rows->origins = origins;
    rows->n_rows = find_origins(list, *errors, n, origins, indexes);
    if (!contiguous)
        rows->elements = ds_column_gather(arena, list->child, indexes, rows->n_rows);
}

ds_chunk ds_flat_map_slice(ds_frame *frame, const ds_flat_map_plan *plan, const ds_chunk *chunk,
                           const ds_flat_map_rows *rows, uint32_t from, const bool *wanted)
{
    ds_arena *arena = frame->chunk_arena;
    uint32_t n = rows->n_rows - from < DS_CHUNK_ROWS ? rows->n_rows - from : DS_CHUNK_ROWS;
    const ds_column **columns = DS_ARENA_ARRAY(arena, const ds_column *, plan->n_columns);
    for (uint32_t c = 0; c < plan->n_columns; c++) {
        if (c == plan->column)
            columns[c] = cut_column(arena, rows->elements, from, n);
        else if (wanted[c])
            columns[c] = ds_column_gather(arena, chunk->columns[c], rows->origins + from, n);
    }
    int64_t *positions = NULL;
    DS_ASSERT(rows->origins != NULL || chunk->positions == NULL);
    if (chunk->positions != NULL) {
        positions = ds_arena_alloc(arena, n * sizeof *positions);
        for (uint32_t i = 0; i < n; i++)
            positions[i] = chunk->positions[rows->origins[from + i]];
    }
    return (ds_chunk){n, plan->n_columns, columns, positions};
}
