/*
 * Saves of what the keyed stages keep, one at a time.
 *
 *     due        the next batch that is allotted is the saving batch: all its keyed stages run, in
 *                all partitions, and their tasks say that what the partition keeps is to be saved
 *     under way  executors write, beside their tasks, and tell which parts lie where (SAVED)
 *     whole      all parts came, and the batch is committed
 *     finished   the parts are added to the chains, that is noted in the checkpoint, and batches up
 *                to the saving one need not run again: they are released
 *     durable    the checkpoint has it: files that no chain needs are deleted
 *
 * A partition that moves meanwhile is saved by its new owner, when it applies the saving batch once
 * more. If writing fails somewhere the save is given up; the next one comes after a while. An owner
 * tells what changed since it saved or loaded last: if that is not the last save that was
 * finished, the partition is saved as a whole.
 *
 * The last batch of a graceful stop, or of an input that ended, saves, so that a restart needs
 * nothing again. It waits for a save that is under way. If its own one fails (an executor died), or
 * nobody knew that it was the last, a batch without input behind it saves, after a while; after
 * some of them the app ends with an error, and the next start runs again what was not saved.
 */
#include "base/assert.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_RETAINED 1000u /* batches; then a save is due */
#define FULL DS_RETAINED_FULL
#define MOST_VERSIONS 4u          /* of a table, which retained batches refer to */
#define RETRY_US INT64_C(1000000) /* after a save that failed, doubled */
#define RETRY_MOST_US INT64_C(60000000)
#define LAST_SAVES 3u /* batches behind the last one, for nothing but to save what it left */

/* ---- parts ---- */

/* The place of a part among all parts of a save. */
static size_t slot_of(const ds_driver *d, uint32_t root, uint32_t partition)
{
    size_t slot = partition;
    DS_ASSERT(root < d->chains.n_roots && partition < d->chains.roots[root].n_partitions);
    for (uint32_t r = 0; r < root; r++)
        slot += d->chains.roots[r].n_partitions;
    return slot;
}

static uint32_t count_slots(const ds_driver *d)
{
    uint32_t n = 0;
    for (uint32_t r = 0; r < d->chains.n_roots; r++)
        n += d->chains.roots[r].n_partitions;
    return n;
}

/* True if some part of a partition has not come. */
static bool misses(const ds_driver *d, uint32_t stage, uint32_t partition)
{
    for (uint32_t r = 0; r < d->chains.n_roots; r++)
        if (d->chains.roots[r].stage == stage && !d->save.came[slot_of(d, r, partition)])
            return true;
    return false;
}

/* ---- when ---- */

static bool is_crowded(const ds_driver *d)
{
    if (ds_retained_count(&d->retained) > MOST_RETAINED)
        return true;
    if (d->registry.n_crowded > 0)
        return true;
    for (uint32_t i = 0; i < d->n_tables; i++)
        if (d->tables[i].n_versions > MOST_VERSIONS)
            return true;
    return false;
}

/* Four times what makes a save due: it fails again and again, or takes very long. */
static bool is_full(const ds_driver *d)
{
    if (ds_retained_count(&d->retained) > FULL * MOST_RETAINED)
        return true;
    if (d->registry.n_full > 0)
        return true;
    for (uint32_t i = 0; i < d->n_tables; i++)
        if (d->tables[i].n_versions > FULL * MOST_VERSIONS && ds_retained_count(&d->retained) > 0)
            return true;
    return false;
}

bool ds_driver_waits_for_save(const ds_driver *d)
{
    const ds_save *save = &d->save;
    bool begins = !save->active && save->ticket == 0 && d->now_us >= save->not_before_us;
    return d->config.checkpoint && d->config.saves && !begins && is_full(d);
}

bool ds_driver_has_changed(const ds_driver *d)
{
    return d->save.owed || ds_retained_count(&d->retained) > 0 || d->batches != NULL;
}

