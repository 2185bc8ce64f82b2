/*
 * Marks: a bit for each byte of the input that a format cuts its records by.
 *
 * One pass over a window of the input, 64 bytes at a time, finds the line ends, tells whether all
 * is ASCII, and makes two maps: of the bytes that are special to the format (quotes, backslashes,
 * perhaps control characters), and of those that separate fields. Where a string or a field ends is
 * then one load from a map, however long it is: there is no loop over its bytes, whose end the
 * processor would have to guess. Line ends are marked in both maps, so that no search runs on into
 * the next record.
 *
 * Only vector instructions make this worth while: without them there are no marks, and formats
 * search as format_scan.h does.
 */
#ifndef DS_COLUMNAR_FORMAT_MARKS_H
#define DS_COLUMNAR_FORMAT_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DS_WINDOW_BYTES ((uint32_t)64 << 10)
#define DS_LINE_ENDS 1024u
#define DS_MARK_WORDS (DS_WINDOW_BYTES / 64 + 2)

/* Whoever goes over all of the input first fetches what comes so much later: what was received may
 * not be in the cache any more, and the processor itself looks ahead to the end of a page only. */
#define DS_FETCH_AHEAD 8192u
static inline void ds_fetch_ahead(const char *text)
{
    __builtin_prefetch((const void *)((uintptr_t)text + DS_FETCH_AHEAD));
}

/* Which bytes a format marks. */
typedef struct ds_mark_bytes {
    const char
        *special;   /* up to 14, ASCII, of which no two end with the same four bits, or as \n */
    bool controls;  /* all below a blank are special, too */
    char separator; /* nothing special, ends with others than \n; 0: there is no map of it */
} ds_mark_bytes;

/* What was found in a window. */
typedef struct ds_marks {
    const char *from; /* the first byte of the window */
    bool plain;       /* it is ASCII without NUL */
    uint64_t special[DS_MARK_WORDS];
    uint64_t separators[DS_MARK_WORDS];
} ds_marks;

/*
 * Marks bytes[*from, to), at most DS_WINDOW_BYTES, and puts the places of line ends into ends,
 * which has room for DS_LINE_ENDS + 1; stops early, with *from behind the last byte looked at, when
 * fewer than 64 are left. Returns how many there are.
 */
typedef uint32_t ds_mark_fn(const ds_mark_bytes *which, const char *bytes, uint32_t *from,
                            uint32_t to, ds_marks *marks, uint32_t *ends);

/* The fastest one for this processor, or NULL. */
ds_mark_fn *ds_mark_best(const ds_mark_bytes *which);

/* Adds the places of a mask's bits, that of the lowest being `at`, to n others. Mostly there is one
 * bit or none: no branch for that, nor one of the compiler's, who is not to know that there are no
 * more bits where there is none. There has to be room for one more than there are. */
static inline uint32_t ds_add_places(uint64_t mask, uint32_t at, uint32_t *places, uint32_t n)
{
    uint64_t more = mask & (mask - 1);
    __asm__("" : "+r"(more));
    places[n] = at + (uint32_t)__builtin_ctzll(mask | UINT64_C(1) << 63);
    n += mask != 0;
    for (mask = more; mask != 0; mask &= mask - 1)
        places[n++] = at + (uint32_t)__builtin_ctzll(mask);
    return n;
}

/* The slow half of ds_mark_next: there is no mark in the word that begins at that byte of the map.
 */
const char *ds_mark_next_far(const ds_marks *marks, const uint64_t *map, size_t byte);

/* The bits of a map from p on, which lies in the window: DS_MARK_BITS of them at least. */
#define DS_MARK_BITS 57u
static inline uint64_t ds_mark_bits(const ds_marks *marks, const uint64_t *map, const char *p)
{
    size_t at = (size_t)(p - marks->from);
    uint64_t bits;
    memcpy(&bits, (const char *)map + at / 8, sizeof bits);
    return bits >> at % 8;
}

/* The first mark of a map at or behind p, which lies in the window. There has to be one. */
static inline const char *ds_mark_next(const ds_marks *marks, const uint64_t *map, const char *p)
{
    uint64_t bits = ds_mark_bits(marks, map, p);
    if (__builtin_expect(bits == 0, 0))
        return ds_mark_next_far(marks, map, (size_t)(p - marks->from) / 8);
    return p + (unsigned)__builtin_ctzll(bits);
}

/* The same where the mark is mostly more than DS_MARK_BITS away, and hardly ever twice that. */
static inline const char *ds_mark_next_long(const ds_marks *marks, const uint64_t *map,
                                            const char *p)
{
    size_t at = (size_t)(p - marks->from);
    uint64_t bits[2];
    memcpy(bits, (const char *)map + at / 8, sizeof bits);
    bits[0] >>= at % 8;
    if (__builtin_expect(bits[0] != 0, 0))
        return p + (unsigned)__builtin_ctzll(bits[0]);
    if (__builtin_expect(bits[1] != 0, 1))
        return p + (64 - at % 8) + (unsigned)__builtin_ctzll(bits[1]);
    return ds_mark_next_far(marks, map, at / 8 + sizeof bits[0]);
}

#endif
