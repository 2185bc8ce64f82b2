/* The driver's dealings with executors: launch, welcome, plan, loss, replacement. */
#include "base/assert.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void launch(ds_driver *d)
{
    ds_executor_entry *entry = ds_registry_add(&d->registry);
    entry->local = true;
    entry->heard_us = d->now_us;
    for (size_t i = 0; i < DS_TOKEN_BYTES; i += 8) {
        uint64_t random = ds_random_next(&d->random);
        memcpy(entry->token + i, &random, 8);
    }
    d->ports.launch(d->ports.arg, entry->id, entry->token);
}

void ds_driver_launch_all(ds_driver *d)
{
    d->started_us = d->looked_us = d->now_us;
    for (uint32_t i = 0; i < d->plan->app->executors_count; i++)
        launch(d);
}

static void reject(ds_driver *d, uint64_t peer, const char *reason)
{
    ds_log_warn("an executor was rejected: %s", reason);
    ds_message message = {.type = DS_MSG_REJECT, .epoch = d->config.epoch};
    message.reject.reason = reason;
    d->ports.send(d->ports.arg, peer, &message);
    d->ports.close_peer(d->ports.arg, peer);
}

/* ---- introduction ---- */

/* The entry of an executor that introduces itself, or NULL with the reason. */
static ds_executor_entry *identify(ds_driver *d, const ds_msg_hello *hello, const char **reason)
{
    if (hello->protocol != DS_PROTOCOL_VERSION || strcmp(hello->build, DS_VERSION) != 0) {
        *reason = "it is of another version than the driver";
        return NULL;
    }
    if (hello->executor_id == 0) {
        if (d->config.external_executors)
            return ds_registry_add(&d->registry);
        *reason = "this app takes no executors from outside (executors.listen)";
        return NULL;
    }
    ds_executor_entry *entry = ds_registry_find(&d->registry, hello->executor_id);
    if (entry == NULL || strcmp(hello->app_id, d->plan->app->name) != 0 ||
        !ds_tokens_equal(entry->token, hello->token))
        *reason = "it does not belong to this app";
    else if (entry->state != DS_EXECUTOR_LAUNCHED)
        *reason = "it was given up and replaced";
    else
        return entry;
    return NULL;
}

/* Where the bytes of an executor are. What the driver holds of a lost one it gives itself to
 * executors that cannot open it. */
static void tell_peer(ds_driver *d, const ds_executor_entry *to, const ds_executor_entry *about)
{
    DS_ASSERT(to != about);
    ds_message message = {.type = DS_MSG_PEER};
    bool lost = about->state == DS_EXECUTOR_GONE;
    message.peer = (ds_msg_peer){.executor_id = about->id,
                                 .path = about->store_paths.memory,
                                 .store_bytes = about->store_bytes,
                                 .spill_path = about->store_paths.spill,
                                 .spill_bytes = about->spill_bytes,
                                 .bulk_url = lost ? d->config.bulk_url : about->bulk_url,
                                 .gone = lost && !about->store_open};
    ds_driver_send(d, to, &message);
}

static void tell_all(ds_driver *d, const ds_executor_entry *about)
{
    for (size_t i = 0; i < d->registry.n; i++)
        if (d->registry.list[i]->peer != 0 && d->registry.list[i] != about)
            tell_peer(d, d->registry.list[i], about);
}

/* Every executor knows the stores of all others before a task can name one. */
static void tell_peers(ds_driver *d, const ds_executor_entry *joined)
{
    for (size_t i = 0; i < d->registry.n; i++) {
        const ds_executor_entry *other = d->registry.list[i];
        if (other == joined)
            continue;
        if (other->store_open || other->peer != 0)
            tell_peer(d, joined, other);
    }
    tell_all(d, joined);
}

/* Holds its store open, or notes where its bytes can be fetched. */
static ds_status reach_store(ds_driver *d, ds_executor_entry *entry, const ds_msg_hello *hello,
                             ds_error *error)
{
    entry->store_bytes = hello->store_bytes;
    entry->spill_bytes = hello->spill_bytes;
    entry->store_open =
        d->ports.open_store(d->ports.arg, entry->id, hello, &entry->store_paths, error) == DS_OK;
    if (hello->bulk_url != NULL && strlen(hello->bulk_url) < sizeof entry->bulk_url)
        strcpy(entry->bulk_url, hello->bulk_url);
    if (entry->store_open)
        return DS_OK;
    entry->store_paths = (ds_store_paths){0};
    if (entry->bulk_url[0] == '\0')
        return DS_ERR_LOST;
    ds_log_info("executor %" PRIu64 ": its bytes are copied over links: %s", entry->id,
                error->message);
    return DS_OK;
}

