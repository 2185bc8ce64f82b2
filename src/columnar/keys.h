/*
 * Keys: a hash table that gives each different row of key columns a number.
 *
 * Numbers count from 0 in order of appearance; those of removed keys are given out again.
 * What belongs to a key (aggregate states, panes) is kept by others in arrays by number.
 * Nulls are equal to each other, and -0.0 is 0.0 (and is kept as 0.0). One thread.
 */
#ifndef DS_COLUMNAR_KEYS_H
#define DS_COLUMNAR_KEYS_H

#include "columnar/column.h"

#define DS_MAX_KEYS 32u

typedef struct ds_keys ds_keys;

/* Makes an empty table of n_columns <= DS_MAX_KEYS columns (types copied; no lists) that
 * charges budget (borrowed, may be NULL). Without columns it has one key, number 0, for good. */
ds_keys *ds_keys_new(const ds_type *types, uint32_t n_columns, ds_budget *budget);
void ds_keys_free(ds_keys *keys);
/* Empties the table and keeps its memory. */
void ds_keys_clear(ds_keys *keys);
/* Lets an empty table have slots for so many keys at once: it need not grow to them. What
 * ds_keys_bytes says does not depend on it. */
void ds_keys_reserve(ds_keys *keys, uint32_t count);

/* Gives the number of each row's key, adding those that are new (text is copied). hashes as
 * by ds_hash_rows. 5 to 10 ns a row in the cache. */
void ds_keys_put(ds_keys *keys, const ds_heap *heap, const ds_column *const *columns,
                 const uint64_t *hashes, uint32_t n_rows, uint32_t *ids);

/* Makes an empty table with columns one that is given hashes as by ds_quick_hash_rows
 * (quick_hash.h), until it is cleared, and from which no key is taken. */
void ds_keys_be_quick(ds_keys *keys);
bool ds_keys_are_quick(const ds_keys *keys);
/* Makes all hashes of such a table those of ds_hash_rows; to be done before ds_keys_hashes. The
 * keys are looked up, and more are put in, as before. */
void ds_keys_settle(ds_keys *keys);

#define DS_NO_KEY UINT32_MAX

/* As ds_keys_put, but adds nothing: DS_NO_KEY where there is no such key. Several threads may look
 * up at once. Not for a table without columns. */
void ds_keys_find(const ds_keys *keys, const ds_heap *heap, const ds_column *const *columns,
                  const uint64_t *hashes, uint32_t n_rows, uint32_t *ids);

/* The rows in the order in which a table of their keys holds them: a large table that takes many
 * rows in this order is gone through once, from one end to the other. sorted: n words. */
void ds_keys_order(const uint64_t *hashes, uint32_t n_rows, uint64_t *sorted, uint32_t *order);

/* Takes a key out, by its number. Not for a table without columns. */
void ds_keys_remove(ds_keys *keys, uint32_t id);

/* How many keys there are; all numbers are below the limit. */
uint32_t ds_keys_count(const ds_keys *keys);
uint32_t ds_keys_limit(const ds_keys *keys);
/* The hash of each key, by number. Valid until the next put. */
const uint64_t *ds_keys_hashes(const ds_keys *keys);
/* One column of fixed width by number, as it is kept: int64_t, or the bits of a double. */
const uint64_t *ds_keys_words(const ds_keys *keys, uint32_t column);
/* A string column by number; views refer to the buffers of ds_keys_heap. */
const ds_view *ds_keys_views(const ds_keys *keys, uint32_t column);
const ds_heap *ds_keys_heap(const ds_keys *keys);

/* Makes the key columns of ids[0..n) in arena; the table's text is added to heap, and is valid
 * while the table is unchanged. */
void ds_keys_columns(ds_keys *keys, ds_arena *arena, ds_heap *heap, const uint32_t *ids, uint32_t n,
                     ds_column **columns);

/* One of them. */
ds_column *ds_keys_column(ds_keys *keys, uint32_t c, ds_arena *arena, ds_heap *heap,
                          const uint32_t *ids, uint32_t n);

/* The memory that the keys hold. */
size_t ds_keys_bytes(const ds_keys *keys);

#endif
