/*
 * count_distinct, collect_set, median, quantile: exact answers need all values of a group,
 * so they are kept, each different one once with its count.
 *
 * One table for all groups has the keys (group, value) and a count for each key. Counts add
 * up and go down again: a value whose count comes to nothing is taken out. Memory and the
 * time of a median are in proportion to the number of different values.
 */
#include "base/assert.h"
#include "columnar/agg_scalar.h"
#include "columnar/growable.h"
#include "columnar/keys.h"
#include "columnar/quantile.h"

#include <math.h>
#include <stdlib.h>

#define BLOCK 1024u
#define PAGED_BLOCK (8 * BLOCK) /* where the table is in paged memory */
#define MANY 2048u              /* values from which a quantile is not found by sorting them */
#define RELIEF 4096u            /* keys in order, before pages may have to go */

typedef struct counted {
    ds_keys *keys;   /* columns: group (int), value */
    int64_t *counts; /* by key; 0: a number not in use */
    uint32_t counts_room;
    ds_arena *scratch;
    /* The index: keys sorted by group. */
    bool indexed;
    uint32_t groups; /* it has */
    uint32_t *starts, *order;
    uint32_t starts_room, order_room;
} counted;

typedef struct values_record {
    int64_t n; /* different values */
} values_record;

static void open_values(ds_agg_state *state)
{
    counted *c = ds_calloc(1, sizeof *c);
    ds_type types[2] = {DS_TYPE(DS_INT), state->call->arg_types[0]};
    c->keys = ds_keys_new(types, 2, state->budget);
    c->scratch = ds_arena_new(ds_budget_plain(state->budget));
    ds_budget_charge(state->budget, sizeof *c);
    state->extra = c;
}

static void close_values(ds_agg_state *state)
{
    counted *c = state->extra;
    ds_keys_free(c->keys);
    ds_arena_free(c->scratch);
    ds_grow_free(c->counts, &c->counts_room, sizeof *c->counts, state->budget);
    ds_grow_free(c->starts, &c->starts_room, sizeof *c->starts, state->budget);
    ds_grow_free(c->order, &c->order_room, sizeof *c->order, state->budget);
    free(c);
    ds_budget_charge(state->budget, -(int64_t)sizeof *c);
}

static void clear_values(ds_agg_state *state)
{
    counted *c = state->extra;
    if (c->counts != NULL)
        memset(c->counts, 0, ds_keys_limit(c->keys) * sizeof *c->counts);
    ds_keys_clear(c->keys);
    c->indexed = false;
}

static size_t values_bytes(const ds_agg_state *state)
{
    const counted *c = state->extra;
    return sizeof *c + ds_keys_bytes(c->keys) + ds_arena_bytes(c->scratch) +
           c->counts_room * sizeof *c->counts +
           ((size_t)c->starts_room + c->order_room) * sizeof(uint32_t);
}

/* ---- Counting ---- */

static void count_up(ds_agg_state *state, counted *c, uint32_t key, uint32_t id, int64_t times)
{
    values_record *record = ds_agg_record(state, id);
    record->n += c->counts[key] == 0;
    if (__builtin_add_overflow(c->counts[key], times, &c->counts[key]))
        c->counts[key] = INT64_MAX; /* no honest peer counts so far */
}

static void count_down(ds_agg_state *state, counted *c, uint32_t key, uint32_t id, int64_t times)
{
    values_record *record = ds_agg_record(state, id);
    if (c->counts[key] > times) {
        c->counts[key] -= times;
        return;
    }
    record->n -= c->counts[key] > 0;
    c->counts[key] = 0;
    ds_keys_remove(c->keys, key);
}

/* Counts n <= BLOCK values without nulls, for the groups ids: up, or down for what was
 * counted up by the same block before. times NULL: once each. */
static void count_block(ds_agg_state *state, const ds_heap *heap, const ds_column *values,
                        const int64_t *ids, const int64_t *times, uint32_t n, bool down)
{
    counted *c = state->extra;
    ds_column groups = {.type = DS_TYPE(DS_INT), .length = n};
    groups.ints = (int64_t *)(uintptr_t)ids;
    const ds_column *columns[2] = {&groups, values};
    uint64_t hashes[BLOCK];
    uint32_t keys[BLOCK];
    ds_hash_rows(heap, columns, 2, n, hashes);
    ds_keys_put(c->keys, heap, columns, hashes, n, keys);
    c->counts = ds_grow(c->counts, &c->counts_room, ds_keys_limit(c->keys), sizeof *c->counts,
                        state->budget);
    for (uint32_t i = 0; i < n; i++) {
        if (down)
            count_down(state, c, keys[i], (uint32_t)ids[i], times == NULL ? 1 : times[i]);
        else
            count_up(state, c, keys[i], (uint32_t)ids[i], times == NULL ? 1 : times[i]);
    }
    c->indexed = false;
}