static void send_plan(ds_driver *d, const ds_executor_entry *entry)
{
    DS_ASSERT(entry->state == DS_EXECUTOR_INTRODUCED);
    ds_message message = {.type = DS_MSG_PLAN};
    message.plan = (ds_msg_plan){1, d->plan->hash, d->plan_text, "", ds_driver_kept_folder(d)};
    ds_driver_send(d, entry, &message);
}

static void on_hello(ds_driver *d, uint64_t peer, const ds_msg_hello *hello)
{
    const char *reason = "";
    ds_executor_entry *entry = identify(d, hello, &reason);
    if (entry == NULL) {
        reject(d, peer, reason);
        return;
    }
    ds_error error;
    if (reach_store(d, entry, hello, &error) != DS_OK) {
        reject(d, peer, error.message);
        if (!entry->local)
            ds_registry_remove(&d->registry, entry);
        return;
    }
    DS_ASSERT(entry->state == DS_EXECUTOR_LAUNCHED && entry->peer == 0 && peer != 0);
    ds_registry_set_peer(&d->registry, entry, peer);
    snprintf(entry->host, sizeof entry->host, "%s", hello->host != NULL ? hello->host : "");
    entry->cores = hello->cores > 0 ? hello->cores : 1;
    entry->heard_us = d->now_us;
    ds_registry_set_state(&d->registry, entry, DS_EXECUTOR_INTRODUCED);
    ds_message welcome = {.type = DS_MSG_WELCOME};
    welcome.welcome = (ds_msg_welcome){.executor_id = entry->id,
                                       .app_id = d->plan->app->name,
                                       .heartbeat_ms = ds_driver_beat_ms(d),
                                       .folder = d->config.folder};
    memcpy(welcome.welcome.key, d->config.key, sizeof d->config.key);
    ds_driver_send(d, entry, &welcome);
    tell_peers(d, entry);
    send_plan(d, entry);
}

static void on_plan_result(ds_driver *d, ds_executor_entry *entry, const ds_msg_plan_result *result)
{
    if (entry->state != DS_EXECUTOR_INTRODUCED)
        return;
    if (result->status != DS_OK && entry->local) {
        ds_driver_end(d, DS_ERR_INTERNAL, result->message);
        return;
    }
    if (result->status != DS_OK) { /* the app goes on without one from outside */
        ds_driver_exclude(d, entry, result->message);
        return;
    }
    ds_registry_set_state(&d->registry, entry, DS_EXECUTOR_READY);
    DS_ASSERT(entry->running == 0 && entry->owned == 0 && entry->receivers == 0);
    ds_driver_tell_tables(d, entry);
    ds_driver_replicate_anew(d);
    d->ever_ready = true;
    d->relaunch_wait_us = DS_RELAUNCH_US;
    entry->ready_us = d->now_us;
    ds_log_debug("executor %" PRIu64 " is ready", entry->id);
}

void ds_driver_on_message(ds_driver *d, uint64_t peer, const ds_message *message)
{
    ds_executor_entry *entry = ds_registry_of_peer(&d->registry, peer);
    if (message->type == DS_MSG_HELLO) {
        if (entry == NULL)
            on_hello(d, peer, &message->hello);
        return;
    }
    if (entry == NULL || entry->state == DS_EXECUTOR_GONE || message->epoch != d->config.epoch)
        return;
    entry->heard_us = d->now_us;
    switch ((ds_message_type)message->type) {
    case DS_MSG_PLAN_RESULT: on_plan_result(d, entry, &message->plan_result); break;
    case DS_MSG_TASK_RESULTS: ds_driver_on_results(d, entry, &message->task_results); break;
    case DS_MSG_BLOCKS: ds_driver_on_blocks(d, entry, &message->blocks); break;
    case DS_MSG_REPLICATED: ds_driver_on_replicated(d, entry, &message->replicated); break;
    case DS_MSG_RECEIVER_STATE:
        ds_driver_on_receiver_state(d, entry, &message->receiver_state);
        break;
    case DS_MSG_TABLE_LOADED: ds_driver_on_table_loaded(d, entry, &message->table_loaded); break;
    case DS_MSG_SAVED: ds_driver_on_saved(d, entry, &message->saved); break;
    case DS_MSG_CUT_DONE: ds_driver_on_cut_done(d, entry->id, message->cut_done.tick); break;
    case DS_MSG_HEARTBEAT:
        ds_registry_use(&d->registry, entry,
                        message->heartbeat.used_bytes + message->heartbeat.store_used,
                        message->heartbeat.store_used);
        if (message->heartbeat.refused > entry->refused)
            d->progress.refused += message->heartbeat.refused - entry->refused;
        entry->refused = message->heartbeat.refused;
        if (d->ports.flush != NULL)
            d->ports.flush(d->ports.arg, entry->peer);
        break;
    default: break; /* not for drivers: passed over */
    }
}

