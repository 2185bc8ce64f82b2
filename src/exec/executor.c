#include "exec/executor.h"

#include "base/assert.h"
#include "base/paged.h"
#include "dstream/memory_shares.h"
#include "exec/batch_set.h"
#include "exec/join_check.h"
#include "exec/known_tasks.h"

#include <stdlib.h>
#include <string.h>

/* Results of a busy executor are bundled: for so long if the driver has more to give, and half of
 * what it gave is done; or longer, as it has nothing to wait for then but the end of all. */
#define RESULTS_WAIT_US 200
#define RESULTS_WAIT_MOST_US 1000
#define MOST_RESULTS 256u                   /* and at most so many ... */
#define MOST_RESULT_BYTES ((size_t)4 << 20) /* ... of about this size: a message has more room */
#define MOST_PLANS 8u
#define REST_US INT64_C(300000) /* between two looks at what is not needed any more */
#define UNFINISHED_PART 8       /* of the budget, which is about half of the memory */
#define RECEIVER_GIVE_UP_MS 10000
#define RECEIVER_IDLE_MS 500

/* A plan as compiled here. */
typedef struct held_plan {
    uint32_t plan_id;
    ds_app *app;
    ds_plan *plan;
    char *kept_folder;
    ds_keyed_store *keyed;
    ds_tables *tables;
    ds_task_env env;
} held_plan;

struct ds_executor {
    ds_executor_config config;
    ds_executor_ports ports;
    ds_budget budget;
    ds_budget kept;   /* of it: what is kept from batch to batch */
    ds_budget saving; /* and what of that is being saved */
    ds_batch_ranges *ranges;
    ds_saved_ranges *saved_ranges;
    ds_collection *collection;
    ds_block_ledger *ledger;
    ds_peers *peers;
    bool welcomed, ended;
    uint64_t id, epoch;
    int64_t heartbeat_us, next_heartbeat_us, next_rest_us;
    int64_t needed_bytes; /* of the budget at most, since memory was given back last */
    held_plan plans[MOST_PLANS];
    uint32_t n_plans;
    ds_known_tasks *known;
    ds_batch_set released, committed; /* of a released batch nothing comes back */
    uint64_t *receivers;              /* ids that were started */
    size_t n_receivers;
    uint32_t in_flight; /* tasks */
    bool more;          /* the driver waits for some of them to give others */
    uint32_t saves;     /* of partitions, that are being written */
    uint32_t loads;     /* of tables, under way, and versions being prepared */
    uint64_t last_load; /* the newest that was asked for */
    uint64_t last_replicate;
    ds_arena *results_arena;
    ds_task_result results[MOST_RESULTS];
    uint32_t n_results;
    int64_t first_result_us, results_due_us;
};

ds_executor *ds_executor_new(const ds_executor_config *config, const ds_executor_ports *ports)
{
    ds_executor *e = ds_calloc(1, sizeof *e);
    e->config = *config;
    e->ports = *ports;
    ds_budget_init(&e->budget, NULL, config->memory_bytes);
    ds_budget_init(&e->kept, &e->budget, 0);
    const ds_memory_shares shares = ds_memory_divide(config->memory_bytes, config->cores, 0, true);
    ds_budget_init(&e->saving, &e->budget, shares.saving);
    if (shares.pages > 0)
        e->kept.paged = ds_paged_new(ds_store_spill(config->store), (uint64_t)shares.kept,
                                     (uint64_t)shares.pages);
    e->ranges = ds_batch_ranges_new(config->store);
    e->saved_ranges = ds_saved_ranges_new(config->store);
    e->collection = ds_collection_new();
    if (config->patient)
        ds_collection_set_patient(e->collection);
    e->ledger = ds_block_ledger_new(config->store);
    e->peers = ds_peers_new();
    e->known = ds_known_tasks_new();
    ds_peers_set_fetcher(e->peers, &config->fetcher, !config->private_memory);
    e->results_arena = ds_arena_new(NULL);
    e->next_heartbeat_us = e->next_rest_us = INT64_MAX;
    e->results_due_us = INT64_MAX;
    return e;
}