/* Counts the values of a column at rows[0..n). */
static void count_rows(ds_agg_state *state, const ds_heap *heap, const ds_column *column,
                       const uint32_t *rows, const int64_t *ids, const int64_t *times, uint32_t n,
                       bool down)
{
    counted *c = state->extra;
    ds_column *values = ds_column_gather(c->scratch, column, rows, n);
    values->validity = NULL; /* nulls were left out */
    count_block(state, heap, values, ids, times, n, down);
    ds_arena_empty(c->scratch); /* every table of groups has one */
}

static void update(ds_agg_state *state, const ds_agg_rows *in)
{
    for (uint32_t from = 0; from < in->n; from += BLOCK) {
        uint32_t n = in->n - from < BLOCK ? in->n - from : BLOCK;
        uint32_t rows[BLOCK];
        int64_t ids[BLOCK];
        for (uint32_t i = 0; i < n; i++) {
            rows[i] = in->rows == NULL ? from + i : in->rows[from + i];
            ids[i] = in->ids[rows[i]];
        }
        count_rows(state, in->heap, in->args[0], rows, ids, NULL, n, false);
    }
}

/* Elements of a column of values. */
typedef struct elements {
    uint32_t n, room;
    uint32_t *rows;
    int64_t *ids, *times; /* the group, and how often */
    ds_arena *sorting;    /* NULL: they are counted as they come */
} elements;

static void make_room(elements *e, ds_arena *arena, uint32_t room)
{
    e->room = room;
    e->rows = ds_arena_alloc(arena, room * sizeof *e->rows);
    e->ids = ds_arena_alloc(arena, room * sizeof *e->ids);
    e->times = ds_arena_alloc(arena, room * sizeof *e->times);
}

/* Puts elements into the order in which the table holds their keys. */
static void sort_elements(const ds_heap *heap, const ds_column *column, elements *e)
{
    ds_arena *arena = e->sorting;
    const ds_column *values = ds_column_gather(arena, column, e->rows, e->n);
    const ds_column groups = {.type = DS_TYPE(DS_INT), .length = e->n, .ints = e->ids};
    const ds_column *columns[2] = {&groups, values};
    uint64_t *hashes = ds_arena_alloc(arena, e->n * sizeof *hashes);
    uint64_t *sorted = ds_arena_alloc(arena, e->n * sizeof *sorted);
    uint32_t *order = ds_arena_alloc(arena, e->n * sizeof *order);
    elements before = *e;
    ds_hash_rows(heap, columns, 2, e->n, hashes);
    ds_keys_order(hashes, e->n, sorted, order);
    make_room(e, arena, before.n);
    for (e->n = 0; e->n < before.n; e->n++) {
        uint32_t from = order[e->n];
        e->rows[e->n] = before.rows[from];
        e->ids[e->n] = before.ids[from];
        e->times[e->n] = before.times[from];
    }
}

/* Counts elements and forgets them. A table in paged memory is gone through from one end to the
 * other, for many at a time. */
static void count_elements(ds_agg_state *state, const ds_heap *heap, const ds_column *column,
                           elements *e, bool down)
{
    elements all = *e;
    if (e->sorting != NULL && e->n > 0)
        sort_elements(heap, column, &all);
    for (uint32_t from = 0, n; from < all.n; from += n) {
        n = all.n - from < BLOCK ? all.n - from : BLOCK;
        count_rows(state, heap, column, all.rows + from, all.ids + from, all.times + from, n, down);
        ds_budget_relieve(state->budget);
    }
    e->n = 0;
    if (e->sorting != NULL)
        ds_arena_reset(e->sorting);
}

