/*
 * The life of batches: checkpoint, run, prepare, commit in the order of time, release.
 *
 * Tickets of the journal count up; what a whole record holds makes every earlier ticket good.
 * So when a write fails (a full disk), the batches wait, and one whole record, tried again
 * until it succeeds, sets all of them free.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <stdio.h>
#include <stdlib.h>

void ds_driver_add_batch(ds_driver *d, ds_batch *batch)
{
    ds_batch **at = &d->batches;
    while (*at != NULL) {
        DS_ASSERT((*at)->time_ms < batch->time_ms);
        at = &(*at)->next;
    }
    *at = batch;
    d->n_batches++;
    ds_driver_note_tails(d, batch);
}

/* ---- journal ---- */

static void write_whole(ds_driver *d, bool sync, uint64_t ticket)
{
    ds_journal_state state = {.plan = d->plan,
                              .epoch = d->config.epoch,
                              .zero_ms = d->zero_ms,
                              .last_ms = d->last_ms,
                              .last_input_ms = d->last_input_ms,
                              .retained = &d->retained,
                              .chains = &d->chains,
                              .intakes = d->intakes,
                              .n_intakes = d->n_intakes,
                              .failed = &d->failed,
                              .batches = d->batches};
    ds_buffer line = {0};
    ds_journal_whole(&line, &state);
    d->deltas = 0;
    d->ports.journal(d->ports.arg, line.data, line.length, true, sync, ticket);
    ds_buffer_fini(&line);
}

/* Writes a delta (or, for NULL and every so often, the whole). Returns its ticket. */
uint64_t ds_driver_journal(ds_driver *d, ds_buffer *line, bool sync)
{
    DS_ASSERT(d->config.checkpoint);
    uint64_t ticket = ++d->next_ticket;
    if (d->journal_retry_us != 0)
        return ticket; /* the whole record that is being tried will hold it */
    if (sync)
        ds_driver_cover_marks(d, ticket);
    if (line == NULL || d->deltas >= DS_JOURNAL_DELTAS)
        write_whole(d, sync, ticket);
    else
        d->ports.journal(d->ports.arg, line->data, line->length, false, sync, ticket);
    d->deltas++;
    return ticket;
}

void ds_driver_sync_journal(ds_driver *d)
{
    DS_ASSERT(d->config.checkpoint);
    if (d->journal_retry_us != 0)
        return;
    uint64_t ticket = ++d->next_ticket;
    ds_driver_cover_marks(d, ticket);
    d->ports.journal(d->ports.arg, "", 0, false, true, ticket);
}

/* The whole record holds all that there was to note when it was written. */
static void write_retry(ds_driver *d)
{
    DS_ASSERT(d->journal_retry_us != 0);
    d->journal_retry_us = INT64_MAX; /* until it is answered */
    d->journal_retry_ticket = ++d->next_ticket;
    ds_driver_cover_marks(d, d->journal_retry_ticket);
    write_whole(d, true, d->journal_retry_ticket);
}

void ds_driver_on_journaled(ds_driver *d, uint64_t ticket, ds_status status, const char *why)
{
    DS_ASSERT(ticket != 0 && ticket <= d->next_ticket);
    if (status != DS_OK) {
        if (d->journal_retry_us == 0)
            ds_log_error("the checkpoint cannot be written: %s; batches wait until it can", why);
        d->journal_wait_us = d->journal_wait_us == 0 ? DS_RETRY_US : d->journal_wait_us * 2;
        if (d->journal_wait_us > DS_RETRY_MOST_US)
            d->journal_wait_us = DS_RETRY_MOST_US;
        d->journal_retry_us = d->now_us + d->journal_wait_us;
        return;
    }
    if (d->journal_retry_us != 0 && ticket < d->journal_retry_ticket)
        return; /* an answer from before the failure */
    if (d->journal_retry_us != 0 && d->next_ticket > ticket) {
        write_retry(d); /* what was to be noted since then was not written */
    } else if (d->journal_retry_us != 0) {
        ds_log_info("the checkpoint can be written again");
        d->journal_retry_us = d->journal_wait_us = 0;
    }
    d->journaled_ticket = ticket;
    ds_driver_save_durable(d, ticket);
    ds_driver_marks_journaled(d, ticket);
    for (ds_batch *batch = d->batches; batch != NULL; batch = batch->next) {
        if (batch->ticket == 0 || batch->ticket > ticket)
            continue;
        batch->ticket = 0;
        if (batch->state == DS_BATCH_PREPARED)
            batch->state = DS_BATCH_READY;
    }
    ds_driver_logs_journaled(d, ticket);
}

