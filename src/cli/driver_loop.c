/*
 * Threads: this one steps the control and starts processes; the link's threads, the disk thread
 * and the signal thread post to its mailbox. Ports are called from this thread only; what they
 * need on the disk goes to the disk thread as a job that owns copies of everything.
 *
 * A first SIGINT or SIGTERM asks for a graceful stop, a second one ends at once: executors see
 * their connection close and end too, and no name is left behind.
 */
#include "cli/driver_loop.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "cli/api.h"
#include "cli/disk.h"
#include "cli/drop_files.h"
#include "cli/follower.h"
#include "cli/guard.h"
#include "cli/launcher.h"
#include "cli/limits.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/stores.h"
#include "dstream/memory_shares.h"
#include "exec/bulk_server.h"
#include "receiver/block_log_read.h"
#include "receiver/files.h"
#include "rpc/link.h"
#include "rpc/url.h"
#include "scheduler/append.h"
#include "scheduler/commit.h"
#include "scheduler/kept_check.h"
#include "scheduler/kept_folder.h"
#include "scheduler/metadata.h"
#include "scheduler/sink_locks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#define GOODBYE_MS 2000
#define LOG_WAIT_MS 3000                  /* for the end of whoever wrote a log: it was killed */
#define MAIL_MOST 4096u                   /* waiting events; beyond, heartbeats are dropped */
#define TIMER_SLACK_NS 1ul                /* the system's own choice would be 50 us late */
#define PRINTED_BYTES ((uint64_t)4 << 20) /* between two looks at what was read */

typedef enum mail_kind {
    MAIL_MESSAGE,
    MAIL_LOST,
    MAIL_STOP,
    MAIL_CHILD,
    MAIL_FILES,
    MAIL_FOLLOWED,
    MAIL_LOGGED,
    MAIL_JOURNALED,
    MAIL_COMMITTED,
    MAIL_REQUEST, /* over HTTP: ticket; page in source */
} mail_kind;

typedef struct mail {
    ds_mail link;
    mail_kind kind;
    uint64_t peer, ticket;
    uint32_t source;
    int64_t batch_ms;
    int64_t took_us; /* JOURNALED, COMMITTED: on the disk thread */
    ds_status status;
    ds_listed_file *files; /* in arena */
    uint32_t n_files;
    ds_append_end *ends; /* of a commit that was not done; in arena */
    bool *lost;          /* the same */
    ds_sightings seen;   /* in arena */
    ds_log_found found;
    ds_arena *arena;
    size_t length;
    char bytes[];
} mail;

typedef struct driver_loop {
    const ds_plan *plan;
    const ds_run_options *options;
    ds_driver *control;
    ds_mailbox *mailbox;
    ds_server *server;  /* where our executors connect */
    ds_server *outside; /* executors.listen; or NULL */
    ds_launcher *launcher;
    ds_disk *disk;
    ds_follower *follower; /* or NULL */
    ds_metadata *metadata;
    ds_sink_locks *locks;
    int64_t printed_ms; /* of the disk thread: the batch whose rows were printed last, */
    uint64_t printed;   /* and how many bytes of them */
    uint64_t epoch;
    ds_guard guard;
    uint8_t key[DS_TOKEN_BYTES]; /* of this run: what WELCOME says */
    /* With executors from outside, who may be of another user, bulk is reached over tcp too: at
     * this address, with any port. */
    char outside_bulk[DS_ADDRESS_URL];
    ds_stores *stores;
    ds_api *api; /* or NULL */
    ds_loop_figures figures;
    atomic_uint_fast64_t beats_dropped;
    char folder[DS_MESSAGE_TEXT_LIMIT];          /* the current one */
    char kept_folder[DS_MESSAGE_TEXT_LIMIT / 2]; /* of the checkpoint */
    ds_buffer log_folder;                        /* of the logs of what is received; empty: none */
    ds_buffer out;
    bool ended, again; /* again: a launch failed within a step */
    ds_status status;
    char message[DS_ERROR_TEXT];
} driver_loop;

