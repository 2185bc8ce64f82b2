/*
 * Batches that were committed and may run again: those since the last save of what is kept, by
 * time. When the executor that keeps a partition is lost, they are applied to it once more, after
 * what was saved.
 *
 * Of a batch only that is kept which a replay needs: what it was given, where the pieces for its
 * keyed stages lie, and which tasks can make these again if they are gone.
 */
#ifndef DS_SCHEDULER_RETAINED_H
#define DS_SCHEDULER_RETAINED_H

#include "scheduler/batch.h"

typedef struct ds_retained {
    ds_batch **list; /* owned, by time; those before `first` are gone */
    size_t first, n, capacity;
} ds_retained;

/* Frees the batches and the list. */
void ds_retained_fini(ds_retained *retained);

/* How many there are. */
size_t ds_retained_count(const ds_retained *retained);
/* The oldest one, or NULL. */
ds_batch *ds_retained_oldest(const ds_retained *retained);
/* Takes a batch over, which is newer than all others. */
void ds_retained_add(ds_retained *retained, ds_batch *batch);
/* The place of the first that is later than a time; n if none is. */
size_t ds_retained_after(const ds_retained *retained, int64_t time_ms);
/* The batch of a time, or NULL. */
ds_batch *ds_retained_find(const ds_retained *retained, int64_t time_ms);
/* Takes the oldest one out; the caller frees it. */
ds_batch *ds_retained_take_oldest(ds_retained *retained);

#endif
