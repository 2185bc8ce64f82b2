/*
 * The ranges of the store that hold parts of kept data: where there is no checkpoint, they outlive
 * the executor as its other bytes do. Each stays until the driver says that nothing refers to it.
 * Thread-safe.
 */
#ifndef DS_EXEC_SAVED_RANGES_H
#define DS_EXEC_SAVED_RANGES_H

#include "exec/store.h"

typedef struct ds_saved_ranges ds_saved_ranges;

/* store is borrowed. */
ds_saved_ranges *ds_saved_ranges_new(ds_store *store);
void ds_saved_ranges_free(ds_saved_ranges *ranges);

/* Takes room on disk, or else in memory. DS_ERR_NO_MEMORY. */
ds_status ds_saved_ranges_take(ds_saved_ranges *ranges, uint64_t length, uint64_t *offset,
                               ds_error *error);
/* Gives one back; no effect if it was not taken (it was given back before). */
void ds_saved_ranges_give(ds_saved_ranges *ranges, uint64_t offset, uint64_t length);
/* Gives back all of them. */
void ds_saved_ranges_clear(ds_saved_ranges *ranges);

#endif
