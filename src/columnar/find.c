#include "columnar/find.h"

#include "columnar/text_neon.h"
#include "columnar/text_simd.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* True if the needle stands at text, given that its first and last bytes do. */
static inline bool matches(const char *text, const char *needle, size_t needle_length)
{
    return needle_length <= 2 || memcmp(text + 1, needle + 1, needle_length - 2) == 0;
}

/* A search place by place, of n_places of them. */
static const char *find_plain(const char *text, size_t n_places, const char *needle,
                              size_t needle_length)
{
    const char *end = text + n_places;
    while (text < end) {
        text = memchr(text, needle[0], (size_t)(end - text));
        if (text == NULL)
            return NULL;
        if (text[needle_length - 1] == needle[needle_length - 1] &&
            matches(text, needle, needle_length))
            return text;
        text++;
    }
    return NULL;
}

#if defined(__x86_64__) || defined(__aarch64__)
/* The first of the candidates (a bit for each place) that matches, or NULL. */
static inline const char *first_match(const char *place, uint32_t candidates, const char *needle,
                                      size_t needle_length)
{
    for (; candidates != 0; candidates &= candidates - 1) {
        const char *found = place + __builtin_ctz(candidates);
        if (matches(found, needle, needle_length))
            return found;
    }
    return NULL;
}

/* Of 16 places those with the first byte there, and the last one so far behind. */
#if defined(__x86_64__)
typedef __m128i bytes_16;

static inline bytes_16 all_16(char c)
{
    return _mm_set1_epi8(c);
}

static inline uint32_t candidates_16(const char *place, size_t to_last, bytes_16 first,
                                     bytes_16 last)
{
    __m128i starts = _mm_loadu_si128((const void *)place);
    __m128i ends = _mm_loadu_si128((const void *)(place + to_last));
    __m128i both = _mm_and_si128(_mm_cmpeq_epi8(starts, first), _mm_cmpeq_epi8(ends, last));
    return (uint32_t)_mm_movemask_epi8(both);
}

#else
typedef uint8x16_t bytes_16;

static inline bytes_16 all_16(char c)
{
    return vdupq_n_u8((uint8_t)c);
}

static inline uint32_t candidates_16(const char *place, size_t to_last, bytes_16 first,
                                     bytes_16 last)
{
    return ds_neon_bits16(vandq_u8(vceqq_u8(ds_neon_load(place), first),
                                   vceqq_u8(ds_neon_load(place + to_last), last)));
}
#endif

/* For 16 places and more: the last step looks at some of them again. */
static const char *find_16(const char *text, size_t n_places, const char *needle,
                           size_t needle_length)
{
    size_t to_last = needle_length - 1, at = 0;
    bytes_16 first = all_16(needle[0]), last = all_16(needle[to_last]);
    const char *found = NULL;
    for (; n_places - at > 16 && found == NULL; at += 16)
        found = first_match(text + at, candidates_16(text + at, to_last, first, last), needle,
                            needle_length);
    if (found != NULL)
        return found;
    text += n_places - 16;
    return first_match(text, candidates_16(text, to_last, first, last), needle, needle_length);
}
#endif

#if defined(__x86_64__)
__attribute__((target("avx2"))) static inline uint32_t
candidates_32(const char *place, size_t to_last, __m256i first, __m256i last)
{
    __m256i starts = _mm256_loadu_si256((const void *)place);
    __m256i ends = _mm256_loadu_si256((const void *)(place + to_last));
    __m256i both =
        _mm256_and_si256(_mm256_cmpeq_epi8(starts, first), _mm256_cmpeq_epi8(ends, last));
    return (uint32_t)_mm256_movemask_epi8(both);
}

/* For 32 places and more, as find_16. */
__attribute__((target("avx2"))) static const char *
find_avx2(const char *text, size_t n_places, const char *needle, size_t needle_length)
{
    size_t to_last = needle_length - 1, at = 0;
    __m256i first = _mm256_set1_epi8(needle[0]), last = _mm256_set1_epi8(needle[to_last]);
    for (; n_places - at > 32; at += 32) {
        uint32_t candidates = candidates_32(text + at, to_last, first, last);
        if (__builtin_expect(candidates == 0, 1))
            continue;
        const char *found = first_match(text + at, candidates, needle, needle_length);
        if (found != NULL)
            return found;
    }
    text += n_places - 32;
    return first_match(text, candidates_32(text, to_last, first, last), needle, needle_length);
}
#endif

const char *ds_find(const char *text, size_t length, const char *needle, size_t needle_length)
{
    if (needle_length > length)
        return NULL;
    if (needle_length == 0)
        return text;
    if (needle_length == 1) /* the C library has all versions of that */
        return memchr(text, needle[0], length);
    if (needle_length > 256) /* the worst case of the simple way would hurt: it is quadratic */
        return memmem(text, length, needle, needle_length);
    size_t n_places = length - needle_length + 1;
#if defined(__x86_64__)
    ds_simd level = n_places < 16 ? DS_SIMD_PLAIN : ds_simd_level();
    if (level >= DS_SIMD_AVX2 && n_places >= 32)
        return find_avx2(text, n_places, needle, needle_length);
    if (level >= DS_SIMD_SSE2)
        return find_16(text, n_places, needle, needle_length);
#elif defined(__aarch64__)
    if (n_places >= 16 && ds_simd_level() >= DS_SIMD_NEON)
        return find_16(text, n_places, needle, needle_length);
#endif
    return find_plain(text, n_places, needle, needle_length);
}
