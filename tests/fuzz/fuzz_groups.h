/* Groups of all aggregates, for fuzz targets: their spec, and a few rows of any type. */
#ifndef DS_TESTS_FUZZ_GROUPS_H
#define DS_TESTS_FUZZ_GROUPS_H

#include "base/assert.h"
#include "columnar/aggregate.h"

#define CALLS 24
#define COLUMNS 64
#define ROWS 12

static const struct {
    const char *name;
    ds_type x, y;
} calls_of[CALLS] = {
    {"count", {DS_NULL_TYPE, 0}, {DS_NULL_TYPE, 0}},
    {"sum", {DS_INT, 0}, {DS_NULL_TYPE, 0}},
    {"sum", {DS_FLOAT, 0}, {DS_NULL_TYPE, 0}},
    {"avg", {DS_INT, 0}, {DS_NULL_TYPE, 0}},
    {"min", {DS_STRING, 0}, {DS_NULL_TYPE, 0}},
    {"max", {DS_BOOL, 0}, {DS_NULL_TYPE, 0}},
    {"max", {DS_FLOAT, 0}, {DS_NULL_TYPE, 0}},
    {"variance", {DS_FLOAT, 0}, {DS_NULL_TYPE, 0}},
    {"bool_and", {DS_BOOL, 0}, {DS_NULL_TYPE, 0}},
    {"count_distinct", {DS_STRING, 0}, {DS_NULL_TYPE, 0}},
    {"collect_set", {DS_BOOL, 0}, {DS_NULL_TYPE, 0}},
    {"collect_set", {DS_INT, 0}, {DS_NULL_TYPE, 0}},
    {"median", {DS_FLOAT, 0}, {DS_NULL_TYPE, 0}},
    {"first", {DS_STRING, 0}, {DS_NULL_TYPE, 0}},
    {"last", {DS_LIST, DS_INT}, {DS_NULL_TYPE, 0}},
    {"collect_list", {DS_STRING, 0}, {DS_NULL_TYPE, 0}},
    {"collect_list", {DS_BOOL, 0}, {DS_NULL_TYPE, 0}},
    {"collect_list", {DS_FLOAT, 0}, {DS_NULL_TYPE, 0}},
    {"min_by", {DS_STRING, 0}, {DS_FLOAT, 0}},
    {"max_by", {DS_LIST, DS_STRING}, {DS_STRING, 0}},
    {"approx_count_distinct", {DS_STRING, 0}, {DS_NULL_TYPE, 0}},
    {"approx_quantile", {DS_FLOAT, 0}, {DS_INT, 0}},
    {"approx_top_k", {DS_STRING, 0}, {DS_INT, 0}},
    {"approx_top_k", {DS_FLOAT, 0}, {DS_INT, 0}},
};

static ds_agg_call calls[CALLS];
static const ds_type keys[2] = {{DS_STRING, 0}, {DS_FLOAT, 0}};
static const ds_group_spec spec = {keys, 2, calls, CALLS};
static inline void make_calls(ds_arena *arena)
{
    for (size_t i = 0; i < CALLS; i++) {
        ds_type types[2] = {calls_of[i].x, calls_of[i].y}, wanted[2] = {types[0], types[1]};
        ds_literal literals[2] = {{0}, {.is_literal = true, .integer = 1}};
        uint32_t n = types[0].kind == DS_NULL_TYPE ? 0 : types[1].kind == DS_NULL_TYPE ? 1 : 2;
        ds_resolve r = {.name = calls_of[i].name,
                        .arena = arena,
                        .types = types,
                        .literals = literals,
                        .n_args = n,
                        .wanted = wanted};
        calls[i].aggregate = ds_aggregate_find(calls_of[i].name);
        DS_ASSERT(calls[i].aggregate->resolve(&r, &calls[i]));
    }
}

/* A few rows of any type with nulls, short and long strings. */
static inline ds_column *rows_of(ds_arena *arena, ds_heap *heap, ds_type type, uint32_t n)
{
    ds_column *column = ds_column_new(arena, type, n);
    if (type.kind == DS_BOOL)
        memset(column->bits, 0x5a, ds_bitmap_words(n) * 8);
    for (uint32_t i = 0; i < n; i++) {
        const char *text = i % 2 ? "a text that is not inline" : "short";
        switch (type.kind) {
        case DS_STRING:
            column->views[i] = ds_view_copy(heap, text, (uint32_t)strlen(text) - i % 3);
            break;
        case DS_FLOAT: column->floats[i] = i * 0.5; break;
        case DS_LIST: column->offsets[i + 1] = i + 1; break;
        case DS_BOOL: break;
        default: column->ints[i] = i; break;
        }
    }
    if (type.kind == DS_LIST)
        column->child = rows_of(arena, heap, ds_type_element(type), n);
    if (n > 4) {
        ds_column_need_validity(column, arena);
        ds_bit_clear(column->validity, 4);
    }
    return column;
}

/* A table of the sample rows, which are made in arena and heap. */
static inline ds_groups *groups_of_rows(ds_arena *arena, ds_heap *heap)
{
    const ds_column *key_columns[2], *columns[CALLS][2], *const *args[CALLS];
    for (int k = 0; k < 2; k++)
        key_columns[k] = rows_of(arena, heap, keys[k], ROWS);
    for (int c = 0; c < CALLS; c++) {
        for (uint32_t a = 0; a < calls[c].n_args; a++)
            columns[c][a] = rows_of(arena, heap, calls[c].arg_types[a], ROWS);
        args[c] = columns[c];
    }
    ds_groups *groups = ds_groups_new(&spec, NULL);
    ds_groups_update(groups, heap, key_columns, args, NULL, NULL, ROWS);
    return groups;
}

/* The partials of all groups; returns how many. */
static inline uint32_t all_partials(ds_groups *groups, ds_arena *arena, ds_heap *heap,
                                    ds_column **columns)
{
    uint32_t n = ds_groups_count(groups);
    uint32_t *ids = ds_arena_alloc(arena, n * sizeof *ids);
    for (uint32_t i = 0; i < n; i++)
        ids[i] = i;
    ds_groups_partials(groups, arena, heap, ids, n, columns);
    return n;
}

#endif
