/*
 * The log of received blocks as the driver sees it (receiver/block_log.h). Receivers write it;
 * what they report is in it already. So blocks that are gone with a store are read from there.
 *
 * Blocks that are durable and were never reported (the driver or the receiver's executor died in
 * between) are found by a scan: at the start, and when a receiver is lost. Until it is answered no
 * receiver starts, so what is found comes before all that is received later, and the numbers of
 * receivers, which order the segments, go on behind those that were used.
 *
 * Segments go when nothing refers to them any more: blocks of a source are given to batches in the
 * order of the log, so those before the oldest block of the oldest batch that is not released. They
 * go once the journal says so, too: a batch that a restart would run again has its blocks.
 */
#include "base/log.h"
#include "base/assert.h"
#include "driver/driver_state.h"

#include <inttypes.h>
#include <stdio.h>

#define RESCAN_US INT64_C(500000) /* a folder that is away is looked for again */

void ds_driver_open_logs(ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes && d->config.log_folder != NULL; i++) {
        ds_intake *intake = &d->intakes[i];
        if (!intake->needed || !ds_intake_has_receiver(intake))
            continue;
        ds_buffer path = {0};
        ds_buffer_printf(&path, "%s/%s", d->config.log_folder, intake->source->name);
        ds_buffer_text(&path);
        intake->log_folder = path.data;
    }
}

static void scan(ds_driver *d, ds_intake *intake)
{
    DS_ASSERT(intake->log_folder != NULL);
    if (intake->scanning)
        return;
    intake->scanning = true;
    intake->rescan_us = 0;
    d->ports.scan_log(d->ports.arg, intake->index, intake->log_folder, &intake->log_end);
}

void ds_driver_scan_logs(ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++)
        if (d->intakes[i].log_folder != NULL)
            scan(d, &d->intakes[i]);
}

bool ds_driver_logs_ready(const ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++)
        if (d->intakes[i].scanning)
            return false;
    return true;
}

bool ds_driver_log_lost(ds_driver *d, ds_intake *intake)
{
    if (intake->log_folder == NULL || !intake->source->log)
        return false;
    scan(d, intake);
    return true;
}

/* ---- what is found ---- */

static void show(const ds_intake *intake, const ds_logged_blocks *found, uint32_t taken)
{
    const char *name = intake->source->name;
    if (taken > 0)
        ds_log_info("source %s: %u blocks of the log come first that were in no batch", name,
                    taken);
    if (found->damaged.blocks > 0)
        ds_log_error("source %s: %" PRIu64 " blocks of its log in %s are damaged and left out: "
                     "%s%" PRIu64 " records, %" PRIu64 " bytes",
                     name, found->damaged.blocks, intake->log_folder,
                     found->unknown > 0 ? "at least " : "", found->damaged.records,
                     found->damaged.bytes);
    if (found->missing > 0)
        ds_log_error("source %s: %" PRIu64 " blocks are gone from its log in %s: later ones are "
                     "there; nobody knows how many records they had",
                     name, found->missing, intake->log_folder);
    if (found->cut_bytes > 0)
        ds_log_info("source %s: %" PRIu64 " bytes of its log in %s are the beginning of blocks "
                    "that were not written to their end",
                    name, found->cut_bytes, intake->log_folder);
    if (found->locked)
        ds_log_error("source %s: an executor that was given up still writes to its log in %s: "
                     "what comes there from now on is lost",
                     name, intake->log_folder);
}

static void cannot_scan(ds_driver *d, const ds_intake *intake, const ds_driver_event *event)
{
    char text[DS_ERROR_TEXT];
    snprintf(text, sizeof text, "source %s: its log cannot be read: %.900s", intake->source->name,
             event->text);
    ds_driver_end(d, event->status, text);
}

/* The folder is away: what was acknowledged is in it, so nothing is received before it is back. */
static void scan_later(ds_driver *d, ds_intake *intake, const ds_driver_event *event)
{
    DS_ASSERT(intake->scanning);
    if (!intake->away)
        ds_log_warn("source %s: its log cannot be looked through: %s; nothing is received until it "
                    "can",
                    intake->source->name, event->text);
    intake->away = true;
    intake->rescan_us = d->now_us + RESCAN_US;
}

void ds_driver_watch_logs(ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        ds_intake *intake = &d->intakes[i];
        if (intake->rescan_us == 0 || d->now_us < intake->rescan_us)
            continue;
        intake->scanning = false;
        scan(d, intake);
    }
}

int64_t ds_driver_logs_deadline(const ds_driver *d)
{
    int64_t soonest = INT64_MAX;
    for (uint32_t i = 0; i < d->n_intakes; i++)
        if (d->intakes[i].rescan_us != 0 && d->intakes[i].rescan_us < soonest)
            soonest = d->intakes[i].rescan_us;
    return soonest;
}