const char *ds_driver_bulk_url(const ds_driver *d, uint64_t executor_id)
{
    const ds_executor_entry *entry = ds_registry_find(&d->registry, executor_id);
    if (entry == NULL || entry->state == DS_EXECUTOR_GONE || entry->store_open)
        return NULL;
    return entry->bulk_url;
}

/* ---- loss ---- */

/* One that had worked for a while is replaced at once. One that had not may fall again. */
static int64_t replacement_wait_us(ds_driver *d, const ds_executor_entry *lost)
{
    DS_ASSERT(lost->local && d->relaunch_wait_us >= DS_RELAUNCH_US);
    if (lost->ready_us != 0)
        return d->now_us - lost->ready_us < DS_YOUNG_US ? DS_RELAUNCH_US : 0;
    int64_t wait_us = d->relaunch_wait_us;
    if (d->relaunch_us == INT64_MAX) /* of several that fail together one counts */
        d->relaunch_wait_us = wait_us * 2 < DS_RELAUNCH_MOST_US ? wait_us * 2 : DS_RELAUNCH_MOST_US;
    return wait_us;
}

static void plan_replacement(ds_driver *d, const ds_executor_entry *lost)
{
    int64_t at_us = d->now_us + replacement_wait_us(d, lost);
    if (at_us < d->relaunch_us)
        d->relaunch_us = at_us;
}

void ds_driver_lose(ds_driver *d, ds_executor_entry *entry, const char *why)
{
    if (entry->state == DS_EXECUTOR_GONE)
        return;
    bool was_ready = entry->state == DS_EXECUTOR_READY;
    DS_ASSERT(entry->hold_until_ms == INT64_MAX);
    if (!was_ready && entry->local)
        d->launch_failures++;
    ds_registry_set_state(&d->registry, entry, DS_EXECUTOR_GONE);
    entry->hold_until_ms = INT64_MAX; /* set when the next batch is allotted */
    if (entry->peer != 0)
        d->ports.close_peer(d->ports.arg, entry->peer);
    ds_registry_set_peer(&d->registry, entry, 0);
    d->progress.executors_lost++;
    ds_log_warn("executor %" PRIu64 " was lost: %s", entry->id, why);
    if (entry->local)
        d->ports.kill(d->ports.arg, entry->id);
    ds_driver_on_cut_done(d, entry->id, d->tick.number);
    ds_driver_receivers_of(d, entry->id);
    ds_driver_tasks_of(d, entry->id);
    ds_driver_lose_partitions(d, entry->id);
    ds_driver_replicas_of(d, entry);
    ds_driver_store_of(d, entry);
    ds_driver_tables_of(d, entry);
    if (entry->store_open ? d->config.bulk_url != NULL : entry->bulk_url[0] != '\0')
        tell_all(d, entry);
    if (entry->local)
        plan_replacement(d, entry);
}

void ds_driver_exclude(ds_driver *d, ds_executor_entry *entry, const char *why)
{
    DS_ASSERT(!entry->local && entry->peer != 0);
    ds_message message = {.type = DS_MSG_REJECT};
    message.reject.reason = why;
    ds_driver_send(d, entry, &message);
    ds_driver_lose(d, entry, why);
}

void ds_driver_on_peer_lost(ds_driver *d, uint64_t peer)
{
    ds_executor_entry *entry = ds_registry_of_peer(&d->registry, peer);
    if (entry != NULL)
        ds_driver_lose(d, entry, "its connection closed");
}

void ds_driver_on_exited(ds_driver *d, uint64_t executor_id, const char *why)
{
    ds_executor_entry *entry = ds_registry_find(&d->registry, executor_id);
    if (entry == NULL)
        return;
    if (entry->state == DS_EXECUTOR_GONE)
        ds_log_info("executor %" PRIu64 ": %s", executor_id, why);
    else if (entry->state == DS_EXECUTOR_LAUNCHED)
        ds_driver_lose(d, entry, why); /* otherwise the connection tells */
    else
        ds_log_info("executor %" PRIu64 ": %s", executor_id, why);
}

/* Up to this batch nothing is read any more: all are committed, and none of them is retained. */
static int64_t over_to(const ds_driver *d)
{
    const ds_batch *oldest = ds_retained_oldest(&d->retained);
    if (oldest == NULL)
        oldest = d->batches;
    return oldest == NULL ? INT64_MAX : oldest->time_ms - 1;
}

