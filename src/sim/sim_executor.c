#include "base/assert.h"
#include "exec/table_load.h"
#include "sim/sim_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A task, waiting and then running. It has its effect, and is done, when it ends. */
struct ds_sim_task {
    ds_sim_event event;
    ds_sim_task *next;
    ds_sim_executor *executor;
    ds_arena *arena;
    ds_task_env env;
    ds_task task;
};

/* ---- tasks ---- */

static void drop_task(ds_sim_event *event)
{
    ds_sim_task *task = (ds_sim_task *)event;
    ds_arena_free(task->arena);
    free(task);
}

static void start_tasks(ds_sim_executor *x);

static void run_task(void *arg, ds_sim_event *event)
{
    ds_sim_task *task = (ds_sim_task *)event;
    ds_sim_executor *x = task->executor;
    DS_ASSERT(arg == x->sim);
    if (!x->living)
        return;
    ds_arena *arena = ds_arena_new(NULL);
    ds_scratch scratch = {0};
    ds_task_result result;
    ds_task_run(&task->env, &task->task, &scratch, arena, &result);
    if (ds_sim_happens(x->sim, x->sim->config.faults.task_fails)) {
        result.status = ds_random_below(&x->sim->random, 2) == 0 ? DS_ERR_NO_MEMORY : DS_ERR_IO;
        result.message = "it fails this time";
        result.n_outputs = 0;
    }
    ds_sim_trace(x->sim, "executor %" PRIu64 " ran batch %" PRId64 " stage %u partition %u.%u: %s",
                 x->id, result.batch_ms, result.stage, result.partition, result.attempt,
                 result.status == DS_OK ? "done" : result.message);
    x->busy--;
    ds_sim_executor_step(x, &(ds_executor_event){.kind = DS_EXECUTOR_TASK_DONE, .result = &result});
    ds_scratch_fini(&scratch);
    ds_arena_free(arena);
    start_tasks(x);
}

static void start_tasks(ds_sim_executor *x)
{
    while (x->living && x->first != NULL && x->busy < x->sim->config.plan->app->executors_cores) {
        ds_sim_task *task = x->first;
        x->first = task->next;
        if (x->first == NULL)
            x->last = &x->first;
        x->busy++;
        const ds_sim_faults *faults = &x->sim->config.faults;
        bool slow = ds_sim_happens(x->sim, faults->slow);
        int64_t takes_us = ds_sim_delay(x->sim, slow ? faults->slow_max_us : faults->task_max_us);
        ds_sim_event_add(x->sim, task, x->sim->now_us + takes_us);
    }
}

static void port_run(void *arg, const ds_task_env *env, const ds_task *task)
{
    ds_sim_executor *x = arg;
    ds_sim_task *queued = ds_calloc(1, sizeof *queued);
    ds_arena *arena = ds_arena_new(NULL);
    *queued = (ds_sim_task){.event = {.run = run_task, .drop = drop_task},
                            .executor = x,
                            .arena = arena,
                            .env = *env,
                            .task = ds_task_copy(arena, task)};
    *x->last = queued;
    x->last = &queued->next;
    start_tasks(x);
}

/* ---- other work ---- */

/* What is done beside the control, which is told of it some time later. */
typedef struct work_event {
    ds_sim_event event;
    ds_sim_executor *executor;
    ds_arena *arena; /* of the work, and of what is told */
    const void *work;
    void (*run)(ds_sim_executor *x, const void *work, ds_arena *arena);
} work_event;

static void run_work(void *arg, ds_sim_event *event)
{
    const work_event *w = (const work_event *)event;
    DS_ASSERT(arg == w->executor->sim);
    if (w->executor->living)
        w->run(w->executor, w->work, w->arena);
}

static void drop_work(ds_sim_event *event)
{
    ds_arena_free(((work_event *)event)->arena);
    free(event);
}

