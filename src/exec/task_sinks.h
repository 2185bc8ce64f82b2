/*
 * The sinks of one task: rows to staged files, to bytes for the console, to pieces for tests.
 *
 * A file is written aside, in the staging folder of its sink (ds_sink_plan), under a name that
 * holds epoch, batch, stage, partition and attempt; when the batch commits the driver renames it,
 * or adds it to the file of an `append` sink.
 */
#ifndef DS_EXEC_TASK_SINKS_H
#define DS_EXEC_TASK_SINKS_H

#include "dstream/frame.h"
#include "exec/batch_ranges.h"
#include "exec/staged_file.h"
#include "rpc/message.h"

typedef struct ds_task_sinks ds_task_sinks;

typedef struct ds_sink_context {
    ds_store *store;
    ds_batch_ranges *ranges;
    uint64_t executor_id;
    uint64_t epoch;
    bool durable; /* files are synced before they are reported: the app has a checkpoint */
    const ds_task *task;
} ds_sink_context;

/* Creates the file that a task writes aside for a staged sink. DS_ERR_IO. */
ds_status ds_sink_stage(const ds_sink_plan *sink, const ds_sink_context *context,
                        ds_staged_file **file, ds_error *error);
/* Completes it; *output is what the driver is told of it, its path in arena. DS_ERR_IO. */
ds_status ds_sink_staged(const ds_sink_plan *sink, const ds_sink_context *context,
                         ds_staged_file *file, uint64_t rows, ds_arena *arena, ds_output *output,
                         ds_error *error);

/* The context is copied, what it points to borrowed. */
ds_task_sinks *ds_task_sinks_new(const ds_plan *plan, const ds_sink_context *context);
/* Closes what is open; staged files that were not reported are removed. */
void ds_task_sinks_free(ds_task_sinks *sinks);

/* Writes rows. DS_ERR_IO if a file cannot be written; DS_ERR_NO_MEMORY if rows of a console, which
 * leave in parts, find no room. */
ds_status ds_task_sinks_write(ds_task_sinks *sinks, ds_frame *frame, const ds_node *node,
                              const ds_chunk *chunk, ds_error *error);

/* Completes all sinks; those that have rows have outputs: one, or several of a console. The list is
 * that of sinks, its texts go to arena. */
ds_status ds_task_sinks_finish(ds_task_sinks *sinks, ds_frame *frame, ds_arena *arena,
                               const ds_output **outputs, uint32_t *n_outputs, ds_error *error);

#endif
