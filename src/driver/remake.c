/*
 * Outputs of a batch that are lost before they are in their place: somebody removed staged files.
 *
 * What the batch was given is known until it is committed, so it runs again, with the same inputs.
 * What is in its place already stays, and so does what is still staged: of the commit that comes of
 * the second run only that is taken which was lost. Until that one is in the checkpoint the first
 * one is: after a crash the same is found out again.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- what stays ---- */

static bool is_known(const ds_append_end *end)
{
    return end->length != DS_APPEND_UNKNOWN;
}

static uint64_t keep_files(const ds_commit *from, const bool *lost, ds_commit *to)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < from->n_files; i++) {
        if (lost[i])
            rows += from->files[i].rows;
        else
            to->files[to->n_files++] = from->files[i];
    }
    return rows;
}

/* Those that are not as they were left are measured; all others are in their place now. */
static uint64_t keep_appends(ds_commit *from, const bool *lost, const ds_append_end *ends,
                             ds_commit *to)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < from->n_appends; i++) {
        ds_commit_append *append = &from->appends[i];
        append->begun = is_known(&append->base);
        if (lost[i]) {
            for (uint32_t p = 0; p < append->n_parts; p++)
                rows += append->parts[p].rows;
            continue;
        }
        ds_commit_append *stays = &to->appends[to->n_appends++];
        *stays = *append;
        if (ends != NULL &&
            (ends[i].length != append->base.length || ends[i].inode != append->base.inode)) {
            stays->base = ends[i];
            stays->begun = false;
        }
    }
    return rows;
}

/* What is left of a commit, in the batch's arena; *rows receives how many are lost. */
static ds_commit *what_stays(ds_batch *batch, const ds_append_end *ends, const bool *lost,
                             uint64_t *rows)
{
    ds_commit *stays = DS_ARENA_ARRAY(batch->arena, ds_commit, 1);
    ds_commit *from = &batch->commit;
    *stays = *from;
    stays->n_files = stays->n_appends = 0;
    stays->files = DS_ARENA_ARRAY(batch->arena, ds_commit_file, from->n_files + 1);
    stays->appends = DS_ARENA_ARRAY(batch->arena, ds_commit_append, from->n_appends + 1);
    *rows = keep_files(from, lost, stays);
    *rows += keep_appends(from, lost + from->n_files, ends, stays);
    DS_ASSERT(stays->n_files + stays->n_appends < from->n_files + from->n_appends);
    return stays;
}

/* ---- again ---- */

static void begin_again(ds_driver *d, ds_batch *batch)
{
    const bool has_stages = !batch->recovered || batch->muted;
    batch->recovered = batch->muted = batch->prints = batch->unchecked = false;
    batch->state = DS_BATCH_ALLOTTED;
    batch->ticket = 0;
    if (batch->inputs_gone)
        ds_driver_drop_unlogged(d, batch);
    batch->unsettled = !has_stages && d->n_tables > 0; /* else with the versions that it has */
    if (!batch->unsettled)
        ds_batch_restart(batch, d->plan, (uint64_t)d->plan->app->limits_block);
}

/* At once the first time, and later and later if somebody goes on removing files: it waits before
 * it runs, and not with its files staged. */
static void wait_to_begin(const ds_driver *d, ds_batch *batch)
{
    const bool first = !batch->remade;
    batch->remade = true;
    ds_driver_back_off_commit(d, batch);
    if (first)
        batch->commit_not_before_us = d->now_us;
}

void ds_driver_remake(ds_driver *d, ds_batch *batch, const ds_append_end *ends, const bool *lost)
{
    DS_ASSERT(batch == d->batches && batch->state == DS_BATCH_COMMITTING);
    char time[DS_CLOCK_TEXT];
    uint64_t rows;
    ds_clock_text(batch->time_ms, time);
    if (ds_copies_of(&d->copies, batch->time_ms)) { /* they end soon; then it is found once more */
        ds_driver_back_off_commit(d, batch);
        batch->state = DS_BATCH_READY;
        ds_driver_appends_failed(batch); /* what is not lost is in its place */
        ds_driver_check_outputs(d, batch);
        return;
    }
    batch->stays = what_stays(batch, ends, lost, &rows);
    ds_log_warn("batch %s: staged files with %" PRIu64
                " rows of its outputs are gone, and were not "
                "in their place: it runs again for them",
                time, rows);
    wait_to_begin(d, batch);
    begin_again(d, batch);
}

/* ---- the second commit ---- */

static bool has_folder(const ds_commit *commit, const char *folder)
{
    for (uint32_t i = 0; i < commit->n_files; i++)
        if (strcmp(commit->files[i].folder, folder) == 0)
            return true;
    return false;
}

static bool has_path(const ds_commit *commit, const char *path)
{
    for (uint32_t i = 0; i < commit->n_appends; i++)
        if (strcmp(commit->appends[i].path, path) == 0)
            return true;
    return false;
}

/* Staged files that are not wanted. */
typedef struct unwanted {
    const char **paths;
    size_t n;
} unwanted;

static void drop(unwanted *files, const ds_commit_file *file)
{
    files->paths[files->n++] = file->staged;
}

static void join_files(ds_commit *joined, const ds_commit *stays, const ds_commit *made,
                       unwanted *files)
{
    for (uint32_t i = 0; i < stays->n_files; i++)
        joined->files[joined->n_files++] = stays->files[i];
    for (uint32_t i = 0; i < made->n_files; i++) {
        if (has_folder(stays, made->files[i].folder))
            drop(files, &made->files[i]);
        else
            joined->files[joined->n_files++] = made->files[i];
    }
}

static void join_appends(ds_commit *joined, const ds_commit *stays, const ds_commit *made,
                         unwanted *files)
{
    for (uint32_t i = 0; i < stays->n_appends; i++)
        joined->appends[joined->n_appends++] = stays->appends[i];
    for (uint32_t i = 0; i < made->n_appends; i++) {
        if (!has_path(stays, made->appends[i].path)) {
            joined->appends[joined->n_appends++] = made->appends[i];
            continue;
        }
        for (uint32_t p = 0; p < made->appends[i].n_parts; p++)
            drop(files, &made->appends[i].parts[p]);
    }
}

static size_t count_staged(const ds_commit *commit)
{
    size_t n = commit->n_files;
    for (uint32_t i = 0; i < commit->n_appends; i++)
        n += commit->appends[i].n_parts;
    return n;
}

void ds_driver_join_commits(ds_driver *d, ds_batch *batch)
{
    const ds_commit *stays = batch->stays, made = batch->commit;
    DS_ASSERT(stays->batch_ms == made.batch_ms);
    unwanted files = {ds_calloc(count_staged(&made) + 1, sizeof *files.paths), 0};
    ds_commit *joined = &batch->commit;
    joined->n_files = joined->n_appends = 0;
    joined->files = DS_ARENA_ARRAY(batch->arena, ds_commit_file, stays->n_files + made.n_files + 1);
    joined->appends =
        DS_ARENA_ARRAY(batch->arena, ds_commit_append, stays->n_appends + made.n_appends + 1);
    join_files(joined, stays, &made, &files);
    join_appends(joined, stays, &made, &files);
    if (files.n > 0)
        d->ports.drop_files(d->ports.arg, files.paths, files.n);
    free(files.paths);
    batch->stays = NULL;
}