static void drop_plan(ds_executor *e, uint32_t index)
{
    DS_ASSERT(index < e->n_plans);
    held_plan *held = &e->plans[index];
    ds_keyed_store_free(held->keyed);
    ds_tables_free(held->tables);
    ds_plan_free(held->plan);
    ds_app_free(held->app);
    free(held->kept_folder);
    *held = e->plans[--e->n_plans];
}

void ds_executor_free(ds_executor *e)
{
    if (e == NULL)
        return;
    while (e->n_plans > 0)
        drop_plan(e, e->n_plans - 1);
    ds_arena_free(e->results_arena);
    ds_peers_free(e->peers);
    ds_block_ledger_free(e->ledger);
    ds_batch_ranges_free(e->ranges);
    ds_saved_ranges_free(e->saved_ranges);
    ds_collection_free(e->collection);
    ds_known_tasks_free(e->known);
    ds_batch_set_fini(&e->released);
    ds_batch_set_fini(&e->committed);
    ds_paged_free(e->kept.paged);
    free(e->receivers);
    free(e);
}

void ds_executor_hurry(ds_executor *e)
{
    e->ended = true;
    ds_collection_end_patience(e->collection);
}

ds_saved_ranges *ds_executor_saved_ranges(ds_executor *e)
{
    return e->saved_ranges;
}

ds_block_ledger *ds_executor_ledger(ds_executor *e)
{
    return e->ledger;
}

size_t ds_executor_known_tasks(const ds_executor *e)
{
    return ds_known_tasks_count(e->known);
}

static void send(ds_executor *e, ds_message *message)
{
    message->epoch = e->epoch;
    e->ports.send(e->ports.arg, message);
}

static void end(ds_executor *e, ds_status status, const char *reason)
{
    if (e->ended)
        return;
    e->ended = true;
    e->ports.end(e->ports.arg, status, reason);
}

/* ---- life ---- */

static void say_hello(ds_executor *e)
{
    DS_ASSERT(!e->welcomed);
    ds_message message = {.type = DS_MSG_HELLO};
    ds_msg_hello *hello = &message.hello;
    hello->protocol = DS_PROTOCOL_VERSION;
    hello->build = DS_VERSION;
    hello->app_id = e->config.app_id;
    hello->executor_id = e->config.executor_id;
    memcpy(hello->token, e->config.token, sizeof hello->token);
    hello->cores = e->config.cores;
    hello->pid = e->config.pid;
    hello->store_fd = e->config.private_memory ? -1 : ds_store_fd(e->config.store);
    hello->store_bytes = ds_store_size(e->config.store);
    const ds_spill *spill = ds_store_spill(e->config.store);
    hello->spill_fd = e->config.private_memory || spill == NULL ? -1 : ds_spill_fd(spill);
    hello->spill_bytes = spill == NULL ? 0 : ds_spill_size(spill);
    hello->host = e->config.host;
    hello->bulk_url = e->config.bulk_url;
    send(e, &message);
}

static void on_welcome(ds_executor *e, const ds_message *message, int64_t now_us)
{
    if (e->welcomed)
        return;
    e->welcomed = true;
    e->epoch = message->epoch;
    e->id = message->welcome.executor_id;
    e->heartbeat_us = (int64_t)message->welcome.heartbeat_ms * 1000;
    e->next_heartbeat_us = e->heartbeat_us > 0 ? now_us + e->heartbeat_us : INT64_MAX;
    e->next_rest_us = now_us + REST_US;
    ds_peers_add_store(e->peers, e->id, e->config.store);
    if (e->ports.welcomed != NULL)
        e->ports.welcomed(e->ports.arg, &message->welcome);
}

