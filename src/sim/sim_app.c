#include "sim/sim_app.h"

#include "base/assert.h"
#include "scheduler/commit.h"
#include "sim/sim_state.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEARTBEAT_MS 300

/* ---- faults ---- */

static bool faulty(const ds_sim *sim)
{
    int64_t until_us = sim->config.faults.until_us;
    return until_us == 0 || sim->now_us < until_us;
}

int64_t ds_sim_delay(ds_sim *sim, uint32_t most)
{
    if (most == 0 || !faulty(sim))
        return 0;
    return (int64_t)ds_random_below(&sim->random, (uint64_t)most + 1);
}

bool ds_sim_happens(ds_sim *sim, double probability)
{
    return probability > 0 && faulty(sim) && ds_random_unit(&sim->random) < probability;
}

static void end_faults(void *arg, ds_sim_event *event)
{
    ds_sim *sim = arg;
    DS_ASSERT(event->time_us == sim->config.faults.until_us);
    ds_sim_trace(sim, "no more faults");
    ds_simnet_set_faults(sim->net, &(ds_simnet_faults){0});
}

/* Some executor is gone without a word. */
static void vanish(ds_sim *sim)
{
    uint32_t living = 0;
    for (uint32_t i = 0; i < sim->n_executors; i++)
        living += sim->executors[i]->living && sim->executors[i]->started;
    if (living == 0)
        return;
    uint64_t chosen = ds_random_below(&sim->random, living);
    for (uint32_t i = 0; i < sim->n_executors; i++) {
        ds_sim_executor *x = sim->executors[i];
        if (!x->living || !x->started || chosen-- > 0)
            continue;
        sim->figures.vanished++;
        ds_sim_executor_kill(x, "it vanished");
        return;
    }
}

/* ---- events ---- */

void ds_sim_trace(ds_sim *sim, const char *format, ...)
{
    if (sim->config.hooks.trace == NULL)
        return;
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    sim->config.hooks.trace(sim->config.hooks.arg, sim->now_us, line);
}

static void drop_plain(ds_sim_event *event)
{
    free(event);
}

void *ds_sim_event_new(size_t size, void (*run)(void *arg, ds_sim_event *event))
{
    ds_sim_event *event = ds_calloc(1, size);
    event->run = run;
    event->drop = drop_plain;
    return event;
}

void ds_sim_event_add(ds_sim *sim, void *event, int64_t time_us)
{
    ds_sim_queue_add(&sim->queue, event, time_us);
}

static void step_driver(ds_sim *sim, ds_driver_event *event)
{
    if (sim->ended)
        return;
    event->now_us = sim->now_us;
    event->wall_ms = sim->config.start_ms + sim->now_us / 1000;
    if (event->text == NULL)
        event->text = "";
    ds_driver_step(sim->driver, event);
}

/* ---- processes ---- */

static ds_sim_executor *find_executor(const ds_sim *sim, uint64_t id)
{
    return id >= 1 && id <= sim->n_executors ? sim->executors[id - 1] : NULL;
}

static void port_launch(void *arg, uint64_t executor_id, const uint8_t *token)
{
    ds_sim *sim = arg;
    DS_ASSERT(executor_id == sim->n_executors + 1);
    sim->executors = ds_realloc(sim->executors, executor_id, sizeof(ds_sim_executor *));
    sim->executors[sim->n_executors++] = ds_sim_executor_new(sim, executor_id, token);
    sim->figures.launched++;
}

static void port_kill(void *arg, uint64_t executor_id)
{
    ds_sim_executor *x = find_executor(arg, executor_id);
    if (x != NULL)
        ds_sim_executor_kill(x, "the driver killed it");
}

typedef struct exited_event {
    ds_sim_event event;
    uint64_t executor_id;
    char why[64];
} exited_event;

static void tell_exited(void *arg, ds_sim_event *event)
{
    const exited_event *exited = (const exited_event *)event;
    step_driver(arg, &(ds_driver_event){.kind = DS_DRIVER_EXECUTOR_EXITED,
                                        .executor_id = exited->executor_id,
                                        .text = exited->why});
}

