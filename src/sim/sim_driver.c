/* The simulated driver process: the control, its ports, and its end. */
#include "base/assert.h"
#include "base/clock.h"
#include "checkpoint/commit.h"
#include "checkpoint/journal.h"
#include "checkpoint/kept_folder.h"
#include "sim/sim_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HEARTBEAT_MS 1200
#define DRIVER_URL "sim://driver" /* where it gives out what it holds of lost executors */

void ds_sim_driver_step(ds_sim *sim, ds_driver_event *event)
{
    if (sim->ended)
        return;
    event->now_us = sim->now_us;
    event->wall_ms = sim->config.start_ms + sim->clock_ms + sim->now_us / 1000;
    if (event->text == NULL)
        event->text = "";
    int64_t begin_ns = ds_clock_thread_ns();
    ds_driver_step(sim->driver, event);
    sim->figures.driver_ns += (uint64_t)(ds_clock_thread_ns() - begin_ns);
    if (!sim->config.unchecked)
        ds_driver_check(sim->driver);
}

/* ---- processes ---- */

static ds_sim_executor *find_executor(const ds_sim *sim, uint64_t id)
{
    uint64_t at = sim->first_executor + id - 1;
    return id >= 1 && at < sim->n_executors ? sim->executors[at] : NULL;
}

static void port_launch(void *arg, uint64_t executor_id, const uint8_t *token)
{
    ds_sim *sim = arg;
    DS_ASSERT(sim->first_executor + executor_id == sim->n_executors + 1);
    sim->executors = ds_realloc(sim->executors, sim->n_executors + 1, sizeof(ds_sim_executor *));
    sim->executors[sim->n_executors] = ds_sim_executor_new(sim, executor_id, token);
    sim->executors[sim->n_executors]->place = sim->n_executors;
    sim->n_executors++;
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
    uint64_t generation, executor_id;
    char why[64];
} exited_event;

static void tell_exited(void *arg, ds_sim_event *event)
{
    ds_sim *sim = arg;
    const exited_event *exited = (const exited_event *)event;
    if (exited->generation != sim->generation)
        return;
    ds_sim_driver_step(sim, &(ds_driver_event){.kind = DS_DRIVER_EXECUTOR_EXITED,
                                               .executor_id = exited->executor_id,
                                               .text = exited->why});
}

