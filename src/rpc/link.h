/*
 * Links: ordered, framed messages between one driver and its executors.
 *
 * The driver has a server, each executor a client, and one connection is between them. Behind
 * this interface are the byte streams of nng, cut into frames by rpc/channel.c. A client
 * connects and knocks; the server answers, and from then on the connection is a peer with an
 * id. When it closes, the peer is lost, for good: a peer never comes back under the same id.
 * All callbacks come from threads of the library, one at a time for each peer, and must not
 * block: they put the event into the queue of the loop. They may send.
 *
 * Why streams and not nng's patterns: in nng 1.5.2 one connection to an abstract listener
 * that is closed before the greeting (a client killed while it starts will do) makes the
 * listener deaf for good, and each message costs several changes of threads. The essay in
 * rpc/channel.c says how it is done here.
 *
 * URLs: "abstract://name" (this host; the peer's uid must be ours), "tcp://127.0.0.1:port"
 * (also [::1] and localhost; port 0: any free one), "inproc://name" (this process).
 *
 * Limits: DS_MESSAGE_LIMIT a message; DS_LINK_QUEUE_BYTES wait for each peer, beyond which
 * the peer is lost; DS_LINK_PENDING connections may be open that have not yet knocked, for at
 * most DS_LINK_KNOCK_MS each: one more, and the oldest is closed.
 */
#ifndef DS_RPC_LINK_H
#define DS_RPC_LINK_H

#include "base/error.h"

#include <stdint.h>

#define DS_LINK_QUEUE_BYTES ((size_t)64 << 20)
#define DS_LINK_PENDING 64u
#define DS_LINK_KNOCK_MS 5000

typedef enum ds_link_event_kind {
    DS_LINK_OPENED, /* at a server: a new peer */
    DS_LINK_MESSAGE,
    DS_LINK_LOST /* the last event of a peer */
} ds_link_event_kind;

typedef struct ds_link_event {
    ds_link_event_kind kind;
    uint64_t peer;     /* never used twice by one server; 0 at a client */
    const void *bytes; /* MESSAGE: borrowed during the call */
    size_t length;
} ds_link_event;

typedef void (*ds_link_fn)(void *arg, const ds_link_event *event);

typedef struct ds_server ds_server;

/* Listens at url (borrowed). fn may be called before this returns. DS_ERR_UNAVAILABLE if the
 * address is in use or not to be had; DS_ERR_USAGE for a URL that is none of the above, or a
 * tcp address beyond loopback. */
ds_status ds_server_open(const char *url, ds_link_fn fn, void *arg, ds_server **server,
                         ds_error *error);
/* The URL to dial (with the real port). Borrowed. */
const char *ds_server_url(const ds_server *server);
/* Queues a message (copied), of at most DS_MESSAGE_LIMIT bytes. Never blocks. Without effect
 * if the peer is lost or being closed. Any thread. */
void ds_server_send(ds_server *server, uint64_t peer, const void *bytes, size_t length);
/* Closes the peer's connection, at once or (flush) after it has received what is queued, but
 * at most DS_LINK_KNOCK_MS later. LOST follows in either case. Any thread; does not wait. */
void ds_server_close_peer(ds_server *server, uint64_t peer, bool flush);
/* Closes everything and frees; no callback after it returns, nor LOST for open peers. Waits
 * for running callbacks: not from one, and not while holding a lock that they take. */
void ds_server_free(ds_server *server);

typedef struct ds_client ds_client;

/* Connects and knocks, again and again until somebody answers or timeout_ms have passed. fn
 * may be called before this returns, but only if it succeeds; there is no OPENED.
 * DS_ERR_UNAVAILABLE if nobody answers (retry), DS_ERR_PROTOCOL if the server is of another
 * version (do not), DS_ERR_USAGE for a wrong URL. */
ds_status ds_client_open(const char *url, int timeout_ms, ds_link_fn fn, void *arg,
                         ds_client **client, ds_error *error);
/* As ds_server_send. */
void ds_client_send(ds_client *client, const void *bytes, size_t length);
/* Waits until the server's callback has got all that was queued, at most timeout_ms. False if
 * time is over or the connection is lost. Any thread but a callback. */
bool ds_client_flush(ds_client *client, int timeout_ms);
/* Closes and frees; what is still queued is dropped, so flush before. Else as
 * ds_server_free. */
void ds_client_free(ds_client *client);

/* Frees what the library keeps for the process; call once at exit, after all links. */
void ds_link_fini(void);

#endif
