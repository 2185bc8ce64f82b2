/*
 * The checkpoint folder's metadata files: where the journal lives.
 *
 *     DIR/lock                      held (flock) by the one driver that uses the folder, with the
 *                                   epoch of its run (base/claim.h)
 *     DIR/metadata/0000000007.jsonl each begins with a whole record; the newest counts
 *
 * A new file is written aside, synced and renamed; records are then appended to it. So a crash can
 * cut short the last record only; a newest file whose first record is damaged is refused.
 */
#ifndef DS_CHECKPOINT_METADATA_H
#define DS_CHECKPOINT_METADATA_H

#include "checkpoint/journal.h"

typedef struct ds_metadata ds_metadata;

/* Opens (and makes) the folder and locks it. DS_ERR_UNAVAILABLE if another driver has it,
 * DS_ERR_APP if its metadata is gone, as its lock (lost_metadata.h); DS_ERR_IO otherwise. retain:
 * how many old files stay. */
ds_status ds_metadata_open(const char *dir, int64_t retain, ds_metadata **metadata,
                           ds_error *error);
void ds_metadata_close(ds_metadata *metadata);

/* Marks the folder as that of this run (base/claim.h), and makes what it needs in it. DS_ERR_IO. */
ds_status ds_metadata_mark(ds_metadata *metadata, uint64_t epoch, ds_error *error);

/* DS_ERR_IO if somebody removed the folder, or put another one in its place: nothing in it is ours
 * then. Any thread. */
ds_status ds_metadata_check(const ds_metadata *metadata, ds_error *error);

/* Whether there is no metadata file yet. The thread that appends. */
bool ds_metadata_is_new(const ds_metadata *metadata);

/* Reads the newest journal. *recovered is NULL if there is none yet (with a warning if a run had
 * the folder before: what it did is not known). DS_ERR_APP, with what to do, if it cannot be used,
 * or is gone (lost_metadata.h): nothing is changed then. */
ds_status ds_metadata_recover(ds_metadata *metadata, const ds_plan *plan, ds_recovered **recovered,
                              ds_error *error);

/* As ds_metadata_recover, of a folder that is only looked at, perhaps without a plan (NULL):
 * whether any app could go on from there. There must be a metadata file. */
ds_status ds_metadata_peek(const char *dir, const ds_plan *plan, ds_recovered **recovered,
                           ds_error *error);

/* Appends a record, in a new file if `whole`; durable, with those before it, when it returns if
 * sync (length 0: no record, only that). After a failure only a whole record may follow.
 * DS_ERR_IO, also if somebody removed the folder or the file. */
ds_status ds_metadata_append(ds_metadata *metadata, const char *line, size_t length, bool whole,
                             bool sync, ds_error *error);

#endif