static void count_lists(ds_agg_state *state, const ds_agg_partials *in, elements *e, bool down)
{
    const ds_column *values = in->columns[0], *counts = in->columns[1];
    for (uint32_t row = 0; row < in->n; row++) {
        uint32_t from = values->offsets[row], from_count = counts->offsets[row];
        uint32_t length = values->offsets[row + 1] - from;
        if (ds_column_is_null(values, row) || ds_column_is_null(counts, row) ||
            counts->offsets[row + 1] - from_count != length)
            continue;
        for (uint32_t i = 0; i < length; i++) {
            int64_t count = counts->child->ints[from_count + i];
            if (ds_column_is_null(values->child, from + i) || count <= 0)
                continue;
            e->rows[e->n] = from + i;
            e->times[e->n] = count;
            e->ids[e->n++] = in->ids[row];
            if (e->n == e->room)
                count_elements(state, in->heap, values->child, e, down);
        }
    }
    count_elements(state, in->heap, values->child, e, down);
}

static void count_lists_sorted(ds_agg_state *state, const ds_agg_partials *in, bool down)
{
    ds_budget *budget = ds_budget_plain(state->budget);
    ds_arena *arena = ds_arena_new(budget);
    elements e = {.sorting = ds_arena_new(budget)};
    make_room(&e, arena, PAGED_BLOCK);
    count_lists(state, in, &e, down);
    ds_arena_free(e.sorting);
    ds_arena_free(arena);
}

/* Partials are lists of values and lists of counts. Elements are collected to blocks; what no
 * table of ours writes (nulls, counts of nothing, lists of two lengths) is passed over. */
static void take_lists(ds_agg_state *state, const ds_agg_partials *in, bool down)
{
    const ds_column *values = in->columns[0];
    if (in->n > 0 && values->offsets[in->n] - values->offsets[0] > BLOCK &&
        ds_budget_step(state->budget, BLOCK) < BLOCK) {
        count_lists_sorted(state, in, down);
        return;
    }
    uint32_t rows[BLOCK];
    int64_t ids[BLOCK], times[BLOCK];
    elements e = {.room = BLOCK, .rows = rows, .ids = ids, .times = times};
    count_lists(state, in, &e, down);
}

static void merge(ds_agg_state *state, const ds_agg_partials *in)
{
    take_lists(state, in, false);
}

static void subtract(ds_agg_state *state, const ds_agg_partials *in)
{
    take_lists(state, in, true);
}

/* ---- The index ---- */

static void make_index(ds_agg_state *state, counted *c)
{
    if (c->indexed && c->groups == state->n)
        return;
    uint32_t limit = ds_keys_limit(c->keys), groups = state->n;
    const uint64_t *group_of = ds_keys_words(c->keys, 0);
    c->starts =
        ds_grow(c->starts, &c->starts_room, (uint64_t)groups + 2, sizeof *c->starts, state->budget);
    c->order = ds_grow(c->order, &c->order_room, limit, sizeof *c->order, state->budget);
    memset(c->starts, 0, ((size_t)groups + 2) * sizeof *c->starts);
    uint32_t *next = c->starts + 1;
    for (uint32_t key = 0; key < limit; key++) {
        if (c->counts[key] > 0)
            next[group_of[key] + 1]++;
        if (key % RELIEF == 0)
            ds_budget_relieve(state->budget);
    }
    for (uint32_t g = 0; g < groups; g++)
        next[g + 1] += next[g];
    for (uint32_t key = 0; key < limit; key++) {
        if (c->counts[key] > 0)
            c->order[next[group_of[key]]++] = key; /* next[g] ends as starts[g + 1] */
        if (key % RELIEF == 0)
            ds_budget_relieve(state->budget);
    }
    c->indexed = true;
    c->groups = groups;
}

/* The keys of a group; returns how many. The caller may sort them. */
static uint32_t keys_of(const counted *c, uint32_t id, uint32_t **keys)
{
    *keys = c->order + c->starts[id];
    return c->starts[id + 1] - c->starts[id];
}

static int by_word(const void *a, const void *b, void *arg)
{
    const int64_t *words = arg;
    int64_t x = words[*(const uint32_t *)a], y = words[*(const uint32_t *)b];
    return (x > y) - (x < y);
}

static int by_float(const void *a, const void *b, void *arg)
{
    const double *floats = arg;
    double x = floats[*(const uint32_t *)a], y = floats[*(const uint32_t *)b];
    return (x > y) - (x < y);
}

