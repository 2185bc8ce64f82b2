/*
 * Lengths that are mostly the same.
 *
 * Where a field ends says where the next one begins, so a record is a chain of searches, each of
 * which waits for the one before. But many fields have one length in all records, as names of
 * users, addresses and times have. If a field has had the same one for long, its end is not taken
 * from the search, with which it is only compared: so the processor goes on with what is behind
 * before it knows what was found.
 */
#ifndef DS_COLUMNAR_STEADY_H
#define DS_COLUMNAR_STEADY_H

#include <stddef.h>
#include <stdint.h>

#define DS_STEADY_FOR 6u /* the same so often: the next one is, too */

/* Zeros at first. */
typedef struct ds_steady {
    uint32_t length; /* of the field in the record before */
    uint32_t times;  /* it was the same, more or less */
} ds_steady;

/* The end of the field that begins at p: `end`, however it comes to know it. */
static inline const char *ds_steady_end(ds_steady *before, const char *p, const char *end)
{
    uint32_t length = (uint32_t)(end - p), expected = before->length;
    if (before->times >= DS_STEADY_FOR) {
        size_t guess = expected;
        __asm__("" : "+r"(guess)); /* the compiler is not to know that they are the same */
        if (__builtin_expect(length == expected, 1))
            return p + guess;
        before->times = 0;
    }
    before->times = length == expected ? before->times + 1 : 0;
    before->length = length;
    return end;
}

#endif
