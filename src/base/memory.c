#include "base/memory.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

bool ds_budget_exceeded(const ds_budget *budget)
{
    for (; budget != NULL; budget = budget->parent)
        if (budget->limit_bytes > 0 && atomic_load(&budget->used_bytes) > budget->limit_bytes)
            return true;
    return false;
}
