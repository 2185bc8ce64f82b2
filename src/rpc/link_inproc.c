/*
 * A wire has a lane for each end: what that end is still to be told. Who adds an event to a lane
 * that nobody is telling from tells its end, until the lane is empty; who finds somebody at it
 * (another thread, or a callback further up on its own stack) leaves the event to him. So an end's
 * callback is called once at a time and in order, nothing is copied or waits for another thread
 * in the usual case, and callbacks that answer each other do not nest: each lane is told from in
 * one place.
 *
 * LOST is the last event of a lane: it is `over` then, and what is added to it is dropped. An end
 * that goes away makes its own lane quiet, closes the wire, and waits until nobody is telling it
 * anything. The wire is freed with the last reference: each end has one, and whoever sends as
 * server, because the list that the wire was found in is not locked meanwhile.
 *
 * Locks: `doors` (who listens) before a server's lock before a wire's. None is held while an end is
 * told something.
 */
#include "rpc/link_inproc.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"
#include "rpc/message.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct item {
    struct item *next;
    ds_link_event_kind kind;
    size_t length;
    char bytes[];
} item;

/* To one end. */
typedef struct lane {
    ds_link_fn fn;
    void *arg;
    uint64_t peer; /* as that end knows the other */
    item *first, **last;
    size_t bytes;        /* that wait */
    uint64_t sent, told; /* events */
    bool telling, over, quiet;
} lane;

struct ds_inproc_wire {
    pthread_mutex_t lock; /* guards the lanes */
    pthread_cond_t told;
    unsigned references; /* of the lock, too */
    lane server, client; /* to these */
    struct ds_inproc_wire *next;
};

struct ds_inproc_server {
    ds_inproc_server *next; /* that listens */
    char *url;
    ds_link_fn fn;
    void *arg;
    pthread_mutex_t lock; /* guards what follows */
    ds_secret secret;
    ds_inproc_wire *wires;
    uint64_t last_peer;
};

static struct {
    pthread_mutex_t lock;
    ds_inproc_server *first;
} doors = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- lanes; the lock of the wire is held ---- */

static void lane_init(lane *l, ds_link_fn fn, void *arg, uint64_t peer)
{
    *l = (lane){.fn = fn, .arg = arg, .peer = peer};
    l->last = &l->first;
}

static void append(lane *l, ds_link_event_kind kind, const void *bytes, size_t length)
{
    item *it = ds_alloc(sizeof *it + length);
    it->next = NULL;
    it->kind = kind;
    it->length = length;
    if (length > 0)
        memcpy(it->bytes, bytes, length);
    *l->last = it;
    l->last = &it->next;
    l->bytes += length;
}

static item *take(lane *l)
{
    item *it = l->first;
    l->first = it->next;
    if (l->first == NULL)
        l->last = &l->first;
    l->bytes -= it->length;
    return it;
}

/* Tells the end one event. The lock is given up meanwhile. */
static void tell(ds_inproc_wire *wire, lane *l, ds_link_event_kind kind, const void *bytes,
                 size_t length)
{
    const ds_link_event event = {.kind = kind, .peer = l->peer, .bytes = bytes, .length = length};
    DS_ASSERT(l->telling);
    if (!l->quiet) {
        pthread_mutex_unlock(&wire->lock);
        l->fn(l->arg, &event);
        pthread_mutex_lock(&wire->lock);
    }
    l->told++;
}

/* Adds an event, and tells all there are unless somebody does. */
static void add(ds_inproc_wire *wire, lane *l, ds_link_event_kind kind, const void *bytes,
                size_t length)
{
    if (l->over)
        return;
    l->over = kind == DS_LINK_LOST;
    l->sent++;
    if (l->telling) {
        append(l, kind, bytes, length);
        return;
    }
    l->telling = true;
    tell(wire, l, kind, bytes, length);
    while (l->first != NULL) {
        item *it = take(l);
        tell(wire, l, it->kind, it->bytes, it->length);
        free(it);
    }
    l->telling = false;
    pthread_cond_broadcast(&wire->told);
}

