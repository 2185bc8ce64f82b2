#include "receiver/flood.h"

#include "base/assert.h"

#include <sys/socket.h>

#define READ_MOST ((size_t)256 << 10) /* for each time it is ready: fair among clients */
#define FLOOD ((size_t)2 << 20)
#define FLOODS_MOST 4
#define TICK_US INT64_C(1000)

size_t ds_flood_most(const ds_connection *c)
{
    return c->floods ? FLOOD : READ_MOST;
}

/* The system may take less: a part of what a socket can hold. False: it is no socket. */
static bool set_mark(const ds_connection *c, int bytes)
{
    return setsockopt(c->watch.fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes) == 0;
}

static void enter(ds_connection *c)
{
    ds_intake *intake = c->intake;
    if (intake->n_floods == FLOODS_MOST || !set_mark(c, (int)FLOOD))
        return;
    if (intake->n_floods++ == 0)
        intake->tick_us = intake->poller->now_us + TICK_US;
    c->floods = true;
}

void ds_flood_leave(ds_connection *c)
{
    c->unbroken = 0;
    if (!c->floods)
        return;
    DS_ASSERT(c->intake->n_floods > 0);
    c->intake->n_floods--;
    c->floods = false;
    set_mark(c, 1);
}

void ds_flood_note(ds_connection *c, size_t asked, size_t length)
{
    const ds_intake *intake = c->intake;
    c->read_lately = true;
    if (c->floods) {
        if (intake->limit.rate > 0 || (intake->ticking && length < READ_MOST))
            ds_flood_leave(c);
        return;
    }
    c->unbroken = length < asked ? 0 : c->unbroken + length;
    if (c->unbroken < FLOOD || intake->limit.rate > 0)
        return;
    c->unbroken = 0;
    enter(c);
}

int64_t ds_flood_deadline(const ds_intake *intake)
{
    return intake->n_floods > 0 && !intake->stalled ? intake->tick_us : DS_NEVER;
}

/* Those that wait for room are not watched; and none has it once one was refused. */
static void read_floods(ds_intake *intake)
{
    for (ds_connection *c = intake->connections, *next; c != NULL; c = next) {
        next = c->next; /* it may close itself, but no other */
        if (!c->floods || !c->watch.watched)
            continue;
        if (!intake->ticking || !c->read_lately)
            c->watch.ready(&c->watch);
        else
            c->read_lately = false;
    }
}

void ds_flood_tick(ds_intake *intake)
{
    intake->tick_us = intake->poller->now_us + TICK_US;
    intake->ticking = true;
    read_floods(intake);
    intake->ticking = false;
}

void ds_flood_drain(ds_intake *intake)
{
    if (intake->n_floods > 0)
        read_floods(intake);
}