bool ds_driver_save_due(const ds_driver *d, int64_t time_ms, bool last, bool idle)
{
    const ds_save *save = &d->save;
    if (!d->config.saves || d->chains.n_roots == 0 || save->active || save->ticket != 0 ||
        d->phase == DS_PHASE_ENDED)
        return false;
    if (last && d->config.checkpoint)
        return !idle || ds_driver_has_changed(d); /* a restart needs none of the inputs again */
    if (d->phase != DS_PHASE_RUNNING || d->now_us < save->not_before_us ||
        !ds_driver_has_changed(d))
        return false;
    int64_t last_ms = d->chains.save == 0 ? d->zero_ms : d->chains.batch_ms;
    return time_ms - last_ms >= d->plan->app->checkpoint_every_ms || is_crowded(d);
}

bool ds_driver_save_under_way(const ds_driver *d)
{
    return d->config.checkpoint && (d->save.active || d->save.ticket != 0);
}

void ds_driver_save_anew(ds_driver *d)
{
    d->save.wait_us = d->save.not_before_us = 0;
}

/* A run of so many batches goes on from wherever it stands. */
static bool saves_at_end(const ds_driver *d)
{
    return d->config.checkpoint && d->config.saves && d->config.n_batches == 0;
}

bool ds_driver_wants_last_save(const ds_driver *d)
{
    return d->last_batch && saves_at_end(d) && d->batches == NULL && !ds_driver_save_under_way(d) &&
           d->end_status == DS_OK && ds_retained_count(&d->retained) > 0 &&
           d->n_last_saves < LAST_SAVES;
}

static void forget(ds_save *save)
{
    ds_arena_free(save->arena);
    save->arena = NULL;
    save->parts = NULL;
    save->came = NULL;
    save->missing = 0;
}

void ds_driver_begin_save(ds_driver *d, ds_batch *batch)
{
    ds_save *save = &d->save;
    DS_ASSERT(!save->active && save->ticket == 0);
    forget(save);
    save->active = true;
    save->number++;
    save->batch_ms = batch->time_ms;
    save->begun_us = d->now_us;
    save->arena = ds_arena_new(NULL);
    save->missing = count_slots(d);
    save->parts = DS_ARENA_ARRAY(save->arena, ds_saved_part, save->missing);
    save->came = DS_ARENA_ARRAY(save->arena, bool, save->missing);
    batch->saves = true;
}

void ds_driver_save_task(ds_driver *d, ds_arena *arena, ds_task *task)
{
    const ds_save *save = &d->save;
    if (!save->active || task->batch_ms != save->batch_ms ||
        !misses(d, task->stage, task->partition))
        return;
    ds_keyed *k = &d->keyed[task->stage][task->partition];
    task->save = save->number;
    task->save_whole = k->based != d->chains.save || d->chains.save == 0;
    k->based = save->number;
    if (task->save_whole || !ds_chains_full(&d->chains, task->stage, task->partition))
        return;
    task->save_folds = k->loaded && ds_chains_fold(&d->chains, task->stage, task->partition);
    task->save_whole = !task->save_folds;
    if (task->save_folds)
        task->saved =
            ds_chains_parts(&d->chains, task->stage, task->partition, arena, &task->n_saved);
}

/* ---- what is not needed ---- */

/* Gives back bytes in stores. Of those who are gone everything goes, in time. */
static void give_back_refs(ds_driver *d)
{
    ds_chains *chains = &d->chains;
    ds_ref *theirs = ds_calloc(chains->n_dropped_refs + 1, sizeof *theirs);
    for (size_t i = 0; i < d->registry.n && chains->n_dropped_refs > 0; i++) {
        const ds_executor_entry *entry = d->registry.list[i];
        uint32_t n = 0;
        for (size_t k = 0; k < chains->n_dropped_refs; k++)
            if (chains->dropped_refs[k].executor_id == entry->id && n < DS_MESSAGE_LIST_LIMIT)
                theirs[n++] = chains->dropped_refs[k];
        if (n == 0 || entry->peer == 0)
            continue;
        ds_message message = {.type = DS_MSG_RELEASE};
        message.release = (ds_msg_release){.saved = theirs, .n_saved = n};
        ds_driver_send(d, entry, &message);
    }
    chains->n_dropped_refs = 0;
    free(theirs);
}

