/*
 * The batch clock: when the next batch is due, what it waits for (receivers that cut, folders that
 * are listed), and what it is given.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- the tick ---- */

static void add_cuts(ds_driver *d)
{
    d->tick.n_cuts_due = 0;
    d->tick.cuts_due = ds_realloc(d->tick.cuts_due, d->n_intakes + 1, sizeof *d->tick.cuts_due);
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        const ds_intake *intake = &d->intakes[i];
        ds_executor_entry *entry = ds_registry_find(&d->registry, intake->executor_id);
        if (intake->phase != DS_INTAKE_RUNNING || !ds_intake_has_receiver(intake) ||
            entry == NULL || entry->peer == 0)
            continue;
        bool known = false;
        for (uint32_t k = 0; k < d->tick.n_cuts_due; k++)
            known = known || d->tick.cuts_due[k] == entry->id;
        if (known)
            continue;
        d->tick.cuts_due[d->tick.n_cuts_due++] = entry->id;
        DS_ASSERT(d->tick.n_cuts_due <= d->n_intakes);
        ds_message message = {.type = DS_MSG_CUT};
        message.cut.tick = d->tick.number;
        ds_driver_send(d, entry, &message);
    }
}

/* Lists the folders of `files` sources; with --available-now once. */
static void ask_lists(ds_driver *d)
{
    d->tick.lists_due = 0;
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        ds_intake *intake = &d->intakes[i];
        if (!intake->needed || intake->source->type != DS_SOURCE_FILES ||
            intake->source->batches != NULL || (d->config.available_now && intake->listed) ||
            d->phase == DS_PHASE_STOPPING)
            continue;
        d->tick.lists_due++;
        d->ports.list_files(d->ports.arg, i);
    }
}

static void begin_tick(ds_driver *d, int64_t time_ms)
{
    DS_ASSERT(!d->tick.active && time_ms > d->last_ms);
    d->tick.active = true;
    d->tick.time_ms = time_ms;
    d->tick.number++;
    d->tick.cut = false;
    d->tick.deadline_us = d->now_us + DS_CUT_WAIT_US;
    add_cuts(d);
    ask_lists(d);
    ds_driver_ask_tails(d);
}

void ds_driver_on_cut_done(ds_driver *d, uint64_t executor_id, uint64_t number)
{
    if (!d->tick.active || number != d->tick.number)
        return;
    for (uint32_t i = 0; i < d->tick.n_cuts_due; i++)
        if (d->tick.cuts_due[i] == executor_id)
            d->tick.cuts_due[i--] = d->tick.cuts_due[--d->tick.n_cuts_due];
}

void ds_driver_on_files(ds_driver *d, const ds_driver_event *event)
{
    DS_ASSERT(event->source < d->n_intakes);
    ds_intake *intake = &d->intakes[event->source];
    if (d->tick.lists_due > 0)
        d->tick.lists_due--;
    if (event->status != DS_OK) {
        /* A folder that is not there at the start is an error of whoever typed the name. */
        if (!intake->listed) {
            ds_driver_end(d, event->status, event->text);
        } else if (!intake->list_failed) {
            ds_log_error("source %s: %s; trying again at every batch", intake->source->name,
                         event->text);
            intake->list_failed = true;
        }
        return;
    }
    intake->list_failed = false;
    bool skip = !intake->ever_listed && intake->source->new_files_only;
    ds_intake_list(intake, event->files, event->n_files, skip);
    intake->ever_listed = true;
    if (skip && d->config.checkpoint) /* a restart has to know which files were old */
        ds_driver_journal(d, NULL, true);
}

/* ---- allotment ---- */

static void count_dropped(ds_driver *d, ds_intake *intake)
{
    if (intake->too_long > 0)
        ds_log_warn("source %s: %" PRIu64 " records longer than limits.record (%" PRId64
                    " bytes) were dropped",
                    intake->source->name, intake->too_long, d->plan->app->limits_record);
    intake->counts->bad[DS_BAD_TOO_LONG] += intake->too_long;
    intake->counts->bad_total += intake->too_long;
    d->progress.bad_total += intake->too_long;
    intake->too_long = 0;
}

static bool is_fatal(const ds_intake *intake)
{
    return intake->too_long > 0 && intake->source->on_error == DS_ON_ERROR_FAIL;
}

