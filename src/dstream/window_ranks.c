#include "dstream/window_ranks.h"

#include "base/assert.h"
#include "columnar/growable.h"
#include "dstream/window_record.h"

#include <stdlib.h>

#define BLOCK 64u   /* keys: a word of bits */
#define FEW_TIMES 2 /* so many blocks for each key that is wanted, or a bound leaves out few */

struct ds_window_ranks {
    ds_rank_order order;
    uint64_t *merits; /* by key; 0: it is not there */
    uint64_t *best;   /* by block, as are: */
    uint64_t *stale;  /* bits */
    uint64_t *misfits;
    uint32_t n_blocks;
    uint32_t merits_room, best_room, stale_room, misfits_room;
};

void ds_window_ranks_grow(ds_window *window, uint32_t limit)
{
    ds_window_ranks *ranks = window->ranks;
    uint32_t n_blocks = (limit + BLOCK - 1) / BLOCK;
    if (ranks == NULL || n_blocks <= ranks->n_blocks)
        return;
    const size_t word = sizeof(uint64_t);
    ds_budget *budget = window->budget;
    ranks->merits =
        ds_grow(ranks->merits, &ranks->merits_room, (uint64_t)n_blocks * BLOCK, word, budget);
    ranks->best = ds_grow(ranks->best, &ranks->best_room, n_blocks, word, budget);
    ranks->stale = ds_grow(ranks->stale, &ranks->stale_room, n_blocks, word, budget);
    ranks->misfits = ds_grow(ranks->misfits, &ranks->misfits_room, n_blocks, word, budget);
    ranks->n_blocks = n_blocks;
}

static void begin(ds_window *window, const ds_rank_order *order)
{
    ds_window_ranks_free(window);
    window->ranks = ds_calloc(1, sizeof *window->ranks);
    window->ranks->order = *order;
    ds_window_ranks_grow(window, ds_keys_limit(window->keys));
    memset(window->ranks->stale, 0xff, window->ranks->n_blocks * sizeof(uint64_t));
}

bool ds_window_ranks_keep(ds_window *window, const ds_rank_order *order, uint64_t limit)
{
    const ds_window_ranks *ranks = window->ranks;
    DS_ASSERT(!window->single);
    const uint32_t n_keys = ds_keys_limit(window->keys);
    if (n_keys == 0 || n_keys / BLOCK / FEW_TIMES < limit) {
        ds_window_ranks_free(window);
        return false;
    }
    if (ranks == NULL || ranks->order.call != order->call ||
        ranks->order.descending != order->descending ||
        ranks->order.nulls_first != order->nulls_first)
        begin(window, order);
    return true;
}

void ds_window_ranks_free(ds_window *window)
{
    ds_window_ranks *ranks = window->ranks;
    if (ranks == NULL)
        return;
    const size_t word = sizeof(uint64_t);
    ds_grow_free(ranks->merits, &ranks->merits_room, word, window->budget);
    ds_grow_free(ranks->best, &ranks->best_room, word, window->budget);
    ds_grow_free(ranks->stale, &ranks->stale_room, word, window->budget);
    ds_grow_free(ranks->misfits, &ranks->misfits_room, word, window->budget);
    free(ranks);
    window->ranks = NULL;
}

size_t ds_window_ranks_bytes(const ds_window *window)
{
    const ds_window_ranks *ranks = window->ranks;
    if (ranks == NULL)
        return 0;
    return sizeof *ranks + ((size_t)ranks->merits_room + ranks->best_room + ranks->stale_room +
                            ranks->misfits_room) *
                               sizeof(uint64_t);
}

void ds_window_ranks_touch(ds_window *window, const uint32_t *ids, uint32_t n)
{
    ds_window_ranks *ranks = window->ranks;
    for (uint32_t i = 0; ranks != NULL && i < n; i++) {
        DS_ASSERT(ids[i] / BLOCK < ranks->n_blocks);
        ds_bit_set(ranks->stale, ids[i]);
    }
}

/* ---- Merits ---- */

