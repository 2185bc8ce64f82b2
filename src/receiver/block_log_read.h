/*
 * Reading the log of received blocks (block_log.h). Nothing in a file is believed but what its
 * checks cover: a record whose bytes are not what they were is left out, and so is one whose head
 * does not hold if others stand behind it. If none does it was being written, and ends its segment.
 *
 * Thread-safe: nothing is kept between calls.
 */
#ifndef DS_RECEIVER_BLOCK_LOG_READ_H
#define DS_RECEIVER_BLOCK_LOG_READ_H

#include "base/loss.h"
#include "receiver/block_log.h"

/* What a log holds behind some place. */
typedef struct ds_log_found {
    ds_block *blocks; /* in order; offset is nothing, log says where each is */
    size_t n_blocks, capacity;
    uint64_t last_receiver; /* the largest number of one that wrote into the folder */
    ds_loss damaged;        /* blocks that are not what they were, and are nowhere else */
    uint64_t unknown;       /* of these, those of which nobody knows how many records they had */
    uint64_t missing;       /* blocks that are not there, though later ones of their receiver are */
    uint64_t flaws;         /* damage that cost no block */
    uint64_t cut_bytes;     /* behind the last whole records of segments */
    bool locked;            /* a writer did not end: what it writes is not seen */
    /* While it is looked through. */
    ds_block *spoilt; /* blocks whose bytes do not hold: another copy may come */
    size_t n_spoilt;
    uint64_t newest_receiver, newest_id;
} ds_log_found;

/*
 * Finds the blocks of a source's folder behind `after` (receiver 0: all), in the order of
 * receivers and their blocks; one that was written twice stands there once, in the later place.
 * Waits for up to wait_ms for each writer that lives. A folder that is not there is empty.
 * DS_ERR_IO if something cannot be read. Free what was found with ds_log_found_fini, also after a
 * failure.
 */
ds_status ds_block_log_scan(const char *folder, const ds_log_place *after, int wait_ms,
                            ds_log_found *found, ds_error *error);
void ds_log_found_fini(ds_log_found *found);

/*
 * Reads the bytes of one block, `length` of them, from its segment (the path, and the place in
 * it); buffer's own bytes are replaced. DS_ERR_LOST if they are not there any more, DS_ERR_DATA if
 * they are not what they were; DS_ERR_IO if they cannot be read now, or here: the folder is not to
 * be seen.
 */
ds_status ds_block_log_read(const char *path, const ds_log_place *place, uint64_t length,
                            ds_buffer *buffer, ds_error *error);

/* Deletes the segments that stand before that of a place. */
void ds_block_log_trim(const char *folder, const ds_log_place *before);

#endif
