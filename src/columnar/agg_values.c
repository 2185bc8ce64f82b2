/*
 * count_distinct, collect_set, median, quantile: exact answers need all values of a group,
 * so they are kept, each different one once with its count.
 *
 * One table for all groups has the keys (group, value) and a count for each key. Counts add
 * up and go down again: a value whose count comes to nothing is taken out. Memory and the
 * time of a median are in proportion to the number of different values.
 */
#include "base/assert.h"
#include "columnar/agg_value_counts.h"
#include "columnar/growable.h"
#include "columnar/quantile.h"

#include <math.h>
#include <stdlib.h>

#define BLOCK DS_COUNTS_BLOCK
#define PAGED_BLOCK (8 * BLOCK) /* where the table is in paged memory */
#define MANY 2048u              /* values from which a quantile is not found by sorting them */
#define RELIEF 4096u            /* keys in order, before pages may have to go */

typedef struct counted {
    ds_counts counts; /* first */
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
    ds_counts_init(&c->counts, state);
    ds_budget_charge(state->budget, sizeof *c);
    state->extra = c;
}

static void close_values(ds_agg_state *state)
{
    counted *c = state->extra;
    ds_counts_fini(&c->counts, state);
    ds_grow_free(c->starts, &c->starts_room, sizeof *c->starts, state->budget);
    ds_grow_free(c->order, &c->order_room, sizeof *c->order, state->budget);
    free(c);
    ds_budget_charge(state->budget, -(int64_t)sizeof *c);
}

static void clear_values(ds_agg_state *state)
{
    counted *c = state->extra;
    ds_counts_clear(&c->counts);
    c->indexed = false;
}

static size_t values_bytes(const ds_agg_state *state)
{
    const counted *c = state->extra;
    return sizeof *c + ds_counts_bytes(&c->counts) +
           ((size_t)c->starts_room + c->order_room) * sizeof(uint32_t);
}

/* ---- Counting ---- */

static void count_up(ds_agg_state *state, const uint32_t *keys, const int64_t *ids,
                     const int64_t *times, uint32_t n)
{
    counted *c = state->extra;
    int64_t *counts = c->counts.times;
    for (uint32_t i = 0; i < n; i++) {
        values_record *record = ds_agg_record(state, (uint32_t)ids[i]);
        int64_t *count = &counts[keys[i]];
        record->n += *count == 0;
        if (__builtin_add_overflow(*count, times == NULL ? 1 : times[i], count))
            *count = INT64_MAX; /* no honest peer counts so far */
    }
    c->indexed = false;
}

/* For what was counted up by the same block before. */
static void count_down(ds_agg_state *state, const uint32_t *keys, const int64_t *ids,
                       const int64_t *times, uint32_t n)
{
    counted *c = state->extra;
    int64_t *counts = c->counts.times;
    for (uint32_t i = 0; i < n; i++) {
        values_record *record = ds_agg_record(state, (uint32_t)ids[i]);
        int64_t *count = &counts[keys[i]];
        if (*count > times[i]) {
            *count -= times[i];
            continue;
        }
        record->n -= *count > 0;
        *count = 0;
        ds_keys_remove(c->counts.keys, keys[i]);
    }
    c->indexed = false;
}

static void update(ds_agg_state *state, const ds_agg_rows *in)
{
    ds_counts_update(state, in, count_up);
}

/* What is done with elements of partials. */
typedef struct taking {
    ds_count_fn count;
    ds_arena *sorting; /* NULL: they are counted as they come */
} taking;

static void make_room(ds_counts_elements *e, ds_arena *arena, uint32_t room)
{
    e->room = room;
    e->rows = ds_arena_alloc(arena, room * sizeof *e->rows);
    e->ids = ds_arena_alloc(arena, room * sizeof *e->ids);
    e->times = ds_arena_alloc(arena, room * sizeof *e->times);
}

/* Puts elements into the order in which the table holds their keys; the result is in arena. */
static ds_counts_elements sort_elements(const ds_heap *heap, const ds_column *column,
                                        const ds_counts_elements *e, ds_arena *arena)
{
    const ds_column *values = ds_column_gather(arena, column, e->rows, e->n);
    const ds_column groups = {.type = DS_TYPE(DS_INT), .length = e->n, .ints = e->ids};
    const ds_column *columns[2] = {&groups, values};
    uint64_t *hashes = ds_arena_alloc(arena, e->n * sizeof *hashes);
    uint64_t *sorted = ds_arena_alloc(arena, e->n * sizeof *sorted);
    uint32_t *order = ds_arena_alloc(arena, e->n * sizeof *order);
    ds_counts_elements all = {0};
    ds_hash_rows(heap, columns, 2, e->n, hashes);
    ds_keys_order(hashes, e->n, sorted, order);
    make_room(&all, arena, e->n);
    for (; all.n < e->n; all.n++) {
        uint32_t from = order[all.n];
        all.rows[all.n] = e->rows[from];
        all.ids[all.n] = e->ids[from];
        all.times[all.n] = e->times[from];
    }
    return all;
}