uint32_t ds_window_ranks_stale(ds_window *window, uint32_t *block, uint32_t *ids, uint32_t most)
{
    const ds_window_ranks *ranks = window->ranks;
    uint32_t n = 0, b = *block, limit = ds_keys_limit(window->keys);
    for (; b < ranks->n_blocks; b++) {
        uint64_t bits = ranks->stale[b];
        if (n > 0 && n + (uint32_t)__builtin_popcountll(bits) > most)
            break;
        for (; bits != 0; bits &= bits - 1) {
            uint32_t id = b * BLOCK + (uint32_t)__builtin_ctzll(bits);
            if (id >= limit)
                break;
            ids[n] = id;
            n += window->panes_of[id] > 0;
            ranks->merits[id] = 0; /* until it is set; it may be gone */
            ds_bit_clear(ranks->misfits, id);
        }
    }
    *block = b;
    return n;
}

static uint64_t highest(const uint64_t *merits)
{
    uint64_t best = 0;
    for (uint32_t i = 0; i < BLOCK; i++)
        best = merits[i] > best ? merits[i] : best;
    return best;
}

void ds_window_ranks_set(ds_window *window, uint32_t from, uint32_t to, const uint32_t *ids,
                         uint32_t n, const uint64_t *prefixes, const uint64_t *misfits)
{
    ds_window_ranks *ranks = window->ranks;
    DS_ASSERT(from <= to && to <= ranks->n_blocks);
    for (uint32_t i = 0; i < n; i++)
        ranks->merits[ids[i]] = ~prefixes[i];
    for (uint32_t i = 0; misfits != NULL && i < n; i++)
        if (ds_bit_get(misfits, i))
            ds_bit_set(ranks->misfits, ids[i]);
    for (uint32_t b = from; b < to; b++) {
        if (ranks->stale[b] == 0)
            continue;
        ranks->best[b] = highest(ranks->merits + (size_t)b * BLOCK);
        ranks->stale[b] = 0;
    }
}

/* ---- The first ---- */

/* Puts a number into a heap of n with the lowest on top, from place `at` down. */
static void sift(uint64_t *heap, uint32_t n, uint32_t at, uint64_t number)
{
    for (uint32_t below; (below = 2 * at + 1) < n; at = below) {
        below += below + 1 < n && heap[below + 1] < heap[below];
        if (heap[below] >= number)
            break;
        heap[at] = heap[below];
    }
    heap[at] = number;
}

uint64_t ds_window_ranks_bound(const ds_window *window, uint64_t limit)
{
    const ds_window_ranks *ranks = window->ranks;
    if (limit == 0)
        return UINT64_MAX;
    if (limit > ranks->n_blocks)
        return 0;
    uint32_t n = (uint32_t)limit;
    uint64_t *heap = ds_alloc(n * sizeof *heap); /* the n highest so far */
    memcpy(heap, ranks->best, n * sizeof *heap);
    for (uint32_t i = n / 2; i > 0; i--)
        sift(heap, n, i - 1, heap[i - 1]);
    for (uint32_t b = n; b < ranks->n_blocks; b++)
        if (ranks->best[b] > heap[0])
            sift(heap, n, 0, ranks->best[b]);
    uint64_t bound = heap[0];
    free(heap);
    return bound;
}

/* Bits of the keys of a block that are as high as the bound, or have a misfit. */
static uint64_t first_of(const ds_window_ranks *ranks, uint32_t block, uint64_t bound)
{
    const uint64_t *merits = ranks->merits + (size_t)block * BLOCK;
    uint64_t bits = ranks->misfits[block];
    DS_ASSERT(ranks->stale[block] == 0);
    if (ranks->best[block] < bound)
        return bits;
    for (uint32_t i = 0; i < BLOCK; i++)
        bits |= (uint64_t)(merits[i] >= bound) << i;
    return bits;
}

uint32_t ds_window_ranks_first(const ds_window *window, uint64_t bound, uint32_t *block,
                               uint32_t *ids, uint32_t most)
{
    const ds_window_ranks *ranks = window->ranks;
    uint32_t n = 0, b = *block, limit = ds_keys_limit(window->keys);
    for (; b < ranks->n_blocks && (n == 0 || n + BLOCK <= most); b++) {
        for (uint64_t bits = first_of(ranks, b, bound); bits != 0; bits &= bits - 1) {
            uint32_t id = b * BLOCK + (uint32_t)__builtin_ctzll(bits);
            if (id >= limit)
                break;
            ids[n] = id;
            n += window->panes_of[id] > 0;
        }
    }
    *block = b;
    return n;
}
