/*
 * Running one task: the data half of an executor.
 *
 * A task is a pure function of its inputs (and, for a keyed stage, of its partition's panes,
 * which it changes at most once): run again with the same inputs it gives the same rows in
 * the same order. Thread-safe for different tasks.
 */
#ifndef DS_EXEC_TASK_H
#define DS_EXEC_TASK_H

#include "exec/batch_ranges.h"
#include "exec/collected.h"
#include "exec/keyed_store.h"
#include "exec/tables.h"
#include "exec/task_source.h"

/* What all tasks of an executor share (borrowed; except for plan it outlives the plan). */
typedef struct ds_task_env {
    const ds_plan *plan;
    ds_store *store;
    ds_batch_ranges *ranges;
    ds_peers *peers;
    ds_keyed_store *keyed;
    ds_tables *tables;
    ds_budget *budget;  /* of the executor */
    ds_budget *kept;    /* of it, what is kept from batch to batch; may be NULL */
    ds_budget *saving;  /* of it, what is being saved; may be NULL: no limit of its own */
    size_t share_bytes; /* what each task may have of it; 0: whatever it likes */
    uint64_t executor_id;
    uint64_t epoch;
    uint64_t fold_bytes;       /* of a whole part; chains of such are folded beside tasks */
    ds_collection *collection; /* takes what tasks collect for saves */
    const char *kept_folder;   /* where it goes; "": into the store */
} ds_task_env;

/* Copies a task with all that it refers to into arena. */
ds_task ds_task_copy(ds_arena *arena, const ds_task *task);

/* Runs a task; fills *result, whose texts and lists live in arena. Errors are in the result's
 * status and message. busy_us is left to the caller. What it collected for a save is in the env's
 * collection, whatever comes of the task afterwards. */
void ds_task_run(const ds_task_env *env, const ds_task *task, ds_scratch *scratch, ds_arena *arena,
                 ds_task_result *result);

#endif