/* What was needed for a while only goes back to the system. */
static void rest(ds_executor *e, int64_t now_us)
{
    e->next_rest_us = now_us + REST_US;
    ds_store_rest(e->config.store);
    int64_t peak = ds_budget_recent_peak(&e->budget);
    if (peak > e->needed_bytes)
        e->needed_bytes = peak;
    if (e->needed_bytes - peak <= e->config.memory_bytes / 8)
        return;
    e->needed_bytes = peak;
    if (e->ports.rest != NULL)
        e->ports.rest(e->ports.arg);
}

static void beat(ds_executor *e, int64_t now_us)
{
    DS_ASSERT(e->welcomed && e->heartbeat_us > 0);
    ds_message message = {.type = DS_MSG_HEARTBEAT};
    message.heartbeat.used_bytes = (uint64_t)atomic_load(&e->budget.used_bytes);
    message.heartbeat.store_used = ds_store_used(e->config.store);
    message.heartbeat.store_peak = ds_store_peak(e->config.store);
    message.heartbeat.refused = ds_block_ledger_refused(e->ledger);
    send(e, &message);
    e->next_heartbeat_us = now_us + e->heartbeat_us;
}

static void on_peer(ds_executor *e, const ds_msg_peer *peer)
{
    if (peer->gone)
        ds_peers_drop(e->peers, peer->executor_id);
    else
        ds_peers_add(e->peers, peer);
}

/* ---- plans ---- */

static held_plan *find_plan(ds_executor *e, uint32_t plan_id)
{
    for (uint32_t i = 0; i < e->n_plans; i++)
        if (e->plans[i].plan_id == plan_id)
            return &e->plans[i];
    return NULL;
}

static ds_status compile(ds_executor *e, const ds_msg_plan *text, held_plan *held, ds_error *error)
{
    DS_TRY(ds_app_from_canonical(text->text, strlen(text->text), &held->app, error));
    ds_diagnostics *diagnostics = ds_diagnostics_new(NULL);
    ds_status status = ds_plan_new(held->app, e->config.plan_options, diagnostics, &held->plan);
    if (status != DS_OK) {
        ds_buffer what = {0};
        ds_diagnostics_print(diagnostics, &what);
        ds_error_set(error, status, "the plan does not compile here: %s", ds_buffer_text(&what));
        ds_buffer_fini(&what);
    } else if (held->plan->hash != text->hash) {
        status = ds_error_set(error, DS_ERR_PROTOCOL,
                              "the plan's hash differs here: driver and executor are of "
                              "different builds");
        ds_plan_free(held->plan);
    }
    ds_diagnostics_free(diagnostics);
    if (status == DS_OK)
        ds_plan_charge(held->plan, &e->budget);
    else
        ds_app_free(held->app);
    return status;
}

/* Shares memory out as the plan wants it. Returns what a task may have besides the pieces of files
 * that it reads and what functions in Lua need. */
static size_t share_out(ds_executor *e, const ds_plan *plan)
{
    const ds_memory_shares shares = ds_memory_divide(e->config.memory_bytes, e->config.cores,
                                                     plan->app->limits_block, plan->has_windows);
    if (e->n_plans == 0) {
        e->saving.limit_bytes = shares.saving;
        if (e->kept.paged != NULL)
            ds_paged_share(e->kept.paged, (uint64_t)shares.kept, (uint64_t)shares.pages);
    }
    int64_t bytes = shares.task - ds_plan_functions_need(plan);
    return (size_t)(bytes > DS_LEAST_SHARE ? bytes : DS_LEAST_SHARE);
}

