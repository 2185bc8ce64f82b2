#include "sim/sim_app.h"

#include "base/assert.h"
#include "checkpoint/kept_folder.h"
#include "sim/sim_state.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

bool ds_sim_crashes(ds_sim *sim, double probability)
{
    return !sim->ended && sim->figures.crashes < sim->config.faults.most_crashes &&
           ds_sim_happens(sim, probability);
}

static void end_faults(void *arg, ds_sim_event *event)
{
    ds_sim *sim = arg;
    DS_ASSERT(event->time_us == sim->config.faults.until_us);
    ds_sim_trace(sim, "no more faults");
    ds_simnet_set_faults(sim->net, &(ds_simnet_faults){0});
}

/* Any that works; NULL if there is none. */
static ds_sim_executor *any_executor(ds_sim *sim)
{
    uint32_t working = 0;
    for (uint32_t i = 0; i < sim->n_executors; i++)
        working += ds_sim_executor_works(sim->executors[i]);
    if (working == 0)
        return NULL;
    uint64_t chosen = ds_random_below(&sim->random, working);
    for (uint32_t i = 0;; i++)
        if (ds_sim_executor_works(sim->executors[i]) && chosen-- == 0)
            return sim->executors[i];
}

/* Some executor is gone without a word. */
static void vanish(ds_sim *sim)
{
    ds_sim_executor *x = any_executor(sim);
    if (x == NULL)
        return;
    sim->figures.vanished++;
    ds_sim_executor_kill(x, "it vanished");
}

/* Or it is there, and says nothing more. */
static void hang(ds_sim *sim)
{
    ds_sim_executor *x = any_executor(sim);
    if (x == NULL)
        return;
    ds_sim_trace(sim, "executor %" PRIu64 " hangs", x->id);
    sim->figures.hung++;
    x->hung = true;
    ds_sim_wakes_set(&sim->wakes, x->place, INT64_MAX);
}

/* Whether it is time for the next death that is planned. One during a batch that has no tasks comes
 * when the batch is over. */
static bool death_is_due(const ds_sim *sim, const ds_sim_death *death)
{
    ds_batch_phase phase = ds_driver_batch_phase(sim->driver, death->batch_ms);
    return phase == DS_BATCH_OVER || (death->during && phase == DS_BATCH_WITH_TASKS);
}

