#include "driver/driver.h"

#include "base/assert.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int64_t *no_batches(uint32_t n)
{
    int64_t *times = ds_calloc(n, sizeof *times);
    for (uint32_t i = 0; i < n; i++)
        times[i] = DS_NO_BATCH;
    return times;
}

static ds_keyed *no_partitions(uint32_t n)
{
    ds_keyed *keyed = ds_calloc(n, sizeof *keyed);
    for (uint32_t i = 0; i < n; i++)
        keyed[i].stands_ms = DS_NO_BATCH;
    return keyed;
}

static ds_append_end *unknown_ends(uint32_t n)
{
    ds_append_end *ends = ds_calloc(n, sizeof *ends);
    for (uint32_t i = 0; i < n; i++)
        ends[i].length = DS_APPEND_UNKNOWN;
    return ends;
}

static void make_keyed(ds_driver *d)
{
    d->owners = ds_calloc(d->plan->key_partitions, sizeof *d->owners);
    d->task_us = ds_calloc(d->plan->n_stages, sizeof *d->task_us);
    d->keyed = ds_calloc(d->plan->n_stages, sizeof *d->keyed);
    ds_chains_init(&d->chains, d->plan);
    d->stage_input_ms = no_batches(d->plan->n_stages);
    d->last_input_ms = d->recovered_input_ms = DS_NO_BATCH;
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        if (d->plan->stages[s].keyed)
            d->keyed[s] = no_partitions(d->plan->stages[s].n_partitions);
    d->acts_ms = ds_calloc(d->plan->n_stages, sizeof *d->acts_ms);
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        if (d->plan->stages[s].keyed)
            d->acts_ms[s] = no_batches(d->plan->stages[s].n_partitions);
    d->gap_to_ms = d->recovered_ms = DS_NO_BATCH;
}

ds_driver *ds_driver_new(const ds_driver_config *config, const ds_driver_ports *ports)
{
    DS_ASSERT(config->epoch != 0);
    DS_ASSERT(!config->checkpoint || !config->saves || config->kept_folder != NULL);
    ds_driver *d = ds_calloc(1, sizeof *d);
    d->config = *config;
    d->ports = *ports;
    d->plan = config->plan;
    d->plan_text = ds_app_canonical(config->plan->app);
    ds_random_init(&d->random, config->seed);
    ds_registry_init(&d->registry);
    d->round_arena = ds_arena_new(NULL);
    d->relaunch_us = INT64_MAX;
    d->relaunch_wait_us = DS_RELAUNCH_US;
    d->n_intakes = d->plan->app->n_sources;
    d->intakes = ds_calloc(d->n_intakes, sizeof *d->intakes);
    d->counts = ds_calloc(d->n_intakes, sizeof *d->counts);
    d->progress.sources = d->counts;
    d->progress.n_sources = d->n_intakes;
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        ds_intake_init(&d->intakes[i], d->plan, i);
        d->intakes[i].counts = &d->counts[i];
        d->counts[i].name = d->plan->app->sources[i].name;
        d->counts[i].follows = ds_intake_follows(&d->intakes[i]);
    }
    ds_driver_share_files(d);
    ds_driver_make_rates(d);
    ds_driver_make_figures(d);
    ds_driver_open_logs(d);
    make_keyed(d);
    d->append_ends = unknown_ends(d->plan->n_sinks);
    d->zero_ms = d->last_ms = config->start_ms;
    const ds_recovered *recovered = config->recovered;
    if (recovered != NULL)
        ds_driver_recover(d, recovered);
    ds_driver_make_tables(d);
    if (recovered != NULL)
        ds_driver_recover_batches(d, recovered);
    return d;
}

void ds_driver_free(ds_driver *d)
{
    if (d == NULL)
        return;
    while (d->batches != NULL) {
        ds_batch *batch = d->batches;
        d->batches = batch->next;
        ds_batch_free(batch);
    }
    for (uint32_t i = 0; i < d->n_intakes; i++)
        ds_intake_fini(&d->intakes[i]);
    for (uint32_t i = 0; i < d->n_tables; i++)
        ds_table_fini(&d->tables[i]);
    free(d->tables);
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        free(d->keyed[s]);
    free(d->keyed);
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        free(d->acts_ms[s]);
    free(d->acts_ms);
    free(d->stage_input_ms);
    free(d->owners);
    free(d->task_us);
    free(d->append_ends);
    ds_marks_fini(&d->marks);
    ds_marks_fini(&d->covered_marks);
    free(d->intakes);
    free(d->counts);
    free(d->rates);
    ds_driver_free_figures(d);
    free(d->tick.cuts_due);
    free(d->plan_text);
    ds_driver_forget_releases(d);
    ds_copies_fini(&d->copies);
    ds_retained_fini(&d->retained);
    ds_failed_fini(&d->failed);
    ds_driver_free_save(d);
    ds_registry_fini(&d->registry);
    ds_arena_free(d->round_arena);
    free(d);
}

