/*
 * A place in the log of received blocks (receiver/block_log.h): which record of which file.
 *
 * Each receiver writes segments of its own, and numbers of receivers are never used twice, also
 * over restarts. So places of one source are in the order in which blocks were written.
 * Thread-safe: nothing is kept.
 */
#ifndef DS_BASE_LOG_PLACE_H
#define DS_BASE_LOG_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#define DS_LOG_NAME 64 /* bytes of a name, its end included */

typedef struct ds_log_place {
    uint64_t receiver_id; /* 0: nowhere */
    uint64_t segment;     /* of that receiver, from 1 */
    uint64_t offset;      /* where the record begins, in bytes */
} ds_log_place;

/* Writes the name of the segment's file: "0000000003-000001.log". name has DS_LOG_NAME bytes. */
void ds_log_place_name(char *name, const ds_log_place *place);

/* Reads such a name; offset becomes 0. False, with *place as it was, for any other name. */
bool ds_log_place_read(const char *name, ds_log_place *place);

/* Less than, equal to or greater than 0, as a is before, at or behind b. */
int ds_log_place_compare(const ds_log_place *a, const ds_log_place *b);

/* True if a's segment is before b's. */
bool ds_log_segment_before(const ds_log_place *a, const ds_log_place *b);

#endif