/* A table in paged memory is gone through from one end to the other, for many at a time. */
static void take_elements(ds_agg_state *state, const ds_heap *heap, const ds_column *column,
                          const ds_counts_elements *elements, void *arg)
{
    const taking *how = arg;
    ds_counts_elements all = *elements;
    if (how->sorting != NULL && all.n > 0)
        all = sort_elements(heap, column, elements, how->sorting);
    for (uint32_t from = 0, n; from < all.n; from += n) {
        n = all.n - from < BLOCK ? all.n - from : BLOCK;
        ds_counts_rows(state, heap, column, all.rows + from, all.ids + from, all.times + from, n,
                       how->count);
        ds_budget_relieve(state->budget);
    }
    if (how->sorting != NULL)
        ds_arena_reset(how->sorting);
}

static void take_sorted(ds_agg_state *state, const ds_agg_partials *in, ds_count_fn count)
{
    ds_budget *budget = ds_budget_plain(state->budget);
    ds_arena *arena = ds_arena_new(budget);
    taking how = {count, ds_arena_new(budget)};
    ds_counts_elements e;
    make_room(&e, arena, PAGED_BLOCK);
    ds_counts_lists(state, in, 1, &e, take_elements, &how);
    ds_arena_free(how.sorting);
    ds_arena_free(arena);
}

static void take_lists(ds_agg_state *state, const ds_agg_partials *in, ds_count_fn count)
{
    const ds_column *values = in->columns[0];
    if (in->n > 0 && values->offsets[in->n] - values->offsets[0] > BLOCK &&
        ds_budget_step(state->budget, BLOCK) < BLOCK) {
        take_sorted(state, in, count);
        return;
    }
    uint32_t rows[BLOCK];
    int64_t ids[BLOCK], times[BLOCK];
    taking how = {count, NULL};
    ds_counts_elements e = {.room = BLOCK, .rows = rows, .ids = ids, .times = times};
    ds_counts_lists(state, in, 1, &e, take_elements, &how);
}

static void merge(ds_agg_state *state, const ds_agg_partials *in)
{
    take_lists(state, in, count_up);
}

static void subtract(ds_agg_state *state, const ds_agg_partials *in)
{
    take_lists(state, in, count_down);
}

/* ---- The index ---- */

static void make_index(ds_agg_state *state, counted *c)
{
    if (c->indexed && c->groups == state->n)
        return;
    uint32_t limit = ds_keys_limit(c->counts.keys), groups = state->n;
    const uint64_t *group_of = ds_keys_words(c->counts.keys, 0);
    c->starts =
        ds_grow(c->starts, &c->starts_room, (uint64_t)groups + 2, sizeof *c->starts, state->budget);
    c->order = ds_grow(c->order, &c->order_room, limit, sizeof *c->order, state->budget);
    memset(c->starts, 0, ((size_t)groups + 2) * sizeof *c->starts);
    uint32_t *next = c->starts + 1;
    for (uint32_t key = 0; key < limit; key++) {
        if (c->counts.times[key] > 0)
            next[group_of[key] + 1]++;
        if (key % RELIEF == 0)
            ds_budget_relieve(state->budget);
    }
    for (uint32_t g = 0; g < groups; g++)
        next[g + 1] += next[g];
    for (uint32_t key = 0; key < limit; key++) {
        if (c->counts.times[key] > 0)
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
    case DS_STRING: qsort_r(keys, n, sizeof *keys, by_text, c->counts.keys); break;
    case DS_FLOAT:
        qsort_r(keys, n, sizeof *keys, by_float,
                (void *)(uintptr_t)ds_keys_words(c->counts.keys, 1));
        break;
    default:
        qsort_r(keys, n, sizeof *keys, by_word,
                (void *)(uintptr_t)ds_keys_words(c->counts.keys, 1));
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
        lists->child = ds_keys_column(c->counts.keys, 1, out->arena, out->heap, keys, n);
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
    lists->child = ds_keys_column(c->counts.keys, 1, out->arena, out->heap, all, (uint32_t)total);
    return all;
}

static void partials(ds_agg_state *state, const ds_agg_out *out)
{
    ds_counts_put(state, out, put_lists(state, out, false), 0);
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
    const double *values = (const double *)(const void *)ds_keys_words(c->counts.keys, 1);
    double rows = 0;
    for (uint32_t k = 0; k < n; k++)
        rows += (double)c->counts.times[keys[k]];
    double at = (rows - 1) * q, low = floor(at), seen = 0;
    uint32_t k = 0;
    while (k + 1 < n && seen + (double)c->counts.times[keys[k]] <= low)
        seen += (double)c->counts.times[keys[k++]];
    bool inside = seen + (double)c->counts.times[keys[k]] > low + 1;
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
    const double *values = (const double *)(const void *)ds_keys_words(c->counts.keys, 1);
    const ds_counted_values v = {keys, n, values, c->counts.times, state->budget};
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

static ds_slide slide(const ds_agg_call *call)
{
    (void)call;
    return DS_SLIDE_SUBTRACT;
}

#define AGGREGATE(label, form, hook, code)                                                         \
    {                                                                                              \
        .name = (label), .n_args = 1, .usage = (form), .resolve = (hook),                          \
        .partial = ds_counts_partial, .slide = slide, .ops = &(code)                               \
    }

const ds_aggregate ds_aggregates_values[] = {
    AGGREGATE("count_distinct", "count_distinct(x)", resolve_distinct, distinct_ops),
    AGGREGATE("collect_set", "collect_set(x)", resolve_set, set_ops),
    AGGREGATE("median", "median(x)", resolve_median, quantile_ops),
    AGGREGATE("quantile", "quantile(x, q)", resolve_quantile, quantile_ops),
    {.name = NULL},
};