static void end_for_length(ds_driver *d, const ds_intake *intake)
{
    char text[DS_ERROR_TEXT];
    snprintf(text, sizeof text,
             "source %s: bad record: longer than limits.record (%" PRId64 " bytes)",
             intake->source->name, d->plan->app->limits_record);
    ds_driver_end(d, DS_ERR_DATA, text);
}

static bool allot_sources(ds_driver *d, ds_batch *batch)
{
    bool any = false;
    uint64_t most = ds_driver_most_of_files(d);
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        ds_intake *intake = &d->intakes[i];
        if (!intake->needed || intake->source->type == DS_SOURCE_TABLE)
            continue;
        if (is_fatal(intake))
            end_for_length(d, intake);
        count_dropped(d, intake);
        ds_allotment *allotment = &batch->allotments[batch->n_allotments++];
        DS_ASSERT(batch->n_allotments <= d->n_intakes);
        if (ds_intake_has_receiver(intake))
            intake->most_records = ds_driver_most_records(d, i);
        else
            intake->most_bytes = ds_driver_most_bytes(d, i, most);
        ds_intake_allot(intake, batch, d->plan->app->interval_ms,
                        (uint64_t)d->plan->app->limits_block, allotment);
        d->progress.blocks_single += intake->single_blocks;
        intake->single_blocks = 0;
        intake->counts->bytes_behind = ds_tail_files_behind(&intake->tail);
        any = any || allotment->n_inputs > 0;
        if (d->config.available_now && intake->source->type == DS_SOURCE_RATE)
            intake->phase = DS_INTAKE_ENDED; /* what is there now: one batch of it */
    }
    return any;
}

static bool has_blocks_of(const ds_driver *d, uint64_t executor_id)
{
    for (uint32_t i = 0; i < d->n_intakes; i++)
        for (size_t b = 0; b < d->intakes[i].n_blocks; b++)
            if (d->intakes[i].blocks[b].executor_id == executor_id ||
                d->intakes[i].blocks[b].replica.executor_id == executor_id)
                return true;
    return false;
}

/* Blocks of executors that are gone belong to this batch now, unless some wait for a later one. */
static void bound_stores(ds_driver *d, int64_t time_ms)
{
    for (size_t i = 0; i < d->registry.n; i++) {
        ds_executor_entry *entry = d->registry.list[i];
        if (entry->state == DS_EXECUTOR_GONE && entry->hold_until_ms == INT64_MAX &&
            !has_blocks_of(d, entry->id))
            entry->hold_until_ms = time_ms;
    }
}

/* given: it takes the input that there is. */
static bool all_ended(const ds_driver *d);

/* True if no batch comes after this one, as far as is known. */
static bool is_last(const ds_driver *d, int64_t time_ms)
{
    if (d->phase == DS_PHASE_STOPPING || d->last_batch)
        return d->last_batch;
    if (d->config.n_batches > 0 || !(d->input_ended || all_ended(d)))
        return false;
    int64_t input = d->last_input_ms != DS_NO_BATCH ? d->last_input_ms : time_ms;
    return ds_plan_drain_next(d->plan, input, time_ms) == 0;
}

/* A stop leaves what is due to the next start, which makes up for missed times, if nothing came:
 * else quick restarts would take the batch times ahead of the clock. */
static bool leaves_rest(const ds_driver *d)
{
    return d->phase == DS_PHASE_STOPPING && d->config.checkpoint && !ds_driver_has_changed(d);
}

static void pass(ds_driver *d, int64_t time_ms, bool given)
{
    DS_ASSERT(time_ms > d->last_ms && time_ms % d->plan->app->interval_ms == 0);
    ds_batch *batch = ds_batch_new(d->plan, time_ms);
    ds_driver_batch_due(d, batch);
    const int64_t before_ms = d->last_ms;
    d->last_ms = time_ms;
    d->n_passed++;
    bool any = given && allot_sources(d, batch);
    ds_driver_give_tables(d, batch);
    if (given)
        bound_stores(d, time_ms);
    if (any || (d->last_input_ms == DS_NO_BATCH && d->n_tables == d->n_intakes))
        d->last_input_ms = time_ms; /* of an app with nothing but tables, the first one */
    const bool fed = ds_driver_give_letters(d, batch) || any;
    const bool idle = !fed && (!batch->due.any || leaves_rest(d));
    bool saves = ds_driver_save_due(d, time_ms, is_last(d, time_ms), idle);
    if (d->phase == DS_PHASE_ENDED || (idle && !saves)) {
        if (d->phase == DS_PHASE_STOPPING)
            d->last_ms = before_ms; /* windows that are due then are left open */
        ds_batch_free(batch);       /* nothing can come of it */
        ds_driver_drop_stores(d);
        return;
    }
    batch->replays = d->config.saves;
    if (saves)
        ds_driver_begin_save(d, batch);
    ds_batch_make_stages(batch, d->plan, (uint64_t)d->plan->app->limits_block);
    ds_driver_add_batch(d, batch);
    if (!d->config.checkpoint)
        return;
    ds_buffer line = {0};
    ds_journal_allotted(&line, d->plan, batch);
    ds_driver_journal(d, &line, false); /* made durable with its commit record */
    ds_buffer_fini(&line);
}

