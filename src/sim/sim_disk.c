/*
 * The simulated disk: checkpoint records (kept in memory), commits (real files), listings. It
 * does one thing after the other. When the driver's process dies, some of what it was told to
 * do has been done, and of the next record a part may have been written.
 */
#include "base/assert.h"
#include "base/files.h"
#include "checkpoint/append.h"
#include "checkpoint/commit.h"
#include "checkpoint/placed.h"
#include "receiver/block_log_read.h"
#include "sim/sim_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct ds_sim_job {
    ds_sim_event event;
    struct ds_sim_job *next;
    uint64_t generation;
    enum { JOB_LIST, JOB_FOLLOW, JOB_SCAN, JOB_TRIM, JOB_RECORD, JOB_COMMIT } kind;
    uint32_t source;
    const ds_follow_request *request; /* in the arena */
    ds_arena *arena;
    const ds_commit *commit; /* the batch's, which waits for the answer */
    bool whole;
    uint64_t ticket;
    ds_log_place place; /* SCAN, TRIM; line is the folder */
    size_t length;
    char line[];
} ds_sim_job;

#define MOST_APPENDS 64u /* of one commit */

static bool fails(ds_sim *sim)
{
    bool yes = ds_sim_happens(sim, sim->config.faults.disk_fails);
    sim->figures.disk_failures += yes;
    return yes;
}

/* ---- what is done ---- */

/* After a failure only a whole record is good again (checkpoint/metadata.h). */
static ds_status write_record(ds_sim *sim, const ds_sim_job *job, ds_error *error)
{
    sim->journal_broken = fails(sim) || (sim->journal_broken && !job->whole);
    ds_sim_trace(sim, "record %" PRIu64 "%s: %.*s", job->ticket,
                 sim->journal_broken ? " fails" : "",
                 (int)(job->length < 160 ? job->length : 160) - 1, job->line);
    if (sim->journal_broken)
        return ds_error_set(error, DS_ERR_IO, "no space left");
    if (job->whole)
        sim->journal.length = 0;
    ds_buffer_append(&sim->journal, job->line, job->length);
    return DS_OK;
}

/* What came of a commit. */
typedef struct outcome {
    ds_append_end ends[MOST_APPENDS]; /* see ds_append_files */
    bool moved;
    bool *lost; /* see ds_driver_event; owned */
    bool any_lost;
} outcome;

static void look_for_losses(const ds_commit *commit, outcome *o)
{
    for (uint32_t i = 0; i < commit->n_files + commit->n_appends; i++)
        o->any_lost = o->any_lost || o->lost[i];
}

static void wipe(ds_sim *sim, const ds_commit_file *files, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (ds_random_below(&sim->random, 2) == 0)
            continue;
        ds_buffer mark = {0};
        ds_placed_path(&mark, files[i].staged);
        unlink(files[i].staged);
        unlink(ds_buffer_text(&mark));
        ds_buffer_fini(&mark);
    }
}

/* Somebody removes staged files. */
static void wipe_some(ds_sim *sim, const ds_commit *what)
{
    if (!ds_sim_happens(sim, sim->config.faults.wipe))
        return;
    ds_sim_trace(sim, "staged files of batch %" PRId64 " are removed", what->batch_ms);
    wipe(sim, what->files, what->n_files);
    for (uint32_t i = 0; i < what->n_appends; i++)
        wipe(sim, what->appends[i].parts, what->appends[i].n_parts);
}

static ds_status commit(ds_sim *sim, const ds_sim_job *job, outcome *o, ds_error *error)
{
    const ds_commit *what = job->commit;
    wipe_some(sim, what);
    *o = (outcome){.lost = ds_calloc((size_t)what->n_files + what->n_appends + 1, sizeof *o->lost)};
    ds_status status = fails(sim) ? ds_error_set(error, DS_ERR_IO, "no space left")
                                  : ds_commit_files(what, false, o->lost, error);
    if (status == DS_OK)
        status = ds_append_files(what, false, o->ends, &o->moved, o->lost + what->n_files, error);
    look_for_losses(what, o);
    for (uint32_t i = 0; i < what->n_bytes && status == DS_OK; i++)
        if (ds_sim_bytes(sim, &what->bytes[i].ref) == NULL)
            status = ds_error_set(error, DS_ERR_LOST, "rows to look at are gone");
    ds_sim_trace(sim, "batch %" PRId64 " is committed: %s", what->batch_ms,
                 status != DS_OK ? error->message
                 : o->any_lost   ? "not yet, outputs are lost"
                 : o->moved      ? "not yet, a file is not as it was left"
                                 : "done");
    return status;
}

