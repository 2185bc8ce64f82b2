/* The acknowledgements of an intake's connections (ack.h), and connections that only wait for
 * them. */
#include "receiver/intake.h"

#include "base/assert.h"

#define RETRY_US INT64_C(100000) /* for a peer that does not read */

void ds_intake_mark(ds_intake *intake, uint64_t block_id)
{
    for (ds_connection *c = intake->connections; c != NULL && intake->spec.ack; c = c->next)
        ds_ack_mark(&c->ack, block_id, c->stream.lines);
}

bool ds_connection_lingers(const ds_connection *c)
{
    return c->intake->spec.ack && c->error == 0 && !ds_ack_complete(&c->ack, c->stream.lines);
}

/* Tells what is to be told. The connection may be gone afterwards. */
static void tell(ds_connection *c)
{
    ds_intake *intake = c->intake;
    int error = c->error != 0 ? 0 : ds_ack_write(&c->ack, c->watch.fd);
    if (ds_ack_waits(&c->ack) && error == 0)
        intake->tell_us = intake->poller->now_us + RETRY_US;
    if (error != 0)
        c->error = error; /* nothing more is told; reading goes on to its own end */
    if (!c->lingers || intake->over || ds_connection_lingers(c))
        return;
    c->lingers = false;
    intake->ops->ended(intake, c);
}

static void tell_all(ds_intake *intake)
{
    intake->tell_us = DS_NEVER;
    for (ds_connection *c = intake->connections, *next; c != NULL; c = next) {
        next = c->next;
        tell(c);
    }
}

void ds_intake_durable(ds_intake *intake, uint64_t block_id)
{
    if (!intake->spec.ack)
        return;
    for (ds_connection *c = intake->connections; c != NULL; c = c->next)
        ds_ack_durable(&c->ack, block_id);
    tell_all(intake);
}

void ds_intake_tell(ds_intake *intake)
{
    if (intake->tell_us <= intake->poller->now_us)
        tell_all(intake);
}

bool ds_intake_told(const ds_intake *intake)
{
    DS_ASSERT(intake->over);
    for (const ds_connection *c = intake->connections; c != NULL; c = c->next)
        if (ds_connection_lingers(c))
            return false;
    return true;
}