void ds_sim_exited(ds_sim *sim, uint64_t executor_id, const char *why)
{
    exited_event *event = ds_sim_event_new(sizeof *event, tell_exited);
    event->executor_id = executor_id;
    snprintf(event->why, sizeof event->why, "%s", why);
    int64_t after_us = ds_sim_delay(sim, sim->config.faults.start_max_us);
    ds_sim_event_add(sim, event, sim->now_us + after_us);
}

/* ---- network ---- */

static void port_send(void *arg, uint64_t peer, const ds_message *message)
{
    ds_sim *sim = arg;
    sim->out.length = 0;
    ds_message_encode(&sim->out, message);
    ds_simnet_send_to_client(sim->net, peer, sim->out.data, sim->out.length, sim->now_us);
}

static void port_close_peer(void *arg, uint64_t peer)
{
    ds_sim *sim = arg;
    ds_simnet_close(sim->net, peer, true, sim->now_us);
}

static void deliver_to_driver(ds_sim *sim, const ds_link_event *event)
{
    if (sim->ended || event->kind == DS_LINK_OPENED)
        return;
    if (event->kind == DS_LINK_LOST) {
        ds_sim_trace(sim, "driver loses peer %" PRIu64, event->peer);
        step_driver(sim, &(ds_driver_event){.kind = DS_DRIVER_PEER_LOST, .peer = event->peer});
        return;
    }
    ds_arena *arena = ds_arena_new(NULL);
    ds_message message;
    ds_error error;
    ds_status status = ds_message_decode(arena, event->bytes, event->length, &message, &error);
    DS_ASSERT(status == DS_OK);
    ds_sim_trace(sim, "driver gets %s of peer %" PRIu64, ds_message_name(message.type),
                 event->peer);
    if (message.type == DS_MSG_BLOCKS)
        ds_sim_blocks_arrived(sim, &message.blocks);
    step_driver(sim, &(ds_driver_event){
                         .kind = DS_DRIVER_MESSAGE, .peer = event->peer, .message = &message});
    ds_arena_free(arena);
}

static void deliver(ds_sim *sim, const ds_simnet_delivery *delivery)
{
    if (delivery->to_server) {
        deliver_to_driver(sim, &delivery->event);
        return;
    }
    for (uint32_t i = 0; i < sim->n_executors; i++) {
        ds_sim_executor *x = sim->executors[i];
        if (x->living && x->started && x->peer == delivery->event.peer) {
            ds_sim_executor_deliver(x, &delivery->event);
            return;
        }
    }
}

/* ---- stores ---- */

static ds_status port_open_store(void *arg, uint64_t executor_id, int64_t pid, int fd,
                                 uint64_t bytes, char *path, size_t path_size, ds_error *error)
{
    ds_sim *sim = arg;
    const ds_sim_executor *x = find_executor(sim, executor_id);
    if (x == NULL || !x->living) /* its descriptor may be somebody else's by now */
        return ds_error_set(error, DS_ERR_LOST, "the executor is gone");
    snprintf(path, path_size, "/proc/%" PRId64 "/fd/%d", pid, fd);
    ds_store_view *view;
    DS_TRY(ds_store_view_open(path, bytes, &view, error));
    sim->stores = ds_realloc(sim->stores, sim->n_stores + 1, sizeof *sim->stores);
    sim->stores[sim->n_stores++] = (ds_sim_store){executor_id, view};
    snprintf(path, path_size, "/proc/%" PRId64 "/fd/%d", pid, ds_store_view_fd(view));
    return DS_OK;
}

static void port_close_store(void *arg, uint64_t executor_id)
{
    ds_sim *sim = arg;
    for (uint32_t i = 0; i < sim->n_stores; i++) {
        if (sim->stores[i].executor_id != executor_id)
            continue;
        ds_store_view_close(sim->stores[i].view);
        sim->stores[i] = sim->stores[--sim->n_stores];
        return;
    }
}

