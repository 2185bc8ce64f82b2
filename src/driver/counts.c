/* What results of tasks say of records: it is counted, and some of the bad ones are shown. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "driver/driver_state.h"
#include "driver/faults.h"

#include <inttypes.h>
#include <stdio.h>

#define WHERE_TEXT 512 /* of what names a place in the log */

static void count_source(ds_driver *d, ds_source_counts *counts, const ds_task_result *result)
{
    DS_ASSERT(counts >= d->counts && counts < d->counts + d->n_intakes);
    counts->rows += result->rows_in;
    counts->bytes += result->bytes_in;
    counts->replaced += result->replaced;
    counts->lost_bytes += result->lost_bytes;
    d->progress.bytes_lost += result->lost_bytes;
    ds_driver_lose_logged(d, &result->damaged, &result->missing);
    uint64_t bad = 0;
    for (int i = 0; i < DS_BAD_REASONS; i++) {
        counts->bad[i] += result->bad[i];
        bad += result->bad[i];
    }
    counts->bad_total += bad;
    d->progress.bad_total += bad;
}

static void count_errors(ds_progress *p, const ds_task_result *result)
{
    p->overflow_rows += result->overflow_rows;
    p->overflow_values += result->overflow_values;
    p->function_rows += result->function_rows;
    p->function_values += result->function_values;
}

static void count_result(ds_driver *d, ds_batch *batch, const ds_task_result *result)
{
    ds_progress *p = &d->progress;
    batch->rows_in += result->rows_in;
    p->rows_in += result->rows_in;
    p->bytes_in += result->bytes_in;
    count_errors(p, result);
    p->spilled_bytes += result->spilled_bytes;
    const ds_node *root = d->plan->stages[result->stage].root;
    if (root->kind != DS_NODE_SOURCE)
        return;
    ptrdiff_t source = root->source - d->plan->app->sources;
    count_source(d, &d->counts[source], result);
    for (int i = 0; i < DS_BAD_REASONS; i++)
        batch->bad[source] += result->bad[i];
}

/* Bad records are shown at a limited rate; all are counted. True if one more may be shown. */
static bool may_show(ds_driver *d, ds_intake *intake)
{
    if (d->now_us - intake->shown_since_us >= DS_SHOWN_EVERY_US) {
        if (intake->hidden > 0)
            ds_log_warn("source %s: %" PRIu64 " more bad records were counted and not shown",
                        intake->source->name, intake->hidden);
        intake->shown_since_us = d->now_us;
        intake->shown = intake->hidden = 0;
    }
    if (intake->shown >= DS_SHOWN_MOST)
        return false;
    intake->shown++;
    return true;
}

static void show_sample(const char *name, const ds_bad_sample *sample)
{
    if (sample->reason < DS_BAD_REASONS)
        ds_log_warn("source %s: bad record (%s): %s: %s", name,
                    ds_bad_reason_name((ds_bad_reason)sample->reason), sample->where,
                    sample->detail);
    else
        ds_log_warn("source %s: %s: %s", name, sample->where, sample->detail);
}

static void show_samples(ds_driver *d, ds_intake *intake, const ds_task_result *result)
{
    uint64_t bad = 0, shown = 0;
    for (int i = 0; i < DS_BAD_REASONS; i++)
        bad += result->bad[i];
    for (uint32_t i = 0; i < result->n_samples; i++) {
        if (result->samples[i].reason == DS_SAMPLE_FUNCTION)
            continue;
        if (!may_show(d, intake))
            break;
        show_sample(intake->source->name, &result->samples[i]);
        shown += result->samples[i].reason < DS_BAD_REASONS;
    }
    intake->hidden += bad > shown ? bad - shown : 0;
}

static void show_overflow(const char *where, const ds_task_result *result)
{
    if (result->overflow_rows > 0)
        ds_log_warn("%s: %" PRIu64 " rows were dropped for an overflow", where,
                    result->overflow_rows);
    if (result->overflow_values > 0)
        ds_log_warn("%s: %" PRIu64 " values became null for an overflow", where,
                    result->overflow_values);
}

/* Most results have none, and then there is nothing to write. */
static void show_errors(ds_driver *d, const ds_task_result *result)
{
    if (result->overflow_rows == 0 && result->overflow_values == 0 && result->function_rows == 0 &&
        result->function_values == 0 && result->n_samples == 0)
        return;
    char time[DS_CLOCK_TEXT], where[WHERE_TEXT];
    snprintf(where, sizeof where, "stream %s, batch %s",
             d->plan->stages[result->stage].root->stream, ds_clock_text(result->batch_ms, time));
    show_overflow(where, result);
    ds_driver_show_faults(d, where, result);
}

void ds_driver_count_result(ds_driver *d, ds_batch *batch, const ds_task_result *result)
{
    const ds_node *root = d->plan->stages[result->stage].root;
    count_result(d, batch, result);
    if (root->kind == DS_NODE_SOURCE)
        show_samples(d, &d->intakes[root->source - d->plan->app->sources], result);
    show_errors(d, result);
}

void ds_driver_count_table(ds_driver *d, uint32_t source, const ds_task_result *result)
{
    char where[WHERE_TEXT];
    snprintf(where, sizeof where, "table %s", d->counts[source].name);
    count_source(d, &d->counts[source], result);
    count_errors(&d->progress, result);
    show_samples(d, &d->intakes[source], result);
    show_overflow(where, result);
    ds_driver_show_faults(d, where, result);
}

/* A batch runs again for what is kept, and what it was given is not there any more: windows and
 * state lack it from now on. Its bad records were shown when it ran first. */
void ds_driver_count_missing(ds_driver *d, const ds_task_result *result, const ds_task_loss *more)
{
    const ds_node *root = d->plan->stages[result->stage].root;
    char time[DS_CLOCK_TEXT];
    ds_clock_text(result->batch_ms, time);
    for (uint32_t i = 0; i < result->n_samples && root->kind == DS_NODE_SOURCE; i++)
        if (result->samples[i].reason == DS_BAD_REASON_SLOTS)
            ds_log_error("source %s: batch %s is applied again, and windows and state lack some "
                         "of it: %s: %s",
                         root->source->name, time, result->samples[i].where,
                         result->samples[i].detail);
    if (root->kind != DS_NODE_SOURCE)
        return;
    DS_ASSERT(result->lost_bytes >= more->bytes);
    ds_driver_lose_logged(d, &more->damaged, &more->missing);
    d->counts[root->source - d->plan->app->sources].lost_bytes += more->bytes;
    d->progress.bytes_lost += more->bytes;
}
