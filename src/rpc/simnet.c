/*
 * What is under way lies in a heap, by the time of its arrival and then by the order in which
 * it was sent. Each direction of a connection remembers the latest arrival given out, and
 * nothing sent later arrives earlier: so a delay delays what is behind it too, as on a stream.
 * A second copy of a message is not held to that, and holds nothing up.
 *
 * When a connection is lost, it is drawn for each direction how many of the events under way
 * still arrive, the earliest of them; the rest is swallowed, and LOST comes behind them, as
 * the last event of the connection at that side. On a perfect network all are swallowed. If
 * OPENED is among the swallowed, the server never hears of the connection.
 */
#include "rpc/simnet.h"

#include "base/assert.h"
#include "base/memory.h"
#include "base/random.h"
#include "rpc/message.h"

#include <stdlib.h>
#include <string.h>

typedef enum side { TO_SERVER, TO_CLIENT, SIDES } side;

typedef struct event {
    int64_t time_us;
    uint64_t number; /* in the order of sending */
    uint64_t peer;
    side to;
    ds_link_event_kind kind;
    size_t length;
    char bytes[];
} event;

typedef struct connection {
    uint64_t peer;
    bool lost; /* nothing is sent any more */
    struct direction {
        int64_t latest_us; /* nothing sent from now on arrives before */
        size_t n_events;   /* under way */
        size_t bytes;      /* of these, with their overhead */
        bool knows;        /* this side knows the connection: it gets LOST */
    } directions[SIDES];
} connection;

struct ds_simnet {
    ds_random random;
    ds_simnet_faults faults;
    int64_t now_us;
    uint64_t last_peer;
    uint64_t last_number;
    connection **connections; /* by peer; NULL: nothing is left of it */
    size_t connections_capacity;
    event **heap; /* the earliest first */
    size_t n_events, capacity;
    event *delivered; /* lent out by the last ds_simnet_deliver */
};

/* The heap */

static bool before(const event *a, const event *b)
{
    return a->time_us != b->time_us ? a->time_us < b->time_us : a->number < b->number;
}

static void swap(event **a, event **b)
{
    event *e = *a;
    *a = *b;
    *b = e;
}