const char *ds_sim_bytes(const ds_sim *sim, const ds_ref *ref)
{
    for (uint32_t i = 0; i < sim->n_stores; i++)
        if (sim->stores[i].executor_id == ref->executor_id)
            return ds_store_view_bytes(sim->stores[i].view, ref->offset, ref->length);
    return NULL;
}

/* ---- disk ---- */

typedef struct disk_event {
    ds_sim_event event;
    uint32_t source;
    const ds_commit *commit; /* the batch's, which waits for the answer */
    bool whole;
    uint64_t ticket;
    size_t length;
    char line[];
} disk_event;

/* One thing after the other: what comes later is done later. */
static disk_event *plan_disk(ds_sim *sim, size_t length,
                             void (*run)(void *arg, ds_sim_event *event))
{
    disk_event *event = ds_sim_event_new(sizeof *event + length, run);
    if (sim->disk_free_us < sim->now_us)
        sim->disk_free_us = sim->now_us;
    sim->disk_free_us += ds_sim_delay(sim, sim->config.faults.disk_max_us);
    ds_sim_event_add(sim, event, sim->disk_free_us);
    return event;
}

static void list(void *arg, ds_sim_event *event)
{
    ds_sim *sim = arg;
    const ds_sim_hooks *hooks = &sim->config.hooks;
    ds_driver_event files = {.kind = DS_DRIVER_FILES, .source = ((disk_event *)event)->source};
    if (hooks->list != NULL)
        files.n_files = hooks->list(hooks->arg, files.source, sim->now_us, &files.files);
    ds_sim_trace(sim, "source %u: %u files are listed", files.source, files.n_files);
    step_driver(sim, &files);
}

static void port_list_files(void *arg, uint32_t source)
{
    plan_disk(arg, 0, list)->source = source;
}

static bool disk_fails(ds_sim *sim)
{
    bool fails = ds_sim_happens(sim, sim->config.faults.disk_fails);
    sim->figures.disk_failures += fails;
    return fails;
}

static void write_record(void *arg, ds_sim_event *event)
{
    ds_sim *sim = arg;
    const disk_event *record = (const disk_event *)event;
    ds_driver_event answer = {.kind = DS_DRIVER_JOURNALED, .ticket = record->ticket};
    bool broken = disk_fails(sim) || (sim->journal_broken && !record->whole);
    sim->journal_broken = broken;
    ds_sim_trace(sim, "record %" PRIu64 "%s: %.*s", record->ticket, broken ? " fails" : "",
                 (int)(record->length < 160 ? record->length : 160) - 1, record->line);
    if (broken) {
        answer.status = DS_ERR_IO;
        answer.text = "no space left";
    } else {
        if (record->whole)
            sim->journal.length = 0;
        ds_buffer_append(&sim->journal, record->line, record->length);
    }
    step_driver(sim, &answer);
}

static void port_journal(void *arg, const char *line, size_t length, bool whole, bool sync,
                         uint64_t ticket)
{
    (void)sync;
    disk_event *record = plan_disk(arg, length, write_record);
    record->whole = whole;
    record->ticket = ticket;
    record->length = length;
    memcpy(record->line, line, length);
}

static void commit(void *arg, ds_sim_event *event)
{
    ds_sim *sim = arg;
    if (sim->ended)
        return;
    const ds_commit *what = ((disk_event *)event)->commit;
    ds_driver_event answer = {.kind = DS_DRIVER_COMMITTED, .batch_ms = what->batch_ms};
    ds_error error;
    if (disk_fails(sim))
        answer.status = ds_error_set(&error, DS_ERR_IO, "no space left");
    else
        answer.status = ds_commit_files(what, false, &error);
    ds_sim_trace(sim, "batch %" PRId64 " is committed: %s", what->batch_ms,
                 answer.status == DS_OK ? "done" : error.message);
    if (answer.status != DS_OK)
        answer.text = error.message;
    else if (sim->config.hooks.committed != NULL)
        sim->config.hooks.committed(sim->config.hooks.arg, what);
    step_driver(sim, &answer);
}

