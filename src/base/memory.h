/*
 * Heap memory and budgets.
 *
 * ds_alloc and friends never return NULL: when the system has no memory the process says so
 * and aborts, as no caller could do better. What bounds memory is the budget: a tree of
 * counters (app, executor, store, batch or task). A charge never fails in the middle of a
 * kernel; it is counted, and whoever runs a loop over chunks asks ds_budget_exceeded between
 * two of them and fails its task with DS_ERR_NO_MEMORY. So a task overshoots by what one
 * chunk needs at most, and no kernel needs an error path.
 */
#ifndef DS_BASE_MEMORY_H
#define DS_BASE_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tells the allocator how much memory the process is to have, and how many threads work with it, so
 * that what is free goes back to the system in proportion. Before threads start. */
void ds_memory_setup(uint64_t bytes, uint32_t n_threads);
/* Gives back what is free. Costs some ms for each 100 MiB that go. */
void ds_memory_rest(void);

/* Allocates size bytes (1 if 0), not cleared; the caller frees with free(). Any thread. */
void *ds_alloc(size_t size) __attribute__((malloc, returns_nonnull));

/* Allocates n * size cleared bytes; aborts on overflow. The caller frees with free(). */
void *ds_calloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));

/* Resizes as realloc; aborts on overflow of n * size. The caller frees with free(). */
void *ds_realloc(void *p, size_t n, size_t size) __attribute__((returns_nonnull));

/* Copies a string (length bytes, then a NUL). The caller frees with free(). */
char *ds_strndup(const char *s, size_t length) __attribute__((returns_nonnull));
char *ds_strdup(const char *s) __attribute__((returns_nonnull));

/* A limit on bytes, charged by arenas, tables and segments. Thread-safe. */
typedef struct ds_budget {
    struct ds_budget *parent; /* borrowed; charged too; NULL at the root */
    int64_t limit_bytes;      /* 0: no limit of its own */
    _Atomic int64_t used_bytes;
    _Atomic int64_t peak_bytes;
    struct ds_paged *paged; /* borrowed; where what is too large for it goes (paged.h); or NULL */
} ds_budget;

/* Prepares a budget below parent (borrowed, may be NULL). limit_bytes 0 means no own limit. */
void ds_budget_init(ds_budget *budget, ds_budget *parent, int64_t limit_bytes);

/* Counts bytes in (or out, if negative) here and in every parent. budget may be NULL. */
void ds_budget_charge(ds_budget *budget, int64_t bytes);

/* Counts bytes in only if neither this budget nor a parent would exceed its limit. */
bool ds_budget_reserve(ds_budget *budget, int64_t bytes);

/* The most that was used since this was asked last. */
int64_t ds_budget_recent_peak(ds_budget *budget);

/* True if this budget or any parent is over its limit. budget may be NULL (false). */
bool ds_budget_exceeded(const ds_budget *budget);

/*
 * Memory of a budget (which may be NULL): charged, or of the budget's paged memory. Whoever
 * allocated it remembers the size. Aligned to 16.
 */
void *ds_budget_alloc(ds_budget *budget, size_t size) __attribute__((returns_nonnull));
/* Resizes p (NULL if old is 0); what is new is cleared. */
void *ds_budget_resize(ds_budget *budget, void *p, size_t old, size_t size)
    __attribute__((returns_nonnull));
/* Takes memory from ds_alloc into the budget; it may move. To be freed by ds_budget_free. */
void *ds_budget_adopt(ds_budget *budget, void *p, size_t size) __attribute__((returns_nonnull));
/* p may be NULL if size is 0. */
void ds_budget_free(ds_budget *budget, void *p, size_t size);

/* The budget for what is needed for a moment only: never of paged memory. */
ds_budget *ds_budget_plain(ds_budget *budget);

/* To be called every few rows by whoever works with memory of a budget here and there: lets go of
 * pages if there are too many. What was allocated stays where it is. */
void ds_budget_relieve(ds_budget *budget);
/* The same, and how many rows (`most` at most) may be worked on until the next call. */
uint32_t ds_budget_step(ds_budget *budget, uint32_t most);

#endif
