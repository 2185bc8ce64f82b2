/*
 * UTF-8 (text.h).
 *
 * What is not valid is cut into maximal parts as the Unicode standard does it (section 3.9,
 * "substitution of maximal subparts"): a part ends in front of the first byte that could not go
 * on a valid character. What may follow a lead byte depends on it only for the second byte.
 */
#include "columnar/text.h"
#include "columnar/text_neon.h"
#include "columnar/text_simd.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define LOW_BITS UINT64_C(0x0101010101010101)

static uint64_t load8(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* Nonzero if a byte is NUL or not ASCII: NUL borrows from its top bit. */
static uint64_t not_plain(uint64_t word)
{
    return ((word - LOW_BITS) | word) & HIGH_BITS;
}

static bool is_plain_short(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((signed char)text[i] <= 0)
            return false;
    return true;
}

/* For 8 bytes and more; the last word overlaps. */
static bool is_plain_words(const char *text, size_t length)
{
    uint64_t bad = not_plain(load8(text + length - 8));
    for (size_t at = 0; at + 8 <= length && bad == 0; at += 8)
        bad = not_plain(load8(text + at));
    return bad == 0;
}

#if defined(__x86_64__)
/* For 16 bytes and more. */
static bool is_plain_sse2(const char *text, size_t length)
{
    const __m128i zero = _mm_setzero_si128();
    __m128i fine = _mm_cmpgt_epi8(_mm_loadu_si128((const void *)(text + length - 16)), zero);
    size_t at = 0;
    for (; at + 16 <= length; at += 16)
        fine =
            _mm_and_si128(fine, _mm_cmpgt_epi8(_mm_loadu_si128((const void *)(text + at)), zero));
    return _mm_movemask_epi8(fine) == 0xffff;
}

/* For 32 bytes and more; gives up at the first bad 64 bytes. */
__attribute__((target("avx2"))) static bool is_plain_avx2(const char *text, size_t length)
{
    const __m256i zero = _mm256_setzero_si256();
    size_t at = 0;
    for (; at + 64 <= length; at += 64) {
        __m256i a = _mm256_loadu_si256((const void *)(text + at));
        __m256i b = _mm256_loadu_si256((const void *)(text + at + 32));
        __m256i fine = _mm256_and_si256(_mm256_cmpgt_epi8(a, zero), _mm256_cmpgt_epi8(b, zero));
        if (_mm256_movemask_epi8(fine) != -1)
            return false;
    }
    __m256i fine = _mm256_cmpgt_epi8(_mm256_loadu_si256((const void *)(text + length - 32)), zero);
    if (at + 32 <= length)
        fine = _mm256_and_si256(
            fine, _mm256_cmpgt_epi8(_mm256_loadu_si256((const void *)(text + at)), zero));
    return _mm256_movemask_epi8(fine) == -1;
}
#elif defined(__aarch64__)
/* For 16 bytes and more. */
static bool is_plain_neon(const char *text, size_t length)
{
    int8x16_t least = vreinterpretq_s8_u8(ds_neon_load(text + length - 16));
    for (size_t at = 0; at + 16 <= length; at += 16)
        least = vminq_s8(least, vreinterpretq_s8_u8(ds_neon_load(text + at)));
    return vminvq_s8(least) > 0;
}
#endif

bool ds_text_is_plain(const char *text, size_t length)
{
    if (length < 8)
        return is_plain_short(text, length);
#if defined(__x86_64__)
    ds_simd level = length < 16 ? DS_SIMD_PLAIN : ds_simd_level();
    if (level == DS_SIMD_AVX2 && length >= 32)
        return is_plain_avx2(text, length);
    if (level >= DS_SIMD_SSE2)
        return is_plain_sse2(text, length);
#elif defined(__aarch64__)
    if (length >= 16 && ds_simd_level() >= DS_SIMD_NEON)
        return is_plain_neon(text, length);
#endif
    return is_plain_words(text, length);
}

/* What may stand behind a lead byte: how many bytes, and the range of the first of them. */
typedef struct lead {
    uint8_t more, least, most;
} lead;

static lead lead_of(uint8_t byte)
{
    if (byte < 0xC2 || byte > 0xF4)
        return (lead){0, 0, 0};
    if (byte < 0xE0)
        return (lead){1, 0x80, 0xBF};
    if (byte < 0xF0)
        return (lead){2, byte == 0xE0 ? 0xA0 : 0x80, byte == 0xED ? 0x9F : 0xBF};
    return (lead){3, byte == 0xF0 ? 0x90 : 0x80, byte == 0xF4 ? 0x8F : 0xBF};
}

/* The length of the character or, with *valid false, of the bad part at text[0] (not ASCII, or
 * NUL). */
static size_t scan_character(const uint8_t *text, size_t length, bool *valid)
{
    lead l = lead_of(text[0]);
    *valid = false;
    if (l.more == 0)
        return 1;
    if (length < 2 || text[1] < l.least || text[1] > l.most)
        return 1;
    for (size_t i = 2; i <= l.more; i++)
        if (i >= length || (text[i] & 0xC0) != 0x80)
            return i;
    *valid = true;
    return (size_t)l.more + 1;
}

size_t ds_utf8_invalid(const char *text, size_t length, size_t *valid)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t at = 0;
    while (at < length) {
        if (length - at >= 8 && not_plain(load8(text + at)) == 0) {
            at += 8;
            continue;
        }
        if (bytes[at] - 1u < 0x7F) {
            at++;
            continue;
        }
        bool fine;
        size_t part = scan_character(bytes + at, length - at, &fine);
        if (!fine) {
            *valid = at;
            return part;
        }
        at += part;
    }
    *valid = length;
    return 0;
}

size_t ds_utf8_length(const char *text, size_t length)
{
    size_t count = length, at = 0;
    for (; at + 8 <= length; at += 8) { /* bytes 10xxxxxx start nothing */
        uint64_t word = load8(text + at);
        uint64_t inner = (word >> 7) & (~word >> 6) & LOW_BITS;
        count -= (size_t)((inner * LOW_BITS) >> 56);
    }
    for (; at < length; at++)
        count -= ((uint8_t)text[at] & 0xC0) == 0x80;
    return count;
}

size_t ds_utf8_repair(ds_buffer *out, const char *text, size_t length)
{
    size_t replaced = 0;
    for (;;) {
        size_t valid, bad = ds_utf8_invalid(text, length, &valid);
        ds_buffer_append(out, text, valid);
        if (bad == 0)
            return replaced;
        ds_buffer_append(out, "\xEF\xBF\xBD", 3);
        replaced++;
        text += valid + bad;
        length -= valid + bad;
    }
}
