#include "receiver/block_cutter.h"

#include "base/assert.h"
#include "receiver/newline.h"

#include <string.h>

#define HEADER_READ ((size_t)4096)

void ds_block_cutter_init(ds_block_cutter *cutter, uint32_t record_limit, bool header)
{
    *cutter = (ds_block_cutter){.record_limit = record_limit, .header = header};
}

void ds_record_stream_fini(ds_record_stream *stream)
{
    ds_buffer_fini(&stream->carry);
    ds_buffer_fini(&stream->header);
    *stream = (ds_record_stream){0};
}

/* The longest a carry can be: a record and a \r. */
static size_t carry_limit(const ds_block_cutter *cutter)
{
    return (size_t)cutter->record_limit + 1;
}

uint64_t ds_block_cutter_least(const ds_block_cutter *cutter)
{
    uint64_t line = (uint64_t)carry_limit(cutter) + 2;
    return cutter->header ? 2 * line : line;
}

void ds_block_cutter_give(ds_block_cutter *cutter, const ds_block_room *room)
{
    DS_ASSERT(cutter->room.capacity == 0);
    DS_ASSERT(room->capacity >= ds_block_cutter_least(cutter));
    cutter->room = *room;
    cutter->used = 0;
    cutter->header_length = 0;
}

bool ds_block_cutter_has_records(const ds_block_cutter *cutter)
{
    return cutter->used > cutter->header_length;
}

/* Reads of a few bytes at the end of a room are not worth their system call. */
static uint64_t least_read(const ds_block_cutter *cutter)
{
    return ds_block_cutter_has_records(cutter) ? 1 + cutter->room.capacity / 64 : 1;
}

bool ds_block_cutter_full(const ds_block_cutter *cutter)
{
    return ds_block_cutter_has_records(cutter) &&
           cutter->room.capacity - cutter->used < least_read(cutter);
}

static bool same_header(const ds_block_cutter *cutter, const ds_record_stream *stream)
{
    return cutter->header_length == stream->header.length &&
           (stream->header.length == 0 ||
            memcmp(cutter->room.bytes, stream->header.data, stream->header.length) == 0);
}

/* Sees to it that `need` bytes of this stream fit behind `used`. */
static ds_cut_step prepare(ds_block_cutter *cutter, const ds_record_stream *stream, uint64_t need)
{
    if (cutter->room.capacity == 0)
        return DS_CUT_ROOM;
    if (ds_block_cutter_has_records(cutter)) {
        bool fits = cutter->room.capacity - cutter->used >= need;
        return fits && same_header(cutter, stream) ? DS_CUT_GO : DS_CUT_BLOCK;
    }
    if (stream->header.length > 0)
        memcpy(cutter->room.bytes, stream->header.data, stream->header.length);
    cutter->used = cutter->header_length = stream->header.length;
    DS_ASSERT(cutter->room.capacity - cutter->used >= need);
    return DS_CUT_GO;
}

static bool wants_header(const ds_block_cutter *cutter, const ds_record_stream *stream)
{
    return cutter->header && !stream->header_known;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

ds_cut_step ds_block_cutter_window(ds_block_cutter *cutter, ds_record_stream *stream, char **bytes,
                                   size_t *length)
{
    if (wants_header(cutter, stream)) {
        *length = smaller(HEADER_READ, carry_limit(cutter) + 1 - stream->carry.length);
        *bytes = ds_buffer_reserve(&stream->carry, *length);
        return DS_CUT_GO;
    }
    ds_cut_step step = ds_block_cutter_place(cutter, stream);
    if (step == DS_CUT_GO)
        step = prepare(cutter, stream, stream->carry.length + least_read(cutter));
    if (step == DS_CUT_GO) {
        uint64_t at = cutter->used + stream->carry.length;
        *bytes = cutter->room.bytes + at;
        *length = (size_t)(cutter->room.capacity - at);
    }
    return step;
}

/* Drops what is too long to be kept, and what comes of it until its line end. */
static void drop_record(ds_block_cutter *cutter, ds_record_stream *stream)
{
    cutter->too_long++;
    cutter->all_records++;
    stream->lines++;
    stream->skipping = true;
    stream->carry.length = 0;
}

/* Keeps the beginning of such a record: it waits in the carry, with a line end, to be placed. */
static void cut_record(const ds_block_cutter *cutter, ds_record_stream *stream, const char *tail)
{
    size_t kept = carry_limit(cutter) + 1;
    DS_ASSERT(stream->carry.length < kept);
    ds_buffer_append(&stream->carry, tail, kept - stream->carry.length);
    ds_buffer_append_char(&stream->carry, '\n');
    stream->pending = true;
    stream->skipping = true;
}

/* Drops the rest of a dropped record from the front of a piece; returns what is left of it. */
static size_t skip_record(ds_record_stream *stream, char *piece, size_t length)
{
    const char *end = memchr(piece, '\n', length);
    if (end == NULL)
        return 0;
    stream->skipping = false;
    size_t rest = length - (size_t)(end + 1 - piece);
    memmove(piece, end + 1, rest);
    return rest;
}

/* Takes a piece that stands behind `used` and a gap for the carry. */
static void take_piece(ds_block_cutter *cutter, ds_record_stream *stream, const char *piece,
                       size_t length)
{
    size_t whole = ds_newline_end(piece, length);
    if (whole > 0) {
        if (stream->carry.length > 0)
            memcpy(cutter->room.bytes + cutter->used, stream->carry.data, stream->carry.length);
        uint64_t records = ds_newline_count(piece, whole);
        cutter->records += records;
        cutter->all_records += records;
        stream->lines += records;
        cutter->used += stream->carry.length + whole;
        stream->carry.length = 0;
    }
    size_t tail = length - whole;
    if (stream->carry.length + tail <= carry_limit(cutter))
        ds_buffer_append(&stream->carry, piece + whole, tail);
    else if (cutter->keep_long)
        cut_record(cutter, stream, piece + whole);
    else
        drop_record(cutter, stream);
}

static bool is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (memchr(" \t\r\v\f", text[i], 5) == NULL)
            return false;
    return true;
}