/* A lost executor's store is not needed once all batches that may refer to it are over. */
void ds_driver_drop_stores(ds_driver *d)
{
    if (d->copies.n > 0)
        return; /* they may be read */
    int64_t over_ms = over_to(d);
    for (size_t i = 0; i < d->registry.n;) {
        ds_executor_entry *entry = d->registry.list[i];
        if (entry->state != DS_EXECUTOR_GONE || entry->hold_until_ms > over_ms ||
            entry->hold_until_ms == INT64_MAX || ds_driver_table_lies_in(d, entry->id) ||
            ds_driver_saved_lies_in(d, entry->id)) {
            i++;
            continue;
        }
        DS_ASSERT(entry->peer == 0);
        if (entry->store_open)
            d->ports.close_store(d->ports.arg, entry->id);
        for (size_t k = 0; k < d->registry.n; k++) {
            const ds_executor_entry *other = d->registry.list[k];
            if (other->peer == 0 || !entry->store_open)
                continue;
            ds_message message = {.type = DS_MSG_PEER};
            message.peer = (ds_msg_peer){.executor_id = entry->id, .gone = true};
            ds_driver_send(d, other, &message);
        }
        ds_registry_remove(&d->registry, entry);
    }
}

/* ---- time ---- */

/* Where the clock is behind the batch times, it goes on from there. */
static void set_clock(ds_driver *d)
{
    if (d->config.virtual_time || d->config.available_now)
        return;
    int64_t ahead_ms = d->last_ms - d->wall_ms;
    if (!ds_batch_clock_begin(&d->clock, d->now_us, d->last_ms))
        return;
    DS_ASSERT(ahead_ms > 0);
    d->wall_ms = d->last_ms;
    ds_log_warn("the last batch time is %" PRId64
                " s ahead of the clock: batch times go on from there",
                ahead_ms / 1000);
}

/* On a checkpoint no time is missing: what was due since its last one is made up for
 * (gaps.c). */
static void begin_running(ds_driver *d)
{
    DS_ASSERT(d->phase == DS_PHASE_STARTING);
    d->phase = DS_PHASE_RUNNING;
    d->running_us = d->now_us;
    if (!d->config.virtual_time && d->config.recovered == NULL) {
        int64_t interval = d->plan->app->interval_ms;
        d->zero_ms = ds_floor_to(d->wall_ms, interval);
        if (d->zero_ms < d->config.not_before_ms)
            d->zero_ms = ds_ceil_to(d->config.not_before_ms, interval);
        d->last_ms = d->zero_ms;
    }
    set_clock(d);
    if (d->config.recovered != NULL)
        ds_driver_begin_gap(d, true);
    if (d->config.checkpoint)
        ds_driver_journal(d, NULL, true);
    ds_driver_scan_logs(d);
    ds_driver_start_receivers(d);
}

static void check_start(ds_driver *d)
{
    uint32_t ready = ds_registry_count(&d->registry, DS_EXECUTOR_READY);
    uint32_t wanted = d->plan->app->executors_count;
    if (ready > 0 && (ready >= wanted || d->now_us - d->started_us >= DS_START_WAIT_US))
        begin_running(d);
    else if (d->launch_failures >= DS_LAUNCH_FAILURES && !d->ever_ready)
        ds_driver_end(d, DS_ERR_UNAVAILABLE, "no executor could be started");
}

static void relaunch(ds_driver *d)
{
    if (d->now_us < d->relaunch_us)
        return;
    d->relaunch_us = INT64_MAX;
    uint32_t local = 0;
    for (size_t i = 0; i < d->registry.n; i++)
        local += d->registry.list[i]->local && d->registry.list[i]->state != DS_EXECUTOR_GONE;
    for (; local < d->plan->app->executors_count; local++)
        launch(d);
}

void ds_driver_watch_executors(ds_driver *d)
{
    relaunch(d);
    d->progress.executors = ds_registry_count(&d->registry, DS_EXECUTOR_READY);
    d->progress.memory_bytes = d->registry.used_bytes;
    if (d->phase == DS_PHASE_STARTING)
        check_start(d);
    else if (d->phase != DS_PHASE_ENDED)
        ds_driver_start_receivers(d);
}

int64_t ds_driver_executors_deadline(const ds_driver *d)
{
    int64_t deadline = d->relaunch_us;
    if (d->phase == DS_PHASE_STARTING && d->started_us + DS_START_WAIT_US > d->now_us &&
        d->started_us + DS_START_WAIT_US < deadline)
        deadline = d->started_us + DS_START_WAIT_US;
    int64_t silence = ds_driver_silence_deadline(d);
    return silence < deadline ? silence : deadline;
}
