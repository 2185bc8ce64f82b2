/*
 * Overflows, and failures of the user's functions, in what a frame ran: what becomes of them in
 * the result.
 */
#ifndef DS_EXEC_TASK_FAULTS_H
#define DS_EXEC_TASK_FAULTS_H

#include "columnar/user_functions.h"
#include "dstream/frame.h"
#include "rpc/message.h"

/* Puts counts, and samples of the failures that were noted, into *result. */
void ds_task_faults_take(ds_task_result *result, const ds_frame *frame, const ds_fault_notes *notes,
                         ds_arena *arena);

/* Such rows are as bad as records that do not fit: DS_ERR_DATA where a source above says "fail". */
ds_status ds_task_faults_check(const ds_frame *frame, const ds_fault_notes *notes, ds_error *error);

#endif
