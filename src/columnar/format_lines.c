#include "columnar/format_lines.h"

#include "base/assert.h"
#include "base/memory.h"
#include "columnar/text.h"
#include "columnar/text_neon.h"
#include "columnar/text_simd.h"

#include <stdlib.h>
#include <string.h>

uint32_t ds_newlines_plain(const char *bytes, uint32_t *from, uint32_t to, uint32_t *ends,
                           uint32_t room)
{
    uint32_t count = 0, at = *from;
    while (at < to && count + 64 <= room) {
        const char *found = memchr(bytes + at, '\n', to - at);
        if (found == NULL) {
            at = to;
            break;
        }
        ends[count++] = (uint32_t)(found - bytes);
        at = (uint32_t)(found - bytes) + 1;
    }
    *from = at;
    return count;
}

/* The version for a kind of vectors; mask(bytes) has a bit for each newline among 64 bytes. */
#define NEWLINES(name, target, mask)                                                               \
    target static uint32_t name(const char *bytes, uint32_t *from, uint32_t to, uint32_t *ends,    \
                                uint32_t room)                                                     \
    {                                                                                              \
        uint32_t count = 0, at = *from;                                                            \
        for (; to - at >= 64 && count + 64 <= room; at += 64) {                                    \
            ds_fetch_ahead(bytes + at);                                                            \
            count = ds_add_places(mask(bytes + at), at, ends, count);                              \
        }                                                                                          \
        *from = at;                                                                                \
        if (to - at < 64 && count + 64 <= room) /* the rest of the window */                       \
            count += ds_newlines_plain(bytes, from, to, ends + count, room - count);               \
        return count;                                                                              \
    }

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2"))) static uint64_t newline_mask(const char *bytes)
{
    const __m256i newline = _mm256_set1_epi8('\n');
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)bytes);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(bytes + 32));
    uint32_t low_mask = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, newline));
    uint32_t high_mask = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, newline));
    return low_mask | (uint64_t)high_mask << 32;
}

NEWLINES(newlines_avx2, __attribute__((target("avx2,bmi"))), newline_mask)

ds_newlines_fn *ds_newlines_best(void)
{
    return ds_simd_level() >= DS_SIMD_AVX2 ? newlines_avx2 : ds_newlines_plain;
}

#elif defined(__aarch64__)

static inline uint64_t newline_mask(const char *bytes)
{
    uint8x16_t found[4];
    for (unsigned i = 0; i < 4; i++)
        found[i] = vceqq_u8(ds_neon_load(bytes + i * 16), vdupq_n_u8('\n'));
    return ds_neon_bits64(found);
}

NEWLINES(newlines_neon, , newline_mask)

ds_newlines_fn *ds_newlines_best(void)
{
    return ds_simd_level() >= DS_SIMD_NEON ? newlines_neon : ds_newlines_plain;
}

#else

ds_newlines_fn *ds_newlines_best(void)
{
    return ds_newlines_plain;
}

#endif

void ds_lines_open(ds_lines *lines, const char *bytes, uint32_t length, const ds_mark_bytes *which)
{
    DS_ASSERT(length < UINT32_MAX - DS_WINDOW_BYTES);
    lines->bytes = bytes;
    lines->length = length;
    lines->start = lines->scanned = 0;
    lines->next = lines->n_ends = 0;
    lines->newlines = ds_newlines_best();
    lines->which = which;
    lines->mark = which == NULL ? NULL : ds_mark_best(which);
    if (lines->mark != NULL && lines->room == NULL)
        lines->room = ds_alloc(sizeof *lines->room);
}

void ds_lines_fini(ds_lines *lines)
{
    free(lines->room);
    lines->room = NULL;
}

static uint32_t window_end(const ds_lines *lines, uint32_t from)
{
    uint32_t left = lines->length - from;
    return from + (left < DS_WINDOW_BYTES ? left : DS_WINDOW_BYTES);
}

/* Marks the lines that end in the window at the next one. 0: that one is longer. */
static uint32_t mark_window(ds_lines *lines)
{
    uint32_t at = lines->start, to = window_end(lines, at);
    uint32_t n = lines->mark(lines->which, lines->bytes, &at, to, lines->room, lines->ends);
    if (n > 0 || to == lines->length)
        lines->scanned = at;
    return n;
}

/* Finds line ends from where they are not known yet. */
static uint32_t search_windows(ds_lines *lines)
{
    uint32_t n = 0;
    while (n == 0 && lines->scanned < lines->length)
        n = lines->newlines(lines->bytes, &lines->scanned, window_end(lines, lines->scanned),
                            lines->ends, DS_LINE_ENDS);
    return n;
}

bool ds_lines_more(ds_lines *lines)
{
    DS_ASSERT(lines->next == lines->n_ends);
    uint32_t n = lines->mark != NULL && lines->start < lines->length ? mark_window(lines) : 0;
    lines->marks = n > 0 ? lines->room : NULL;
    if (n == 0)
        n = search_windows(lines);
    uint32_t behind = n == 0 ? lines->start : lines->ends[n - 1] + 1;
    if (lines->scanned == lines->length && behind < lines->length)
        lines->ends[n++] = lines->length;
    lines->next = 0;
    lines->n_ends = n;
    if (n == 0)
        return false;
    uint32_t bytes = lines->ends[n - 1] - lines->start;
    lines->plain = lines->marks != NULL ? lines->marks->plain
                                        : ds_text_is_plain(lines->bytes + lines->start, bytes);
    return true;
}

uint32_t ds_lines_left(const ds_lines *lines)
{
    return lines->scanned == lines->length ? lines->n_ends - lines->next : UINT32_MAX;
}
