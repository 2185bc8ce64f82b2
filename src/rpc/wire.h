/*
 * One description for both directions of the wire.
 *
 * A message is described once, by a function that names its fields in order:
 *
 *     static void plan_fields(ds_wire *wire, ds_msg_plan *plan)
 *     {
 *         ds_wire_u32(wire, &plan->plan_id);
 *         ds_wire_text(wire, &plan->text, PLAN_LIMIT);
 *     }
 *
 * The same function writes the fields, reads them, or measures the least they take, according
 * to how the ds_wire was begun: encoder and decoder cannot drift apart. Numbers are
 * little-endian, texts and lists start with a count of 32 bits, nothing is padded, and every
 * value has exactly one form.
 *
 * Reading believes nothing: each count is checked against its limit and the bytes that are
 * left before anything is allocated. After the first problem every field reads as zero or
 * empty, so that a description needs no error paths; who began the wire asks at the end.
 * Writing asserts the same limits. Not thread-safe: a wire has one owner.
 */
#ifndef DS_RPC_WIRE_H
#define DS_RPC_WIRE_H

#include "base/arena.h"
#include "base/buffer.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

typedef struct ds_wire {
    ds_buffer *out;             /* writing: borrowed; else NULL */
    ds_arena *arena;            /* reading: borrowed; owns the texts and lists read */
    const unsigned char *bytes; /* reading: borrowed */
    size_t length;              /* of bytes */
    size_t at;                  /* bytes passed so far */
    const char *problem;        /* reading: the first thing wrong (static), or NULL */
    const void *before;         /* a description's own: the item before, or NULL at first */
} ds_wire;

/* Begins to append to out (borrowed). */
ds_wire ds_wire_write(ds_buffer *out);
/* Begins to read bytes (borrowed); copies of texts and lists live in arena. */
ds_wire ds_wire_read(ds_arena *arena, const void *bytes, size_t length);

/* Neither writes nor reads: it is seen how few bytes an item may take. */
static inline bool ds_wire_measures(const ds_wire *wire)
{
    return wire->out == NULL && wire->arena == NULL;
}

static inline bool ds_wire_reads(const ds_wire *wire)
{
    return wire->arena != NULL;
}

/* Notes a problem (a static text) unless there is one already. Reading only. */
void ds_wire_fail(ds_wire *wire, const char *problem);

/* A number of n bytes, least significant first, where there is no room for it, nothing left, or a
 * problem. */
uint64_t ds_wire_slow_number(ds_wire *wire, uint64_t value, size_t n);

/* Writes a number of n bytes, least significant first, or reads the next one. */
static inline uint64_t ds_wire_number(ds_wire *wire, uint64_t value, size_t n)
{
    ds_buffer *out = wire->out;
    uint64_t word = htole64(value);
    if (out != NULL && out->capacity - out->length >= n) {
        memcpy(out->data + out->length, &word, n);
        out->length += n;
        wire->at += n;
        return value;
    }
    if (wire->arena == NULL || wire->problem != NULL || wire->length - wire->at < n)
        return ds_wire_slow_number(wire, value, n);
    word = 0;
    memcpy(&word, wire->bytes + wire->at, n);
    wire->at += n;
    return le64toh(word);
}

/* Write or read one value, little-endian. A description is shown what is written through pointers
 * that it could write to: it does not, so that lists which others read meanwhile can be sent. */
#define DS_WIRE_NUMBER(name, type, unsigned_type)                                                  \
    static inline void ds_wire_##name(ds_wire *wire, type *value)                                  \
    {                                                                                              \
        uint64_t got = ds_wire_number(wire, (unsigned_type)*value, sizeof *value);                 \
        if (ds_wire_reads(wire))                                                                   \
            *value = (type)(unsigned_type)got;                                                     \
    }

DS_WIRE_NUMBER(u8, uint8_t, uint8_t)
DS_WIRE_NUMBER(u16, uint16_t, uint16_t)
DS_WIRE_NUMBER(u32, uint32_t, uint32_t)
DS_WIRE_NUMBER(u64, uint64_t, uint64_t)
DS_WIRE_NUMBER(i32, int32_t, uint32_t)
DS_WIRE_NUMBER(i64, int64_t, uint64_t)

/* One byte, 0 or 1. */
void ds_wire_bool(ds_wire *wire, bool *value);
/* As u8 and u32, for a value below end. */
void ds_wire_enum8(ds_wire *wire, uint8_t *value, uint8_t end);
void ds_wire_enum32(ds_wire *wire, uint32_t *value, uint32_t end);
/* n bytes as they are. */
void ds_wire_bytes(ds_wire *wire, uint8_t *bytes, size_t n);
/* Checks that a number that was read, or is written, is at most `most`. */
void ds_wire_most64(ds_wire *wire, uint64_t *value, uint64_t most);
/* *n bytes of any kind, at most limit; reading makes a copy in the arena (NULL: none). */
void ds_wire_blob(ds_wire *wire, const char **bytes, uint32_t *n, uint32_t limit);
/* A text of at most limit bytes without a NUL in it. NULL is written as the empty text. */
void ds_wire_text(ds_wire *wire, const char **text, size_t limit);

typedef void (*ds_wire_item_fn)(ds_wire *wire, void *item);

/* A list of *n items of item_size bytes, at most limit, each described by fn. items is the
 * address of the pointer to the first item; reading makes new ones in the arena (NULL: none). */
void ds_wire_list(ds_wire *wire, void *items, uint32_t *n, uint32_t limit, size_t item_size,
                  ds_wire_item_fn fn);

#endif
