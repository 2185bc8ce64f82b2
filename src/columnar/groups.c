/*
 * A table of groups: the keys, and for each call the states by the key's number. Rows are
 * taken in by chunks: hash, look up, then one tight loop for each call.
 */
#include "base/assert.h"
#include "columnar/agg_state.h"
#include "columnar/growable.h"
#include "columnar/keys.h"
#include "columnar/quick_hash.h"
#include "columnar/slice.h"

#include <stdlib.h>

/* Bytes of records from where on they are fetched ahead. */
#define FETCH_FROM ((size_t)256 << 10)

struct ds_groups {
    const ds_group_spec *spec;
    ds_budget *budget;
    ds_keys *keys;
    ds_agg_state *states;
    uint32_t n_partials; /* columns of a partial, without the keys */
    bool watched;        /* merges are noted */
    bool any_merged;
    uint64_t *merged; /* by group: one was */
    uint32_t merged_room;
};

ds_groups *ds_groups_new(const ds_group_spec *spec, ds_budget *budget)
{
    ds_groups *groups = ds_calloc(1, sizeof *groups);
    groups->spec = spec;
    groups->budget = budget;
    groups->keys = ds_keys_new(spec->keys, spec->n_keys, budget);
    groups->states = ds_calloc(spec->n_calls, sizeof *groups->states);
    groups->n_partials = ds_group_partial_types(spec, NULL) - spec->n_keys;
    for (uint32_t c = 0; c < spec->n_calls; c++) {
        ds_agg_state_init(&groups->states[c], &spec->calls[c], NULL, budget);
        ds_agg_state_grow(&groups->states[c], ds_keys_limit(groups->keys));
    }
    return groups;
}

void ds_groups_free(ds_groups *groups)
{
    if (groups == NULL)
        return;
    for (uint32_t c = 0; c < groups->spec->n_calls; c++)
        ds_agg_state_fini(&groups->states[c]);
    free(groups->states);
    ds_keys_free(groups->keys);
    ds_grow_free(groups->merged, &groups->merged_room, sizeof *groups->merged, groups->budget);
    free(groups);
}

void ds_groups_reserve(ds_groups *groups, uint32_t count)
{
    ds_keys_reserve(groups->keys, count);
}

void ds_groups_clear(ds_groups *groups)
{
    ds_groups_forget_merged(groups);
    ds_keys_clear(groups->keys);
    for (uint32_t c = 0; c < groups->spec->n_calls; c++) {
        ds_agg_state_clear(&groups->states[c]);
        ds_agg_state_grow(&groups->states[c], ds_keys_limit(groups->keys));
    }
}

/* Where rows are grouped, and keys are texts, a quick hash finds them; only what becomes of each
 * group needs the other one. A number is hashed so fast that two of them would not be worth while.
 */
static void choose_hash(ds_groups *groups)
{
    bool any_text = false;
    for (uint32_t k = 0; k < groups->spec->n_keys; k++)
        any_text |= groups->spec->keys[k].kind == DS_STRING;
    if (any_text && ds_keys_limit(groups->keys) == 0)
        ds_keys_be_quick(groups->keys);
}

static void hash_rows(const ds_groups *groups, const ds_heap *heap, const ds_column *const *keys,
                      uint32_t n, uint64_t *hashes)
{
    (ds_keys_are_quick(groups->keys) ? ds_quick_hash_rows
                                     : ds_hash_rows)(heap, keys, groups->spec->n_keys, n, hashes);
}

static void put_keys(ds_groups *groups, const ds_heap *heap, const ds_column *const *keys,
                     const uint64_t *hashes, uint32_t n, uint32_t *ids)
{
    ds_keys_put(groups->keys, heap, keys, hashes, n, ids);
    for (uint32_t c = 0; c < groups->spec->n_calls; c++)
        ds_agg_state_grow(&groups->states[c], ds_keys_limit(groups->keys));
}

/* ---- Rows ---- */

static void and_words(uint64_t *mask, const uint64_t *bits, uint32_t n)
{
    for (size_t w = 0; w < ds_bitmap_words(n); w++)
        mask[w] &= bits[w];
}

