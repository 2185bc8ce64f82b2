/*
 * A checkpoint folder as a person looks at it: without a plan, without the lock, and without
 * changing anything. What it says is described in docs/checkpoint.md.
 */
#ifndef DS_CHECKPOINT_VIEW_H
#define DS_CHECKPOINT_VIEW_H

#include "base/error.h"

#include "base/json_source.h"
#include "checkpoint/journal_kept.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One metadata file. */
typedef struct ds_metadata_view {
    char *path;
    uint64_t number, bytes;
    uint64_t records;          /* that are whole */
    int64_t first_ms, last_ms; /* batch times that it speaks of; INT64_MIN: of none */
    uint64_t cut_bytes;        /* of a last record that was cut short, as a crash leaves it */
    uint64_t damaged; /* place of a record that does not hold, with others behind it; or 0 */
    bool unreadable;  /* not even its first record can be used; damaged may be 0 */
} ds_metadata_view;

typedef struct ds_checkpoint_view {
    ds_metadata_view *files; /* the oldest first */
    size_t n_files;
    json_t *state; /* what the newest says, all its records taken together; NULL: nothing */
    ds_recovered_kept kept; /* as the newest says; kept.save 0: nothing is saved */
    ds_arena *arena;        /* of kept */
} ds_checkpoint_view;

/* Takes all records of the text of one file together, and counts them in *file, whose other members
 * are left alone: begin with those of no record. The state, to be freed; NULL if the first one is
 * none. */
json_t *ds_metadata_view_records(ds_metadata_view *file, const char *text, size_t length);

/* Reads all metadata files of a folder. DS_ERR_NO_INPUT if there is no checkpoint, DS_ERR_APP
 * if there was one (lost_metadata.h), DS_ERR_IO if a file cannot be read. Free the view with
 * ds_checkpoint_view_fini, whatever is returned. */
ds_status ds_checkpoint_view_read(const char *dir, ds_checkpoint_view *view, ds_error *error);
void ds_checkpoint_view_fini(ds_checkpoint_view *view);

#endif
