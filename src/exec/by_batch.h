/*
 * What there is for each of some batches, in order of their times. Nearly always one of the newest
 * is asked for, or a new one comes; but where something is kept there may be some thousand, and
 * hundreds of them, the oldest, go together. Not thread-safe.
 */
#ifndef DS_EXEC_BY_BATCH_H
#define DS_EXEC_BY_BATCH_H

#include <stddef.h>
#include <stdint.h>

typedef struct ds_by_batch_item {
    int64_t batch_ms;
    void *value;
} ds_by_batch_item;

/* A zeroed one is empty. The items may be read. */
typedef struct ds_by_batch {
    ds_by_batch_item *items; /* by time, all different */
    size_t n, capacity;
} ds_by_batch;

/* Frees the array, not the values. */
void ds_by_batch_fini(ds_by_batch *list);

/* The value of a batch, or NULL. */
void *ds_by_batch_find(const ds_by_batch *list, int64_t batch_ms);
/* Adds one (not NULL) for a batch that has none. */
void ds_by_batch_add(ds_by_batch *list, int64_t batch_ms, void *value);
/* Takes out the value of a batch; NULL if it has none. Moves those that are newer. */
void *ds_by_batch_take(ds_by_batch *list, int64_t batch_ms);

#endif