void ds_sim_exited(ds_sim *sim, uint64_t executor_id, const char *why)
{
    exited_event *event = ds_sim_event_new(sizeof *event, tell_exited);
    event->generation = sim->generation;
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
    if (sim->ended || event->peer <= sim->last_dead_peer || event->kind == DS_LINK_OPENED)
        return;
    if (event->kind == DS_LINK_LOST) {
        ds_sim_trace(sim, "driver loses peer %" PRIu64, event->peer);
        ds_sim_driver_step(sim,
                           &(ds_driver_event){.kind = DS_DRIVER_PEER_LOST, .peer = event->peer});
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
    ds_sim_driver_step(
        sim,
        &(ds_driver_event){.kind = DS_DRIVER_MESSAGE, .peer = event->peer, .message = &message});
    ds_arena_free(arena);
}

void ds_sim_deliver(ds_sim *sim, const ds_simnet_delivery *delivery)
{
    if (delivery->to_server) {
        deliver_to_driver(sim, &delivery->event);
        return;
    }
    uint64_t peer = delivery->event.peer;
    DS_ASSERT(peer < sim->n_peers && sim->peers[peer]->peer == peer);
    ds_sim_executor_deliver(sim->peers[peer], &delivery->event);
}

/* ---- stores ---- */

/* The path of a descriptor of this process; "" if it is none. */
static void path_of(int fd, char *path, size_t size)
{
    path[0] = '\0';
    if (fd >= 0)
        snprintf(path, size, "/proc/self/fd/%d", fd);
}

static ds_status port_open_store(void *arg, uint64_t executor_id, const ds_msg_hello *hello,
                                 ds_store_paths *paths, ds_error *error)
{
    ds_sim *sim = arg;
    const ds_sim_executor *x = find_executor(sim, executor_id);
    if (x == NULL || !x->living) /* its descriptor may be somebody else's by now */
        return ds_error_set(error, DS_ERR_LOST, "the executor is gone");
    if (x->remote)
        return ds_error_set(error, DS_ERR_LOST, "it is on another host");
    ds_store_paths theirs;
    path_of(hello->store_fd, theirs.memory, sizeof theirs.memory);
    path_of(hello->spill_fd, theirs.spill, sizeof theirs.spill);
    const ds_store_place place = {theirs.memory, hello->store_bytes, theirs.spill,
                                  hello->spill_bytes};
    ds_store_view *view;
    DS_TRY(ds_store_view_open(&place, &view, error));
    sim->stores = ds_realloc(sim->stores, sim->n_stores + 1, sizeof *sim->stores);
    sim->stores[sim->n_stores++] = (ds_sim_store){executor_id, view};
    path_of(ds_store_view_fd(view), paths->memory, sizeof paths->memory);
    path_of(ds_store_view_spill_fd(view), paths->spill, sizeof paths->spill);
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

static const char *held_bytes(const ds_sim *sim, const ds_ref *ref)
{
    for (uint32_t i = 0; i < sim->n_stores; i++)
        if (sim->stores[i].executor_id == ref->executor_id)
            return ds_store_view_bytes(sim->stores[i].view, ref->offset, ref->length);
    return NULL;
}

static const char *living_bytes(const ds_sim *sim, const ds_ref *ref)
{
    const ds_sim_executor *x = find_executor(sim, ref->executor_id);
    if (x == NULL || !x->living || !x->started)
        return NULL;
    return ds_store_range(x->store, ref->offset, ref->length);
}

const char *ds_sim_bytes(const ds_sim *sim, const ds_ref *ref)
{
    const char *bytes = held_bytes(sim, ref);
    return bytes != NULL ? bytes : living_bytes(sim, ref);
}

const char *ds_sim_fetch(const ds_sim *sim, const char *url, const ds_ref *ref)
{
    if (strcmp(url, DRIVER_URL) == 0)
        return held_bytes(sim, ref);
    const ds_sim_executor *x = find_executor(sim, ref->executor_id);
    return x != NULL && strcmp(url, x->url) == 0 ? living_bytes(sim, ref) : NULL;
}

/* ---- disk ---- */

static void port_list_files(void *arg, uint32_t source)
{
    ds_sim_disk_list(arg, source);
}

static void port_follow(void *arg, uint32_t source, const ds_follow_request *request,
                        ds_arena *arena)
{
    ds_sim_disk_follow(arg, source, request, arena);
}

static void port_scan_log(void *arg, uint32_t source, const char *folder, const ds_log_place *after)
{
    ds_sim_disk_scan(arg, source, folder, after);
}

static void port_trim_log(void *arg, const char *folder, const ds_log_place *before)
{
    ds_sim_disk_trim(arg, folder, before);
}

static void port_journal(void *arg, const char *line, size_t length, bool whole, bool sync,
                         uint64_t ticket)
{
    (void)sync;
    ds_sim_disk_record(arg, line, length, whole, ticket);
}

static void port_commit(void *arg, const ds_commit *commit)
{
    ds_sim_disk_commit(arg, commit);
}

static void port_drop_files(void *arg, const char *const *paths, size_t n_paths)
{
    ds_sim_trace(arg, "%zu files of saved data are dropped", n_paths);
    for (size_t i = 0; i < n_paths; i++)
        unlink(paths[i]);
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

/* ---- life ---- */

void ds_sim_driver_start(ds_sim *sim)
{
    const ds_sim_config *c = &sim->config;
    ds_driver_config config = {.plan = c->plan,
                               .epoch = ds_random_next(&sim->random) | 1,
                               .seed = ds_random_next(&sim->random),
                               .available_now = c->available_now,
                               .checkpoint = c->checkpoint,
                               .saves = true,
                               .kept_folder = sim->kept_folder,
                               .log_folder = c->checkpoint ? c->log_folder : NULL,
                               .virtual_time = c->virtual_time,
                               .start_ms = c->start_ms,
                               .n_batches = c->n_batches,
                               .not_before_ms = ds_commit_newest(c->plan),
                               .bulk_url = DRIVER_URL,
                               .heartbeat_ms = HEARTBEAT_MS,
                               .credit_bytes = c->credit_bytes,
                               .recovered = sim->recovered};
    const ds_driver_ports ports = {.arg = sim,
                                   .send = port_send,
                                   .close_peer = port_close_peer,
                                   .launch = port_launch,
                                   .kill = port_kill,
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
    sim->driver = ds_driver_new(&config, &ports);
    ds_sim_driver_step(sim, &(ds_driver_event){.kind = DS_DRIVER_STARTED});
}

void ds_sim_driver_end(ds_sim *sim)
{
    for (uint32_t i = 0; i < sim->n_stores; i++)
        ds_store_view_close(sim->stores[i].view);
    sim->n_stores = 0;
    ds_driver_free(sim->driver);
    ds_recovered_free(sim->recovered);
    sim->driver = NULL;
    sim->recovered = NULL;
}

void ds_sim_driver_crash(ds_sim *sim)
{
    ds_sim_trace(sim, "the driver dies");
    sim->figures.crashes++;
    ds_sim_disk_crash(sim);
    for (uint32_t i = sim->first_executor; i < sim->n_executors; i++) {
        ds_sim_executor_kill(sim->executors[i], "its driver died");
        if (sim->executors[i]->peer > sim->last_dead_peer)
            sim->last_dead_peer = sim->executors[i]->peer;
    }
    sim->first_executor = sim->n_executors;
    sim->n_blocks = 0;
    sim->generation++;
    ds_sim_driver_end(sim);
    ds_error error;
    const ds_plan *plan = sim->config.plan;
    if (sim->journal.length > 0 &&
        (ds_journal_read("the journal", sim->journal.data, sim->journal.length, plan,
                         &sim->recovered, &error) != DS_OK ||
         ds_recovered_check(sim->recovered, plan, "the journal", &error) != DS_OK)) {
        port_end(sim, error.status, error.message);
        return;
    }
    ds_commit_clean(plan, sim->recovered, sim->recovered != NULL ? sim->recovered->epoch : 0, 0);
    if (sim->kept_folder != NULL)
        ds_kept_folder_open(sim->kept_folder, sim->recovered != NULL ? &sim->recovered->kept : NULL,
                            &error);
    ds_sim_driver_start(sim);
}
