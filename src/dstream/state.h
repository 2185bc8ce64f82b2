/*
 * A state: what one key partition of a stream with "state" remembers of each key.
 *
 * A key has a number, and a record under that number: its key columns, its state columns and,
 * if there is a time-out, when it was last seen and its place in the order of those times. An
 * index leads from hashes to numbers. A batch touches the records of its keys, and of those
 * that time out, which are the first of the order; never all of them.
 *
 * Numbers of keys that are gone are given out again, the lowest first. When most numbers are
 * free, the keys with the highest ones move down, some in each batch; text is tidied as it is
 * dropped (state_text.h), the index joins its tables. So memory follows what is alive, and no
 * batch pays for the whole.
 *
 * A batch: ds_state_begin, then changes; ds_state_changed and ds_state_ended give what came of
 * it, in the same order, until the next ds_state_begin. Numbers and text are valid until then.
 * One thread. Columns are as in chunks: nulls are equal, -0.0 is 0.0. Times: milliseconds.
 */
#ifndef DS_DSTREAM_STATE_H
#define DS_DSTREAM_STATE_H

#include "base/saved.h"
#include "columnar/column.h"

typedef struct ds_state ds_state;

#define DS_NEW_KEY UINT32_MAX

typedef struct ds_state_spec {
    const ds_type *keys; /* no lists */
    uint32_t n_keys;     /* 1 .. 32 */
    const ds_type *values;
    uint32_t n_values;
    int64_t timeout_ms; /* 0: none */
} ds_state_spec;

/* Makes an empty state (spec borrowed) that charges budget (borrowed, may be NULL). */
ds_state *ds_state_new(const ds_state_spec *spec, ds_budget *budget);
void ds_state_free(ds_state *state);

/* Begins a batch: forgets what came of the one before, and tidies up. The cost is in proportion
 * to what the batches before this one took out. */
void ds_state_begin(ds_state *state);

/* ---- Keys ---- */

/* The number of each of n rows' keys (hashes as by ds_hash_rows), or DS_NEW_KEY. */
void ds_state_find(const ds_state *state, const ds_heap *heap, const ds_column *const *keys,
                   const uint64_t *hashes, uint32_t n, uint32_t *ids);

/* Columns of keys, or of values, by number; all null for DS_NEW_KEY. In arena, with text in the
 * state's memory, which is added to heap. */
void ds_state_keys(ds_state *state, ds_arena *arena, ds_heap *heap, const uint32_t *ids, uint32_t n,
                   ds_column **columns);
void ds_state_values(ds_state *state, ds_arena *arena, ds_heap *heap, const uint32_t *ids,
                     uint32_t n, ds_column **columns);

/* As both above together, keys first; columns that `wanted` leaves out become NULL. */
void ds_state_rows(ds_state *state, ds_arena *arena, ds_heap *heap, const uint32_t *ids, uint32_t n,
                   const bool *wanted, ds_column **columns);

/* How many keys there are; all numbers are below the limit. */
uint32_t ds_state_count(const ds_state *state);
uint32_t ds_state_limit(const ds_state *state);

/* The next numbers in use from *at on, at most `most`, ascending; moves *at. 0: no more. */
uint32_t ds_state_walk(const ds_state *state, uint32_t *at, uint32_t *ids, uint32_t most);

/* ---- Changes of a batch ---- */

/* All of these pass over rows whose number is DS_NEW_KEY. */

/* Adds the keys of those rows that have DS_NEW_KEY and are in `wanted` (bits; NULL: all), with null
 * for every value, and gives their numbers; text is copied. Equal keys may not stand in one call.
 * seen_ms: when they were last seen, not before any other key. */
void ds_state_add(ds_state *state, const ds_heap *heap, const ds_column *const *keys,
                  const uint64_t *hashes, uint32_t n, const uint64_t *wanted, int64_t seen_ms,
                  uint32_t *ids);

/* Gives keys new values, which are copied. A value of more than a gigabyte becomes null, and is
 * counted: the number of these is returned. */
uint32_t ds_state_set(ds_state *state, const ds_heap *heap, const uint32_t *ids,
                      const ds_column *const *values, uint32_t n);

/* Notes that keys were seen in the batch at seen_ms, the newest, and that they changed. */
void ds_state_see(ds_state *state, const uint32_t *ids, uint32_t n, int64_t seen_ms);

/* Takes keys out; not those that changed in this batch. */
void ds_state_remove(ds_state *state, const uint32_t *ids, uint32_t n);

/* The keys that are due to time out at t, at most `most`, those seen longest ago first: last
 * seen before t - timeout. Costs what it gives. */
uint32_t ds_state_due(const ds_state *state, int64_t t_ms, uint32_t *ids, uint32_t most);
/* When the key was last seen that was seen longest ago; INT64_MAX if there is none, or keys do not
 * time out. */
int64_t ds_state_oldest_ms(const ds_state *state);
/* Takes keys out that have timed out; they can be read until the next batch begins. */
void ds_state_end(ds_state *state, const uint32_t *ids, uint32_t n);

/* The keys that changed, and those that ended, in the batch that began last. Borrowed. */
const uint32_t *ds_state_changed(const ds_state *state, uint32_t *n);
const uint32_t *ds_state_ended(const ds_state *state, uint32_t *n);

/* ---- As bytes ---- */

/*
 * Frames of a part (kept.h); by tag, in this order:
 *
 * - 3: u32 the limit, u32 how many keys there are, u32 numbers that were freed in the last batch,
 *   u32 0.
 * - 4: u32 how many keys, u32 how many free numbers; u32 the number of each key; if there is a
 *   time-out, u32 the number of the key before it in the order of when they were last seen
 *   (2^32 - 1: none); u32 each free number; a 0 if that is an odd number of them; if there are
 *   keys, a piece (piece.h) of keys, values and, with a time-out, when they were last seen. As
 * often as it takes; all numbers ascend.
 *
 * Numbers, limit and order come back as they were: all that is read later, and its order, is the
 * same.
 */

/* True if anything changed since it was last saved or loaded; costs nothing. */
bool ds_state_unsaved(const ds_state *state);
/* Puts the frames of all numbers, or of those whose keys changed, came or went since it was last
 * saved or loaded. Fails as the writing does. Costs what it writes, and a bit for each number. */
ds_status ds_state_save(ds_state *state, bool whole, ds_saver *saver, ds_error *error);
/* Takes the frames up to the end, in a state that nothing was done to but loading; with `whole`
 * what is there goes first. Never trusts the bytes: DS_ERR_PROTOCOL; then it may only be freed. */
ds_status ds_state_load(ds_state *state, bool whole, ds_loader *loader, ds_error *error);

/* About what a key takes with its place in the index, without long text. */
size_t ds_state_key_bytes(const ds_state_spec *spec);

/* The memory that the state holds. */
size_t ds_state_bytes(const ds_state *state);

#endif