static void rise(ds_simnet *net, size_t i)
{
    for (; i > 0 && before(net->heap[i], net->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&net->heap[i], &net->heap[(i - 1) / 2]);
}

static void sink(ds_simnet *net, size_t i)
{
    for (size_t child; (child = 2 * i + 1) < net->n_events; i = child) {
        if (child + 1 < net->n_events && before(net->heap[child + 1], net->heap[child]))
            child++;
        if (!before(net->heap[child], net->heap[i]))
            return;
        swap(&net->heap[i], &net->heap[child]);
    }
}

static void push(ds_simnet *net, event *e)
{
    if (net->n_events == net->capacity) {
        net->capacity = net->capacity * 2 + 64;
        net->heap = ds_realloc(net->heap, net->capacity, sizeof(event *));
    }
    net->heap[net->n_events] = e;
    rise(net, net->n_events++);
}

static event *pop(ds_simnet *net)
{
    event *e = net->heap[0];
    net->heap[0] = net->heap[--net->n_events];
    sink(net, 0);
    return e;
}

/* Connections */

static connection *find(const ds_simnet *net, uint64_t peer)
{
    return peer > 0 && peer <= net->last_peer ? net->connections[peer] : NULL;
}

static void forget(ds_simnet *net, connection *c)
{
    net->connections[c->peer] = NULL;
    free(c);
}

static void set_now(ds_simnet *net, int64_t now_us)
{
    DS_ASSERT(now_us >= net->now_us);
    net->now_us = now_us;
}

/* Nothing is drawn for faults that are off. */
static bool happens(ds_simnet *net, double probability)
{
    return probability > 0 && ds_random_unit(&net->random) < probability;
}

static int64_t delay(ds_simnet *net)
{
    uint64_t most = net->faults.delay_max_us;
    return most == 0 ? 0 : (int64_t)ds_random_below(&net->random, most + 1);
}

static size_t cost(size_t length)
{
    return sizeof(event) + length;
}

static void add_event(ds_simnet *net, connection *c, side to, ds_link_event_kind kind,
                      const void *bytes, size_t length, int64_t time_us)
{
    event *e = ds_alloc(sizeof *e + length);
    *e = (event){.time_us = time_us,
                 .number = ++net->last_number,
                 .peer = c->peer,
                 .to = to,
                 .kind = kind,
                 .length = length};
    if (length > 0)
        memcpy(e->bytes, bytes, length);
    c->directions[to].n_events++;
    c->directions[to].bytes += cost(length);
    push(net, e);
}

/* The time at which something sent now arrives, in order. */
static int64_t arrival(ds_simnet *net, struct direction *d)
{
    int64_t time_us = net->now_us + delay(net);
    if (d->latest_us < time_us)
        d->latest_us = time_us;
    return d->latest_us;
}

uint64_t ds_simnet_connect(ds_simnet *net, int64_t now_us)
{
    set_now(net, now_us);
    connection *c = ds_calloc(1, sizeof *c);
    c->peer = ++net->last_peer;
    if (c->peer >= net->connections_capacity) {
        net->connections_capacity = net->connections_capacity * 2 + 64;
        net->connections =
            ds_realloc(net->connections, net->connections_capacity, sizeof(connection *));
    }
    net->connections[c->peer] = c;
    c->directions[TO_CLIENT].knows = true;
    add_event(net, c, TO_SERVER, DS_LINK_OPENED, NULL, 0, arrival(net, &c->directions[TO_SERVER]));
    return c->peer;
}

static void settle(connection *c, const event *e)
{
    c->directions[e->to].n_events--;
    c->directions[e->to].bytes -= cost(e->length);
}

/* Loss */

static int compare(const void *a, const void *b)
{
    return before(*(event *const *)a, *(event *const *)b) ? -1 : 1;
}

/* Takes what is under way to this side out of the heap; in the order of arrival. The caller
 * frees the array. */
static event **take_events(ds_simnet *net, const connection *c, side to)
{
    size_t n = c->directions[to].n_events, taken = 0, kept = 0;
    event **events = ds_alloc(n * sizeof(event *));
    for (size_t i = 0; i < net->n_events; i++) {
        event *e = net->heap[i];
        if (e->peer == c->peer && e->to == to)
            events[taken++] = e;
        else
            net->heap[kept++] = e;
    }
    DS_ASSERT(taken == n);
    net->n_events = kept;
    for (size_t i = kept / 2; i-- > 0;)
        sink(net, i);
    qsort(events, n, sizeof(event *), compare);
    return events;
}

/* Ends one direction: all that is under way still arrives, or the first part. */
static void end_direction(ds_simnet *net, connection *c, side to, bool all)
{
    const ds_simnet_faults *faults = &net->faults;
    struct direction *d = &c->directions[to];
    bool perfect = faults->delay_max_us == 0 && faults->lose_connection <= 0;
    size_t n = d->n_events, n_kept = n;
    if (!all)
        n_kept = perfect ? 0 : (size_t)ds_random_below(&net->random, n + 1);
    int64_t time_us = net->now_us + delay(net);

    event **events = take_events(net, c, to);
    for (size_t i = 0; i < n; i++) {
        if (i < n_kept) {
            d->knows |= events[i]->kind == DS_LINK_OPENED;
            time_us = events[i]->time_us > time_us ? events[i]->time_us : time_us;
            push(net, events[i]);
        } else {
            settle(c, events[i]);
            free(events[i]);
        }
    }
    free(events);
    if (d->knows)
        add_event(net, c, to, DS_LINK_LOST, NULL, 0, time_us);
}

static void lose(ds_simnet *net, connection *c, bool flush)
{
    c->lost = true;
    end_direction(net, c, TO_SERVER, flush);
    end_direction(net, c, TO_CLIENT, flush);
}

void ds_simnet_close(ds_simnet *net, uint64_t peer, bool flush, int64_t now_us)
{
    set_now(net, now_us);
    connection *c = find(net, peer);
    if (c != NULL && !c->lost)
        lose(net, c, flush);
}

/* Sending */

static void send_message(ds_simnet *net, uint64_t peer, side to, const void *bytes, size_t length,
                         int64_t now_us)
{
    DS_ASSERT(length <= DS_MESSAGE_LIMIT);
    set_now(net, now_us);
    connection *c = find(net, peer);
    if (c == NULL || c->lost)
        return;
    struct direction *d = &c->directions[to];
    if (d->bytes + cost(length) > DS_LINK_QUEUE_BYTES) {
        lose(net, c, false);
        return;
    }
    int64_t time_us = arrival(net, d);
    add_event(net, c, to, DS_LINK_MESSAGE, bytes, length, time_us);
    if (happens(net, net->faults.duplicate))
        add_event(net, c, to, DS_LINK_MESSAGE, bytes, length, time_us + delay(net));
    if (happens(net, net->faults.lose_connection))
        lose(net, c, false);
}

void ds_simnet_send_to_client(ds_simnet *net, uint64_t peer, const void *bytes, size_t length,
                              int64_t now_us)
{
    send_message(net, peer, TO_CLIENT, bytes, length, now_us);
}

void ds_simnet_send_to_server(ds_simnet *net, uint64_t peer, const void *bytes, size_t length,
                              int64_t now_us)
{
    send_message(net, peer, TO_SERVER, bytes, length, now_us);
}

/* Delivery */

int64_t ds_simnet_next_us(const ds_simnet *net)
{
    return net->n_events > 0 ? net->heap[0]->time_us : INT64_MAX;
}

bool ds_simnet_deliver(ds_simnet *net, int64_t now_us, ds_simnet_delivery *out)
{
    set_now(net, now_us);
    free(net->delivered);
    net->delivered = NULL;
    if (ds_simnet_next_us(net) > now_us)
        return false;
    event *e = net->delivered = pop(net);
    connection *c = find(net, e->peer);
    settle(c, e);
    c->directions[e->to].knows = true;
    if (c->lost && c->directions[TO_SERVER].n_events + c->directions[TO_CLIENT].n_events == 0)
        forget(net, c);
    *out = (ds_simnet_delivery){.to_server = e->to == TO_SERVER,
                                .event = {.kind = e->kind,
                                          .peer = e->peer,
                                          .bytes = e->length > 0 ? e->bytes : NULL,
                                          .length = e->length}};
    return true;
}

/* Life */

ds_simnet *ds_simnet_new(uint64_t seed, const ds_simnet_faults *faults)
{
    ds_simnet *net = ds_calloc(1, sizeof *net);
    ds_random_init(&net->random, seed);
    net->faults = *faults;
    net->now_us = INT64_MIN;
    return net;
}

void ds_simnet_set_faults(ds_simnet *net, const ds_simnet_faults *faults)
{
    net->faults = *faults;
}

void ds_simnet_free(ds_simnet *net)
{
    if (net == NULL)
        return;
    while (net->n_events > 0)
        free(pop(net));
    for (uint64_t peer = 1; peer <= net->last_peer; peer++)
        free(net->connections[peer]);
    free(net->connections);
    free(net->delivered);
    free(net->heap);
    free(net);
}
