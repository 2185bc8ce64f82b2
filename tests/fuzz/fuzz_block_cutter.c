/*
 * Fuzzes the block cutter: the first bytes choose limits, headers and the size of rooms; then
 * each chunk is a byte (which of four streams, and whether it ends, or the block is cut), a
 * byte (how much) and so many bytes. Every block has to keep the cutter's promises.
 */
#include "receiver/block_cutter.h"

#include "base/assert.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#define STREAMS 4

typedef struct machine {
    ds_block_cutter cutter;
    ds_record_stream streams[STREAMS];
    uint64_t capacity;
    uint64_t last_id;
} machine;

static void cut(machine *m)
{
    ds_block_room room;
    ds_block block;
    if (ds_block_cutter_cut(&m->cutter, &room, &block)) {
        uint64_t lines = 0;
        for (uint64_t i = 0; i < block.length; i++)
            lines += room.bytes[i] == '\n';
        DS_ASSERT(block.block_id == ++m->last_id);
        DS_ASSERT(block.length <= room.capacity);
        DS_ASSERT(block.length == 0 || room.bytes[block.length - 1] == '\n');
        DS_ASSERT(block.header == 0 || room.bytes[block.header - 1] == '\n');
        DS_ASSERT(block.records + (block.header > 0) == lines);
        DS_ASSERT(block.length > 0 || block.too_long > 0);
    }
    free(room.bytes);
}

static void advance(machine *m, ds_cut_step step)
{
    if (step == DS_CUT_BLOCK) {
        cut(m);
        return;
    }
    ds_block_room room = {.bytes = ds_alloc(m->capacity), .capacity = m->capacity};
    ds_block_cutter_give(&m->cutter, &room);
}

static void place(machine *m, ds_record_stream *stream)
{
    ds_cut_step step;
    while ((step = ds_block_cutter_place(&m->cutter, stream)) != DS_CUT_GO)
        advance(m, step);
}

static void feed(machine *m, ds_record_stream *stream, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        char *to;
        size_t n;
        ds_cut_step step;
        while ((step = ds_block_cutter_window(&m->cutter, stream, &to, &n)) != DS_CUT_GO)
            advance(m, step);
        n = n < length ? n : length;
        memcpy(to, bytes, n);
        ds_block_cutter_fill(&m->cutter, stream, n);
        place(m, stream);
        bytes += n;
        length -= n;
    }
}

static void end(machine *m, ds_record_stream *stream)
{
    ds_record_stream_end(&m->cutter, stream, true);
    place(m, stream);
    ds_record_stream_fini(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    machine m = {0};
    ds_block_cutter_init(&m.cutter, 1 + data[0] % 64, (data[0] & 0x80) != 0);
    m.cutter.keep_long = (data[0] & 0x40) != 0;
    m.capacity = ds_block_cutter_least(&m.cutter) + data[1] * (data[2] % 16u);
    for (size_t at = 3; at + 2 <= size;) {
        uint8_t what = data[at];
        size_t n = data[at + 1];
        ds_record_stream *stream = &m.streams[what % STREAMS];
        at += 2;
        n = n < size - at ? n : size - at;
        feed(&m, stream, data + at, n);
        if (what & 0x40)
            end(&m, stream);
        if (what & 0x80)
            cut(&m);
        at += n;
    }
    for (size_t i = 0; i < STREAMS; i++)
        end(&m, &m.streams[i]);
    cut(&m);
    return 0;
}