/* work is in arena, which is taken over. */
static void add_work(ds_sim_executor *x, ds_arena *arena, const void *work,
                     void (*run)(ds_sim_executor *x, const void *work, ds_arena *arena))
{
    work_event *event = ds_calloc(1, sizeof *event);
    *event = (work_event){.event = {.run = run_work, .drop = drop_work},
                          .executor = x,
                          .arena = arena,
                          .work = work,
                          .run = run};
    int64_t takes_us = ds_sim_delay(x->sim, x->sim->config.faults.task_max_us);
    ds_sim_event_add(x->sim, event, x->sim->now_us + takes_us);
}

typedef struct load_work {
    ds_task_env env;
    ds_msg_table_load load;
} load_work;

static void run_load(ds_sim_executor *x, const void *work, ds_arena *arena)
{
    const load_work *w = work;
    const ds_msg_table_load *load = &w->load;
    ds_msg_table_loaded loaded;
    /* The app could not begin without the first one. */
    if (load->checksum != 0 && ds_sim_happens(x->sim, x->sim->config.faults.disk_fails))
        loaded = (ds_msg_table_loaded){.load_id = load->load_id,
                                       .result = {.status = DS_ERR_IO, .message = "it fails"}};
    else
        ds_table_load(&w->env, load, 0, arena, &loaded);
    ds_sim_trace(x->sim, "executor %" PRIu64 " loaded table %u, version %" PRIu64 ": %s", x->id,
                 load->source, load->version,
                 loaded.result.status != DS_OK ? loaded.result.message
                 : loaded.same                 ? "the same"
                                               : "done");
    ds_sim_executor_step(x,
                         &(ds_executor_event){.kind = DS_EXECUTOR_TABLE_LOADED, .loaded = &loaded});
}

static void port_load(void *arg, const ds_task_env *env, const ds_msg_table_load *load)
{
    ds_arena *arena = ds_arena_new(NULL);
    load_work *work = DS_ARENA_NEW(arena, load_work);
    *work = (load_work){*env, *load};
    add_work(arg, arena, work, run_load);
}

typedef struct prepare_work {
    ds_task_env env;
    ds_table_use use;
} prepare_work;

static void run_prepare(ds_sim_executor *x, const void *work, ds_arena *arena)
{
    const prepare_work *w = work;
    (void)arena;
    ds_tables_prepare(w->env.tables, &w->use);
    ds_sim_executor_step(x, &(ds_executor_event){.kind = DS_EXECUTOR_TABLE_PREPARED});
}

static void port_prepare(void *arg, const ds_task_env *env, const ds_table_use *use)
{
    ds_arena *arena = ds_arena_new(NULL);
    prepare_work *work = DS_ARENA_NEW(arena, prepare_work);
    *work = (prepare_work){*env, *use};
    add_work(arg, arena, work, run_prepare);
}

typedef struct replicate_work {
    ds_replicate_env env;
    ds_msg_replicate asked;
} replicate_work;

static void run_replicate(ds_sim_executor *x, const void *work, ds_arena *arena)
{
    const replicate_work *w = work;
    ds_msg_replicated replicated;
    ds_replicate(&w->env, &w->asked, arena, &replicated);
    ds_sim_trace(x->sim, "executor %" PRIu64 " holds %u blocks of others more: %s", x->id,
                 replicated.n_blocks, replicated.status == DS_OK ? "all" : replicated.message);
    ds_sim_executor_step(
        x, &(ds_executor_event){.kind = DS_EXECUTOR_REPLICATED, .replicated = &replicated});
}

static void port_replicate(void *arg, const ds_replicate_env *env, const ds_msg_replicate *asked)
{
    ds_arena *arena = ds_arena_new(NULL);
    replicate_work *work = DS_ARENA_NEW(arena, replicate_work);
    *work = (replicate_work){*env, ds_replicate_copy(arena, asked)};
    add_work(arg, arena, work, run_replicate);
}

/* ---- fetching ---- */