static void port_commit(void *arg, const ds_commit *what)
{
    plan_disk(arg, 0, commit)->commit = what;
}

/* ---- the end ---- */

static void port_progress(void *arg, const ds_progress *progress)
{
    (void)arg;
    (void)progress;
}

static void port_end(void *arg, ds_status status, const char *message)
{
    ds_sim *sim = arg;
    sim->ended = true;
    sim->status = status;
    snprintf(sim->message, sizeof sim->message, "%s", message);
    ds_sim_trace(sim, "the driver ends: %s %s", ds_status_name(status), message);
}

static void stop(void *arg, ds_sim_event *event)
{
    (void)event;
    step_driver(arg, &(ds_driver_event){.kind = DS_DRIVER_STOP});
}

void ds_sim_stop_at(ds_sim *sim, int64_t now_us)
{
    ds_sim_event_add(sim, ds_sim_event_new(sizeof(ds_sim_event), stop), now_us);
}

/* ---- the loop ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t driver_deadline_us(const ds_sim *sim)
{
    if (sim->ended)
        return INT64_MAX;
    int64_t mono_us, wall_ms;
    ds_driver_deadline(sim->driver, &mono_us, &wall_ms);
    if (wall_ms == INT64_MAX)
        return mono_us;
    return earlier(mono_us, (wall_ms - sim->config.start_ms) * 1000);
}

static bool works(const ds_sim_executor *x)
{
    return x->living && x->started;
}

/* Steps whoever wanted to be woken by now. */
static bool wake(ds_sim *sim)
{
    if (driver_deadline_us(sim) <= sim->now_us) {
        step_driver(sim, &(ds_driver_event){.kind = DS_DRIVER_TIME});
        return true;
    }
    for (uint32_t i = 0; i < sim->n_executors; i++) {
        ds_sim_executor *x = sim->executors[i];
        if (works(x) && ds_executor_deadline_us(x->control) <= sim->now_us) {
            ds_sim_executor_step(x, &(ds_executor_event){.kind = DS_EXECUTOR_TIME});
            return true;
        }
    }
    return false;
}

/* When the next thing happens. */
static int64_t next_us(const ds_sim *sim)
{
    int64_t next = earlier(ds_sim_queue_next_us(&sim->queue), ds_simnet_next_us(sim->net));
    next = earlier(next, driver_deadline_us(sim));
    for (uint32_t i = 0; i < sim->n_executors; i++)
        if (works(sim->executors[i]))
            next = earlier(next, ds_executor_deadline_us(sim->executors[i]->control));
    return next;
}

/* Lets one thing happen, or moves the clock to the next. False if there is none. */
static bool advance(ds_sim *sim)
{
    sim->figures.events++;
    if (ds_sim_happens(sim, sim->config.faults.kill))
        vanish(sim);
    ds_sim_event *event = ds_sim_queue_take(&sim->queue, sim->now_us);
    if (event != NULL) {
        event->run(sim, event);
        event->drop(event);
        return true;
    }
    ds_simnet_delivery delivery;
    if (ds_simnet_deliver(sim->net, sim->now_us, &delivery)) {
        deliver(sim, &delivery);
        return true;
    }
    if (wake(sim))
        return true;
    int64_t next = next_us(sim);
    if (next == INT64_MAX)
        return false;
    DS_ASSERT(next > sim->now_us);
    sim->now_us = sim->figures.now_us = next;
    return true;
}

/* The driver's process is gone: its executors see their connections close. */
static void let_executors_end(ds_sim *sim)
{
    for (uint32_t i = 0; i < sim->n_executors; i++)
        if (works(sim->executors[i]))
            ds_simnet_close(sim->net, sim->executors[i]->peer, true, sim->now_us);
    bool any = true;
    while (any && advance(sim)) {
        any = false;
        for (uint32_t i = 0; i < sim->n_executors; i++)
            any = any || works(sim->executors[i]);
    }
}

