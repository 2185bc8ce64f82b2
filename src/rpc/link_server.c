/*
 * The driver's end: a door, and a channel for each peer.
 *
 * A peer goes one way: accepted (it has no id and little time), knocked (it has an id and its
 * OPENED was reported), ended (its LOST was reported), freed. The list holds all of them, the
 * oldest first. What happens to a peer comes from its channel, one call at a time; the door's
 * accept loop only adds peers, and the janitor, a thread of ours, only removes ended ones. It
 * also closes those whose time is over: peers that do not knock, and peers that were told
 * goodbye and do not go.
 *
 * The janitor exists because freeing a channel waits for its callbacks, and a callback cannot
 * wait for itself.
 *
 * Locks: server->lock guards the list and the fields of peers; it may be held while a
 * channel's own lock is taken (ds_channel_send, ds_channel_close), never the other way round,
 * and never while the user is called or anything is waited for. A peer that is in the list
 * has a living channel: so sending under server->lock is safe against the janitor, which
 * takes a peer out of the list, under the lock, before it frees the channel.
 *
 * Only sockets of our own user get in at abstract addresses, which have no permissions. At
 * tcp addresses anyone on this machine does: HELLO carries the proof of who it is.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "rpc/channel.h"
#include "rpc/link_limits.h"
#include "rpc/url.h"

#include <arpa/inet.h>
#include <nng/transport/tcp/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NEVER INT64_MAX
#define ACCEPT_PAUSE_US 20000 /* after an accept failed, mostly for want of descriptors */

typedef struct peer {
    ds_server *server;
    ds_channel *channel;
    uint64_t id;         /* 0 until it knocked */
    int64_t deadline_us; /* it is closed then */
    bool leaving;        /* it was told BYE: nothing more is sent */
    bool closing;        /* its channel was closed: it will end */
    bool ended;          /* the janitor may free it */
    struct peer *next, *previous;
} peer;

struct ds_server {
    ds_url address;
    ds_link_limits limits;
    ds_link_fn fn;
    void *arg;
    nng_stream_listener *listener;
    nng_aio *accepting;
    atomic_bool stopping; /* nothing is reported any more; written under the lock */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* the janitor waits for it */
    pthread_t janitor;
    peer *first, *last;
    unsigned n_pending;
    uint64_t last_id;
    int64_t accept_again_us; /* NEVER: an accept is in flight */
    bool door_closed;        /* no peer is added any more */
    bool refused;            /* somebody was, and it was logged */
};

/* The list; server->lock held */

static void append_peer(ds_server *server, peer *p)
{
    p->previous = server->last;
    if (server->last != NULL)
        server->last->next = p;
    else
        server->first = p;
    server->last = p;
}

static void remove_peer(ds_server *server, peer *p)
{
    if (p->previous != NULL)
        p->previous->next = p->next;
    else
        server->first = p->next;
    if (p->next != NULL)
        p->next->previous = p->previous;
    else
        server->last = p->previous;
}

static peer *find_peer(const ds_server *server, uint64_t id)
{
    peer *p = server->first;
    while (p != NULL && (p->id != id || id == 0))
        p = p->next;
    return p;
}

static void close_peer(peer *p)
{
    p->closing = true;
    ds_channel_close(p->channel);
}

static void close_peer_in_time(peer *p)
{
    p->deadline_us = ds_clock_mono_us() + (int64_t)p->server->limits.knock_ms * 1000;
    pthread_cond_signal(&p->server->changed);
}

/* What a channel reports */

static void report(const ds_server *server, ds_link_event_kind kind, uint64_t id, const void *bytes,
                   size_t length)
{
    ds_link_event event = {.kind = kind, .peer = id, .bytes = bytes, .length = length};
    if (!atomic_load(&server->stopping))
        server->fn(server->arg, &event);
}

/* Gives the peer its id. False if its time is over. */
static bool let_in(peer *p)
{
    ds_server *server = p->server;
    pthread_mutex_lock(&server->lock);
    bool in_time = !p->closing;
    if (in_time) {
        p->id = ++server->last_id;
        p->deadline_us = NEVER;
        server->n_pending--;
    }
    pthread_mutex_unlock(&server->lock);
    return in_time;
}

static bool on_knock(peer *p, const void *bytes, size_t length)
{
    static const unsigned char version[4] = {DS_LINK_VERSION};
    if (p->id != 0 || length != sizeof version)
        return false;
    ds_channel_send(p->channel, DS_FRAME_ANSWER, version, sizeof version);
    if (memcmp(bytes, version, sizeof version) != 0 || !let_in(p))
        return false;
    ds_channel_admit(p->channel);
    report(p->server, DS_LINK_OPENED, p->id, NULL, 0);
    return true;
}

