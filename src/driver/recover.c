/*
 * What a driver takes over from the checkpoint of the one before.
 *
 * Key partitions begin with their chains, at the batch of the last save. All batches since then
 * run again, in order, with the inputs and batch times that they had: so what is kept becomes what
 * it was. Of those that were committed, or whose commit record is known, only the pieces for keyed
 * stages are made (their tasks are muted); then they are retained, or their commit is done. The
 * others run as if nothing had happened.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "checkpoint/recovered_sources.h"
#include "driver/driver_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void recover_source(ds_intake *intake, const ds_recovered_source *source)
{
    if (!ds_recovered_fits(source, intake->source))
        return;
    intake->next = source->next;
    intake->records = source->records;
    intake->log_taken = intake->log_end = source->log;
    intake->ever_listed = intake->tail.seen = source->listed;
    for (uint32_t f = 0; f < source->tail.n; f++)
        ds_tail_files_recover(&intake->tail, &source->tail.files[f]);
    for (size_t f = 0; f < source->n_files; f++)
        ds_intake_taken(intake, source->files[f].name, source->files[f].size,
                        source->files[f].taken);
}

static void warn(void *arg, const char *text)
{
    (void)arg;
    ds_log_warn("%s", text);
}

static void recover_sources(ds_driver *d, const ds_recovered *recovered)
{
    ds_recovered_tell_sources(recovered, d->plan, warn, NULL);
    for (uint32_t i = 0; i < recovered->n_sources; i++) {
        /* Its segments may be gone, or belong to a source that comes back. */
        if (recovered->sources[i].log.receiver_id > d->next_receiver)
            d->next_receiver = recovered->sources[i].log.receiver_id;
        for (uint32_t k = 0; k < d->n_intakes; k++)
            if (strcmp(d->intakes[k].source->name, recovered->sources[i].name) == 0)
                recover_source(&d->intakes[k], &recovered->sources[i]);
    }
}

/* The n-th list of a queue is the n-th batch, and one that was empty may have left no trace. */
static void recover_lists(ds_driver *d)
{
    uint64_t passed = (uint64_t)((d->last_ms - d->zero_ms) / d->plan->app->interval_ms);
    for (uint32_t i = 0; i < d->n_intakes; i++)
        if (d->intakes[i].source->batches != NULL &&
            d->intakes[i].source->type != DS_SOURCE_TABLE && d->intakes[i].next < passed)
            d->intakes[i].next = passed;
}

/* Another interval has other batch times: they go on behind those that there were. */
static void recover_times(ds_driver *d, const ds_recovered *recovered)
{
    int64_t interval = d->plan->app->interval_ms;
    d->zero_ms = ds_floor_to(recovered->zero_ms, interval);
    d->last_ms = d->recovered_ms = ds_ceil_to(recovered->last_ms, interval);
    d->last_input_ms = d->recovered_input_ms = recovered->last_input_ms;
    DS_ASSERT(d->zero_ms <= d->last_ms);
    if (d->config.virtual_time)
        d->n_passed = (uint32_t)((d->last_ms - d->zero_ms) / interval);
}

/* ---- what is kept ---- */

static const ds_recovered_stream *find_stream(const ds_recovered_kept *kept,
                                              const ds_chain_root *root)
{
    for (uint32_t i = 0; i < kept->n_streams; i++)
        if (strcmp(kept->streams[i].stream, root->node->stream) == 0 &&
            strcmp(kept->streams[i].signature, root->signature) == 0)
            return &kept->streams[i];
    return NULL;
}

static ds_saved_part placed(const ds_driver *d, const ds_saved_part *part, char *path, size_t size)
{
    ds_saved_part with_path = *part;
    int n = snprintf(path, size, "%s/%s", ds_driver_kept_folder(d), part->path);
    DS_ASSERT(n > 0 && (size_t)n < size);
    with_path.path = path;
    return with_path;
}

static void recover_root(ds_driver *d, const ds_recovered_kept *kept, const ds_chain_root *root)
{
    char path[DS_MESSAGE_TEXT_LIMIT];
    const ds_recovered_stream *stream = find_stream(kept, root);
    if (stream == NULL) {
        ds_log_info("stream %s: nothing was saved of it: it begins empty", root->node->stream);
        return;
    }
    for (uint32_t i = 0; i < stream->n_parts; i++) {
        ds_saved_part part = placed(d, &stream->parts[i], path, sizeof path);
        part.stage = root->stage;
        part.input = root->input;
        ds_chains_add(&d->chains, &part);
    }
}

/* What was saved of streams that the app has no more goes, with the next save. */
static void drop_stream(ds_driver *d, const ds_recovered_stream *stream)
{
    char path[DS_MESSAGE_TEXT_LIMIT];
    for (uint32_t r = 0; r < d->chains.n_roots; r++)
        if (strcmp(d->chains.roots[r].node->stream, stream->stream) == 0 &&
            strcmp(d->chains.roots[r].signature, stream->signature) == 0)
            return;
    if (stream->n_parts > 0)
        ds_log_warn("stream %s: the app has it no more: what was saved of it is dropped",
                    stream->stream);
    for (uint32_t i = 0; i < stream->n_parts; i++) {
        ds_saved_part part = placed(d, &stream->parts[i], path, sizeof path);
        ds_chains_drop_part(&d->chains, &part);
    }
}

