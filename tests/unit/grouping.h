/*
 * Group tables from text, for the tests of aggregates and windows:
 *
 *     bench b; bench_open(&b);
 *     bench_key(&b, DS_TYPE(DS_STRING));
 *     bench_call(&b, "sum", DS_TYPE(DS_INT));
 *     bench_start(&b);
 *     feed(&b, b.groups, "a b a", "1 2 null");       keys, then one text for each argument
 *     ck_assert_str_eq(results(&b, b.groups), "a 1; b 2");
 */
#ifndef DS_TESTS_GROUPING_H
#define DS_TESTS_GROUPING_H

#include "base/random.h"
#include "columnar/aggregate.h"
#include "unit/columns.h"

#define BENCH_CALLS 32

typedef struct bench {
    desk d;
    ds_budget budget;
    ds_type keys[4];
    ds_agg_call calls[BENCH_CALLS];
    ds_group_spec spec;
    ds_groups *groups;
    char message[256]; /* of the last bench_resolve that failed */
} bench;

static inline void bench_open(bench *b)
{
    memset(b, 0, sizeof *b);
    desk_open(&b->d);
    ds_budget_init(&b->budget, NULL, 0);
    b->spec.keys = b->keys;
    b->spec.calls = b->calls;
}

static inline void bench_close(bench *b)
{
    ds_groups_free(b->groups);
    ck_assert_int_eq(b->budget.used_bytes, 0);
    desk_close(&b->d);
}

static inline void bench_key(bench *b, ds_type type)
{
    b->keys[b->spec.n_keys++] = type;
}

/* Resolves a call of up to two arguments, of which literals may be given. */
static inline bool bench_resolve(bench *b, const char *name, uint32_t n_args, const ds_type *types,
                                 const ds_literal *literals, ds_agg_call *call)
{
    const ds_aggregate *aggregate = ds_aggregate_find(name);
    ck_assert_ptr_nonnull(aggregate);
    static const ds_literal none[3];
    ds_type wanted[3] = {{0}};
    for (uint32_t i = 0; i < n_args; i++)
        wanted[i] = types[i];
    ds_resolve r = {.name = name,
                    .arena = b->d.arena,
                    .types = types,
                    .literals = literals == NULL ? none : literals,
                    .n_args = n_args,
                    .wanted = wanted};
    *call = (ds_agg_call){.aggregate = aggregate};
    bool ok = aggregate->resolve(&r, call);
    memcpy(b->message, r.message, sizeof b->message);
    return ok;
}

static inline ds_agg_call *bench_call2(bench *b, const char *name, ds_type x, ds_type y)
{
    ds_agg_call *call = &b->calls[b->spec.n_calls++];
    uint32_t n = x.kind == DS_NULL_TYPE ? 0 : y.kind == DS_NULL_TYPE ? 1 : 2;
    ck_assert_msg(bench_resolve(b, name, n, (ds_type[]){x, y}, NULL, call), "%s", b->message);
    return call;
}

static inline ds_agg_call *bench_call(bench *b, const char *name, ds_type x)
{
    return bench_call2(b, name, x, DS_TYPE(DS_NULL_TYPE));
}

/* A call whose second argument is a number: quantile(x, q), approx_top_k(x, k). */
static inline ds_agg_call *bench_number(bench *b, const char *name, ds_type x, ds_kind kind,
                                        double number)
{
    ds_agg_call *call = &b->calls[b->spec.n_calls++];
    ds_literal literals[2] = {{0}, {.is_literal = true}};
    if (kind == DS_INT)
        literals[1].integer = (int64_t)number;
    else
        literals[1].real = number;
    ds_type types[2] = {x, DS_TYPE((uint8_t)kind)};
    ck_assert_msg(bench_resolve(b, name, 2, types, literals, call), "%s", b->message);
    return call;
}

static inline ds_agg_call *bench_quantile(bench *b, double q)
{
    return bench_number(b, "quantile", DS_TYPE(DS_FLOAT), DS_FLOAT, q);
}

