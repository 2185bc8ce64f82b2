/*
 * Threads: this one steps the control and starts processes; the link's threads, the disk thread
 * and the signal thread post to its mailbox. Ports are called from this thread only; what they
 * need on the disk goes to the disk thread as a job that owns copies of everything; what nobody
 * waits for (files that are not needed any more) to one beside it.
 *
 * A first SIGINT or SIGTERM asks for a graceful stop, a second one ends at once: executors see
 * their connection close and end too, and no name is left behind.
 */
#include "cli/driver_loop.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "checkpoint/commit.h"
#include "checkpoint/metadata.h"
#include "checkpoint/sink_locks.h"
#include "cli/api.h"
#include "cli/disk.h"
#include "cli/follower.h"
#include "cli/guard.h"
#include "cli/launcher.h"
#include "cli/limits.h"
#include "cli/loop_checkpoint.h"
#include "cli/loop_jobs.h"
#include "cli/loop_state.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/stores.h"
#include "dstream/memory_shares.h"
#include "exec/bulk_server.h"
#include "rpc/link.h"
#include "rpc/url.h"

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
#define MAIL_MOST 4096u    /* waiting events; beyond, heartbeats are dropped */
#define TIMER_SLACK_NS 1ul /* the system's own choice would be 50 us late */

/* ---- links ---- */

/* Heartbeats come unasked. When the control stands still (nobody reads its standard error) they do
 * not pile up: the executor lives all the same, as others of its wait. */
static bool is_too_much(ds_loop *loop, const ds_link_event *event)
{
    if (event->kind != DS_LINK_MESSAGE ||
        ds_message_peek(event->bytes, event->length) != DS_MSG_HEARTBEAT ||
        ds_mailbox_waiting(loop->mailbox) < MAIL_MOST)
        return false;
    atomic_fetch_add(&loop->beats_dropped, 1);
    return true;
}

/* Peers of the two servers are told apart by the lowest bit. */
static void on_link(ds_loop *loop, const ds_link_event *event, uint64_t bit)
{
    if (event->kind == DS_LINK_OPENED)
        return; /* HELLO comes next */
    if (is_too_much(loop, event))
        return;
    ds_loop_mail *m = event->kind == DS_LINK_LOST
                          ? ds_loop_mail_new(DS_MAIL_LOST, NULL, 0)
                          : ds_loop_mail_new(DS_MAIL_MESSAGE, event->bytes, event->length);
    m->peer = event->peer << 1 | bit;
    ds_loop_post(loop, m);
}

static void on_local_link(void *arg, const ds_link_event *event)
{
    on_link(arg, event, 0);
}

static void on_outside_link(void *arg, const ds_link_event *event)
{
    on_link(arg, event, 1);
}

static ds_server *server_of(ds_loop *loop, uint64_t peer)
{
    return (peer & 1) != 0 ? loop->outside : loop->server;
}

static void port_send(void *arg, uint64_t peer, const ds_message *message)
{
    ds_loop *loop = arg;
    loop->out.length = 0;
    ds_message_encode(&loop->out, message);
    if (message->type == DS_MSG_WELCOME)
        ds_server_admit(server_of(loop, peer), peer >> 1);
    if (message->type == DS_MSG_PLAN && server_of(loop, peer) == loop->outside)
        ds_commit_make_staging(loop->plan); /* it looks whether it sees them */
    ds_server_send(server_of(loop, peer), peer >> 1, loop->out.data, loop->out.length);
}

static void port_send_later(void *arg, uint64_t peer, const ds_message *message)
{
    ds_loop *loop = arg;
    loop->out.length = 0;
    ds_message_encode(&loop->out, message);
    ds_server_send_later(server_of(loop, peer), peer >> 1, loop->out.data, loop->out.length);
}

static void port_flush(void *arg, uint64_t peer)
{
    ds_server_flush(server_of(arg, peer), peer >> 1);
}

static void port_close_peer(void *arg, uint64_t peer)
{
    ds_loop *loop = arg;
    ds_server_close_peer(server_of(loop, peer), peer >> 1, true);
}

/* ---- processes ---- */

static void port_launch(void *arg, uint64_t executor_id, const uint8_t *token)
{
    ds_loop *loop = arg;
    ds_error error;
    if (ds_launcher_start(loop->launcher, executor_id, token, &error) == DS_OK)
        return;
    ds_log_error("%s", error.message);
    ds_loop_mail *m = ds_loop_mail_new(DS_MAIL_CHILD, NULL, 0);
    m->ticket = executor_id; /* it never lived */
    ds_loop_post(loop, m);
}

static void port_kill(void *arg, uint64_t executor_id)
{
    ds_loop *loop = arg;
    ds_launcher_kill(loop->launcher, executor_id);
}

static bool port_can_run(void *arg, uint64_t executor_id)
{
    const ds_loop *loop = arg;
    return ds_launcher_can_run(loop->launcher, executor_id);
}