const char *ds_driver_kept_folder(const ds_driver *d)
{
    return d->config.checkpoint && d->config.kept_folder != NULL ? d->config.kept_folder : "";
}

const ds_progress *ds_driver_progress(const ds_driver *d)
{
    return &d->progress;
}

void ds_driver_send(ds_driver *d, const ds_executor_entry *to, ds_message *message)
{
    DS_ASSERT(to->peer != 0);
    message->epoch = d->config.epoch;
    d->ports.send(d->ports.arg, to->peer, message);
}

void ds_driver_send_later(ds_driver *d, const ds_executor_entry *to, ds_message *message)
{
    if (d->ports.send_later == NULL) {
        ds_driver_send(d, to, message);
        return;
    }
    DS_ASSERT(to->peer != 0 && d->ports.flush != NULL);
    message->epoch = d->config.epoch;
    d->ports.send_later(d->ports.arg, to->peer, message);
}

void ds_driver_end(ds_driver *d, ds_status status, const char *message)
{
    if (d->phase == DS_PHASE_ENDED)
        return;
    d->phase = DS_PHASE_ENDED;
    for (size_t i = 0; i < d->registry.n; i++) {
        ds_executor_entry *entry = d->registry.list[i];
        if (entry->peer == 0)
            continue;
        ds_message stop = {.type = DS_MSG_STOP};
        stop.stop.reason = "the app has ended";
        ds_driver_send(d, entry, &stop);
    }
    d->ports.end(d->ports.arg, status, message);
}

/* Everything is done: the status tells whether some batch was given up. */
static void end_well(ds_driver *d)
{
    DS_ASSERT(d->batches == NULL && !d->tick.active);
    if (d->stop_asked)
        ds_driver_name_open_windows(d);
    ds_driver_give_up_saved(d);
    ds_driver_release_all(d);
    ds_driver_end(d, d->end_status, d->end_message);
}

static bool is_finished(const ds_driver *d)
{
    if (d->batches != NULL || d->tick.active || d->phase == DS_PHASE_STARTING)
        return false;
    return d->last_batch && !ds_driver_replicates(d);
}

/* What the driver before left is not even begun. */
static void stop_starting(ds_driver *d)
{
    size_t left = ds_retained_count(&d->retained) + d->n_batches;
    if (left == 0) {
        ds_driver_end(d, DS_OK, "stopped before the first batch");
        return;
    }
    char why[DS_ERROR_TEXT];
    snprintf(why, sizeof why,
             "stopped before the first batch: the next start runs %zu batches of the checkpoint "
             "again, and needs their input (files, too)",
             left);
    ds_driver_end(d, DS_ERR_IO, why);
}

static void on_stop(ds_driver *d)
{
    if (d->stop_asked)
        return;
    d->stop_asked = true;
    DS_ASSERT(d->phase != DS_PHASE_STOPPING);
    d->stop_deadline_us = d->now_us + DS_STOP_WAIT_US;
    if (d->phase == DS_PHASE_STARTING) {
        stop_starting(d);
        return;
    }
    d->phase = DS_PHASE_STOPPING;
    ds_driver_save_anew(d);
    if (d->batches != NULL && d->batches->commit_wait_us != 0)
        ds_log_warn("the stop waits for a batch whose output cannot be written; a second signal "
                    "ends at once");
    ds_driver_stop_receivers(d);
}

/* Set back by little, or before the last batch of the driver before: nothing happens until then. */
static void tell_waiting(ds_driver *d)
{
    const int64_t ahead_ms = d->last_ms - d->wall_ms;
    const bool waits = d->phase == DS_PHASE_RUNNING && ahead_ms > DS_CLOCK_TOLD_MS &&
                       !d->config.virtual_time && !d->config.available_now;
    if (waits && !d->clock_told)
        ds_log_warn("the clock is %" PRId64
                    " s before the last batch's time: the next one waits until it has caught up",
                    (ahead_ms + 999) / 1000);
    d->clock_told = waits;
}