static ds_status hold_plan(ds_executor *e, const ds_msg_plan *text, ds_error *error)
{
    if (find_plan(e, text->plan_id) != NULL)
        return DS_OK;
    if (e->n_plans == MOST_PLANS)
        return ds_error_set(error, DS_ERR_PROTOCOL, "more than %u plans at a time", MOST_PLANS);
    held_plan held = {.plan_id = text->plan_id};
    DS_TRY(compile(e, text, &held, error));
    held.keyed = ds_keyed_store_new(&e->kept);
    const ds_table_builder builder = {held.plan, e->peers, &e->budget};
    held.tables = ds_tables_new(&builder, e->id, e->config.store);
    held.kept_folder = ds_strdup(text->kept_folder);
    held.env = (ds_task_env){.plan = held.plan,
                             .store = e->config.store,
                             .ranges = e->ranges,
                             .peers = e->peers,
                             .keyed = held.keyed,
                             .tables = held.tables,
                             .budget = &e->budget,
                             .kept = &e->kept,
                             .saving = &e->saving,
                             .share_bytes = share_out(e, held.plan),
                             .executor_id = e->id,
                             .epoch = e->epoch,
                             .fold_bytes = e->config.fold_bytes,
                             .collection = e->collection,
                             .kept_folder = held.kept_folder};
    e->plans[e->n_plans++] = held;
    return DS_OK;
}

static void on_plan(ds_executor *e, const ds_msg_plan *text)
{
    ds_error error = {.message = ""};
    ds_status status = hold_plan(e, text, &error);
    /* One that the driver started stands where the driver does. */
    if (status == DS_OK && e->config.executor_id == 0)
        status =
            ds_join_check(find_plan(e, text->plan_id)->plan, text->kept_folder, e->epoch, &error);
    ds_message message = {.type = DS_MSG_PLAN_RESULT};
    message.plan_result = (ds_msg_plan_result){text->plan_id, (uint32_t)status, error.message};
    send(e, &message);
}

static void on_drop_plan(ds_executor *e, const ds_msg_drop_plan *drop)
{
    held_plan *held = find_plan(e, drop->plan_id);
    if (held != NULL && e->in_flight == 0 && e->loads == 0 && e->saves == 0)
        drop_plan(e, (uint32_t)(held - e->plans));
}

/* ---- tasks ---- */

/* ---- release ---- */

/* The memory of a released batch goes back when no task of it (which was given up then) can
 * write there any more. Of one that was committed, and may run again, what was marked goes: its
 * tasks stay known. */
static void give_back(ds_executor *e, int64_t batch_ms)
{
    if (ds_known_tasks_runs(e->known, batch_ms))
        return;
    if (!ds_batch_set_has(&e->released, batch_ms)) {
        ds_batch_ranges_sweep(e->ranges, batch_ms);
        return;
    }
    ds_batch_ranges_release(e->ranges, batch_ms);
    ds_known_tasks_forget(e->known, batch_ms);
}

static void flush_results(ds_executor *e)
{
    e->results_due_us = INT64_MAX;
    if (e->n_results == 0)
        return;
    ds_message message = {.type = DS_MSG_TASK_RESULTS};
    message.task_results = (ds_msg_task_results){e->results, e->n_results};
    send(e, &message);
    e->n_results = 0;
    ds_arena_reset(e->results_arena);
}

/* Deep copy: the task's arena goes when the event was handled. */
static void keep_result(ds_executor *e, const ds_task_result *result)
{
    DS_ASSERT(e->n_results < MOST_RESULTS);
    ds_arena *arena = e->results_arena;
    ds_task_result *kept = &e->results[e->n_results++];
    *kept = *result;
    kept->message = ds_arena_strdup(arena, result->message);
    kept->outputs = DS_ARENA_ARRAY(arena, ds_output, result->n_outputs + 1);
    for (uint32_t i = 0; i < result->n_outputs; i++) {
        kept->outputs[i] = result->outputs[i];
        kept->outputs[i].path = ds_arena_strdup(arena, result->outputs[i].path);
    }
    kept->samples = DS_ARENA_ARRAY(arena, ds_bad_sample, result->n_samples + 1);
    for (uint32_t i = 0; i < result->n_samples; i++) {
        const ds_bad_sample *sample = &result->samples[i];
        kept->samples[i] = (ds_bad_sample){sample->reason, ds_arena_strdup(arena, sample->where),
                                           ds_arena_strdup(arena, sample->detail)};
    }
}

