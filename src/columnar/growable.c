#include "columnar/growable.h"

#include "base/assert.h"

#define LARGE ((uint64_t)1 << 20)

/* Twice as many; a quarter more where large arrays grow without being copied (paged.h). */
static uint64_t next_capacity(uint32_t old, size_t size, const ds_budget *budget)
{
    if (old < 8)
        return 8;
    bool cheap = budget != NULL && budget->paged != NULL && old * (uint64_t)size >= LARGE;
    return (uint64_t)old + (cheap ? old / 4 : old);
}

void *ds_grow_slow(void *items, uint32_t *capacity, uint64_t need, size_t size, ds_budget *budget)
{
    uint32_t old = *capacity;
    uint64_t wanted = next_capacity(old, size, budget);
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
