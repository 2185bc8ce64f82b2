#include "sim/sim_wakes.h"

#include "base/assert.h"
#include "base/memory.h"

#include <stdlib.h>

#define LEAST_LEAVES 64u

void ds_sim_wakes_fini(ds_sim_wakes *wakes)
{
    free(wakes->tree);
    *wakes = (ds_sim_wakes){0};
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void update(ds_sim_wakes *wakes, size_t node)
{
    wakes->tree[node] = earlier(wakes->tree[2 * node], wakes->tree[2 * node + 1]);
}

static void grow(ds_sim_wakes *wakes, size_t index)
{
    const ds_sim_wakes old = *wakes;
    while (wakes->leaves <= index)
        wakes->leaves = wakes->leaves == 0 ? LEAST_LEAVES : wakes->leaves * 2;
    wakes->tree = ds_calloc(2 * wakes->leaves, sizeof *wakes->tree);
    for (size_t i = 0; i < wakes->leaves; i++)
        wakes->tree[wakes->leaves + i] = i < old.leaves ? old.tree[old.leaves + i] : INT64_MAX;
    for (size_t node = wakes->leaves - 1; node > 0; node--)
        update(wakes, node);
    free(old.tree);
}

void ds_sim_wakes_set(ds_sim_wakes *wakes, size_t index, int64_t time_us)
{
    if (index >= wakes->leaves)
        grow(wakes, index);
    size_t node = wakes->leaves + index;
    wakes->tree[node] = time_us;
    while ((node /= 2) > 0)
        update(wakes, node);
}

int64_t ds_sim_wakes_next_us(const ds_sim_wakes *wakes)
{
    return wakes->leaves == 0 ? INT64_MAX : wakes->tree[1];
}

size_t ds_sim_wakes_first(const ds_sim_wakes *wakes)
{
    DS_ASSERT(ds_sim_wakes_next_us(wakes) != INT64_MAX);
    size_t node = 1;
    while (node < wakes->leaves)
        node = 2 * node + (wakes->tree[2 * node] != wakes->tree[1]);
    return node - wakes->leaves;
}
