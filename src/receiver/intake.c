#include "receiver/intake.h"

#include "receiver/flood.h"
#include "receiver/long_records.h"

#include "base/assert.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FINISH_US INT64_C(2000000) /* how long peers may be told what is safe, after the end */
#define RESUMED 32                 /* connections at a time, when there are tokens again */

static const ds_intake_ops *const kinds[] = {
    [DS_RECEIVE_CONNECT] = &ds_socket_connect_ops,
    [DS_RECEIVE_LISTEN] = &ds_socket_listen_ops,
    [DS_RECEIVE_STDIN] = &ds_stdin_ops,
};

ds_intake *ds_intake_new(ds_poller *poller, const ds_block_sink *sink, const ds_receiver_spec *spec)
{
    ds_intake *intake = ds_calloc(1, sizeof *intake);
    intake->poller = poller;
    intake->sink = sink;
    intake->spec = *spec;
    intake->spec.name = ds_strdup(spec->name != NULL ? spec->name : "");
    intake->spec.host = ds_strdup(spec->host != NULL ? spec->host : "");
    intake->ops = kinds[spec->kind];
    intake->cut_at_us = intake->tell_us = DS_NEVER;
    intake->bytes_at_us = poller->now_us;
    intake->last = &intake->connections;
    ds_rate_limit_init(&intake->limit, spec->rate, poller->now_us);
    ds_block_cutter_init(&intake->cutter, spec->record_limit, spec->header);
    intake->cutter.keep_long = spec->keep_long;
    intake->ops->start(intake);
    return intake;
}

static void give_back(ds_intake *intake, const ds_block_room *room)
{
    if (room->capacity > 0)
        intake->sink->give_back(intake->sink->arg, intake->spec.receiver_id, room);
}

/* Takes the block out of the cutter and reports it, or gives its room back. */
static void cut(ds_intake *intake)
{
    ds_block_room room;
    ds_block block;
    intake->cut_at_us = DS_NEVER;
    if (ds_block_cutter_cut(&intake->cutter, &room, &block)) {
        ds_intake_mark(intake, block.block_id);
        intake->sink->report(intake->sink->arg, intake->spec.receiver_id, &room, &block);
    } else {
        give_back(intake, &room);
    }
}

static void close_all(ds_intake *intake)
{
    while (intake->connections != NULL)
        ds_connection_close(intake->connections);
    if (intake->ops != NULL)
        intake->ops->close(intake);
    intake->ops = NULL;
}

void ds_intake_free(ds_intake *intake)
{
    ds_block_room room;
    ds_block block;
    close_all(intake);
    ds_block_cutter_cut(&intake->cutter, &room, &block);
    give_back(intake, &room);
    free((char *)intake->spec.name);
    free((char *)intake->spec.host);
    free(intake);
}

void ds_intake_cut(ds_intake *intake)
{
    ds_flood_drain(intake);
    cut(intake);
}

static bool take_room(ds_intake *intake)
{
    uint64_t capacity = ds_block_cutter_least(&intake->cutter);
    if (!intake->over && capacity < intake->spec.block_bytes)
        capacity = intake->spec.block_bytes;
    ds_block_room room;
    if (!intake->sink->reserve(intake->sink->arg, intake->spec.receiver_id, capacity, &room))
        return false;
    ds_block_cutter_give(&intake->cutter, &room);
    return true;
}

bool ds_intake_advance(ds_intake *intake, ds_cut_step step)
{
    DS_ASSERT(step != DS_CUT_GO);
    if (step == DS_CUT_ROOM)
        return take_room(intake);
    cut(intake);
    return true;
}

void ds_intake_filled(ds_intake *intake)
{
    if (ds_block_cutter_full(&intake->cutter))
        cut(intake);
    else if (intake->cut_at_us == DS_NEVER && intake->spec.block_interval_ms > 0 &&
             ds_block_cutter_has_records(&intake->cutter))
        intake->cut_at_us = intake->poller->now_us + (int64_t)intake->spec.block_interval_ms * 1000;
}

void ds_intake_credit(ds_intake *intake)
{
    if (!intake->stalled || intake->over)
        return;
    if (intake->cutter.room.capacity == 0 && !take_room(intake))
        return;
    intake->stalled = false;
    intake->bytes_at_us = intake->poller->now_us;
    for (ds_connection *c = intake->connections, *next; c != NULL && !intake->stalled; c = next) {
        next = c->next;
        if (c->waiting)
            ds_connection_resume(c);
    }
}

