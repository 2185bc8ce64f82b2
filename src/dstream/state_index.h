/*
 * The index of a state: from a key's hash to its number.
 *
 * It holds pairs of a hash (the low half of ds_hash_rows; the high half chose the partition)
 * and a number; whether the keys are equal is for the caller to see. Nothing is ever done to
 * the whole: the index is made of small tables, and one that is full is split in two, one that
 * is nearly empty joined with its other half (extendible hashing). So the batch in which ten
 * million keys become one more pays for a table of some thousand. One thread.
 */
#ifndef DS_DSTREAM_STATE_INDEX_H
#define DS_DSTREAM_STATE_INDEX_H

#include "base/memory.h"

#define DS_NO_ID UINT32_MAX

typedef struct ds_index_slot {
    uint32_t hash;
    uint32_t id; /* DS_NO_ID: free */
} ds_index_slot;

typedef struct ds_index_table {
    ds_index_slot *slots;
    uint32_t mask;  /* slots - 1 */
    uint32_t count; /* slots in use: three quarters at most */
    uint32_t depth; /* all hashes in it have this many first bits in common */
} ds_index_table;

typedef struct ds_state_index {
    ds_budget *budget;
    ds_index_table **directory; /* by the first `depth` bits of a hash */
    uint32_t depth;
    uint32_t n_deepest; /* tables of that depth */
    size_t bytes;
} ds_state_index;

/* Prepares an empty index that charges budget (borrowed, may be NULL). */
void ds_state_index_init(ds_state_index *index, ds_budget *budget);
void ds_state_index_fini(ds_state_index *index);

/* Adds a pair; the number is not in the index. */
void ds_state_index_add(ds_state_index *index, uint32_t hash, uint32_t id);
/* Takes a pair out that is there. */
void ds_state_index_remove(ds_state_index *index, uint32_t hash, uint32_t id);
/* Gives the pair that is there another number. */
void ds_state_index_renumber(ds_state_index *index, uint32_t hash, uint32_t from, uint32_t to);

/* Where a look-up stands. */
typedef struct ds_index_cursor {
    const ds_index_table *table;
    uint32_t at;
} ds_index_cursor;

static inline ds_index_table *ds_index_table_of(const ds_state_index *index, uint32_t hash)
{
    return index->directory[index->depth == 0 ? 0 : hash >> (32 - index->depth)];
}

/* The first number with each of n hashes (their low halves), or DS_NO_ID. */
void ds_state_index_find(const ds_state_index *index, const uint64_t *hashes, uint32_t n,
                         uint32_t *ids);

/* The next number with this hash, or DS_NO_ID. */
static inline uint32_t ds_state_index_next(ds_index_cursor *cursor, uint32_t hash)
{
    const ds_index_table *table = cursor->table;
    for (;;) {
        ds_index_slot slot = table->slots[cursor->at];
        if (slot.id == DS_NO_ID)
            return DS_NO_ID;
        cursor->at = (cursor->at + 1) & table->mask;
        if (slot.hash == hash)
            return slot.id;
    }
}

/* The first number with this hash, or DS_NO_ID; the cursor is for the next ones. */
static inline uint32_t ds_state_index_first(const ds_state_index *index, uint32_t hash,
                                            ds_index_cursor *cursor)
{
    cursor->table = ds_index_table_of(index, hash);
    cursor->at = hash & cursor->table->mask;
    return ds_state_index_next(cursor, hash);
}

#endif
