#include "driver/faults.h"

#include "base/log.h"
#include "driver/driver_state.h"

#include <inttypes.h>

/* True if one more task's failures may be shown. */
static bool may_show(ds_driver *d)
{
    if (d->now_us - d->faults_since_us >= DS_SHOWN_EVERY_US) {
        if (d->faults_hidden > 0)
            ds_log_warn("%" PRIu64 " more failures of functions were counted and not shown",
                        d->faults_hidden);
        d->faults_since_us = d->now_us;
        d->faults_shown = d->faults_hidden = 0;
    }
    return d->faults_shown++ < DS_SHOWN_MOST;
}

static void show_count(const char *where, uint64_t count, const char *what)
{
    if (count > 0)
        ds_log_warn("%s: %" PRIu64 " %s for an error in a function", where, count, what);
}

void ds_driver_show_faults(ds_driver *d, const char *where, const ds_task_result *result)
{
    uint64_t count = result->function_rows + result->function_values, samples = 0;
    for (uint32_t i = 0; i < result->n_samples; i++)
        samples += result->samples[i].reason == DS_SAMPLE_FUNCTION;
    if (count == 0 && samples == 0)
        return;
    if (!may_show(d)) {
        d->faults_hidden += count;
        return;
    }
    show_count(where, result->function_rows, "rows were dropped");
    show_count(where, result->function_values, "values became null");
    for (uint32_t i = 0; i < result->n_samples; i++)
        if (result->samples[i].reason == DS_SAMPLE_FUNCTION)
            ds_log_warn("function %s: %s", result->samples[i].where, result->samples[i].detail);
}
