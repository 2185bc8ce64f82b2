/*
 * The keys of a window by the result that an order_by is by, kept from slide to slide: as the top
 * 100 of 100,000 keys, of which a slide changes a tenth.
 *
 * Each key has a merit, a number that is the higher the further ahead the key comes, and each block
 * of 64 keys the highest of its merits. A key that came or went with a pane is stale until its
 * merit is set anew. The n-th highest among those of the blocks is a bound: at least n keys are as
 * high, so whoever is lower is not among the first n. With many more blocks than n hardly anybody
 * else is as high; so a slide costs as much as it has stale keys, and a look at each block.
 */
#ifndef DS_DSTREAM_WINDOW_RANKS_H
#define DS_DSTREAM_WINDOW_RANKS_H

#include "dstream/window.h"

typedef struct ds_window_ranks ds_window_ranks;

/* What the merits are of; others are of no use for it. */
typedef struct ds_rank_order {
    uint32_t call;
    bool descending, nulls_first;
} ds_rank_order;

/* True if the window (which slides) has so many keys that merits help to find the first `limit`. It
 * keeps merits for this order from now on. */
bool ds_window_ranks_keep(ds_window *window, const ds_rank_order *order, uint64_t limit);
void ds_window_ranks_free(ds_window *window);
size_t ds_window_ranks_bytes(const ds_window *window);
/* There is room for so many keys from now on. */
void ds_window_ranks_grow(ds_window *window, uint32_t limit);
/* The results of these keys have changed, or the keys are gone. */
void ds_window_ranks_touch(ds_window *window, const uint32_t *ids, uint32_t n);

/* Stale keys of the window, ascending, from block *block on (0 first), which goes on to the first
 * block that has others: up to `most`, or a block. 0: no more. */
uint32_t ds_window_ranks_stale(ds_window *window, uint32_t *block, uint32_t *ids, uint32_t most);
/* Their prefixes (columnar/row_order.h), and which of them have a result that does not fit (a bit
 * for each; NULL: none): these are always among the first, as they are counted. The keys of all
 * blocks from .. to - 1 are up to date then. */
void ds_window_ranks_set(ds_window *window, uint32_t from, uint32_t to, const uint32_t *ids,
                         uint32_t n, const uint64_t *prefixes, const uint64_t *misfits);

/* Once no key is stale: the merit that the first `limit` keys have at least. */
uint64_t ds_window_ranks_bound(const ds_window *window, uint64_t limit);
/* The keys as high as that, from block *block on as above. 0: no more. */
uint32_t ds_window_ranks_first(const ds_window *window, uint64_t bound, uint32_t *block,
                               uint32_t *ids, uint32_t most);

#endif
