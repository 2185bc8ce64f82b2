/*
 * The stable hash of keys. It decides in which partition a key lives, and partitions outlive
 * processes: this definition never changes.
 *
 *     one value    XXH3-64 (seed 0) of these bytes, little-endian:
 *         int, timestamp      its 8 bytes
 *         float               its 8 bytes, of 0.0 for -0.0
 *         bool                one byte, 0 or 1
 *         string              up to 12 bytes: the 16 bytes of its view, that is its length
 *                             as 4 bytes and the text padded to 12 with zeros;
 *                             longer: the text
 *         null of any type    no bytes
 *     one column   the hash of its value
 *     more         h = hash of the first; then for each further column
 *                  h = XXH3-64 of 16 bytes: h, hash of the column's value
 *     none         0
 *
 * Short strings are hashed by their view because a length known at compile time takes one
 * branch-free path, where words of one to twelve letters would take three in turn.
 */
#define XXH_INLINE_ALL
#include "base/assert.h"
#include "columnar/aggregate.h"

#include <xxhash.h>

#define BLOCK 256u

static uint64_t hash_word(uint64_t word)
{
    return XXH3_64bits(&word, sizeof word);
}

static void hash_ints(const ds_column *column, uint32_t from, uint32_t n, uint64_t *out)
{
    const int64_t *values = column->ints + from;
    for (uint32_t i = 0; i < n; i++)
        out[i] = hash_word((uint64_t)values[i]);
}

static void hash_floats(const ds_column *column, uint32_t from, uint32_t n, uint64_t *out)
{
    const double *values = column->floats + from;
    for (uint32_t i = 0; i < n; i++) {
        double value = values[i] + 0.0; /* -0.0 becomes 0.0 */
        uint64_t word;
        memcpy(&word, &value, sizeof word);
        out[i] = hash_word(word);
    }
}

static void hash_bools(const ds_column *column, uint32_t from, uint32_t n, uint64_t *out)
{
    static const unsigned char bytes[2] = {0, 1};
    const uint64_t hashes[2] = {XXH3_64bits(&bytes[0], 1), XXH3_64bits(&bytes[1], 1)};
    for (uint32_t i = 0; i < n; i++)
        out[i] = hashes[ds_bit_get(column->bits, from + i)];
}

static void hash_strings(const ds_heap *heap, const ds_column *column, uint32_t from, uint32_t n,
                         uint64_t *out)
{
    const ds_view *views = column->views + from;
    for (uint32_t i = 0; i < n; i++) {
        const ds_view *view = &views[i];
        if (view->length <= DS_INLINE_BYTES)
            out[i] = XXH3_64bits(view, sizeof *view);
        else
            out[i] = XXH3_64bits(heap->buffers[view->ref.buffer] + view->ref.offset, view->length);
    }
}

static void hash_column(const ds_heap *heap, const ds_column *column, uint32_t from, uint32_t n,
                        uint64_t *out)
{
    switch (column->type.kind) {
    case DS_BOOL: hash_bools(column, from, n, out); break;
    case DS_FLOAT: hash_floats(column, from, n, out); break;
    case DS_STRING: hash_strings(heap, column, from, n, out); break;
    case DS_INT:
    case DS_TIMESTAMP: hash_ints(column, from, n, out); break;
    default: DS_UNREACHABLE(); /* lists are no keys */
    }
    if (column->validity == NULL)
        return;
    const uint64_t null = XXH3_64bits("", 0);
    for (uint32_t i = 0; i < n; i++)
        if (!ds_bit_get(column->validity, from + i))
            out[i] = null;
}

static void hash_block(const ds_heap *heap, const ds_column *const *keys, uint32_t n_keys,
                       uint32_t from, uint32_t n, uint64_t *out)
{
    uint64_t next[BLOCK];
    hash_column(heap, keys[0], from, n, out);
    for (uint32_t k = 1; k < n_keys; k++) {
        hash_column(heap, keys[k], from, n, next);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t pair[2] = {out[i], next[i]};
            out[i] = XXH3_64bits(pair, sizeof pair);
        }
    }
}

void ds_hash_rows(const ds_heap *heap, const ds_column *const *keys, uint32_t n_keys,
                  uint32_t n_rows, uint64_t *hashes)
{
    if (n_keys == 0)
        memset(hashes, 0, (size_t)n_rows * sizeof *hashes);
    for (uint32_t from = 0; n_keys > 0 && from < n_rows; from += BLOCK) {
        uint32_t n = n_rows - from < BLOCK ? n_rows - from : BLOCK;
        hash_block(heap, keys, n_keys, from, n, hashes + from);
    }
}