static ds_status fetch(void *arg, const char *url, const ds_bulk_item *items, size_t n_items,
                       ds_error *error)
{
    const ds_sim_executor *x = arg;
    for (size_t i = 0; i < n_items; i++) {
        const char *bytes = ds_sim_fetch(x->sim, url, &items[i].ref);
        if (bytes == NULL)
            return ds_error_set(error, DS_ERR_LOST, "nobody is there at %s", url);
        memcpy(items[i].to, bytes, items[i].ref.length);
    }
    return DS_OK;
}

static void drop(void *arg, const char *url)
{
    (void)arg;
    (void)url;
}

/* ---- other ports ---- */

static void port_send(void *arg, const ds_message *message)
{
    ds_sim_executor *x = arg;
    ds_sim *sim = x->sim;
    sim->out.length = 0;
    ds_message_encode(&sim->out, message);
    ds_simnet_send_to_server(sim->net, x->peer, sim->out.data, sim->out.length, sim->now_us);
}

static void port_save(void *arg, ds_collected *collected)
{
    ds_sim_save(arg, collected);
}

static void port_receiver_add(void *arg, const ds_receiver_spec *spec)
{
    ds_sim_receiver_add(arg, spec);
}

static void port_receiver_stop(void *arg, uint64_t receiver_id)
{
    ds_sim_receiver_stop(arg, receiver_id);
}

static void port_cut(void *arg, uint64_t tick)
{
    ds_sim_receivers_cut(arg, tick);
}

static void port_credit(void *arg)
{
    ds_sim_receivers_credit(arg);
}

static void port_end(void *arg, ds_status status, const char *reason)
{
    ds_sim_executor *x = arg;
    ds_sim_trace(x->sim, "executor %" PRIu64 " ends itself: %s", x->id, reason);
    x->ended = true;
    x->end_status = status;
}

/* ---- life ---- */

static void start(void *arg, ds_sim_event *event);

typedef struct start_event {
    ds_sim_event event;
    ds_sim_executor *executor;
} start_event;

ds_sim_executor *ds_sim_executor_new(ds_sim *sim, uint64_t id, const uint8_t *token)
{
    ds_sim_executor *x = ds_calloc(1, sizeof *x);
    *x = (ds_sim_executor){.sim = sim, .id = id, .living = true};
    memcpy(x->token, token, sizeof x->token);
    x->last = &x->first;
    x->remote = sim->config.remote > 0 && ds_random_unit(&sim->random) < sim->config.remote;
    snprintf(x->url, sizeof x->url, "sim://%" PRIu64, id);
    start_event *event = ds_sim_event_new(sizeof *event, start);
    event->executor = x;
    ds_sim_event_add(sim, event, sim->now_us + ds_sim_delay(sim, sim->config.faults.start_max_us));
    return x;
}

/* Peers are counted up. */
static void connect_to_driver(ds_sim_executor *x)
{
    ds_sim *sim = x->sim;
    x->peer = ds_simnet_connect(sim->net, sim->now_us);
    uint64_t n = sim->n_peers;
    if (x->peer >= n) {
        sim->n_peers = 2 * x->peer + 16;
        sim->peers = ds_realloc(sim->peers, sim->n_peers, sizeof(ds_sim_executor *));
        memset(sim->peers + n, 0, (sim->n_peers - n) * sizeof(ds_sim_executor *));
    }
    sim->peers[x->peer] = x;
}