static mail *new_mail(mail_kind kind, const void *bytes, size_t length)
{
    mail *m = ds_calloc(1, sizeof *m + length + 1);
    m->kind = kind;
    m->length = length;
    if (bytes != NULL)
        memcpy(m->bytes, bytes, length);
    return m;
}

static void post(driver_loop *loop, mail *m)
{
    ds_mailbox_post(loop->mailbox, &m->link);
}

/* ---- links ---- */

/* Heartbeats come unasked. When the control stands still (nobody reads its standard error) they do
 * not pile up: the executor lives all the same, as others of its wait. */
static bool is_too_much(driver_loop *loop, const ds_link_event *event)
{
    if (event->kind != DS_LINK_MESSAGE ||
        ds_message_peek(event->bytes, event->length) != DS_MSG_HEARTBEAT ||
        ds_mailbox_waiting(loop->mailbox) < MAIL_MOST)
        return false;
    atomic_fetch_add(&loop->beats_dropped, 1);
    return true;
}

/* Peers of the two servers are told apart by the lowest bit. */
static void on_link(driver_loop *loop, const ds_link_event *event, uint64_t bit)
{
    if (event->kind == DS_LINK_OPENED)
        return; /* HELLO comes next */
    if (is_too_much(loop, event))
        return;
    mail *m = event->kind == DS_LINK_LOST ? new_mail(MAIL_LOST, NULL, 0)
                                          : new_mail(MAIL_MESSAGE, event->bytes, event->length);
    m->peer = event->peer << 1 | bit;
    post(loop, m);
}

static void on_local_link(void *arg, const ds_link_event *event)
{
    on_link(arg, event, 0);
}

static void on_outside_link(void *arg, const ds_link_event *event)
{
    on_link(arg, event, 1);
}

static ds_server *server_of(driver_loop *loop, uint64_t peer)
{
    return (peer & 1) != 0 ? loop->outside : loop->server;
}

static void port_send(void *arg, uint64_t peer, const ds_message *message)
{
    driver_loop *loop = arg;
    loop->out.length = 0;
    ds_message_encode(&loop->out, message);
    if (message->type == DS_MSG_WELCOME)
        ds_server_admit(server_of(loop, peer), peer >> 1);
    ds_server_send(server_of(loop, peer), peer >> 1, loop->out.data, loop->out.length);
}

static void port_close_peer(void *arg, uint64_t peer)
{
    driver_loop *loop = arg;
    ds_server_close_peer(server_of(loop, peer), peer >> 1, true);
}

/* ---- processes ---- */

static void port_launch(void *arg, uint64_t executor_id, const uint8_t *token)
{
    driver_loop *loop = arg;
    ds_error error;
    if (ds_launcher_start(loop->launcher, executor_id, token, &error) == DS_OK)
        return;
    ds_log_error("%s", error.message);
    mail *m = new_mail(MAIL_CHILD, NULL, 0);
    m->ticket = executor_id; /* it never lived */
    post(loop, m);
}

static void port_kill(void *arg, uint64_t executor_id)
{
    driver_loop *loop = arg;
    ds_launcher_kill(loop->launcher, executor_id);
}

static bool port_can_run(void *arg, uint64_t executor_id)
{
    const driver_loop *loop = arg;
    return ds_launcher_can_run(loop->launcher, executor_id);
}

static ds_driver_event new_event(ds_driver_event_kind kind)
{
    return (ds_driver_event){
        .kind = kind, .now_us = ds_clock_mono_us(), .wall_ms = ds_clock_wall_ms(), .text = ""};
}

static void on_exited(void *arg, uint64_t executor_id, const char *why)
{
    driver_loop *loop = arg;
    ds_driver_event event = new_event(DS_DRIVER_EXECUTOR_EXITED);
    event.executor_id = executor_id;
    event.text = why;
    ds_driver_step(loop->control, &event);
}

/* ---- stores ---- */

static ds_status port_open_store(void *arg, uint64_t executor_id, const ds_msg_hello *hello,
                                 ds_store_paths *paths, ds_error *error)
{
    driver_loop *loop = arg;
    return ds_stores_open(loop->stores, executor_id, hello, paths, error);
}

