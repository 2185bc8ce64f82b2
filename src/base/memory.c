#include "base/memory.h"

#include "base/assert.h"
#include "base/paged.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __GLIBC__
#include <malloc.h>

#define LEAST_MAPPED ((uint64_t)256 << 10)
#define MOST_MAPPED ((uint64_t)32 << 20) /* what glibc comes to by itself */

/* Arrays from some size on are mapped one by one: they grow without being copied, and are gone when
 * they are freed. By itself glibc raises that size with what it sees, and keeps as much free. */
void ds_memory_setup(uint64_t bytes, uint32_t n_threads)
{
    uint64_t mapped = bytes / 64;
    mapped = mapped < LEAST_MAPPED ? LEAST_MAPPED : mapped > MOST_MAPPED ? MOST_MAPPED : mapped;
    mallopt(M_MMAP_THRESHOLD, (int)mapped);
    mallopt(M_TRIM_THRESHOLD, (int)mapped * 2);
    mallopt(M_ARENA_MAX, (int)n_threads + 1);
}

void ds_memory_rest(void)
{
    malloc_trim(0);
}
#else
void ds_memory_setup(uint64_t bytes, uint32_t n_threads)
{
    (void)bytes, (void)n_threads;
}

void ds_memory_rest(void)
{
}
#endif

static void *checked(void *p)
{
    if (p == NULL) {
        fputs("dstream: the system has no memory left\n", stderr);
        abort();
    }
    return p;
}

void *ds_alloc(size_t size)
{
    return checked(malloc(size > 0 ? size : 1));
}

void *ds_calloc(size_t n, size_t size)
{
    return checked(calloc(n > 0 ? n : 1, size > 0 ? size : 1));
}

void *ds_realloc(void *p, size_t n, size_t size)
{
    size_t bytes;
    DS_ASSERT(!__builtin_mul_overflow(n, size, &bytes));
    return checked(realloc(p, bytes > 0 ? bytes : 1));
}

char *ds_strndup(const char *s, size_t length)
{
    char *copy = ds_alloc(length + 1);
    memcpy(copy, s, length);
    copy[length] = '\0';
    return copy;
}

char *ds_strdup(const char *s)
{
    return ds_strndup(s, strlen(s));
}

void ds_budget_init(ds_budget *budget, ds_budget *parent, int64_t limit_bytes)
{
    DS_ASSERT(limit_bytes >= 0);
    budget->parent = parent;
    budget->limit_bytes = limit_bytes;
    atomic_init(&budget->used_bytes, 0);
    atomic_init(&budget->peak_bytes, 0);
    budget->paged = NULL;
}

void ds_budget_charge(ds_budget *budget, int64_t bytes)
{
    for (; budget != NULL; budget = budget->parent) {
        int64_t used = atomic_fetch_add(&budget->used_bytes, bytes) + bytes;
        DS_ASSERT(used >= 0);
        int64_t peak = atomic_load_explicit(&budget->peak_bytes, memory_order_relaxed);
        while (used > peak && !atomic_compare_exchange_weak(&budget->peak_bytes, &peak, used))
            ;
    }
}

bool ds_budget_reserve(ds_budget *budget, int64_t bytes)
{
    DS_ASSERT(bytes >= 0);
    ds_budget_charge(budget, bytes);
    if (!ds_budget_exceeded(budget))
        return true;
    ds_budget_charge(budget, -bytes);
    return false;
}

int64_t ds_budget_recent_peak(ds_budget *budget)
{
    return atomic_exchange(&budget->peak_bytes, atomic_load(&budget->used_bytes));
}

bool ds_budget_exceeded(const ds_budget *budget)
{
    for (; budget != NULL; budget = budget->parent)
        if (budget->limit_bytes > 0 && atomic_load(&budget->used_bytes) > budget->limit_bytes)
            return true;
    return false;
}

/* ---- memory of a budget ---- */

static ds_paged *paged_of(const ds_budget *budget)
{
    return budget == NULL ? NULL : budget->paged;
}

void *ds_budget_alloc(ds_budget *budget, size_t size)
{
    ds_paged *paged = paged_of(budget);
    void *p = paged == NULL ? NULL : ds_paged_alloc(paged, budget, size);
    if (p != NULL)
        return p;
    p = ds_alloc(size);
    ds_budget_charge(budget, (int64_t)size);
    return p;
}

void *ds_budget_resize(ds_budget *budget, void *p, size_t old, size_t size)
{
    ds_paged *paged = paged_of(budget);
    void *resized = paged == NULL ? NULL : ds_paged_resize(paged, budget, p, old, size);
    if (resized != NULL)
        return resized;
    p = ds_realloc(p, size, 1);
    if (size > old)
        memset((char *)p + old, 0, size - old);
    ds_budget_charge(budget, (int64_t)size - (int64_t)old);
    return p;
}

void *ds_budget_adopt(ds_budget *budget, void *p, size_t size)
{
    ds_paged *paged = paged_of(budget);
    void *moved = paged == NULL ? NULL : ds_paged_alloc(paged, budget, size);
    if (moved == NULL) {
        ds_budget_charge(budget, (int64_t)size);
        return p;
    }
    memcpy(moved, p, size);
    free(p);
    ds_paged_relieve(paged);
    return moved;
}

void ds_budget_free(ds_budget *budget, void *p, size_t size)
{
    ds_paged *paged = paged_of(budget);
    if (p == NULL || (paged != NULL && ds_paged_give(paged, budget, p, size)))
        return;
    free(p);
    ds_budget_charge(budget, -(int64_t)size);
}

ds_budget *ds_budget_plain(ds_budget *budget)
{
    while (paged_of(budget) != NULL)
        budget = budget->parent;
    return budget;
}

void ds_budget_relieve(ds_budget *budget)
{
    if (paged_of(budget) != NULL)
        ds_paged_relieve(budget->paged);
}

uint32_t ds_budget_step(ds_budget *budget, uint32_t most)
{
    if (paged_of(budget) == NULL)
        return most;
    ds_paged_relieve(budget->paged);
    uint32_t rows = ds_paged_rows(budget->paged);
    return rows < most ? rows : most;
}
