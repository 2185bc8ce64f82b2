/*
 * Gaps: batch times that passed while nobody could run them. The driver was down, the machine was
 * suspended, the clock was set forwards, or batches took very long.
 *
 * What is due in a gap is made up for, at its own times, where a stream has rows or state then
 * (ds_plan_gap_next); what lies between is passed over at no cost. Batches that make up for
 * something are given no input: what came meanwhile belongs to the batch behind the gap. So the
 * results at these times are those of a driver that was there, and had nothing to read.
 *
 * When the driver merely falls behind, batches are run one by one, and take what there is. A lag of
 * DS_GAP_MS is a gap, and so is any between two drivers on a checkpoint. Totals of nothing are
 * due at all times; in a gap of more than DS_GAP_MS they are left out.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <stdlib.h>

/* Rows that are made at all times. */
static bool makes_rows(const ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        const ds_intake *intake = &d->intakes[i];
        if (intake->needed && (intake->source->type == DS_SOURCE_RATE ||
                               (intake->source->batches != NULL && ds_intake_has_more(intake))))
            return true;
    }
    return false;
}

static void begin_gap(ds_driver *d, int64_t to_ms)
{
    DS_ASSERT(d->gap_to_ms == DS_NO_BATCH && to_ms > d->last_ms);
    d->gap_to_ms = to_ms;
    d->gap_is_long = to_ms - d->last_ms >= DS_GAP_MS;
    if (!d->gap_is_long)
        return;
    char from[DS_CLOCK_TEXT], to[DS_CLOCK_TEXT];
    ds_log_info(
        "batch times between %s and %s were missed: those at which windows or state are due "
        "are made up for",
        ds_clock_text(d->last_ms, from), ds_clock_text(to_ms, to));
}

void ds_driver_begin_gap(ds_driver *d, bool restarted)
{
    int64_t interval = d->plan->app->interval_ms;
    int64_t lag_ms = d->wall_ms - d->last_ms;
    if (d->config.virtual_time || d->config.available_now || d->gap_to_ms != DS_NO_BATCH ||
        lag_ms < 2 * interval || (lag_ms < DS_GAP_MS && !restarted) || makes_rows(d))
        return;
    begin_gap(d, ds_floor_to(d->wall_ms, interval));
}

/* Of a stage: when its state acts next, as far as its partitions have told. */
static int64_t acts_ms(const ds_driver *d, uint32_t stage)
{
    int64_t acts = INT64_MAX;
    for (uint32_t p = 0; d->acts_ms[stage] != NULL && p < d->plan->stages[stage].n_partitions; p++)
        if (d->acts_ms[stage][p] < acts)
            acts = d->acts_ms[stage][p];
    return acts;
}

static int64_t gap_next(const ds_driver *d, bool *sure)
{
    uint32_t n = d->plan->n_stages;
    int64_t *inputs = ds_calloc(2 * (size_t)n + 1, sizeof *inputs), *acts = inputs + n;
    for (uint32_t s = 0; s < n; s++) {
        inputs[s] = d->stage_input_ms[s];
        if (d->plan->stages[s].keyed && inputs[s] < d->recovered_ms)
            inputs[s] = d->recovered_ms; /* it may have had some then */
        acts[s] = acts_ms(d, s);
    }
    const ds_gap gap = {d->last_ms, inputs, acts, !d->gap_is_long};
    int64_t next = ds_plan_gap_next(d->plan, &gap, sure);
    free(inputs);
    return next;
}

static void end_gap(ds_driver *d)
{
    int64_t last_ms = d->gap_to_ms - d->plan->app->interval_ms;
    DS_ASSERT(last_ms % d->plan->app->interval_ms == 0);
    if (last_ms > d->last_ms)
        d->last_ms = last_ms;
    d->gap_to_ms = DS_NO_BATCH;
}

int64_t ds_driver_gap_next(ds_driver *d)
{
    ds_driver_begin_gap(d, false);
    if (d->gap_to_ms == DS_NO_BATCH)
        return DS_NO_BATCH;
    bool sure;
    int64_t next = gap_next(d, &sure);
    bool found = next < d->gap_to_ms;
    d->gap_waits = d->batches != NULL && !(found && sure); /* they may bring something earlier */
    if (d->gap_waits)
        return INT64_MAX;
    if (!found)
        end_gap(d);
    return found ? next : DS_NO_BATCH;
}
