#include "columnar/text_simd.h"

#include <stdatomic.h>
#include <stdbool.h>

static _Atomic int limit = DS_SIMD_AVX2;

static ds_simd best(void)
{
#if defined(__x86_64__)
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                __builtin_cpu_supports("bmi2");
    return avx2 ? DS_SIMD_AVX2 : DS_SIMD_SSE2;
#elif defined(__aarch64__)
    return DS_SIMD_NEON;
#else
    return DS_SIMD_PLAIN;
#endif
}

ds_simd ds_simd_level(void)
{
    int most = atomic_load_explicit(&limit, memory_order_relaxed);
    ds_simd level = best();
    return most < (int)level ? (ds_simd)most : level;
}

void ds_simd_limit(ds_simd most)
{
    atomic_store_explicit(&limit, (int)most, memory_order_relaxed);
}
