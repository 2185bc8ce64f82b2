/*
 * The keyed store of an executor: what it keeps for the key partitions that live on it, by
 * stage and partition (kept.h). Thread-safe; a partition is used by one task at a time.
 *
 * Where a partition stands, and where a task wants it, may differ in every way: a task runs twice,
 * comes late, a batch between was given up, the partition comes from elsewhere. What is done:
 *
 *     it stands at the task's batch       as it is: the task has been applied
 *     it should begin empty               it is made anew
 *     it stands where it should, or       as it is (a batch in between was applied here, and was
 *     between that and the task's batch     given up then: panes are not thrown away for that)
 *     the task brings a chain             it is made anew, and loaded
 *     it stands behind, for a replay      nothing at all: it has been applied
 *     else                                it is lost (DS_ERR_LOST)
 *
 * So a chain is loaded once, however often the task that brings it runs; and a partition that has
 * gone on goes back in time if it is told to begin with a chain, or empty: its results of some
 * batch are to be made once more.
 */
#ifndef DS_EXEC_KEYED_STORE_H
#define DS_EXEC_KEYED_STORE_H

#include "dstream/kept.h"

typedef struct ds_keyed_store ds_keyed_store;

/* Charges budget (borrowed). */
ds_keyed_store *ds_keyed_store_new(ds_budget *budget);
void ds_keyed_store_free(ds_keyed_store *store);

/* What a task wants of its partition. */
typedef struct ds_keyed_wish {
    int64_t expected_ms; /* the batch it has to stand at; DS_NO_BATCH: it begins empty */
    int64_t batch_ms;    /* of the task */
    bool chain;          /* the task brings parts that make it stand at expected_ms */
    bool replay;         /* only what is kept matters, no results */
} ds_keyed_wish;

/*
 * Takes a partition for a task. *kept NULL: there is nothing to do, and nothing was taken. If it
 * stands nowhere (ds_kept_version is DS_NO_BATCH) and the task brings a chain, that is to be
 * loaded. DS_ERR_LOST as above; DS_ERR_UNAVAILABLE if another task uses it: it can be had soon.
 */
ds_status ds_keyed_store_take(ds_keyed_store *store, const ds_stage *stage, uint32_t partition,
                              const ds_keyed_wish *wish, ds_kept **kept, ds_error *error);
/* Puts it back after the task. */
void ds_keyed_store_put(ds_keyed_store *store, const ds_stage *stage, uint32_t partition);
/* Gives up what was taken: it could not be loaded. */
void ds_keyed_store_drop(ds_keyed_store *store, const ds_stage *stage, uint32_t partition);

/* True once for a partition and the number of a save (never for one that is older than another):
 * now it is to be collected for it. *whole: all of it, as no part before it counts. */
bool ds_keyed_store_collects(ds_keyed_store *store, const ds_stage *stage, uint32_t partition,
                             uint64_t save, bool *whole);
/* Parts of a partition that were collected have not been saved: the next ones are whole. Stages and
 * partitions that nothing is kept of are passed over. */
void ds_keyed_store_not_saved(ds_keyed_store *store, uint32_t stage, uint32_t partition);

#endif