static void retry_journal(ds_driver *d)
{
    if (d->journal_retry_us == 0 || d->now_us < d->journal_retry_us)
        return;
    write_retry(d);
}

/* ---- over ---- */

static void remove_first(ds_driver *d)
{
    ds_batch *batch = d->batches;
    DS_ASSERT(batch != NULL && d->n_batches > 0);
    d->batches = batch->next;
    d->n_batches--;
    ds_driver_let_go(d, batch);
    ds_driver_drop_tables(d);
    ds_driver_drop_stores(d);
}

/* ---- commit ---- */

static uint64_t journal_commit(ds_driver *d, const ds_batch *batch)
{
    DS_ASSERT(batch->commit.batch_ms == batch->time_ms);
    ds_buffer line = {0};
    ds_journal_prepared(&line, batch->time_ms, &batch->commit);
    uint64_t ticket = ds_driver_journal(d, &line, true);
    ds_buffer_fini(&line);
    return ticket;
}

void ds_driver_record_commit(ds_driver *d, ds_batch *batch)
{
    DS_ASSERT(batch->state != DS_BATCH_FAILED);
    batch->state = d->config.checkpoint ? DS_BATCH_PREPARED : DS_BATCH_READY;
    if (d->config.checkpoint)
        batch->ticket = journal_commit(d, batch);
}

void ds_driver_note_bases(ds_driver *d, ds_batch *batch)
{
    DS_ASSERT(d->config.checkpoint && batch->state != DS_BATCH_COMMITTING);
    batch->bases_ticket = journal_commit(d, batch);
}

static void note_inputs(ds_driver *d, const ds_batch *batch)
{
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        if (batch->stages[s].n_inputs > 0 && d->plan->stages[s].keyed &&
            d->stage_input_ms[s] < batch->time_ms) /* it may run again, after later ones */
            d->stage_input_ms[s] = batch->time_ms;
}

static void prepare(ds_driver *d, ds_batch *batch)
{
    DS_ASSERT(batch->state == DS_BATCH_RUNNING && (batch->ticket == 0 || batch->muted));
    note_inputs(d, batch);
    if (batch->prints) {
        const ds_commit again = ds_batch_commit(batch, d->plan);
        DS_ASSERT(again.n_files == 0 && again.n_appends == 0);
        batch->commit.bytes = again.bytes;
        batch->commit.n_bytes = again.n_bytes;
    }
    if (batch->muted) { /* its commit is known, or even done; but where it begins may be new */
        batch->state = batch->ticket != 0 ? DS_BATCH_PREPARED : DS_BATCH_READY;
        return;
    }
    DS_ASSERT(!batch->recovered);
    const ds_commit earlier = batch->commit; /* of a batch that ran again */
    batch->commit = ds_batch_commit(batch, d->plan);
    ds_driver_place_appends(d, batch, &earlier);
    if (batch->stays != NULL)
        ds_driver_join_commits(d, batch);
    ds_driver_record_commit(d, batch);
    ds_driver_follow_appends(d, batch);
}

int64_t ds_driver_commit_due(const ds_driver *d, const ds_batch *batch)
{
    DS_ASSERT(batch->state == DS_BATCH_READY);
    bool noted = batch->bases_ticket <= d->journaled_ticket;
    return noted ? batch->commit_not_before_us : INT64_MAX;
}

static void begin_commit(ds_driver *d, ds_batch *batch)
{
    DS_ASSERT(batch == d->batches && batch->state == DS_BATCH_READY);
    if (d->now_us < ds_driver_commit_due(d, batch))
        return;
    batch->state = DS_BATCH_COMMITTING;
    d->ports.commit(d->ports.arg, &batch->commit);
}

static void report_progress(ds_driver *d, const ds_batch *batch)
{
    ds_progress *p = &d->progress;
    p->batch_ms = batch->time_ms;
    p->batch_rows_in = batch->rows_in;
    p->batch_rows_out = batch->rows_out;
    p->processing_us = batch->started_us == 0 ? 0 : d->now_us - batch->started_us;
    p->delay_us = (d->wall_ms - batch->time_ms) * 1000;
    p->batches++;
    p->rows_out += batch->rows_out;
    p->dead_letters += batch->dead_letters;
    for (uint32_t i = 0; i < batch->commit.n_bytes; i++)
        p->driver_bytes += batch->commit.bytes[i].length;
    p->batches_waiting = d->n_batches - 1;
    p->blocks_waiting = 0;
    for (uint32_t i = 0; i < d->n_intakes; i++)
        p->blocks_waiting += d->intakes[i].n_blocks;
    ds_driver_figure_batch(d, batch);
    d->ports.progress(d->ports.arg, p);
}

