/*
 * The ranges of the store that hold parts of kept data: where there is no checkpoint, they outlive
 * the executor as its other bytes do. Each stays until the driver says that nothing refers to it.
 *
 * To give back a range of the disk takes the system a millisecond for some MiB, too long for who
 * steps the executor's control. So where another thread can do it (the saver's) ranges are only
 * noted, and given back by that one, in bites. Thread-safe.
 */
#ifndef DS_EXEC_SAVED_RANGES_H
#define DS_EXEC_SAVED_RANGES_H

#include "exec/pace.h"
#include "exec/store.h"

typedef struct ds_saved_ranges ds_saved_ranges;

/* store is borrowed. */
ds_saved_ranges *ds_saved_ranges_new(ds_store *store);
void ds_saved_ranges_free(ds_saved_ranges *ranges);

/* From now on ranges that are given back are noted, and wake (with arg, on the thread of the giver,
 * under a lock of the ranges) is called: some thread is to call ds_saved_ranges_clean. NULL: no
 * more. */
void ds_saved_ranges_note(ds_saved_ranges *ranges, void (*wake)(void *arg), void *arg);
/* Gives back what was noted, at this pace (or NULL). */
void ds_saved_ranges_clean(ds_saved_ranges *ranges, ds_pace *pace);

/* Takes room on disk, or else in memory, after what was noted. DS_ERR_NO_MEMORY. */
ds_status ds_saved_ranges_take(ds_saved_ranges *ranges, uint64_t length, uint64_t *offset,
                               ds_error *error);
/* Gives one back; no effect if it was not taken (it was given back before). */
void ds_saved_ranges_give(ds_saved_ranges *ranges, uint64_t offset, uint64_t length);
/* Gives back all of them, now. */
void ds_saved_ranges_clear(ds_saved_ranges *ranges);

#endif
