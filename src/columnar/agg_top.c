/*
 * approx_top_k: the most frequent values, by counts of a bounded number of them.
 *
 * Each group counts up to a capacity of 16 k different values, at least 1,024, and up to there
 * the answer is exact. When there are more, the group keeps the half with the highest counts, and
 * takes the highest count that it drops from each of these (Misra and Gries 1982; merging as in
 * Agarwal et al., "Mergeable Summaries", PODS 2012). That takes as much from half + 1 values at
 * once, so a count is never too high, and too low by at most rows / (capacity / 2 + 1); a
 * value more frequent than that is never lost. Of equal counts the least values come first.
 *
 * Where the values of a group stay below the capacity, the answer does not depend on how
 * rows were spread; beyond, it does within the bound.
 *
 * Of the keys of the table (agg_value_counts.h) those of a group are linked.
 */
#include "base/assert.h"
#include "base/random.h"
#include "columnar/agg_value_counts.h"
#include "columnar/growable.h"

#include <stdlib.h>

#define BLOCK DS_COUNTS_BLOCK
#define MAX_K 10000
#define FOR_EACH 16u /* values counted for each that is wanted */
#define LEAST_CAPACITY 1024u
#define NONE 0u /* keys are linked by their number + 1 */

typedef struct top_values {
    ds_counts counts; /* first; of the counts + 1 */
    uint32_t *next;   /* by key: of the same group */
    uint32_t next_room;
    uint32_t *picked; /* keys of one group */
    uint32_t picked_room;
    uint32_t capacity;
    ds_random random; /* for pivots */
} top_values;

typedef struct top_record {
    uint32_t n;     /* values */
    uint32_t first; /* of its keys */
} top_record;

static void open_values(ds_agg_state *state)
{
    top_values *t = ds_calloc(1, sizeof *t);
    ds_counts_init(&t->counts, state);
    t->capacity = state->call->top * FOR_EACH;
    if (t->capacity < LEAST_CAPACITY)
        t->capacity = LEAST_CAPACITY;
    ds_random_init(&t->random, 0);
    ds_budget_charge(state->budget, sizeof *t);
    state->extra = t;
}

static void close_values(ds_agg_state *state)
{
    top_values *t = state->extra;
    ds_counts_fini(&t->counts, state);
    ds_grow_free(t->next, &t->next_room, sizeof *t->next, state->budget);
    ds_grow_free(t->picked, &t->picked_room, sizeof *t->picked, state->budget);
    free(t);
    ds_budget_charge(state->budget, -(int64_t)sizeof *t);
}

static void clear_values(ds_agg_state *state)
{
    top_values *t = state->extra;
    ds_counts_clear(&t->counts);
}

static size_t values_bytes(const ds_agg_state *state)
{
    const top_values *t = state->extra;
    return sizeof *t + ds_counts_bytes(&t->counts) +
           ((size_t)t->next_room + t->picked_room) * sizeof(uint32_t);
}

/* ---- Which are first ---- */

static int compare_values(const top_values *t, ds_kind kind, uint32_t a, uint32_t b)
{
    if (kind == DS_STRING) {
        const ds_view *views = ds_keys_views(t->counts.keys, 1);
        return ds_view_compare(ds_keys_heap(t->counts.keys), &views[a], &views[b]);
    }
    if (kind == DS_FLOAT) {
        const double *floats = (const double *)(const void *)ds_keys_words(t->counts.keys, 1);
        return (floats[a] > floats[b]) - (floats[a] < floats[b]);
    }
    const int64_t *words = (const int64_t *)ds_keys_words(t->counts.keys, 1);
    return (words[a] > words[b]) - (words[a] < words[b]);
}

typedef struct ranking {
    const top_values *t;
    ds_kind kind;
} ranking;

static int by_rank(const void *a, const void *b, void *arg)
{
    const ranking *r = arg;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (r->t->counts.times[x] != r->t->counts.times[y])
        return r->t->counts.times[x] > r->t->counts.times[y] ? -1 : 1;
    return compare_values(r->t, r->kind, x, y);
}

static void swap(uint32_t *keys, uint32_t i, uint32_t j)
{
    uint32_t key = keys[i];
    keys[i] = keys[j];
    keys[j] = key;
}

/* Brings the m first of n keys, no two of which are equal, to the front, in any order. */
static void select_first(top_values *t, ranking *r, uint32_t *keys, uint32_t n, uint32_t m)
{
    uint32_t from = 0, to = n;
    while (from < m && m < to) {
        uint32_t last = to - 1, pivot = from;
        swap(keys, from + (uint32_t)ds_random_below(&t->random, to - from), last);
        for (uint32_t i = from; i < last; i++)
            if (by_rank(&keys[i], &keys[last], r) < 0)
                swap(keys, i, pivot++);
        swap(keys, pivot, last);
        if (pivot < m)
            from = pivot + 1;
        else
            to = pivot;
    }
}