static int by_text(const void *a, const void *b, void *arg)
{
    const ds_keys *keys = arg;
    const ds_view *views = ds_keys_views(keys, 1);
    return ds_view_compare(ds_keys_heap(keys), &views[*(const uint32_t *)a],
                           &views[*(const uint32_t *)b]);
}

static void sort_keys(const ds_agg_state *state, counted *c, uint32_t *keys, uint32_t n)
{
    if (n < 2)
        return;
    switch (state->call->arg_types[0].kind) {
    case DS_STRING: qsort_r(keys, n, sizeof *keys, by_text, c->keys); break;
    case DS_FLOAT:
        qsort_r(keys, n, sizeof *keys, by_float, (void *)(uintptr_t)ds_keys_words(c->keys, 1));
        break;
    default:
        qsort_r(keys, n, sizeof *keys, by_word, (void *)(uintptr_t)ds_keys_words(c->keys, 1));
        break;
    }
}

/* ---- Giving out ---- */

/* Makes out->columns[0] a list of the values of each group, sorted if wanted; returns the
 * keys of all elements, valid until something changes. */
static uint32_t *put_lists(ds_agg_state *state, const ds_agg_out *out, bool sorted)
{
    counted *c = state->extra;
    make_index(state, c);
    ds_column *lists = ds_agg_column(out, 0, DS_LIST_OF(state->call->arg_types[0].kind));
    uint64_t total = 0;
    uint32_t *keys;
    for (uint32_t i = 0; i < out->n; i++) {
        total += keys_of(c, out->ids[i], &keys);
        DS_ASSERT(total <= UINT32_MAX);
        lists->offsets[i + 1] = (uint32_t)total;
    }
    if (out->n == 1) { /* they lie together already */
        uint32_t n = keys_of(c, out->ids[0], &keys);
        if (sorted)
            sort_keys(state, c, keys, n);
        lists->child = ds_keys_column(c->keys, 1, out->arena, out->heap, keys, n);
        return keys;
    }
    uint32_t *all = ds_arena_alloc(out->arena, total * sizeof *all);
    for (uint32_t i = 0; i < out->n; i++) {
        uint32_t n = keys_of(c, out->ids[i], &keys);
        if (sorted)
            sort_keys(state, c, keys, n);
        if (n > 0)
            memcpy(all + lists->offsets[i], keys, n * sizeof *keys);
    }
    lists->child = ds_keys_column(c->keys, 1, out->arena, out->heap, all, (uint32_t)total);
    return all;
}

static void partials(ds_agg_state *state, const ds_agg_out *out)
{
    const counted *c = state->extra;
    const uint32_t *keys = put_lists(state, out, false);
    const ds_column *values = out->columns[0];
    ds_column *counts = ds_agg_column(out, 1, DS_LIST_OF(DS_INT));
    memcpy(counts->offsets, values->offsets, ((size_t)out->n + 1) * sizeof *counts->offsets);
    uint32_t total = values->offsets[out->n];
    counts->child = ds_column_new(out->arena, DS_TYPE(DS_INT), total);
    for (uint32_t e = 0; e < total; e++)
        counts->child->ints[e] = c->counts[keys[e]];
}

static void set_results(ds_agg_state *state, const ds_agg_out *out)
{
    put_lists(state, out, true);
    ds_column *lists = out->columns[0];
    for (uint32_t i = 0; i < out->n; i++)
        if (lists->offsets[i] == lists->offsets[i + 1])
            ds_agg_null(out, lists, i);
}

static void distinct_results(ds_agg_state *state, const ds_agg_out *out)
{
    ds_column *column = ds_agg_column(out, 0, DS_TYPE(DS_INT));
    for (uint32_t i = 0; i < out->n; i++)
        column->ints[i] = ((const values_record *)ds_agg_record(state, out->ids[i]))->n;
}

/* The q-quantile of sorted values with counts: at (n - 1) * q, counted from 0, linear between
 * neighbours (type 7 of Hyndman and Fan). */
static double quantile(const counted *c, const uint32_t *keys, uint32_t n, double q)
{
    const double *values = (const double *)(const void *)ds_keys_words(c->keys, 1);
    double rows = 0;
    for (uint32_t k = 0; k < n; k++)
        rows += (double)c->counts[keys[k]];
    double at = (rows - 1) * q, low = floor(at), seen = 0;
    uint32_t k = 0;
    while (k + 1 < n && seen + (double)c->counts[keys[k]] <= low)
        seen += (double)c->counts[keys[k++]];
    bool inside = seen + (double)c->counts[keys[k]] > low + 1;
    double next = inside || k + 1 == n ? values[keys[k]] : values[keys[k + 1]];
    return ds_agg_between(values[keys[k]], next, at - low);
}