ds_status ds_sim_run(ds_sim *sim, uint64_t most_events, ds_error *error)
{
    step_driver(sim, &(ds_driver_event){.kind = DS_DRIVER_STARTED});
    while (!sim->ended && sim->figures.events < most_events)
        if (!advance(sim))
            return ds_error_set(error, DS_ERR_INTERNAL, "the app waits for nothing");
    if (!sim->ended)
        return ds_error_set(error, DS_ERR_INTERNAL, "the app did not end within %" PRIu64 " events",
                            most_events);
    let_executors_end(sim);
    if (sim->status == DS_OK)
        return DS_OK;
    return ds_error_set(error, sim->status, "%s", sim->message);
}

/* ---- life ---- */

static void read_scripts(ds_sim *sim)
{
    const ds_app *app = sim->config.plan->app;
    const ds_sim_hooks *hooks = &sim->config.hooks;
    sim->scripts = ds_calloc(app->n_sources, sizeof *sim->scripts);
    for (uint32_t i = 0; i < app->n_sources && hooks->script != NULL; i++)
        sim->scripts[i].n = hooks->script(hooks->arg, i, &sim->scripts[i].pieces);
}

static void make_driver(ds_sim *sim)
{
    const ds_sim_config *c = &sim->config;
    ds_driver_config config = {.plan = c->plan,
                               .epoch = ds_random_next(&sim->random) | 1,
                               .seed = ds_random_next(&sim->random),
                               .available_now = c->available_now,
                               .checkpoint = c->checkpoint,
                               .virtual_time = c->virtual_time,
                               .start_ms = c->start_ms,
                               .n_batches = c->n_batches,
                               .heartbeat_ms = HEARTBEAT_MS,
                               .credit_bytes = c->credit_bytes};
    const ds_driver_ports ports = {.arg = sim,
                                   .send = port_send,
                                   .close_peer = port_close_peer,
                                   .launch = port_launch,
                                   .kill = port_kill,
                                   .open_store = port_open_store,
                                   .close_store = port_close_store,
                                   .list_files = port_list_files,
                                   .journal = port_journal,
                                   .commit = port_commit,
                                   .progress = port_progress,
                                   .end = port_end};
    sim->driver = ds_driver_new(&config, &ports);
}

ds_sim *ds_sim_new(const ds_sim_config *config)
{
    ds_sim *sim = ds_calloc(1, sizeof *sim);
    sim->config = *config;
    ds_random_init(&sim->random, config->seed);
    sim->net = ds_simnet_new(ds_random_next(&sim->random), &config->faults.net);
    read_scripts(sim);
    make_driver(sim);
    if (config->faults.until_us > 0)
        ds_sim_event_add(sim, ds_sim_event_new(sizeof(ds_sim_event), end_faults),
                         config->faults.until_us);
    return sim;
}

void ds_sim_free(ds_sim *sim)
{
    if (sim == NULL)
        return;
    sim->ended = true;
    for (uint32_t i = 0; i < sim->n_executors; i++)
        ds_sim_executor_free(sim->executors[i]);
    free(sim->executors);
    ds_sim_queue_fini(&sim->queue);
    ds_simnet_free(sim->net);
    for (uint32_t i = 0; i < sim->n_stores; i++)
        ds_store_view_close(sim->stores[i].view);
    free(sim->stores);
    ds_driver_free(sim->driver);
    ds_buffer_fini(&sim->journal);
    ds_buffer_fini(&sim->out);
    free(sim->scripts);
    free(sim->blocks);
    free(sim);
}

const ds_driver *ds_sim_driver(const ds_sim *sim)
{
    return sim->driver;
}

const ds_sim_figures *ds_sim_result(const ds_sim *sim)
{
    return &sim->figures;
}
