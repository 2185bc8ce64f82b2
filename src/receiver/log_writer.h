/*
 * Between receivers and whoever takes their blocks: what is received goes to the log first.
 *
 * A log writer is a ds_block_sink before another one. Blocks of a receiver with a log are
 * written by a thread of its own, and handed on when they are durable, with the place; what the
 * receiver says (its states, and that all have cut) keeps its order behind them. Blocks that come
 * while a sync is under way share the next one. So nobody but this thread ever waits for the disk.
 *
 * A block that waits holds its room, and room is bounded by credit: a slow disk stops the
 * receivers, and they the senders. If the disk is full, or the folder away, the writer says
 * RETRYING, once, tries again and again, and says RUNNING when it goes on (and RETRYING again,
 * without a text, when it wrote a little in between: message.h says what the driver makes of that);
 * meanwhile only "all have cut" passes by.
 */
#ifndef DS_RECEIVER_LOG_WRITER_H
#define DS_RECEIVER_LOG_WRITER_H

#include "receiver/receiver.h"

typedef struct ds_log_writer ds_log_writer;

/* sink is copied; its functions are called from the writer's thread, too, and report with the place
 * in block->log. The thread starts with the first log. */
ds_log_writer *ds_log_writer_new(const ds_block_sink *sink);

/* What receivers are given. */
ds_block_sink ds_log_writer_sink(ds_log_writer *writer);

/* Gives a receiver a log, before it is added; folder is copied. epoch: of the run that holds the
 * checkpoint in which that is (ds_block_log_claim); 0: whoever's. DS_ERR_IO if the thread cannot be
 * started, DS_ERR_NO_INPUT if that folder is not to be seen. Any thread. */
ds_status ds_log_writer_add(ds_log_writer *writer, uint64_t receiver_id, const char *folder,
                            uint64_t epoch, ds_error *error);

/* Ends the thread and frees; what waits is dropped, and its room given back. The receivers are
 * stopped. NULL is allowed. */
void ds_log_writer_free(ds_log_writer *writer);

#endif
