/*
 * Quantiles of values with counts, exactly and without sorting them.
 *
 * The value at a position is found digit by digit of its bits (as a number that is ordered as the
 * values are): what has the digits so far is counted by the next one. So the values are gone
 * through a few times, in the order in which they lie, and wherever they lie; and nothing is kept
 * but a histogram.
 */
#ifndef DS_COLUMNAR_QUANTILE_H
#define DS_COLUMNAR_QUANTILE_H

#include "base/memory.h"

/* Different values and how often there is each: those of numbers keys[0..n) (n > 0). All is
 * borrowed; budget is relieved now and then (memory.h), and may be NULL. */
typedef struct ds_counted_values {
    const uint32_t *keys;
    uint32_t n;
    const double *values;  /* by number */
    const int64_t *counts; /* by number, > 0 */
    ds_budget *budget;
} ds_counted_values;

/* The q-quantile: at (rows - 1) * q of all values in order, counted from 0, linear between
 * neighbours (type 7 of Hyndman and Fan). 2 to 8 ns for each value and digit. */
double ds_quantile_select(const ds_counted_values *v, double q);

#endif
