#include "dstream/op_exchange.h"

#include "base/assert.h"
#include "columnar/keys.h"
#include "dstream/row_scatter.h"

/* ---- plan ---- */

ds_exchange_plan *ds_exchange_by_key(ds_planner *planner, const ds_schema *rows,
                                     const uint32_t *keys, const ds_type *types, uint32_t n_keys,
                                     ds_schema *output)
{
    ds_arena *arena = planner->arena;
    ds_exchange_plan *plan = DS_ARENA_NEW(arena, ds_exchange_plan);
    plan->keys = DS_ARENA_ARRAY(arena, uint32_t, n_keys + 1);
    plan->n_keys = n_keys;
    *output = ds_planner_schema(planner, rows->n_fields);
    memcpy(output->fields, rows->fields, rows->n_fields * sizeof *rows->fields);
    for (uint32_t k = 0; k < n_keys; k++) {
        ds_field *field = &output->fields[keys[k]];
        plan->keys[k] = keys[k];
        if (ds_type_equal(types[k], field->type))
            continue;
        DS_ASSERT(types[k].kind == DS_FLOAT && field->type.kind == DS_INT);
        if (plan->to_float == NULL)
            plan->to_float = DS_ARENA_ARRAY(arena, bool, rows->n_fields + 1);
        plan->to_float[keys[k]] = true;
        field->type = types[k];
    }
    return plan;
}

ds_exchange_plan *ds_exchange_evenly(ds_planner *planner, uint32_t n_partitions)
{
    ds_exchange_plan *plan = DS_ARENA_NEW(planner->arena, ds_exchange_plan);
    plan->n_partitions = n_partitions;
    return plan;
}

/* ---- run ---- */

static const ds_column *float_column(ds_arena *arena, const ds_column *ints)
{
    ds_column *column = ds_column_new(arena, DS_TYPE(DS_FLOAT), ints->length);
    column->validity = ints->validity;
    for (uint32_t i = 0; i < ints->length; i++)
        column->floats[i] = (double)ints->ints[i];
    return column;
}

static ds_chunk converted(ds_frame *frame, const ds_exchange_plan *plan, const ds_chunk *chunk)
{
    ds_arena *arena = frame->chunk_arena;
    const ds_column **columns = DS_ARENA_ARRAY(arena, const ds_column *, chunk->n_columns + 1);
    for (uint32_t c = 0; c < chunk->n_columns; c++) {
        bool changes = plan->to_float[c] && chunk->columns[c] != NULL;
        columns[c] = changes ? float_column(arena, chunk->columns[c]) : chunk->columns[c];
    }
    return (ds_chunk){chunk->n_rows, chunk->n_columns, columns, chunk->positions};
}

static ds_chunk without_null_keys(ds_frame *frame, const ds_node *node, const ds_chunk *chunk)
{
    const ds_exchange_plan *plan = node->exchange;
    uint64_t kept[DS_CHUNK_WORDS];
    bool nulls = false;
    ds_bitmap_fill(kept, chunk->n_rows);
    for (uint32_t k = 0; k < plan->n_keys; k++) {
        const uint64_t *validity = chunk->columns[plan->keys[k]]->validity;
        for (size_t w = 0; validity != NULL && w < ds_bitmap_words(chunk->n_rows); w++)
            kept[w] &= validity[w];
        nulls = nulls || validity != NULL;
    }
    if (!nulls)
        return *chunk;
    uint32_t *rows = ds_arena_alloc(frame->chunk_arena, chunk->n_rows * sizeof *rows);
    uint32_t n = ds_bitmap_indexes(kept, chunk->n_rows, rows);
    return n == chunk->n_rows ? *chunk : ds_frame_gather(frame, chunk, node->wanted, rows, n);
}

static uint32_t wanted_columns(const ds_node *node, const ds_chunk *chunk,
                               const ds_column **columns)
{
    uint32_t n = 0;
    for (uint32_t c = 0; c < node->schema.n_fields; c++)
        if (node->wanted[c])
            columns[n++] = chunk->columns[c];
    return n;
}

/* Row i of a task goes to the partition of the task's number, plus i. */
static void scatter_evenly(ds_row_scatter *scatter, const ds_frame *frame,
                           const ds_column *const *columns, uint32_t n_partitions, uint32_t n_rows)
{
    uint32_t partitions[DS_CHUNK_ROWS];
    uint64_t next = (uint64_t)frame->partition + ds_row_scatter_total(scatter);
    for (uint32_t i = 0; i < n_rows; i++)
        partitions[i] = (uint32_t)((next + i) % n_partitions);
    ds_row_scatter_add(scatter, columns, partitions, n_rows);
}

static void scatter_by_key(ds_row_scatter *scatter, const ds_frame *frame, const ds_node *node,
                           const ds_column *const *columns, const ds_chunk *chunk)
{
    const ds_exchange_plan *plan = node->exchange;
    const ds_column *keys[DS_MAX_KEYS];
    for (uint32_t k = 0; k < plan->n_keys; k++)
        keys[k] = chunk->columns[plan->keys[k]];
    ds_row_scatter_by_key(scatter, frame, columns, keys, plan->n_keys,
                          frame->plan->stages[node->stage].n_partitions, chunk->n_rows);
}

static void write_rows(ds_frame *frame, const ds_node *node, const ds_chunk *chunk)
{
    if (frame->states[node->id] == NULL)
        frame->states[node->id] =
            ds_row_scatter_new(ds_plan_input(frame->plan, node), frame->budget);
    ds_row_scatter *scatter = frame->states[node->id];
    const ds_column **columns =
        DS_ARENA_ARRAY(frame->chunk_arena, const ds_column *, node->schema.n_fields + 1);
    wanted_columns(node, chunk, columns);
    if (node->exchange->keys == NULL)
        scatter_evenly(scatter, frame, columns, node->exchange->n_partitions, chunk->n_rows);
    else
        scatter_by_key(scatter, frame, node, columns, chunk);
    frame->full = frame->full || ds_row_scatter_bytes(scatter) > frame->flush_bytes;
}

void ds_exchange_push(ds_frame *frame, const ds_node *node, const ds_chunk *chunk)
{
    const ds_exchange_plan *plan = node->exchange;
    ds_chunk rows = plan->to_float != NULL ? converted(frame, plan, chunk) : *chunk;
    if (plan->drops_null_keys)
        rows = without_null_keys(frame, node, &rows);
    if (rows.n_rows == 0)
        return;
    if (plan->here)
        ds_frame_push(frame, node, &rows);
    else
        write_rows(frame, node, &rows);
}
