/* Arrays that double and are charged to a budget. */
#ifndef DS_COLUMNAR_GROWABLE_H
#define DS_COLUMNAR_GROWABLE_H

#include "base/memory.h"

/* Resizes items so that *capacity (items, not bytes) is at least need, which must be below
 * 2^32; charges budget (may be NULL). Returns the array, whose new part is cleared. */
void *ds_grow_slow(void *items, uint32_t *capacity, uint64_t need, size_t size, ds_budget *budget);

/* As ds_grow_slow, at the cost of a comparison when there is room. */
static inline void *ds_grow(void *items, uint32_t *capacity, uint64_t need, size_t size,
                            ds_budget *budget)
{
    return need <= *capacity ? items : ds_grow_slow(items, capacity, need, size, budget);
}

/* Frees the array and takes its bytes out of the budget; *capacity becomes 0. */
void ds_grow_free(void *items, uint32_t *capacity, size_t size, ds_budget *budget);

#endif