/* Which rows count for a call: fills in->rows (from `rows`) and in->n. */
static void select_rows(ds_agg_rows *in, uint32_t n_args, const ds_column *filter, uint32_t n,
                        uint32_t *rows)
{
    uint64_t mask[DS_CHUNK_WORDS];
    ds_bitmap_fill(mask, n);
    if (filter != NULL) {
        and_words(mask, filter->bits, n);
        if (filter->validity != NULL)
            and_words(mask, filter->validity, n);
    }
    for (uint32_t a = 0; a < n_args; a++)
        if (in->args[a]->validity != NULL)
            and_words(mask, in->args[a]->validity, n);
    in->n = (uint32_t)ds_bitmap_count(mask, n);
    in->rows = NULL;
    if (in->n < n) {
        in->n = ds_bitmap_indexes(mask, n, rows);
        in->rows = rows;
    }
}

/* Fetches the records of a large state into the cache, all at once, before they are needed one by
 * one. Inline, as gcc takes a call for nothing that only fetches. */
__attribute__((always_inline)) static inline void fetch_records(const ds_agg_state *state,
                                                                const uint32_t *ids, uint32_t n)
{
    size_t record = state->kernels->record;
    if (state->n * record < FETCH_FROM)
        return;
    for (uint32_t i = 0; i < n; i++) {
        const unsigned char *first = state->records + ids[i] * record;
        __builtin_prefetch(first, 1);
        __builtin_prefetch(first + record - 1, 1);
    }
}

static void update_call(ds_groups *groups, uint32_t c, ds_agg_rows *in, const ds_column *filter,
                        uint32_t n)
{
    ds_agg_state *state = &groups->states[c];
    uint32_t rows[DS_CHUNK_ROWS];
    select_rows(in, state->call->n_args, filter, n, rows);
    if (in->n > 0) {
        fetch_records(state, in->ids, n);
        state->kernels->update(state, in);
    }
    ds_agg_state_tidy(state);
}

static void update_block(ds_groups *groups, const ds_heap *heap, const ds_column *const *keys,
                         const ds_column *const *const *args, const ds_column *const *filters,
                         const int64_t *positions, uint32_t from, uint32_t n)
{
    ds_column parts[DS_MAX_KEYS];
    const ds_column *pointers[DS_MAX_KEYS];
    uint32_t ids[DS_CHUNK_ROWS];
    uint64_t hashes[DS_CHUNK_ROWS];
    ds_columns_slice(keys, groups->spec->n_keys, from, n, parts, pointers);
    hash_rows(groups, heap, pointers, n, hashes);
    put_keys(groups, heap, pointers, hashes, n, ids);
    ds_agg_rows in = {.heap = heap,
                      .args = pointers,
                      .positions = positions == NULL ? NULL : positions + from,
                      .ids = ids};
    for (uint32_t c = 0; c < groups->spec->n_calls; c++) {
        const ds_agg_call *call = &groups->spec->calls[c];
        if (call->n_args > 0)
            ds_columns_slice(args[c], call->n_args, from, n, parts, pointers);
        ds_column filter;
        bool filtered = filters != NULL && filters[c] != NULL;
        if (filtered)
            filter = ds_column_slice(filters[c], from, n);
        update_call(groups, c, &in, filtered ? &filter : NULL, n);
    }
}

void ds_groups_update(ds_groups *groups, const ds_heap *heap, const ds_column *const *keys,
                      const ds_column *const *const *args, const ds_column *const *filters,
                      const int64_t *positions, uint32_t n_rows)
{
    choose_hash(groups);
    for (uint32_t from = 0; from < n_rows; from += DS_CHUNK_ROWS) {
        uint32_t n = n_rows - from < DS_CHUNK_ROWS ? n_rows - from : DS_CHUNK_ROWS;
        update_block(groups, heap, keys, args, filters, positions, from, n);
    }
}

/* ---- Partials ---- */

static void note_merged(ds_groups *groups, const uint32_t *ids, uint32_t n)
{
    size_t words = ds_bitmap_words(ds_keys_limit(groups->keys));
    groups->merged = ds_grow(groups->merged, &groups->merged_room, words, sizeof *groups->merged,
                             groups->budget);
    for (uint32_t i = 0; i < n; i++)
        ds_bit_set(groups->merged, ids[i]);
    groups->any_merged = true;
}

/* Merges rows, whose groups are known, without their keys. */
static void merge_calls(ds_groups *groups, const ds_heap *heap, const ds_column *const *partials,
                        const uint32_t *ids, uint32_t n)
{
    for (uint32_t c = 0; c < groups->spec->n_calls; c++) {
        ds_agg_state *state = &groups->states[c];
        ds_type types[DS_MAX_PARTIAL];
        uint32_t n_columns = state->call->aggregate->partial(state->call, types);
        ds_agg_partials in = {.heap = heap, .columns = partials, .ids = ids, .n = n};
        fetch_records(state, ids, n);
        ds_agg_state_merge(state, &in);
        ds_agg_state_tidy(state);
        partials += n_columns;
    }
}

