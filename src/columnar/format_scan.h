/*
 * Searches for bytes: what all scanners of records are made of.
 *
 * Each has a plain version and one with SSE2, which every x86-64 has, so that it is inlined
 * and needs no choice at run time. The searches look at text up to `end`, and may read (but
 * never look at) bytes up to `limit`, so that most of them are one load and one comparison
 * even close to the end of a record.
 */
#ifndef DS_COLUMNAR_FORMAT_SCAN_H
#define DS_COLUMNAR_FORMAT_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* The first a or b in [p, end), or end. */
static inline const char *ds_scan_either_plain(const char *p, const char *end, char a, char b)
{
    while (p < end && *p != a && *p != b)
        p++;
    return p;
}

static inline bool ds_is_json_special(char c)
{
    return c == '"' || c == '\\' || (unsigned char)c < 0x20;
}

/* The first quote, backslash or control character in [p, end), or end. */
static inline const char *ds_scan_json_plain(const char *p, const char *end)
{
    while (p < end && !ds_is_json_special(*p))
        p++;
    return p;
}

/* The first white space (or other control character), quote or `=` in [p, end), or end. */
static inline const char *ds_scan_logfmt_plain(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p > ' ' && *p != '"' && *p != '=')
        p++;
    return p;
}

#if defined(__SSE2__)

static inline const char *ds_scan_either(const char *p, const char *end, const char *limit, char a,
                                         char b)
{
    const __m128i first = _mm_set1_epi8(a), second = _mm_set1_epi8(b);
    for (; p < end && limit - p >= 16; p += 16) {
        __m128i text = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hits = _mm_or_si128(_mm_cmpeq_epi8(text, first), _mm_cmpeq_epi8(text, second));
        unsigned mask = (unsigned)_mm_movemask_epi8(hits);
        if (mask != 0) {
            p += __builtin_ctz(mask);
            return p < end ? p : end;
        }
    }
    return p < end ? ds_scan_either_plain(p, end, a, b) : end;
}

static inline const char *ds_scan_json(const char *p, const char *end, const char *limit)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    for (; p < end && limit - p >= 16; p += 16) {
        __m128i text = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hits = _mm_cmpeq_epi8(_mm_min_epu8(text, control), text); /* text <= 0x1f */
        hits = _mm_or_si128(hits, _mm_cmpeq_epi8(text, quote));
        hits = _mm_or_si128(hits, _mm_cmpeq_epi8(text, backslash));
        unsigned mask = (unsigned)_mm_movemask_epi8(hits);
        if (mask != 0) {
            p += __builtin_ctz(mask);
            return p < end ? p : end;
        }
    }
    return p < end ? ds_scan_json_plain(p, end) : end;
}

static inline const char *ds_scan_logfmt(const char *p, const char *end, const char *limit)
{
    const __m128i quote = _mm_set1_epi8('"'), equals = _mm_set1_epi8('=');
    const __m128i blank = _mm_set1_epi8(' ');
    for (; p < end && limit - p >= 16; p += 16) {
        __m128i text = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hits = _mm_cmpeq_epi8(_mm_min_epu8(text, blank), text); /* text <= ' ' */
        hits = _mm_or_si128(hits, _mm_cmpeq_epi8(text, quote));
        hits = _mm_or_si128(hits, _mm_cmpeq_epi8(text, equals));
        unsigned mask = (unsigned)_mm_movemask_epi8(hits);
        if (mask != 0) {
            p += __builtin_ctz(mask);
            return p < end ? p : end;
        }
    }
    return p < end ? ds_scan_logfmt_plain(p, end) : end;
}

#define DS_SCAN_HAS_BITS

/* Where a and b are among the 64 bytes at p, all of which may be read: a bit for each place. */
static inline void ds_scan_bits(const char *p, char a, char b, uint64_t *a_bits, uint64_t *b_bits)
{
    const __m128i first = _mm_set1_epi8(a), second = _mm_set1_epi8(b);
    uint64_t found_a = 0, found_b = 0;
    for (unsigned i = 0; i < 64; i += 16) {
        __m128i text = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        unsigned in_a = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(text, first));
        unsigned in_b = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(text, second));
        found_a |= (uint64_t)in_a << i;
        found_b |= (uint64_t)in_b << i;
    }
    *a_bits = found_a;
    *b_bits = found_b;
}

#else

static inline const char *ds_scan_either(const char *p, const char *end, const char *limit, char a,
                                         char b)
{
    (void)limit;
    return ds_scan_either_plain(p, end, a, b);
}

static inline const char *ds_scan_json(const char *p, const char *end, const char *limit)
{
    (void)limit;
    return ds_scan_json_plain(p, end);
}

static inline const char *ds_scan_logfmt(const char *p, const char *end, const char *limit)
{
    (void)limit;
    return ds_scan_logfmt_plain(p, end);
}

#endif

/* The first c in [p, end), or end. */
static inline const char *ds_scan_for(const char *p, const char *end, const char *limit, char c)
{
    return ds_scan_either(p, end, limit, c, c);
}

#endif