static ds_driver_event new_event(ds_driver_event_kind kind)
{
    return (ds_driver_event){
        .kind = kind, .now_us = ds_clock_mono_us(), .wall_ms = ds_clock_wall_ms(), .text = ""};
}

static void on_exited(void *arg, uint64_t executor_id, const char *why)
{
    ds_loop *loop = arg;
    ds_driver_event event = new_event(DS_DRIVER_EXECUTOR_EXITED);
    event.executor_id = executor_id;
    event.text = why;
    ds_driver_step(loop->control, &event);
}

/* ---- stores ---- */

static ds_status port_open_store(void *arg, uint64_t executor_id, const ds_msg_hello *hello,
                                 ds_store_paths *paths, ds_error *error)
{
    ds_loop *loop = arg;
    return ds_stores_open(loop->stores, executor_id, hello, paths, error);
}

static void port_close_store(void *arg, uint64_t executor_id)
{
    ds_loop *loop = arg;
    ds_stores_close(loop->stores, executor_id);
}

/* ---- files that grow ---- */

/* On the follower's thread. */
static void on_seen(void *arg, uint32_t source, const ds_sightings *seen)
{
    ds_loop_mail *m = ds_loop_mail_new(DS_MAIL_FOLLOWED, NULL, 0);
    m->arena = ds_arena_new(NULL);
    m->source = source;
    ds_sighting *list = DS_ARENA_ARRAY(m->arena, ds_sighting, seen->n + 1);
    for (uint32_t i = 0; i < seen->n; i++) {
        list[i] = seen->list[i];
        list[i].path = ds_arena_strdup(m->arena, seen->list[i].path);
        list[i].why = ds_arena_strdup(m->arena, seen->list[i].why != NULL ? seen->list[i].why : "");
    }
    m->seen = (ds_sightings){list, seen->n, seen->beyond};
    ds_loop_post(arg, m);
}

static void port_follow(void *arg, uint32_t source, const ds_follow_request *request,
                        ds_arena *arena)
{
    ds_loop *loop = arg;
    ds_follower_ask(loop->follower, source, request, arena);
}

static void port_progress(void *arg, const ds_progress *progress)
{
    (void)arg;
    ds_progress_show(progress);
}

static void port_end(void *arg, ds_status status, const char *message)
{
    ds_loop *loop = arg;
    loop->ended = true;
    loop->status = status;
    snprintf(loop->message, sizeof loop->message, "%s", message);
}

/* ---- signals ---- */

static void on_signal(void *arg, bool stop)
{
    ds_loop_post(arg, ds_loop_mail_new(stop ? DS_MAIL_STOP : DS_MAIL_CHILD, NULL, 0));
}

/* ---- the loop ---- */

static void step_message(ds_loop *loop, const ds_loop_mail *m, ds_driver_event *event)
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

static ds_logged_blocks logged_of(const ds_loop_mail *m)
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
    ds_loop_mail *m = ds_loop_mail_new(DS_MAIL_REQUEST, NULL, 0);
    m->ticket = request;
    m->source = page;
    ds_loop_post(arg, m);
}

static void answer_request(ds_loop *loop, const ds_loop_mail *m)
{
    loop->figures.mail_waiting = ds_mailbox_waiting(loop->mailbox);
    loop->figures.disk_jobs = ds_disk_waiting(loop->disk);
    loop->figures.deletions = ds_dropper_waiting(loop->dropper);
    loop->figures.mail_dropped = atomic_load(&loop->beats_dropped);
    ds_api_answer(loop->api, m->ticket, m->source, loop->plan, loop->control, &loop->figures);
}

static void step_mail(ds_loop *loop, ds_loop_mail *m)
{
    const ds_logged_blocks logged = logged_of(m);
    ds_driver_event event = new_event(DS_DRIVER_TIME);
    event.status = m->status;
    event.text = m->bytes;
    switch (m->kind) {
    case DS_MAIL_MESSAGE: step_message(loop, m, &event); return;
    case DS_MAIL_LOST:
        event.kind = DS_DRIVER_PEER_LOST;
        event.peer = m->peer;
        break;
    case DS_MAIL_STOP: event.kind = DS_DRIVER_STOP; break;
    case DS_MAIL_REQUEST: answer_request(loop, m); return;
    case DS_MAIL_CHILD:
        if (m->ticket != 0)
            on_exited(loop, m->ticket, "it could not be started");
        ds_launcher_reap(loop->launcher, on_exited, loop);
        return;
    case DS_MAIL_FILES:
        event.kind = DS_DRIVER_FILES;
        event.source = m->source;
        event.files = m->files;
        event.n_files = m->n_files;
        break;
    case DS_MAIL_FOLLOWED:
        event.kind = DS_DRIVER_FOLLOWED;
        event.source = m->source;
        event.seen = &m->seen;
        break;
    case DS_MAIL_LOGGED:
        event.kind = DS_DRIVER_LOGGED;
        event.source = m->source;
        event.logged = &logged;
        break;
    case DS_MAIL_JOURNALED:
        event.kind = DS_DRIVER_JOURNALED;
        event.ticket = m->ticket;
        ds_histogram_add(&loop->figures.journal, m->took_us);
        break;
    case DS_MAIL_COMMITTED:
        event.kind = DS_DRIVER_COMMITTED;
        ds_histogram_add(&loop->figures.commit, m->took_us);
        event.batch_ms = m->batch_ms;
        event.ends = m->ends;
        event.lost = m->lost;
        break;
    }
    ds_driver_step(loop->control, &event);
}

