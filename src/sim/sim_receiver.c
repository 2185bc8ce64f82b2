/*
 * A simulated receiver reads the script of its source: whatever is there at its time and fits
 * into its credit becomes a block. What it has read is gone from the script, whether or not
 * the block reaches the driver: as with a socket.
 *
 * With a log the block is in it some time later, in a real file, and is reported then. When the
 * executor dies before, the block may be there all the same, or a part of it, or nothing.
 */
#include "base/assert.h"
#include "sim/sim_state.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_RETRY_US 100000
#define LOG_SEGMENT_BYTES UINT64_C(5000) /* so that there are several */

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

static void report(ds_sim_executor *x, uint64_t receiver_id, const ds_block *block)
{
    ds_executor_event event = {.kind = DS_EXECUTOR_BLOCK,
                               .block = {.receiver_id = receiver_id, .block = *block}};
    ds_sim_executor_step(x, &event);
}

/* ---- the log ---- */

/* Writes the oldest block that is not in the log. */
static ds_block write_oldest(ds_sim_executor *x, ds_sim_receiver *receiver)
{
    DS_ASSERT(receiver->n_unlogged > 0);
    const ds_sim_hooks *hooks = &x->sim->config.hooks;
    ds_sim_unlogged oldest = receiver->unlogged[0];
    receiver->n_unlogged--;
    memmove(receiver->unlogged, receiver->unlogged + 1,
            receiver->n_unlogged * sizeof *receiver->unlogged);
    ds_error error;
    ds_status status = ds_block_log_append(
        receiver->log, ds_store_bytes(x->store, oldest.block.offset), &oldest.block, &error);
    DS_ASSERT(status == DS_OK);
    ds_sim_trace(x->sim, "piece %u of source %u is in the log", oldest.piece, receiver->source);
    if (hooks->arrived != NULL)
        hooks->arrived(hooks->arg, receiver->source, oldest.piece);
    return oldest.block;
}

static void logged(void *arg, ds_sim_event *event)
{
    ds_sim *sim = arg;
    const receiver_event *at = (const receiver_event *)event;
    ds_sim_receiver *receiver = find(at->executor, at->number);
    if (receiver == NULL)
        return;
    DS_ASSERT(receiver->n_unlogged > 0);
    if (ds_sim_happens(sim, sim->config.faults.disk_fails)) { /* it is full for a while */
        sim->figures.disk_failures++;
        plan(at->executor, at->number, sim->now_us + LOG_RETRY_US, logged);
        return;
    }
    const ds_block block = write_oldest(at->executor, receiver);
    report(at->executor, at->number, &block);
}

/* Once all that came before it is durable. */
static int64_t behind_log(const ds_sim_executor *x)
{
    int64_t at_us = x->sim->now_us;
    for (uint32_t i = 0; i < x->n_receivers; i++)
        if (x->receivers[i].log != NULL && x->receivers[i].log_us > at_us)
            at_us = x->receivers[i].log_us;
    return at_us;
}

static void write_block(ds_sim_executor *x, ds_sim_receiver *receiver, uint32_t piece,
                        const ds_block *block)
{
    receiver->unlogged =
        ds_realloc(receiver->unlogged, receiver->n_unlogged + 1, sizeof *receiver->unlogged);
    receiver->unlogged[receiver->n_unlogged++] = (ds_sim_unlogged){piece, *block};
    if (receiver->log_us < x->sim->now_us)
        receiver->log_us = x->sim->now_us;
    receiver->log_us += ds_sim_delay(x->sim, x->sim->config.faults.disk_max_us);
    plan(x, receiver->id, receiver->log_us, logged);
}

/* A part of the oldest block is written, and nobody can know of it. */
static void tear(ds_sim_executor *x, ds_sim_receiver *receiver)
{
    const ds_sim *sim = x->sim;
    ds_block block = receiver->unlogged[0].block;
    ds_error error;
    char name[DS_LOG_NAME];
    ds_buffer path = {0};
    ds_status status =
        ds_block_log_append(receiver->log, ds_store_bytes(x->store, block.offset), &block, &error);
    ds_log_place_name(name, &block.log);
    ds_buffer_printf(&path, "%s/%s/%s", sim->config.log_folder,
                     sim->config.plan->app->sources[receiver->source].name, name);
    uint64_t kept = ds_random_below(&x->sim->random, DS_LOG_RECORD_HEAD + block.length);
    DS_ASSERT(status == DS_OK);
    int failed = truncate(ds_buffer_text(&path), (off_t)(block.log.offset + kept));
    DS_ASSERT(failed == 0);
    ds_buffer_fini(&path);
}

static void end_log(ds_sim_executor *x, ds_sim_receiver *receiver)
{
    uint64_t written = ds_random_below(&x->sim->random, (uint64_t)receiver->n_unlogged + 1);
    for (; written > 0; written--)
        write_oldest(x, receiver);
    if (receiver->n_unlogged > 0 && ds_random_below(&x->sim->random, 2) == 0)
        tear(x, receiver);
}

void ds_sim_receivers_end(ds_sim_executor *x)
{
    for (uint32_t i = 0; i < x->n_receivers; i++) {
        ds_sim_receiver *receiver = &x->receivers[i];
        if (receiver->n_unlogged > 0)
            end_log(x, receiver);
        ds_block_log_free(receiver->log);
        free(receiver->unlogged);
    }
    free(x->receivers);
    x->receivers = NULL;
    x->n_receivers = 0;
}

/* ---- reading ---- */

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
    const ds_block block = {.block_id = receiver->blocks,
                            .offset = offset,
                            .length = piece->length,
                            .records = piece->records};
    uint32_t number = script->next++;
    if (receiver->log != NULL) {
        write_block(x, receiver, number, &block);
        return true;
    }
    note_block(x->sim, receiver, number);
    report(x, receiver->id, &block);
    return true;
}

static void say_ended(void *arg, ds_sim_event *event)
{
    (void)arg;
    const receiver_event *at = (const receiver_event *)event;
    const ds_sim_receiver *receiver = find(at->executor, at->number);
    if (receiver != NULL && receiver->n_unlogged > 0) /* its last word waits for the disk */
        plan(at->executor, at->number, at->executor->sim->now_us + LOG_RETRY_US, say_ended);
    else if (receiver != NULL)
        say(at->executor, at->number, DS_RECEIVER_ENDED);
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
    plan(x, at->number, behind_log(x), say_ended);
}

void ds_sim_receiver_add(ds_sim_executor *x, const ds_receiver_spec *spec)
{
    const ds_app *app = x->sim->config.plan->app;
    uint32_t source = 0;
    while (source < app->n_sources && strcmp(app->sources[source].name, spec->name) != 0)
        source++;
    DS_ASSERT(source < app->n_sources);
    x->receivers = ds_realloc(x->receivers, x->n_receivers + 1, sizeof *x->receivers);
    ds_sim_receiver *receiver = &x->receivers[x->n_receivers++];
    *receiver = (ds_sim_receiver){.id = spec->receiver_id, .source = source};
    if (spec->log_folder != NULL && spec->log_folder[0] != '\0')
        receiver->log = ds_block_log_new(spec->log_folder, spec->receiver_id, LOG_SEGMENT_BYTES);
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
    plan(at->executor, at->number, behind_log(at->executor), say_ended);
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
    plan(x, tick, behind_log(x), cut);
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