void ds_intake_rate(ds_intake *intake, uint64_t rate)
{
    ds_rate_limit_set(&intake->limit, rate, intake->poller->now_us);
}

/* When connections without tokens are to be read on. */
static int64_t resume_us(const ds_intake *intake)
{
    return intake->paused && !intake->stalled ? ds_rate_limit_when(&intake->limit) : DS_NEVER;
}

/* Lets connections read on that wait for tokens: a few, those that were not read for longest.
 * What they do not use is for the next. */
static void resume_some(ds_intake *intake)
{
    uint32_t left = RESUMED;
    intake->paused = false;
    intake->bytes_at_us = intake->poller->now_us;
    for (ds_connection *c = intake->connections, *next; c != NULL && !intake->stalled; c = next) {
        next = c->next;
        if (!c->waiting)
            continue;
        intake->paused = left == 0;
        if (intake->paused)
            return;
        left--;
        ds_connection_resume(c);
    }
}

int64_t ds_intake_deadline(const ds_intake *intake)
{
    if (intake->over)
        return intake->finish_us < intake->tell_us ? intake->finish_us : intake->tell_us;
    int64_t least = intake->ops->deadline(intake);
    int64_t resume = resume_us(intake);
    least = intake->cut_at_us < least ? intake->cut_at_us : least;
    if (ds_long_records_has_room(intake))
        return intake->poller->now_us;
    int64_t tick = ds_flood_deadline(intake);
    least = tick < least ? tick : least;
    least = intake->tell_us < least ? intake->tell_us : least;
    return resume < least ? resume : least;
}

void ds_intake_timer(ds_intake *intake)
{
    ds_intake_tell(intake);
    if (intake->over)
        return;
    if (intake->cut_at_us <= intake->poller->now_us)
        cut(intake);
    if (resume_us(intake) <= intake->poller->now_us &&
        ds_rate_limit_allows(&intake->limit, intake->poller->now_us))
        resume_some(intake);
    if (ds_long_records_has_room(intake))
        ds_long_records_resume(intake);
    if (ds_flood_deadline(intake) <= intake->poller->now_us)
        ds_flood_tick(intake);
    if (intake->ops->deadline(intake) <= intake->poller->now_us)
        intake->ops->timer(intake);
}

/* Puts what all connections carry into blocks. Returns how many have no room for it. */
static uint32_t settle_all(ds_intake *intake)
{
    uint32_t dropped = 0;
    for (ds_connection *c = intake->connections; c != NULL; c = c->next) {
        if (!c->ended && intake->spec.ack)
            ds_record_stream_drop(&c->stream);
        else if (!c->ended)
            ds_record_stream_end(&intake->cutter, &c->stream, true);
        dropped += !ds_connection_settle(c);
    }
    return dropped;
}

/* Nothing more is read, and nobody is let in. */
static void begin_finish(ds_intake *intake)
{
    uint32_t dropped = settle_all(intake);
    cut(intake);
    for (ds_connection *c = intake->connections; c != NULL; c = c->next)
        ds_poller_unwatch(intake->poller, &c->watch);
    intake->ops->close(intake);
    intake->ops = NULL;
    intake->finish_us = intake->poller->now_us + FINISH_US;
    if (dropped > 0) {
        char *text = intake->last_word.message;
        size_t length = strlen(text);
        snprintf(text + length, sizeof intake->last_word.message - length,
                 "; the last records of %u connections were dropped for want of room", dropped);
    }
}

bool ds_intake_finish(ds_intake *intake)
{
    DS_ASSERT(intake->over);
    if (intake->finish_us == 0)
        begin_finish(intake);
    if (intake->poller->now_us < intake->finish_us && !ds_intake_told(intake))
        return false;
    close_all(intake);
    intake->sink->state(intake->sink->arg, intake->spec.receiver_id, intake->last_phase,
                        intake->last_word.status, intake->last_word.message);
    return true;
}

void ds_intake_end(ds_intake *intake, ds_receiver_phase phase, ds_status status, const char *format,
                   ...)
{
    if (intake->over)
        return;
    va_list args;
    va_start(args, format);
    ds_error_vset(&intake->last_word, status, format, args);
    va_end(args);
    intake->last_phase = phase;
    intake->over = true;
}

void ds_intake_say(ds_intake *intake, ds_receiver_phase phase, ds_status status, const char *format,
                   ...)
{
    ds_error word;
    va_list args;
    va_start(args, format);
    ds_error_vset(&word, status, format, args);
    va_end(args);
    intake->sink->state(intake->sink->arg, intake->spec.receiver_id, phase, status, word.message);
}