/* Deletes files, once the checkpoint names them no more. */
static void drop_files(ds_driver *d)
{
    ds_chains *chains = &d->chains;
    if (chains->n_dropped_files == 0 || d->save.ticket != 0)
        return;
    d->ports.drop_files(d->ports.arg, (const char *const *)chains->dropped_files,
                        chains->n_dropped_files);
    for (size_t i = 0; i < chains->n_dropped_files; i++)
        free(chains->dropped_files[i]);
    chains->n_dropped_files = 0;
}

/* ---- how it ends ---- */

static void back_off(ds_driver *d)
{
    ds_save *save = &d->save;
    save->wait_us = save->wait_us == 0 ? RETRY_US : save->wait_us * 2;
    if (save->wait_us > RETRY_MOST_US)
        save->wait_us = RETRY_MOST_US;
    save->not_before_us = d->now_us + save->wait_us;
}

/* Parts that come later are told from others by what came already. */
void ds_driver_fail_save(ds_driver *d, const char *why)
{
    ds_save *save = &d->save;
    if (!save->active)
        return;
    if (save->wait_us == 0)
        ds_log_error("what is kept could not be saved: %s; trying again, and batches since the "
                     "last save are retained",
                     why);
    save->active = false;
    back_off(d);
    for (uint32_t i = 0, n = count_slots(d); i < n; i++)
        if (save->came[i])
            ds_chains_drop_part(&d->chains, &save->parts[i]);
    give_back_refs(d);
    drop_files(d);
}

void ds_driver_fail_save_of(ds_driver *d, uint32_t stage, uint32_t partition)
{
    const ds_save *save = &d->save;
    if (save->active && d->keyed[stage][partition].based == save->number &&
        misses(d, stage, partition))
        ds_driver_fail_save(d, "a partition had to begin again meanwhile");
}

void ds_driver_fail_changes_of(ds_driver *d, uint32_t stage, uint32_t partition)
{
    const ds_save *save = &d->save;
    for (uint32_t r = 0; r < d->chains.n_roots && save->active; r++) {
        if (d->chains.roots[r].stage != stage)
            continue;
        size_t slot = slot_of(d, r, partition);
        if (save->came[slot] && !save->parts[slot].whole)
            ds_driver_fail_save(d, "what it adds to is gone");
    }
}

bool ds_driver_save_is_whole(const ds_driver *d)
{
    const ds_save *save = &d->save;
    return save->active && save->missing == 0 &&
           (d->batches == NULL || d->batches->time_ms > save->batch_ms);
}

/* Tasks of batches that the save covers are under way still: replays, or what makes pieces anew. */
static bool is_in_use(const ds_driver *d)
{
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        for (uint32_t p = 0; d->keyed[s] != NULL && p < d->plan->stages[s].n_partitions; p++)
            if (d->keyed[s][p].replaying && d->keyed[s][p].replay_ms <= d->save.batch_ms)
                return true;
    for (size_t i = d->retained.first; d->n_open > 0 && i < d->retained.n; i++)
        for (uint32_t s = 0; s < d->plan->n_stages; s++)
            if (d->retained.list[i]->time_ms <= d->save.batch_ms &&
                ds_batch_stage_runs(&d->retained.list[i]->stages[s]))
                return true;
    return false;
}

/* Partitions that are not with their owners, or on their way, begin with the new chains. */
static void move_partitions(ds_driver *d)
{
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        for (uint32_t p = 0; d->keyed[s] != NULL && p < d->plan->stages[s].n_partitions; p++) {
            ds_keyed *k = &d->keyed[s][p];
            k->gap = false;
            if (k->loaded && k->stands_ms >= d->save.batch_ms)
                continue;
            DS_ASSERT(!k->busy && k->behind);
            k->loaded = false;
            k->stands_ms = d->save.batch_ms;
            k->based = d->save.number;
        }
}

