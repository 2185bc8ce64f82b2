/*
 * Strangers: the connections of a server that have not proved anything yet, and how it keeps
 * them from costing more than it allows (the limits are in link.h).
 *
 * Pure: it knows connections as entries that their owner embeds, and times that it is given.
 * Not thread-safe.
 */
#ifndef DS_RPC_STRANGERS_H
#define DS_RPC_STRANGERS_H

#include "rpc/link_limits.h"

/* Where a connection comes from: an IPv4 address, the network (/64) of an IPv6 address, or
 * nothing that is known. */
typedef struct ds_origin {
    uint8_t family; /* 4, 6; 0: not known */
    uint8_t bytes[8];
} ds_origin;

/* Why a connection ended without a proof. */
typedef enum ds_stranger_end {
    DS_STRANGER_GONE,
    DS_STRANGER_SILENT,
    DS_STRANGER_GARBAGE,
    DS_STRANGER_WRONG,
    DS_STRANGER_VERSION,
    DS_STRANGER_CROWDED,
    DS_STRANGER_FOREIGN,
    DS_STRANGER_ENDS
} ds_stranger_end;

/* A connection that waits; the oldest first. */
typedef struct ds_stranger {
    struct ds_stranger *next, *previous;
    ds_origin origin;
} ds_stranger;

typedef struct ds_crowd {
    unsigned most, most_each;
    ds_stranger *first, *last;
    unsigned n;
    /* A bucket from which each end without a proof takes a token. */
    unsigned rate;     /* tokens a second, of which it holds an eighth; 0: it never empties */
    int64_t bucket_us; /* what is in it, in microseconds of its filling */
    int64_t filled_us; /* when that was so */
    uint64_t ends[DS_STRANGER_ENDS];
    uint64_t told[DS_STRANGER_ENDS]; /* of them, in the log */
    int64_t tell_us;                 /* not before then */
} ds_crowd;

/* An empty crowd; limits are copied. Times are monotonic. */
void ds_crowd_init(ds_crowd *crowd, const ds_link_limits *limits, int64_t now_us);

/* Who is to go before one of this origin may come in; NULL: nobody. */
ds_stranger *ds_crowd_victim(const ds_crowd *crowd, const ds_origin *origin);
/* Adds one of an origin, as the youngest (borrowed until it is removed). */
void ds_crowd_add(ds_crowd *crowd, ds_stranger *stranger, const ds_origin *origin);
/* Takes one out who is no stranger any more, or has gone. */
void ds_crowd_remove(ds_crowd *crowd, ds_stranger *stranger);

/* Counts an end, which costs a token. */
void ds_crowd_count(ds_crowd *crowd, ds_stranger_end end, int64_t now_us);
/* When the next connection may be accepted: now_us or later. */
int64_t ds_crowd_open_us(ds_crowd *crowd, int64_t now_us);

/* Writes what is to be logged about ends since the last time into text, at most every ten
 * seconds. False if there is nothing to say. */
bool ds_crowd_tell(ds_crowd *crowd, int64_t now_us, char *text, size_t size);

#endif