static void close_both(ds_inproc_wire *wire)
{
    add(wire, &wire->server, DS_LINK_LOST, NULL, 0);
    add(wire, &wire->client, DS_LINK_LOST, NULL, 0);
}

static void send_to(ds_inproc_wire *wire, lane *l, const void *bytes, size_t length)
{
    DS_ASSERT(length <= DS_MESSAGE_LIMIT);
    pthread_mutex_lock(&wire->lock);
    if (l->bytes + length > DS_LINK_QUEUE_BYTES)
        close_both(wire);
    else
        add(wire, l, DS_LINK_MESSAGE, bytes, length);
    pthread_mutex_unlock(&wire->lock);
}

/* ---- wires ---- */

static void unlock_and_drop(ds_inproc_wire *wire)
{
    bool last = --wire->references == 0;
    pthread_mutex_unlock(&wire->lock);
    if (!last)
        return;
    DS_ASSERT(wire->server.first == NULL && wire->client.first == NULL);
    pthread_cond_destroy(&wire->told);
    pthread_mutex_destroy(&wire->lock);
    free(wire);
}

/* An end goes away. */
static void leave(ds_inproc_wire *wire, lane *l)
{
    pthread_mutex_lock(&wire->lock);
    l->quiet = true;
    close_both(wire);
    while (l->telling)
        pthread_cond_wait(&wire->told, &wire->lock);
    unlock_and_drop(wire);
}

static ds_inproc_wire *new_wire(void)
{
    ds_inproc_wire *wire = ds_calloc(1, sizeof *wire);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&wire->told, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&wire->lock, NULL);
    wire->references = 2;
    return wire;
}

/* ---- the server ---- */

/* doors are locked. */
static ds_inproc_server **find_door(const char *url)
{
    ds_inproc_server **at = &doors.first;
    while (*at != NULL && strcmp((*at)->url, url) != 0)
        at = &(*at)->next;
    return at;
}

ds_status ds_inproc_listen(const char *url, const ds_secret *secret, ds_link_fn fn, void *arg,
                           ds_inproc_server **result, ds_error *error)
{
    pthread_mutex_lock(&doors.lock);
    ds_inproc_server **at = find_door(url);
    bool taken = *at != NULL;
    if (!taken) {
        ds_inproc_server *server = ds_calloc(1, sizeof *server);
        server->url = ds_strdup(url);
        server->fn = fn;
        server->arg = arg;
        if (secret != NULL)
            server->secret = *secret;
        pthread_mutex_init(&server->lock, NULL);
        *at = *result = server;
    }
    pthread_mutex_unlock(&doors.lock);
    return taken ? ds_error_set(error, DS_ERR_UNAVAILABLE, "%s is in use", url) : DS_OK;
}

void ds_inproc_set_secret(ds_inproc_server *server, const ds_secret *secret)
{
    pthread_mutex_lock(&server->lock);
    server->secret = *secret;
    pthread_mutex_unlock(&server->lock);
}

/* The wire to a peer, with a reference and locked; NULL: it is lost. */
static ds_inproc_wire *lock_wire(ds_inproc_server *server, uint64_t peer)
{
    pthread_mutex_lock(&server->lock);
    ds_inproc_wire *wire = server->wires;
    while (wire != NULL && wire->server.peer != peer)
        wire = wire->next;
    if (wire != NULL) {
        pthread_mutex_lock(&wire->lock);
        wire->references++;
    }
    pthread_mutex_unlock(&server->lock);
    return wire;
}

void ds_inproc_server_send(ds_inproc_server *server, uint64_t peer, const void *bytes,
                           size_t length)
{
    ds_inproc_wire *wire = lock_wire(server, peer);
    if (wire == NULL)
        return;
    pthread_mutex_unlock(&wire->lock);
    send_to(wire, &wire->client, bytes, length);
    pthread_mutex_lock(&wire->lock);
    unlock_and_drop(wire);
}

void ds_inproc_close_peer(ds_inproc_server *server, uint64_t peer)
{
    ds_inproc_wire *wire = lock_wire(server, peer);
    if (wire == NULL)
        return;
    close_both(wire);
    unlock_and_drop(wire);
}

