#include "columnar/growable.h"

#include "base/assert.h"

void *ds_grow_slow(void *items, uint32_t *capacity, uint64_t need, size_t size, ds_budget *budget)
{
    uint32_t old = *capacity;
    uint64_t wanted = old < 8 ? 8 : (uint64_t)old * 2;
    if (wanted < need)
        wanted = need;
    if (wanted > UINT32_MAX)
        wanted = UINT32_MAX;
    DS_ASSERT(need <= wanted);
    size_t bytes;
    DS_ASSERT(!__builtin_mul_overflow(wanted, size, &bytes));
    *capacity = (uint32_t)wanted;
    return ds_budget_resize(budget, items, (size_t)old * size, bytes);
}

void ds_grow_free(void *items, uint32_t *capacity, size_t size, ds_budget *budget)
{
    ds_budget_free(budget, items, (size_t)*capacity * size);
    *capacity = 0;
}
