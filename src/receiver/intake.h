/*
 * An intake: one receiver within the thread of the receivers. It has a cutter, the room of one
 * block, and connections; its kind (connect, listen, stdin) is a table of functions that make
 * connections and say what follows when one ends.
 *
 * The end of an intake is asked for with ds_intake_end, from anywhere, and carried out between
 * two events by ds_intake_finish: so no function finds its intake gone when it returns.
 *
 * All of this belongs to the one thread.
 */
#ifndef DS_RECEIVER_INTAKE_H
#define DS_RECEIVER_INTAKE_H

#include "receiver/ack.h"
#include "receiver/block_cutter.h"
#include "receiver/poller.h"
#include "receiver/rate_limit.h"

#define DS_NEVER INT64_MAX /* a time that does not come */

typedef struct ds_intake ds_intake;

/* One stream of bytes that is read. */
typedef struct ds_connection {
    ds_watch watch;
    ds_intake *intake;
    struct ds_connection *next, **link;
    ds_record_stream stream;
    bool waiting;     /* for room, for tokens, for a place; not watched meanwhile */
    bool has_place;   /* for a long record */
    bool ended;       /* the end was read; what it left may wait for room */
    bool received;    /* any byte */
    size_t unbroken;  /* bytes since it was found empty */
    bool floods;      /* it is told of late: see flood.h */
    bool read_lately; /* since the last tick */
    int error;        /* errno if it ended by one */
    bool lingers;     /* it ended, and its peer is still to be told what is safe */
    ds_ack ack;
} ds_connection;

/* What the kinds of receivers do differently. All but start and close may find the intake
 * `over`, and then have no effect that matters. */
typedef struct ds_intake_ops {
    /* Opens what is needed; a failure is reported with ds_intake_end. */
    void (*start)(ds_intake *intake);
    /* A connection has ended and its records are in the block. Has to close it. */
    void (*ended)(ds_intake *intake, ds_connection *connection);
    /* When timer is to be called, in us of the poller's clock. */
    int64_t (*deadline)(const ds_intake *intake);
    void (*timer)(ds_intake *intake);
    /* Closes what start opened; the connections are closed already. */
    void (*close)(ds_intake *intake);
} ds_intake_ops;

extern const ds_intake_ops ds_socket_connect_ops;
extern const ds_intake_ops ds_socket_listen_ops;
extern const ds_intake_ops ds_stdin_ops;

struct ds_intake {
    ds_intake *next;
    ds_poller *poller;
    const ds_block_sink *sink;
    ds_receiver_spec spec; /* name and host are owned */
    const ds_intake_ops *ops;
    void *own; /* of the kind */
    ds_block_cutter cutter;
    ds_connection *connections, **last; /* with a rate the one that was read last comes last */
    uint32_t n_connections;
    bool stalled;    /* the sink refused room: connections may be waiting */
    bool paused;     /* there were no tokens: likewise */
    bool crowded;    /* there was no place for a long record: likewise */
    uint32_t n_long; /* connections that have one */
    ds_rate_limit limit;
    uint64_t taken;      /* records that the limit knows of */
    int64_t cut_at_us;   /* when the block interval has passed */
    uint32_t n_floods;   /* connections that flood */
    int64_t tick_us;     /* when those are read that were not lately */
    bool ticking;        /* that is done just now */
    int64_t bytes_at_us; /* when the last bytes came */
    int64_t tell_us;     /* when peers are told again that did not read */
    int64_t finish_us;   /* over: when it ends at the latest; 0: not begun */
    bool over;           /* wants ds_intake_finish, with this last word: */
    ds_receiver_phase last_phase;
    ds_error last_word;
};

/* Makes an intake and starts it. poller and sink stay borrowed; spec is copied. */
ds_intake *ds_intake_new(ds_poller *poller, const ds_block_sink *sink,
                         const ds_receiver_spec *spec);
/* Closes and frees; gives room back, reports nothing. */
void ds_intake_free(ds_intake *intake);

/* The batch tick: reports what there is, and gives back room that nothing was written to. */
void ds_intake_cut(ds_intake *intake);
/* The sink may have room again. */
void ds_intake_credit(ds_intake *intake);
/* Another rate (0: no limit). */
void ds_intake_rate(ds_intake *intake, uint64_t rate);
int64_t ds_intake_deadline(const ds_intake *intake);
void ds_intake_timer(ds_intake *intake);
/* Carries out the end: cuts and reports what was read, and says the last word. Then free it. False:
 * peers are still to be told what is safe, for a while. */
bool ds_intake_finish(ds_intake *intake);

/* Asks for the end. phase is ENDED or FAILED; the first word counts. */
void ds_intake_end(ds_intake *intake, ds_receiver_phase phase, ds_status status, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));
/* Reports RUNNING or RETRYING. */
void ds_intake_say(ds_intake *intake, ds_receiver_phase phase, ds_status status, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));

/* With acknowledgements (intake_acks.c): a block has all lines so far; blocks up to this one are
 * durable; it is time to tell peers again; all is told. */
void ds_intake_mark(ds_intake *intake, uint64_t block_id);
void ds_intake_durable(ds_intake *intake, uint64_t block_id);
void ds_intake_tell(ds_intake *intake);
bool ds_intake_told(const ds_intake *intake);
/* True if its peer may read on until it knows that all is safe. */
bool ds_connection_lingers(const ds_connection *connection);

/* Makes the cutter ready to go on after `step`. False if the sink refused room. */
bool ds_intake_advance(ds_intake *intake, ds_cut_step step);
/* Records may have come into the block: starts the block interval; cuts a full block. */
void ds_intake_filled(ds_intake *intake);

/* Reads from fd from now on. On success fd belongs to the connection (descriptor 0 is never
 * closed). Returns 0 or an errno. */
int ds_connection_open(ds_intake *intake, int fd);
void ds_connection_close(ds_connection *connection);
/* Goes on after a stall; may stall again. */
void ds_connection_resume(ds_connection *connection);
/* Moves what the end of the stream left into the block. False if there is no room. */
bool ds_connection_settle(ds_connection *connection);

#endif
