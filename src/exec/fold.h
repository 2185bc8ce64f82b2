/*
 * Making a whole part of a chain and of the changes that were collected, beside the tasks.
 *
 * A window over thousands of panes costs milliseconds to be written down as a whole, and each of
 * its batches nearly nothing. So a task only collects what changed, even when its chain is to begin
 * anew: whoever writes it loads the chain and the changes into a copy of the partition, which is
 * the same to the last bit, and saves that. It takes several times as long, but no batch waits for
 * it. The memory of the copy is reserved before, by what the partition has; if there is none for
 * now, the chain goes on with changes, and becomes longer than others. If there never is, or the
 * chain is small, or it lies with others (whose stores may go at any time), the task does it.
 *
 * The bytes of the chain may go while they are read, if the partition moves: then a checksum is
 * wrong, and the save is given up as it would be anyway.
 */
#ifndef DS_EXEC_FOLD_H
#define DS_EXEC_FOLD_H

#include "exec/pace.h"
#include "exec/task.h"

typedef struct ds_fold ds_fold;

/* Remembers the chain that a task of a save that folds brings (copied); env's plan and peers are
 * borrowed for as long as something is being saved. kept_bytes: the memory of the partition. NULL:
 * the task is to collect all of it, or with *later what changed. Free with ds_fold_free. */
ds_fold *ds_fold_new(const ds_task_env *env, const ds_task *task, size_t kept_bytes, bool *later);
void ds_fold_free(ds_fold *fold);

/* Lets all parts of what was collected be whole ones, if it has a fold; or else it has failed.
 * Takes as long as loading and saving them, at this pace (or NULL). */
void ds_fold_make(ds_collected *collected, ds_pace *pace);

#endif