/* Merges up to a chunk of rows, whose hashes are known. */
static void merge_rows(ds_groups *groups, const ds_heap *heap, const ds_column *const *partials,
                       uint64_t *hashes, uint32_t n)
{
    uint32_t ids[DS_CHUNK_ROWS];
    if (ds_keys_are_quick(groups->keys))
        ds_quick_hash_rows(heap, partials, groups->spec->n_keys, n, hashes);
    put_keys(groups, heap, partials, hashes, n, ids);
    if (groups->watched)
        note_merged(groups, ids, n);
    merge_calls(groups, heap, partials + groups->spec->n_keys, ids, n);
}

/* Keeps the hashes within a range, and says which rows they are of. */
static uint32_t select_range(uint64_t *hashes, uint32_t n, uint32_t first, uint32_t last,
                             uint32_t *rows)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        rows[kept] = i;
        hashes[kept] = hashes[i];
        kept += (uint32_t)hashes[i] - first <= last - first;
    }
    return kept;
}

static void merge_block(ds_groups *groups, ds_arena *scratch, const ds_heap *heap,
                        const ds_column *const *partials, uint32_t n, uint32_t first, uint32_t last)
{
    uint64_t hashes[DS_CHUNK_ROWS];
    uint32_t rows[DS_CHUNK_ROWS];
    uint32_t n_columns = groups->spec->n_keys + groups->n_partials;
    ds_hash_rows(heap, partials, groups->spec->n_keys, n, hashes);
    if (first == 0 && last == UINT32_MAX) {
        merge_rows(groups, heap, partials, hashes, n);
        return;
    }
    uint32_t kept = select_range(hashes, n, first, last, rows);
    const ds_column **some = DS_ARENA_ARRAY(scratch, const ds_column *, n_columns + 1);
    for (uint32_t c = 0; c < n_columns && kept > 0; c++)
        some[c] = ds_column_gather(scratch, partials[c], rows, kept);
    if (kept > 0)
        merge_rows(groups, heap, some, hashes, kept);
}

void ds_groups_merge_range(ds_groups *groups, ds_arena *scratch, const ds_heap *heap,
                           const ds_column *const *partials, uint32_t n_rows, uint32_t first,
                           uint32_t last)
{
    DS_ASSERT(first <= last);
    uint32_t n_columns = groups->spec->n_keys + groups->n_partials;
    ds_column *parts = ds_calloc(n_columns, sizeof *parts);
    const ds_column **pointers = ds_calloc(n_columns, sizeof *pointers);
    for (uint32_t from = 0; from < n_rows; from += DS_CHUNK_ROWS) {
        uint32_t n = n_rows - from < DS_CHUNK_ROWS ? n_rows - from : DS_CHUNK_ROWS;
        ds_columns_slice(partials, n_columns, from, n, parts, pointers);
        merge_block(groups, scratch, heap, pointers, n, first, last);
    }
    free(pointers);
    free(parts);
}

void ds_groups_merge(ds_groups *groups, const ds_heap *heap, const ds_column *const *partials,
                     uint32_t n_rows)
{
    ds_groups_merge_range(groups, NULL, heap, partials, n_rows, 0, UINT32_MAX);
}

void ds_groups_keys(ds_groups *groups, ds_arena *arena, ds_heap *heap, const uint32_t *ids,
                    uint32_t n, ds_column **columns)
{
    ds_keys_columns(groups->keys, arena, heap, ids, n, columns);
}

void ds_groups_partials(ds_groups *groups, ds_arena *arena, ds_heap *heap, const uint32_t *ids,
                        uint32_t n, ds_column **columns)
{
    ds_keys_columns(groups->keys, arena, heap, ids, n, columns);
    ds_agg_out out = {.arena = arena, .heap = heap, .ids = ids, .n = n};
    out.columns = columns + groups->spec->n_keys;
    for (uint32_t c = 0; c < groups->spec->n_calls; c++) {
        ds_agg_state *state = &groups->states[c];
        ds_type types[DS_MAX_PARTIAL];
        state->kernels->partials(state, &out);
        out.columns += state->call->aggregate->partial(state->call, types);
    }
}