static void port_close_store(void *arg, uint64_t executor_id)
{
    driver_loop *loop = arg;
    ds_stores_close(loop->stores, executor_id);
}

/* ---- jobs of the disk thread ---- */

typedef struct list_job {
    ds_disk_job job;
    driver_loop *loop;
    uint32_t source;
    mail *m;
    uint32_t capacity;
} list_job;

static void free_job(ds_disk_job *job)
{
    free(job);
}

static void on_file(void *arg, const ds_file_info *file)
{
    list_job *list = arg;
    mail *m = list->m;
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
    mail *m = new_mail(MAIL_FILES, NULL, sizeof error.message);
    m->arena = ds_arena_new(NULL);
    m->source = list->source;
    list->m = m;
    m->status = ds_files_list(source->dir, source->pattern, on_file, list, &error);
    if (m->status != DS_OK)
        memcpy(m->bytes, error.message, sizeof error.message);
    post(list->loop, m);
}

static void port_list_files(void *arg, uint32_t source)
{
    list_job *job = ds_calloc(1, sizeof *job);
    *job = (list_job){.job = {.run = run_list, .free = free_job}, .loop = arg, .source = source};
    ds_disk_add(job->loop->disk, &job->job);
}

/* ---- files that grow ---- */

/* On the follower's thread. */
static void on_seen(void *arg, uint32_t source, const ds_sightings *seen)
{
    mail *m = new_mail(MAIL_FOLLOWED, NULL, 0);
    m->arena = ds_arena_new(NULL);
    m->source = source;
    ds_sighting *list = DS_ARENA_ARRAY(m->arena, ds_sighting, seen->n + 1);
    for (uint32_t i = 0; i < seen->n; i++) {
        list[i] = seen->list[i];
        list[i].path = ds_arena_strdup(m->arena, seen->list[i].path);
        list[i].why = ds_arena_strdup(m->arena, seen->list[i].why != NULL ? seen->list[i].why : "");
    }
    m->seen = (ds_sightings){list, seen->n, seen->beyond};
    post(arg, m);
}

static void port_follow(void *arg, uint32_t source, const ds_follow_request *request,
                        ds_arena *arena)
{
    driver_loop *loop = arg;
    ds_follower_ask(loop->follower, source, request, arena);
}

/* ---- the log of what is received ---- */

typedef struct log_job {
    ds_disk_job job;
    driver_loop *loop;
    uint32_t source;
    ds_log_place place;
    char folder[];
} log_job;

static void run_scan_log(ds_disk_job *job)
{
    log_job *log = (log_job *)job;
    ds_error error = {.message = ""};
    mail *m = new_mail(MAIL_LOGGED, NULL, sizeof error.message);
    m->source = log->source;
    /* What batches were given was there. Without the folder it would merely be out of sight, as it
     * is for an executor elsewhere, and be waited for. */
    if (log->place.receiver_id != 0)
        (void)ds_make_private_folders(log->folder, NULL);
    m->status = ds_block_log_scan(log->folder, &log->place, LOG_WAIT_MS, &m->found, &error);
    memcpy(m->bytes, error.message, sizeof error.message);
    post(log->loop, m);
}

static void run_trim_log(ds_disk_job *job)
{
    const log_job *log = (const log_job *)job;
    ds_block_log_trim(log->folder, &log->place);
}

static void add_log_job(driver_loop *loop, void (*run)(ds_disk_job *job), uint32_t source,
                        const char *folder, const ds_log_place *place)
{
    log_job *job = ds_calloc(1, sizeof *job + strlen(folder) + 1);
    *job = (log_job){
        .job = {.run = run, .free = free_job}, .loop = loop, .source = source, .place = *place};
    memcpy(job->folder, folder, strlen(folder));
    ds_disk_add(loop->disk, &job->job);
}

static void port_scan_log(void *arg, uint32_t source, const char *folder, const ds_log_place *after)
{
    add_log_job(arg, run_scan_log, source, folder, after);
}