void ds_driver_on_logged(ds_driver *d, const ds_driver_event *event)
{
    DS_ASSERT(event->source < d->n_intakes);
    ds_intake *intake = &d->intakes[event->source];
    const ds_logged_blocks *found = event->logged;
    if (!intake->scanning)
        return;
    /* Once it was looked through, whatever is in the way passes. */
    const bool before = intake->scanned && event->status == DS_ERR_IO;
    if (event->status == DS_ERR_UNAVAILABLE || before) {
        scan_later(d, intake, event);
        return;
    }
    intake->scanning = intake->away = false;
    if (event->status != DS_OK) {
        cannot_scan(d, intake, event);
        return;
    }
    intake->scanned = true;
    if (found->last_receiver > d->next_receiver)
        d->next_receiver = found->last_receiver;
    if (!found->locked) /* no receiver works before this is answered */
        intake->log_closed = (ds_log_place){d->next_receiver, UINT64_MAX, 0};
    uint32_t taken = 0;
    for (uint32_t i = 0; i < found->n_blocks; i++) {
        const ds_block *block = &found->blocks[i];
        if (ds_log_place_compare(&block->log, &intake->log_end) <= 0)
            continue; /* it was reported meanwhile */
        ds_intake_report(intake, 0, 0, block);
        taken += block->length > 0;
    }
    ds_driver_count_loss(d, DS_LOST_DAMAGED, &found->damaged, found->unknown);
    ds_driver_count_loss(d, DS_LOST_MISSING, &(ds_loss){.blocks = found->missing}, found->missing);
    show(intake, found, taken);
    ds_driver_trim_logs(d);
}

/* ---- what may go ---- */

/* Where the first block is that a batch was given of a source. */
static const ds_log_place *first_place(const ds_batch *batch, uint32_t source)
{
    for (uint32_t i = 0; i < batch->n_allotments; i++) {
        const ds_allotment *allotment = &batch->allotments[i];
        for (uint32_t k = 0; allotment->source == source && k < allotment->n_inputs; k++)
            if (allotment->inputs[k].log.receiver_id != 0)
                return &allotment->inputs[k].log;
    }
    return NULL;
}

/* Behind all that is known. A segment that is closed may go as a whole: on a full disk the block
 * that would come behind it cannot be written before. */
static ds_log_place end_place(const ds_intake *intake)
{
    ds_log_place end = intake->log_end;
    if (end.receiver_id != 0 && !ds_log_segment_before(&intake->log_closed, &end))
        end = (ds_log_place){end.receiver_id, end.segment + 1, 0};
    return end;
}

/* What is needed begins there: in the oldest batch, or in what waits for one. */
static ds_log_place oldest_place(const ds_driver *d, const ds_intake *intake)
{
    const ds_log_place *place = NULL;
    const ds_retained *retained = &d->retained;
    for (size_t i = retained->first; i < retained->n && place == NULL; i++)
        place = first_place(retained->list[i], intake->index);
    for (const ds_batch *b = d->batches; b != NULL && place == NULL; b = b->next)
        place = first_place(b, intake->index);
    for (size_t i = 0; i < intake->n_blocks && place == NULL; i++)
        if (intake->blocks[i].block.log.receiver_id != 0)
            place = &intake->blocks[i].block.log;
    return place != NULL ? *place : end_place(intake);
}

void ds_driver_trim_logs(ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        ds_intake *intake = &d->intakes[i];
        const ds_log_place end = end_place(intake);
        if (intake->log_folder == NULL || intake->scanning || intake->trim_ticket != 0 ||
            !ds_log_segment_before(&intake->log_begin, &end))
            continue;
        const ds_log_place place = oldest_place(d, intake);
        if (!ds_log_segment_before(&intake->log_begin, &place))
            continue;
        DS_ASSERT(ds_log_place_compare(&place, &end) <= 0);
        intake->log_begin = place;
        intake->trim_ticket = d->next_ticket;
        if (d->journaled_ticket == d->next_ticket) /* it is written already */
            ds_driver_logs_journaled(d, d->next_ticket);
    }
}

void ds_driver_log_full(ds_driver *d, ds_intake *intake)
{
    DS_ASSERT(ds_intake_has_receiver(intake));
    if (ds_log_segment_before(&intake->log_closed, &intake->log_end))
        intake->log_closed = intake->log_end;
    ds_driver_trim_logs(d);
}

void ds_driver_logs_journaled(ds_driver *d, uint64_t ticket)
{
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        ds_intake *intake = &d->intakes[i];
        if (intake->trim_ticket == 0 || intake->trim_ticket > ticket)
            continue;
        intake->trim_ticket = 0;
        d->ports.trim_log(d->ports.arg, intake->log_folder, &intake->log_begin);
    }
}