/* ---- saves ---- */

/* What tasks have collected is written while others run. */
static void start_saves(ds_executor *e)
{
    ds_collected *list = ds_collection_take(e->collection);
    while (list != NULL) {
        ds_collected *collected = list;
        list = collected->next;
        collected->next = NULL;
        e->saves++;
        e->ports.save(e->ports.arg, collected);
    }
}

/* The driver hears of the task that collected it before it hears that it is saved. */
static void on_saved(ds_executor *e, const ds_msg_saved *saved)
{
    DS_ASSERT(e->saves > 0);
    e->saves--;
    const held_plan *held = find_plan(e, saved->plan_id);
    for (uint32_t i = 0; i < saved->n_parts && saved->status != DS_OK && held != NULL; i++)
        ds_keyed_store_not_saved(held->keyed, saved->parts[i].stage, saved->parts[i].partition);
    flush_results(e);
    ds_message message = {.type = DS_MSG_SAVED};
    message.saved = *saved;
    send(e, &message);
}

static void on_task_done(ds_executor *e, const ds_task_result *result, int64_t now_us)
{
    DS_ASSERT(e->in_flight > 0);
    e->in_flight--;
    ds_known_tasks_end(e->known, result->batch_ms);
    give_back(e, result->batch_ms);                          /* what waited for it */
    if (!ds_batch_set_has(&e->released, result->batch_ms)) { /* else its batch was given up */
        keep_result(e, result);
        if (e->n_results == 1)
            e->first_result_us = now_us;
        bool half = e->more && e->n_results >= e->in_flight;
        e->results_due_us = e->first_result_us + (half ? RESULTS_WAIT_US : RESULTS_WAIT_MOST_US);
    }
    if (e->in_flight == 0 || e->n_results == MOST_RESULTS || now_us >= e->results_due_us ||
        ds_arena_bytes(e->results_arena) > MOST_RESULT_BYTES)
        flush_results(e);
    start_saves(e);
}

static void refuse_task(ds_executor *e, const ds_task *task)
{
    ds_task_result result = {.batch_ms = task->batch_ms,
                             .plan_id = task->plan_id,
                             .stage = task->stage,
                             .partition = task->partition,
                             .attempt = task->attempt,
                             .status = DS_ERR_LOST,
                             .message = "the executor has no such plan"};
    ds_message message = {.type = DS_MSG_TASK_RESULTS};
    message.task_results = (ds_msg_task_results){&result, 1};
    send(e, &message);
}

static void on_tasks(ds_executor *e, const ds_msg_tasks *tasks)
{
    e->more = tasks->more;
    for (uint32_t i = 0; i < tasks->n_tasks; i++) {
        const ds_task *task = &tasks->tasks[i];
        /* One of a released batch is a second copy that comes late. */
        if (ds_batch_set_has(&e->released, task->batch_ms) || !ds_known_tasks_add(e->known, task))
            continue;
        const held_plan *held = find_plan(e, task->plan_id);
        if (held == NULL) {
            refuse_task(e, task);
            continue;
        }
        e->in_flight++;
        ds_known_tasks_begin(e->known, task->batch_ms);
        e->ports.run(e->ports.arg, &held->env, task);
    }
}

/* Told a second time, it may run again already: what its stages give each other then stays. */
static void on_committed(ds_executor *e, int64_t batch_ms)
{
    if (ds_batch_set_has(&e->committed, batch_ms))
        return;
    ds_batch_set_add(&e->committed, batch_ms);
    ds_batch_ranges_commit(e->ranges, batch_ms);
    give_back(e, batch_ms);
}

