#include "columnar/format_marks.h"

#include "columnar/text_neon.h"
#include "columnar/text_simd.h"

const char *ds_mark_next_far(const ds_marks *marks, const uint64_t *map, size_t byte)
{
    uint64_t bits;
    do {
        byte += sizeof bits;
        memcpy(&bits, (const char *)map + byte, sizeof bits);
    } while (bits == 0);
    return marks->from + byte * 8 + __builtin_ctzll(bits);
}

/*
 * A byte is special if it is what the table has at its low four bits: one look-up and one
 * comparison for all of them. What has no such byte there has one that ends with other bits.
 */
static inline void fill_table(const char *bytes, size_t n, uint8_t table[16])
{
    memset(table, 0, 16);
    table[0] = 1;
    table['\n' % 16] = '\n';
    for (size_t i = 0; i < n; i++)
        table[bytes[i] % 16] = (uint8_t)bytes[i];
}

static inline void fill_special(const ds_mark_bytes *which, uint8_t table[16])
{
    fill_table(which->special, strlen(which->special), table);
}

/* Of 64 bytes. */
typedef struct block {
    uint64_t newlines, special, separators;
} block;

/*
 * The pass itself, for one kind of vectors: `kind` are those that stay the same and the least byte
 * so far, made by `kind`_new; look(kind, text, controls, separators) makes a block. What lies
 * behind the input is taken for line ends.
 */
#define MARK_PASS(name, target, kind, look, has_controls, has_separators)                          \
    target static uint32_t name(const ds_mark_bytes *which, const char *bytes, uint32_t *from,     \
                                uint32_t to, ds_marks *marks, uint32_t *ends)                      \
    {                                                                                              \
        kind vectors = kind##_new(which);                                                          \
        uint32_t at = *from, n = 0, word = 0;                                                      \
        char last[64];                                                                             \
        for (; at < to && n + 64 <= DS_LINE_ENDS; at += 64, word++) {                              \
            const char *text = bytes + at;                                                         \
            uint64_t within = ~UINT64_C(0);                                                        \
            ds_fetch_ahead(text);                                                                  \
            if (__builtin_expect(to - at < 64, 0)) {                                               \
                memset(last, '\n', sizeof last);                                                   \
                memcpy(last, text, to - at);                                                       \
                text = last;                                                                       \
                within >>= 64 - (to - at);                                                         \
            }                                                                                      \
            block found = look(&vectors, text, has_controls, has_separators);                      \
            marks->special[word] = found.special;                                                  \
            if (has_separators)                                                                    \
                marks->separators[word] = found.separators;                                        \
            n = ds_add_places(found.newlines & within, at, ends, n);                               \
        }                                                                                          \
        marks->special[word] = marks->separators[word] = ~UINT64_C(0);                             \
        marks->from = bytes + *from;                                                               \
        marks->plain = kind##_is_plain(&vectors);                                                  \
        *from = at < to ? at : to;                                                                 \
        return n;                                                                                  \
    }

/* The versions for one kind of vectors. */
#define MARK_PASSES(kind, target)                                                                  \
    MARK_PASS(special_##kind, target, kind, kind##_look, false, false)                             \
    MARK_PASS(controls_##kind, target, kind, kind##_look, true, false)                             \
    MARK_PASS(separated_##kind, target, kind, kind##_look, false, true)                            \
    MARK_PASS(all_##kind, target, kind, kind##_look, true, true)                                   \
    static ds_mark_fn *kind##_pass(const ds_mark_bytes *which)                                     \
    {                                                                                              \
        if (which->separator != '\0')                                                              \
            return which->controls ? all_##kind : separated_##kind;                                \
        return which->controls ? controls_##kind : special_##kind;                                 \
    }

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,bmi")))

typedef struct avx2 {
    __m256i special, separators, control, newline, least;
} avx2;

AVX2 static inline __m256i avx2_twice(const uint8_t table[16])
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)table));
}

