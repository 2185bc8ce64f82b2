/*
 * What aggregates that count values have in common: one table for all groups has the keys (group,
 * value), and a count for each key. A partial is a list of values and a list of counts.
 *
 * Counts go up (or down) by blocks of values; what that means is the aggregate's.
 */
#ifndef DS_COLUMNAR_AGG_VALUE_COUNTS_H
#define DS_COLUMNAR_AGG_VALUE_COUNTS_H

#include "columnar/agg_state.h"
#include "columnar/keys.h"

#define DS_COUNTS_BLOCK 1024u

/* The first member of state->extra. */
typedef struct ds_counts {
    ds_keys *keys;  /* columns: group (int), value */
    int64_t *times; /* by key; 0: a number not in use */
    uint32_t room;
    ds_arena *scratch;
} ds_counts;

/* For the open, close, clear and bytes of ds_agg_kernels. */
void ds_counts_init(ds_counts *counts, const ds_agg_state *state);
void ds_counts_fini(ds_counts *counts, const ds_agg_state *state);
void ds_counts_clear(ds_counts *counts);
size_t ds_counts_bytes(const ds_counts *counts);

/* Counts n values, whose keys are in the table now, for the groups ids. times NULL: once each. */
typedef void (*ds_count_fn)(ds_agg_state *state, const uint32_t *keys, const int64_t *ids,
                            const int64_t *times, uint32_t n);

/* Puts n <= DS_COUNTS_BLOCK values without nulls into the table, and counts them. */
void ds_counts_block(ds_agg_state *state, const ds_heap *heap, const ds_column *values,
                     const int64_t *ids, const int64_t *times, uint32_t n, ds_count_fn count);

/* The same for the values of a column at rows[0..n); empties the scratch. */
void ds_counts_rows(ds_agg_state *state, const ds_heap *heap, const ds_column *column,
                    const uint32_t *rows, const int64_t *ids, const int64_t *times, uint32_t n,
                    ds_count_fn count);

/* The update of ds_agg_kernels. */
void ds_counts_update(ds_agg_state *state, const ds_agg_rows *in, ds_count_fn count);

/* Elements of a column of values. */
typedef struct ds_counts_elements {
    uint32_t n, room;
    uint32_t *rows;
    int64_t *ids, *times; /* the group, and how often */
} ds_counts_elements;

/* Counts elements; the caller forgets them. */
typedef void (*ds_counts_take_fn)(ds_agg_state *state, const ds_heap *heap, const ds_column *column,
                                  const ds_counts_elements *elements, void *arg);

/* Collects elements of partials, and has them taken whenever there is no more room for one, and at
 * the end. What no table of ours writes (nulls, counts below least, lists of two lengths) is passed
 * over. */
void ds_counts_lists(ds_agg_state *state, const ds_agg_partials *in, int64_t least,
                     ds_counts_elements *elements, ds_counts_take_fn take, void *arg);

/* The second column of partials: the counts of these keys, as many as the first one has elements,
 * less a number. */
void ds_counts_put(const ds_agg_state *state, const ds_agg_out *out, const uint32_t *keys,
                   int64_t less);

/* For ds_aggregate. */
uint32_t ds_counts_partial(const ds_agg_call *call, ds_type *types);

#endif
