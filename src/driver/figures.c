/*
 * Counting, by sink and by stream; how far behind the batches are; and what lives now.
 *
 * A batch is late from its batch time on until it is committed. When one is
 * late by some intervals, that is logged, again and again at a limited rate, and that it is over.
 */
#include "base/assert.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BEHIND_INTERVALS 3   /* late by so many, ... */
#define BEHIND_LEAST_MS 1000 /* ... and so long */
#define BEHIND_EVERY_US INT64_C(10000000)

/* ---- names ---- */

static uint32_t stream_of(ds_driver *d, const char *name)
{
    for (uint32_t i = 0; i < d->n_stream_counts; i++)
        if (strcmp(d->stream_counts[i].name, name) == 0)
            return i;
    d->stream_counts[d->n_stream_counts].name = name;
    return d->n_stream_counts++;
}

void ds_driver_make_figures(ds_driver *d)
{
    uint32_t n_inputs = 0;
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        n_inputs += d->plan->stages[s].n_inputs + 1;
    d->stream_counts = ds_calloc(n_inputs + 1, sizeof *d->stream_counts);
    d->node_streams = ds_calloc(d->plan->n_nodes + 1, sizeof *d->node_streams);
    for (uint32_t s = 0; s < d->plan->n_stages; s++) {
        const ds_stage *stage = &d->plan->stages[s];
        d->node_streams[stage->root->id] = stream_of(d, stage->root->stream);
        for (uint32_t i = 0; i < stage->n_inputs; i++)
            d->node_streams[stage->inputs[i].root->id] =
                stream_of(d, stage->inputs[i].root->stream);
    }
    DS_ASSERT(d->n_stream_counts <= n_inputs);
    d->sink_counts = ds_calloc(d->plan->n_sinks + 1, sizeof *d->sink_counts);
    for (uint32_t i = 0; i < d->plan->n_sinks; i++)
        d->sink_counts[i].name = d->plan->sinks[i]->name;
    d->progress.sinks = d->sink_counts;
    d->progress.n_sinks = d->plan->n_sinks;
    d->progress.streams = d->stream_counts;
    d->progress.n_streams = d->n_stream_counts;
}

void ds_driver_free_figures(ds_driver *d)
{
    free(d->stream_counts);
    free(d->node_streams);
    free(d->sink_counts);
}

/* ---- counting ---- */

static ds_stream_counts *counts_of(ds_driver *d, uint32_t stage)
{
    DS_ASSERT(stage < d->plan->n_stages);
    return &d->stream_counts[d->node_streams[d->plan->stages[stage].root->id]];
}

void ds_driver_figure_result(ds_driver *d, const ds_task_result *result)
{
    ds_stream_counts *counts = counts_of(d, result->stage);
    counts->tasks++;
    counts->busy_us += result->busy_us;
    for (uint32_t i = 0; i < result->n_outputs; i++) {
        const ds_output *output = &result->outputs[i];
        if (output->kind != DS_OUTPUT_PIECES)
            continue;
        const ds_stage *stage = &d->plan->stages[output->target];
        DS_ASSERT(output->input < stage->n_inputs);
        d->stream_counts[d->node_streams[stage->inputs[output->input].root->id]].rows +=
            output->rows;
    }
}

void ds_driver_figure_failure(ds_driver *d, uint32_t stage)
{
    counts_of(d, stage)->failures++;
}

static void count_sink(ds_driver *d, uint32_t sink, uint64_t rows, uint64_t bytes, bool failed)
{
    if (sink >= d->plan->n_sinks)
        return; /* of an app that was another one then */
    d->sink_counts[sink].rows += failed ? 0 : rows;
    d->sink_counts[sink].bytes += failed ? 0 : bytes;
}

/* A sink of a failed commit counts once, however many files it has there. */
static void count_failure(ds_driver *d, uint32_t sink, uint32_t *last)
{
    if (sink < d->plan->n_sinks && sink != *last)
        d->sink_counts[sink].failures++;
    *last = sink;
}

void ds_driver_figure_commit(ds_driver *d, const ds_commit *commit, bool failed)
{
    uint32_t files = UINT32_MAX, appends = UINT32_MAX, bytes = UINT32_MAX;
    for (uint32_t i = 0; i < commit->n_files; i++) {
        const ds_commit_file *file = &commit->files[i];
        count_sink(d, file->sink, file->rows, file->length, failed);
        if (failed)
            count_failure(d, file->sink, &files);
    }
    for (uint32_t i = 0; i < commit->n_appends; i++) {
        const ds_commit_append *append = &commit->appends[i];
        for (uint32_t k = 0; k < append->n_parts; k++)
            count_sink(d, append->sink, append->parts[k].rows, append->parts[k].length, failed);
        if (failed)
            count_failure(d, append->sink, &appends);
    }
    for (uint32_t i = 0; i < commit->n_bytes; i++) {
        const ds_output *output = &commit->bytes[i];
        count_sink(d, output->target, output->rows, output->length, failed);
        if (failed)
            count_failure(d, output->target, &bytes);
    }
}

