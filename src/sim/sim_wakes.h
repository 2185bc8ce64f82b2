/*
 * When each of many wants to be woken: a tree of the earliest times. It costs in proportion to the
 * logarithm of their number.
 */
#ifndef DS_SIM_SIM_WAKES_H
#define DS_SIM_SIM_WAKES_H

#include <stddef.h>
#include <stdint.h>

typedef struct ds_sim_wakes {
    int64_t *tree; /* by node, from 1; the two below node i are 2i and 2i + 1 */
    size_t leaves; /* a power of two; 0: nobody was ever set */
} ds_sim_wakes;

/* Nobody wants to be woken any more. */
void ds_sim_wakes_fini(ds_sim_wakes *wakes);
/* Sets the time of one (INT64_MAX: never). */
void ds_sim_wakes_set(ds_sim_wakes *wakes, size_t index, int64_t time_us);
/* The earliest time; INT64_MAX if there is none. */
int64_t ds_sim_wakes_next_us(const ds_sim_wakes *wakes);
/* The first of those with the earliest time. There has to be one. */
size_t ds_sim_wakes_first(const ds_sim_wakes *wakes);

#endif