/* What a crash in the midst of an append leaves: a part of it; or all, and not all of the staged
 * files are removed. Nothing if it was not to begin. */
static void half_append(ds_sim *sim, const ds_commit *what)
{
    DS_ASSERT(what->n_appends <= MOST_APPENDS);
    if (what->n_appends == 0)
        return;
    const ds_commit_append *append = &what->appends[ds_random_below(&sim->random, what->n_appends)];
    ds_buffer bytes = {0};
    ds_error error;
    struct stat st;
    bool begins = stat(append->path, &st) == 0 && (uint64_t)st.st_size == append->base.length &&
                  (uint64_t)st.st_ino == append->base.inode;
    for (uint32_t i = 0; i < append->n_parts && begins; i++)
        begins = ds_read_file(append->parts[i].staged, SIZE_MAX, &bytes, &error) == DS_OK;
    FILE *file = begins ? fopen(append->path, "a") : NULL;
    uint64_t n = ds_random_below(&sim->random, bytes.length + bytes.length / 4 + 1);
    if (file != NULL) {
        fwrite(bytes.data, 1, n < bytes.length ? n : bytes.length, file);
        fclose(file);
        for (uint64_t i = bytes.length; i < n && i - bytes.length < append->n_parts; i++)
            unlink(append->parts[i - bytes.length].staged);
        ds_sim_trace(sim, "of %zu bytes for %s %" PRIu64 " were written", bytes.length,
                     append->path, n < bytes.length ? n : bytes.length);
    }
    ds_buffer_fini(&bytes);
}

/* ---- jobs ---- */

static const ds_sightings nothing_seen;

static void answer_scan(ds_sim *sim, const ds_sim_job *job)
{
    ds_log_found found;
    ds_error error = {.message = ""};
    ds_driver_event event = {.kind = DS_DRIVER_LOGGED, .source = job->source};
    event.status = ds_block_log_scan(job->line, &job->place, 0, &found, &error);
    DS_ASSERT(found.damaged.blocks + found.missing + found.flaws == 0 && !found.locked);
    const ds_logged_blocks logged = {.blocks = found.blocks,
                                     .n_blocks = (uint32_t)found.n_blocks,
                                     .last_receiver = found.last_receiver,
                                     .cut_bytes = found.cut_bytes};
    event.logged = &logged;
    event.text = error.message;
    ds_sim_trace(sim, "source %u: %u blocks are found in its log", job->source, logged.n_blocks);
    ds_sim_driver_step(sim, &event);
    ds_log_found_fini(&found);
}

/* o: of a commit. */
static void answer(ds_sim *sim, const ds_sim_job *job, ds_status status, const outcome *o,
                   const ds_error *error)
{
    const ds_sim_hooks *hooks = &sim->config.hooks;
    ds_driver_event event = {.status = status, .text = status == DS_OK ? "" : error->message};
    switch (job->kind) {
    case JOB_LIST:
        event.kind = DS_DRIVER_FILES;
        event.source = job->source;
        if (hooks->list != NULL)
            event.n_files = hooks->list(hooks->arg, job->source, sim->now_us, &event.files);
        ds_sim_trace(sim, "source %u: %u files are listed", job->source, event.n_files);
        break;
    case JOB_FOLLOW:
        event.kind = DS_DRIVER_FOLLOWED;
        event.source = job->source;
        event.seen = hooks->follow != NULL
                         ? hooks->follow(hooks->arg, job->source, sim->now_us, job->request)
                         : &nothing_seen;
        ds_sim_trace(sim, "source %u: %u files are seen", job->source, event.seen->n);
        break;
    case JOB_SCAN: answer_scan(sim, job); return;
    case JOB_TRIM: ds_block_log_trim(job->line, &job->place); return;
    case JOB_RECORD:
        event.kind = DS_DRIVER_JOURNALED;
        event.ticket = job->ticket;
        break;
    case JOB_COMMIT:
        event.kind = DS_DRIVER_COMMITTED;
        event.batch_ms = job->commit->batch_ms;
        event.ends = o->moved ? o->ends : NULL;
        event.lost = o->any_lost ? o->lost : NULL;
        if (status == DS_OK && event.ends == NULL && event.lost == NULL && hooks->committed != NULL)
            hooks->committed(hooks->arg, job->commit);
        break;
    }
    ds_sim_driver_step(sim, &event);
}

