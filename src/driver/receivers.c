/* Receivers: where they run, what they report, and what becomes of them. */
#include "base/assert.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <inttypes.h>
#include <stdio.h>

static ds_intake *intake_of_receiver(ds_driver *d, uint64_t receiver_id)
{
    for (uint32_t i = 0; i < d->n_intakes; i++)
        if (d->intakes[i].receiver_id == receiver_id && receiver_id != 0)
            return &d->intakes[i];
    return NULL;
}

/* Standard input and listening ports are on the driver's host: on its own executors. So are logs,
 * if there are such: of these it knows when they have ended, since it kills them. */
static bool must_be_local(const ds_driver *d, const ds_app_source *source)
{
    return source->type == DS_SOURCE_STDIN || source->listen ||
           (source->log && d->plan->app->executors_count > 0);
}

static ds_executor_entry *place_receiver(ds_driver *d, const ds_app_source *source)
{
    ds_executor_entry *best = NULL;
    bool best_blind = true; /* it does not see the checkpoint */
    for (size_t i = 0; i < d->registry.n; i++) {
        ds_executor_entry *entry = d->registry.list[i];
        if (entry->state != DS_EXECUTOR_READY || (must_be_local(d, source) && !entry->local))
            continue;
        bool blind = source->log && ds_driver_is_blind(d, entry);
        if (best == NULL || blind < best_blind ||
            (blind == best_blind && entry->receivers < best->receivers)) {
            best = entry;
            best_blind = blind;
        }
    }
    return best;
}

static const char *log_folder_of(const ds_intake *intake)
{
    return intake->source->log && intake->log_folder != NULL ? intake->log_folder : "";
}

static void start_receiver(ds_driver *d, ds_intake *intake)
{
    DS_ASSERT(intake->needed && intake->phase == DS_INTAKE_IDLE);
    ds_executor_entry *entry = place_receiver(d, intake->source);
    if (entry == NULL)
        return;
    intake->phase = DS_INTAKE_STARTING;
    intake->receiver_id = ++d->next_receiver;
    intake->last_block = 0;
    intake->executor_id = entry->id;
    entry->receivers++;
    ds_message message = {.type = DS_MSG_RECEIVER_START};
    message.receiver_start = (ds_msg_receiver_start){.plan_id = 1,
                                                     .source = intake->index,
                                                     .receiver_id = intake->receiver_id,
                                                     .credit_bytes = ds_driver_credit(d, entry),
                                                     .until_idle = d->config.available_now,
                                                     .rate = d->rates[intake->index].rate,
                                                     .log_folder = log_folder_of(intake)};
    ds_driver_send(d, entry, &message);
}

void ds_driver_start_receivers(ds_driver *d)
{
    if (!ds_driver_tables_ready(d))
        return; /* their blocks come first: what is left of a store is for receivers */
    if (!ds_driver_logs_ready(d))
        return;
    for (uint32_t i = 0; i < d->n_intakes && d->phase == DS_PHASE_RUNNING; i++) {
        ds_intake *intake = &d->intakes[i];
        if (intake->needed && ds_intake_has_receiver(intake) && intake->phase == DS_INTAKE_IDLE &&
            d->now_us >= intake->retry_us)
            start_receiver(d, intake);
    }
}

void ds_driver_stop_receivers(ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        ds_intake *intake = &d->intakes[i];
        ds_executor_entry *entry = ds_registry_find(&d->registry, intake->executor_id);
        bool active = intake->phase == DS_INTAKE_STARTING || intake->phase == DS_INTAKE_RUNNING;
        if (!active || entry == NULL || entry->peer == 0) {
            intake->phase = DS_INTAKE_ENDED;
            continue;
        }
        ds_message message = {.type = DS_MSG_RECEIVER_STOP};
        message.receiver_stop.receiver_id = intake->receiver_id;
        ds_driver_send(d, entry, &message);
    }
}

bool ds_driver_receivers_ended(const ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++)
        if (d->intakes[i].needed && ds_intake_has_receiver(&d->intakes[i]) &&
            (d->intakes[i].phase != DS_INTAKE_ENDED || d->intakes[i].scanning))
            return false;
    return true;
}

/* A receiver went with its executor: it starts again elsewhere. */
void ds_driver_receivers_of(ds_driver *d, uint64_t executor_id)
{
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        ds_intake *intake = &d->intakes[i];
        if (intake->executor_id != executor_id || intake->receiver_id == 0 ||
            intake->phase == DS_INTAKE_ENDED)
            continue;
        bool logged = ds_driver_log_lost(d, intake);
        ds_log_error("source %s: its receiver was lost with executor %" PRIu64
                     "; records that it had read and %s are lost",
                     intake->source->name, executor_id,
                     logged ? "that were not in the log yet" : "not yet reported");
        intake->moved = intake->moved || intake->phase == DS_INTAKE_RUNNING;
        intake->receiver_id = 0;
        intake->phase = d->phase == DS_PHASE_STOPPING ? DS_INTAKE_ENDED : DS_INTAKE_IDLE;
    }
}

