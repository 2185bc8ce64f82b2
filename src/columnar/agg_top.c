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
 * As for exact counts (agg_values.c) one table has the keys (group, value); those of a group
 * are linked. A partial is a list of values and a list of counts.
 */
#include "base/assert.h"
#include "base/random.h"
#include "columnar/agg_scalar.h"
#include "columnar/growable.h"
#include "columnar/keys.h"

#include <stdlib.h>

#define BLOCK 1024u
#define MAX_K 10000
#define FOR_EACH 16u /* values counted for each that is wanted */
#define LEAST_CAPACITY 1024u
#define NONE 0u /* keys are linked by their number + 1 */

typedef struct top_values {
    ds_keys *keys; /* columns: group (int), value */
    /* By key: */
    int64_t *counts; /* + 1; 0: a number not in use */
    uint32_t *next;  /* of the same group */
    uint32_t counts_room, next_room;
    uint32_t *picked; /* keys of one group */
    uint32_t picked_room;
    uint32_t capacity;
    ds_arena *scratch;
    ds_random random; /* for pivots */
} top_values;

typedef struct top_record {
    uint32_t n;     /* values */
    uint32_t first; /* of its keys */
} top_record;

static void open_values(ds_agg_state *state)
{
    top_values *t = ds_calloc(1, sizeof *t);
    ds_type types[2] = {DS_TYPE(DS_INT), state->call->arg_types[0]};
    t->keys = ds_keys_new(types, 2, state->budget);
    t->scratch = ds_arena_new(ds_budget_plain(state->budget));
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
    ds_keys_free(t->keys);
    ds_arena_free(t->scratch);
    ds_grow_free(t->counts, &t->counts_room, sizeof *t->counts, state->budget);
    ds_grow_free(t->next, &t->next_room, sizeof *t->next, state->budget);
    ds_grow_free(t->picked, &t->picked_room, sizeof *t->picked, state->budget);
    free(t);
    ds_budget_charge(state->budget, -(int64_t)sizeof *t);
}

static void clear_values(ds_agg_state *state)
{
    top_values *t = state->extra;
    if (t->counts != NULL)
        memset(t->counts, 0, ds_keys_limit(t->keys) * sizeof *t->counts);
    ds_keys_clear(t->keys);
}

static size_t values_bytes(const ds_agg_state *state)
{
    const top_values *t = state->extra;
    return sizeof *t + ds_keys_bytes(t->keys) + ds_arena_bytes(t->scratch) +
           t->counts_room * sizeof *t->counts +
           ((size_t)t->next_room + t->picked_room) * sizeof(uint32_t);
}

/* ---- Which are first ---- */

static int compare_values(const top_values *t, ds_kind kind, uint32_t a, uint32_t b)
{
    if (kind == DS_STRING) {
        const ds_view *views = ds_keys_views(t->keys, 1);
        return ds_view_compare(ds_keys_heap(t->keys), &views[a], &views[b]);
    }
    if (kind == DS_FLOAT) {
        const double *floats = (const double *)(const void *)ds_keys_words(t->keys, 1);
        return (floats[a] > floats[b]) - (floats[a] < floats[b]);
    }
    const int64_t *words = (const int64_t *)ds_keys_words(t->keys, 1);
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
    if (r->t->counts[x] != r->t->counts[y])
        return r->t->counts[x] > r->t->counts[y] ? -1 : 1;
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
    t->counts[key] = 0;
    ds_keys_remove(t->keys, key);
}

/* Drops all but the first half of the capacity. */
static void prune(ds_agg_state *state, top_record *record)
{
    top_values *t = state->extra;
    ranking r;
    uint32_t left = t->capacity / 2, n = pick(state, record, left, &r);
    int64_t most = 0;
    for (uint32_t i = left; i < n; i++)
        if (t->counts[t->picked[i]] - 1 > most)
            most = t->counts[t->picked[i]] - 1;
    *record = (top_record){0};
    for (uint32_t i = 0; i < left; i++) {
        t->counts[t->picked[i]] -= most;
        link_key(t, record, t->picked[i]);
    }
    for (uint32_t i = left; i < n; i++)
        remove_key(t, t->picked[i]);
}

static void count_value(ds_agg_state *state, uint32_t key, uint32_t id, int64_t times)
{
    top_values *t = state->extra;
    if (t->counts[key] == 0) {
        link_key(t, ds_agg_record(state, id), key);
        t->counts[key] = 1;
    }
    if (__builtin_add_overflow(t->counts[key], times, &t->counts[key]))
        t->counts[key] = INT64_MAX; /* no honest peer counts so far */
}

