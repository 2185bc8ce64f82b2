/*
 * Links: ordered, framed messages between one driver and its executors.
 *
 * The driver has a server, each executor a client. Behind this interface is nng (link_nng.c):
 * a `rep` socket is the door at a known URL; who knocks is given the URL of a `pair` socket
 * made for it alone, with a name that cannot be guessed; messages then go over the pair. When
 * the connection of a pair closes, the peer is lost, for good: a peer never reconnects under
 * the same id. All callbacks come from threads of the library, one at a time for each peer,
 * and must not block: they put the event into the queue of the loop.
 *
 * URLs: "abstract://name" (this host; the peer's uid must be ours), "tcp://127.0.0.1:port"
 * (port 0: any free one), "inproc://name".
 *
 * Limits: DS_MESSAGE_LIMIT a message; DS_LINK_QUEUE_BYTES wait for each peer, beyond which
 * the peer is lost; DS_LINK_PENDING peers may have knocked and not yet connected, for at most
 * DS_LINK_KNOCK_MS each.
 */
#ifndef DS_RPC_LINK_H
#define DS_RPC_LINK_H

#include "base/error.h"

#include <stdint.h>

#define DS_LINK_QUEUE_BYTES ((size_t)64 << 20)
#define DS_LINK_PENDING 64u
#define DS_LINK_KNOCK_MS 5000

typedef enum ds_link_event_kind {
    DS_LINK_OPENED,
    DS_LINK_MESSAGE,
    DS_LINK_LOST
} ds_link_event_kind;

typedef struct ds_link_event {
    ds_link_event_kind kind;
    uint64_t peer;     /* never used twice by one server; 0 at a client */
    const void *bytes; /* MESSAGE: borrowed during the call */
    size_t length;
} ds_link_event;

typedef void (*ds_link_fn)(void *arg, const ds_link_event *event);

typedef struct ds_server ds_server;

/* Listens at url. DS_ERR_UNAVAILABLE if the address is in use or not to be had;
 * DS_ERR_USAGE for a URL that is none, or a tcp address beyond loopback. */
ds_status ds_server_open(const char *url, ds_link_fn fn, void *arg, ds_server **server,
                         ds_error *error);
/* The URL to dial (with the real port). Borrowed. */
const char *ds_server_url(const ds_server *server);
/* Queues a message (copied). Without effect if the peer is lost. Any thread. */
void ds_server_send(ds_server *server, uint64_t peer, const void *bytes, size_t length);
/* Closes the peer's connection after what is queued was sent (at most DS_LINK_KNOCK_MS
 * later), or at once. LOST follows in either case. Any thread but a callback. */
void ds_server_close_peer(ds_server *server, uint64_t peer, bool flush);
/* Closes everything and frees; no callback after it returns. */
void ds_server_free(ds_server *server);

typedef struct ds_client ds_client;

/* Knocks and connects; waits at most timeout_ms in all. DS_ERR_UNAVAILABLE if nobody answers. */
ds_status ds_client_open(const char *url, int timeout_ms, ds_link_fn fn, void *arg,
                         ds_client **client, ds_error *error);
void ds_client_send(ds_client *client, const void *bytes, size_t length);
/* Waits until all queued messages were handed to the transport, at most timeout_ms. */
bool ds_client_flush(ds_client *client, int timeout_ms);
void ds_client_free(ds_client *client);

/* Frees what the library keeps for the process; call once at exit, after all links. */
void ds_link_fini(void);

#endif
