#include "columnar/agg_value_counts.h"

#include "columnar/growable.h"

#define BLOCK DS_COUNTS_BLOCK

/* ---- The table ---- */

void ds_counts_init(ds_counts *counts, const ds_agg_state *state)
{
    ds_type types[2] = {DS_TYPE(DS_INT), state->call->arg_types[0]};
    counts->keys = ds_keys_new(types, 2, state->budget);
    counts->scratch = ds_arena_new(ds_budget_plain(state->budget));
}

void ds_counts_fini(ds_counts *counts, const ds_agg_state *state)
{
    ds_keys_free(counts->keys);
    ds_arena_free(counts->scratch);
    ds_grow_free(counts->times, &counts->room, sizeof *counts->times, state->budget);
}

void ds_counts_clear(ds_counts *counts)
{
    if (counts->times != NULL)
        memset(counts->times, 0, ds_keys_limit(counts->keys) * sizeof *counts->times);
    ds_keys_clear(counts->keys);
}

size_t ds_counts_bytes(const ds_counts *counts)
{
    return ds_keys_bytes(counts->keys) + ds_arena_bytes(counts->scratch) +
           counts->room * sizeof *counts->times;
}

/* ---- Counting ---- */

void ds_counts_block(ds_agg_state *state, const ds_heap *heap, const ds_column *values,
                     const int64_t *ids, const int64_t *times, uint32_t n, ds_count_fn count)
{
    ds_counts *counts = state->extra;
    ds_column groups = {.type = DS_TYPE(DS_INT), .length = n};
    groups.ints = (int64_t *)(uintptr_t)ids;
    const ds_column *columns[2] = {&groups, values};
    uint64_t hashes[BLOCK];
    uint32_t keys[BLOCK];
    ds_hash_rows(heap, columns, 2, n, hashes);
    ds_keys_put(counts->keys, heap, columns, hashes, n, keys);
    counts->times = ds_grow(counts->times, &counts->room, ds_keys_limit(counts->keys),
                            sizeof *counts->times, state->budget);
    count(state, keys, ids, times, n);
}

void ds_counts_rows(ds_agg_state *state, const ds_heap *heap, const ds_column *column,
                    const uint32_t *rows, const int64_t *ids, const int64_t *times, uint32_t n,
                    ds_count_fn count)
{
    ds_counts *counts = state->extra;
    ds_column *values = ds_column_gather(counts->scratch, column, rows, n);
    values->validity = NULL; /* nulls were left out */
    ds_counts_block(state, heap, values, ids, times, n, count);
    ds_arena_empty(counts->scratch); /* every table of groups has one */
}

void ds_counts_update(ds_agg_state *state, const ds_agg_rows *in, ds_count_fn count)
{
    for (uint32_t from = 0; from < in->n; from += BLOCK) {
        uint32_t n = in->n - from < BLOCK ? in->n - from : BLOCK;
        uint32_t rows[BLOCK];
        int64_t ids[BLOCK];
        for (uint32_t i = 0; i < n; i++) {
            rows[i] = in->rows == NULL ? from + i : in->rows[from + i];
            ids[i] = in->ids[rows[i]];
        }
        ds_counts_rows(state, in->heap, in->args[0], rows, ids, NULL, n, count);
    }
}

/* ---- Partials ---- */

void ds_counts_lists(ds_agg_state *state, const ds_agg_partials *in, int64_t least,
                     ds_counts_elements *elements, ds_counts_take_fn take, void *arg)
{
    const ds_column *values = in->columns[0], *counts = in->columns[1];
    ds_counts_elements *e = elements;
    e->n = 0;
    for (uint32_t row = 0; row < in->n; row++) {
        uint32_t from = values->offsets[row], from_count = counts->offsets[row];
        uint32_t length = values->offsets[row + 1] - from;
        if (ds_column_is_null(values, row) || ds_column_is_null(counts, row) ||
            counts->offsets[row + 1] - from_count != length)
            continue;
        for (uint32_t i = 0; i < length; i++) {
            int64_t count = counts->child->ints[from_count + i];
            if (ds_column_is_null(values->child, from + i) || count < least)
                continue;
            e->rows[e->n] = from + i;
            e->times[e->n] = count;
            e->ids[e->n++] = in->ids[row];
            if (e->n == e->room) {
                take(state, in->heap, values->child, e, arg);
                e->n = 0;
            }
        }
    }
    take(state, in->heap, values->child, e, arg);
}

void ds_counts_put(const ds_agg_state *state, const ds_agg_out *out, const uint32_t *keys,
                   int64_t less)
{
    const ds_counts *counts = state->extra;
    const ds_column *values = out->columns[0];
    ds_column *column = ds_agg_column(out, 1, DS_LIST_OF(DS_INT));
    memcpy(column->offsets, values->offsets, ((size_t)out->n + 1) * sizeof *column->offsets);
    uint32_t total = values->offsets[out->n];
    column->child = ds_column_new(out->arena, DS_TYPE(DS_INT), total);
    for (uint32_t e = 0; e < total; e++)
        column->child->ints[e] = counts->times[keys[e]] - less;
}

uint32_t ds_counts_partial(const ds_agg_call *call, ds_type *types)
{
    types[0] = DS_LIST_OF(call->arg_types[0].kind);
    types[1] = DS_LIST_OF(DS_INT);
    return 2;
}