/* Counts n <= BLOCK values without nulls, for the groups ids. times NULL: once each. */
static void count_block(ds_agg_state *state, const ds_heap *heap, const ds_column *values,
                        const int64_t *ids, const int64_t *times, uint32_t n)
{
    top_values *t = state->extra;
    ds_column groups = {.type = DS_TYPE(DS_INT), .length = n};
    groups.ints = (int64_t *)(uintptr_t)ids;
    const ds_column *columns[2] = {&groups, values};
    uint64_t hashes[BLOCK];
    uint32_t keys[BLOCK];
    ds_hash_rows(heap, columns, 2, n, hashes);
    ds_keys_put(t->keys, heap, columns, hashes, n, keys);
    uint32_t limit = ds_keys_limit(t->keys);
    t->counts = ds_grow(t->counts, &t->counts_room, limit, sizeof *t->counts, state->budget);
    t->next = ds_grow(t->next, &t->next_room, limit, sizeof *t->next, state->budget);
    for (uint32_t i = 0; i < n; i++)
        count_value(state, keys[i], (uint32_t)ids[i], times == NULL ? 1 : times[i]);
    for (uint32_t i = 0; i < n; i++) {
        top_record *record = ds_agg_record(state, (uint32_t)ids[i]);
        if (record->n > t->capacity)
            prune(state, record);
    }
}

/* Counts the values of a column at rows[0..n). */
static void count_rows(ds_agg_state *state, const ds_heap *heap, const ds_column *column,
                       const uint32_t *rows, const int64_t *ids, const int64_t *times, uint32_t n)
{
    top_values *t = state->extra;
    ds_column *values = ds_column_gather(t->scratch, column, rows, n);
    values->validity = NULL; /* nulls were left out */
    count_block(state, heap, values, ids, times, n);
    ds_arena_empty(t->scratch);
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
        count_rows(state, in->heap, in->args[0], rows, ids, NULL, n);
    }
}

/* Partials are lists of values and lists of counts. Elements are collected to blocks; what no
 * table of ours writes (nulls, counts below zero, lists of two lengths) is passed over. */
static void merge(ds_agg_state *state, const ds_agg_partials *in)
{
    const ds_column *values = in->columns[0], *counts = in->columns[1];
    uint32_t elements[BLOCK], n = 0;
    int64_t ids[BLOCK], times[BLOCK];
    for (uint32_t row = 0; row < in->n; row++) {
        uint32_t from = values->offsets[row], from_count = counts->offsets[row];
        uint32_t length = values->offsets[row + 1] - from;
        if (ds_column_is_null(values, row) || ds_column_is_null(counts, row) ||
            counts->offsets[row + 1] - from_count != length)
            continue;
        for (uint32_t e = 0; e < length; e++) {
            int64_t count = counts->child->ints[from_count + e];
            if (ds_column_is_null(values->child, from + e) || count < 0)
                continue;
            elements[n] = from + e;
            times[n] = count;
            ids[n++] = in->ids[row];
            if (n == BLOCK) {
                count_rows(state, in->heap, values->child, elements, ids, times, n);
                n = 0;
            }
        }
    }
    count_rows(state, in->heap, values->child, elements, ids, times, n);
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
    uint32_t *keys = ds_arena_alloc(t->scratch, n * sizeof *keys);
    memcpy(keys, t->picked, n * sizeof *keys);
    for (uint32_t at = 0; at < n; at += BLOCK) {
        uint32_t n_block = n - at < BLOCK ? n - at : BLOCK;
        int64_t ids[BLOCK], times[BLOCK];
        for (uint32_t i = 0; i < n_block; i++) {
            ids[i] = id;
            times[i] = t->counts[keys[at + i]] - 1;
        }
        ds_heap heap;
        ds_column *columns[2];
        ds_heap_init(&heap, t->scratch);
        ds_keys_columns(t->keys, t->scratch, &heap, keys + at, n_block, columns);
        count_block(state, &heap, columns[1], ids, times, n_block);
        ds_heap_fini(&heap);
    }
    ds_arena_empty(t->scratch);
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
    ds_keys_columns(t->keys, out->arena, out->heap, all, (uint32_t)total, columns);
    lists->child = columns[1];
    return all;
}

static void partials(ds_agg_state *state, const ds_agg_out *out)
{
    const top_values *t = state->extra;
    const uint32_t *keys = put_lists(state, out, UINT32_MAX, false);
    const ds_column *values = out->columns[0];
    ds_column *counts = ds_agg_column(out, 1, DS_LIST_OF(DS_INT));
    memcpy(counts->offsets, values->offsets, ((size_t)out->n + 1) * sizeof *counts->offsets);
    uint32_t total = values->offsets[out->n];
    counts->child = ds_column_new(out->arena, DS_TYPE(DS_INT), total);
    for (uint32_t e = 0; e < total; e++)
        counts->child->ints[e] = t->counts[keys[e]] - 1;
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

static uint32_t partial(const ds_agg_call *call, ds_type *types)
{
    types[0] = DS_LIST_OF(call->arg_types[0].kind);
    types[1] = DS_LIST_OF(DS_INT);
    return 2;
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
     .null_on_empty = true,
     .resolve = resolve,
     .partial = partial,
     .slide = slide,
     .ops = &ops},
    {.name = NULL},
};
