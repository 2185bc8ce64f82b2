#include "columnar/compare.h"

#include "columnar/text_simd.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define PLAIN(name, type, operator)                                                                \
    static inline uint64_t name##_of(const type *restrict a, const type *restrict b,               \
                                     uint32_t count)                                               \
    {                                                                                              \
        uint64_t word = 0;                                                                         \
        for (uint32_t i = 0; i < count; i++)                                                       \
            word |= (uint64_t)(a[i] operator b[i]) << i;                                           \
        return word;                                                                               \
    }                                                                                              \
    static uint64_t name(const void *a, const void *b, uint32_t count)                             \
    {                                                                                              \
        return count == 64 ? name##_of(a, b, 64) : name##_of(a, b, count);                         \
    }

PLAIN(equal_ints, int64_t, ==)
PLAIN(less_ints, int64_t, <)
PLAIN(equal_floats, double, ==)
PLAIN(less_floats, double, <)

ds_compare_fn ds_compare_plain(ds_compare_op op, ds_kind kind)
{
    if (kind == DS_FLOAT)
        return op == DS_COMPARE_EQUAL ? equal_floats : less_floats;
    return op == DS_COMPARE_EQUAL ? equal_ints : less_ints;
}

#if defined(__x86_64__)

/* Four rows at a time; compare(x, y) gives all ones in the lanes where it holds. */
#define AVX2(name, load, compare, to_double)                                                       \
    __attribute__((target("avx2"))) static uint64_t name##_avx2(const void *a, const void *b,      \
                                                                uint32_t count)                    \
    {                                                                                              \
        if (count != 64)                                                                           \
            return name(a, b, count);                                                              \
        uint64_t word = 0;                                                                         \
        for (uint32_t i = 0; i < 64; i += 4) {                                                     \
            uint32_t lanes =                                                                       \
                (uint32_t)_mm256_movemask_pd(to_double(compare(load(a, i), load(b, i))));          \
            word |= (uint64_t)lanes << i;                                                          \
        }                                                                                          \
        return word;                                                                               \
    }

#define LOAD_INTS(p, i)                                                                            \
    _mm256_loadu_si256((const __m256i *)(const void *)((const int64_t *)(p) + (i)))
#define LOAD_FLOATS(p, i) _mm256_loadu_pd((const double *)(p) + (i))
#define LESS_INTS(x, y) _mm256_cmpgt_epi64(y, x)
#define EQUAL_FLOATS(x, y) _mm256_cmp_pd(x, y, _CMP_EQ_OQ)
#define LESS_FLOATS(x, y) _mm256_cmp_pd(x, y, _CMP_LT_OQ)
#define AS_IS(x) (x)

AVX2(equal_ints, LOAD_INTS, _mm256_cmpeq_epi64, _mm256_castsi256_pd)
AVX2(less_ints, LOAD_INTS, LESS_INTS, _mm256_castsi256_pd)
AVX2(equal_floats, LOAD_FLOATS, EQUAL_FLOATS, AS_IS)
AVX2(less_floats, LOAD_FLOATS, LESS_FLOATS, AS_IS)

ds_compare_fn ds_compare_find(ds_compare_op op, ds_kind kind)
{
    if (ds_simd_level() < DS_SIMD_AVX2)
        return ds_compare_plain(op, kind);
    if (kind == DS_FLOAT)
        return op == DS_COMPARE_EQUAL ? equal_floats_avx2 : less_floats_avx2;
    return op == DS_COMPARE_EQUAL ? equal_ints_avx2 : less_ints_avx2;
}

#else

ds_compare_fn ds_compare_find(ds_compare_op op, ds_kind kind)
{
    return ds_compare_plain(op, kind);
}

#endif