static void on_release(ds_executor *e, const ds_msg_release *release)
{
    for (uint32_t i = 0; i < release->n_committed; i++)
        on_committed(e, release->committed[i]);
    for (uint32_t i = 0; i < release->n_batches; i++) {
        ds_batch_set_add(&e->released, release->batches[i]);
        give_back(e, release->batches[i]);
    }
    for (uint32_t i = 0; i < release->n_saved; i++)
        if (release->saved[i].executor_id == e->id)
            ds_saved_ranges_give(e->saved_ranges, release->saved[i].offset,
                                 release->saved[i].length);
    bool any = false;
    for (uint32_t i = 0; i < release->n_blocks; i++)
        any |= ds_block_ledger_release(e->ledger, release->blocks[i].receiver_id,
                                       release->blocks[i].first, release->blocks[i].last);
    if (any)
        e->ports.receivers_credit(e->ports.arg);
}

/* ---- tables ---- */

static void on_table_load(ds_executor *e, const ds_msg_table_load *load)
{
    const held_plan *held = find_plan(e, load->plan_id);
    if (load->load_id <= e->last_load || held == NULL || load->source >= held->app->n_sources)
        return;
    e->last_load = load->load_id;
    e->loads++;
    e->ports.load(e->ports.arg, &held->env, load);
}

static void on_table_loaded(ds_executor *e, const ds_msg_table_loaded *loaded)
{
    DS_ASSERT(e->loads > 0);
    e->loads--;
    ds_message message = {.type = DS_MSG_TABLE_LOADED};
    message.table_loaded = *loaded;
    send(e, &message);
}

static void on_table(ds_executor *e, const ds_msg_table *table)
{
    const held_plan *held = find_plan(e, table->plan_id);
    if (held == NULL || !ds_tables_add(held->tables, table->source, table->version, table->inputs,
                                       table->n_inputs, NULL))
        return;
    const ds_table_use use = {table->source, table->version};
    if (e->ports.prepare == NULL)
        return;
    e->loads++;
    e->ports.prepare(e->ports.arg, &held->env, &use);
}

static void on_table_prepared(ds_executor *e)
{
    DS_ASSERT(e->loads > 0);
    e->loads--;
}

static void on_table_drop(ds_executor *e, const ds_msg_table_drop *drop)
{
    const held_plan *held = find_plan(e, drop->plan_id);
    if (held != NULL)
        ds_tables_drop(held->tables, drop->source, drop->version);
}

/* Tables and what is saved are there until the end: nothing is asked of them after it. */
static void on_stop(ds_executor *e, const ds_msg_stop *stop)
{
    ds_saved_ranges_clear(e->saved_ranges);
    for (uint32_t i = 0; i < e->n_plans; i++)
        ds_tables_clear(e->plans[i].tables);
    end(e, DS_OK, stop->reason);
}

/* ---- receivers ---- */

static void say_receiver_failed(ds_executor *e, uint64_t receiver_id, const char *why)
{
    ds_message message = {.type = DS_MSG_RECEIVER_STATE};
    message.receiver_state =
        (ds_msg_receiver_state){receiver_id, DS_RECEIVER_FAILED, DS_ERR_INTERNAL, why};
    send(e, &message);
}

/* A receiver fills one block while others are under way: with little credit they are smaller. */
static uint32_t block_bytes(const ds_app *app, uint64_t credit_bytes)
{
    uint64_t bytes = (uint64_t)app->limits_block, least = (uint64_t)app->limits_record + 2;
    DS_ASSERT(least <= UINT32_MAX && bytes <= UINT32_MAX);
    if (bytes > credit_bytes / 4)
        bytes = credit_bytes / 4;
    return (uint32_t)(bytes > least ? bytes : least);
}

/* Receivers together may hold a sixteenth of the memory of records that have not ended, beside what
 * they read into; one each at least. */
