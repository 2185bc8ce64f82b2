/*
 * A hash for tables that are looked up by nobody but the task that makes them. It is faster than
 * ds_hash_rows, as it decides nothing that outlives the table: it is another in each process, so
 * that nobody can send keys that all have one hash.
 *
 * And it takes no branch for strings of up to 32 bytes, where lengths cannot be foreseen.
 */
#ifndef DS_COLUMNAR_QUICK_HASH_H
#define DS_COLUMNAR_QUICK_HASH_H

#include "columnar/column.h"

/* hashes[i] for each row; -0.0 as 0.0, nulls as one value. n_keys may be 0. */
void ds_quick_hash_rows(const ds_heap *heap, const ds_column *const *keys, uint32_t n_keys,
                        uint32_t n_rows, uint64_t *hashes);

#define DS_FEW_BYTES 32u /* what four words can hold */

/* The text of a long view of at most DS_FEW_BYTES as four words, which overlap if it is shorter. */
static inline void ds_few_words(const char *text, uint32_t length, uint64_t words[4])
{
    uint32_t last = length - 8;
    memcpy(&words[0], text, 8);
    memcpy(&words[1], text + (last < 8 ? last : 8), 8);
    memcpy(&words[2], text + (last < 8 ? 0 : last - 8), 8);
    memcpy(&words[3], text + last, 8);
}

#endif