static bool on_frame(void *arg, ds_frame_kind kind, const void *bytes, size_t length)
{
    peer *p = arg;
    if (kind == DS_FRAME_KNOCK)
        return on_knock(p, bytes, length);
    if (p->id == 0)
        return false;
    if (kind == DS_FRAME_MESSAGE)
        report(p->server, DS_LINK_MESSAGE, p->id, bytes, length);
    else if (kind == DS_FRAME_PING)
        ds_channel_send(p->channel, DS_FRAME_PONG, bytes, length);
    else
        return false;
    return true;
}

static void on_end(void *arg)
{
    peer *p = arg;
    ds_server *server = p->server;
    if (p->id != 0)
        report(server, DS_LINK_LOST, p->id, NULL, 0);
    pthread_mutex_lock(&server->lock);
    server->n_pending -= p->id == 0;
    p->ended = true;
    pthread_cond_signal(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static const ds_channel_ops channel_ops = {.frame = on_frame, .end = on_end};

/* The door */

/* Closes the peer that has waited longest without knocking. */
static void close_oldest(ds_server *server)
{
    peer *p = server->first;
    while (p != NULL && (p->id != 0 || p->closing))
        p = p->next;
    if (p != NULL)
        close_peer(p);
}

static void add_peer(ds_server *server, nng_stream *stream)
{
    peer *p = ds_calloc(1, sizeof *p);
    p->server = server;
    p->channel = ds_channel_new(stream, server->limits.queue_bytes, &channel_ops, p);
    pthread_mutex_lock(&server->lock);
    if (server->n_pending >= server->limits.pending)
        close_oldest(server);
    server->n_pending++;
    append_peer(server, p);
    close_peer_in_time(p);
    ds_channel_start(p->channel);
    pthread_mutex_unlock(&server->lock);
}

static void refuse(ds_server *server, nng_stream *stream)
{
    nng_stream_free(stream);
    if (!server->refused)
        ds_log_warn("%s: a connection that is not from our %s was refused", server->address.url,
                    server->address.transport == DS_TRANSPORT_INPROC ? "process" : "user");
    server->refused = true;
}

/* Waits for the next connection; server->lock held. */
static void accept_next(ds_server *server)
{
    server->accept_again_us = NEVER;
    if (!atomic_load(&server->stopping))
        nng_stream_listener_accept(server->listener, server->accepting);
}

static void on_accepted(void *arg)
{
    ds_server *server = arg;
    int rv = nng_aio_result(server->accepting);
    nng_stream *stream = rv == 0 ? nng_aio_get_output(server->accepting, 0) : NULL;
    if (stream != NULL && ds_stream_is_ours(server->address.transport, stream))
        add_peer(server, stream);
    else if (stream != NULL)
        refuse(server, stream);
    pthread_mutex_lock(&server->lock);
    if (rv == 0) {
        accept_next(server);
    } else {
        server->accept_again_us = ds_clock_mono_us() + ACCEPT_PAUSE_US;
        pthread_cond_signal(&server->changed);
    }
    pthread_mutex_unlock(&server->lock);
}

/* The janitor; server->lock held but where it says otherwise */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Closes what is over time. Takes an ended peer out of the list, or returns NULL and when to
 * look again. */
static peer *sweep(ds_server *server, int64_t *next_us)
{
    int64_t now_us = ds_clock_mono_us();
    if (server->accept_again_us <= now_us)
        accept_next(server);
    *next_us = server->accept_again_us;
    for (peer *p = server->first; p != NULL; p = p->next) {
        if (p->ended) {
            remove_peer(server, p);
            return p;
        }
        if (p->closing)
            continue;
        if (p->deadline_us <= now_us)
            close_peer(p);
        else
            *next_us = earlier(*next_us, p->deadline_us);
    }
    return NULL;
}

static void wait_until(ds_server *server, int64_t time_us)
{
    struct timespec ts = {.tv_sec = time_us / 1000000, .tv_nsec = time_us % 1000000 * 1000};
    if (time_us == NEVER)
        pthread_cond_wait(&server->changed, &server->lock);
    else
        pthread_cond_timedwait(&server->changed, &server->lock, &ts);
}

static void *run_janitor(void *arg)
{
    ds_server *server = arg;
    int64_t next_us;
    pthread_mutex_lock(&server->lock);
    while (server->first != NULL || !server->door_closed) {
        peer *p = sweep(server, &next_us);
        if (p == NULL) {
            wait_until(server, next_us);
            continue;
        }
        pthread_mutex_unlock(&server->lock);
        ds_channel_free(p->channel);
        free(p);
        pthread_mutex_lock(&server->lock);
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

/* Opening and closing */

static ds_status listen_failed(const ds_url *address, int rv, ds_error *error)
{
    if (rv == NNG_EADDRINUSE)
        return ds_error_set(error, DS_ERR_UNAVAILABLE, "%s is in use by another process",
                            address->url);
    return ds_error_set(error, DS_ERR_UNAVAILABLE, "cannot listen at %s: %s", address->url,
                        nng_strerror(rv));
}

static unsigned real_port(nng_stream_listener *listener)
{
    nng_sockaddr sa;
    int rv = nng_stream_listener_get_addr(listener, NNG_OPT_LOCADDR, &sa);
    DS_ASSERT(rv == 0);
    return ntohs(sa.s_family == NNG_AF_INET6 ? sa.s_in6.sa_port : sa.s_in.sa_port);
}

static ds_status open_door(ds_server *server, ds_error *error)
{
    ds_url *address = &server->address;
    int rv = nng_stream_listener_alloc(&server->listener, address->real);
    if (rv == 0 && address->transport == DS_TRANSPORT_TCP)
        rv = nng_stream_listener_set_bool(server->listener, NNG_OPT_TCP_NODELAY, true);
    if (rv == 0)
        rv = nng_stream_listener_listen(server->listener);
    if (rv != 0) {
        nng_stream_listener_free(server->listener);
        return listen_failed(address, rv, error);
    }
    if (address->transport == DS_TRANSPORT_TCP)
        ds_url_set_port(address, real_port(server->listener));
    return DS_OK;
}

static void start_server(ds_server *server)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&server->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&server->lock, NULL);

    int rv = nng_aio_alloc(&server->accepting, on_accepted, server);
    DS_ASSERT(rv == 0);
    rv = pthread_create(&server->janitor, NULL, run_janitor, server);
    DS_ASSERT(rv == 0);
    pthread_mutex_lock(&server->lock);
    accept_next(server);
    pthread_mutex_unlock(&server->lock);
}

ds_status ds_server_open_limited(const char *url, const ds_link_limits *limits, ds_link_fn fn,
                                 void *arg, ds_server **server, ds_error *error)
{
    ds_server *s = ds_calloc(1, sizeof *s);
    ds_status status = ds_url_parse(url, true, &s->address, error);
    if (status == DS_OK)
        status = open_door(s, error);
    if (status != DS_OK) {
        free(s);
        return status;
    }
    s->limits = *limits;
    s->fn = fn;
    s->arg = arg;
    s->accept_again_us = NEVER;
    start_server(s);
    *server = s;
    return DS_OK;
}

ds_status ds_server_open(const char *url, ds_link_fn fn, void *arg, ds_server **server,
                         ds_error *error)
{
    static const ds_link_limits limits = {.queue_bytes = DS_LINK_QUEUE_BYTES,
                                          .pending = DS_LINK_PENDING,
                                          .knock_ms = DS_LINK_KNOCK_MS};
    return ds_server_open_limited(url, &limits, fn, arg, server, error);
}

const char *ds_server_url(const ds_server *server)
{
    return server->address.url;
}

void ds_server_send(ds_server *server, uint64_t id, const void *bytes, size_t length)
{
    pthread_mutex_lock(&server->lock);
    peer *p = find_peer(server, id);
    if (p != NULL && !p->leaving)
        ds_channel_send(p->channel, DS_FRAME_MESSAGE, bytes, length);
    pthread_mutex_unlock(&server->lock);
}

void ds_server_close_peer(ds_server *server, uint64_t id, bool flush)
{
    pthread_mutex_lock(&server->lock);
    peer *p = find_peer(server, id);
    if (p != NULL && !flush) {
        close_peer(p);
    } else if (p != NULL && !p->leaving) {
        p->leaving = true;
        ds_channel_send(p->channel, DS_FRAME_BYE, NULL, 0);
        close_peer_in_time(p);
    }
    pthread_mutex_unlock(&server->lock);
}

void ds_server_free(ds_server *server)
{
    if (server == NULL)
        return;
    pthread_mutex_lock(&server->lock);
    atomic_store(&server->stopping, true);
    pthread_mutex_unlock(&server->lock);
    nng_stream_listener_close(server->listener);
    nng_aio_stop(server->accepting);

    pthread_mutex_lock(&server->lock);
    server->door_closed = true;
    for (peer *p = server->first; p != NULL; p = p->next)
        close_peer(p);
    pthread_cond_signal(&server->changed);
    pthread_mutex_unlock(&server->lock);
    pthread_join(server->janitor, NULL);

    nng_aio_free(server->accepting);
    nng_stream_listener_free(server->listener);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
