#include "receiver/long_records.h"

#include "base/assert.h"
#include "base/memory.h"

static size_t held(const ds_connection *c)
{
    return c->stream.carry.length + c->stream.header.length;
}

static bool is_full(const ds_intake *intake)
{
    return intake->spec.long_records > 0 && intake->n_long >= intake->spec.long_records;
}

size_t ds_long_records_allow(ds_connection *c, size_t length)
{
    if (c->has_place || !is_full(c->intake))
        return length;
    if (held(c) >= DS_SHORT_CARRY) {
        c->intake->crowded = true;
        return 0;
    }
    size_t most = DS_SHORT_CARRY - held(c);
    return length < most ? length : most;
}

/* A buffer that was long keeps no more than it holds. */
static void shrink(ds_buffer *buffer)
{
    if (buffer->capacity <= 2 * DS_SHORT_CARRY)
        return;
    if (buffer->length == 0) {
        ds_buffer_fini(buffer);
        return;
    }
    buffer->data = ds_realloc(buffer->data, buffer->length, 1);
    buffer->capacity = buffer->length;
}

void ds_long_records_leave(ds_connection *c)
{
    DS_ASSERT(!c->has_place || c->intake->n_long > 0);
    c->intake->n_long -= c->has_place;
    c->has_place = false;
}

void ds_long_records_note(ds_connection *c)
{
    if (c->intake->spec.long_records == 0)
        return;
    if (held(c) <= DS_SHORT_CARRY) {
        if (c->has_place)
            shrink(&c->stream.carry);
        ds_long_records_leave(c);
    } else if (!c->has_place) {
        c->has_place = true;
        c->intake->n_long++;
    }
}

bool ds_long_records_has_room(const ds_intake *intake)
{
    return intake->crowded && !intake->stalled && !is_full(intake);
}

void ds_long_records_resume(ds_intake *intake)
{
    uint32_t left = intake->spec.long_records - intake->n_long;
    intake->crowded = false;
    for (ds_connection *c = intake->connections, *next; c != NULL && !intake->stalled; c = next) {
        next = c->next;
        if (!c->waiting || c->ended || held(c) < DS_SHORT_CARRY)
            continue;
        intake->crowded = left == 0;
        if (intake->crowded)
            return;
        left--;
        ds_connection_resume(c);
    }
}