static uint32_t long_records(const ds_executor *e, const ds_app *app)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < app->n_sources; i++)
        n += app->sources[i].type == DS_SOURCE_SOCKET;
    int64_t bytes = e->config.memory_bytes / UNFINISHED_PART / (n > 0 ? n : 1);
    int64_t places = bytes / (app->limits_record + 1);
    return places < 1 ? 1 : places > UINT16_MAX ? UINT16_MAX : (uint32_t)places;
}

static ds_receiver_spec receiver_spec(const ds_executor *e, const ds_app *app,
                                      const ds_app_source *source,
                                      const ds_msg_receiver_start *start)
{
    ds_receiver_kind kind = source->type == DS_SOURCE_STDIN ? DS_RECEIVE_STDIN
                            : source->listen                ? DS_RECEIVE_LISTEN
                                                            : DS_RECEIVE_CONNECT;
    return (ds_receiver_spec){.receiver_id = start->receiver_id,
                              .kind = kind,
                              .name = source->name,
                              .host = source->host,
                              .port = source->port,
                              .record_limit = (uint32_t)app->limits_record,
                              .keep_long = source->on_error == DS_ON_ERROR_DEAD_LETTER,
                              .block_bytes = block_bytes(app, start->credit_bytes),
                              .block_interval_ms = (int)source->block_interval_ms,
                              .header = source->spec.header,
                              .until_idle = start->until_idle,
                              .idle_ms = RECEIVER_IDLE_MS,
                              .give_up_ms = RECEIVER_GIVE_UP_MS,
                              .long_records = long_records(e, app),
                              .rate = start->rate,
                              .ack = source->ack,
                              .log_folder = start->log_folder,
                              .epoch = e->epoch};
}

static void on_receiver_start(ds_executor *e, const ds_msg_receiver_start *start)
{
    for (size_t i = 0; i < e->n_receivers; i++)
        if (e->receivers[i] == start->receiver_id)
            return;
    e->receivers = ds_realloc(e->receivers, e->n_receivers + 1, sizeof *e->receivers);
    e->receivers[e->n_receivers++] = start->receiver_id;
    const held_plan *held = find_plan(e, start->plan_id);
    if (held == NULL || start->source >= held->app->n_sources) {
        say_receiver_failed(e, start->receiver_id, "the executor has no such plan or source");
        return;
    }
    ds_block_ledger_open(e->ledger, start->receiver_id, start->credit_bytes);
    ds_receiver_spec spec = receiver_spec(e, held->app, &held->app->sources[start->source], start);
    e->ports.receiver_add(e->ports.arg, &spec);
}

static void on_block(ds_executor *e, uint64_t receiver_id, ds_block block)
{
    ds_message message = {.type = DS_MSG_BLOCKS};
    message.blocks = (ds_msg_blocks){receiver_id, &block, 1};
    send(e, &message);
}

static void on_receiver_state(ds_executor *e, const ds_msg_receiver_state *state)
{
    ds_message message = {.type = DS_MSG_RECEIVER_STATE};
    message.receiver_state = *state;
    send(e, &message);
}

static void on_cut_done(ds_executor *e, uint64_t tick)
{
    ds_message message = {.type = DS_MSG_CUT_DONE};
    message.cut_done.tick = tick;
    send(e, &message);
}

/* ---- blocks of others ---- */

static void on_replicate(ds_executor *e, const ds_msg_replicate *asked)
{
    if (asked->number <= e->last_replicate)
        return;
    e->last_replicate = asked->number;
    const ds_replicate_env env = {e->peers, e->ledger, e->config.store, e->id};
    e->ports.replicate(e->ports.arg, &env, asked);
}

static void on_replicated(ds_executor *e, const ds_msg_replicated *replicated)
{
    ds_message message = {.type = DS_MSG_REPLICATED};
    DS_ASSERT(replicated->number <= e->last_replicate);
    message.replicated = *replicated;
    send(e, &message);
}

/* ---- step ---- */