/* The keys of a group, of which the first m come first; returns how many there are. */
static uint32_t pick(ds_agg_state *state, const top_record *record, uint32_t m, ranking *r)
{
    top_values *t = state->extra;
    *r = (ranking){t, (ds_kind)state->call->arg_types[0].kind};
    t->picked = ds_grow(t->picked, &t->picked_room, record->n, sizeof *t->picked, state->budget);
    uint32_t n = 0;
    for (uint32_t key = record->first; key != NONE; key = t->next[key - 1])
        t->picked[n++] = key - 1;
    DS_ASSERT(n == record->n);
    if (m < n)
        select_first(t, r, t->picked, n, m);
    return n;
}

/* ---- Counting ---- */

static void link_key(top_values *t, top_record *record, uint32_t key)
{
    t->next[key] = record->first;
    record->first = key + 1;
    record->n++;
}

static void remove_key(top_values *t, uint32_t key)
{
    t->counts.times[key] = 0;
    ds_keys_remove(t->counts.keys, key);
}

/* Drops all but the first half of the capacity. */
static void prune(ds_agg_state *state, top_record *record)
{
    top_values *t = state->extra;
    ranking r;
    uint32_t left = t->capacity / 2, n = pick(state, record, left, &r);
    int64_t most = 0;
    for (uint32_t i = left; i < n; i++)
        if (t->counts.times[t->picked[i]] - 1 > most)
            most = t->counts.times[t->picked[i]] - 1;
    *record = (top_record){0};
    for (uint32_t i = 0; i < left; i++) {
        t->counts.times[t->picked[i]] -= most;
        link_key(t, record, t->picked[i]);
    }
    for (uint32_t i = left; i < n; i++)
        remove_key(t, t->picked[i]);
}

static void count_value(ds_agg_state *state, uint32_t key, uint32_t id, int64_t times)
{
    top_values *t = state->extra;
    if (t->counts.times[key] == 0) {
        link_key(t, ds_agg_record(state, id), key);
        t->counts.times[key] = 1;
    }
    if (__builtin_add_overflow(t->counts.times[key], times, &t->counts.times[key]))
        t->counts.times[key] = INT64_MAX; /* no honest peer counts so far */
}

static void count_block(ds_agg_state *state, const uint32_t *keys, const int64_t *ids,
                        const int64_t *times, uint32_t n)
{
    top_values *t = state->extra;
    t->next = ds_grow(t->next, &t->next_room, ds_keys_limit(t->counts.keys), sizeof *t->next,
                      state->budget);
    for (uint32_t i = 0; i < n; i++)
        count_value(state, keys[i], (uint32_t)ids[i], times == NULL ? 1 : times[i]);
    for (uint32_t i = 0; i < n; i++) {
        top_record *record = ds_agg_record(state, (uint32_t)ids[i]);
        if (record->n > t->capacity)
            prune(state, record);
    }
}

static void update(ds_agg_state *state, const ds_agg_rows *in)
{
    ds_counts_update(state, in, count_block);
}

static void take_elements(ds_agg_state *state, const ds_heap *heap, const ds_column *column,
                          const ds_counts_elements *e, void *arg)
{
    (void)arg;
    ds_counts_rows(state, heap, column, e->rows, e->ids, e->times, e->n, count_block);
}

static void merge(ds_agg_state *state, const ds_agg_partials *in)
{
    uint32_t rows[BLOCK];
    int64_t ids[BLOCK], times[BLOCK];
    ds_counts_elements e = {.room = BLOCK, .rows = rows, .ids = ids, .times = times};
    ds_counts_lists(state, in, 0, &e, take_elements, NULL);
}

/* ---- Within the table ---- */

/* Adds the counts of one record to another. */
static void add_record(ds_agg_state *state, top_record *to, const top_record *from)
{
    top_values *t = state->extra;
    if (from->n == 0)
        return;
    int64_t id = ((unsigned char *)to - state->records) / (ptrdiff_t)sizeof *to;
    ranking r;
    uint32_t n = pick(state, from, from->n, &r);
    uint32_t *keys = ds_arena_alloc(t->counts.scratch, n * sizeof *keys);
    memcpy(keys, t->picked, n * sizeof *keys);
    for (uint32_t at = 0; at < n; at += BLOCK) {
        uint32_t n_block = n - at < BLOCK ? n - at : BLOCK;
        int64_t ids[BLOCK], times[BLOCK];
        for (uint32_t i = 0; i < n_block; i++) {
            ids[i] = id;
            times[i] = t->counts.times[keys[at + i]] - 1;
        }
        ds_heap heap;
        ds_column *columns[2];
        ds_heap_init(&heap, t->counts.scratch);
        ds_keys_columns(t->counts.keys, t->counts.scratch, &heap, keys + at, n_block, columns);
        ds_counts_block(state, &heap, columns[1], ids, times, n_block, count_block);
        ds_heap_fini(&heap);
    }
    ds_arena_empty(t->counts.scratch);
}

