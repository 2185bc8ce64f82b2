/*
 * Keys of records, found among the names that a format knows: hashes of their ends.
 *
 * A key of up to 16 bytes is known by its length and its first and last 8 bytes, so that most
 * keys are compared without a call or a loop.
 */
#ifndef DS_COLUMNAR_FORMAT_KEY_H
#define DS_COLUMNAR_FORMAT_KEY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct ds_key_ends {
    uint64_t head, tail; /* the first and last 8 bytes; of a shorter one the whole, and 0 */
} ds_key_ends;

/* The ends of a key; up to `limit` bytes may be read. */
static inline ds_key_ends ds_key_ends_of(const char *key, uint32_t length, const char *limit)
{
    ds_key_ends ends = {0, 0};
    if (length >= 8) {
        memcpy(&ends.head, key, 8);
        memcpy(&ends.tail, key + length - 8, 8);
    } else if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && limit - key >= 8) {
        memcpy(&ends.head, key, 8);
        ends.head &= ((uint64_t)1 << 8 * length) - 1;
    } else {
        memcpy(&ends.head, key, length);
    }
    return ends;
}

static inline uint32_t ds_key_hash(ds_key_ends ends, uint32_t length)
{
    uint64_t mixed =
        (ends.head ^ (ends.tail << 29 | ends.tail >> 35) ^ length) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(mixed >> 32);
}

/* True if the keys a and b, of these ends, are equal. */
static inline bool ds_key_equal(const char *a, ds_key_ends a_ends, uint32_t a_length, const char *b,
                                ds_key_ends b_ends, uint32_t b_length)
{
    return a_ends.head == b_ends.head && a_ends.tail == b_ends.tail && a_length == b_length &&
           (a_length <= 16 || memcmp(a, b, a_length) == 0);
}

#endif
