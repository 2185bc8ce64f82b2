/*
 * A fetch waits on its own thread, and the link's threads bring the bytes. A connection has a
 * window of slots, one for each request under way; a slot says where the bytes go and for
 * whom. A fetch fills free slots as long as it has something to ask for, and then waits until
 * its count of requests under way is zero. The bytes are copied under the connection's lock, so
 * a fetch that gives up takes its slots back and nothing is written behind its back.
 *
 * A connection is open, or somebody dials it, or neither. When it is lost every request under
 * way fails, and the next fetch dials again. Dialing goes on until there is an answer, the time
 * is over, or the address is dropped: a peer that only stands still for a while is worth
 * waiting for, and of one that is dead the driver tells.
 *
 * Locks: client->lock guards the list and the counts of users; each connection has its own for
 * the rest. They are never held together, and none while a link is opened or freed.
 */
#include "exec/bulk_client.h"

#include "base/assert.h"
#include "base/clock.h"
#include "rpc/link.h"
#include "rpc/url.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TRY_MS 500 /* of dialing, before it is looked whether it still makes sense */

static const char connection_lost[] = "the connection was lost";

/* One call of fetch; on the stack of its thread. */
typedef struct transfer {
    const ds_bulk_item *items;
    size_t n_items;
    size_t item;   /* the next to ask for */
    uint64_t done; /* bytes of it that were asked for */
    uint32_t under_way;
    const char *problem; /* static; NULL: none */
    ds_ref failed;       /* the range that the problem is about */
} transfer;

/* A request under way; transfer NULL: free. */
typedef struct slot {
    transfer *transfer;
    uint64_t number;
    ds_ref ref;
    char *to;
} slot;

typedef struct connection {
    const ds_bulk_client *client;
    struct connection *next;
    uint32_t users; /* guarded by the client's lock, like next */
    char url[DS_ADDRESS_URL];
    ds_arena *arena; /* of the link's calls, which come one at a time */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    ds_client *link; /* may be a lost one */
    bool open;       /* link works */
    bool dialing;    /* somebody opens the link */
    bool lost;       /* the link that is being opened is lost already */
    bool dropped;
    int64_t heard_us; /* when something came, or was asked for when nothing was under way */
    uint64_t last_number;
    uint32_t under_way;
    slot slots[DS_BULK_WINDOW];
} connection;

struct ds_bulk_client {
    int64_t wait_us;
    ds_secret key;
    const struct ds_tls *tls;
    pthread_mutex_t lock;
    connection *connections;
};

/* ---- requests; the connection's lock is held ---- */

static void free_slot(connection *c, slot *s)
{
    DS_ASSERT(s->transfer->under_way > 0 && c->under_way > 0);
    s->transfer->under_way--;
    c->under_way--;
    *s = (slot){0};
}

static void fail(transfer *t, const slot *s, const char *problem)
{
    if (t->problem != NULL)
        return;
    t->problem = problem;
    t->failed = s->ref;
}

/* Nothing more comes over this link. */
static void lose(connection *c, const char *problem)
{
    c->open = false;
    c->lost = true;
    for (size_t i = 0; i < DS_BULK_WINDOW; i++) {
        slot *s = &c->slots[i];
        if (s->transfer == NULL)
            continue;
        fail(s->transfer, s, problem);
        free_slot(c, s);
    }
    pthread_cond_broadcast(&c->changed);
}

static slot *find_slot(connection *c, uint64_t number)
{
    for (size_t i = 0; i < DS_BULK_WINDOW; i++)
        if (c->slots[i].transfer != NULL && c->slots[i].number == number)
            return &c->slots[i];
    return NULL;
}

static slot *find_free_slot(connection *c)
{
    for (size_t i = 0; i < DS_BULK_WINDOW; i++)
        if (c->slots[i].transfer == NULL)
            return &c->slots[i];
    return NULL;
}

static void take_answer(connection *c, const ds_msg_fetched *answer)
{
    slot *s = find_slot(c, answer->number);
    c->heard_us = ds_clock_mono_us();
    if (s == NULL)
        return; /* whoever asked has given up */
    transfer *t = s->transfer;
    if (answer->status != DS_OK)
        fail(t, s, "it has no such bytes");
    else if (answer->n_bytes != s->ref.length)
        fail(t, s, "it sent another number of bytes");
    else
        memcpy(s->to, answer->bytes, answer->n_bytes);
    free_slot(c, s);
    pthread_cond_broadcast(&c->changed);
}