static inline ds_agg_call *bench_string_agg(bench *b, const char *separator)
{
    ds_agg_call *call = &b->calls[b->spec.n_calls++];
    ds_literal literals[2] = {
        {0}, {.is_literal = true, .text = separator, .length = (uint32_t)strlen(separator)}};
    ds_type types[2] = {DS_TYPE(DS_STRING), DS_TYPE(DS_STRING)};
    ck_assert_msg(bench_resolve(b, "string_agg", 2, types, literals, call), "%s", b->message);
    return call;
}

static inline ds_groups *bench_groups(bench *b)
{
    return ds_groups_new(&b->spec, &b->budget);
}

static inline void bench_start(bench *b)
{
    ds_groups_free(b->groups);
    b->groups = bench_groups(b);
}

typedef struct feed_options {
    const char *filter;       /* a bool column for the first call */
    const int64_t *positions; /* by row */
    uint32_t n_rows;          /* without keys and arguments */
} feed_options;

/* texts: a column for each key, then for each argument of each call. */
static inline void feed_with(bench *b, ds_groups *groups, feed_options options,
                             const char *const *texts)
{
    ds_column *keys[4], *all[BENCH_CALLS * 2];
    const ds_column *const *args[BENCH_CALLS];
    const ds_column *filters[BENCH_CALLS] = {NULL};
    uint32_t at = 0, n = 0, n_rows = options.n_rows;
    for (uint32_t k = 0; k < b->spec.n_keys; k++)
        keys[k] = column_of(&b->d, b->keys[k], texts[at++]);
    for (uint32_t c = 0; c < b->spec.n_calls; c++) {
        args[c] = (const ds_column *const *)&all[n];
        for (uint32_t a = 0; a < b->calls[c].n_args; a++)
            all[n++] = column_of(&b->d, b->calls[c].arg_types[a], texts[at++]);
    }
    if (b->spec.n_keys > 0)
        n_rows = keys[0]->length;
    else if (n > 0)
        n_rows = all[0]->length;
    if (options.filter != NULL)
        filters[0] = column_of(&b->d, DS_TYPE(DS_BOOL), options.filter);
    ds_groups_update(groups, &b->d.heap, (const ds_column *const *)keys, args, filters,
                     options.positions, n_rows);
}

#define feed(b, groups, ...)                                                                       \
    feed_with(b, groups, (feed_options){0}, (const char *const[]){__VA_ARGS__})

static inline uint32_t *all_ids(bench *b, uint32_t n)
{
    uint32_t *ids = ds_arena_alloc(b->d.arena, (size_t)n * sizeof *ids);
    for (uint32_t i = 0; i < n; i++)
        ids[i] = i;
    return ids;
}

/* Rows of columns as "a 1; b 2", in the desk's arena. */
static inline const char *rows_text(desk *d, ds_column *const *columns, uint32_t n_columns,
                                    uint32_t n_rows)
{
    ds_buffer out = {0};
    for (uint32_t row = 0; row < n_rows; row++) {
        for (uint32_t c = 0; c < n_columns; c++) {
            ds_buffer_append_text(&out, c > 0 ? " " : row > 0 ? "; " : "");
            print_value(&out, &d->heap, columns[c], row);
        }
    }
    const char *text = ds_arena_strndup(d->arena, ds_buffer_text(&out), out.length);
    ds_buffer_fini(&out);
    return text;
}

static inline const char *results(bench *b, ds_groups *groups)
{
    uint32_t n = ds_groups_count(groups);
    ds_column *columns[BENCH_CALLS + 4];
    ds_groups_results(groups, b->d.arena, &b->d.heap, all_ids(b, n), n, columns, NULL);
    return rows_text(&b->d, columns, b->spec.n_keys + b->spec.n_calls, n);
}

/* The partials of all groups; returns how many columns. */
static inline uint32_t partials(bench *b, ds_groups *groups, ds_column **columns)
{
    uint32_t n = ds_groups_count(groups);
    ds_groups_partials(groups, b->d.arena, &b->d.heap, all_ids(b, n), n, columns);
    return ds_group_partial_types(&b->spec, NULL);
}

/* Merges all of `from` into `to`, by way of partials. */
static inline void merge_groups(bench *b, ds_groups *to, ds_groups *from)
{
    ds_column *columns[BENCH_CALLS * DS_MAX_PARTIAL + 4];
    partials(b, from, columns);
    ds_groups_merge(to, &b->d.heap, (const ds_column *const *)columns, ds_groups_count(from));
}

