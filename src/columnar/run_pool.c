#include "columnar/run_pool.h"

#include "base/assert.h"

#include <string.h>

void ds_run_pool_init(ds_run_pool *pool, ds_budget *budget)
{
    *pool = (ds_run_pool){.arena = ds_arena_new(budget)};
}

void ds_run_pool_fini(ds_run_pool *pool)
{
    ds_arena_free(pool->arena);
    *pool = (ds_run_pool){0};
}

void ds_run_pool_clear(ds_run_pool *pool)
{
    ds_arena_reset(pool->arena);
    memset(pool->free, 0, sizeof pool->free);
}

void *ds_run_pool_take(ds_run_pool *pool, uint32_t size)
{
    DS_ASSERT(size < DS_RUN_SIZES);
    void *run = pool->free[size];
    if (run == NULL)
        return ds_arena_alloc(pool->arena, (size_t)16 << size);
    memcpy(&pool->free[size], run, sizeof(void *));
    return run;
}

void ds_run_pool_give(ds_run_pool *pool, void *run, uint32_t size)
{
    DS_ASSERT(size < DS_RUN_SIZES);
    memcpy(run, &pool->free[size], sizeof(void *));
    pool->free[size] = run;
}

size_t ds_run_pool_bytes(const ds_run_pool *pool)
{
    return ds_arena_bytes(pool->arena);
}
