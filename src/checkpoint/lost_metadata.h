/*
 * A checkpoint without metadata files that is not new.
 *
 * The first metadata file is on the disk before anything is saved or logged: the lock and empty
 * folders are all that a crash leaves before. So saved files, or segments of a log beside the lock
 * of a run, say that the metadata is gone; to begin anew would output batches twice, and delete
 * what was saved. (A log alone, in a folder without such a lock, was put there to be read.)
 */
#ifndef DS_CHECKPOINT_LOST_METADATA_H
#define DS_CHECKPOINT_LOST_METADATA_H

#include "base/error.h"

#include <stdbool.h>

/* Of a folder that has no metadata file. DS_ERR_APP, with what to do, if it had some. */
ds_status ds_lost_metadata_check(const char *dir, ds_error *error);

/* Whether a run had the folder: the epoch of one is in its lock. */
bool ds_lost_metadata_was_claimed(const char *dir);

#endif