/* Every aggregate, over all kinds of arguments. */
static inline void all_calls(bench *b)
{
    bench_call(b, "count", DS_TYPE(DS_NULL_TYPE));
    bench_call(b, "count", DS_TYPE(DS_INT));
    bench_call(b, "sum", DS_TYPE(DS_INT));
    bench_call(b, "avg", DS_TYPE(DS_INT));
    bench_call(b, "sum", DS_TYPE(DS_FLOAT));
    bench_call(b, "avg", DS_TYPE(DS_FLOAT));
    bench_call(b, "min", DS_TYPE(DS_STRING));
    bench_call(b, "max", DS_TYPE(DS_INT));
    bench_call(b, "min", DS_TYPE(DS_FLOAT));
    bench_call(b, "max", DS_TYPE(DS_BOOL));
    bench_call(b, "variance", DS_TYPE(DS_FLOAT));
    bench_call(b, "stddev", DS_TYPE(DS_FLOAT));
    bench_call(b, "bool_and", DS_TYPE(DS_BOOL));
    bench_call(b, "bool_or", DS_TYPE(DS_BOOL));
    bench_call(b, "count_distinct", DS_TYPE(DS_STRING));
    bench_call(b, "collect_set", DS_TYPE(DS_INT));
    bench_call(b, "median", DS_TYPE(DS_FLOAT));
    bench_quantile(b, 0.3);
    bench_call(b, "first", DS_TYPE(DS_STRING));
    bench_call(b, "last", DS_TYPE(DS_FLOAT));
    bench_call(b, "collect_list", DS_TYPE(DS_STRING));
    bench_string_agg(b, ",");
    bench_call2(b, "min_by", DS_TYPE(DS_STRING), DS_TYPE(DS_FLOAT));
    bench_call2(b, "max_by", DS_TYPE(DS_INT), DS_TYPE(DS_STRING));
    bench_call(b, "approx_count_distinct", DS_TYPE(DS_STRING));
    bench_number(b, "approx_quantile", DS_TYPE(DS_FLOAT), DS_FLOAT, 0.6);
    bench_number(b, "approx_top_k", DS_TYPE(DS_STRING), DS_INT, 3);
    bench_number(b, "approx_top_k", DS_TYPE(DS_BOOL), DS_INT, 1);
}

/* A random column; floats are multiples of 1/4, so that their sums are exact in any order. */
static inline const ds_column *random_column(bench *b, ds_random *random, ds_type type, uint32_t n)
{
    ds_column *column = ds_column_new(b->d.arena, type, n);
    if (type.kind == DS_BOOL)
        memset(column->bits, 0, ds_bitmap_words(n) * 8);
    ds_column_need_validity(column, b->d.arena);
    for (uint32_t i = 0; i < n; i++) {
        int64_t value = (int64_t)ds_random_below(random, 40) - 20;
        char text[40];
        int length =
            snprintf(text, sizeof text, value > 0 ? "s%d" : "a text that is long%d", (int)value);
        ds_bit_put(column->validity, i, ds_random_below(random, 5) > 0);
        switch (type.kind) {
        case DS_BOOL: ds_bit_put(column->bits, i, value > 5); break;
        case DS_FLOAT: column->floats[i] = (double)value / 4; break;
        case DS_STRING: column->views[i] = ds_view_copy(&b->d.heap, text, (uint32_t)length); break;
        default: column->ints[i] = value; break;
        }
    }
    return column;
}

/* Values of result column c must be equal, but for the last digits of variance and stddev. */
static inline void same_value(bench *b, uint32_t c, const ds_column *x, uint32_t i,
                              const ds_column *y, uint32_t j)
{
    const char *name = "key";
    if (c >= b->spec.n_keys)
        name = b->calls[c - b->spec.n_keys].aggregate->name;
    bool close = strcmp(name, "variance") == 0 || strcmp(name, "stddev") == 0;
    if (close && !ds_column_is_null(x, i) && !ds_column_is_null(y, j))
        ck_assert_double_eq_tol(x->floats[i], y->floats[j], 1e-9);
    else
        ck_assert_msg(ds_value_equal(&b->d.heap, x, i, &b->d.heap, y, j),
                      "column %u (%s), rows %u and %u", c, name, i, j);
}

#endif