static void port_trim_log(void *arg, const char *folder, const ds_log_place *before)
{
    add_log_job(arg, run_trim_log, 0, folder, before);
}

typedef struct journal_job {
    ds_disk_job job;
    driver_loop *loop;
    bool whole, sync;
    uint64_t ticket;
    size_t length;
    char line[];
} journal_job;

static mail *new_answer(mail_kind kind, ds_status status, const ds_error *error)
{
    const char *text = status == DS_OK ? "" : error->message;
    mail *m = new_mail(kind, text, strlen(text));
    m->status = status;
    return m;
}

static void run_journal(ds_disk_job *job)
{
    journal_job *journal = (journal_job *)job;
    int64_t begun_us = ds_clock_mono_us();
    ds_error error;
    ds_status status = ds_metadata_append(journal->loop->metadata, journal->line, journal->length,
                                          journal->whole, journal->sync, &error);
    mail *m = new_answer(MAIL_JOURNALED, status, &error);
    m->ticket = journal->ticket;
    m->took_us = ds_clock_mono_us() - begun_us;
    post(journal->loop, m);
}

static void port_journal(void *arg, const char *line, size_t length, bool whole, bool sync,
                         uint64_t ticket)
{
    driver_loop *loop = arg;
    journal_job *job = ds_calloc(1, sizeof *job + length);
    *job = (journal_job){.job = {.run = run_journal, .free = free_job},
                         .loop = loop,
                         .whole = whole,
                         .sync = sync,
                         .ticket = ticket,
                         .length = length};
    memcpy(job->line, line, length);
    ds_disk_add(loop->disk, &job->job);
}

/* The commit stays the batch's until it is answered; the console's bytes stay in their stores.
 * Those of stores that are not held open are fetched. */