void ds_driver_back_off_commit(const ds_driver *d, ds_batch *batch)
{
    int64_t wait = batch->commit_wait_us == 0 ? DS_RETRY_US : batch->commit_wait_us * 2;
    batch->commit_wait_us = wait < DS_RETRY_MOST_US ? wait : DS_RETRY_MOST_US;
    batch->commit_not_before_us = d->now_us + batch->commit_wait_us;
}

static void on_commit_failed(ds_driver *d, ds_batch *batch, const char *why)
{
    DS_ASSERT(batch->state == DS_BATCH_COMMITTING);
    char time[DS_CLOCK_TEXT];
    if (batch->commit_wait_us == 0)
        ds_log_error("batch %s cannot be committed: %s; trying again",
                     ds_clock_text(batch->time_ms, time), why);
    ds_driver_figure_commit(d, &batch->commit, true);
    ds_driver_back_off_commit(d, batch);
    batch->state = DS_BATCH_READY;
    ds_driver_appends_failed(batch);
    ds_driver_check_outputs(d, batch);
}

/* Waiting does not help: nobody will ever read it, or somebody else writes there. */
static bool is_final(ds_status status)
{
    return status == DS_ERR_CLOSED || status == DS_ERR_UNAVAILABLE || status == DS_ERR_APP;
}

/* How much a batch was given: bytes, rows or lists, as its sources count. */
static uint64_t input_of(const ds_batch *batch)
{
    uint64_t sum = 0;
    for (uint32_t a = 0; a < batch->n_allotments; a++)
        for (uint32_t i = 0; i < batch->allotments[a].n_inputs; i++) {
            const ds_input *input = &batch->allotments[a].inputs[i];
            bool ranged = input->to > input->from;
            sum += input->ref.length > 0 ? input->ref.length : ranged ? input->to - input->from : 1;
        }
    return sum;
}

/* A small batch that finds memory does not say that the next large one will. */
static void note_memory(ds_driver *d, const ds_batch *batch)
{
    if (batch->rows_in == 0 || input_of(batch) < d->short_input / 2)
        return;
    d->n_short = 0;
    d->short_input = 0;
}

void ds_driver_on_committed(ds_driver *d, const ds_driver_event *event)
{
    ds_batch *batch = d->batches;
    if (batch == NULL || batch->time_ms != event->batch_ms || batch->state != DS_BATCH_COMMITTING)
        return;
    if (is_final(event->status)) {
        ds_driver_end(d, event->status, event->text);
        return;
    }
    if (event->status != DS_OK) {
        on_commit_failed(d, batch, event->text);
        return;
    }
    if (event->lost != NULL) {
        ds_driver_remake(d, batch, event->ends, event->lost);
        return;
    }
    if (event->ends != NULL) {
        if (++batch->moves > DS_APPEND_MOVES)
            ds_driver_back_off_commit(d, batch);
        ds_driver_move_appends(d, batch, event->ends);
        ds_driver_check_outputs(d, batch);
        return;
    }
    report_progress(d, batch);
    note_memory(d, batch);
    ds_driver_note_rates(d, batch);
    ds_driver_appends_done(d, batch);
    bool retained = ds_driver_retains(d, batch);
    ds_driver_note_marks(d, batch);
    remove_first(d);
    if (d->config.checkpoint) {
        ds_buffer line = {0};
        ds_journal_committed(&line, event->batch_ms, retained);
        ds_driver_journal(d, &line, false);
        ds_buffer_fini(&line);
        ds_driver_trim_logs(d);
    }
}

/* Some batches cannot be given up. What is kept would lack one that was committed before, and its
 * outputs are there; or some of them may be, and later batches have it, if it runs again for those
 * that were lost (a start on the checkpoint tries again). And where one after the other finds no
 * memory, those that come would not either: the app ends, before it has thrown all its input away.
 */
static bool ends_with(ds_driver *d, const ds_batch *batch, ds_status status, const char *why)
{
    char text[DS_ERROR_TEXT], at[DS_CLOCK_TEXT];
    if (status == DS_ERR_NO_MEMORY && input_of(batch) > d->short_input)
        d->short_input = input_of(batch);
    const bool remade = batch->stays != NULL && d->config.checkpoint;
    if (!batch->muted && !remade && (status != DS_ERR_NO_MEMORY || ++d->n_short < DS_SHORT_BATCHES))
        return false;
    ds_clock_text(batch->time_ms, at);
    if (batch->muted || remade)
        snprintf(text, sizeof text, "batch %s cannot be %s again: %s", at,
                 batch->muted ? "applied" : "made", why);
    else
        snprintf(text, sizeof text, "batch %s, too, as those before it, found no memory: %s", at,
                 why);
    ds_driver_end(d, status, text);
    return true;
}

