/*
 * The driver's end: a door, and a channel for each peer.
 *
 * A peer goes one way: accepted (a stranger: it has no id and little time), known (it has proved
 * that it holds the secret, has an id, and its OPENED was reported), admitted (at once, or when
 * the user says so), ended (its LOST was reported), freed. The list holds all of them, the
 * oldest first; the crowd (rpc/strangers.h) holds those who are strangers: until they are known,
 * or, where peers are to be introduced, until their first message is there. What happens to a
 * peer comes from its channel, one call at a time; the door's accept loop only adds peers, and
 * the janitor, a thread of ours, only removes ended ones. It also closes those whose time is
 * over: strangers, and peers that were told goodbye and do not go.
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
 * Only sockets of our own user get in at abstract addresses, which have no permissions.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "rpc/channel.h"
#include "rpc/handshake.h"
#include "rpc/link_inproc.h"
#include "rpc/link_limits.h"
#include "rpc/strangers.h"
#include "rpc/tls.h"
#include "rpc/url.h"

#include <arpa/inet.h>
#include <nng/supplemental/tls/tls.h>
#include <nng/transport/tcp/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NEVER INT64_MAX
#define ACCEPT_PAUSE_US 20000 /* after an accept failed, mostly for want of descriptors */
#define CROWDED_PAUSE_US 2000
#define SEND_OFF_US 250000

typedef struct peer {
    ds_stranger stranger; /* first: one is the other */
    ds_server *server;
    ds_channel *channel;
    ds_handshake handshake; /* of the channel's calls */
    bool strange;           /* it is in the crowd */
    bool counted;           /* as one who was a stranger to the end */
    bool spoke;             /* of the channel's calls: its first message was there */
    atomic_bool admitted;
    uint64_t id;         /* 0 until it is known */
    int64_t deadline_us; /* it is closed then */
    bool leaving;        /* it was told BYE: nothing more is sent */
    bool closing;        /* its channel was closed: it will end */
    bool ended;          /* the janitor may free it */
    struct peer *next, *previous;
} peer;

struct ds_server {
    ds_inproc_server *inproc; /* or NULL; then of what follows only the address is used */
    ds_url address;
    ds_link_limits limits;
    ds_secret secret; /* written under the lock */
    uint64_t epoch;
    bool introduced;
    ds_link_fn fn;
    void *arg;
    nng_stream_listener *listener;
    nng_aio *accepting;
    atomic_bool stopping; /* nothing is reported any more; written under the lock */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* the janitor waits for it */
    pthread_t janitor;
    peer *first, *last;
    ds_crowd crowd;
    unsigned n_peers, n_known; /* in the list; of them, those that are known, or were */
    unsigned n_unadmitted;
    uint64_t last_id;
    int64_t accept_again_us; /* NEVER: an accept is in flight */
    bool door_closed;        /* no peer is added any more */
};

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The list; server->lock held */

static void append_peer(ds_server *server, peer *p)
{
    p->previous = server->last;
    if (server->last != NULL)
        server->last->next = p;
    else
        server->first = p;
    server->last = p;
    server->n_peers++;
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
    server->n_peers--;
    server->n_known -= p->id != 0;
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

static void set_time(peer *p)
{
    p->deadline_us = ds_clock_mono_us() + (int64_t)p->server->limits.knock_ms * 1000;
    pthread_cond_signal(&p->server->changed);
}

/* Counts one who stays a stranger, once. */
static void count_stranger(peer *p, ds_stranger_end end)
{
    if (p->strange && !p->counted)
        ds_crowd_count(&p->server->crowd, end, ds_clock_mono_us());
    p->counted = true;
}

/* It is no stranger any more. */
static void leave_crowd(peer *p)
{
    if (p->strange)
        ds_crowd_remove(&p->server->crowd, &p->stranger);
    p->strange = false;
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
        server->n_known++;
        p->admitted = !server->introduced;
        server->n_unadmitted += server->introduced;
        if (!server->introduced) {
            p->deadline_us = NEVER;
            leave_crowd(p);
        }
    }
    pthread_mutex_unlock(&server->lock);
    if (in_time)
        ds_channel_admit(p->channel, p->admitted ? DS_MESSAGE_LIMIT : DS_LINK_FIRST_BYTES);
    return in_time;
}

static bool shut_out(peer *p, ds_stranger_end end)
{
    pthread_mutex_lock(&p->server->lock);
    count_stranger(p, end);
    pthread_mutex_unlock(&p->server->lock);
    return false;
}

/* The same for one who was told why: it goes by itself, and what it was told is not lost with the
 * connection. If it does not go, or says more, it is closed. */
