/*
 * The log of received blocks: what was received is on the disk before the driver hears of it.
 *
 *     CHECKPOINT/log/SOURCE/0000000003-000001.log      receiver 3, its first segment
 *
 * A segment is written by one receiver, to its end; then the next one begins. All numbers are
 * little-endian:
 *
 *     segment  = head record*
 *     head     = "DSLOG\1\r\n", receiver id (8), number of the segment (8), check (8)
 *     record   = "DSB\x1a", csv header bytes (4), block id (8), length (8), records (8),
 *                records too long (8), records cut short (8), checksum of the bytes (8),
 *                check (8), and the bytes of the block
 *
 * Checks and checksums are XXH3-64; the check of a record is of what stands before it in its head,
 * seeded with receiver and segment, so that no record is taken for one of another file.
 *
 * While it is written a segment is locked (flock): who reads it can wait for its writer's end,
 * which may be a moment later than that of the writer's driver.
 *
 * Reading is block_log_read.h. Not thread-safe.
 */
#ifndef DS_RECEIVER_BLOCK_LOG_H
#define DS_RECEIVER_BLOCK_LOG_H

#include "rpc/message.h"

#define DS_LOG_SEGMENT_BYTES (UINT64_C(64) << 20) /* then another one begins */
#define DS_LOG_MAGIC "DSLOG\1\r\n"
#define DS_LOG_RECORD_MAGIC "DSB\x1a"
#define DS_LOG_HEAD 32u        /* bytes of the head of a segment ... */
#define DS_LOG_RECORD_HEAD 64u /* ... and of a record */

typedef struct ds_block_log ds_block_log;

/* A log of one receiver, whose id was never used before. Opens nothing yet; folder is copied, and
 * made when it is needed. */
ds_block_log *ds_block_log_new(const char *folder, uint64_t receiver_id, uint64_t segment_bytes);
/* From now on segments are made only if CHECKPOINT is that of the run of this epoch (claim.h), and
 * folders never: what is not there is away, and blocks wait (DS_ERR_IO) until it is back. */
void ds_block_log_claim(ds_block_log *log, uint64_t epoch);
/* Whether the folder is to be seen from here. DS_ERR_NO_INPUT. */
ds_status ds_block_log_look(ds_block_log *log, ds_error *error);
/* Closes it; what was not synced may be lost. NULL is allowed. */
void ds_block_log_free(ds_block_log *log);

/*
 * Writes a block, whose bytes are borrowed, and says in block->log where. It is durable after
 * the next ds_block_log_sync. DS_ERR_IO if it cannot be written (a full disk): then it is not in
 * the log, what was written before is as it was, and it may be tried again: on a full disk in
 * another segment, so that this one can go when nobody needs it any more.
 */
ds_status ds_block_log_append(ds_block_log *log, const char *bytes, ds_block *block,
                              ds_error *error);

/*
 * Makes all that was written durable, in the segment that its name leads to. DS_ERR_IO: what was
 * written since it succeeded last has to be written again, and will stand in another segment.
 */
ds_status ds_block_log_sync(ds_block_log *log, ds_error *error);

/* Whether all segments that have blocks are closed: nothing will be added to them. */
bool ds_block_log_is_closed(const ds_block_log *log);

/* The numbers of a record's head and of a segment's head, as they are written. */
uint64_t ds_log_seed(uint64_t receiver_id, uint64_t segment);

#endif