void ds_driver_fail_batch(ds_driver *d, ds_batch *batch, ds_status status, const char *why)
{
    DS_ASSERT(status != DS_OK && batch->state != DS_BATCH_COMMITTING);
    if (batch->state == DS_BATCH_FAILED || ends_with(d, batch, status, why))
        return;
    batch->state = DS_BATCH_FAILED;
    if (batch->saves && batch->time_ms == d->save.batch_ms)
        ds_driver_fail_save(d, "its batch was given up");
    d->progress.failed_batches++;
    char time[DS_CLOCK_TEXT];
    ds_log_error("batch %s was given up: %s", ds_clock_text(batch->time_ms, time), why);
    if (d->end_status == DS_OK) {
        d->end_status = status;
        snprintf(d->end_message, sizeof d->end_message, "batch %s was given up: %s", time, why);
    }
    if (d->config.checkpoint) {
        char *text = ds_journal_describe(d->plan, batch, why);
        ds_buffer line = {0};
        ds_failed_add(&d->failed, text);
        ds_journal_failed(&line, text);
        ds_driver_journal(d, &line, false);
        ds_buffer_fini(&line);
        free(text);
    }
}

ds_batch_phase ds_driver_batch_phase(const ds_driver *d, int64_t batch_ms)
{
    if (batch_ms > d->last_ms)
        return DS_BATCH_COMING;
    const ds_batch *batch = d->batches;
    while (batch != NULL && batch->time_ms != batch_ms)
        batch = batch->next;
    if (batch == NULL)
        return DS_BATCH_OVER;
    bool runs = batch->state != DS_BATCH_ALLOTTED && batch->state != DS_BATCH_RUNNING;
    for (uint32_t s = 0; s < d->plan->n_stages && batch->state == DS_BATCH_RUNNING; s++)
        runs = runs || ds_batch_stage_runs(&batch->stages[s]);
    return runs ? DS_BATCH_WITH_TASKS : DS_BATCH_UNDER_WAY;
}

/* ---- all ---- */

/* One batch runs at a time; the next begins when it is prepared. It does not wait until its
 * allotment is on the disk: nothing of it is seen before its commit record is, which stands behind
 * that, so that both are made durable together. While the journal cannot be written none begins. */
static void start_next(ds_driver *d)
{
    if (d->journal_retry_us != 0)
        return;
    for (ds_batch *batch = d->batches; batch != NULL; batch = batch->next) {
        if (batch->state == DS_BATCH_RUNNING)
            return;
        if (batch->state != DS_BATCH_ALLOTTED)
            continue;
        if (!batch->unsettled && d->now_us >= batch->commit_not_before_us) {
            batch->state = DS_BATCH_RUNNING;
            batch->begun = true;
            batch->started_us = d->now_us;
        }
        return;
    }
}

/* True for a batch that was given up, once none of its tasks runs, copies and replays included:
 * until then they read what others hold for it, and nobody would hear of their results. */
static bool is_over(const ds_driver *d, const ds_batch *batch)
{
    if (batch->state != DS_BATCH_FAILED || ds_copies_of(&d->copies, batch->time_ms) ||
        ds_driver_replays(d, batch->time_ms))
        return false;
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        if (ds_batch_stage_runs(&batch->stages[s]))
            return false;
    return true;
}

void ds_driver_batches(ds_driver *d)
{
    retry_journal(d);
    ds_driver_tend_marks(d);
    for (bool again = true; again;) {
        again = false;
        start_next(d);
        for (ds_batch *batch = d->batches; batch != NULL; batch = batch->next) {
            if (batch->state == DS_BATCH_RUNNING && ds_batch_is_done(batch)) {
                prepare(d, batch);
                again = true;
            }
        }
        bool passed = d->batches != NULL && d->batches->committed &&
                      d->batches->state == DS_BATCH_READY; /* it only had to be applied */
        if (passed || (d->batches != NULL && is_over(d, d->batches))) {
            remove_first(d);
            again = true;
        }
    }
    if (d->batches != NULL && d->batches->state == DS_BATCH_READY)
        begin_commit(d, d->batches);
}
