#include "scheduler/faults.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "scheduler/driver_state.h"

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

static void show_count(const ds_driver *d, const ds_task_result *result, uint64_t count,
                       const char *what)
{
    char time[DS_CLOCK_TEXT];
    if (count == 0)
        return;
    ds_clock_text(result->batch_ms, time);
    ds_log_warn("stream %s, batch %s: %" PRIu64 " %s for an error in a function",
                d->plan->stages[result->stage].root->stream, time, count, what);
}

void ds_driver_show_faults(ds_driver *d, const ds_task_result *result)
{
    DS_ASSERT(result->stage < d->plan->n_stages);
    uint64_t count = result->function_rows + result->function_values, samples = 0;
    for (uint32_t i = 0; i < result->n_samples; i++)
        samples += result->samples[i].reason == DS_SAMPLE_FUNCTION;
    if (count == 0 && samples == 0)
        return;
    if (!may_show(d)) {
        d->faults_hidden += count;
        return;
    }
    show_count(d, result, result->function_rows, "rows were dropped");
    show_count(d, result, result->function_values, "values became null");
    for (uint32_t i = 0; i < result->n_samples; i++)
        if (result->samples[i].reason == DS_SAMPLE_FUNCTION)
            ds_log_warn("function %s: %s", result->samples[i].where, result->samples[i].detail);
}