static bool lies_in_store(const ds_executor_entry *from, const ds_block *block)
{
    return block->offset <= from->store_bytes && block->length <= from->store_bytes - block->offset;
}

/* Places of a source go up; a receiver without a log says none. */
static bool is_placed(const ds_intake *intake, const ds_block *block)
{
    return block->log.receiver_id == 0 || (block->log.receiver_id == intake->receiver_id &&
                                           ds_log_place_compare(&block->log, &intake->log_end) > 0);
}

void ds_driver_on_blocks(ds_driver *d, ds_executor_entry *from, const ds_msg_blocks *blocks)
{
    ds_intake *intake = intake_of_receiver(d, blocks->receiver_id);
    if (intake == NULL || intake->executor_id != from->id)
        return;
    for (uint32_t i = 0; i < blocks->n_blocks; i++) {
        const ds_block *block = &blocks->blocks[i];
        if (block->block_id <= intake->last_block || !lies_in_store(from, block) ||
            !is_placed(intake, block))
            continue; /* came twice */
        intake->last_block = block->block_id;
        ds_intake_report(intake, from->id, blocks->receiver_id, block);
    }
}

/* An executor does not see the folder of the log: another one may. If it is away for all, it is
 * waited for. */
static bool is_out_of_sight(ds_driver *d, const ds_intake *intake, ds_executor_entry *from,
                            const ds_msg_receiver_state *state)
{
    if (state->status != DS_ERR_NO_INPUT || *log_folder_of(intake) == '\0')
        return false;
    from->unread_us = d->now_us;
    if (intake->retry_wait_us == 0)
        ds_log_warn("source %s: executor %" PRIu64 " cannot log what it would receive: %s; it is "
                    "tried elsewhere, and again",
                    intake->source->name, from->id, state->message);
    return true;
}

/* A port may be in use for a moment more when its owner was just killed, a peer may be away for
 * longer than it may be at the start, and descriptors may be short: one that worked before starts
 * again. */
static bool try_again(ds_driver *d, ds_intake *intake, ds_executor_entry *from,
                      const ds_msg_receiver_state *state)
{
    bool unseen = is_out_of_sight(d, intake, from, state);
    bool passing = state->status == DS_ERR_UNAVAILABLE || state->status == DS_ERR_IO;
    bool waits = unseen || (intake->moved && passing);
    if (unseen && d->phase == DS_PHASE_STOPPING) { /* it had not begun */
        from->receivers--;
        intake->phase = DS_INTAKE_ENDED;
        return true;
    }
    if (!waits || d->phase != DS_PHASE_RUNNING)
        return false;
    DS_ASSERT(from->receivers > 0);
    from->receivers--;
    if (intake->retry_wait_us == DS_MOVE_MOST_US)
        ds_log_warn("source %s: %s; trying again", intake->source->name, state->message);
    int64_t wait_us = intake->retry_wait_us == 0 ? DS_MOVE_US : intake->retry_wait_us * 2;
    intake->retry_wait_us = wait_us < DS_MOVE_MOST_US ? wait_us : DS_MOVE_MOST_US;
    intake->retry_us = d->now_us + intake->retry_wait_us;
    intake->receiver_id = 0;
    intake->phase = DS_INTAKE_IDLE;
    return true;
}

void ds_driver_on_receiver_state(ds_driver *d, ds_executor_entry *from,
                                 const ds_msg_receiver_state *state)
{
    ds_intake *intake = intake_of_receiver(d, state->receiver_id);
    if (intake == NULL || intake->executor_id != from->id || intake->phase == DS_INTAKE_ENDED)
        return;
    const char *name = intake->source->name;
    switch ((ds_receiver_phase)state->phase) {
    case DS_RECEIVER_RUNNING:
        intake->phase = DS_INTAKE_RUNNING;
        intake->moved = false;
        intake->retry_us = intake->retry_wait_us = 0;
        ds_log_info("source %s: %s", name, state->message);
        break;
    case DS_RECEIVER_RETRYING:
        if (state->message[0] != '\0')
            ds_log_warn("source %s: %s", name, state->message);
        if (state->status == DS_ERR_IO && intake->log_folder != NULL)
            ds_driver_log_full(d, intake);
        break;
    case DS_RECEIVER_ENDED:
        DS_ASSERT(from->receivers > 0);
        intake->phase = DS_INTAKE_ENDED;
        from->receivers--;
        if (state->message[0] != '\0')
            ds_log_info("source %s: %s", name, state->message);
        break;
    case DS_RECEIVER_FAILED: {
        if (try_again(d, intake, from, state))
            break;
        char text[DS_ERROR_TEXT];
        snprintf(text, sizeof text, "source %s: %s", name, state->message);
        ds_driver_end(d, (ds_status)state->status, text);
        break;
    }
    }
}