/* Looks for the header line in the carry; what stands behind it stays there. */
static void take_header(ds_block_cutter *cutter, ds_record_stream *stream)
{
    const char *text = stream->carry.data;
    size_t length = stream->carry.length, at = 0;
    const char *end;
    while (!stream->header_known && (end = memchr(text + at, '\n', length - at)) != NULL) {
        size_t line = (size_t)(end - text) - at;
        if (!is_blank(text + at, line)) {
            ds_buffer_append(&stream->header, text + at, line - (end[-1] == '\r'));
            ds_buffer_append_char(&stream->header, '\n');
            stream->header_known = true;
        }
        at += line + 1;
    }
    memmove(stream->carry.data, text + at, length - at);
    stream->carry.length = length - at;
    if (stream->header_known) {
        stream->pending = memchr(stream->carry.data, '\n', length - at) != NULL;
    } else if (stream->carry.length > carry_limit(cutter)) {
        ds_buffer_append_char(&stream->header, '\n');
        stream->header_known = true;
        drop_record(cutter, stream);
        stream->lines = 0; /* it is none of them */
    }
}

void ds_block_cutter_fill(ds_block_cutter *cutter, ds_record_stream *stream, size_t length)
{
    if (length == 0)
        return;
    if (wants_header(cutter, stream)) {
        stream->carry.length += length;
        take_header(cutter, stream);
        return;
    }
    uint64_t at = cutter->used + stream->carry.length;
    DS_ASSERT(length <= cutter->room.capacity - at);
    char *piece = cutter->room.bytes + at;
    if (stream->skipping)
        length = skip_record(stream, piece, length);
    if (!stream->skipping)
        take_piece(cutter, stream, piece, length);
}

ds_cut_step ds_block_cutter_place(ds_block_cutter *cutter, ds_record_stream *stream)
{
    if (!stream->pending)
        return DS_CUT_GO;
    size_t length = stream->carry.length;
    ds_cut_step step = prepare(cutter, stream, length);
    if (step != DS_CUT_GO)
        return step;
    char *piece = cutter->room.bytes + cutter->used;
    memcpy(piece, stream->carry.data, length);
    cutter->cut_short += stream->cut_short;
    stream->carry.length = 0;
    stream->pending = false;
    stream->cut_short = false;
    take_piece(cutter, stream, piece, length);
    return DS_CUT_GO;
}

void ds_record_stream_end(const ds_block_cutter *cutter, ds_record_stream *stream, bool cut_short)
{
    stream->skipping = false;
    if (wants_header(cutter, stream))
        stream->carry.length = 0; /* a header without records */
    if (stream->carry.length == 0)
        return;
    if (stream->carry.data[stream->carry.length - 1] != '\n') {
        ds_buffer_append_char(&stream->carry, '\n');
        stream->cut_short = cut_short;
    }
    stream->pending = true;
}

void ds_record_stream_drop(ds_record_stream *stream)
{
    const char *end = NULL;
    if (stream->pending)
        end = memrchr(stream->carry.data, '\n', stream->carry.length);
    stream->carry.length = end == NULL ? 0 : (size_t)(end + 1 - stream->carry.data);
    stream->pending = end != NULL;
    stream->skipping = false;
}

bool ds_block_cutter_cut(ds_block_cutter *cutter, ds_block_room *room, ds_block *block)
{
    bool records = ds_block_cutter_has_records(cutter);
    *room = cutter->room;
    *block = (ds_block){.offset = room->offset,
                        .length = records ? cutter->used : 0,
                        .records = cutter->records,
                        .header = records ? (uint32_t)cutter->header_length : 0,
                        .too_long = cutter->too_long,
                        .cut_short = cutter->cut_short};
    bool report = records || cutter->too_long > 0;
    cutter->room = (ds_block_room){0};
    cutter->used = cutter->header_length = 0;
    cutter->records = cutter->too_long = cutter->cut_short = 0;
    if (report)
        block->block_id = ++cutter->last_id;
    return report;
}
