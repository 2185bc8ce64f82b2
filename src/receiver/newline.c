#include "receiver/newline.h"

#include "columnar/text_neon.h"
#include "columnar/text_simd.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

size_t ds_newline_count_plain(const char *bytes, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += bytes[i] == '\n';
    return count;
}

#if defined(__x86_64__)
/* The sum of the 32 unsigned bytes of v. */
__attribute__((target("avx2"))) static size_t sum_bytes(__m256i v)
{
    __m256i quarters = _mm256_sad_epu8(v, _mm256_setzero_si256());
    unsigned long long sums[4];
    _mm256_storeu_si256((__m256i *)(void *)sums, quarters);
    return (size_t)(sums[0] + sums[1] + sums[2] + sums[3]);
}

/* Minus one in each byte of a line end. */
__attribute__((target("avx2"))) static __m256i hits_avx2(const char *bytes)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)bytes);
    return _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\n'));
}

/* Each byte of the sums counts the line ends of its lane; they are emptied before they overflow.
 * There are two, so that an addition does not wait for the one before. */
__attribute__((target("avx2"))) static size_t count_avx2(const char *bytes, size_t length)
{
    size_t count = 0, at = 0;
    while (length - at >= 128) {
        size_t steps = (length - at) / 128;
        if (steps > 127)
            steps = 127;
        __m256i a = _mm256_setzero_si256(), b = a;
        for (size_t i = 0; i < steps; i++, at += 128) {
            const char *p = bytes + at;
            a = _mm256_sub_epi8(a, _mm256_add_epi8(hits_avx2(p), hits_avx2(p + 32)));
            b = _mm256_sub_epi8(b, _mm256_add_epi8(hits_avx2(p + 64), hits_avx2(p + 96)));
        }
        count += sum_bytes(a) + sum_bytes(b);
    }
    __m256i rest = _mm256_setzero_si256();
    for (; length - at >= 32; at += 32)
        rest = _mm256_sub_epi8(rest, hits_avx2(bytes + at));
    count += sum_bytes(rest);
    return count + ds_newline_count_plain(bytes + at, length - at);
}
#elif defined(__aarch64__)
/* As count_avx2. */
static size_t count_neon(const char *bytes, size_t length)
{
    size_t count = 0, at = 0;
    while (length - at >= 16) {
        size_t steps = (length - at) / 16;
        if (steps > 255)
            steps = 255;
        uint8x16_t hits = vdupq_n_u8(0);
        for (size_t i = 0; i < steps; i++, at += 16)
            hits = vsubq_u8(hits, vceqq_u8(ds_neon_load(bytes + at), vdupq_n_u8('\n')));
        count += vaddlvq_u8(hits);
    }
    return count + ds_newline_count_plain(bytes + at, length - at);
}
#endif

size_t ds_newline_count(const char *bytes, size_t length)
{
#if defined(__x86_64__)
    if (length >= 32 && ds_simd_level() >= DS_SIMD_AVX2)
        return count_avx2(bytes, length);
#elif defined(__aarch64__)
    if (ds_simd_level() >= DS_SIMD_NEON)
        return count_neon(bytes, length);
#endif
    return ds_newline_count_plain(bytes, length);
}

size_t ds_newline_end(const char *bytes, size_t length)
{
    /* The C library's memrchr chooses its SIMD version at run time by itself. */
    const char *last = length > 0 ? memrchr(bytes, '\n', length) : NULL;
    return last == NULL ? 0 : (size_t)(last - bytes) + 1;
}