static bool send_off(peer *p, ds_stranger_end end)
{
    pthread_mutex_lock(&p->server->lock);
    count_stranger(p, end);
    p->deadline_us = earlier(p->deadline_us, ds_clock_mono_us() + SEND_OFF_US);
    pthread_cond_signal(&p->server->changed);
    pthread_mutex_unlock(&p->server->lock);
    return true;
}

/* A frame of one who is not known yet. */
static bool on_proving(peer *p, ds_frame_kind kind, const void *bytes, size_t length)
{
    ds_handshake_frame out;
    ds_handshake_state state = ds_handshake_take(&p->handshake, kind, bytes, length, &out);
    if (out.length > 0)
        ds_channel_send(p->channel, out.kind, out.bytes, out.length);
    switch (state) {
    case DS_HANDSHAKE_UNDER_WAY: return true;
    case DS_HANDSHAKE_WRONG: return send_off(p, DS_STRANGER_WRONG);
    case DS_HANDSHAKE_OTHER_VERSION: return send_off(p, DS_STRANGER_VERSION);
    case DS_HANDSHAKE_DONE: break;
    default: return shut_out(p, DS_STRANGER_GARBAGE);
    }
    if (!let_in(p))
        return false;
    report(p->server, DS_LINK_OPENED, p->id, NULL, 0);
    return true;
}

/* The first message of one who is to be introduced: it waits for an answer from now on. */
static bool listen_to(peer *p)
{
    ds_server *server = p->server;
    if (p->spoke)
        return shut_out(p, DS_STRANGER_GARBAGE);
    p->spoke = true;
    pthread_mutex_lock(&server->lock);
    unsigned most = server->limits.unadmitted;
    bool fits = most == 0 || server->n_unadmitted <= most;
    if (!fits)
        count_stranger(p, DS_STRANGER_CROWDED);
    leave_crowd(p);
    if (!p->admitted)
        p->deadline_us = ds_clock_mono_us() + (int64_t)server->limits.admit_ms * 1000;
    pthread_cond_signal(&server->changed);
    pthread_mutex_unlock(&server->lock);
    return fits;
}

static bool on_frame(void *arg, ds_frame_kind kind, const void *bytes, size_t length)
{
    peer *p = arg;
    if (p->id == 0)
        return on_proving(p, kind, bytes, length);
    if (kind == DS_FRAME_PING) {
        ds_channel_send(p->channel, DS_FRAME_PONG, bytes, length);
        return true;
    }
    if (kind != DS_FRAME_MESSAGE)
        return shut_out(p, DS_STRANGER_GARBAGE);
    if (!p->admitted && !listen_to(p))
        return false;
    report(p->server, DS_LINK_MESSAGE, p->id, bytes, length);
    return true;
}

