/*
 * Putting the staged files of a batch in place: the side effects of a commit. (append.h has those
 * of `append` sinks.)
 *
 * Each file is renamed into dir/<milliseconds>/, and when all files of a folder are there, its
 * _SUCCESS is made. Every step may be done again after a crash: a staged file that is gone and
 * stands in its place already was renamed before. So a folder with _SUCCESS holds each row
 * once. If some file of a folder is neither staged nor in its place, and the folder never was
 * complete, the folder is lost: its batch has to run again. Called from the disk thread.
 */
#ifndef DS_CHECKPOINT_COMMIT_H
#define DS_CHECKPOINT_COMMIT_H

#include "dstream/plan.h"
#include "scheduler/batch_commit.h"

struct ds_recovered;

/* How long staged files stay that may be of use to a run with another checkpoint. */
#define DS_STAGED_DAYS 7

/* DS_ERR_IO with what could not be done; it may be tried again. durable: folders are synced. lost
 * receives, by file, whether its folder is; the other folders are done, and nothing is left of this
 * one. */
ds_status ds_commit_files(const ds_commit *commit, bool durable, bool *lost, ds_error *error);

/* Before the start: DS_ERR_IO if the folder of a file sink could not be made or written to, or the
 * file of an append sink could not. They are not made yet: an app without output leaves none. */
ds_status ds_commit_prepare(const ds_plan *plan, ds_error *error);

/* Makes the staging folders of file sinks, so that an executor from outside that does not see them
 * is known not to be where the driver is. What cannot be made it will not see, either. */
void ds_commit_make_staging(const ds_plan *plan);

/* Removes staged files that no commit will take (left behind by a crash), and their folder if
 * it is empty then: those of epochs with the upper half of this one (0: none), which all runs with
 * one checkpoint have, and of runs without one.
 * Others may belong to a checkpoint that somebody goes on from; they stay for DS_STAGED_DAYS.
 * `keep` are the files of recovered commits, or NULL. */
void ds_commit_clean(const ds_plan *plan, const struct ds_recovered *keep, uint64_t epoch,
                     int64_t now_ms);

/* The newest output time in the folders of the plan's file sinks; 0 if there is none. */
int64_t ds_commit_newest(const ds_plan *plan);

#endif