/* Forgets peers whose LOST was told. The lock of the server is held. */
static void forget_lost(ds_inproc_server *server)
{
    for (ds_inproc_wire **at = &server->wires; *at != NULL;) {
        ds_inproc_wire *wire = *at;
        pthread_mutex_lock(&wire->lock);
        bool lost = wire->server.over && !wire->server.telling;
        if (!lost) {
            pthread_mutex_unlock(&wire->lock);
            at = &wire->next;
            continue;
        }
        *at = wire->next;
        unlock_and_drop(wire);
    }
}

void ds_inproc_server_free(ds_inproc_server *server)
{
    if (server == NULL)
        return;
    pthread_mutex_lock(&doors.lock);
    *find_door(server->url) = server->next;
    pthread_mutex_unlock(&doors.lock);
    for (;;) {
        pthread_mutex_lock(&server->lock);
        ds_inproc_wire *wire = server->wires;
        if (wire != NULL)
            server->wires = wire->next;
        pthread_mutex_unlock(&server->lock);
        if (wire == NULL)
            break;
        leave(wire, &wire->server);
    }
    pthread_mutex_destroy(&server->lock);
    free(server->url);
    free(server);
}

/* ---- the client ---- */

static bool same_secret(const ds_secret *a, const ds_secret *b)
{
    return a->given == b->given && (!a->given || ds_secret_same(a->key, b->key));
}

/* Makes a wire to a server; doors are locked, so that it stays. NULL: it holds another secret. */
static ds_inproc_wire *connect_to(ds_inproc_server *server, const ds_secret *secret, ds_link_fn fn,
                                  void *arg)
{
    ds_inproc_wire *wire = NULL;
    pthread_mutex_lock(&server->lock);
    forget_lost(server);
    if (same_secret(&server->secret, secret)) {
        wire = new_wire();
        lane_init(&wire->server, server->fn, server->arg, ++server->last_peer);
        lane_init(&wire->client, fn, arg, 0);
        wire->next = server->wires;
        server->wires = wire;
    }
    pthread_mutex_unlock(&server->lock);
    return wire;
}

static void pause_a_while(void)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

ds_status ds_inproc_dial(const char *url, const ds_secret *secret, int64_t deadline_us,
                         ds_link_fn fn, void *arg, ds_inproc_wire **result, ds_error *error)
{
    for (;; pause_a_while()) {
        pthread_mutex_lock(&doors.lock);
        ds_inproc_server *server = *find_door(url);
        ds_inproc_wire *wire = server == NULL ? NULL : connect_to(server, secret, fn, arg);
        pthread_mutex_unlock(&doors.lock);
        if (wire != NULL) {
            pthread_mutex_lock(&wire->lock);
            add(wire, &wire->server, DS_LINK_OPENED, NULL, 0);
            pthread_mutex_unlock(&wire->lock);
            *result = wire;
            return DS_OK;
        }
        if (server != NULL)
            return ds_error_set(error, DS_ERR_APP, "%s does not take our secret", url);
        if (ds_clock_mono_us() >= deadline_us)
            return ds_error_set(error, DS_ERR_UNAVAILABLE, "nobody answers at %s", url);
    }
}

void ds_inproc_send(ds_inproc_wire *wire, const void *bytes, size_t length)
{
    send_to(wire, &wire->server, bytes, length);
}

bool ds_inproc_flush(ds_inproc_wire *wire, int64_t deadline_us)
{
    const struct timespec until = {.tv_sec = deadline_us / 1000000,
                                   .tv_nsec = deadline_us % 1000000 * 1000};
    lane *l = &wire->server;
    pthread_mutex_lock(&wire->lock);
    uint64_t sent = l->sent;
    bool open = !l->over;
    while (open && l->told < sent && !l->over)
        if (pthread_cond_timedwait(&wire->told, &wire->lock, &until) != 0)
            break;
    bool all = open && l->told >= sent;
    pthread_mutex_unlock(&wire->lock);
    return all;
}

void ds_inproc_free(ds_inproc_wire *wire)
{
    if (wire != NULL)
        leave(wire, &wire->client);
}
