/*
 * How many records a second a source may give, so that batches keep up: a PID controller.
 *
 * It is that of the original (PIDRateEstimator), term by term. What a batch could process in a
 * second (its records by its processing time) is the rate to aim at. The error is how far the
 * rate in force is above it; the integral is not summed up but read off: what waited while the
 * batch itself had to wait, as records a second of one interval; the derivative is how fast the
 * error grows. The first batch with records only tells the rate in force.
 *
 * Pure: it reads no clock.
 */
#ifndef DS_SCHEDULER_RATE_ESTIMATOR_H
#define DS_SCHEDULER_RATE_ESTIMATOR_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ds_rate_gains {
    double proportional, integral, derived; /* 0 or more */
    double min_rate;                        /* records a second, more than 0 */
} ds_rate_gains;

typedef struct ds_rate_estimator {
    ds_rate_gains gains;
    double interval_ms;
    bool first;
    int64_t latest_us; /* when the newest batch that counted was done; -1: none was */
    double latest_rate, latest_error;
    double processed; /* records a second, of the newest batch; 0: none */
} ds_rate_estimator;

/* interval_ms: of the batches, 1 or more. */
void ds_rate_estimator_init(ds_rate_estimator *estimator, const ds_rate_gains *gains,
                            int64_t interval_ms);

/*
 * A batch is done at now_us (of any clock that goes forward, 0 or more): it had `records` of the
 * source, took processing_us, and had waited waiting_us before. Returns true with the new rate, in
 * records a second. False if the rate stays: a batch without records or of no time tells nothing,
 * nor does one that is not later than the one before, and the first one is only noted.
 */
bool ds_rate_estimator_compute(ds_rate_estimator *estimator, int64_t now_us, uint64_t records,
                               int64_t processing_us, int64_t waiting_us, double *rate);

#endif
