/*
 * Bits from vectors of arm64, which has no instruction for that: of bytes that are all ones or all
 * zeros each keeps another bit, and neighbours are added up.
 */
#ifndef DS_COLUMNAR_TEXT_NEON_H
#define DS_COLUMNAR_TEXT_NEON_H

#if defined(__aarch64__)
#include <arm_neon.h>
#include <stdint.h>

static inline uint8x16_t ds_neon_load(const char *text)
{
    return vld1q_u8((const uint8_t *)text);
}

static inline uint8x16_t ds_neon_keep(uint8x16_t bytes)
{
    static const uint8_t bits[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    return vandq_u8(bytes, vld1q_u8(bits));
}

/* A bit for each of 16 bytes. */
static inline uint32_t ds_neon_bits16(uint8x16_t bytes)
{
    uint8x16_t kept = ds_neon_keep(bytes);
    return (uint32_t)vaddv_u8(vget_low_u8(kept)) | (uint32_t)vaddv_u8(vget_high_u8(kept)) << 8;
}

/* A bit for each of 64 bytes. */
static inline uint64_t ds_neon_bits64(const uint8x16_t bytes[4])
{
    uint8x16_t low = vpaddq_u8(ds_neon_keep(bytes[0]), ds_neon_keep(bytes[1]));
    uint8x16_t high = vpaddq_u8(ds_neon_keep(bytes[2]), ds_neon_keep(bytes[3]));
    uint8x16_t all = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(all, all)), 0);
}

#endif
#endif
