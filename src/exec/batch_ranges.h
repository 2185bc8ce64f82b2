/*
 * Which ranges of the store were taken for which batch: shuffle pieces and sink bytes go back
 * when the driver releases the batch, whichever attempts made them. Of a batch that is committed,
 * and may have to be applied again to what is kept, the pieces for keyed stages stay until then,
 * and the rest goes at once. Thread-safe.
 */
#ifndef DS_EXEC_BATCH_RANGES_H
#define DS_EXEC_BATCH_RANGES_H

#include "exec/store.h"

typedef struct ds_batch_ranges ds_batch_ranges;

/* store is borrowed. */
ds_batch_ranges *ds_batch_ranges_new(ds_store *store);
void ds_batch_ranges_free(ds_batch_ranges *ranges);

/* Takes `length` bytes for a batch, of memory or else of disk. DS_ERR_NO_MEMORY when the store has
 * no such range free. */
ds_status ds_batch_ranges_take(ds_batch_ranges *ranges, int64_t batch_ms, uint64_t length,
                               uint64_t *offset, ds_error *error);
/* Says that a range, taken for this batch, is still needed when the batch is committed. */
void ds_batch_ranges_retain(ds_batch_ranges *ranges, int64_t batch_ms, uint64_t offset);
/* Marks those of a committed batch that are not retained; what its tasks take from then on stays.
 * Another call gives back what is marked, once no task uses it. */
void ds_batch_ranges_commit(ds_batch_ranges *ranges, int64_t batch_ms);
void ds_batch_ranges_sweep(ds_batch_ranges *ranges, int64_t batch_ms);
/* Gives back all ranges of a batch. */
void ds_batch_ranges_release(ds_batch_ranges *ranges, int64_t batch_ms);

#endif