/* Many values may lie in paged memory, where sorting would touch all of them at once. */
static double quantile_of(ds_agg_state *state, counted *c, uint32_t *keys, uint32_t n)
{
    double q = state->call->quantile;
    if (n < MANY) {
        sort_keys(state, c, keys, n);
        return quantile(c, keys, n, q);
    }
    const double *values = (const double *)(const void *)ds_keys_words(c->keys, 1);
    const ds_counted_values v = {keys, n, values, c->counts, state->budget};
    return ds_quantile_select(&v, q);
}

static void quantile_results(ds_agg_state *state, const ds_agg_out *out)
{
    counted *c = state->extra;
    make_index(state, c);
    ds_column *column = ds_agg_column(out, 0, DS_TYPE(DS_FLOAT));
    for (uint32_t i = 0; i < out->n; i++) {
        uint32_t *keys, n = keys_of(c, out->ids[i], &keys);
        if (n == 0) {
            ds_agg_null(out, column, i);
            continue;
        }
        ds_agg_put_float(out, column, i, quantile_of(state, c, keys, n));
    }
}

/* ---- The table ---- */

#define KERNELS(finish)                                                                            \
    {                                                                                              \
        .record = sizeof(values_record), .update = update, .merge = merge, .subtract = subtract,   \
        .partials = partials, .results = (finish), .open = open_values, .close = close_values,     \
        .clear = clear_values, .bytes = values_bytes                                               \
    }

static const ds_agg_kernels distinct_kernels = KERNELS(distinct_results);
static const ds_agg_kernels set_kernels = KERNELS(set_results);
static const ds_agg_kernels quantile_kernels = KERNELS(quantile_results);
static const struct ds_aggregate_ops distinct_ops = {&distinct_kernels, NULL},
                                     set_ops = {&set_kernels, NULL},
                                     quantile_ops = {&quantile_kernels, NULL};

static bool resolve_distinct(ds_resolve *r, ds_agg_call *call)
{
    return ds_agg_want_args(r, 1, 1) && ds_agg_want_scalar(r, 0) &&
           ds_agg_done(r, call, 1, DS_TYPE(DS_INT));
}

static bool resolve_set(ds_resolve *r, ds_agg_call *call)
{
    return ds_agg_want_args(r, 1, 1) && ds_agg_want_scalar(r, 0) &&
           ds_agg_done(r, call, 1, DS_LIST_OF(r->wanted[0].kind));
}

static bool resolve_median(ds_resolve *r, ds_agg_call *call)
{
    call->quantile = 0.5;
    return ds_agg_want_args(r, 1, 1) && ds_agg_want_float(r, 0) &&
           ds_agg_done(r, call, 1, DS_TYPE(DS_FLOAT));
}

static bool resolve_quantile(ds_resolve *r, ds_agg_call *call)
{
    return ds_agg_want_args(r, 2, 2) && ds_agg_want_float(r, 0) && ds_agg_want_quantile(r, call) &&
           ds_agg_done(r, call, 1, DS_TYPE(DS_FLOAT));
}

static uint32_t partial(const ds_agg_call *call, ds_type *types)
{
    types[0] = DS_LIST_OF(call->arg_types[0].kind);
    types[1] = DS_LIST_OF(DS_INT);
    return 2;
}

static ds_slide slide(const ds_agg_call *call)
{
    (void)call;
    return DS_SLIDE_SUBTRACT;
}

#define AGGREGATE(label, form, hook, code, null)                                                   \
    {                                                                                              \
        .name = (label), .n_args = 1, .usage = (form), .null_on_empty = (null), .resolve = (hook), \
        .partial = partial, .slide = slide, .ops = &(code)                                         \
    }

const ds_aggregate ds_aggregates_values[] = {
    AGGREGATE("count_distinct", "count_distinct(x)", resolve_distinct, distinct_ops, false),
    AGGREGATE("collect_set", "collect_set(x)", resolve_set, set_ops, true),
    AGGREGATE("median", "median(x)", resolve_median, quantile_ops, true),
    AGGREGATE("quantile", "quantile(x, q)", resolve_quantile, quantile_ops, true),
    {.name = NULL},
};
