/*
 * Back-pressure: how fast the receivers may read.
 *
 * A source with a receiver has a rate: its max_rate, and with `backpressure` what the estimator
 * makes of each batch that is committed, if that is less. The processing time of a batch counts
 * from when the batch before it was out of the way, as the next one runs while one commits: so a
 * slow commit counts once, as what it is. It is due at its batch time, but not before the app ran.
 * Batches that ran before a restart already tell nothing about this run.
 *
 * Of files a batch may have so many records in its interval, which are bytes at the usual length of
 * a record. What they were indeed is counted when they were read, and taken off what later batches
 * may have.
 *
 * The rate is about what is read from now on; of what is queued already a batch has what can be
 * processed in an interval. With no rate at all,
 * and beyond what a rate can do, there is credit: see receiver.h.
 */
#include "base/assert.h"
#include "driver/driver_state.h"

#define FIRST_LENGTH 64.0 /* of a record of a file, before any was read */

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a; /* 0: no limit */
}

void ds_driver_make_rates(ds_driver *d)
{
    const ds_app_backpressure *settings = &d->plan->app->backpressure;
    const ds_rate_gains gains = {settings->proportional, settings->integral, settings->derived,
                                 (double)settings->min_rate};
    d->rates = ds_calloc(d->n_intakes, sizeof *d->rates);
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        uint64_t most = (uint64_t)d->intakes[i].source->max_rate;
        uint64_t first = settings->enabled ? (uint64_t)settings->initial_rate : 0;
        bool receives = ds_intake_has_receiver(&d->intakes[i]);
        ds_rate_estimator_init(&d->rates[i].estimator, &gains, d->plan->app->interval_ms);
        d->rates[i].rate = receives ? lesser(most, first) : most;
        d->counts[i].rate = d->rates[i].rate;
    }
}

void ds_driver_batch_due(const ds_driver *d, ds_batch *batch)
{
    int64_t late_ms = d->wall_ms - batch->time_ms;
    batch->due_us = d->now_us - (late_ms > 0 ? late_ms * 1000 : 0);
    if (batch->due_us < d->running_us)
        batch->due_us = d->running_us;
    DS_ASSERT(batch->due_us <= d->now_us);
}

static uint64_t records_of(const ds_batch *batch, uint32_t source)
{
    uint64_t records = 0;
    for (uint32_t a = 0; a < batch->n_allotments; a++)
        for (uint32_t i = 0; i < batch->allotments[a].n_inputs; i++)
            if (batch->allotments[a].source == source &&
                batch->allotments[a].inputs[i].kind == DS_INPUT_BLOCK)
                records += batch->allotments[a].inputs[i].to - batch->allotments[a].inputs[i].from;
    return records;
}

/* ---- files ---- */

/* Bytes of a source that batches have, and of which the records are not counted yet. */
static uint64_t bytes_under_way(const ds_driver *d, uint32_t source)
{
    uint64_t bytes = 0;
    for (const ds_batch *batch = d->batches; batch != NULL; batch = batch->next)
        for (uint32_t a = 0; a < batch->n_allotments && batch->state <= DS_BATCH_RUNNING; a++)
            for (uint32_t i = 0; i < batch->allotments[a].n_inputs; i++)
                if (batch->allotments[a].source == source)
                    bytes += ds_input_size(&batch->allotments[a].inputs[i]);
    return bytes;
}

static bool is_given(const ds_driver *d, uint32_t source)
{
    for (const ds_batch *batch = d->batches; batch != NULL; batch = batch->next)
        for (uint32_t a = 0; a < batch->n_allotments; a++)
            if (batch->allotments[a].source == source && batch->allotments[a].n_inputs > 0)
                return true;
    return false;
}

/* Nobody knows yet how much a batch can do: the first one finds out, and it is alone. Several would
 * each have all that came, and nothing would be known before they are all done. */
