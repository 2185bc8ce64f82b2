/*
 * The saver of a simulated executor: what tasks have collected is written by the same code as in
 * real ones, to files of the app's checkpoint or into the store, one after the other. It takes
 * time, and may fail. When the executor dies, what waits is lost; some of it may be on the disk,
 * though nobody was told.
 */
#include "base/assert.h"
#include "sim/sim_state.h"

#include <inttypes.h>
#include <stdlib.h>

typedef struct save_event {
    ds_sim_event event;
    ds_sim_executor *executor;
} save_event;

static void write_one(ds_sim_executor *x, ds_collected *collected)
{
    if (x->save_writer == NULL) {
        const ds_save_target target = {x->store, ds_executor_saved_ranges(x->control), false, false,
                                       NULL};
        x->save_writer = ds_save_writer_new(&target);
    }
    ds_save_writer_write(x->save_writer, collected);
}

static ds_collected *take_first(ds_sim_executor *x)
{
    DS_ASSERT(x->saves != NULL);
    ds_collected *collected = x->saves;
    x->saves = collected->next;
    if (x->saves == NULL)
        x->last_save = &x->saves;
    collected->next = NULL;
    return collected;
}

/* Frees what the control was told of. */
static void forget_done(ds_sim_executor *x)
{
    ds_collected_free(x->done_save);
    x->done_save = NULL;
}

static void run_save(void *arg, ds_sim_event *event)
{
    ds_sim_executor *x = ((save_event *)event)->executor;
    DS_ASSERT(arg == x->sim);
    if (!x->living)
        return;
    ds_collected *collected = take_first(x);
    if (ds_sim_happens(x->sim, x->sim->config.faults.disk_fails)) {
        x->sim->figures.disk_failures++;
        ds_collected_fail(collected, DS_ERR_IO, "no space left");
    } else {
        write_one(x, collected);
    }
    const ds_saved_part *part = &collected->saved.parts[0];
    ds_sim_trace(x->sim,
                 "executor %" PRIu64 " saves stage %u partition %u of batch %" PRId64
                 " for save %" PRIu64 ": %s",
                 x->id, part->stage, part->partition, part->batch_ms, collected->saved.save,
                 collected->saved.status == DS_OK ? "done" : collected->saved.message);
    x->done_save = collected;
    ds_sim_executor_step(
        x, &(ds_executor_event){.kind = DS_EXECUTOR_SAVED, .saved = &collected->saved});
    forget_done(x);
}

void ds_sim_save(ds_sim_executor *x, ds_collected *collected)
{
    ds_sim *sim = x->sim;
    if (x->saves == NULL)
        x->last_save = &x->saves;
    *x->last_save = collected;
    x->last_save = &collected->next;
    save_event *event = ds_sim_event_new(sizeof *event, run_save);
    event->executor = x;
    if (x->save_free_us < sim->now_us)
        x->save_free_us = sim->now_us;
    x->save_free_us += ds_sim_delay(sim, sim->config.faults.disk_max_us);
    ds_sim_event_add(sim, event, x->save_free_us);
}

void ds_sim_saves_end(ds_sim_executor *x)
{
    forget_done(x);
    if (x->saves != NULL && ds_random_below(&x->sim->random, 2) == 0)
        write_one(x, x->saves);
    while (x->saves != NULL)
        ds_collected_free(take_first(x));
    ds_save_writer_free(x->save_writer);
    x->save_writer = NULL;
}