static void on_end(void *arg, bool broken)
{
    peer *p = arg;
    ds_server *server = p->server;
    if (p->id != 0)
        report(server, DS_LINK_LOST, p->id, NULL, 0);
    pthread_mutex_lock(&server->lock);
    count_stranger(p, broken ? DS_STRANGER_GARBAGE : DS_STRANGER_GONE);
    leave_crowd(p);
    server->n_unadmitted -= p->id != 0 && !p->admitted;
    p->ended = true;
    pthread_cond_signal(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static const ds_channel_ops channel_ops = {.frame = on_frame, .end = on_end};

/* The door */

/* Where a connection comes from, as far as the transport tells. */
static ds_origin origin_of(const ds_server *server, nng_stream *stream)
{
    ds_origin origin = {.family = 0};
    nng_sockaddr sa;
    if (!ds_url_is_tcp(&server->address) || nng_stream_get_addr(stream, NNG_OPT_REMADDR, &sa) != 0)
        return origin;
    if (sa.s_family == NNG_AF_INET) {
        origin.family = 4;
        memcpy(origin.bytes, &sa.s_in.sa_addr, sizeof sa.s_in.sa_addr);
    } else if (sa.s_family == NNG_AF_INET6) {
        origin.family = 6;
        memcpy(origin.bytes, sa.s_in6.sa_addr, sizeof origin.bytes);
    }
    return origin;
}

/* Makes room for one more stranger. */
static void make_room(ds_server *server, const ds_origin *origin)
{
    peer *victim = (peer *)ds_crowd_victim(&server->crowd, origin);
    if (victim == NULL)
        return;
    count_stranger(victim, DS_STRANGER_CROWDED);
    leave_crowd(victim);
    close_peer(victim);
}

static void add_peer(ds_server *server, nng_stream *stream)
{
    uint8_t nonce[DS_NONCE_BYTES];
    ds_origin origin = origin_of(server, stream);
    peer *p = ds_calloc(1, sizeof *p);
    p->server = server;
    p->channel = ds_channel_new(stream, server->address.transport, server->limits.queue_bytes,
                                &channel_ops, p);
    ds_random_bytes(nonce, sizeof nonce);
    pthread_mutex_lock(&server->lock);
    ds_handshake_listen(&p->handshake, &server->secret, server->epoch, nonce);
    make_room(server, &origin);
    ds_crowd_add(&server->crowd, &p->stranger, &origin);
    p->strange = true;
    append_peer(server, p);
    set_time(p);
    ds_channel_start(p->channel);
    pthread_mutex_unlock(&server->lock);
}

static void refuse(ds_server *server, nng_stream *stream)
{
    nng_stream_free(stream);
    pthread_mutex_lock(&server->lock);
    ds_crowd_count(&server->crowd, DS_STRANGER_FOREIGN, ds_clock_mono_us());
    pthread_cond_signal(&server->changed); /* it tells */
    pthread_mutex_unlock(&server->lock);
}

/* Waits for the next connection, unless too many strangers have come, or were closed and are not
 * gone yet; server->lock held. */
static void accept_next(ds_server *server)
{
    int64_t now_us = ds_clock_mono_us();
    int64_t open_us = ds_crowd_open_us(&server->crowd, now_us);
    if (server->n_peers - server->n_known > 2 * server->limits.pending && open_us == now_us)
        open_us = now_us + CROWDED_PAUSE_US;
    server->accept_again_us = open_us > now_us ? open_us : NEVER;
    if (open_us > now_us) {
        pthread_cond_signal(&server->changed);
        return;
    }
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
        if (p->deadline_us <= now_us) {
            count_stranger(p, DS_STRANGER_SILENT);
            close_peer(p);
        } else {
            *next_us = earlier(*next_us, p->deadline_us);
        }
    }
    return NULL;
}

/* Says what strangers did. True if the lock was given up for a while, so that things may be
 * different now. */
static bool tell(ds_server *server)
{
    char text[256];
    if (!ds_crowd_tell(&server->crowd, ds_clock_mono_us(), text, sizeof text))
        return false;
    pthread_mutex_unlock(&server->lock);
    ds_log_warn("%s: connections of strangers were closed: %s", server->address.url, text);
    pthread_mutex_lock(&server->lock);
    return true;
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
            if (!tell(server))
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

static int set_tls(nng_stream_listener *listener, const ds_tls *tls)
{
    nng_tls_config *config = ds_tls_config(tls, NULL);
    int rv = nng_stream_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, config);
    nng_tls_config_free(config);
    return rv;
}

static ds_status open_door(ds_server *server, const ds_tls *tls, ds_error *error)
{
    ds_channels_used(server->address.transport);
    ds_url *address = &server->address;
    if (address->transport == DS_TRANSPORT_TLS && tls == NULL)
        return ds_error_set(error, DS_ERR_APP, "%s needs certificates", address->url);
    int rv = nng_stream_listener_alloc(&server->listener, address->real);
    if (rv == 0 && address->transport == DS_TRANSPORT_TLS)
        rv = set_tls(server->listener, tls);
    if (rv == 0 && ds_url_is_tcp(address))
        rv = nng_stream_listener_set_bool(server->listener, NNG_OPT_TCP_NODELAY, true);
    if (rv == 0)
        rv = nng_stream_listener_listen(server->listener);
    if (rv != 0) {
        nng_stream_listener_free(server->listener);
        return listen_failed(address, rv, error);
    }
    if (ds_url_is_tcp(address))
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

static void set_up(ds_server *server, const ds_link_options *options, const ds_link_limits *limits)
{
    server->limits = *limits;
    if (options->secret != NULL)
        server->secret = *options->secret;
    server->epoch = options->epoch;
    while (server->epoch == 0)
        ds_random_bytes(&server->epoch, sizeof server->epoch);
    server->introduced = options->introduced;
    server->accept_again_us = NEVER;
    ds_crowd_init(&server->crowd, limits, ds_clock_mono_us());
}

ds_status ds_server_open_limited(const char *url, const ds_link_options *options,
                                 const ds_link_limits *limits, ds_link_fn fn, void *arg,
                                 ds_server **server, ds_error *error)
{
    ds_server *s = ds_calloc(1, sizeof *s);
    set_up(s, options, limits);
    ds_status status = ds_url_parse(url, true, &s->address, error);
    if (status == DS_OK)
        status = ds_url_check_secret(&s->address, s->secret.given, error);
    bool inproc = status == DS_OK && s->address.transport == DS_TRANSPORT_INPROC;
    if (inproc)
        status = ds_inproc_listen(s->address.url, options->secret, fn, arg, &s->inproc, error);
    else if (status == DS_OK)
        status = open_door(s, options->tls, error);
    if (status != DS_OK) {
        free(s);
        return status;
    }
    s->fn = fn;
    s->arg = arg;
    if (!inproc)
        start_server(s);
    *server = s;
    return DS_OK;
}

ds_status ds_server_open_with(const char *url, const ds_link_options *options, ds_link_fn fn,
                              void *arg, ds_server **server, ds_error *error)
{
    static const ds_link_limits limits = {.queue_bytes = DS_LINK_QUEUE_BYTES,
                                          .pending = DS_LINK_PENDING,
                                          .pending_each = DS_LINK_PENDING_EACH,
                                          .knock_ms = DS_LINK_KNOCK_MS,
                                          .admit_ms = DS_LINK_ADMIT_MS,
                                          .strangers = DS_LINK_STRANGERS,
                                          .unadmitted = DS_LINK_UNADMITTED};
    ds_link_limits own = limits;
    if (strncmp(url, "tls+", 4) == 0)
        own.strangers = DS_LINK_TLS_STRANGERS;
    return ds_server_open_limited(url, options, &own, fn, arg, server, error);
}

ds_status ds_server_open(const char *url, ds_link_fn fn, void *arg, ds_server **server,
                         ds_error *error)
{
    static const ds_link_options none = {.epoch = 0};
    return ds_server_open_with(url, &none, fn, arg, server, error);
}

void ds_server_set_secret(ds_server *server, const ds_secret *secret)
{
    if (server->inproc != NULL) {
        ds_inproc_set_secret(server->inproc, secret);
        return;
    }
    pthread_mutex_lock(&server->lock);
    server->secret = *secret;
    pthread_mutex_unlock(&server->lock);
}

void ds_server_admit(ds_server *server, uint64_t id)
{
    if (server->inproc != NULL)
        return; /* it is ourselves */
    pthread_mutex_lock(&server->lock);
    peer *p = find_peer(server, id);
    if (p != NULL && !p->admitted && !p->closing) {
        p->admitted = true;
        p->deadline_us = NEVER;
        server->n_unadmitted--;
        leave_crowd(p);
        ds_channel_admit(p->channel, DS_MESSAGE_LIMIT);
    }
    pthread_mutex_unlock(&server->lock);
}

uint64_t ds_server_strangers(ds_server *server)
{
    uint64_t n = 0;
    if (server->inproc != NULL)
        return 0;
    pthread_mutex_lock(&server->lock);
    for (unsigned i = 0; i < DS_STRANGER_ENDS; i++)
        n += server->crowd.ends[i];
    pthread_mutex_unlock(&server->lock);
    return n;
}

const char *ds_server_url(const ds_server *server)
{
    return server->address.url;
}

static void deliver(ds_server *server, uint64_t id, const void *bytes, size_t length,
                    void (*give)(ds_channel *, ds_frame_kind, const void *, size_t))
{
    if (server->inproc != NULL) {
        ds_inproc_server_send(server->inproc, id, bytes, length);
        return;
    }
    pthread_mutex_lock(&server->lock);
    peer *p = find_peer(server, id);
    if (p != NULL && !p->leaving)
        give(p->channel, DS_FRAME_MESSAGE, bytes, length);
    pthread_mutex_unlock(&server->lock);
}

void ds_server_send(ds_server *server, uint64_t id, const void *bytes, size_t length)
{
    deliver(server, id, bytes, length, ds_channel_send);
}

void ds_server_send_later(ds_server *server, uint64_t id, const void *bytes, size_t length)
{
    deliver(server, id, bytes, length, ds_channel_send_later);
}

void ds_server_flush(ds_server *server, uint64_t id)
{
    if (server->inproc != NULL)
        return;
    pthread_mutex_lock(&server->lock);
    peer *p = find_peer(server, id);
    if (p != NULL && !p->leaving)
        ds_channel_flush(p->channel);
    pthread_mutex_unlock(&server->lock);
}

void ds_server_close_peer(ds_server *server, uint64_t id, bool flush)
{
    if (server->inproc != NULL) {
        ds_inproc_close_peer(server->inproc, id);
        return;
    }
    pthread_mutex_lock(&server->lock);
    peer *p = find_peer(server, id);
    if (p != NULL && !flush) {
        close_peer(p);
    } else if (p != NULL && !p->leaving) {
        p->leaving = true;
        ds_channel_send(p->channel, DS_FRAME_BYE, NULL, 0);
        set_time(p);
    }
    pthread_mutex_unlock(&server->lock);
}

void ds_server_free(ds_server *server)
{
    if (server == NULL)
        return;
    if (server->inproc != NULL) {
        ds_inproc_server_free(server->inproc);
        free(server);
        return;
    }
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
