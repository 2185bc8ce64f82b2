/*
 * Receivers: bytes from sockets and standard input, cut at record boundaries into blocks.
 *
 * One thread (epoll) serves all receivers of an executor; it is never a task slot. Each
 * receiver fills one block at a time, read straight into the room that the block store
 * reserved for it: of what a connection sent, the part behind the last line end is moved to
 * that connection's own carry (at most limits.record + 1 bytes) and put in front of its next
 * piece, so many clients share one block and nothing else is copied. A block is cut when its
 * room is full, when the block interval has passed, and at the batch tick (ds_receivers_cut).
 * An empty block is never reported, with one exception: when only counters changed (`too_long`)
 * a tick or the receiver's end reports a block of length 0 with records 0, so that none is lost;
 * its room may have capacity 0, which means that none was reserved.
 *
 * Credits: a receiver reads only into room that the sink reserved. When the sink refuses (the
 * receiver holds all bytes it may hold that the driver has not released), the receiver stops
 * reading, TCP slows the sender, and it tries again on ds_receivers_credit. A receiver asks for
 * block_bytes, or for what its longest record needs if that is more: record_limit + 3, twice
 * that with headers. It holds at most one room, and none over a tick at which it was idle.
 *
 * Rates: a receiver with a rate takes tokens for what it reads (rate_limit.h), from all of its
 * connections together; those for which there are none are not read meanwhile, and the one that
 * was read last comes last.
 *
 * Records: \n ends one. A record longer than record_limit (without its line end) is dropped
 * as it comes and counted in `too_long` of the next block; the record after it is fine. (One
 * that is whole within the room stays in the block, and the decoder counts it; with keep_long so
 * does the beginning of any, record_limit + 2 bytes.) A
 * peer that hangs up in mid-record leaves a last record that needs no end: it is kept, a line
 * end is added, and it counts in `cut_short` of its block (for `stdin` an unfinished last line
 * is ordinary and does not). The same holds for a record that is cut by our own stop; if the
 * sink refuses room for it then, it is dropped, and the message of ENDED says so.
 *
 * csv with header: the first record of each connection is its header. It is not a record of
 * a block: a block starts with the header line (`header` bytes, line end included, always \n),
 * and a connection with another header starts another block. Blank lines before the header are
 * passed over. A header over the limit counts in `too_long` and stands as an empty line.
 */
#ifndef DS_RECEIVER_RECEIVER_H
#define DS_RECEIVER_RECEIVER_H

#include "rpc/message.h"

/* At a time, for each receiver that listens; fewer where RLIMIT_NOFILE leaves none for others. */
#define DS_RECEIVER_CLIENTS 1024u

typedef enum ds_receiver_kind {
    DS_RECEIVE_CONNECT, /* TCP client: reconnects with back-off, 100 ms to 5 s */
    DS_RECEIVE_LISTEN,  /* TCP server: DS_RECEIVER_CLIENTS at a time, more wait in the backlog */
    DS_RECEIVE_STDIN,   /* descriptor 0, to its end */
} ds_receiver_kind;

typedef struct ds_receiver_spec {
    uint64_t receiver_id;
    ds_receiver_kind kind;
    const char *name;      /* of the source, for messages; copied */
    const char *host;      /* CONNECT, LISTEN ("" or "*": every IPv4 address); copied */
    uint16_t port;         /* LISTEN: 0 is any free one; the message of RUNNING has it */
    uint32_t record_limit; /* bytes */
    uint32_t block_bytes;  /* room to reserve at a time; >= record_limit + 1 */
    int block_interval_ms; /* 0: cut only when full and at the tick */
    bool header;
    bool keep_long; /* the beginning of a record over the limit stays, and is over it */
    /* --available-now: CONNECT tries once (FAILED with DS_ERR_UNAVAILABLE if refused) and
     * ends when the peer closes or nothing came for idle_ms; LISTEN ends when nothing
     * and nobody came for idle_ms. */
    bool until_idle;
    int idle_ms;
    /* CONNECT: if the peer was never reached for so long since the start, FAILED with
     * DS_ERR_UNAVAILABLE. 0: tries for ever. */
    int give_up_ms;
    /* Connections at a time that may hold much of a record that has not ended (long_records.h);
     * 0: any number. */
    uint32_t long_records;
    uint64_t rate;          /* records a second that are read at most; 0: no limit */
    bool ack;               /* peers are told what is durable (ds_receivers_durable) */
    const char *log_folder; /* for the log writer (log_writer.h); "" or NULL: no log */
    uint64_t epoch;         /* of the run that holds the checkpoint with that; 0: whoever */
} ds_receiver_spec;

/* Room for a block in the store. */
typedef struct ds_block_room {
    char *bytes;
    uint64_t offset; /* in the store */
    uint64_t capacity;
} ds_block_room;

/* What the executor gives to its receivers. All functions are called from the receivers'
 * thread and must not block. */
typedef struct ds_block_sink {
    void *arg;
    /* Room of `capacity` bytes or more, or false: no credit now. */
    bool (*reserve)(void *arg, uint64_t receiver_id, uint64_t capacity, ds_block_room *room);
    /* A block that is done: block->length bytes of room are used; the rest goes back to the
     * store. block_id counts up from 1 for each receiver. */
    void (*report)(void *arg, uint64_t receiver_id, const ds_block_room *room,
                   const ds_block *block);
    /* Room that is not needed after all. */
    void (*give_back)(void *arg, uint64_t receiver_id, const ds_block_room *room);
    void (*state)(void *arg, uint64_t receiver_id, ds_receiver_phase phase, ds_status status,
                  const char *message);
    /* All receivers have cut and reported for this tick. */
    void (*cut_done)(void *arg, uint64_t tick);
} ds_block_sink;

typedef struct ds_receivers ds_receivers;

/* Starts the thread. sink is copied; its arg stays borrowed. DS_ERR_IO if the system refuses. */
ds_status ds_receivers_start(const ds_block_sink *sink, ds_receivers **receivers, ds_error *error);

/* These queue a command for the thread (any thread may call them); commands are carried out in
 * their order. A receiver reports RUNNING whenever it is connected or listening; RETRYING for
 * each failed attempt (the back-off limits the rate) or lost connection; FAILED (a port in use,
 * a host that does not resolve, ...) or ENDED once, as its last word. Messages are sentences
 * for a person ("listening on 127.0.0.1:9999"). Stop: what was read is cut and reported, then
 * ENDED; an unknown id has no effect. */
void ds_receivers_add(ds_receivers *receivers, const ds_receiver_spec *spec);
void ds_receivers_stop_one(ds_receivers *receivers, uint64_t receiver_id);
void ds_receivers_cut(ds_receivers *receivers, uint64_t tick);
void ds_receivers_credit(ds_receivers *receivers);
/* Blocks of a receiver up to this one are durable: peers are told, if they are to be (ack.h). */
void ds_receivers_durable(ds_receivers *receivers, uint64_t receiver_id, uint64_t block_id);
/* Another rate from now on (0: no limit); an unknown id has no effect. */
void ds_receivers_rate(ds_receivers *receivers, uint64_t receiver_id, uint64_t rate);

/* Ends the thread, closes everything and frees. Nothing more is reported; room that is still
 * held is given back. */
void ds_receivers_stop(ds_receivers *receivers);

#endif
