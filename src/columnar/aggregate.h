/*
 * Exact aggregates (app-format, section 6) and the hash table that groups by key.
 *
 * An aggregate keeps a state for each group. The state of a group can always be written as
 * plain columns (its *partial*: avg is a sum and a count, median is a list of values and a
 * list of counts), merged from such columns, and finished into one result column. So map
 * tasks update groups from rows, shuffle pieces and panes are partials, reduce tasks merge
 * them, and windows add and (where that is exact) subtract them.
 *
 * Order: first, last, lists and ties of min_by/max_by follow the positions of the rows
 * within one table, and the order of merges between tables. Float sums are added in the
 * order of arrival: the same input in the same partitions gives the same bits.
 *
 * Errors: an int sum is kept in 128 bits; a result that does not fit is null and counted by
 * ds_groups_overflows.
 */
#ifndef DS_COLUMNAR_AGGREGATE_H
#define DS_COLUMNAR_AGGREGATE_H

#include "base/buffer.h"
#include "columnar/expr.h"

/* How a window may take a partial out again. */
typedef enum ds_slide {
    DS_SLIDE_SUBTRACT, /* exact inverse: counts, int sums, counted values */
    DS_SLIDE_COMBINE,  /* associative only: float sums, min, max, variance ... */
} ds_slide;

typedef struct ds_aggregate {
    const char *name;
    uint32_t n_args; /* column arguments at most */
    const char *usage;
    bool ordered; /* the result depends on the order of rows */
    bool user;    /* of user_functions.h: what does not fit is a failure of it */
    /* Types: checks arg types, may ask for float; sets the result's type and how windows
     * slide. Same contract as ds_function.resolve, r->literals for q and separators. */
    bool (*resolve)(ds_resolve *r, ds_agg_call *call);
    /* The partial's columns: fills types, returns how many (<= DS_MAX_PARTIAL). */
    uint32_t (*partial)(const ds_agg_call *call, ds_type *types);
    ds_slide (*slide)(const ds_agg_call *call);
    const struct ds_aggregate_ops *ops; /* private to the aggregate files */
} ds_aggregate;

#define DS_MAX_PARTIAL 6u

/* The aggregate of a lower-case name, or NULL; and all of them. */
const ds_aggregate *ds_aggregate_find(const char *name);
void ds_aggregate_each(void (*fn)(const ds_aggregate *aggregate, void *arg), void *arg);

/* What a table groups by and computes. Immutable, shared by tasks. */
typedef struct ds_group_spec {
    const ds_type *keys;
    uint32_t n_keys; /* 0: one group for all rows, present even without rows */
    const ds_agg_call *calls;
    uint32_t n_calls;
} ds_group_spec;

/* Partial columns of a spec in order: keys, then each call's. Returns how many;
 * types may be NULL. */
uint32_t ds_group_partial_types(const ds_group_spec *spec, ds_type *types);

/* The stable hash that decides partitions: the same in every process and version, -0.0 as
 * 0.0, nulls as one value. hashes[i] for each row. (XXH3-64 of the values, combined.) */
void ds_hash_rows(const ds_heap *heap, const ds_column *const *keys, uint32_t n_keys,
                  uint32_t n_rows, uint64_t *hashes);
/* The partition of a hash, from its high bits. */
static inline uint32_t ds_hash_partition(uint64_t hash, uint32_t n_partitions)
{
    return (uint32_t)(((hash >> 32) * n_partitions) >> 32);
}

typedef struct ds_groups ds_groups; /* a table: group ids 0 .. n-1 in order of appearance */

/* Makes an empty table that charges budget. Free with ds_groups_free. One thread. */
ds_groups *ds_groups_new(const ds_group_spec *spec, ds_budget *budget);
void ds_groups_free(ds_groups *groups);
/* Empties the table and keeps its memory. */
void ds_groups_clear(ds_groups *groups);
/* Says how many groups an empty table will have, more or less: it need not grow to them. Nothing
 * else, not even ds_groups_bytes, depends on it. */
void ds_groups_reserve(ds_groups *groups, uint32_t count);

/* Adds rows: keys[n_keys], args[call] arrays of argument columns, filters[call] NULL or a bool
 * column (null and false rows are passed over). Strings are copied if they are new keys. */
void ds_groups_update(ds_groups *groups, const ds_heap *heap, const ds_column *const *keys,
                      const ds_column *const *const *args, const ds_column *const *filters,
                      const int64_t *positions, uint32_t n_rows);

/* Adds partials (columns as ds_group_partial_types), as written by ds_groups_partials. */
void ds_groups_merge(ds_groups *groups, const ds_heap *heap, const ds_column *const *partials,
                     uint32_t n_rows);

/* As ds_groups_merge, but only of rows the low half of whose hash is first .. last: so a table that
 * would be too large can be made in passes. scratch holds rows for a while. */
void ds_groups_merge_range(ds_groups *groups, ds_arena *scratch, const ds_heap *heap,
                           const ds_column *const *partials, uint32_t n_rows, uint32_t first,
                           uint32_t last);

/* From now on the groups that partials are merged into are noted, until that is forgotten (or the
 * table is cleared): whether there are any, a group is one of them, and all of them, from *at on
 * (at most `most`, ascending; moves *at; 0: no more). */
void ds_groups_watch(ds_groups *groups);
bool ds_groups_any_merged(const ds_groups *groups);
bool ds_groups_was_merged(const ds_groups *groups, uint32_t id);
uint32_t ds_groups_merged(const ds_groups *groups, uint32_t *at, uint32_t *ids, uint32_t most);
void ds_groups_forget_merged(ds_groups *groups);

/* Adds groups of no rows, for keys that are new. */
void ds_groups_add(ds_groups *groups, const ds_heap *heap, const ds_column *const *keys,
                   uint32_t n_rows);

/* How many groups there are, the memory they hold, and how many results did not fit so far. */
uint32_t ds_groups_count(const ds_groups *groups);
size_t ds_groups_bytes(const ds_groups *groups);
uint64_t ds_groups_overflows(const ds_groups *groups);
/* The stored hash of each group (as ds_hash_rows). */
const uint64_t *ds_groups_hashes(const ds_groups *groups);

/* The key columns of the groups ids[0..n), as ds_groups_results gives them. */
void ds_groups_keys(ds_groups *groups, ds_arena *arena, ds_heap *heap, const uint32_t *ids,
                    uint32_t n, ds_column **columns);

/* Partial columns of the groups ids[0..n) (n may exceed a chunk), in arena, with text in heap
 * or in the table's memory added to heap: valid while the table is unchanged. */
void ds_groups_partials(ds_groups *groups, ds_arena *arena, ds_heap *heap, const uint32_t *ids,
                        uint32_t n, ds_column **columns);

/* Result columns of the groups ids[0..n): keys, then one for each call. As above. overflows (NULL,
 * or one for each call) become NULL, or in arena n bits: the results that did not fit. */
void ds_groups_results(ds_groups *groups, ds_arena *arena, ds_heap *heap, const uint32_t *ids,
                       uint32_t n, ds_column **columns, uint64_t **overflows);

/* Results of partials (n <= DS_CHUNK_ROWS) each of which is a group of its own: the columns of the
 * calls as ds_groups_results makes them of a table that these were merged into, without one. groups
 * is empty, is of no other use afterwards, and has text of the results. */
void ds_groups_results_of(ds_groups *groups, ds_arena *arena, ds_heap *heap,
                          const ds_column *const *partials, uint32_t n, ds_column **columns,
                          uint64_t **overflows);

#endif
