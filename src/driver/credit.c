/*
 * What receivers may hold, and with --available-now when what they brought is worth a batch.
 *
 * Who asks for what is there now waits for no batch's time. But a batch for each block that comes
 * would be a bad bargain: it has its price, whatever is in it (messages, tasks, files, a commit).
 * So blocks are collected until there is BATCH_BYTES of them, which is still in the cache when
 * tasks read it, or their receiver has ended, or the batch's time has come, as ever.
 *
 * For the same reason a receiver then gets credit for two such batches only, one that runs and one
 * that comes in: more would not make it faster, but take memory that was never touched before.
 *
 * What is waited for must be what a receiver can bring. It stops when the next room it asks for
 * does not fit its credit; so half of what certainly fits is always enough, counted as it does.
 */
#include "base/assert.h"
#include "driver/driver_state.h"

#define BATCH_BYTES ((uint64_t)16 << 20)
#define LEAST_BYTES UINT64_C(4096) /* what a block counts at its receiver, however short */

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The largest room a receiver asks for: see receiver.h. */
static uint64_t room_of(const ds_app *app)
{
    uint64_t block = (uint64_t)app->limits_block, record = 2 * ((uint64_t)app->limits_record + 3);
    return block > record ? block : record;
}

uint64_t ds_driver_credit(const ds_driver *d, const ds_executor_entry *entry)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < d->n_intakes; i++)
        n += d->intakes[i].needed && ds_intake_has_receiver(&d->intakes[i]);
    uint64_t credit = d->config.credit_bytes / (n > 0 ? n : 1);
    uint64_t most = ds_driver_input_share(d, entry->store_bytes) / (n > 0 ? n : 1);
    if (ds_driver_has_replicas(d))
        most /= 2; /* the other half is for blocks of others (replicas.c) */
    if (d->config.available_now)
        most = lesser(most, 2 * BATCH_BYTES + room_of(d->plan->app));
    return lesser(credit, most);
}

static bool has_bytes(const ds_intake *intake, uint64_t enough)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < intake->n_blocks && bytes < enough; i++) {
        uint64_t length = intake->blocks[i].block.length;
        bytes += length > LEAST_BYTES ? length : LEAST_BYTES;
    }
    return bytes >= enough;
}

bool ds_driver_is_worth_a_batch(const ds_driver *d, const ds_intake *intake)
{
    const ds_executor_entry *entry = ds_registry_find(&d->registry, intake->executor_id);
    if (!ds_intake_has_receiver(intake) || intake->phase != DS_INTAKE_RUNNING || entry == NULL)
        return ds_intake_has_more(intake);
    uint64_t credit = ds_driver_credit(d, entry), room = room_of(d->plan->app);
    uint64_t enough = credit > room ? lesser(BATCH_BYTES, (credit - room) / 2) : 0;
    DS_ASSERT(enough == 0 || enough < credit);
    return ds_intake_has_more(intake) && has_bytes(intake, enough);
}
