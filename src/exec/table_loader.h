/*
 * Loads of tables in a real executor, and versions that are decoded ahead of tasks: each has a
 * thread for itself, never a task slot, as receivers do.
 */
#ifndef DS_EXEC_TABLE_LOADER_H
#define DS_EXEC_TABLE_LOADER_H

#include "exec/table_load.h"

/* A load that is done; what it refers to lives until ds_table_load_free. */
typedef struct ds_table_load_done {
    ds_msg_table_loaded loaded;
    ds_arena *arena;
} ds_table_load_done;

/* Called by the thread of a load that is done, which it takes over. */
typedef void (*ds_table_load_fn)(void *arg, ds_table_load_done *done);

/* Starts a load (copied; env's parts live until it is done). */
void ds_table_load_start(const ds_task_env *env, const ds_msg_table_load *load, ds_table_load_fn fn,
                         void *arg);
void ds_table_load_free(ds_table_load_done *done);

/* Decodes a version (copied) ahead of the tasks that need it; fn is called when that is over. */
void ds_table_prepare_start(const ds_task_env *env, const ds_table_use *use, void (*fn)(void *arg),
                            void *arg);

#endif
