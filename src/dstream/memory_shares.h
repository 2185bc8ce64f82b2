/*
 * How limits.memory is shared out: among the driver and the executors, and within an executor
 * between its store, its tasks, what it keeps from batch to batch, and what of that is being saved.
 *
 * What is kept comes last: it can be on disk, while a task without its share can do nothing.
 */
#ifndef DS_DSTREAM_MEMORY_SHARES_H
#define DS_DSTREAM_MEMORY_SHARES_H

#include "dstream/app.h"

#define DS_LEAST_SHARE (INT64_C(1) << 20) /* of a task, besides the block that it reads */

/* What each executor may use: its own limit, and its share of what the driver leaves. */
int64_t ds_memory_of_executor(const ds_app *app);
/* What of it is for tasks and what is kept; the store has as much, an eighth is counted by nobody.
 */
int64_t ds_memory_of_tasks(int64_t executor_bytes);

/* limits.block, or less: so much that each task thread can make something of it, but a record. */
int64_t ds_memory_block(const ds_app *app);
/* The least limits.memory, or executors.memory if the app has more than enough of the former, with
 * which its executors can do anything; 0: it has that. *which: the key. */
int64_t ds_memory_lacks(const ds_app *app, const char **which);

typedef struct ds_memory_shares {
    int64_t task;   /* each task's, besides a block */
    int64_t kept;   /* of what is kept, before it goes to disk, with ... */
    int64_t pages;  /* ... the pages that are on disk, too */
    int64_t saving; /* of what is being saved */
} ds_memory_shares;

/* bytes: of ds_memory_of_tasks. keeps: something is kept from batch to batch. */
ds_memory_shares ds_memory_divide(int64_t bytes, uint32_t cores, int64_t block, bool keeps);

#endif