/* ---- when ---- */

static bool has_ended(const ds_driver *d, const ds_intake *intake)
{
    if (!intake->needed || intake->source->type == DS_SOURCE_TABLE)
        return true;
    if (ds_intake_has_more(intake))
        return false;
    if (intake->source->batches != NULL)
        return true;
    if (intake->source->type == DS_SOURCE_FILES || intake->source->type == DS_SOURCE_TAIL)
        return d->config.available_now && intake->listed;
    return intake->phase == DS_INTAKE_ENDED;
}

static bool all_ended(const ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++)
        if (!has_ended(d, &d->intakes[i]))
            return false;
    return d->n_passed > 0 || d->config.recovered != NULL;
}

/* True if the next batch need not wait for its time. Where a rate has to know first how many
 * records were read it would pass by times at which it gives nothing, as fast as it can. */
static bool hurries(const ds_driver *d)
{
    if (d->config.virtual_time)
        return true;
    if (!d->config.available_now)
        return false;
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        const ds_intake *intake = &d->intakes[i];
        if (!intake->needed)
            continue;
        bool looks = intake->source->type == DS_SOURCE_FILES || ds_intake_follows(intake);
        if ((ds_driver_is_worth_a_batch(d, intake) && !ds_driver_rate_waits(d, i)) ||
            (looks && !intake->listed))
            return true;
    }
    return all_ended(d);
}

/* Times that were passed with nothing to do are not run batch by batch when no window and no total
 * could be due in them, however few they are. */
static void skip_idle_time(ds_driver *d)
{
    int64_t interval = d->plan->app->interval_ms;
    if (d->config.virtual_time || d->batches != NULL || d->wall_ms - d->last_ms < 2 * interval)
        return;
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        if (ds_stage_always(&d->plan->stages[s]))
            return;
    for (uint32_t i = 0; i < d->n_intakes; i++)
        if (d->intakes[i].needed &&
            (d->intakes[i].source->batches != NULL || d->intakes[i].source->type == DS_SOURCE_RATE))
            return;
    int64_t before = d->last_ms;
    d->last_ms = ds_floor_to(d->wall_ms, interval) - interval;
    DS_ASSERT(d->last_ms >= before);
}

/* Whatever was missed before it. */
static void pass_now(ds_driver *d, int64_t time_ms)
{
    d->gap_to_ms = DS_NO_BATCH;
    pass(d, time_ms, true);
}

static void drain(ds_driver *d)
{
    int64_t input = d->last_input_ms != DS_NO_BATCH ? d->last_input_ms : d->last_ms;
    int64_t next = ds_plan_drain_next(d->plan, input, d->last_ms);
    DS_ASSERT(next == 0 || next > d->last_ms);
    if (next == 0) {
        d->last_batch = true;
        ds_driver_save_anew(d);
    } else {
        pass_now(d, next);
    }
}

/* Virtual time stops after its number of batches, and never before. */
static bool is_over(const ds_driver *d)
{
    return d->config.n_batches > 0 && d->n_passed >= d->config.n_batches;
}

static void name_open_window(const ds_driver *d, const ds_node *root)
{
    DS_ASSERT(root->stage < d->plan->n_stages);
    char since[DS_CLOCK_TEXT], due[DS_CLOCK_TEXT];
    int64_t reported = ds_floor_to(d->last_ms, root->slide_ms);
    int64_t input_ms = d->stage_input_ms[root->stage];
    if (input_ms < d->recovered_input_ms)
        input_ms = d->recovered_input_ms; /* it may have had some then */
    if (ds_node_is_windowed(root) && input_ms > reported)
        ds_log_warn("stream %s: a window was left open: what came since %s would have been "
                    "reported at %s",
                    root->stream, ds_clock_text(reported, since),
                    ds_clock_text(reported + root->slide_ms, due));
}

