#include "receiver/flood.h"
#include "receiver/long_records.h"

#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void link_connection(ds_connection *c, ds_intake *intake)
{
    c->intake = intake;
    c->next = NULL;
    c->link = intake->last;
    *c->link = c;
    intake->last = &c->next;
    intake->n_connections++;
}

static void unlink_connection(ds_connection *c)
{
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    else
        c->intake->last = c->link;
    c->intake->n_connections--;
}

/* Stops reading until the sink has room. */
static void stall(ds_connection *c)
{
    ds_poller_unwatch(c->intake->poller, &c->watch);
    c->waiting = true;
    c->intake->stalled = true;
}

/* Stops reading until there are tokens. */
static void pause_reading(ds_connection *c)
{
    ds_flood_leave(c);
    ds_poller_unwatch(c->intake->poller, &c->watch);
    c->waiting = true;
    c->intake->paused = true;
}

/* Stops reading until there is a place for a long record. */
static void wait_for_place(ds_connection *c)
{
    ds_flood_leave(c);
    ds_poller_unwatch(c->intake->poller, &c->watch);
    c->waiting = true;
}

/* Pays for what came. Who was read goes behind all others. */
static void pay(ds_connection *c, size_t bytes)
{
    ds_intake *intake = c->intake;
    uint64_t all = intake->cutter.all_records;
    ds_rate_limit_took(&intake->limit, all - intake->taken, bytes);
    intake->taken = all;
    if (intake->limit.rate == 0 || c->next == NULL)
        return;
    unlink_connection(c);
    link_connection(c, intake);
}

bool ds_connection_settle(ds_connection *c)
{
    ds_cut_step step;
    while ((step = ds_block_cutter_place(&c->intake->cutter, &c->stream)) != DS_CUT_GO)
        if (!ds_intake_advance(c->intake, step))
            return false;
    ds_intake_filled(c->intake);
    return true;
}

static bool find_window(ds_connection *c, char **bytes, size_t *length)
{
    ds_cut_step step;
    while ((step = ds_block_cutter_window(&c->intake->cutter, &c->stream, bytes, length)) !=
           DS_CUT_GO)
        if (!ds_intake_advance(c->intake, step))
            return false;
    size_t most = ds_flood_most(c);
    if (*length > most)
        *length = most;
    return true;
}

static void settle_end(ds_connection *c)
{
    if (!ds_connection_settle(c))
        stall(c);
    else if (ds_connection_lingers(c))
        c->lingers = true;
    else
        c->intake->ops->ended(c->intake, c);
}

/* The end of the stream, or an error, which is one too. */
static void end(ds_connection *c, int error)
{
    ds_flood_leave(c);
    ds_poller_unwatch(c->intake->poller, &c->watch);
    c->ended = true;
    c->error = error;
    bool cut_short = c->intake->spec.kind != DS_RECEIVE_STDIN;
    if (c->intake->spec.ack && error != 0) /* its peer sends again what it was not told of */
        ds_record_stream_drop(&c->stream);
    ds_record_stream_end(&c->intake->cutter, &c->stream, cut_short);
    settle_end(c);
}

static void on_readable(ds_watch *watch)
{
    ds_connection *c = (ds_connection *)(void *)watch; /* its first member */
    ds_rate_limit *limit = &c->intake->limit;
    char *bytes;
    size_t length;
    if (!ds_rate_limit_allows(limit, c->intake->poller->now_us)) {
        pause_reading(c);
        return;
    }
    if (!find_window(c, &bytes, &length)) {
        stall(c);
        return;
    }
    if (length > ds_rate_limit_bytes(limit))
        length = ds_rate_limit_bytes(limit);
    length = ds_long_records_allow(c, length);
    if (length == 0) {
        wait_for_place(c);
        return;
    }
    ssize_t n = read(watch->fd, bytes, length);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        ds_flood_note(c, length, 0);
        return;
    }
    if (n <= 0) {
        end(c, n < 0 ? errno : 0);
        return;
    }
    c->received = true;
    ds_flood_note(c, length, (size_t)n);
    c->intake->bytes_at_us = c->intake->poller->now_us;
    ds_block_cutter_fill(&c->intake->cutter, &c->stream, (size_t)n);
    bool settled = ds_connection_settle(c);
    ds_long_records_note(c);
    pay(c, (size_t)n);
    if (!settled)
        stall(c);
}

int ds_connection_open(ds_intake *intake, int fd)
{
    ds_connection *c = ds_calloc(1, sizeof *c);
    c->watch = (ds_watch){.fd = fd, .ready = on_readable};
    int failed = ds_poller_watch(intake->poller, &c->watch, EPOLLIN);
    if (failed != 0) {
        free(c);
        return failed;
    }
    link_connection(c, intake);
    return 0;
}

void ds_connection_close(ds_connection *c)
{
    ds_poller_unwatch(c->intake->poller, &c->watch);
    ds_flood_leave(c);
    ds_long_records_leave(c);
    unlink_connection(c);
    ds_record_stream_fini(&c->stream);
    if (c->watch.fd != STDIN_FILENO)
        close(c->watch.fd);
    free(c);
}

void ds_connection_resume(ds_connection *c)
{
    c->waiting = false;
    if (c->ended) {
        settle_end(c);
        return;
    }
    int failed = 0;
    if (!ds_connection_settle(c))
        stall(c);
    else
        failed = ds_poller_watch(c->intake->poller, &c->watch, EPOLLIN);
    if (failed != 0)
        end(c, failed);
}
