#include "cli/loop_jobs.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/files.h"
#include "checkpoint/commit.h"
#include "cli/loop_state.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "receiver/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_WAIT_MS 3000                  /* for the end of whoever wrote a log: it was killed */
#define PRINTED_BYTES ((uint64_t)4 << 20) /* between two looks at what was read */

typedef struct list_job {
    ds_disk_job job;
    ds_loop *loop;
    uint32_t source;
    ds_loop_mail *m;
    uint32_t capacity;
} list_job;

static void free_job(ds_disk_job *job)
{
    free(job);
}

static void on_file(void *arg, const ds_file_info *file)
{
    list_job *list = arg;
    ds_loop_mail *m = list->m;
    if (m->n_files == list->capacity) {
        list->capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        m->files = ds_realloc(m->files, list->capacity, sizeof *m->files);
    }
    m->files[m->n_files++] = (ds_listed_file){ds_arena_strdup(m->arena, file->name), file->size};
}

static void run_list(ds_disk_job *job)
{
    list_job *list = (list_job *)job;
    const ds_app_source *source = &list->loop->plan->app->sources[list->source];
    ds_error error = {.message = ""};
    ds_loop_mail *m = ds_loop_mail_new(DS_MAIL_FILES, NULL, sizeof error.message);
    m->arena = ds_arena_new(NULL);
    m->source = list->source;
    list->m = m;
    m->status = ds_files_list(source->dir, source->pattern, on_file, list, &error);
    if (m->status != DS_OK)
        memcpy(m->bytes, error.message, sizeof error.message);
    ds_loop_post(list->loop, m);
}

void ds_loop_list_files(void *arg, uint32_t source)
{
    list_job *job = ds_calloc(1, sizeof *job);
    *job = (list_job){.job = {.run = run_list, .free = free_job}, .loop = arg, .source = source};
    ds_disk_add(job->loop->disk, &job->job);
}

/* ---- the log of what is received ---- */

typedef struct log_job {
    ds_disk_job job;
    ds_loop *loop;
    uint32_t source;
    ds_log_place place;
    char folder[];
} log_job;

/* The start made the folder of a source that has a log: if it is not there it is away. One that
 * had a log is made for its last batches: without it what they were given would merely be out of
 * sight, as it is for an executor elsewhere, and be waited for. */
static ds_status has_folder(const log_job *log, ds_error *error)
{
    if (!log->loop->plan->app->sources[log->source].log)
        return log->place.receiver_id != 0 ? ds_make_private_folders(log->folder, error) : DS_OK;
    if (access(log->folder, F_OK) == 0)
        return DS_OK;
    return ds_error_set(error, DS_ERR_UNAVAILABLE, "cannot look into %s: %s", log->folder,
                        strerror(errno));
}

/* From a folder that is away, or another one in its place, there is nothing to be learned. */
static ds_status scan_log(const log_job *log, ds_log_found *found, ds_error *error)
{
    ds_error away;
    ds_status status = ds_metadata_check(log->loop->metadata, error);
    if (ds_metadata_is_new(log->loop->metadata)) /* no log without it: lost_metadata.h */
        return ds_error_set(error, DS_ERR_UNAVAILABLE,
                            "the checkpoint could not be written before");
    if (status == DS_OK)
        status = has_folder(log, error);
    if (status == DS_OK)
        status = ds_block_log_scan(log->folder, &log->place, LOG_WAIT_MS, found, error);
    if (ds_metadata_check(log->loop->metadata, &away) == DS_OK)
        return status;
    *error = away;
    return DS_ERR_UNAVAILABLE;
}

static void run_scan_log(ds_disk_job *job)
{
    log_job *log = (log_job *)job;
    ds_error error = {.message = ""};
    ds_loop_mail *m = ds_loop_mail_new(DS_MAIL_LOGGED, NULL, sizeof error.message);
    m->source = log->source;
    m->status = scan_log(log, &m->found, &error);
    memcpy(m->bytes, error.message, sizeof error.message);
    ds_loop_post(log->loop, m);
}

static void run_trim_log(ds_disk_job *job)
{
    const log_job *log = (const log_job *)job;
    if (ds_metadata_check(log->loop->metadata, NULL) == DS_OK) /* else the next one takes them */
        ds_block_log_trim(log->folder, &log->place);
}

static void add_log_job(ds_disk *thread, ds_loop *loop, void (*run)(ds_disk_job *job),
                        uint32_t source, const char *folder, const ds_log_place *place)
{
    log_job *job = ds_calloc(1, sizeof *job + strlen(folder) + 1);
    *job = (log_job){
        .job = {.run = run, .free = free_job}, .loop = loop, .source = source, .place = *place};
    memcpy(job->folder, folder, strlen(folder));
    ds_disk_add(thread, &job->job);
}

