#include "columnar/quick_hash.h"

#include "base/assert.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#define BLOCK 256u
#define ODD UINT64_C(0x9e3779b97f4a7c15) /* without a pattern */

/* Of this process only: so nobody can know which texts would have one hash. */
typedef struct secret {
    uint64_t a, b, c, d, null;
} secret;

static secret of_process;

static void choose_secret(void)
{
    ssize_t n = getrandom(&of_process, sizeof of_process, 0);
    DS_ASSERT(n == (ssize_t)sizeof of_process);
    of_process.b |= 1; /* a number is multiplied by it */
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static void hash_ints(const secret *s, const ds_column *column, uint32_t from, uint32_t n,
                      uint64_t *out)
{
    const int64_t *values = column->ints + from;
    for (uint32_t i = 0; i < n; i++)
        out[i] = mix((uint64_t)values[i] ^ s->a, s->b);
}

static void hash_floats(const secret *s, const ds_column *column, uint32_t from, uint32_t n,
                        uint64_t *out)
{
    const double *values = column->floats + from;
    for (uint32_t i = 0; i < n; i++) {
        double value = values[i] + 0.0; /* -0.0 becomes 0.0 */
        uint64_t word;
        memcpy(&word, &value, sizeof word);
        out[i] = mix(word ^ s->a, s->b);
    }
}

static void hash_bools(const secret *s, const ds_column *column, uint32_t from, uint32_t n,
                       uint64_t *out)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = ds_bit_get(column->bits, from + i) ? s->a : s->b;
}

/* Of a long view. */
static inline uint64_t hash_text(const secret *s, const ds_heap *heap, const ds_view *view)
{
    const char *text = heap->buffers[view->ref.buffer] + view->ref.offset;
    uint64_t words[4];
    if (view->length > DS_FEW_BYTES)
        return XXH3_64bits_withSeed(text, view->length, s->a);
    ds_few_words(text, view->length, words);
    uint64_t length = view->length * ODD; /* else a byte that is one more might make up for it */
    return mix(words[0] ^ s->a, words[1] ^ s->b) ^ mix((words[2] ^ s->c) + length, words[3] ^ s->d);
}

/* All are hashed by their views first, and then long ones again. */
static void hash_strings(const secret *s, const ds_heap *heap, const ds_column *column,
                         uint32_t from, uint32_t n, uint64_t *out)
{
    const ds_view *views = column->views + from;
    uint32_t rows[BLOCK], n_long = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t words[2];
        memcpy(words, &views[i], sizeof words);
        out[i] = mix(words[0] ^ s->a, words[1] ^ s->b);
        rows[n_long] = i;
        n_long += views[i].length > DS_INLINE_BYTES;
    }
    for (uint32_t i = 0; i < n_long; i++)
        out[rows[i]] = hash_text(s, heap, &views[rows[i]]);
}

static void hash_nulls(const secret *s, const ds_column *column, uint32_t from, uint32_t n,
                       uint64_t *out)
{
    for (uint32_t i = 0; column->validity != NULL && i < n; i++)
        if (!ds_bit_get(column->validity, from + i))
            out[i] = s->null;
}

static void hash_column(const secret *s, const ds_heap *heap, const ds_column *column,
                        uint32_t from, uint32_t n, uint64_t *out)
{
    switch (column->type.kind) {
    case DS_BOOL: hash_bools(s, column, from, n, out); break;
    case DS_FLOAT: hash_floats(s, column, from, n, out); break;
    case DS_STRING: hash_strings(s, heap, column, from, n, out); break;
    case DS_INT:
    case DS_TIMESTAMP: hash_ints(s, column, from, n, out); break;
    default: DS_UNREACHABLE(); /* lists are no keys */
    }
    hash_nulls(s, column, from, n, out);
}

/* What one of several keys adds to the hash: a number is taken as it is, as it is multiplied by
 * what hangs on the secret anyway. room: for n others. */
static const uint64_t *part_of_hash(const secret *s, const ds_heap *heap, const ds_column *column,
                                    uint32_t from, uint32_t n, uint64_t *room)
{
    const uint64_t *numbers = (const uint64_t *)column->ints + from;
    bool is_number = column->type.kind == DS_INT || column->type.kind == DS_TIMESTAMP;
    if (is_number && column->validity == NULL)
        return numbers;
    if (is_number) {
        memcpy(room, numbers, n * sizeof *room);
        hash_nulls(s, column, from, n, room);
    } else {
        hash_column(s, heap, column, from, n, room);
    }
    return room;
}

static void hash_block(const secret *s, const ds_heap *heap, const ds_column *const *keys,
                       uint32_t n_keys, uint32_t from, uint32_t n, uint64_t *out)
{
    uint64_t room[BLOCK];
    if (n_keys == 1) {
        hash_column(s, heap, keys[0], from, n, out);
        return;
    }
    const uint64_t *before = part_of_hash(s, heap, keys[0], from, n, out);
    for (uint32_t k = 1; k < n_keys; k++, before = out) {
        const uint64_t *next = part_of_hash(s, heap, keys[k], from, n, room);
        for (uint32_t i = 0; i < n; i++)
            out[i] = mix(before[i] ^ s->c, next[i] ^ s->d);
    }
}

void ds_quick_hash_rows(const ds_heap *heap, const ds_column *const *keys, uint32_t n_keys,
                        uint32_t n_rows, uint64_t *hashes)
{
    static pthread_once_t chosen = PTHREAD_ONCE_INIT;
    pthread_once(&chosen, choose_secret);
    const secret s = of_process;
    if (n_keys == 0)
        memset(hashes, 0, (size_t)n_rows * sizeof *hashes);
    for (uint32_t from = 0; n_keys > 0 && from < n_rows; from += BLOCK) {
        uint32_t n = n_rows - from < BLOCK ? n_rows - from : BLOCK;
        hash_block(&s, heap, keys, n_keys, from, n, hashes + from);
    }
}