/* When to wake at the latest, on the monotonic clock. */
static int64_t next_wake_us(const ds_loop *loop)
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

static void run(ds_loop *loop)
{
    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
    ds_driver_event started = new_event(DS_DRIVER_STARTED);
    ds_driver_step(loop->control, &started);
    while (!loop->ended) {
        ds_mail *items = ds_mailbox_take(loop->mailbox, next_wake_us(loop));
        while (items != NULL) {
            ds_loop_mail *m = (ds_loop_mail *)items;
            items = items->next;
            if (!loop->ended)
                step_mail(loop, m);
            ds_loop_mail_free(m);
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
static bool has_threads(const ds_loop *loop)
{
    return loop->plan->app->executors_mode == DS_MODE_THREADS;
}

static ds_status open_servers(ds_loop *loop, ds_error *error)
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
    ds_loop_post(arg, ds_loop_mail_new(DS_MAIL_CHILD, NULL, 0));
}

static void make_launcher(ds_loop *loop)
{
    const ds_app *app = loop->plan->app;
    static ds_launch_spec spec;
    spec = (ds_launch_spec){.threads = has_threads(loop),
                            .ended = on_thread_ended,
                            .ended_arg = loop,
                            .url = ds_server_url(loop->server),
                            .bulk = loop->outside_bulk,
                            .secret = loop->guard.secret,
                            .secret_text = app->executors_secret,
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

/* True unless the checkpoint folder was removed, or another one stands in its place. */
static bool is_ours(void *arg)
{
    const ds_loop *loop = arg;
    return loop->metadata == NULL || ds_metadata_check(loop->metadata, NULL) == DS_OK;
}

static void make_control(ds_loop *loop, const ds_recovered *recovered)
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
                               .open_files = ds_limits_descriptors() / 4,
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
                                   .send_later = port_send_later,
                                   .flush = port_flush,
                                   .close_peer = port_close_peer,
                                   .launch = port_launch,
                                   .kill = port_kill,
                                   .can_run = port_can_run,
                                   .open_store = port_open_store,
                                   .close_store = port_close_store,
                                   .list_files = ds_loop_list_files,
                                   .follow = port_follow,
                                   .scan_log = ds_loop_scan_log,
                                   .trim_log = ds_loop_trim_log,
                                   .journal = ds_loop_journal,
                                   .commit = ds_loop_commit,
                                   .drop_files = ds_loop_drop_files,
                                   .progress = port_progress,
                                   .end = port_end};
    loop->control = ds_driver_new(&config, &ports);
}

/* Executors were told to stop: they get a moment, then they are killed. Threads end when they are
 * told, or hear that their link is closed, and their tasks are done. False if some did not. */
static bool end_executors(ds_loop *loop)
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

static void close_all(ds_loop *loop)
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
        ds_loop_mail *m = (ds_loop_mail *)items;
        items = items->next;
        ds_loop_mail_free(m);
    }
    ds_mailbox_free(loop->mailbox);
    ds_buffer_fini(&loop->out);
    ds_buffer_fini(&loop->log_folder);
}

/* What executors do for a process of their own. */
static void prepare_process(const ds_app *app)
{
    ds_limits_raise();
    ds_memory_setup((uint64_t)ds_memory_of_executor(app),
                    app->executors_count * app->executors_cores);
}

ds_status ds_driver_loop(const ds_plan *plan, const ds_run_options *options, ds_error *error)
{
    ds_loop loop = {.plan = plan, .options = options};
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
        status = ds_loop_open_checkpoint(&loop, &recovered, error);
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
        ds_commit_clean(plan, recovered, loop.epoch, ds_clock_wall_ms());
        loop.disk = ds_disk_start();
        loop.dropper = ds_dropper_new(is_ours, &loop);
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
    ds_dropper_stop(loop.dropper);
    if (status == DS_OK)
        ds_commit_clean(plan, NULL, loop.epoch, ds_clock_wall_ms());
    if (!alone)
        leave(status, error);
    close_all(&loop);
    ds_sink_locks_free(loop.locks);
    return status;
}
