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
 * URLs (rpc/url.h): "abstract://name" (this host; the peer's uid must be ours), "tcp://host:port"
 * or "tls+tcp://host:port" (port 0: any free one). Beyond loopback tcp wants a secret, at both
 * ends. "inproc://name" is this process: there is no connection, the library is not used, what one
 * end sends is the other's callback (rpc/link_inproc.h), so nobody may send while holding a lock
 * that a callback of either end takes, and peers need no introduction.
 *
 * Both ends of a new connection prove that they hold the same secret (rpc/handshake.h) before
 * anything else of them is looked at. Until then a connection is a stranger's, and may cost a
 * server no more than this:
 *
 *     DS_LINK_PENDING connections at a time (DS_LINK_PENDING_EACH of one address): one more, and
 *         the oldest of the address that has most of them is closed;
 *     DS_LINK_KNOCK_MS, from the first to the last byte of the proof;
 *     two frames of DS_FRAME_SMALL bytes;
 *     DS_LINK_STRANGERS (over TLS: DS_LINK_TLS_STRANGERS) connections a second that end without a
 * proof: beyond that the door stays shut for a while, and who knocks waits in the system's queue.
 *
 * Where there is no secret (this host only), the proof is worth nothing. So a server may want
 * its peers to be introduced: then a peer's first message, of at most DS_LINK_FIRST_BYTES, is all
 * it may say until ds_server_admit, and is to come within the same time.
 *
 * Other limits: DS_MESSAGE_LIMIT a message; DS_LINK_QUEUE_BYTES wait for each peer, beyond which
 * the peer is lost; DS_LINK_UNADMITTED peers wait to be admitted, for DS_LINK_ADMIT_MS
 * each.
 */
#ifndef DS_RPC_LINK_H
#define DS_RPC_LINK_H

#include "base/error.h"
#include "rpc/secret.h"

#include <stdint.h>

#define DS_LINK_QUEUE_BYTES ((size_t)64 << 20)
#define DS_LINK_PENDING 64u
#define DS_LINK_PENDING_EACH 32u
#define DS_LINK_KNOCK_MS 5000
#define DS_LINK_ADMIT_MS 60000
#define DS_LINK_STRANGERS 1000u
#define DS_LINK_TLS_STRANGERS 100u /* their handshakes cost some milliseconds */
#define DS_LINK_FIRST_BYTES ((size_t)16 << 10)
#define DS_LINK_UNADMITTED 2048u

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

struct ds_tls;

/* What a link is opened with. All zero: as on this host. */
typedef struct ds_link_options {
    const ds_secret *secret;  /* that both ends hold (copied); NULL: none */
    const struct ds_tls *tls; /* rpc/tls.h: for tls+tcp addresses (borrowed while it is opened) */
    uint64_t epoch;           /* server: a number of it, for its proofs; 0: a random one */
    bool introduced;          /* server: peers are to be admitted */
} ds_link_options;

typedef struct ds_server ds_server;

/* Listens at url (borrowed). fn may be called before this returns. DS_ERR_UNAVAILABLE if the
 * address is in use or not to be had; DS_ERR_USAGE for a URL that is none of the above,
 * DS_ERR_APP for one beyond this host without a secret. */
ds_status ds_server_open(const char *url, ds_link_fn fn, void *arg, ds_server **server,
                         ds_error *error);
/* The same, with options (borrowed). */
ds_status ds_server_open_with(const char *url, const ds_link_options *options, ds_link_fn fn,
                              void *arg, ds_server **server, ds_error *error);
/* Puts another secret (copied) in the place of that of the options, for who knocks from now on. */
void ds_server_set_secret(ds_server *server, const ds_secret *secret);
/* Allows the peer all messages. Any thread. */
void ds_server_admit(ds_server *server, uint64_t peer);

/* How many connections ended before they had proved anything, since the start. */
uint64_t ds_server_strangers(ds_server *server);

/* The URL to dial (with the real port). Borrowed. */
const char *ds_server_url(const ds_server *server);
/* Queues a message (copied), of at most DS_MESSAGE_LIMIT bytes. Never blocks. Without effect
 * if the peer is lost or being closed. Any thread. */
void ds_server_send(ds_server *server, uint64_t peer, const void *bytes, size_t length);
/* The same for what has time: it leaves with the next message to the peer, or when ds_server_flush
 * says so. Within a process it leaves at once. */
void ds_server_send_later(ds_server *server, uint64_t peer, const void *bytes, size_t length);
void ds_server_flush(ds_server *server, uint64_t peer);
/* Closes the peer's connection, at once or (flush) after it has received what is queued, but
 * at most DS_LINK_KNOCK_MS later. LOST follows in either case. Any thread; does not wait. */
void ds_server_close_peer(ds_server *server, uint64_t peer, bool flush);
/* Closes everything and frees; no callback after it returns, nor LOST for open peers. Waits
 * for running callbacks: not from one, and not while holding a lock that they take. */
void ds_server_free(ds_server *server);

typedef struct ds_client ds_client;

/* Connects and knocks, again and again until somebody answers or timeout_ms have passed. fn
 * may be called before this returns, but only if it succeeds; there is no OPENED.
 * DS_ERR_UNAVAILABLE if nobody answers (retry). Do not for these: DS_ERR_PROTOCOL if the server is
 * of another version, DS_ERR_APP if the two do not hold the same secret, do not take each
 * other's certificate, or an address beyond this host is given without a secret, DS_ERR_USAGE for a
 * wrong URL. */
ds_status ds_client_open(const char *url, int timeout_ms, ds_link_fn fn, void *arg,
                         ds_client **client, ds_error *error);
/* The same, with options (borrowed). */
ds_status ds_client_open_with(const char *url, const ds_link_options *options, int timeout_ms,
                              ds_link_fn fn, void *arg, ds_client **client, ds_error *error);
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
