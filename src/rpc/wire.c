#include "rpc/wire.h"

#include "base/assert.h"

#include <stddef.h>

#define ITEM_BYTES 512u /* the largest item of any list in memory */

ds_wire ds_wire_write(ds_buffer *out)
{
    return (ds_wire){.out = out};
}

ds_wire ds_wire_read(ds_arena *arena, const void *bytes, size_t length)
{
    return (ds_wire){.arena = arena, .bytes = bytes, .length = length};
}

void ds_wire_fail(ds_wire *wire, const char *problem)
{
    DS_ASSERT(ds_wire_reads(wire));
    if (wire->problem == NULL)
        wire->problem = problem;
}

/* Checks what the description demands: a broken rule is the sender's bug when writing, and
 * the peer's when reading. */
static bool check(ds_wire *wire, bool holds, const char *problem)
{
    if (!ds_wire_reads(wire))
        DS_ASSERT(holds);
    else if (!holds)
        ds_wire_fail(wire, problem);
    return holds;
}

/* The next n bytes to read, or NULL if there is a problem. */
static const unsigned char *next(ds_wire *wire, size_t n)
{
    if (n > wire->length - wire->at)
        ds_wire_fail(wire, "it ends too early");
    if (wire->problem != NULL)
        return NULL;
    const unsigned char *bytes = wire->bytes + wire->at;
    wire->at += n;
    return bytes;
}

static void put(ds_wire *wire, const void *bytes, size_t n)
{
    if (wire->out != NULL)
        ds_buffer_append(wire->out, bytes, n);
    wire->at += n;
}

uint64_t ds_wire_slow_number(ds_wire *wire, uint64_t value, size_t n)
{
    uint64_t word = htole64(value);
    if (!ds_wire_reads(wire)) {
        put(wire, &word, n);
        return value;
    }
    const unsigned char *from = next(wire, n);
    word = 0;
    if (from != NULL)
        memcpy(&word, from, n);
    return le64toh(word);
}

void ds_wire_enum8(ds_wire *wire, uint8_t *value, uint8_t end)
{
    ds_wire_u8(wire, value);
    if (!check(wire, *value < end, "a value is not one of the known ones"))
        *value = 0;
}

void ds_wire_enum32(ds_wire *wire, uint32_t *value, uint32_t end)
{
    ds_wire_u32(wire, value);
    if (!check(wire, *value < end, "a value is not one of the known ones"))
        *value = 0;
}

void ds_wire_bool(ds_wire *wire, bool *value)
{
    uint8_t byte = *value ? 1 : 0;
    ds_wire_enum8(wire, &byte, 2);
    if (ds_wire_reads(wire))
        *value = byte == 1;
}

void ds_wire_bytes(ds_wire *wire, uint8_t *bytes, size_t n)
{
    if (!ds_wire_reads(wire)) {
        put(wire, bytes, n);
        return;
    }
    const unsigned char *from = next(wire, n);
    if (from != NULL)
        memcpy(bytes, from, n);
    else
        memset(bytes, 0, n);
}

void ds_wire_most64(ds_wire *wire, uint64_t *value, uint64_t most)
{
    if (!check(wire, *value <= most, "a number is too large"))
        *value = 0;
}

void ds_wire_blob(ds_wire *wire, const char **bytes, uint32_t *n, uint32_t limit)
{
    ds_wire_u32(wire, n);
    bool fits = check(wire, *n <= limit, "a run of bytes is too long");
    if (!ds_wire_reads(wire)) {
        put(wire, *bytes, *n);
        return;
    }
    const unsigned char *from = fits ? next(wire, *n) : NULL;
    if (from == NULL)
        *n = 0;
    *bytes = *n == 0 ? NULL : ds_arena_strndup(wire->arena, (const char *)from, *n);
}

void ds_wire_text(ds_wire *wire, const char **text, size_t limit)
{
    size_t length = ds_wire_reads(wire) || *text == NULL ? 0 : strlen(*text);
    length = (size_t)ds_wire_number(wire, length, 4);
    if (!check(wire, length <= limit, "a text is too long"))
        length = 0;
    if (!ds_wire_reads(wire)) {
        put(wire, *text, length);
        return;
    }
    const unsigned char *from = next(wire, length);
    if (from == NULL)
        length = 0;
    else if (memchr(from, '\0', length) != NULL)
        ds_wire_fail(wire, "a text has a NUL in it");
    *text = length == 0 ? "" : ds_arena_strndup(wire->arena, (const char *)from, length);
}

/* The fewest bytes an item takes: what one takes that is all zero and empty. */
static size_t least_bytes(size_t item_size, ds_wire_item_fn fn)
{
    _Alignas(max_align_t) char zero[ITEM_BYTES] = {0};
    DS_ASSERT(item_size <= sizeof zero);
    ds_wire measure = {0};
    fn(&measure, zero);
    return measure.at;
}

void ds_wire_list(ds_wire *wire, void *items, uint32_t *n, uint32_t limit, size_t item_size,
                  ds_wire_item_fn fn)
{
    char *item;
    memcpy(&item, items, sizeof item);
    ds_wire_u32(wire, n);
    bool fits = check(wire, *n <= limit, "a list is too long");
    if (ds_wire_reads(wire)) {
        size_t left = wire->length - wire->at;
        if (fits && *n > 1) /* most are empty, and one item takes little */
            fits = check(wire, *n <= left / least_bytes(item_size, fn),
                         "a list is longer than what is left of the message");
        if (!fits || wire->problem != NULL)
            *n = 0;
        item = *n == 0 ? NULL : ds_arena_calloc(wire->arena, *n, item_size);
        memcpy(items, &item, sizeof item);
    }
    for (uint32_t i = 0; i < *n; i++)
        fn(wire, item + i * item_size);
}