void ds_driver_figure_batch(ds_driver *d, const ds_batch *batch)
{
    ds_progress *p = &d->progress;
    ds_driver_figure_commit(d, &batch->commit, false);
    ds_histogram_add(&p->delay, p->delay_us);
    if (batch->started_us == 0)
        return; /* it ran before a restart */
    ds_histogram_add(&p->processing, p->processing_us);
    ds_histogram_add(&p->scheduling, batch->started_us - batch->due_us);
}

void ds_driver_figure_save(ds_driver *d, uint32_t n_parts)
{
    DS_ASSERT(d->save.missing == 0 && d->save.parts != NULL);
    ds_histogram_add(&d->progress.saving, d->now_us - d->save.begun_us);
    for (uint32_t i = 0; i < n_parts; i++)
        d->progress.saved_bytes += d->save.parts[i].length;
}

/* ---- behind ---- */

static int64_t behind_ms(const ds_driver *d)
{
    int64_t since =
        d->batches != NULL ? d->batches->time_ms : d->last_ms + d->plan->app->interval_ms;
    return d->wall_ms > since ? d->wall_ms - since : 0;
}

/* Being so late is worth telling. */
static int64_t most_behind_ms(const ds_driver *d)
{
    int64_t most = BEHIND_INTERVALS * d->plan->app->interval_ms;
    return most > BEHIND_LEAST_MS ? most : BEHIND_LEAST_MS;
}

ds_driver_health ds_driver_get_health(const ds_driver *d)
{
    bool running = d->phase == DS_PHASE_RUNNING || d->phase == DS_PHASE_STOPPING;
    int64_t behind = running && !d->config.virtual_time ? behind_ms(d) : 0;
    return (ds_driver_health){.running = running,
                              .ran = d->progress.batches > 0 ||
                                     (d->n_passed > 0 && d->batches == NULL),
                              .executors = d->progress.executors,
                              .batches = d->n_batches,
                              .behind_ms = behind,
                              .behind = behind >= most_behind_ms(d)};
}

void ds_driver_watch_behind(ds_driver *d)
{
    ds_driver_health health = ds_driver_get_health(d);
    bool behind = health.behind && health.batches > 0 && !d->config.available_now;
    d->progress.behind_ms = health.behind_ms;
    d->progress.retained = (uint32_t)ds_retained_count(&d->retained);
    if (!behind && d->behind_shown_us != 0 && !health.behind) {
        ds_log_info("batches keep up again");
        d->behind_shown_us = 0;
    }
    if (!behind || (d->behind_shown_us != 0 && d->now_us - d->behind_shown_us < BEHIND_EVERY_US))
        return;
    DS_ASSERT(health.behind_ms >= BEHIND_LEAST_MS);
    ds_log_warn("batches wait: %u, %" PRId64 " s behind%s", health.batches, health.behind_ms / 1000,
                d->phase != DS_PHASE_STOPPING ? ""
                : health.executors == 0       ? "; the stop waits for an executor, and a second "
                                                "signal ends at once"
                                              : "; a second signal ends at once");
    d->behind_shown_us = d->now_us;
    d->progress.behind_reports++;
}

int64_t ds_driver_behind_deadline(const ds_driver *d)
{
    bool running = d->phase == DS_PHASE_RUNNING || d->phase == DS_PHASE_STOPPING;
    if (!running || d->batches == NULL || d->config.virtual_time || d->config.available_now)
        return INT64_MAX;
    if (d->behind_shown_us != 0)
        return d->behind_shown_us + BEHIND_EVERY_US;
    int64_t left_ms = most_behind_ms(d) - behind_ms(d);
    return d->now_us + (left_ms > 1 ? left_ms : 1) * 1000;
}

/* ---- what lives ---- */

uint32_t ds_driver_executors(const ds_driver *d, ds_executor_figures *list, uint32_t most)
{
    uint32_t n = 0;
    for (size_t i = 0; i < d->registry.n && n < most; i++) {
        const ds_executor_entry *entry = d->registry.list[i];
        if (entry->state == DS_EXECUTOR_GONE || entry->state == DS_EXECUTOR_LAUNCHED)
            continue;
        DS_ASSERT(entry->used_bytes >= entry->store_used);
        list[n++] = (ds_executor_figures){.slot = entry->slot,
                                          .ready = entry->state == DS_EXECUTOR_READY,
                                          .tasks = entry->running,
                                          .partitions = entry->owned,
                                          .receivers = entry->receivers,
                                          .memory_bytes = entry->used_bytes - entry->store_used,
                                          .store_bytes = entry->store_used,
                                          .store_limit_bytes = entry->store_bytes,
                                          .spill_limit_bytes = entry->spill_bytes};
    }
    return n;
}