static void recover_kept(ds_driver *d, const ds_recovered_kept *kept)
{
    if (kept->save == 0)
        return;
    d->chains.save = d->save.number = kept->save;
    d->chains.batch_ms = kept->batch_ms;
    for (uint32_t r = 0; r < d->chains.n_roots; r++)
        recover_root(d, kept, &d->chains.roots[r]);
    for (uint32_t i = 0; i < kept->n_streams; i++)
        drop_stream(d, &kept->streams[i]);
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        for (uint32_t p = 0; d->keyed[s] != NULL && p < d->plan->stages[s].n_partitions; p++)
            if (ds_chains_has(&d->chains, s, p)) {
                d->keyed[s][p].stands_ms = kept->batch_ms;
                d->keyed[s][p].based = kept->save;
            }
}

/* ---- batches ---- */

/* The journal has names of segments: says where they are. */
static void find_logged(const ds_driver *d, ds_batch *batch, const ds_allotment *allotment)
{
    DS_ASSERT(allotment->source < d->n_intakes);
    const char *folder = d->intakes[allotment->source].log_folder;
    for (uint32_t i = 0; i < allotment->n_inputs; i++)
        if (allotment->inputs[i].kind == DS_INPUT_LOG && folder != NULL)
            allotment->inputs[i].path =
                ds_input_log_path(batch->arena, folder, &allotment->inputs[i].log);
}

/* What was received without a log went with the driver before this one. */
static void drop_unlogged(ds_driver *d, const ds_batch *batch, ds_allotment *allotment)
{
    ds_loss loss = {0};
    uint32_t kept = 0;
    for (uint32_t i = 0; i < allotment->n_inputs; i++) {
        const ds_input *input = &allotment->inputs[i];
        if (input->kind == DS_INPUT_BLOCK)
            ds_loss_add(&loss, &(ds_loss){1, input->to - input->from, input->ref.length});
        else
            allotment->inputs[kept++] = *input;
    }
    allotment->n_inputs = kept;
    if (loss.blocks == 0)
        return;
    char time[DS_CLOCK_TEXT];
    ds_driver_count_loss(d, DS_LOST_UNLOGGED, &loss, 0);
    ds_log_error("source %s: %" PRIu64 " received records (%" PRIu64 " blocks, %" PRIu64
                 " bytes) of batch %s were in no log (\"log\": false), and went with the driver "
                 "before this one: the batch runs again without them%s",
                 d->plan->app->sources[allotment->source].name, loss.records, loss.blocks,
                 loss.bytes, ds_clock_text(batch->time_ms, time),
                 batch->muted && batch->replays ? ", and windows and state lack them" : "");
}

void ds_driver_drop_unlogged(ds_driver *d, ds_batch *batch)
{
    for (uint32_t i = 0; i < batch->n_allotments; i++)
        drop_unlogged(d, batch, &batch->allotments[i]);
}

static bool prints(const ds_plan *plan)
{
    for (uint32_t i = 0; i < plan->n_sinks; i++)
        if (!ds_sink_is_staged(plan->sinks[i]))
            return true;
    return false;
}

/* A batch that was allotted, or even prepared or committed, when the driver before this one ended.
 */
static void recover_batch(ds_driver *d, const ds_recovered_batch *recovered)
{
    const bool keeps = d->config.saves && d->chains.n_roots > 0;
    if (recovered->committed && !keeps)
        return; /* nothing of the app wants it any more */
    ds_batch *batch = ds_batch_new(d->plan, recovered->time_ms);
    DS_ASSERT(recovered->time_ms <= d->last_ms);
    batch->again = true;
    batch->inputs_gone = recovered->has_blocks;
    batch->replays = keeps;
    for (uint32_t i = 0; i < recovered->n_allotments; i++) {
        batch->allotments[batch->n_allotments++] = recovered->allotments[i];
        find_logged(d, batch, &recovered->allotments[i]);
    }
    batch->tables = recovered->tables;
    batch->n_tables = recovered->n_tables;
    /* Rows that were to be printed went with their executors: without files it runs again. */
    const ds_commit *commit = &recovered->commit;
    batch->committed = recovered->committed;
    batch->recovered = recovered->prepared && !recovered->committed &&
                       (commit->n_files > 0 || commit->n_appends > 0);
    if (batch->recovered) {
        batch->commit = recovered->commit;
        ds_driver_recover_appends(d, batch);
    }
    batch->prints = batch->recovered && prints(d->plan);
    batch->muted = batch->prints || (keeps && (batch->recovered || batch->committed));
    if (batch->recovered && !batch->muted) {
        batch->state = DS_BATCH_READY;
        ds_driver_add_batch(d, batch);
        return;
    }
    ds_driver_drop_unlogged(d, batch);
    batch->unsettled = d->n_tables > 0;
    if (!batch->unsettled)
        ds_batch_make_stages(batch, d->plan, (uint64_t)d->plan->app->limits_block);
    ds_driver_add_batch(d, batch);
}

void ds_driver_recover(ds_driver *d, const ds_recovered *recovered)
{
    recover_times(d, recovered);
    recover_sources(d, recovered);
    recover_lists(d);
    ds_failed_add_all(&d->failed, &recovered->failed);
    if (d->config.saves)
        recover_kept(d, &recovered->kept);
}

void ds_driver_recover_batches(ds_driver *d, const ds_recovered *recovered)
{
    for (uint32_t i = 0; i < recovered->n_batches; i++)
        recover_batch(d, &recovered->batches[i]);
    d->save.owed = recovered->n_batches > 0;
    ds_driver_recovered_appends(d);
}