static void start(void *arg, ds_sim_event *event)
{
    ds_sim *sim = arg;
    ds_sim_executor *x = ((start_event *)event)->executor;
    if (!x->living || sim->ended)
        return;
    const ds_app *app = sim->config.plan->app;
    ds_error error;
    ds_status status = ds_store_new(sim->config.store_bytes, &x->store, &error);
    DS_ASSERT(status == DS_OK);
    ds_executor_config config = {.app_id = app->name,
                                 .executor_id = x->id,
                                 .cores = app->executors_cores,
                                 .pid = getpid(),
                                 .host = "simulated",
                                 .memory_bytes = app->executors_memory,
                                 .store = x->store,
                                 .bulk_url = x->url,
                                 .fetcher = {x, fetch, drop},
                                 .private_memory = x->remote,
                                 .plan_options = sim->config.plan_options};
    memcpy(config.token, x->token, sizeof config.token);
    const ds_executor_ports ports = {.arg = x,
                                     .send = port_send,
                                     .run = port_run,
                                     .load = port_load,
                                     .prepare = port_prepare,
                                     .save = port_save,
                                     .replicate = port_replicate,
                                     .receiver_add = port_receiver_add,
                                     .receiver_stop = port_receiver_stop,
                                     .receivers_cut = port_cut,
                                     .receivers_credit = port_credit,
                                     .end = port_end};
    x->control = ds_executor_new(&config, &ports);
    x->started = true;
    connect_to_driver(x);
    ds_sim_trace(sim, "executor %" PRIu64 " starts", x->id);
    ds_sim_executor_step(x, &(ds_executor_event){.kind = DS_EXECUTOR_STARTED});
}

bool ds_sim_executor_works(const ds_sim_executor *x)
{
    return x->living && x->started && !x->hung;
}

/* Whatever it held is gone, but for what others hold open. */
static void die(ds_sim_executor *x, bool flush, const char *why)
{
    x->living = false;
    if (x->started)
        ds_simnet_close(x->sim->net, x->peer, flush, x->sim->now_us);
    while (x->first != NULL) {
        ds_sim_task *task = x->first;
        x->first = task->next;
        drop_task(&task->event);
    }
    ds_sim_wakes_set(&x->sim->wakes, x->place, INT64_MAX);
    ds_sim_saves_end(x);
    ds_sim_receivers_end(x);
    ds_executor_free(x->control);
    ds_store_free(x->store);
    x->control = NULL;
    x->store = NULL;
    ds_sim_exited(x->sim, x->id, why);
}

void ds_sim_executor_kill(ds_sim_executor *x, const char *why)
{
    if (!x->living)
        return;
    ds_sim_trace(x->sim, "executor %" PRIu64 " dies: %s", x->id, why);
    die(x, false, why);
}

/* What it should not hold when its driver stops it: every batch was released. */
static void count_leaks(const ds_sim_executor *x)
{
    ds_sim_figures *figures = &x->sim->figures;
    if (x->end_status != DS_OK || x->busy > 0 || x->first != NULL)
        return;
    figures->stopped++;
    figures->leaked_bytes += ds_store_used(x->store);
    figures->leaked_bytes += ds_block_ledger_bytes(ds_executor_ledger(x->control));
    figures->leaked_tasks += ds_executor_known_tasks(x->control);
}

void ds_sim_executor_step(ds_sim_executor *x, ds_executor_event *event)
{
    if (!x->living || x->hung)
        return;
    event->now_us = x->sim->now_us;
    ds_executor_step(x->control, event);
    if (!x->ended) {
        ds_sim_wakes_set(&x->sim->wakes, x->place, ds_executor_deadline_us(x->control));
        return;
    }
    count_leaks(x);
    die(x, true, "it ended");
}

void ds_sim_executor_deliver(ds_sim_executor *x, const ds_link_event *event)
{
    if (!x->living || x->hung)
        return;
    if (event->kind == DS_LINK_LOST) {
        ds_sim_executor_step(x, &(ds_executor_event){.kind = DS_EXECUTOR_DRIVER_LOST});
        return;
    }
    DS_ASSERT(event->kind == DS_LINK_MESSAGE);
    ds_arena *arena = ds_arena_new(NULL);
    ds_message message;
    ds_error error;
    ds_status status = ds_message_decode(arena, event->bytes, event->length, &message, &error);
    DS_ASSERT(status == DS_OK);
    ds_sim_trace(x->sim, "executor %" PRIu64 " gets %s", x->id, ds_message_name(message.type));
    ds_sim_executor_step(x, &(ds_executor_event){.kind = DS_EXECUTOR_MESSAGE, .message = &message});
    ds_arena_free(arena);
}

void ds_sim_executor_free(ds_sim_executor *x)
{
    if (x->living)
        die(x, false, "the simulation ends");
    free(x);
}
