#include "columnar/quick_hash.h"

#include "base/assert.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define BLOCK 256u

/* Odd numbers without a pattern. */
#define A UINT64_C(0x9e3779b97f4a7c15)
#define B UINT64_C(0xe7037ed1a0b428db)
#define C UINT64_C(0x8ebc6af09c88c6e3)
#define D UINT64_C(0x589965cc75374cc3)
#define NULL_HASH UINT64_C(0x1d8e4e27c47d124f)

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static void hash_ints(const ds_column *column, uint32_t from, uint32_t n, uint64_t *out)
{
    const int64_t *values = column->ints + from;
    for (uint32_t i = 0; i < n; i++)
        out[i] = mix((uint64_t)values[i] ^ A, B);
}

static void hash_floats(const ds_column *column, uint32_t from, uint32_t n, uint64_t *out)
{
    const double *values = column->floats + from;
    for (uint32_t i = 0; i < n; i++) {
        double value = values[i] + 0.0; /* -0.0 becomes 0.0 */
        uint64_t word;
        memcpy(&word, &value, sizeof word);
        out[i] = mix(word ^ A, B);
    }
}

static void hash_bools(const ds_column *column, uint32_t from, uint32_t n, uint64_t *out)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = ds_bit_get(column->bits, from + i) ? A : B;
}

/* Of a long view. */
static inline uint64_t hash_text(const ds_heap *heap, const ds_view *view)
{
    const char *text = heap->buffers[view->ref.buffer] + view->ref.offset;
    uint64_t words[4];
    if (view->length > DS_FEW_BYTES)
        return XXH3_64bits(text, view->length);
    ds_few_words(text, view->length, words);
    return mix(words[0] ^ A, words[1] ^ B) ^ mix((words[2] ^ C) + view->length, words[3] ^ D);
}

/* All are hashed by their views first, and then long ones again. */
static void hash_strings(const ds_heap *heap, const ds_column *column, uint32_t from, uint32_t n,
                         uint64_t *out)
{
    const ds_view *views = column->views + from;
    uint32_t rows[BLOCK], n_long = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t words[2];
        memcpy(words, &views[i], sizeof words);
        out[i] = mix(words[0] ^ A, words[1] ^ B);
        rows[n_long] = i;
        n_long += views[i].length > DS_INLINE_BYTES;
    }
    for (uint32_t i = 0; i < n_long; i++)
        out[rows[i]] = hash_text(heap, &views[rows[i]]);
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
    for (uint32_t i = 0; column->validity != NULL && i < n; i++)
        if (!ds_bit_get(column->validity, from + i))
            out[i] = NULL_HASH;
}

static void hash_block(const ds_heap *heap, const ds_column *const *keys, uint32_t n_keys,
                       uint32_t from, uint32_t n, uint64_t *out)
{
    uint64_t next[BLOCK];
    hash_column(heap, keys[0], from, n, out);
    for (uint32_t k = 1; k < n_keys; k++) {
        hash_column(heap, keys[k], from, n, next);
        for (uint32_t i = 0; i < n; i++)
            out[i] = mix(out[i] ^ C, next[i] ^ D);
    }
}

void ds_quick_hash_rows(const ds_heap *heap, const ds_column *const *keys, uint32_t n_keys,
                        uint32_t n_rows, uint64_t *hashes)
{
    if (n_keys == 0)
        memset(hashes, 0, (size_t)n_rows * sizeof *hashes);
    for (uint32_t from = 0; n_keys > 0 && from < n_rows; from += BLOCK) {
        uint32_t n = n_rows - from < BLOCK ? n_rows - from : BLOCK;
        hash_block(heap, keys, n_keys, from, n, hashes + from);
    }
}
