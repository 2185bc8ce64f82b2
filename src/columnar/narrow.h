/*
 * Ints in as few bytes as the largest of them needs: 0 (all are zero), 1, 2, 4 or 8 for each,
 * little-endian, in two's complement.
 */
#ifndef DS_COLUMNAR_NARROW_H
#define DS_COLUMNAR_NARROW_H

#include <stddef.h>
#include <stdint.h>

/* What some values need, as bits: those of several runs of values are put together by or. */
uint64_t ds_narrow_bits(const int64_t *values, size_t n);

/* How many bytes each value needs by these bits. */
static inline uint32_t ds_narrow_bytes(uint64_t bits)
{
    return bits == 0            ? 0
           : bits <= UINT8_MAX  ? 1
           : bits <= UINT16_MAX ? 2
           : bits <= UINT32_MAX ? 4
                                : 8;
}

/* Writes the low `bytes` bytes of each value (n times as many bytes in all, to a place aligned to
 * as many), and reads them again. */
void ds_narrow_put(void *restrict to, const int64_t *restrict values, size_t n, uint32_t bytes);
void ds_narrow_get(int64_t *restrict to, const void *restrict from, size_t n, uint32_t bytes);

#endif