static void send_request(const connection *c, const slot *s)
{
    DS_ASSERT(c->open && s->ref.length <= DS_FETCH_LIMIT);
    ds_message message = {.type = DS_MSG_FETCH};
    message.fetch.number = s->number;
    message.fetch.ref = s->ref;
    ds_buffer out = {0};
    ds_message_encode(&out, &message);
    ds_client_send(c->link, out.data, out.length);
    ds_buffer_fini(&out);
}

/* The part of an item that comes next, as a request. */
static slot next_part(transfer *t)
{
    const ds_bulk_item *item = &t->items[t->item];
    uint64_t length = item->ref.length - t->done;
    if (length > DS_FETCH_LIMIT)
        length = DS_FETCH_LIMIT;
    slot part = {.transfer = t,
                 .ref = {item->ref.executor_id, item->ref.offset + t->done, length},
                 .to = item->to + t->done};
    DS_ASSERT(length > 0 && t->done + length <= item->ref.length);
    t->done += length;
    return part;
}

/* Passes over items of which nothing is left to ask for. */
static bool has_more(transfer *t)
{
    while (t->item < t->n_items && t->done == t->items[t->item].ref.length) {
        t->item++;
        t->done = 0;
    }
    return t->item < t->n_items;
}

/* ---- what the link reports ---- */

static void on_message(connection *c, const ds_link_event *event)
{
    ds_message message;
    ds_arena_reset(c->arena);
    bool good = ds_message_decode(c->arena, event->bytes, event->length, &message, NULL) == DS_OK &&
                message.type == DS_MSG_FETCHED;
    pthread_mutex_lock(&c->lock);
    if (good)
        take_answer(c, &message.fetched);
    else
        lose(c, "it sent something that is no answer");
    pthread_mutex_unlock(&c->lock);
}

static void on_link(void *arg, const ds_link_event *event)
{
    connection *c = arg;
    if (event->kind == DS_LINK_MESSAGE) {
        on_message(c, event);
    } else if (event->kind == DS_LINK_LOST) {
        pthread_mutex_lock(&c->lock);
        lose(c, connection_lost);
        pthread_mutex_unlock(&c->lock);
    }
}

/* ---- opening; the connection's lock is held, and given up for a while ---- */

static void wait_until(connection *c, int64_t deadline_us)
{
    struct timespec ts = {.tv_sec = deadline_us / 1000000, .tv_nsec = deadline_us % 1000000 * 1000};
    pthread_cond_timedwait(&c->changed, &c->lock, &ts);
}

/* Puts a new link in the place of a lost one. False if a further try makes no sense. */
static bool dial(connection *c, ds_error *error)
{
    DS_ASSERT(!c->open && !c->dialing);
    ds_client *old = c->link, *link = NULL;
    c->link = NULL;
    c->dialing = true;
    c->lost = false;
    pthread_mutex_unlock(&c->lock);
    ds_client_free(old);
    const ds_link_options options = {.secret = &c->client->key, .tls = c->client->tls};
    ds_status status = ds_client_open_with(c->url, &options, TRY_MS, on_link, c, &link, error);
    pthread_mutex_lock(&c->lock);
    c->dialing = false;
    c->link = link;
    c->open = status == DS_OK && !c->lost;
    pthread_cond_broadcast(&c->changed);
    return status == DS_OK || status == DS_ERR_UNAVAILABLE;
}

static ds_status open_link(connection *c, ds_error *error)
{
    int64_t deadline_us = ds_clock_mono_us() + c->client->wait_us;
    ds_error_set(error, DS_ERR_LOST, "nobody answers");
    while (!c->open) {
        if (c->dropped)
            return ds_error_set(error, DS_ERR_LOST, "it is gone");
        if (c->dialing)
            wait_until(c, deadline_us);
        else if (!dial(c, error))
            return DS_ERR_LOST;
        if (!c->open && ds_clock_mono_us() >= deadline_us)
            return DS_ERR_LOST;
    }
    return DS_OK;
}

/* ---- fetching; the connection's lock is held ---- */

static void ask(connection *c, transfer *t)
{
    slot *s;
    while (has_more(t) && t->problem == NULL && (s = find_free_slot(c)) != NULL) {
        *s = next_part(t);
        s->number = ++c->last_number;
        t->under_way++;
        if (c->under_way++ == 0)
            c->heard_us = ds_clock_mono_us();
        send_request(c, s);
    }
}