void ds_loop_scan_log(void *arg, uint32_t source, const char *folder, const ds_log_place *after)
{
    ds_loop *loop = arg;
    add_log_job(loop->disk, loop, run_scan_log, source, folder, after);
}

void ds_loop_trim_log(void *arg, const char *folder, const ds_log_place *before)
{
    ds_loop *loop = arg;
    add_log_job(ds_dropper_thread(loop->dropper), loop, run_trim_log, 0, folder, before);
}

/* Records that wait for the disk together are written together, synced once if one of them is to
 * be, and answered once: the last one's ticket stands for those before it. */
typedef struct journal_job {
    ds_disk_job job;
    ds_loop *loop;
    bool whole, sync;
    uint64_t ticket;
    ds_buffer lines;
} journal_job;

static void run_journal(ds_disk_job *job)
{
    journal_job *journal = (journal_job *)job;
    int64_t begun_us = ds_clock_mono_us();
    ds_error error;
    ds_status status =
        ds_metadata_append(journal->loop->metadata, journal->lines.data, journal->lines.length,
                           journal->whole, journal->sync, &error);
    ds_loop_mail *m = ds_loop_mail_answer(DS_MAIL_JOURNALED, status, &error);
    m->ticket = journal->ticket;
    m->took_us = ds_clock_mono_us() - begun_us;
    ds_loop_post(journal->loop, m);
}

static void free_journal(ds_disk_job *job)
{
    ds_buffer_fini(&((journal_job *)job)->lines);
    free(job);
}

/* A whole record begins a file of its own. */
static bool join_journal(ds_disk_job *job, ds_disk_job *behind)
{
    journal_job *journal = (journal_job *)job;
    const journal_job *next = (const journal_job *)behind;
    if (behind->run != run_journal || journal->whole || next->whole)
        return false;
    DS_ASSERT(next->ticket > journal->ticket);
    ds_buffer_append(&journal->lines, next->lines.data, next->lines.length);
    journal->sync |= next->sync;
    journal->ticket = next->ticket;
    return true;
}

void ds_loop_journal(void *arg, const char *line, size_t length, bool whole, bool sync,
                     uint64_t ticket)
{
    ds_loop *loop = arg;
    journal_job *journal = ds_calloc(1, sizeof *journal);
    *journal =
        (journal_job){.job = {.run = run_journal, .free = free_journal, .join = join_journal},
                      .loop = loop,
                      .whole = whole,
                      .sync = sync,
                      .ticket = ticket};
    ds_buffer_append(&journal->lines, line, length);
    ds_disk_add(loop->disk, &journal->job);
}

/* The commit stays the batch's until it is answered; the console's bytes stay in their stores.
 * Those of stores that are not held open are fetched. */
typedef struct commit_job {
    ds_disk_job job;
    ds_loop *loop;
    const ds_commit *commit;
    uint32_t n_bytes;   /* of commit, which may be gone when the job is freed */
    const char **bytes; /* by commit->bytes; NULL: not here */
    char **urls;        /* where to fetch these; NULL: nowhere */
} commit_job;

static void free_commit_job(ds_disk_job *job)
{
    commit_job *commit = (commit_job *)job;
    for (uint32_t i = 0; i < commit->n_bytes; i++)
        free(commit->urls[i]);
    free(commit->urls);
    free(commit->bytes);
    free(job);
}

static ds_status print_fetched(ds_loop *loop, const char *url, const ds_ref *ref, uint64_t skip,
                               ds_error *error)
{
    char *bytes = ds_alloc(ref->length);
    ds_status status = ds_stores_fetch(loop->stores, url, ref, bytes, error);
    if (status == DS_OK)
        status = ds_print(bytes + skip, ref->length - skip, &loop->printed, error);
    free(bytes);
    return status;
}

/* Prints bytes of a held store, and lets go of what was on disk as it goes on. */
static ds_status print_held(ds_loop *loop, const char *bytes, const ds_ref *ref, uint64_t skip,
                            ds_error *error)
{
    ds_status status = DS_OK;
    for (uint64_t at = skip, n; at < ref->length && status == DS_OK; at += n) {
        n = ref->length - at < PRINTED_BYTES ? ref->length - at : PRINTED_BYTES;
        status = ds_print(bytes + at, n, &loop->printed, error);
        ds_stores_forget(loop->stores, ref);
    }
    return status;
}

/* Prints all but the first `skip` bytes of an output. */
static ds_status print_output(const commit_job *job, uint32_t i, uint64_t skip, ds_error *error)
{
    const ds_ref *ref = &job->commit->bytes[i].ref;
    if (skip == ref->length)
        return DS_OK;
    if (job->bytes[i] != NULL)
        return print_held(job->loop, job->bytes[i], ref, skip, error);
    if (job->urls[i] != NULL)
        return print_fetched(job->loop, job->urls[i], ref, skip, error);
    return ds_error_set(error, DS_ERR_LOST, "rows for the console are gone");
}