static bool is_first_under_way(const ds_driver *d, uint32_t source)
{
    return d->plan->app->backpressure.enabled && !d->config.virtual_time &&
           d->phase != DS_PHASE_STOPPING && ds_intake_has_receiver(&d->intakes[source]) &&
           d->rates[source].estimator.processed <= 0 && is_given(d, source);
}

/* What came while batches had to wait is not for one of them alone, or that would take as long
 * again: each has about what can be processed in an interval. */
uint64_t ds_driver_most_records(const ds_driver *d, uint32_t source)
{
    double processed = d->rates[source].estimator.processed;
    if (is_first_under_way(d, source))
        return 0;
    if (!d->plan->app->backpressure.enabled || processed <= 0 || d->phase == DS_PHASE_STOPPING)
        return UINT64_MAX;
    double records = processed * (double)d->plan->app->interval_ms / 1000;
    DS_ASSERT(records >= 0);
    return records < 1 ? 1 : records < 1e15 ? (uint64_t)records : UINT64_MAX;
}

uint64_t ds_driver_most_bytes(ds_driver *d, uint32_t source, uint64_t most)
{
    ds_source_rate *rate = &d->rates[source];
    const ds_source_counts *counts = &d->counts[source];
    if (rate->rate == 0)
        return most;
    double share = (double)rate->rate * (double)d->plan->app->interval_ms / 1000;
    DS_ASSERT(counts->rows >= rate->counted);
    rate->budget += share - (double)(counts->rows - rate->counted);
    rate->counted = counts->rows;
    share = share > 1 ? share : 1;
    rate->budget = rate->budget < share ? rate->budget : share;
    double length = counts->rows > 0 && counts->bytes > counts->rows
                        ? (double)counts->bytes / (double)counts->rows
                        : FIRST_LENGTH;
    double records = rate->budget - (double)bytes_under_way(d, source) / length;
    if (records < 1)
        return 0;
    return records * length < (double)most ? (uint64_t)(records * length) : most;
}

bool ds_driver_rate_waits(const ds_driver *d, uint32_t source)
{
    DS_ASSERT(source < d->n_intakes);
    return is_first_under_way(d, source) ||
           (d->rates[source].rate != 0 && bytes_under_way(d, source) > 0);
}

/* ---- receivers ---- */

static void tell_receiver(ds_driver *d, const ds_intake *intake, uint64_t rate)
{
    const ds_executor_entry *entry = ds_registry_find(&d->registry, intake->executor_id);
    bool active = intake->phase == DS_INTAKE_STARTING || intake->phase == DS_INTAKE_RUNNING;
    if (!active || intake->receiver_id == 0 || entry == NULL || entry->peer == 0)
        return;
    ds_message message = {.type = DS_MSG_RECEIVER_RATE};
    message.receiver_rate = (ds_msg_receiver_rate){intake->receiver_id, rate};
    ds_driver_send(d, entry, &message);
}

static void set_rate(ds_driver *d, uint32_t source, double estimate)
{
    DS_ASSERT(estimate >= 1); /* the least one may be set to */
    uint64_t rate = estimate < 1e15 ? (uint64_t)estimate : UINT64_C(1000000000000000);
    rate = lesser((uint64_t)d->intakes[source].source->max_rate, rate);
    if (rate == d->rates[source].rate)
        return;
    d->rates[source].rate = d->counts[source].rate = rate;
    tell_receiver(d, &d->intakes[source], rate);
}

void ds_driver_note_rates(ds_driver *d, const ds_batch *batch)
{
    int64_t free_us = d->committed_us;
    d->committed_us = d->now_us;
    if (!d->plan->app->backpressure.enabled || batch->again || batch->started_us == 0)
        return;
    int64_t begun_us = batch->started_us > free_us ? batch->started_us : free_us;
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        double rate;
        if (d->intakes[i].needed && ds_intake_has_receiver(&d->intakes[i]) &&
            ds_rate_estimator_compute(&d->rates[i].estimator, d->now_us, records_of(batch, i),
                                      d->now_us - begun_us, begun_us - batch->due_us, &rate))
            set_rate(d, i, rate);
    }
}