static void run_job(void *arg, ds_sim_event *event)
{
    ds_sim *sim = arg;
    const ds_sim_job *job = (const ds_sim_job *)event;
    if (job->generation != sim->generation || sim->ended)
        return;
    DS_ASSERT(sim->jobs == job);
    if (job->kind == JOB_COMMIT && ds_sim_crashes(sim, sim->config.faults.crash_commit)) {
        ds_sim_driver_crash(sim);
        return;
    }
    sim->jobs = job->next;
    if (sim->jobs == NULL)
        sim->last_job = &sim->jobs;
    ds_error error;
    ds_status status = DS_OK;
    outcome o = {0};
    if (job->kind == JOB_RECORD)
        status = write_record(sim, job, &error);
    else if (job->kind == JOB_COMMIT)
        status = commit(sim, job, &o, &error);
    answer(sim, job, status, &o, &error);
    free(o.lost);
}

static ds_sim_job *add_job(ds_sim *sim, size_t length)
{
    ds_sim_job *job = ds_sim_event_new(sizeof *job + length, run_job);
    job->generation = sim->generation;
    *sim->last_job = job;
    sim->last_job = &job->next;
    if (sim->disk_free_us < sim->now_us)
        sim->disk_free_us = sim->now_us;
    sim->disk_free_us += ds_sim_delay(sim, sim->config.faults.disk_max_us);
    ds_sim_event_add(sim, job, sim->disk_free_us);
    return job;
}

void ds_sim_disk_list(ds_sim *sim, uint32_t source)
{
    ds_sim_job *job = add_job(sim, 0);
    job->kind = JOB_LIST;
    job->source = source;
}

static void drop_follow(ds_sim_event *event)
{
    ds_arena_free(((ds_sim_job *)event)->arena);
    free(event);
}

void ds_sim_disk_follow(ds_sim *sim, uint32_t source, const ds_follow_request *request,
                        ds_arena *arena)
{
    ds_sim_job *job = add_job(sim, 0);
    job->event.drop = drop_follow;
    job->kind = JOB_FOLLOW;
    job->source = source;
    job->request = request;
    job->arena = arena;
}

static void add_log_job(ds_sim *sim, const char *folder, const ds_log_place *place, bool scan,
                        uint32_t source)
{
    ds_sim_job *job = add_job(sim, strlen(folder) + 1);
    job->kind = scan ? JOB_SCAN : JOB_TRIM;
    job->source = source;
    job->place = *place;
    memcpy(job->line, folder, strlen(folder) + 1);
}

void ds_sim_disk_scan(ds_sim *sim, uint32_t source, const char *folder, const ds_log_place *after)
{
    add_log_job(sim, folder, after, true, source);
}

void ds_sim_disk_trim(ds_sim *sim, const char *folder, const ds_log_place *before)
{
    add_log_job(sim, folder, before, false, 0);
}

void ds_sim_disk_record(ds_sim *sim, const char *line, size_t length, bool whole, uint64_t ticket)
{
    ds_sim_job *job = add_job(sim, length);
    job->kind = JOB_RECORD;
    job->whole = whole;
    job->ticket = ticket;
    job->length = length;
    memcpy(job->line, line, length);
}

void ds_sim_disk_commit(ds_sim *sim, const ds_commit *what)
{
    ds_sim_job *job = add_job(sim, 0);
    job->kind = JOB_COMMIT;
    job->commit = what;
}

void ds_sim_disk_crash(ds_sim *sim)
{
    uint32_t n = 0;
    for (const ds_sim_job *job = sim->jobs; job != NULL; job = job->next)
        n++;
    uint64_t done = ds_random_below(&sim->random, (uint64_t)n + 1);
    ds_error error;
    const ds_sim_job *job = sim->jobs;
    for (; done > 0; done--, job = job->next) {
        outcome o = {0};
        if (job->kind == JOB_RECORD)
            write_record(sim, job, &error);
        else if (job->kind == JOB_COMMIT)
            commit(sim, job, &o, &error);
        free(o.lost);
    }
    if (job != NULL && job->kind == JOB_COMMIT)
        half_append(sim, job->commit);
    bool torn = job != NULL && job->kind == JOB_RECORD && !job->whole && job->length > 0;
    if (torn && !sim->journal_broken)
        ds_buffer_append(&sim->journal, job->line, ds_random_below(&sim->random, job->length));
    sim->jobs = NULL;
    sim->last_job = &sim->jobs;
    sim->disk_free_us = sim->now_us;
    sim->journal_broken = false;
}
