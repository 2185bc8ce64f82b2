/*
 * One app at a time writes into the folder of a `file` sink: two with the same batch time would
 * write the same names. The folder itself is locked (flock), so nothing is left behind; a folder
 * that is not there yet is locked with the first commit that makes it.
 *
 * The file of an `append` sink may be renamed by others (rotated) while it is written. So its
 * staging folder is locked instead, made for it at the start and removed when it is unlocked. So is
 * the one of the name that a symbolic link leads to, and the file itself (file_lock.h).
 */
#ifndef DS_CHECKPOINT_SINK_LOCKS_H
#define DS_CHECKPOINT_SINK_LOCKS_H

#include "dstream/plan.h"

typedef struct ds_sink_locks ds_sink_locks;

/* plan is borrowed. Free with ds_sink_locks_free, which unlocks. */
ds_sink_locks *ds_sink_locks_new(const ds_plan *plan);
void ds_sink_locks_free(ds_sink_locks *locks);

/* Locks everything that is there and not locked yet, or not any more (somebody replaced it);
 * `make` makes those of file sink i first if make[i]. DS_ERR_UNAVAILABLE if another driver (or
 * sink) has one; DS_ERR_IO. One thread at a time. */
ds_status ds_sink_locks_take(ds_sink_locks *locks, const bool *make, ds_error *error);

#endif