void ds_driver_name_open_windows(const ds_driver *d)
{
    for (uint32_t s = 0; s < d->plan->n_stages; s++) {
        const ds_stage *stage = &d->plan->stages[s];
        for (uint32_t i = 0; i < stage->n_inputs; i++)
            name_open_window(d, stage->inputs[i].root);
    }
}

static void finish_stopping(ds_driver *d)
{
    DS_ASSERT(d->phase == DS_PHASE_STOPPING && !d->tick.active);
    if (d->last_batch)
        return;
    ds_driver_await_replicas(d);
    const bool waiting = !ds_driver_receivers_ended(d) || ds_driver_awaits_replicas(d);
    if (waiting && d->now_us < d->stop_deadline_us)
        return;
    if (ds_driver_save_under_way(d))
        return;
    ds_driver_waive_replicas(d);
    d->last_batch = true;
    pass_now(d, d->last_ms + d->plan->app->interval_ms);
}

static void finish_tick(ds_driver *d)
{
    DS_ASSERT(d->tick.active);
    if (d->tick.n_cuts_due == 0 && !d->tick.cut)
        ds_driver_await_replicas(d);
    d->tick.cut = d->tick.n_cuts_due == 0;
    bool waiting = !d->tick.cut || ds_driver_awaits_replicas(d);
    if (d->tick.lists_due > 0 || (waiting && d->now_us < d->tick.deadline_us))
        return;
    d->tick.active = false;
    pass(d, d->tick.time_ms, true);
}

void ds_driver_ticks(ds_driver *d)
{
    if (d->phase == DS_PHASE_ENDED)
        return;
    if (d->tick.active)
        finish_tick(d);
    if (ds_driver_wants_last_save(d) && d->now_us >= d->save.not_before_us) {
        d->n_last_saves++;
        pass_now(d, d->last_ms + d->plan->app->interval_ms);
    }
    if (d->tick.active || d->last_batch || d->phase == DS_PHASE_ENDED || !ds_driver_tables_ready(d))
        return;
    if (d->phase == DS_PHASE_STOPPING) {
        finish_stopping(d);
        return;
    }
    if (is_over(d)) {
        d->last_batch = true;
        return;
    }
    if (d->n_batches >= DS_QUEUED_BATCHES || ds_driver_waits_for_save(d))
        return;
    if (!d->input_ended && d->config.n_batches == 0 && all_ended(d))
        d->input_ended = true;
    if (d->input_ended) {
        drain(d);
        return;
    }
    int64_t missed = ds_driver_gap_next(d);
    if (missed != DS_NO_BATCH && missed != INT64_MAX)
        pass(d, missed, false);
    if (missed != DS_NO_BATCH)
        return;
    skip_idle_time(d);
    int64_t next = d->last_ms + d->plan->app->interval_ms;
    if (hurries(d) || d->wall_ms >= next) {
        begin_tick(d, next);
        finish_tick(d);
    }
}

void ds_driver_ticks_deadline(const ds_driver *d, int64_t *mono_us, int64_t *wall_ms)
{
    if (!ds_driver_tables_ready(d))
        return;
    if (d->phase == DS_PHASE_STOPPING && !d->last_batch && d->now_us < d->stop_deadline_us)
        *mono_us = d->stop_deadline_us;
    if (d->tick.active && (d->tick.n_cuts_due > 0 || ds_driver_awaits_replicas(d)))
        *mono_us = d->tick.deadline_us;
    if (ds_driver_wants_last_save(d))
        *mono_us = d->save.not_before_us > d->now_us ? d->save.not_before_us : d->now_us;
    if (d->phase != DS_PHASE_RUNNING || d->tick.active || d->last_batch ||
        d->n_batches >= DS_QUEUED_BATCHES)
        return;
    if (ds_driver_waits_for_save(d)) {
        if (d->save.not_before_us > d->now_us)
            *mono_us = d->save.not_before_us;
        return;
    }
    for (uint32_t i = 0; i < d->n_intakes; i++)
        if (d->intakes[i].retry_us > d->now_us && d->intakes[i].retry_us < *mono_us)
            *mono_us = d->intakes[i].retry_us;
    if (d->input_ended || hurries(d))
        *mono_us = d->now_us;
    else if (d->gap_to_ms == DS_NO_BATCH || !d->gap_waits)
        *wall_ms = d->last_ms + d->plan->app->interval_ms;
}
