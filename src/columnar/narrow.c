/*
 * A value fits k bits if all bits from k - 1 on are alike, that is if it differs from itself moved
 * up by one in the low k bits only. So the or of these differences says what all values need.
 *
 * The loops are plain C in blocks of known length, which compilers make vector code of, and are
 * compiled twice.
 */
#include "columnar/narrow.h"

#include "base/assert.h"
#include "columnar/text_simd.h"

#include <string.h>

#define BLOCK 64u
#define ALWAYS static inline __attribute__((always_inline))

ALWAYS uint64_t need_of(int64_t value)
{
    return (uint64_t)value ^ (uint64_t)value << 1;
}

ALWAYS uint64_t all_bits(const int64_t *values, size_t n)
{
    uint64_t bits = 0;
    size_t i = 0;
    for (; n - i >= BLOCK; i += BLOCK)
        for (size_t k = 0; k < BLOCK; k++)
            bits |= need_of(values[i + k]);
    for (; i < n; i++)
        bits |= need_of(values[i]);
    return bits;
}

/* n values of one type as those of another. */
#define CONVERT(to_type, to, from_type, from, n)                                                   \
    do {                                                                                           \
        to_type *restrict to_ = (to);                                                              \
        const from_type *restrict from_ = (from);                                                  \
        size_t i_ = 0, n_ = (n);                                                                   \
        for (; n_ - i_ >= BLOCK; i_ += BLOCK)                                                      \
            for (size_t k_ = 0; k_ < BLOCK; k_++)                                                  \
                to_[i_ + k_] = (to_type)from_[i_ + k_];                                            \
        for (; i_ < n_; i_++)                                                                      \
            to_[i_] = (to_type)from_[i_];                                                          \
    } while (0)

ALWAYS void put(void *restrict to, const int64_t *restrict values, size_t n, uint32_t bytes)
{
    switch (bytes) {
    case 0: break;
    case 1: CONVERT(int8_t, to, int64_t, values, n); break;
    case 2: CONVERT(int16_t, to, int64_t, values, n); break;
    case 4: CONVERT(int32_t, to, int64_t, values, n); break;
    case 8: memcpy(to, values, n * sizeof *values); break;
    default: DS_UNREACHABLE();
    }
}

ALWAYS void get(int64_t *restrict to, const void *restrict from, size_t n, uint32_t bytes)
{
    switch (bytes) {
    case 0: memset(to, 0, n * sizeof *to); break;
    case 1: CONVERT(int64_t, to, int8_t, from, n); break;
    case 2: CONVERT(int64_t, to, int16_t, from, n); break;
    case 4: CONVERT(int64_t, to, int32_t, from, n); break;
    case 8: memcpy(to, from, n * sizeof *to); break;
    default: DS_UNREACHABLE();
    }
}

#define VERSION(name, attributes)                                                                  \
    attributes static uint64_t bits_##name(const int64_t *values, size_t n)                        \
    {                                                                                              \
        return all_bits(values, n);                                                                \
    }                                                                                              \
    attributes static void put_##name(void *restrict to, const int64_t *restrict values, size_t n, \
                                      uint32_t bytes)                                              \
    {                                                                                              \
        put(to, values, n, bytes);                                                                 \
    }                                                                                              \
    attributes static void get_##name(int64_t *restrict to, const void *restrict from, size_t n,   \
                                      uint32_t bytes)                                              \
    {                                                                                              \
        get(to, from, n, bytes);                                                                   \
    }

VERSION(plain, )

#if defined(__x86_64__)
VERSION(avx2, __attribute__((target("avx2"))))
#define BEST(name) (ds_simd_level() >= DS_SIMD_AVX2 ? name##_avx2 : name##_plain)
#else
#define BEST(name) name##_plain
#endif

uint64_t ds_narrow_bits(const int64_t *values, size_t n)
{
    return BEST(bits)(values, n);
}

void ds_narrow_put(void *restrict to, const int64_t *restrict values, size_t n, uint32_t bytes)
{
    DS_ASSERT(bytes == 0 || (uintptr_t)to % bytes == 0);
    BEST(put)(to, values, n, bytes);
}

void ds_narrow_get(int64_t *restrict to, const void *restrict from, size_t n, uint32_t bytes)
{
    DS_ASSERT(bytes == 0 || (uintptr_t)from % bytes == 0);
    BEST(get)(to, from, n, bytes);
}
