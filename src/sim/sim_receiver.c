/*
 * A simulated receiver reads the script of its source: whatever is there at its time and fits
 * into its credit becomes a block. What it has read is gone from the script, whether or not
 * the block reaches the driver: as with a socket.
 */
#include "base/assert.h"
#include "sim/sim_state.h"

#include <stdlib.h>
#include <string.h>

typedef struct receiver_event {
    ds_sim_event event;
    ds_sim_executor *executor;
    uint64_t number; /* of the receiver, or of the tick */
} receiver_event;

static void plan(ds_sim_executor *x, uint64_t number, int64_t at_us,
                 void (*run)(void *arg, ds_sim_event *event))
{
    receiver_event *event = ds_sim_event_new(sizeof *event, run);
    event->executor = x;
    event->number = number;
    ds_sim_event_add(x->sim, event, at_us);
}

static ds_sim_receiver *find(ds_sim_executor *x, uint64_t id)
{
    for (uint32_t i = 0; x->living && i < x->n_receivers; i++)
        if (x->receivers[i].id == id)
            return &x->receivers[i];
    return NULL;
}

static void say(ds_sim_executor *x, uint64_t id, ds_receiver_phase phase)
{
    ds_executor_event event = {
        .kind = DS_EXECUTOR_RECEIVER_STATE,
        .state = {.receiver_id = id, .phase = (uint8_t)phase, .message = ""}};
    ds_sim_executor_step(x, &event);
}

static void note_block(ds_sim *sim, const ds_sim_receiver *receiver, uint32_t piece)
{
    sim->blocks = ds_realloc(sim->blocks, sim->n_blocks + 1, sizeof *sim->blocks);
    sim->blocks[sim->n_blocks++] = (ds_sim_block){.receiver_id = receiver->id,
                                                  .block_id = receiver->blocks,
                                                  .source = receiver->source,
                                                  .piece = piece};
}

/* Makes the next piece a block. False if there is no room for it now. */
static bool read_piece(ds_sim_executor *x, ds_sim_receiver *receiver, ds_sim_script *script)
{
    const ds_sim_piece *piece = &script->pieces[script->next];
    ds_block_ledger *ledger = ds_executor_ledger(x->control);
    uint64_t offset;
    receiver->refused = !ds_block_ledger_reserve(ledger, receiver->id, piece->length, &offset);
    if (receiver->refused)
        return false;
    memcpy(ds_store_bytes(x->store, offset), piece->bytes, piece->length);
    receiver->blocks++;
    ds_block_ledger_report(ledger, receiver->id, receiver->blocks, offset, piece->length,
                           piece->length);
    note_block(x->sim, receiver, script->next++);
    ds_executor_event event = {.kind = DS_EXECUTOR_BLOCK,
                               .block = {.receiver_id = receiver->id,
                                         .block = {.block_id = receiver->blocks,
                                                   .offset = offset,
                                                   .length = piece->length,
                                                   .records = piece->records}}};
    ds_sim_executor_step(x, &event);
    return true;
}

static void receive(void *arg, ds_sim_event *event)
{
    ds_sim *sim = arg;
    const receiver_event *at = (const receiver_event *)event;
    ds_sim_executor *x = at->executor;
    ds_sim_receiver *receiver = find(x, at->number);
    if (receiver == NULL || receiver->ended)
        return;
    if (!receiver->announced) {
        receiver->announced = true;
        say(x, at->number, DS_RECEIVER_RUNNING);
        if (!x->living)
            return;
    }
    ds_sim_script *script = &sim->scripts[receiver->source];
    while (x->living && script->next < script->n &&
           script->pieces[script->next].at_us <= sim->now_us)
        if (!read_piece(x, receiver, script))
            return;
    if (!x->living)
        return;
    if (script->next < script->n) {
        plan(x, at->number, script->pieces[script->next].at_us, receive);
        return;
    }
    receiver->ended = true;
    say(x, at->number, DS_RECEIVER_ENDED);
}

void ds_sim_receiver_add(ds_sim_executor *x, const ds_receiver_spec *spec)
{
    const ds_app *app = x->sim->config.plan->app;
    uint32_t source = 0;
    while (source < app->n_sources && strcmp(app->sources[source].name, spec->name) != 0)
        source++;
    DS_ASSERT(source < app->n_sources);
    x->receivers = ds_realloc(x->receivers, x->n_receivers + 1, sizeof *x->receivers);
    x->receivers[x->n_receivers++] = (ds_sim_receiver){.id = spec->receiver_id, .source = source};
    plan(x, spec->receiver_id, x->sim->now_us, receive);
}

static void stop(void *arg, ds_sim_event *event)
{
    (void)arg;
    const receiver_event *at = (const receiver_event *)event;
    ds_sim_receiver *receiver = find(at->executor, at->number);
    if (receiver == NULL || receiver->ended)
        return;
    receiver->ended = true;
    say(at->executor, at->number, DS_RECEIVER_ENDED);
}

void ds_sim_receiver_stop(ds_sim_executor *x, uint64_t receiver_id)
{
    plan(x, receiver_id, x->sim->now_us, stop);
}

static void cut(void *arg, ds_sim_event *event)
{
    (void)arg;
    const receiver_event *at = (const receiver_event *)event;
    ds_executor_event done = {.kind = DS_EXECUTOR_CUT_DONE, .tick = at->number};
    ds_sim_executor_step(at->executor, &done);
}

void ds_sim_receivers_cut(ds_sim_executor *x, uint64_t tick)
{
    plan(x, tick, x->sim->now_us, cut);
}

void ds_sim_receivers_credit(ds_sim_executor *x)
{
    for (uint32_t i = 0; i < x->n_receivers; i++)
        if (x->receivers[i].refused)
            plan(x, x->receivers[i].id, x->sim->now_us, receive);
}

void ds_sim_blocks_arrived(ds_sim *sim, const ds_msg_blocks *blocks)
{
    const ds_sim_hooks *hooks = &sim->config.hooks;
    for (uint32_t i = 0; i < blocks->n_blocks; i++)
        for (size_t k = 0; k < sim->n_blocks; k++) {
            ds_sim_block *known = &sim->blocks[k];
            if (known->receiver_id != blocks->receiver_id ||
                known->block_id != blocks->blocks[i].block_id || known->arrived)
                continue;
            known->arrived = true;
            if (hooks->arrived != NULL)
                hooks->arrived(hooks->arg, known->source, known->piece);
        }
}
