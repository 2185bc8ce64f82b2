#include "scheduler/figures.h"

#include "base/assert.h"

const int64_t ds_histogram_bounds_us[DS_HISTOGRAM_BOUNDS] = {
    1000,   2500,    5000,    10000,   25000,    50000,    100000,  250000,
    500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000};

void ds_histogram_add(ds_histogram *histogram, int64_t us)
{
    uint32_t i = 0;
    us = us > 0 ? us : 0;
    while (i < DS_HISTOGRAM_BOUNDS && us > ds_histogram_bounds_us[i])
        i++;
    histogram->counts[i]++;
    histogram->n++;
    histogram->sum_us += us;
    histogram->last_us = us;
    DS_ASSERT(histogram->n > 0 && histogram->sum_us >= 0);
}
