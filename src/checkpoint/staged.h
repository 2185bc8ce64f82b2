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

#endif
