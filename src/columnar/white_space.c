/*
 * All versions go through the text in steps of one vector and put the steps' bits together. The
 * last step, where the text ends within it, reads the last whole vector of the text instead
 * and shifts the bits of what was seen already out; if the text is shorter than a vector, the
 * caller has seen to it that more can be read.
 */
#include "columnar/white_space.h"

#include "columnar/text_neon.h"
#include "columnar/text_simd.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* A bit for each of 8 bytes; sums that stay below 256 in each byte, so nothing carries. */
static uint64_t white_8(const char *text)
{
    uint64_t word;
    memcpy(&word, text, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    uint64_t low = word & EACH(0x7f);
    uint64_t not_blank = ((word ^ EACH(' ')) & EACH(0x7f)) + EACH(0x7f);
    uint64_t from_tab = low + EACH(0x80 - '\t');
    uint64_t behind_return = low + EACH(0x7f - '\r');
    uint64_t white = (~not_blank | (from_tab & ~behind_return)) & ~word & EACH(0x80);
    return ((white >> 7) * UINT64_C(0x0102040810204080)) >> 56;
}

/* Defines a version that works in steps of `width` bytes (up to 32; masks are whole words). */
#define WHITE_STEPS(step, width)                                                                   \
    do {                                                                                           \
        uint32_t at = from;                                                                        \
        for (; at < to; at += 64) {                                                                \
            uint64_t bits = 0;                                                                     \
            uint32_t left = to - at < 64 ? to - at : 64, i = 0;                                    \
            for (; i + (width) <= left; i += (width))                                              \
                bits |= step(text + at + i) << i;                                                  \
            if (i < left && at + left >= (width))                                                  \
                bits |= step(text + at + left - (width)) >> ((width) - (left - i)) << i;           \
            else if (i < left)                                                                     \
                bits |= step(text) << i;                                                           \
            masks[(at - from) / 64] = left == 64 ? bits : bits | ~UINT64_C(0) << left;             \
        }                                                                                          \
    } while (0)

static void white_plain(const char *text, uint32_t from, uint32_t to, uint64_t *masks)
{
    WHITE_STEPS(white_8, 8);
}

#if defined(__x86_64__)
static inline uint64_t white_16(const char *text)
{
    __m128i bytes = _mm_loadu_si128((const void *)text);
    __m128i from_tab = _mm_sub_epi8(bytes, _mm_set1_epi8('\t'));
    __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(from_tab, _mm_set1_epi8('\r' - '\t')), from_tab);
    __m128i blanks = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(' '));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(controls, blanks));
}

static void white_sse2(const char *text, uint32_t from, uint32_t to, uint64_t *masks)
{
    WHITE_STEPS(white_16, 16);
}

__attribute__((target("avx2"))) static inline uint64_t white_32(const char *text)
{
    __m256i bytes = _mm256_loadu_si256((const void *)text);
    __m256i from_tab = _mm256_sub_epi8(bytes, _mm256_set1_epi8('\t'));
    __m256i controls =
        _mm256_cmpeq_epi8(_mm256_min_epu8(from_tab, _mm256_set1_epi8('\r' - '\t')), from_tab);
    __m256i blanks = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(' '));
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(controls, blanks));
}

__attribute__((target("avx2"))) static void white_avx2(const char *text, uint32_t from, uint32_t to,
                                                       uint64_t *masks)
{
    if (to < 32)
        WHITE_STEPS(white_16, 16);
    else
        WHITE_STEPS(white_32, 32);
}
#elif defined(__aarch64__)
static inline uint64_t white_16(const char *text)
{
    uint8x16_t bytes = ds_neon_load(text);
    uint8x16_t controls = vcleq_u8(vsubq_u8(bytes, vdupq_n_u8('\t')), vdupq_n_u8('\r' - '\t'));
    return ds_neon_bits16(vorrq_u8(controls, vceqq_u8(bytes, vdupq_n_u8(' '))));
}

static void white_neon(const char *text, uint32_t from, uint32_t to, uint64_t *masks)
{
    WHITE_STEPS(white_16, 16);
}
#endif

ds_white_fn ds_white_masks(void)
{
#if defined(__x86_64__)
    switch (ds_simd_level()) {
    case DS_SIMD_AVX2: return white_avx2;
    case DS_SIMD_SSE2: return white_sse2;
    case DS_SIMD_PLAIN: break;
    }
#elif defined(__aarch64__)
    if (ds_simd_level() >= DS_SIMD_NEON)
        return white_neon;
#endif
    return white_plain;
}
