/*
 * The keyed store of an executor: what it keeps for the key partitions that live on it, by
 * stage and partition (kept.h). Thread-safe; a partition is used by one task at a time.
 */
#ifndef DS_EXEC_KEYED_STORE_H
#define DS_EXEC_KEYED_STORE_H

#include "dstream/kept.h"

typedef struct ds_keyed_store ds_keyed_store;

/* Charges budget (borrowed). */
ds_keyed_store *ds_keyed_store_new(ds_budget *budget);
void ds_keyed_store_free(ds_keyed_store *store);

/*
 * Takes a partition for a task. The driver tells at which batch it has to stand: DS_NO_BATCH means
 * that it begins empty (what is here is dropped); otherwise it must stand at `expected_ms`, at a
 * batch behind that (which was given up when it had been applied here), or at batch_ms already
 * (a task that runs again). DS_ERR_LOST if it does not; DS_ERR_UNAVAILABLE if another task uses
 * it: it can be had soon.
 */
ds_status ds_keyed_store_take(ds_keyed_store *store, const ds_stage *stage, uint32_t partition,
                              int64_t expected_ms, int64_t batch_ms, ds_kept **kept,
                              ds_error *error);
/* Puts it back after the task. */
void ds_keyed_store_put(ds_keyed_store *store, const ds_stage *stage, uint32_t partition);

#endif
