/*
 * Acknowledgements: what a peer is told about its own records ("ack": true).
 *
 * A line with a number, again and again: so many lines of this connection, from its first (behind
 * a csv header), need not be sent again. Lines count as they are put into blocks, also blank ones
 * and those that are dropped for their length; when a block is durable, the lines of all blocks up
 * to it are safe. Only the newest number matters: a peer that does not read gets fewer of them,
 * and nothing waits for it.
 *
 * Marks say how many lines there were at the end of a block. There are few of them: if the disk
 * is slow, the last mark stands for several blocks, and they are told together.
 */
#ifndef DS_RECEIVER_ACK_H
#define DS_RECEIVER_ACK_H

#include <stdbool.h>
#include <stdint.h>

#define DS_ACK_MARKS 8u

/* What one connection is told. A zeroed one is new. */
typedef struct ds_ack {
    struct ds_ack_mark {
        uint64_t block_id, lines;
    } marks[DS_ACK_MARKS]; /* blocks that are not known to be durable, in order */
    uint32_t n_marks;
    uint64_t marked;  /* lines up to the newest mark */
    uint64_t safe;    /* of them, durable */
    uint64_t told;    /* of them, written to the peer */
    char text[24];    /* the line that is being written, */
    uint32_t length;  /* its length (0: none), */
    uint32_t written; /* how much of it is written, */
    uint64_t in_text; /* and what it says */
} ds_ack;

/* The block has all lines so far. No effect if none is new. */
void ds_ack_mark(ds_ack *ack, uint64_t block_id, uint64_t lines);

/* Blocks up to this one are durable. */
void ds_ack_durable(ds_ack *ack, uint64_t block_id);

/* Writes what is to be told to a socket, as far as it takes it now. Returns 0 (also if it takes
 * nothing), or an errno: the peer is gone. */
int ds_ack_write(ds_ack *ack, int fd);

/* True if something is to be told; true if all of `lines` has been told. */
bool ds_ack_waits(const ds_ack *ack);
bool ds_ack_complete(const ds_ack *ack, uint64_t lines);

#endif
