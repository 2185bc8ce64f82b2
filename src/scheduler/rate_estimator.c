#include "scheduler/rate_estimator.h"

#include "base/assert.h"

void ds_rate_estimator_init(ds_rate_estimator *e, const ds_rate_gains *gains, int64_t interval_ms)
{
    DS_ASSERT(interval_ms > 0 && gains->min_rate > 0);
    DS_ASSERT(gains->proportional >= 0 && gains->integral >= 0 && gains->derived >= 0);
    *e = (ds_rate_estimator){.gains = *gains,
                             .interval_ms = (double)interval_ms,
                             .first = true,
                             .latest_us = -1,
                             .latest_rate = -1,
                             .latest_error = -1};
}

bool ds_rate_estimator_compute(ds_rate_estimator *e, int64_t now_us, uint64_t records,
                               int64_t processing_us, int64_t waiting_us, double *rate)
{
    if (now_us <= e->latest_us || records == 0 || processing_us <= 0)
        return false;
    double since = (double)(now_us - e->latest_us) / 1e6;
    double processed = (double)records / (double)processing_us * 1e6;
    double error = e->latest_rate - processed;
    double waited = (double)(waiting_us > 0 ? waiting_us : 0) / 1000;
    double history = waited * processed / e->interval_ms;
    double change = (error - e->latest_error) / since;
    e->latest_us = now_us;
    e->processed = processed;
    if (e->first) {
        e->first = false;
        e->latest_rate = processed;
        e->latest_error = 0;
        return false;
    }
    double next = e->latest_rate - e->gains.proportional * error - e->gains.integral * history -
                  e->gains.derived * change;
    if (next < e->gains.min_rate)
        next = e->gains.min_rate;
    e->latest_rate = next;
    e->latest_error = error;
    *rate = next;
    return true;
}