static void read_clock(ds_driver *d, const ds_driver_event *event)
{
    bool jumped;
    DS_ASSERT(event->now_us >= d->now_us);
    d->now_us = event->now_us;
    d->wall_ms = ds_batch_clock_read(&d->clock, event->now_us, event->wall_ms, &jumped);
    if (jumped && !d->config.virtual_time)
        ds_log_warn("the clock was set back by %" PRId64
                    " s: batch times go on from where they were, "
                    "ahead of it",
                    (d->wall_ms - event->wall_ms) / 1000);
    tell_waiting(d);
}

void ds_driver_step(ds_driver *d, const ds_driver_event *event)
{
    if (d->phase == DS_PHASE_ENDED)
        return;
    read_clock(d, event);
    switch (event->kind) {
    case DS_DRIVER_STARTED:
        ds_driver_launch_all(d);
        ds_driver_find_tails(d);
        break;
    case DS_DRIVER_TIME: ds_driver_lose_silent(d); break;
    case DS_DRIVER_MESSAGE: ds_driver_on_message(d, event->peer, event->message); break;
    case DS_DRIVER_PEER_LOST: ds_driver_on_peer_lost(d, event->peer); break;
    case DS_DRIVER_EXECUTOR_EXITED: ds_driver_on_exited(d, event->executor_id, event->text); break;
    case DS_DRIVER_FILES: ds_driver_on_files(d, event); break;
    case DS_DRIVER_FOLLOWED: ds_driver_on_followed(d, event); break;
    case DS_DRIVER_LOGGED: ds_driver_on_logged(d, event); break;
    case DS_DRIVER_JOURNALED:
        ds_driver_on_journaled(d, event->ticket, event->status, event->text);
        break;
    case DS_DRIVER_COMMITTED: ds_driver_on_committed(d, event); break;
    case DS_DRIVER_STOP: on_stop(d); break;
    }
    if (d->phase != DS_PHASE_ENDED)
        ds_driver_watch_copies(d);
    if (d->phase != DS_PHASE_ENDED)
        ds_driver_watch_executors(d);
    if (d->phase == DS_PHASE_RUNNING || d->phase == DS_PHASE_STOPPING) {
        ds_driver_watch_behind(d);
        ds_driver_watch_tables(d);
        ds_driver_replicate(d);
        ds_driver_watch_logs(d);
        ds_driver_watch_tails(d);
        ds_driver_ticks(d);
        ds_driver_batches(d);
        ds_driver_watch_save(d);
        ds_driver_dispatch(d);
        /* A batch without tasks is done at once, and may let the next tick begin. */
        ds_driver_ticks(d);
        if (is_finished(d) && ds_driver_save_ends(d) && !ds_driver_wants_last_save(d) &&
            ds_driver_marks_end(d))
            end_well(d);
    }
}

/* When each matter wants to be looked at next (monotonic, us). */
static int64_t (*const deadlines[])(const ds_driver *) = {
    ds_driver_copies_deadline, ds_driver_dispatch_deadline, ds_driver_behind_deadline,
    ds_driver_tables_deadline, ds_driver_replicas_deadline, ds_driver_logs_deadline,
    ds_driver_tails_deadline};

void ds_driver_deadline(const ds_driver *d, int64_t *mono_us, int64_t *wall_ms)
{
    *mono_us = *wall_ms = INT64_MAX;
    if (d->phase == DS_PHASE_ENDED)
        return;
    int64_t executors = ds_driver_executors_deadline(d);
    if (d->phase != DS_PHASE_STARTING) { /* batches of the driver before wait for executors, too */
        ds_driver_ticks_deadline(d, mono_us, wall_ms);
        for (size_t i = 0; i < sizeof deadlines / sizeof *deadlines; i++) {
            int64_t due = deadlines[i](d);
            *mono_us = due < *mono_us ? due : *mono_us;
        }
    }
    if (executors < *mono_us)
        *mono_us = executors;
    int64_t paced_us =
        *wall_ms == INT64_MAX ? INT64_MAX : ds_batch_clock_when_us(&d->clock, *wall_ms);
    if (paced_us != INT64_MAX) {
        *mono_us = paced_us < *mono_us ? paced_us : *mono_us;
        *wall_ms = INT64_MAX;
    }
}
