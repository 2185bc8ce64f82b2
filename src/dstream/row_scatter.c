#include "dstream/row_scatter.h"

#include "columnar/growable.h"

#include <stdlib.h>

struct ds_row_scatter {
    ds_row_buffer *rows;
    ds_budget *budget;
    uint32_t n_columns;
    uint32_t *partitions; /* by row */
    uint32_t n_rows, capacity;
    uint64_t flushed; /* rows */
};

ds_row_scatter *ds_row_scatter_new(const ds_stage_input *input, ds_budget *budget)
{
    ds_row_scatter *scatter = ds_calloc(1, sizeof *scatter);
    scatter->rows = ds_row_buffer_new(input->types, input->n_types, budget);
    scatter->budget = budget;
    scatter->n_columns = input->n_types;
    return scatter;
}

void ds_row_scatter_free(ds_row_scatter *scatter)
{
    if (scatter == NULL)
        return;
    ds_row_buffer_free(scatter->rows);
    ds_grow_free(scatter->partitions, &scatter->capacity, sizeof *scatter->partitions,
                 scatter->budget);
    free(scatter);
}

uint64_t ds_row_scatter_total(const ds_row_scatter *scatter)
{
    return scatter->flushed + scatter->n_rows;
}

size_t ds_row_scatter_bytes(const ds_row_scatter *scatter)
{
    return ds_row_buffer_bytes(scatter->rows) + scatter->capacity * sizeof *scatter->partitions;
}

void ds_row_scatter_add(ds_row_scatter *scatter, const ds_column *const *columns,
                        const uint32_t *partitions, uint32_t n_rows)
{
    scatter->partitions =
        ds_grow(scatter->partitions, &scatter->capacity, (uint64_t)scatter->n_rows + n_rows,
                sizeof *scatter->partitions, scatter->budget);
    memcpy(scatter->partitions + scatter->n_rows, partitions, n_rows * sizeof *partitions);
    scatter->n_rows += n_rows;
    ds_row_buffer_add(scatter->rows, columns, NULL, n_rows);
}

void ds_row_scatter_by_key(ds_row_scatter *scatter, const ds_frame *frame,
                           const ds_column *const *columns, const ds_column *const *keys,
                           uint32_t n_keys, uint32_t n_partitions, uint32_t n_rows)
{
    uint64_t hashes[DS_CHUNK_ROWS];
    uint32_t partitions[DS_CHUNK_ROWS];
    ds_hash_rows(&frame->heap, keys, n_keys, n_rows, hashes);
    for (uint32_t i = 0; i < n_rows; i++)
        partitions[i] = ds_hash_partition(hashes[i], n_partitions);
    ds_row_scatter_add(scatter, columns, partitions, n_rows);
}

/* The numbers of all rows, partition by partition; starts[p] is where partition p begins. */
static uint32_t *rows_by_partition(ds_arena *arena, const ds_row_scatter *scatter,
                                   uint32_t n_partitions, uint32_t *starts)
{
    uint32_t *at = DS_ARENA_ARRAY(arena, uint32_t, n_partitions + 1);
    uint32_t *rows = ds_arena_alloc(arena, scatter->n_rows * sizeof *rows);
    for (uint32_t i = 0; i < scatter->n_rows; i++)
        at[scatter->partitions[i] + 1]++;
    for (uint32_t p = 0; p < n_partitions; p++)
        at[p + 1] += at[p];
    memcpy(starts, at, (n_partitions + 1) * sizeof *starts);
    for (uint32_t i = 0; i < scatter->n_rows; i++)
        rows[at[scatter->partitions[i]]++] = i;
    return rows;
}

ds_status ds_row_scatter_flush(ds_row_scatter *scatter, ds_frame *frame, const ds_node *node,
                               ds_error *error)
{
    if (scatter->n_rows == 0)
        return DS_OK;
    ds_arena *arena = ds_arena_new(frame->budget);
    uint32_t n_partitions = frame->plan->stages[node->stage].n_partitions;
    uint32_t n_columns = scatter->n_columns;
    uint32_t *starts = DS_ARENA_ARRAY(arena, uint32_t, n_partitions + 1);
    const uint32_t *order = rows_by_partition(arena, scatter, n_partitions, starts);
    ds_column **all = DS_ARENA_ARRAY(arena, ds_column *, n_columns + 1);
    ds_row_buffer_rows(scatter->rows, all);
    ds_partition_rows *rows = DS_ARENA_ARRAY(arena, ds_partition_rows, n_partitions);
    for (uint32_t p = 0; p < n_partitions; p++) {
        rows[p].n_rows = starts[p + 1] - starts[p];
        rows[p].columns = DS_ARENA_ARRAY(arena, ds_column *, n_columns + 1);
        for (uint32_t c = 0; c < n_columns; c++)
            rows[p].columns[c] = ds_column_gather(arena, all[c], order + starts[p], rows[p].n_rows);
    }
    ds_status status = frame->out.shuffle(frame->out.arg, node, &frame->heap, rows, n_partitions,
                                          n_columns, error);
    ds_arena_free(arena);
    ds_row_buffer_clear(scatter->rows);
    scatter->flushed += scatter->n_rows;
    scatter->n_rows = 0;
    return status;
}
