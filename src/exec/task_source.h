/*
 * The first half of a map task: its inputs (blocks, pieces of files, ranges of the generator,
 * lists of the app file) to chunks of rows.
 */
#ifndef DS_EXEC_TASK_SOURCE_H
#define DS_EXEC_TASK_SOURCE_H

#include "dstream/frame.h"
#include "exec/dead_letters.h"
#include "exec/peers.h"
#include "rpc/message.h"

#define DS_TASK_SAMPLES 3u            /* bad records shown by one task */
#define DS_SAMPLE_BYTES ((size_t)200) /* of a record that is shown */

/* Buffers of a task thread, kept from task to task: one for each file piece of a task. */
typedef struct ds_scratch {
    ds_buffer *files;
    size_t n_files;
    ds_buffer header; /* of a csv file */
} ds_scratch;
void ds_scratch_fini(ds_scratch *scratch);
/* Frees buffers until those that stay have at most so many bytes together. */
void ds_scratch_trim(ds_scratch *scratch, size_t bytes);

/* What reading the source of a task needs; all borrowed. */
typedef struct ds_source_context {
    ds_frame *frame;
    const ds_node *node; /* the source */
    const ds_task *task;
    ds_peers *peers;
    ds_scratch *scratch;
    ds_dead_letters *letters; /* of a source with "dead_letter"; NULL: nobody keeps any */
    ds_arena *arena;          /* of the result */
} ds_source_context;

/*
 * Reads all inputs of a task, in order, and pushes their rows as rows of the source. Counts go to
 * *result, whose samples (up to DS_TASK_SAMPLES) live in arena, bad records to the dead letters.
 * A file that is gone is not an error of the task: it is a sample that says so. DS_ERR_DATA when
 * a record is bad and the source says "fail"; DS_ERR_IO if a dead letter cannot be written.
 */
ds_status ds_task_source_run(const ds_source_context *context, ds_task_result *result,
                             ds_error *error);

#endif