static void note_saved(ds_driver *d)
{
    if (!d->config.checkpoint)
        return;
    ds_buffer line = {0};
    ds_journal_saved(&line, &d->chains, d->save.parts, count_slots(d));
    d->save.ticket = ds_driver_journal(d, &line, true);
    ds_buffer_fini(&line);
}

static void finish(ds_driver *d)
{
    ds_save *save = &d->save;
    for (uint32_t i = 0, n = count_slots(d); i < n; i++)
        ds_chains_add(&d->chains, &save->parts[i]);
    ds_driver_figure_save(d, count_slots(d));
    d->chains.save = save->number;
    d->chains.batch_ms = save->batch_ms;
    move_partitions(d);
    save->active = false;
    if (save->wait_us != 0)
        ds_log_info("what is kept can be saved again");
    save->wait_us = 0;
    save->owed = false;
    note_saved(d);
    forget(save);
    ds_driver_release_retained(d, d->chains.batch_ms);
    ds_driver_trim_logs(d); /* not at the end of the app: what is retained then is run again */
    give_back_refs(d);
    drop_files(d);
    ds_driver_drop_stores(d);
    d->progress.saves++;
}

/* Without a checkpoint batches go on, and what is kept may be lost with an executor from now on. */
static void forget_retained(ds_driver *d)
{
    ds_driver_fail_save(d, "there is no room for it");
    ds_log_error("what is kept cannot be saved, and there is no room to retain more batches: if an "
                 "executor is lost before that is possible again, its windows and state are lost");
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        for (uint32_t p = 0; d->keyed[s] != NULL && p < d->plan->stages[s].n_partitions; p++) {
            ds_chains_drop(&d->chains, s, p);
            d->keyed[s][p].gap = true;
        }
    give_back_refs(d);
    ds_driver_release_retained(d, INT64_MAX);
}

void ds_driver_watch_save(ds_driver *d)
{
    if (!d->config.checkpoint && d->n_behind == 0 && d->n_open == 0 && d->config.saves &&
        is_full(d))
        forget_retained(d);
    if (ds_driver_save_is_whole(d) && !is_in_use(d))
        finish(d);
}

void ds_driver_save_durable(ds_driver *d, uint64_t ticket)
{
    if (d->save.ticket == 0 || d->save.ticket > ticket)
        return;
    d->save.ticket = 0;
    drop_files(d);
}

/* ---- what executors say ---- */