AVX2 static inline avx2 avx2_new(const ds_mark_bytes *which)
{
    uint8_t special[16], separators[16];
    fill_special(which, special);
    fill_table(&which->separator, 1, separators);
    return (avx2){avx2_twice(special), avx2_twice(separators), _mm256_set1_epi8(0x1f),
                  _mm256_set1_epi8('\n'), _mm256_set1_epi8(0x7f)};
}

AVX2 static inline uint64_t avx2_bits(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high)
                                                     << 32;
}

AVX2 static inline __m256i avx2_of_table(__m256i table, __m256i text)
{
    return _mm256_cmpeq_epi8(_mm256_shuffle_epi8(table, text), text);
}

AVX2 static inline __m256i avx2_special(const avx2 *v, __m256i text, bool controls)
{
    __m256i found = avx2_of_table(v->special, text);
    if (controls) /* text <= 0x1f */
        found = _mm256_or_si256(found, _mm256_cmpeq_epi8(_mm256_min_epu8(text, v->control), text));
    return found;
}

AVX2 static inline block avx2_look(avx2 *v, const char *text, bool controls, bool separators)
{
    block found = {0};
    __m256i low = _mm256_loadu_si256((const void *)text);
    __m256i high = _mm256_loadu_si256((const void *)(text + 32));
    v->least = _mm256_min_epi8(v->least, _mm256_min_epi8(low, high));
    found.special = avx2_bits(avx2_special(v, low, controls), avx2_special(v, high, controls));
    if (!separators) {
        found.newlines =
            avx2_bits(_mm256_cmpeq_epi8(low, v->newline), _mm256_cmpeq_epi8(high, v->newline));
        return found;
    }
    found.separators =
        avx2_bits(avx2_of_table(v->separators, low), avx2_of_table(v->separators, high));
    found.newlines = found.special & found.separators; /* no other byte is both */
    return found;
}

AVX2 static inline bool avx2_is_plain(const avx2 *v)
{
    return _mm256_movemask_epi8(_mm256_cmpgt_epi8(v->least, _mm256_setzero_si256())) == -1;
}

MARK_PASSES(avx2, AVX2)

ds_mark_fn *ds_mark_best(const ds_mark_bytes *which)
{
    return ds_simd_level() >= DS_SIMD_AVX2 ? avx2_pass(which) : NULL;
}

#elif defined(__aarch64__)

typedef struct neon {
    uint8x16_t table, newline, separator;
    int8x16_t least;
} neon;

static inline neon neon_new(const ds_mark_bytes *which)
{
    uint8_t table[16];
    fill_special(which, table);
    return (neon){vld1q_u8(table), vdupq_n_u8('\n'), vdupq_n_u8((uint8_t)which->separator),
                  vdupq_n_s8(0x7f)};
}

static inline block neon_look(neon *v, const char *text, bool controls, bool separators)
{
    block found = {0};
    uint8x16_t newlines[4], special[4], blanks[4];
    for (unsigned i = 0; i < 4; i++) {
        uint8x16_t bytes = ds_neon_load(text + i * 16);
        v->least = vminq_s8(v->least, vreinterpretq_s8_u8(bytes));
        newlines[i] = vceqq_u8(bytes, v->newline);
        special[i] = vceqq_u8(vqtbl1q_u8(v->table, vandq_u8(bytes, vdupq_n_u8(15))), bytes);
        if (controls)
            special[i] = vorrq_u8(special[i], vcltq_u8(bytes, vdupq_n_u8(0x20)));
        if (separators)
            blanks[i] = vorrq_u8(newlines[i], vceqq_u8(bytes, v->separator));
    }
    found.newlines = ds_neon_bits64(newlines);
    found.special = ds_neon_bits64(special);
    if (separators)
        found.separators = ds_neon_bits64(blanks);
    return found;
}

static inline bool neon_is_plain(const neon *v)
{
    return vminvq_s8(v->least) > 0;
}

MARK_PASSES(neon, )

ds_mark_fn *ds_mark_best(const ds_mark_bytes *which)
{
    return ds_simd_level() >= DS_SIMD_NEON ? neon_pass(which) : NULL;
}

#else

ds_mark_fn *ds_mark_best(const ds_mark_bytes *which)
{
    (void)which;
    return NULL;
}

#endif
