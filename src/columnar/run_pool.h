/*
 * Memory for many small arrays that grow: runs of 16 bytes times a power of two.
 *
 * A run that is given back is kept for the next one of its size; nothing is freed one by one.
 * For states of aggregates whose size differs from group to group. One thread.
 */
#ifndef DS_COLUMNAR_RUN_POOL_H
#define DS_COLUMNAR_RUN_POOL_H

#include "base/arena.h"

#define DS_RUN_SIZES 12u

typedef struct ds_run_pool {
    ds_arena *arena;
    void *free[DS_RUN_SIZES]; /* each begins with a pointer to the next */
} ds_run_pool;

/* Prepares an empty pool that charges budget (borrowed, may be NULL). */
void ds_run_pool_init(ds_run_pool *pool, ds_budget *budget);
void ds_run_pool_fini(ds_run_pool *pool);
/* Takes all runs back. */
void ds_run_pool_clear(ds_run_pool *pool);

/* Returns a run of 16 << size bytes, size < DS_RUN_SIZES, not cleared, aligned to 16. */
void *ds_run_pool_take(ds_run_pool *pool, uint32_t size);
/* Gives a run of this size back. */
void ds_run_pool_give(ds_run_pool *pool, void *run, uint32_t size);

/* The least size that has so many bytes. */
static inline uint32_t ds_run_size(size_t bytes)
{
    return bytes <= 16 ? 0 : 60 - (uint32_t)__builtin_clzll(bytes - 1);
}

/* The memory that the pool holds. */
size_t ds_run_pool_bytes(const ds_run_pool *pool);

#endif
