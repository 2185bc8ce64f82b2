/* Seeded random numbers (xoshiro256**): the same sequence for a seed on every machine. */
#ifndef DS_BASE_RANDOM_H
#define DS_BASE_RANDOM_H

#include <stdint.h>

typedef struct ds_random {
    uint64_t state[4];
} ds_random;

/* The same seed gives the same numbers, on every machine. */
void ds_random_init(ds_random *random, uint64_t seed);
uint64_t ds_random_next(ds_random *random);
/* Even over 0 .. n-1; n > 0. */
uint64_t ds_random_below(ds_random *random, uint64_t n);
/* Even over [0, 1). */
double ds_random_unit(ds_random *random);

#endif
