/*
 * Reading the file of a table: its bytes become blocks of this executor's store, and all of its
 * records are decoded once, which counts the bad ones and shows whether it can be used at all.
 *
 * Others may write the file meanwhile. It is looked at before and after it is read, and read
 * again if anything about it changed, so that what is kept stood there at one moment (if those who
 * write it in place do so between two looks).
 */
#ifndef DS_EXEC_TABLE_LOAD_H
#define DS_EXEC_TABLE_LOAD_H

#include "exec/task.h"

/*
 * Loads a table, as a thread of its own or inline; fills *loaded, whose texts and lists live in
 * arena. wall_us is the time now; a file that was changed just before is read by the next look,
 * too, as its stamp may not tell of another change. The blocks become those of its version in
 * env->tables. What can be wrong is in the result's status: DS_ERR_NO_INPUT (there is no such
 * file), DS_ERR_IO (it cannot be read), DS_ERR_UNAVAILABLE (it changes all the time), DS_ERR_DATA
 * (a bad record under "fail", a header that lacks a column, no good record), DS_ERR_NO_MEMORY (it
 * is too large for this executor).
 */
void ds_table_load(const ds_task_env *env, const ds_msg_table_load *load, int64_t wall_us,
                   ds_arena *arena, ds_msg_table_loaded *loaded);

#endif
