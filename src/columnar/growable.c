#include "columnar/growable.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

void *ds_grow_slow(void *items, uint32_t *capacity, uint64_t need, size_t size, ds_budget *budget)
{
    uint32_t old = *capacity;
    uint64_t wanted = old < 8 ? 8 : (uint64_t)old * 2;
    if (wanted < need)
        wanted = need;
    if (wanted > UINT32_MAX)
        wanted = UINT32_MAX;
    DS_ASSERT(need <= wanted);
    items = ds_realloc(items, wanted, size);
    memset((char *)items + (size_t)old * size, 0, (size_t)(wanted - old) * size);
    ds_budget_charge(budget, (int64_t)((wanted - old) * size));
    *capacity = (uint32_t)wanted;
    return items;
}

void ds_grow_free(void *items, uint32_t *capacity, size_t size, ds_budget *budget)
{
    ds_budget_charge(budget, -(int64_t)((uint64_t)*capacity * size));
    *capacity = 0;
    free(items);
}