/* Goes on where an attempt before this one had to stop (a full disk), even within a row. */
static ds_status print_all(const commit_job *job, ds_error *error)
{
    ds_loop *loop = job->loop;
    const ds_commit *commit = job->commit;
    if (loop->printed_ms != commit->batch_ms)
        loop->printed = 0;
    loop->printed_ms = commit->batch_ms;
    uint64_t done = loop->printed;
    for (uint32_t i = 0; i < commit->n_bytes; i++) {
        uint64_t length = commit->bytes[i].ref.length;
        uint64_t skip = done < length ? done : length;
        DS_TRY(print_output(job, i, skip, error));
        done -= skip;
    }
    return DS_OK;
}

/* The folders that this commit is the first to write into are locked before it does. */
static ds_status lock_folders(const commit_job *job, ds_error *error)
{
    bool *make = ds_calloc(job->loop->plan->n_sinks, sizeof *make);
    for (uint32_t i = 0; i < job->commit->n_files && !job->commit->again; i++)
        make[job->commit->files[i].sink] = true;
    ds_status status = ds_sink_locks_take(job->loop->locks, make, error);
    free(make);
    return status;
}

/* m receives what is not done. */
static ds_status run_commit_steps(const commit_job *job, ds_loop_mail *m, ds_error *error)
{
    const uint32_t n_files = job->commit->n_files, n_appends = job->commit->n_appends;
    ds_append_end *ends = DS_ARENA_ARRAY(m->arena, ds_append_end, n_appends + 1);
    bool *lost = DS_ARENA_ARRAY(m->arena, bool, n_files + n_appends + 1), moved = false;
    const bool durable = job->loop->metadata != NULL;
    DS_TRY(lock_folders(job, error));
    DS_TRY(ds_commit_files(job->commit, durable, lost, error));
    DS_TRY(ds_append_files(job->commit, durable, ends, &moved, lost + n_files, error));
    m->ends = moved ? ends : NULL;
    m->lost = memchr(lost, true, n_files + n_appends) != NULL ? lost : NULL;
    if (job->commit->n_bytes == 0 || moved || m->lost != NULL)
        return DS_OK;
    ds_progress_pause();
    ds_status status = print_all(job, error);
    ds_progress_resume();
    return status;
}

static void run_commit(ds_disk_job *job)
{
    commit_job *commit = (commit_job *)job;
    ds_error error = {.message = ""};
    int64_t begun_us = ds_clock_mono_us();
    ds_loop_mail *m = ds_loop_mail_new(DS_MAIL_COMMITTED, NULL, sizeof error.message);
    m->arena = ds_arena_new(NULL);
    m->status = run_commit_steps(commit, m, &error);
    memcpy(m->bytes, error.message, sizeof error.message);
    m->batch_ms = commit->commit->batch_ms;
    m->took_us = ds_clock_mono_us() - begun_us;
    ds_loop_post(commit->loop, m);
}

/* Nothing is to be put in place: that needs no disk. */
static void post_empty_commit(ds_loop *loop, const ds_commit *commit)
{
    ds_loop_mail *m = ds_loop_mail_answer(DS_MAIL_COMMITTED, DS_OK, NULL);
    m->batch_ms = commit->batch_ms;
    ds_loop_post(loop, m);
}

void ds_loop_commit(void *arg, const ds_commit *commit)
{
    ds_loop *loop = arg;
    if (commit->n_files == 0 && commit->n_appends == 0 && commit->n_bytes == 0) {
        post_empty_commit(loop, commit);
        return;
    }
    commit_job *job = ds_calloc(1, sizeof *job);
    *job = (commit_job){.job = {.run = run_commit, .free = free_commit_job},
                        .loop = loop,
                        .commit = commit,
                        .n_bytes = commit->n_bytes,
                        .bytes = ds_calloc(commit->n_bytes, sizeof *job->bytes),
                        .urls = ds_calloc(commit->n_bytes, sizeof *job->urls)};
    for (uint32_t i = 0; i < commit->n_bytes; i++) {
        const ds_ref *ref = &commit->bytes[i].ref;
        const char *url = ds_driver_bulk_url(loop->control, ref->executor_id);
        job->bytes[i] = ds_stores_bytes(loop->stores, ref);
        job->urls[i] = url != NULL ? ds_strdup(url) : NULL;
    }
    ds_disk_add(loop->disk, &job->job);
}

void ds_loop_drop_files(void *arg, const char *const *paths, size_t n_paths)
{
    ds_dropper_add(((ds_loop *)arg)->dropper, paths, n_paths);
}
