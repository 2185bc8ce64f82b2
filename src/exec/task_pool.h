/*
 * The task threads of an executor: `cores` of them, taking tasks in the order they were given.
 */
#ifndef DS_EXEC_TASK_POOL_H
#define DS_EXEC_TASK_POOL_H

#include "exec/task.h"

typedef struct ds_task_pool ds_task_pool;

/* A task that is done; result and what it refers to live until ds_task_done_free. */
typedef struct ds_task_done ds_task_done;
const ds_task_result *ds_task_done_result(const ds_task_done *done);
void ds_task_done_free(ds_task_done *done);

/* Called by a task thread with a finished task, which it takes over. */
typedef void (*ds_task_done_fn)(void *arg, ds_task_done *done);

/* Starts the threads. */
ds_task_pool *ds_task_pool_start(uint32_t n_threads, ds_task_done_fn fn, void *arg);

/* Queues a task. It may run at once, and does so after ds_task_pool_go at the latest, which costs
 * nothing if there is none. What the task refers to is copied; but after ds_task_pool_lend, and
 * until ds_task_pool_go, it lies in `arena`, which is the pool's from then on, and is freed with
 * the last of these tasks. All for one thread at a time. */
void ds_task_pool_lend(ds_task_pool *pool, ds_arena *arena);
void ds_task_pool_put(ds_task_pool *pool, const ds_task_env *env, const ds_task *task);
void ds_task_pool_go(ds_task_pool *pool);

/* Waits for the running tasks, forgets the queued ones, ends the threads and frees. */
void ds_task_pool_stop(ds_task_pool *pool);

#endif
