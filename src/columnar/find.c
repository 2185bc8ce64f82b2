#include "columnar/find.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

/* True if the needle stands at text, given that its first and last bytes do. */
static bool matches(const char *text, const char *needle, size_t needle_length)
{
    return needle_length <= 2 || memcmp(text + 1, needle + 1, needle_length - 2) == 0;
}

/* The rest of a search, place by place: n_places of them. */
static const char *find_slowly(const char *text, size_t n_places, const char *needle,
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

const char *ds_find(const char *text, size_t length, const char *needle, size_t needle_length)
{
    if (needle_length > length)
        return NULL;
    if (needle_length == 0)
        return text;
    if (needle_length > 256) /* the worst case of the simple way would hurt: it is quadratic */
        return memmem(text, length, needle, needle_length);
    size_t n_places = length - needle_length + 1, at = 0;
#if defined(__x86_64__)
    __m128i first = _mm_set1_epi8(needle[0]), last = _mm_set1_epi8(needle[needle_length - 1]);
    for (; n_places - at >= 16; at += 16) {
        const char *place = text + at;
        __m128i starts = _mm_loadu_si128((const __m128i *)(const void *)place);
        __m128i ends = _mm_loadu_si128((const __m128i *)(const void *)(place + needle_length - 1));
        __m128i both = _mm_and_si128(_mm_cmpeq_epi8(starts, first), _mm_cmpeq_epi8(ends, last));
        for (uint32_t left = (uint32_t)_mm_movemask_epi8(both); left != 0; left &= left - 1) {
            const char *found = place + __builtin_ctz(left);
            if (matches(found, needle, needle_length))
                return found;
        }
    }
#endif
    return find_slowly(text + at, n_places - at, needle, needle_length);
}
