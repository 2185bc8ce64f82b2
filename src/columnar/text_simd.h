/*
 * Which vector instructions the text loops may use, found out at run time: the build is for
 * the least common processor. Every such loop also exists in a plain version; most have one for
 * x86-64 and one for arm64.
 */
#ifndef DS_COLUMNAR_TEXT_SIMD_H
#define DS_COLUMNAR_TEXT_SIMD_H

typedef enum ds_simd {
    DS_SIMD_PLAIN,
    DS_SIMD_SSE2,                /* every x86-64 has it */
    DS_SIMD_NEON = DS_SIMD_SSE2, /* every arm64 has it */
    DS_SIMD_AVX2,                /* and BMI1 and BMI2, which come with it */
} ds_simd;

/* The best level this processor has, or the limit set, if that is lower. Any thread. */
ds_simd ds_simd_level(void);

/* Uses nothing above this level from now on; for tests that compare the versions. */
void ds_simd_limit(ds_simd most);

#endif