/* The columns of the calls. */
static void call_results(ds_groups *groups, ds_arena *arena, ds_heap *heap, const uint32_t *ids,
                         uint32_t n, ds_column **columns, uint64_t **overflows)
{
    ds_agg_out out = {.arena = arena, .heap = heap, .ids = ids, .n = n};
    for (uint32_t c = 0; c < groups->spec->n_calls; c++) {
        out.columns = columns + c;
        out.overflows = ds_agg_overflows_of(overflows, c);
        groups->states[c].kernels->results(&groups->states[c], &out);
    }
}

void ds_groups_results(ds_groups *groups, ds_arena *arena, ds_heap *heap, const uint32_t *ids,
                       uint32_t n, ds_column **columns, uint64_t **overflows)
{
    ds_keys_columns(groups->keys, arena, heap, ids, n, columns);
    call_results(groups, arena, heap, ids, n, columns + groups->spec->n_keys, overflows);
}

void ds_groups_results_of(ds_groups *groups, ds_arena *arena, ds_heap *heap,
                          const ds_column *const *partials, uint32_t n, ds_column **columns,
                          uint64_t **overflows)
{
    uint32_t ids[DS_CHUNK_ROWS];
    DS_ASSERT(n <= DS_CHUNK_ROWS);
    for (uint32_t i = 0; i < n; i++)
        ids[i] = i;
    for (uint32_t c = 0; c < groups->spec->n_calls; c++)
        ds_agg_state_grow(&groups->states[c], n);
    merge_calls(groups, heap, partials + groups->spec->n_keys, ids, n);
    call_results(groups, arena, heap, ids, n, columns, overflows);
}

/* ---- What changes ---- */

void ds_groups_watch(ds_groups *groups)
{
    groups->watched = true;
}

bool ds_groups_any_merged(const ds_groups *groups)
{
    return groups->any_merged;
}

bool ds_groups_was_merged(const ds_groups *groups, uint32_t id)
{
    return groups->any_merged && id < ds_keys_limit(groups->keys) &&
           id / 64 < groups->merged_room && ds_bit_get(groups->merged, id);
}

uint32_t ds_groups_merged(const ds_groups *groups, uint32_t *at, uint32_t *ids, uint32_t most)
{
    uint32_t n = 0, i = *at, limit = groups->any_merged ? ds_groups_count(groups) : 0;
    while (i < limit && n < most && i / 64 < groups->merged_room) {
        uint64_t word = groups->merged[i / 64] >> (i % 64);
        if (word == 0) {
            i = (i / 64 + 1) * 64;
            continue;
        }
        i += (uint32_t)__builtin_ctzll(word);
        ids[n++] = i++;
    }
    *at = i;
    return n;
}

void ds_groups_forget_merged(ds_groups *groups)
{
    if (groups->any_merged)
        memset(groups->merged, 0, groups->merged_room * sizeof *groups->merged);
    groups->any_merged = false;
}

void ds_groups_add(ds_groups *groups, const ds_heap *heap, const ds_column *const *keys,
                   uint32_t n_rows)
{
    ds_column parts[DS_MAX_KEYS];
    const ds_column *pointers[DS_MAX_KEYS];
    uint32_t ids[DS_CHUNK_ROWS];
    uint64_t hashes[DS_CHUNK_ROWS];
    for (uint32_t from = 0; from < n_rows; from += DS_CHUNK_ROWS) {
        uint32_t n = n_rows - from < DS_CHUNK_ROWS ? n_rows - from : DS_CHUNK_ROWS;
        ds_columns_slice(keys, groups->spec->n_keys, from, n, parts, pointers);
        hash_rows(groups, heap, pointers, n, hashes);
        put_keys(groups, heap, pointers, hashes, n, ids);
    }
}

/* ---- Numbers ---- */

uint32_t ds_groups_count(const ds_groups *groups)
{
    return ds_keys_count(groups->keys);
}

size_t ds_groups_bytes(const ds_groups *groups)
{
    size_t bytes = ds_keys_bytes(groups->keys) + groups->merged_room * sizeof *groups->merged;
    for (uint32_t c = 0; c < groups->spec->n_calls; c++)
        bytes += ds_agg_state_bytes(&groups->states[c]);
    return bytes;
}

uint64_t ds_groups_overflows(const ds_groups *groups)
{
    uint64_t overflows = 0;
    for (uint32_t c = 0; c < groups->spec->n_calls; c++)
        overflows += groups->states[c].overflows;
    return overflows;
}

const uint64_t *ds_groups_hashes(const ds_groups *groups)
{
    ds_keys_settle(groups->keys);
    return ds_keys_hashes(groups->keys);
}