typedef struct commit_job {
    ds_disk_job job;
    driver_loop *loop;
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

static ds_status print_fetched(driver_loop *loop, const char *url, const ds_ref *ref, uint64_t skip,
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
static ds_status print_held(driver_loop *loop, const char *bytes, const ds_ref *ref, uint64_t skip,
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
    driver_loop *loop = job->loop;
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

static bool any(const bool *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (list[i])
            return true;
    return false;
}

/* m receives what is not done. */
static ds_status run_commit_steps(const commit_job *job, mail *m, ds_error *error)
{
    const uint32_t n_files = job->commit->n_files, n_appends = job->commit->n_appends;
    ds_append_end *ends = DS_ARENA_ARRAY(m->arena, ds_append_end, n_appends + 1);
    bool *lost = DS_ARENA_ARRAY(m->arena, bool, n_files + n_appends + 1), moved = false;
    const bool durable = job->loop->metadata != NULL;
    DS_TRY(lock_folders(job, error));
    DS_TRY(ds_commit_files(job->commit, durable, lost, error));
    DS_TRY(ds_append_files(job->commit, durable, ends, &moved, lost + n_files, error));
    m->ends = moved ? ends : NULL;
    m->lost = any(lost, n_files + n_appends) ? lost : NULL;
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
    mail *m = new_mail(MAIL_COMMITTED, NULL, sizeof error.message);
    m->arena = ds_arena_new(NULL);
    m->status = run_commit_steps(commit, m, &error);
    memcpy(m->bytes, error.message, sizeof error.message);
    m->batch_ms = commit->commit->batch_ms;
    m->took_us = ds_clock_mono_us() - begun_us;
    post(commit->loop, m);
}

/* Nothing is to be put in place: that needs no disk. */
static void post_empty_commit(driver_loop *loop, const ds_commit *commit)
{
    mail *m = new_answer(MAIL_COMMITTED, DS_OK, NULL);
    m->batch_ms = commit->batch_ms;
    post(loop, m);
}

static void port_commit(void *arg, const ds_commit *commit)
{
    driver_loop *loop = arg;
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

static void port_drop_files(void *arg, const char *const *paths, size_t n_paths)
{
    ds_drop_files(((driver_loop *)arg)->disk, paths, n_paths);
}

static void port_progress(void *arg, const ds_progress *progress)
{
    (void)arg;
    ds_progress_show(progress);
}

static void port_end(void *arg, ds_status status, const char *message)
{
    driver_loop *loop = arg;
    loop->ended = true;
    loop->status = status;
    snprintf(loop->message, sizeof loop->message, "%s", message);
}

/* ---- signals ---- */

static void on_signal(void *arg, bool stop)
{
    post(arg, new_mail(stop ? MAIL_STOP : MAIL_CHILD, NULL, 0));
}

/* ---- the loop ---- */

static void step_message(driver_loop *loop, const mail *m, ds_driver_event *event)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_message message;
    ds_error error;
    event->peer = m->peer;
    if (ds_message_decode(arena, m->bytes, m->length, &message, &error) == DS_OK) {
        event->kind = DS_DRIVER_MESSAGE;
        event->message = &message;
        ds_driver_step(loop->control, event);
    } else {
        ds_log_warn("a peer was disconnected: %s", error.message);
        ds_server_close_peer(server_of(loop, m->peer), m->peer >> 1, false);
    }
    ds_arena_free(arena);
}

static ds_logged_blocks logged_of(const mail *m)
{
    return (ds_logged_blocks){.blocks = m->found.blocks,
                              .n_blocks = (uint32_t)m->found.n_blocks,
                              .last_receiver = m->found.last_receiver,
                              .damaged = m->found.damaged,
                              .unknown = m->found.unknown,
                              .missing = m->found.missing,
                              .cut_bytes = m->found.cut_bytes,
                              .locked = m->found.locked};
}

/* ---- over HTTP ---- */

static void on_request(void *arg, uint64_t request, uint32_t page)
{
    mail *m = new_mail(MAIL_REQUEST, NULL, 0);
    m->ticket = request;
    m->source = page;
    post(arg, m);
}

static void answer_request(driver_loop *loop, const mail *m)
{
    loop->figures.mail_waiting = ds_mailbox_waiting(loop->mailbox);
    loop->figures.disk_jobs = ds_disk_waiting(loop->disk);
    loop->figures.mail_dropped = atomic_load(&loop->beats_dropped);
    ds_api_answer(loop->api, m->ticket, m->source, loop->plan, loop->control, &loop->figures);
}

static void step_mail(driver_loop *loop, mail *m)
{
    const ds_logged_blocks logged = logged_of(m);
    ds_driver_event event = new_event(DS_DRIVER_TIME);
    event.status = m->status;
    event.text = m->bytes;
    switch (m->kind) {
    case MAIL_MESSAGE: step_message(loop, m, &event); return;
    case MAIL_LOST:
        event.kind = DS_DRIVER_PEER_LOST;
        event.peer = m->peer;
        break;
    case MAIL_STOP: event.kind = DS_DRIVER_STOP; break;
    case MAIL_REQUEST: answer_request(loop, m); return;
    case MAIL_CHILD:
        if (m->ticket != 0)
            on_exited(loop, m->ticket, "it could not be started");
        ds_launcher_reap(loop->launcher, on_exited, loop);
        return;
    case MAIL_FILES:
        event.kind = DS_DRIVER_FILES;
        event.source = m->source;
        event.files = m->files;
        event.n_files = m->n_files;
        break;
    case MAIL_FOLLOWED:
        event.kind = DS_DRIVER_FOLLOWED;
        event.source = m->source;
        event.seen = &m->seen;
        break;
    case MAIL_LOGGED:
        event.kind = DS_DRIVER_LOGGED;
        event.source = m->source;
        event.logged = &logged;
        break;
    case MAIL_JOURNALED:
        event.kind = DS_DRIVER_JOURNALED;
        event.ticket = m->ticket;
        ds_histogram_add(&loop->figures.journal, m->took_us);
        break;
    case MAIL_COMMITTED:
        event.kind = DS_DRIVER_COMMITTED;
        ds_histogram_add(&loop->figures.commit, m->took_us);
        event.batch_ms = m->batch_ms;
        event.ends = m->ends;
        event.lost = m->lost;
        break;
    }
    ds_driver_step(loop->control, &event);
}

static void free_mail(mail *m)
{
    free(m->files);
    ds_log_found_fini(&m->found);
    ds_arena_free(m->arena);
    free(m);
}

/* When to wake at the latest, on the monotonic clock. */
static int64_t next_wake_us(const driver_loop *loop)
{
    int64_t mono_us, wall_ms;
    ds_driver_deadline(loop->control, &mono_us, &wall_ms);
    if (wall_ms == INT64_MAX)
        return mono_us;
    int64_t wait_us = wall_ms * 1000 - ds_clock_wall_us();
    /* Not too far ahead: the wall clock may be set. */
    if (wait_us > 1000000)
        wait_us = 1000000;
    int64_t at_us = ds_clock_mono_us() + (wait_us > 0 ? wait_us : 0);
    return at_us < mono_us ? at_us : mono_us;
}

static void run(driver_loop *loop)
{
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
    ds_driver_event started = new_event(DS_DRIVER_STARTED);
    ds_driver_step(loop->control, &started);
    while (!loop->ended) {
        ds_mail *items = ds_mailbox_take(loop->mailbox, next_wake_us(loop));
        while (items != NULL) {
            mail *m = (mail *)items;
            items = items->next;
            if (!loop->ended)
                step_mail(loop, m);
            free_mail(m);
        }
        if (!loop->ended) {
            ds_driver_event tick = new_event(DS_DRIVER_TIME);
            ds_driver_step(loop->control, &tick);
        }
    }
}

/* ---- start and end ---- */

static uint64_t random_number(void)
{
    uint64_t number = 0;
    while (number == 0)
        if (getrandom(&number, sizeof number, 0) != sizeof number)
            number = (uint64_t)ds_clock_wall_us();
    return number;
}

/* True if our executors are threads. */
static bool has_threads(const driver_loop *loop)
{
    return loop->plan->app->executors_mode == DS_MODE_THREADS;
}

static ds_status open_servers(driver_loop *loop, ds_error *error)
{
    char url[128];
    const ds_link_options link = {.secret = &loop->guard.secret,
                                  .tls = loop->guard.tls,
                                  .epoch = loop->epoch,
                                  .introduced = true};
    snprintf(url, sizeof url, "%s://dstream-%d-%016" PRIx64,
             has_threads(loop) ? "inproc" : "abstract", (int)getpid(), random_number());
    DS_TRY(ds_server_open_with(url, &link, on_local_link, loop, &loop->server, error));
    const char *listen = loop->plan->app->executors_listen;
    if (listen == NULL)
        return DS_OK;
    DS_TRY(ds_server_open_with(listen, &link, on_outside_link, loop, &loop->outside, error));
    ds_url_any_port(ds_server_url(loop->outside), loop->outside_bulk);
    DS_TRY(ds_stores_listen(loop->stores, loop->outside_bulk, &link, error));
    ds_log_info("executors may join at %s", ds_server_url(loop->outside));
    return DS_OK;
}

static bool uses_stdin(const ds_plan *plan)
{
    for (uint32_t i = 0; i < plan->app->n_sources; i++)
        if (plan->app->sources[i].type == DS_SOURCE_STDIN)
            return true;
    return false;
}

/* Its share of the disk. */
static uint64_t executor_spill(const ds_app *app)
{
    return (uint64_t)app->limits_spill / (app->executors_count > 0 ? app->executors_count : 1);
}

static void on_thread_ended(void *arg)
{
    post(arg, new_mail(MAIL_CHILD, NULL, 0));
}

static void make_launcher(driver_loop *loop)
{
    const ds_app *app = loop->plan->app;
    static ds_launch_spec spec;
    spec = (ds_launch_spec){.threads = has_threads(loop),
                            .ended = on_thread_ended,
                            .ended_arg = loop,
                            .url = ds_server_url(loop->server),
                            .bulk = loop->outside_bulk,
                            .secret = loop->guard.secret,
                            .tls = loop->guard.files,
                            .own_tls = loop->guard.tls,
                            .app_id = app->name,
                            .cores = app->executors_cores,
                            .memory_bytes = (uint64_t)ds_memory_of_executor(app),
                            .spill_folder = app->checkpoint_dir != NULL ? app->checkpoint_dir : "",
                            .spill_bytes = executor_spill(app),
                            .with_stdin = uses_stdin(loop->plan),
                            .log_format = loop->options->log_format,
                            .log_level = loop->options->log_level};
    loop->launcher = ds_launcher_new(&spec);
}

static ds_status open_checkpoint(driver_loop *loop, ds_recovered **recovered, ds_error *error)
{
    const ds_app *app = loop->plan->app;
    *recovered = NULL;
    if (app->checkpoint_dir == NULL)
        return DS_OK;
    DS_TRY(ds_metadata_open(app->checkpoint_dir, app->checkpoint_retain, &loop->metadata, error));
    DS_TRY(ds_metadata_recover(loop->metadata, loop->plan, recovered, error));
    snprintf(loop->kept_folder, sizeof loop->kept_folder, "%s/kept", app->checkpoint_dir);
    if (*recovered == NULL)
        return ds_kept_folder_open(loop->kept_folder, NULL, error);
    if ((*recovered)->warning != NULL)
        ds_log_warn("%s", (*recovered)->warning);
    DS_TRY(ds_recovered_check(*recovered, loop->plan, app->checkpoint_dir, error));
    DS_TRY(ds_recovered_check_kept(*recovered, loop->plan, app->checkpoint_dir, error));
    if ((*recovered)->failed.n > 0)
        ds_log_warn("%zu batches were given up before, and are missing in the output: dstream "
                    "checkpoint show %s says which, and what they held",
                    (*recovered)->failed.n, app->checkpoint_dir);
    ds_log_info("going on from the checkpoint in %s: %u batches to finish", app->checkpoint_dir,
                (*recovered)->n_batches);
    return ds_kept_folder_open(loop->kept_folder, &(*recovered)->kept, error);
}

static void make_control(driver_loop *loop, const ds_recovered *recovered)
{
    const ds_app *app = loop->plan->app;
    ds_driver_config config = {.plan = loop->plan,
                               .epoch = loop->epoch,
                               .seed = random_number(),
                               .available_now = loop->options->available_now,
                               .checkpoint = loop->metadata != NULL,
                               .saves = true,
                               .kept_folder = loop->kept_folder,
                               .not_before_ms = ds_commit_newest(loop->plan),
                               .external_executors = loop->outside != NULL,
                               .one_process = has_threads(loop),
                               .folder = loop->folder,
                               .bulk_url = ds_stores_url(loop->stores),
                               .heartbeat_ms = (uint32_t)app->executors_heartbeat_ms,
                               .credit_bytes = (uint64_t)app->limits_memory / 4,
                               .recovered = recovered};
    if (loop->metadata != NULL) {
        ds_buffer_printf(&loop->log_folder, "%s/log", app->checkpoint_dir);
        config.log_folder = ds_buffer_text(&loop->log_folder);
    }
    memcpy(config.key, loop->key, sizeof config.key);
    if (getcwd(loop->folder, sizeof loop->folder) == NULL)
        loop->folder[0] = '\0'; /* executors have to be where we are */
    const ds_driver_ports ports = {.arg = loop,
                                   .send = port_send,
                                   .close_peer = port_close_peer,
                                   .launch = port_launch,
                                   .kill = port_kill,
                                   .can_run = port_can_run,
                                   .open_store = port_open_store,
                                   .close_store = port_close_store,
                                   .list_files = port_list_files,
                                   .follow = port_follow,
                                   .scan_log = port_scan_log,
                                   .trim_log = port_trim_log,
                                   .journal = port_journal,
                                   .commit = port_commit,
                                   .drop_files = port_drop_files,
                                   .progress = port_progress,
                                   .end = port_end};
    loop->control = ds_driver_new(&config, &ports);
}

/* Executors were told to stop: they get a moment, then they are killed. Threads end when they are
 * told, or hear that their link is closed, and their tasks are done. False if some did not. */
static bool end_executors(driver_loop *loop)
{
    if (loop->launcher == NULL)
        return true;
    if (has_threads(loop)) {
        ds_server_free(loop->server);
        loop->server = NULL;
    }
    if (!ds_launcher_wait(loop->launcher, GOODBYE_MS))
        ds_log_debug("some executors did not stop by themselves");
    return ds_launcher_free(loop->launcher);
}

/* Threads of executors that still run use what we have: it stays until the process is gone. */
static noreturn void leave(ds_status status, const ds_error *error)
{
    ds_progress_end();
    if (status != DS_OK)
        ds_log_error("%s", error->message);
    _exit(ds_status_exit(status));
}

static void close_all(driver_loop *loop)
{
    ds_api_close(loop->api);
    ds_follower_stop(loop->follower);
    ds_server_free(loop->server);
    ds_server_free(loop->outside);
    ds_stores_free(loop->stores);
    ds_guard_close(&loop->guard);
    ds_link_fini();
    ds_driver_free(loop->control);
    ds_metadata_close(loop->metadata);
    for (ds_mail *items = ds_mailbox_take(loop->mailbox, 0); items != NULL;) {
        mail *m = (mail *)items;
        items = items->next;
        free_mail(m);
    }
    ds_mailbox_free(loop->mailbox);
    ds_buffer_fini(&loop->out);
    ds_buffer_fini(&loop->log_folder);
}

/* What executors do for a process of their own. */
static void prepare_process(const ds_app *app)
{
    ds_limits_raise();
    ds_memory_setup((uint64_t)app->limits_memory, app->executors_count * app->executors_cores);
}

ds_status ds_driver_loop(const ds_plan *plan, const ds_run_options *options, ds_error *error)
{
    driver_loop loop = {.plan = plan, .options = options};
    ds_recovered *recovered = NULL;
    ds_signals_block();
    if (has_threads(&loop))
        prepare_process(plan->app);
    loop.mailbox = ds_mailbox_new();
    loop.figures.started_ms = ds_clock_wall_ms();
    loop.figures.executor_memory_bytes = (uint64_t)ds_memory_of_executor(plan->app);
    ds_random_bytes(loop.key, sizeof loop.key);
    loop.epoch = random_number();
    ds_status status = ds_guard_open(plan->app, &loop.guard, error);
    const ds_secret bulk_key = ds_bulk_key(&loop.guard.secret, loop.key);
    loop.stores = ds_stores_new(&bulk_key, loop.guard.tls);
    if (status == DS_OK)
        status = open_checkpoint(&loop, &recovered, error);
    if (status == DS_OK)
        status = ds_commit_prepare(plan, error);
    loop.locks = ds_sink_locks_new(plan);
    if (status == DS_OK)
        status = ds_sink_locks_take(loop.locks, NULL, error);
    if (status == DS_OK)
        status = open_servers(&loop, error);
    if (status == DS_OK)
        status = ds_api_open(plan->app, on_request, &loop, &loop.api, error);
    if (status == DS_OK) {
        ds_commit_clean(plan, recovered, recovered != NULL ? recovered->epoch : 0,
                        ds_clock_wall_ms());
        loop.disk = ds_disk_start();
        loop.follower = ds_follower_start(plan->app, on_seen, &loop);
        make_launcher(&loop);
        make_control(&loop, recovered);
        ds_signals *signals = ds_signals_start(on_signal, &loop);
        run(&loop);
        ds_signals_stop(signals);
        ds_progress_summary(ds_driver_progress(loop.control));
        status = loop.status;
        if (status != DS_OK)
            ds_error_set(error, status, "%s", loop.message);
    }
    ds_recovered_free(recovered);
    bool alone = end_executors(&loop);
    ds_disk_stop(loop.disk);
    if (status == DS_OK)
        ds_commit_clean(plan, NULL, loop.epoch, ds_clock_wall_ms());
    if (!alone)
        leave(status, error);
    close_all(&loop);
    ds_sink_locks_free(loop.locks);
    return status;
}