static void on_message(ds_executor *e, const ds_message *message, int64_t now_us)
{
    if (!e->welcomed && message->type != DS_MSG_WELCOME && message->type != DS_MSG_REJECT)
        return;
    if (e->welcomed && message->epoch != e->epoch)
        return;
    switch ((ds_message_type)message->type) {
    case DS_MSG_WELCOME: on_welcome(e, message, now_us); break;
    case DS_MSG_REJECT: end(e, DS_ERR_UNAVAILABLE, message->reject.reason); break;
    case DS_MSG_STOP: on_stop(e, &message->stop); break;
    case DS_MSG_PEER: on_peer(e, &message->peer); break;
    case DS_MSG_PLAN: on_plan(e, &message->plan); break;
    case DS_MSG_DROP_PLAN: on_drop_plan(e, &message->drop_plan); break;
    case DS_MSG_TASKS: on_tasks(e, &message->tasks); break;
    case DS_MSG_RELEASE: on_release(e, &message->release); break;
    case DS_MSG_RECEIVER_START: on_receiver_start(e, &message->receiver_start); break;
    case DS_MSG_RECEIVER_STOP:
        e->ports.receiver_stop(e->ports.arg, message->receiver_stop.receiver_id);
        break;
    case DS_MSG_RECEIVER_RATE:
        if (e->ports.receiver_rate != NULL)
            e->ports.receiver_rate(e->ports.arg, message->receiver_rate.receiver_id,
                                   message->receiver_rate.rate);
        break;
    case DS_MSG_CUT: e->ports.receivers_cut(e->ports.arg, message->cut.tick); break;
    case DS_MSG_TABLE_LOAD: on_table_load(e, &message->table_load); break;
    case DS_MSG_TABLE: on_table(e, &message->table); break;
    case DS_MSG_TABLE_DROP: on_table_drop(e, &message->table_drop); break;
    case DS_MSG_REPLICATE: on_replicate(e, &message->replicate); break;
    default: break; /* not for executors: passed over */
    }
}

static void on_time(ds_executor *e, int64_t now_us)
{
    if (now_us >= e->results_due_us)
        flush_results(e);
    if (now_us >= e->next_heartbeat_us)
        beat(e, now_us);
    if (now_us >= e->next_rest_us)
        rest(e, now_us);
}

void ds_executor_step(ds_executor *e, const ds_executor_event *event)
{
    if (e->ended)
        return;
    switch (event->kind) {
    case DS_EXECUTOR_STARTED: say_hello(e); break;
    case DS_EXECUTOR_MESSAGE: on_message(e, event->message, event->now_us); break;
    case DS_EXECUTOR_TASK_DONE: on_task_done(e, event->result, event->now_us); break;
    case DS_EXECUTOR_TABLE_LOADED: on_table_loaded(e, event->loaded); break;
    case DS_EXECUTOR_TABLE_PREPARED: on_table_prepared(e); break;
    case DS_EXECUTOR_SAVED: on_saved(e, event->saved); break;
    case DS_EXECUTOR_REPLICATED: on_replicated(e, event->replicated); break;
    case DS_EXECUTOR_BLOCK: on_block(e, event->block.receiver_id, event->block.block); break;
    case DS_EXECUTOR_RECEIVER_STATE: on_receiver_state(e, &event->state); break;
    case DS_EXECUTOR_CUT_DONE: on_cut_done(e, event->tick); break;
    case DS_EXECUTOR_DRIVER_LOST:
        end(e, DS_ERR_UNAVAILABLE, "the connection to the driver was lost");
        break;
    case DS_EXECUTOR_TIME: break;
    }
    if (!e->ended)
        on_time(e, event->now_us);
}

int64_t ds_executor_deadline_us(const ds_executor *e)
{
    int64_t at_us = e->next_rest_us;
    if (e->results_due_us < at_us)
        at_us = e->results_due_us;
    return e->next_heartbeat_us < at_us ? e->next_heartbeat_us : at_us;
}