static void combine(ds_agg_state *state, void *to, const void *older, const void *newer)
{
    if (to != older)
        add_record(state, to, older);
    if (to != newer)
        add_record(state, to, newer);
}

static void forget(ds_agg_state *state, void *of)
{
    top_record *record = of;
    top_values *t = state->extra;
    for (uint32_t key = record->first; key != NONE; key = t->next[key - 1])
        remove_key(t, key - 1);
}

/* ---- Giving out ---- */

/* Makes out->columns[0] a list of the most values of each group, the first ones, in order if
 * wanted; returns the keys of all elements, in the arena. */
static uint32_t *put_lists(ds_agg_state *state, const ds_agg_out *out, uint32_t most, bool ordered)
{
    top_values *t = state->extra;
    ds_column *lists = ds_agg_column(out, 0, DS_LIST_OF(state->call->arg_types[0].kind));
    uint64_t total = 0;
    for (uint32_t i = 0; i < out->n; i++) {
        const top_record *record = ds_agg_record(state, out->ids[i]);
        total += record->n < most ? record->n : most;
        DS_ASSERT(total <= UINT32_MAX);
        lists->offsets[i + 1] = (uint32_t)total;
    }
    uint32_t *all = ds_arena_alloc(out->arena, total * sizeof *all);
    for (uint32_t i = 0; i < out->n; i++) {
        ranking r;
        uint32_t n = lists->offsets[i + 1] - lists->offsets[i];
        pick(state, ds_agg_record(state, out->ids[i]), n, &r);
        if (ordered && n > 1)
            qsort_r(t->picked, n, sizeof *t->picked, by_rank, &r);
        if (n > 0)
            memcpy(all + lists->offsets[i], t->picked, n * sizeof *all);
    }
    ds_column *columns[2];
    ds_keys_columns(t->counts.keys, out->arena, out->heap, all, (uint32_t)total, columns);
    lists->child = columns[1];
    return all;
}

static void partials(ds_agg_state *state, const ds_agg_out *out)
{
    ds_counts_put(state, out, put_lists(state, out, UINT32_MAX, false), 1);
}

/* Results have text of their own: what a window made for the answer is forgotten at once. */
static void results(ds_agg_state *state, const ds_agg_out *out)
{
    put_lists(state, out, state->call->top, true);
    ds_column *lists = out->columns[0], *child = lists->child;
    for (uint32_t i = 0; i < out->n; i++)
        if (lists->offsets[i] == lists->offsets[i + 1])
            ds_agg_null(out, lists, i);
    for (uint32_t e = 0; child->type.kind == DS_STRING && e < child->length; e++) {
        const ds_view *view = &child->views[e];
        child->views[e] = ds_view_copy(out->heap, ds_view_bytes(out->heap, view), view->length);
    }
}

/* ---- The table ---- */

static const ds_agg_kernels kernels = {
    .record = sizeof(top_record),
    .update = update,
    .merge = merge,
    .combine = combine,
    .forget = forget,
    .partials = partials,
    .results = results,
    .open = open_values,
    .close = close_values,
    .clear = clear_values,
    .bytes = values_bytes,
};

static const struct ds_aggregate_ops ops = {&kernels, NULL};

static bool resolve(ds_resolve *r, ds_agg_call *call)
{
    if (!ds_agg_want_args(r, 2, 2) || !ds_agg_want_scalar(r, 0))
        return false;
    const ds_literal *k = &r->literals[1];
    if (!k->is_literal || k->is_null || r->types[1].kind != DS_INT || k->integer < 1 ||
        k->integer > MAX_K)
        return ds_agg_fail(r, 1, "k must be an int literal from 1 to %d", MAX_K);
    call->top = (uint32_t)k->integer;
    return ds_agg_done(r, call, 1, DS_LIST_OF(r->wanted[0].kind));
}

static ds_slide slide(const ds_agg_call *call)
{
    (void)call;
    return DS_SLIDE_COMBINE;
}

const ds_aggregate ds_aggregates_top[] = {
    {.name = "approx_top_k",
     .n_args = 1,
     .usage = "approx_top_k(x, k)",
     .resolve = resolve,
     .partial = ds_counts_partial,
     .slide = slide,
     .ops = &ops},
    {.name = NULL},
};
