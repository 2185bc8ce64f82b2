/*
 * Making a key partition again from the chain of its saved parts: files, or ranges of stores.
 *
 * Each part is read once, a piece at a time, and loaded as it is read; its length is known before,
 * and its checksum is compared when all of it was read. That is not too late: loading trusts no
 * bytes, and whatever it has made of a part is thrown away with the whole partition if anything is
 * wrong.
 */
#ifndef DS_EXEC_RESTORE_H
#define DS_EXEC_RESTORE_H

#include "dstream/kept.h"
#include "exec/pace.h"
#include "exec/peers.h"
#include "rpc/message.h"

/* True if the saved parts that a task brings, if any, are a chain for its partition. */
bool ds_restore_fits(const ds_stage *stage, const ds_task *task);

/* Loads the parts of a task into an empty kept, which then stands at task->keyed_ms. The message of
 * an error says which part could not be loaded and why; kept may only be freed then. DS_ERR_LOST if
 * its bytes are there, and wrong; DS_ERR_NO_INPUT if a file is not there; DS_ERR_IO if one, or a
 * store, cannot be read; DS_ERR_NO_MEMORY. */
ds_status ds_restore(ds_kept *kept, const ds_task *task, ds_peers *peers, ds_error *error);
/* The same, without ds_kept_stand: more parts may follow. At this pace, or NULL. */
ds_status ds_restore_parts(ds_kept *kept, const ds_task *task, ds_peers *peers, ds_pace *pace,
                           ds_error *error);

#endif
