/*
 * Staged files, as a commit finds them: whole, gone, or not what its record says.
 *
 * Executors sync a file before they tell of it, so what a commit record names is on the disk. A
 * disk may spoil it all the same, or somebody change it, before a driver that comes after a crash
 * puts it in place. A file that is damaged is as good as one that is gone: its batch runs again.
 */
#ifndef DS_CHECKPOINT_STAGED_H
#define DS_CHECKPOINT_STAGED_H

#include "scheduler/batch_commit.h"

typedef enum ds_staged_state {
    DS_STAGED_WHOLE, /* or there, and not to be looked at: whoever uses it will tell why */
    DS_STAGED_GONE,
    DS_STAGED_DAMAGED, /* of another length, with other bytes, or unreadable */
} ds_staged_state;

/* How a staged file is. again: of a commit that may have been begun before a crash; then it is
 * read, and its checksum compared, else only its length is. What is damaged is logged. */
ds_staged_state ds_staged_look(const ds_commit_file *file, bool again);

/* Whether so many bytes of a file, from `at` on, have a checksum (XXH3-64): *same. DS_ERR_IO names
 * path if they cannot be read, or are fewer. */
ds_status ds_staged_compare(int fd, uint64_t at, uint64_t length, uint64_t checksum,
                            const char *path, bool *same, ds_error *error);

#endif