static void die(ds_sim *sim)
{
    while (!sim->ended && sim->next_death < sim->config.n_deaths) {
        const ds_sim_death *death = &sim->config.deaths[sim->next_death];
        if (!death_is_due(sim, death))
            return;
        sim->next_death++;
        if (death->driver)
            ds_sim_driver_crash(sim);
        else
            vanish(sim);
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

static void stop(void *arg, ds_sim_event *event)
{
    (void)event;
    ds_sim_driver_step(arg, &(ds_driver_event){.kind = DS_DRIVER_STOP});
}

void ds_sim_stop_at(ds_sim *sim, int64_t now_us)
{
    ds_sim_event_add(sim, ds_sim_event_new(sizeof(ds_sim_event), stop), now_us);
}

typedef struct clock_event {
    ds_sim_event event;
    int64_t by_ms;
} clock_event;

static void set_clock(void *arg, ds_sim_event *event)
{
    ds_sim *sim = arg;
    sim->clock_ms += ((const clock_event *)event)->by_ms;
    ds_sim_trace(sim, "the clock is set by %" PRId64 " ms", ((const clock_event *)event)->by_ms);
    ds_sim_driver_step(sim, &(ds_driver_event){.kind = DS_DRIVER_TIME});
}

void ds_sim_set_clock_at(ds_sim *sim, int64_t now_us, int64_t by_ms)
{
    clock_event *event = ds_sim_event_new(sizeof *event, set_clock);
    event->by_ms = by_ms;
    ds_sim_event_add(sim, event, now_us);
}

static void crash(void *arg, ds_sim_event *event)
{
    ds_sim *sim = arg;
    sim->clock_ms += ((const clock_event *)event)->by_ms;
    if (!sim->ended)
        ds_sim_driver_crash(sim);
}

void ds_sim_crash_at(ds_sim *sim, int64_t now_us, int64_t down_ms)
{
    clock_event *event = ds_sim_event_new(sizeof *event, crash);
    event->by_ms = down_ms;
    ds_sim_event_add(sim, event, now_us);
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
    return earlier(mono_us, (wall_ms - sim->config.start_ms - sim->clock_ms) * 1000);
}

/* Steps whoever wanted to be woken by now. */
static bool wake(ds_sim *sim)
{
    if (driver_deadline_us(sim) <= sim->now_us) {
        ds_sim_driver_step(sim, &(ds_driver_event){.kind = DS_DRIVER_TIME});
        return true;
    }
    if (ds_sim_wakes_next_us(&sim->wakes) > sim->now_us)
        return false;
    ds_sim_executor *x = sim->executors[ds_sim_wakes_first(&sim->wakes)];
    DS_ASSERT(ds_sim_executor_works(x));
    ds_sim_executor_step(x, &(ds_executor_event){.kind = DS_EXECUTOR_TIME});
    return true;
}

/* When the next thing happens. */
static int64_t next_us(const ds_sim *sim)
{
    int64_t next = earlier(ds_sim_queue_next_us(&sim->queue), ds_simnet_next_us(sim->net));
    next = earlier(next, ds_sim_wakes_next_us(&sim->wakes));
    return earlier(next, driver_deadline_us(sim));
}

/* Lets one thing happen, or moves the clock to the next. False if there is none. */
static bool advance(ds_sim *sim)
{
    sim->figures.events++;
    die(sim);
    if (ds_sim_happens(sim, sim->config.faults.kill))
        vanish(sim);
    if (ds_sim_happens(sim, sim->config.faults.hang))
        hang(sim);
    if (ds_sim_crashes(sim, sim->config.faults.crash))
        ds_sim_driver_crash(sim);
    ds_sim_event *event = ds_sim_queue_take(&sim->queue, sim->now_us);
    if (event != NULL) {
        event->run(sim, event);
        event->drop(event);
        return true;
    }
    ds_simnet_delivery delivery;
    if (ds_simnet_deliver(sim->net, sim->now_us, &delivery)) {
        ds_sim_deliver(sim, &delivery);
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
        if (ds_sim_executor_works(sim->executors[i]))
            ds_simnet_close(sim->net, sim->executors[i]->peer, true, sim->now_us);
    bool any = true;
    while (any && advance(sim)) {
        any = false;
        for (uint32_t i = 0; i < sim->n_executors; i++)
            any = any || ds_sim_executor_works(sim->executors[i]);
    }
}

ds_status ds_sim_run(ds_sim *sim, uint64_t most_events, ds_error *error)
{
    ds_sim_driver_start(sim);
    while (!sim->ended && sim->figures.events < most_events)
        if (!advance(sim)) {
            sim->figures.stalled = true;
            return ds_error_set(error, DS_ERR_INTERNAL, "the app waits for nothing");
        }
    sim->figures.stalled = !sim->ended;
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

/* Where executors save what they keep: of this simulation alone. */
static void make_folder(ds_sim *sim)
{
    const char *tmp = getenv("TMPDIR");
    ds_buffer path = {0};
    ds_buffer_printf(&path, "%s/dstream-kept-XXXXXX", tmp != NULL ? tmp : "/tmp");
    sim->kept_folder = ds_strdup(ds_buffer_text(&path));
    ds_buffer_fini(&path);
    char *made = mkdtemp(sim->kept_folder);
    DS_ASSERT(made != NULL);
}

ds_sim *ds_sim_new(const ds_sim_config *config)
{
    ds_sim *sim = ds_calloc(1, sizeof *sim);
    sim->config = *config;
    ds_random_init(&sim->random, config->seed);
    sim->net = ds_simnet_new(ds_random_next(&sim->random), &config->faults.net);
    sim->last_job = &sim->jobs;
    read_scripts(sim);
    if (config->checkpoint)
        make_folder(sim);
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
    free(sim->peers);
    ds_sim_wakes_fini(&sim->wakes);
    ds_sim_queue_fini(&sim->queue);
    ds_simnet_free(sim->net);
    ds_sim_driver_end(sim);
    if (sim->kept_folder != NULL)
        ds_kept_folder_remove(sim->kept_folder);
    free(sim->kept_folder);
    free(sim->stores);
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
