/*
 * The block cutter: fills the room of a block with whole records from many streams of bytes.
 *
 * It does no input or output. Who reads asks for a window, reads into it, and says how much
 * came:
 *
 *     room:  | header | records of earlier pieces | gap | window ...          |
 *            0        header_length               used  used + carry         capacity
 *
 * The gap is as long as the stream's carry, the beginning of a record that came before. When
 * the piece in the window has a line end, the carry is copied into the gap, the records up to
 * the last line end belong to the block, and the tail becomes the new carry. When it has none
 * it is added to the carry and the room stays as it was. So each byte of a whole record is
 * read to where it stays, the copied ones are at most two ends of records for each read, and
 * a record that comes byte by byte costs no more than its length.
 *
 * A carry that grows beyond record_limit + 1 bytes (a \r may stand before the \n) is dropped,
 * counted in too_long, and the stream is skipped up to its next line end. A record over the
 * limit that is whole within its room stays: the decoder counts it, so every one is counted
 * exactly once. With keep_long nothing is dropped whole: record_limit + 2 bytes stay as a record,
 * which is over the limit even if its last byte is a \r, and what follows is skipped.
 *
 * With csv headers the first line of a stream that is not blank is collected aside, from
 * small reads; what came behind it waits in the carry as `pending` records until there is
 * room behind the same header. A header over the limit counts in too_long and stands as an
 * empty line, which makes the records behind it bad.
 *
 * Not thread-safe.
 */
#ifndef DS_RECEIVER_BLOCK_CUTTER_H
#define DS_RECEIVER_BLOCK_CUTTER_H

#include "base/buffer.h"
#include "receiver/receiver.h"

/* One stream of bytes (a connection). A zeroed one is new. */
typedef struct ds_record_stream {
    ds_buffer carry;  /* the beginning of a record, or pending records */
    ds_buffer header; /* the header line with its \n; empty without headers */
    bool header_known;
    bool skipping;  /* within a record that was dropped for its length */
    bool pending;   /* carry holds whole records that wait for room */
    bool cut_short; /* the last of the pending records was not finished by its peer */
    uint64_t lines; /* that came to be in blocks, or were dropped for their length */
} ds_record_stream;

typedef struct ds_block_cutter {
    uint32_t record_limit;
    bool header;
    bool keep_long;     /* set behind ds_block_cutter_init */
    ds_block_room room; /* capacity 0: none */
    uint64_t used;      /* bytes of the block, header included */
    uint64_t header_length;
    uint64_t records, too_long, cut_short;
    uint64_t all_records; /* since the beginning, dropped ones too */
    uint64_t last_id;
} ds_block_cutter;

/* What has to be done first. */
typedef enum ds_cut_step {
    DS_CUT_GO,    /* nothing: it is done */
    DS_CUT_ROOM,  /* give room (ds_block_cutter_give), then try again */
    DS_CUT_BLOCK, /* full or another header: take the block (ds_block_cutter_cut), try again */
} ds_cut_step;

/* A cutter without room; record_limit in bytes; header: each peer's first record names fields. */
void ds_block_cutter_init(ds_block_cutter *cutter, uint32_t record_limit, bool header);

/* Frees what a stream holds. What it still carried is lost: see ds_record_stream_end. */
void ds_record_stream_fini(ds_record_stream *stream);

/* The least capacity of room that always lets a stream go on. */
uint64_t ds_block_cutter_least(const ds_block_cutter *cutter);

/* Gives room, of which there is at most one at a time. */
void ds_block_cutter_give(ds_block_cutter *cutter, const ds_block_room *room);

/* True if there are records that were not cut yet; if there is hardly any room behind them. */
bool ds_block_cutter_has_records(const ds_block_cutter *cutter);
bool ds_block_cutter_full(const ds_block_cutter *cutter);

/* Finds where the next bytes of a stream are to be read to: *length > 0 bytes at *bytes. Only
 * valid until the next call for any stream. */
ds_cut_step ds_block_cutter_window(ds_block_cutter *cutter, ds_record_stream *stream, char **bytes,
                                   size_t *length);

/* Takes the first `length` bytes of the window of this stream. Call ds_block_cutter_place
 * afterwards. */
void ds_block_cutter_fill(ds_block_cutter *cutter, ds_record_stream *stream, size_t length);

/* Moves pending records of a stream into the room, if there are any. */
ds_cut_step ds_block_cutter_place(ds_block_cutter *cutter, ds_record_stream *stream);

/* Ends a stream: an unfinished record gets a line end, becomes pending, and if cut_short
 * counts as such in its block. Call ds_block_cutter_place until it is done. */
void ds_record_stream_end(const ds_block_cutter *cutter, ds_record_stream *stream, bool cut_short);

/* Ends a stream without what is not finished of it: its peer sends that again. */
void ds_record_stream_drop(ds_record_stream *stream);

/* Takes the block and its room (capacity 0 if there is none) out of the cutter. False if there
 * is nothing to report; a block of length 0 has counters only. */
bool ds_block_cutter_cut(ds_block_cutter *cutter, ds_block_room *room, ds_block *block);

#endif