/* Asks and waits until all has come, or something went wrong and nothing is under way. */
static void run(connection *c, transfer *t)
{
    for (;;) {
        if (!c->open && t->problem == NULL)
            t->problem = connection_lost;
        ask(c, t);
        if (t->under_way == 0 && (t->problem != NULL || !has_more(t)))
            return;
        wait_until(c, c->heard_us + c->client->wait_us);
        if (c->open && c->under_way > 0 && ds_clock_mono_us() >= c->heard_us + c->client->wait_us)
            lose(c, "no answer came in time");
    }
}

static ds_status try_fetch(connection *c, const ds_bulk_item *items, size_t n_items, transfer *t,
                           ds_error *error)
{
    DS_ASSERT(n_items > 0 && t->under_way == 0);
    *t = (transfer){.items = items, .n_items = n_items, .failed = items[0].ref};
    DS_TRY(open_link(c, error));
    run(c, t);
    return DS_OK;
}

/* ---- connections ---- */

static connection *new_connection(const ds_bulk_client *client, const char *url)
{
    connection *c = ds_calloc(1, sizeof *c);
    c->client = client;
    snprintf(c->url, sizeof c->url, "%s", url);
    c->arena = ds_arena_new(NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

static void free_connection(connection *c)
{
    DS_ASSERT(c->users == 0 && c->under_way == 0);
    ds_client_free(c->link);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    ds_arena_free(c->arena);
    free(c);
}

static connection *acquire(ds_bulk_client *client, const char *url)
{
    pthread_mutex_lock(&client->lock);
    connection *c = client->connections;
    while (c != NULL && strcmp(c->url, url) != 0)
        c = c->next;
    if (c == NULL) {
        c = new_connection(client, url);
        c->next = client->connections;
        client->connections = c;
    }
    c->users++;
    pthread_mutex_unlock(&client->lock);
    return c;
}

/* Takes a dropped connection out of the list, and gives it up when nobody uses it. */
static void release(ds_bulk_client *client, connection *c)
{
    pthread_mutex_lock(&client->lock);
    DS_ASSERT(c->users > 0);
    bool unused = --c->users == 0 && c->dropped;
    pthread_mutex_unlock(&client->lock);
    if (unused)
        free_connection(c);
}

ds_bulk_client *ds_bulk_client_new(int wait_ms)
{
    ds_bulk_client *client = ds_calloc(1, sizeof *client);
    client->wait_us = (int64_t)wait_ms * 1000;
    pthread_mutex_init(&client->lock, NULL);
    return client;
}

void ds_bulk_client_free(ds_bulk_client *client)
{
    if (client == NULL)
        return;
    while (client->connections != NULL) {
        connection *c = client->connections;
        client->connections = c->next;
        DS_ASSERT(c->users == 0);
        free_connection(c);
    }
    pthread_mutex_destroy(&client->lock);
    free(client);
}

void ds_bulk_client_set_key(ds_bulk_client *client, const ds_secret *key)
{
    client->key = *key;
}

void ds_bulk_client_set_tls(ds_bulk_client *client, const struct ds_tls *tls)
{
    client->tls = tls;
}

ds_status ds_bulk_client_fetch(ds_bulk_client *client, const char *url, const ds_bulk_item *items,
                               size_t n_items, ds_error *error)
{
    transfer t = {.items = items, .n_items = n_items};
    if (!has_more(&t))
        return DS_OK;
    ds_error why = {.message = ""};
    connection *c = acquire(client, url);
    pthread_mutex_lock(&c->lock);
    /* A link that was open before may be lost by now: that is found out by using it. */
    bool again = c->open;
    ds_status status = try_fetch(c, items, n_items, &t, &why);
    if (again && status == DS_OK && t.problem == connection_lost)
        status = try_fetch(c, items, n_items, &t, &why);
    pthread_mutex_unlock(&c->lock);
    release(client, c);
    if (status == DS_OK && t.problem == NULL)
        return DS_OK;
    return ds_error_set(error, DS_ERR_LOST,
                        "bytes %" PRIu64 "+%" PRIu64 " of executor %" PRIu64
                        " cannot be fetched from %s: %s",
                        t.failed.offset, t.failed.length, t.failed.executor_id, url,
                        status == DS_OK ? t.problem : why.message);
}

void ds_bulk_client_drop(ds_bulk_client *client, const char *url)
{
    pthread_mutex_lock(&client->lock);
    connection **at = &client->connections;
    while (*at != NULL && strcmp((*at)->url, url) != 0)
        at = &(*at)->next;
    connection *c = *at;
    if (c != NULL) {
        *at = c->next;
        c->users++;
    }
    pthread_mutex_unlock(&client->lock);
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    c->dropped = true;
    lose(c, "it is gone");
    pthread_mutex_unlock(&c->lock);
    release(client, c);
}