/* True if the file is one of those that executors write: directly in the folder. */
static bool is_kept_file(const ds_driver *d, const char *path)
{
    const char *folder = ds_driver_kept_folder(d);
    size_t length = strlen(folder);
    const char *name = path + length + 1;
    return length > 0 && strncmp(path, folder, length) == 0 && path[length] == '/' &&
           name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

static bool lies_in_store(const ds_executor_entry *from, const ds_saved_part *part)
{
    uint64_t end = from->store_bytes + from->spill_bytes;
    return part->ref.executor_id == from->id && part->ref.offset <= end &&
           part->ref.length <= end - part->ref.offset && part->ref.length == part->length;
}

/* Whether a part can be one of this save, by this executor. */
static bool is_valid(const ds_driver *d, const ds_executor_entry *from, const ds_saved_part *part,
                     uint32_t root)
{
    const ds_save *save = &d->save;
    if (root == d->chains.n_roots || part->partition >= d->chains.roots[root].n_partitions ||
        part->batch_ms != save->batch_ms || d->owners[part->partition] != from->id)
        return false;
    if (part->length == 0)
        return !part->whole;
    return part->path[0] != '\0' ? is_kept_file(d, part->path) : lies_in_store(from, part);
}

static void keep_part(ds_save *save, size_t slot, const ds_saved_part *part)
{
    DS_ASSERT(save->missing > 0 && !save->came[slot]);
    save->parts[slot] = *part;
    save->parts[slot].path = ds_arena_strdup(save->arena, part->path);
    save->came[slot] = true;
    save->missing--;
}

/* True if the part may be added to what there is. */
static bool fits(const ds_driver *d, uint32_t root, const ds_saved_part *part)
{
    return part->whole || d->chains.roots[root].chains[part->partition].n > 0;
}

static void on_part(ds_driver *d, const ds_executor_entry *from, const ds_saved_part *part)
{
    ds_save *save = &d->save;
    uint32_t root = ds_chains_find(&d->chains, part->stage, part->input);
    if (!is_valid(d, from, part, root)) {
        ds_driver_fail_save(d, "an executor told of a part that cannot be");
        return;
    }
    size_t slot = slot_of(d, root, part->partition);
    if (save->came[slot])
        return; /* a second time */
    keep_part(save, slot, part);
    if (!save->active)
        ds_chains_drop_part(&d->chains, part); /* too late */
    else if (!fits(d, root, part))
        ds_driver_fail_save(d, "an executor told of changes to what was never saved");
}

void ds_driver_on_saved(ds_driver *d, const ds_executor_entry *from, const ds_msg_saved *saved)
{
    ds_save *save = &d->save;
    if (save->came == NULL || saved->save != save->number)
        return;
    if (saved->status != DS_OK) {
        ds_driver_fail_save(d, saved->message);
        return;
    }
    for (uint32_t i = 0; i < saved->n_parts; i++)
        on_part(d, from, &saved->parts[i]);
    if (!save->active) {
        give_back_refs(d);
        drop_files(d);
    }
}

void ds_driver_saves_of(ds_driver *d, const ds_executor_entry *lost)
{
    ds_save *save = &d->save;
    for (uint32_t i = 0, n = count_slots(d); save->active && i < n; i++) {
        if (!save->came[i] || save->parts[i].path[0] != '\0' || save->parts[i].length == 0 ||
            save->parts[i].ref.executor_id != lost->id)
            continue;
        save->came[i] = false; /* its new owner will save it */
        save->missing++;
    }
}

bool ds_driver_saved_lies_in(const ds_driver *d, uint64_t executor_id)
{
    const ds_save *save = &d->save;
    for (uint32_t i = 0, n = save->active ? count_slots(d) : 0; i < n; i++)
        if (save->came[i] && save->parts[i].path[0] == '\0' && save->parts[i].length > 0 &&
            save->parts[i].ref.executor_id == executor_id)
            return true;
    return ds_chains_lie_in(&d->chains, executor_id);
}

/* ---- the end ---- */

bool ds_driver_save_ends(ds_driver *d)
{
    if (!d->save.active)
        return d->save.ticket == 0;
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        for (uint32_t p = 0; d->keyed[s] != NULL && p < d->plan->stages[s].n_partitions; p++)
            if (misses(d, s, p) && (d->owners[p] == 0 || !d->keyed[s][p].loaded)) {
                ds_driver_fail_save(d, "the app has ended");
                return true;
            }
    return false;
}

void ds_driver_give_up_saved(ds_driver *d)
{
    size_t unsaved = ds_retained_count(&d->retained);
    if (unsaved > 0 && saves_at_end(d) && d->end_status == DS_OK) {
        d->end_status = DS_ERR_IO;
        snprintf(d->end_message, sizeof d->end_message,
                 "what is kept could not be saved: the next start runs the last %zu batches again, "
                 "and needs their input (files, too)",
                 unsaved);
    }
    ds_driver_release_retained(d, INT64_MAX);
    if (d->config.checkpoint)
        return; /* a restart goes on from it */
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        for (uint32_t p = 0; d->keyed[s] != NULL && p < d->plan->stages[s].n_partitions; p++)
            ds_chains_drop(&d->chains, s, p);
    give_back_refs(d);
}

void ds_driver_free_save(ds_driver *d)
{
    forget(&d->save);
    ds_chains_fini(&d->chains);
}
