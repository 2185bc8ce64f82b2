/*
 * Decimal digits to a number and back, eight and two at a time.
 *
 * Eight digits lie in a word, the first in its lowest byte (all of this is for little-endian
 * machines, as pieces are). Neighbours are added up in one multiplication for all: tens and ones,
 * then hundreds, then ten thousands.
 */
#ifndef DS_COLUMNAR_DIGITS_H
#define DS_COLUMNAR_DIGITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DS_DIGITS_MOST 16u /* that ds_digits_read reads */

#define DS_EIGHT_ZEROS UINT64_C(0x3030303030303030) /* as text */

static inline uint64_t ds_digits_load(const char *text, size_t bytes)
{
    uint64_t word = 0;
    memcpy(&word, text, bytes);
    return word;
}

static inline bool ds_digits_are(uint64_t word)
{
    const uint64_t high = UINT64_C(0xf0f0f0f0f0f0f0f0);
    return (word & high) == DS_EIGHT_ZEROS &&
           ((word + UINT64_C(0x0606060606060606)) & high) == DS_EIGHT_ZEROS;
}

static inline uint64_t ds_digits_value(uint64_t word)
{
    word -= DS_EIGHT_ZEROS;
    word = (word * 10 + (word >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
    word = (word * 100 + (word >> 16)) & UINT64_C(0x0000ffff0000ffff);
    return (word * 10000 + (word >> 32)) & UINT32_MAX;
}

/* The word of four to seven digits, with zeros before them. */
static inline uint64_t ds_digits_word(const char *text, size_t length)
{
    unsigned missing = 8 * (unsigned)(8 - length);
    uint64_t word = ds_digits_load(text, 4) | ds_digits_load(text + length - 4, 4)
                                                  << 8 * (length - 4);
    return word << missing | DS_EIGHT_ZEROS >> (64 - missing);
}

/* The word of one to eight digits, with zeros before them. Eight bytes at text may be read. */
static inline uint64_t ds_digits_padded(const char *text, size_t length)
{
    unsigned known = 8 * (unsigned)length & 63;
    return ds_digits_load(text, 8) << (-known & 63) | (DS_EIGHT_ZEROS >> 1) >> ((known - 1) & 63);
}

/* Up to three digits. */
static inline bool ds_digits_few(const char *text, size_t length, uint64_t *value)
{
    uint64_t number = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit > 9)
            return false;
        number = number * 10 + digit;
    }
    *value = number;
    return true;
}

/* Reads 1 to DS_DIGITS_MOST digits. False if there is anything else among them. */
static inline bool ds_digits_read(const char *text, size_t length, uint64_t *value)
{
    static const uint64_t powers[] = {1,      10,      100,      1000,     10000,
                                      100000, 1000000, 10000000, 100000000};
    if (length < 4)
        return ds_digits_few(text, length, value);
    if (length < 8) {
        uint64_t word = ds_digits_word(text, length);
        *value = ds_digits_value(word);
        return ds_digits_are(word);
    }
    uint64_t first = ds_digits_load(text, 8), rest = DS_EIGHT_ZEROS;
    if (length > 8) { /* of the last eight, those that were read are made zeros */
        unsigned known = 8 * (unsigned)(DS_DIGITS_MOST - length);
        rest = ds_digits_load(text + length - 8, 8) >> known << known;
        rest |= known == 0 ? 0 : DS_EIGHT_ZEROS >> (64 - known);
    }
    *value = ds_digits_value(first) * powers[length - 8] + ds_digits_value(rest);
    return ds_digits_are(first) && ds_digits_are(rest);
}

/* Writes the digits of value; returns how many (1 to 20). */
static inline size_t ds_digits_write(uint64_t value, char *text)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    size_t n = 1;
    for (uint64_t left = value; left >= 10; left /= 100)
        n += left >= 100 ? 2 : 1;
    size_t at = n;
    for (; value >= 100; value /= 100)
        memcpy(text + (at -= 2), pairs + value % 100 * 2, 2);
    if (value >= 10)
        memcpy(text, pairs + value * 2, 2);
    else
        text[0] = (char)('0' + value);
    return n;
}

#endif
