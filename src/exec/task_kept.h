/* The partition of a keyed task: taken, restored, and collected for a save. */
#ifndef DS_EXEC_TASK_KEPT_H
#define DS_EXEC_TASK_KEPT_H

#include "exec/task.h"

/* Takes what the task's partition keeps, made from the chain that the task brings if it is not here
 * (keyed_store.h). *kept NULL: a replay has nothing to do. Errors as ds_keyed_store_take; and if
 * the chain cannot be loaded: DS_ERR_LOST if it is damaged, or a file of it is not in the folder
 * that is the right one; DS_ERR_NO_INPUT if it cannot be read now, or here; DS_ERR_NO_MEMORY. Then
 * nothing is taken. */
ds_status ds_task_kept_take(const ds_task_env *env, const ds_task *task, ds_kept **kept,
                            ds_error *error);

/* If the task is one of a save, and the first of its partition: collects what is kept, right after
 * the batch was applied. kept NULL: it is too late for that, and the save fails. Whatever comes of
 * the task then, what was collected goes its way. */
void ds_task_kept_collect(const ds_task_env *env, const ds_task *task, ds_kept *kept);

#endif
