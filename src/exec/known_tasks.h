/*
 * The tasks that an executor was told to run, until their batch is released: told again, a task
 * is not run again. Cost does not depend on how many are known. One thread.
 */
#ifndef DS_EXEC_KNOWN_TASKS_H
#define DS_EXEC_KNOWN_TASKS_H

#include "rpc/message.h"

typedef struct ds_known_tasks ds_known_tasks;

/* Makes an empty set. Free with ds_known_tasks_free. */
ds_known_tasks *ds_known_tasks_new(void);
void ds_known_tasks_free(ds_known_tasks *known);

/* Remembers a task, by batch, plan, stage, partition and attempt. False if it is known. */
bool ds_known_tasks_add(ds_known_tasks *known, const ds_task *task);

/* Counts a task of a batch in that began, or out that ended. */
void ds_known_tasks_begin(ds_known_tasks *known, int64_t batch_ms);
void ds_known_tasks_end(ds_known_tasks *known, int64_t batch_ms);
/* True if some task of the batch began and did not end. */
bool ds_known_tasks_runs(const ds_known_tasks *known, int64_t batch_ms);

/* Forgets all tasks of a batch, none of which runs. */
void ds_known_tasks_forget(ds_known_tasks *known, int64_t batch_ms);

/* How many tasks it remembers. */
size_t ds_known_tasks_count(const ds_known_tasks *known);

#endif
